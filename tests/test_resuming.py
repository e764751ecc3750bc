"""Going on with a run from Python: options merged, and what is unsafe refused."""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import system2
from system2 import think
from system2.core import Price, Started
from system2.policies.fake import Digits
from system2.resuming import reopen
from system2.solve import finish
from system2.store import decode, encode, folder

CHEAP = Price(Decimal(1), Decimal(2))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path


def trace() -> Path:
    (path,) = folder().glob("*.jsonl")
    return path


def change(settings: Callable[[dict[str, str]], dict[str, str]]) -> None:
    """Write other settings into the trace."""
    first, *rest = trace().read_text().splitlines(keepends=True)
    started = decode(first)
    assert isinstance(started, Started)
    told = replace(started, settings=settings(started.settings))
    trace().write_text("".join([encode(told) + "\n", *rest]))


def test_resume_is_a_function_however_often_it_is_called() -> None:
    from system2 import resume

    think("1+1", samples=2, policy=Digits())
    for samples in (3, 4):
        done = resume("last", samples=samples, policy=Digits())
        assert done.samples == samples
        assert system2.resume("last", policy=Digits()).samples == samples


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "was given objects of its own (policy)"),
        ({"policy": Digits(), "seed": 3}, "seed: a run goes on with the one that it has"),
        ({"policy": Digits(), "trace": False}, "trace: a run that goes on keeps its trace"),
        (
            {"policy": Digits(), "price": Price(Decimal(9), Decimal(9))},
            "has spent at a price of 1/2",
        ),
    ],
)
def test_what_is_unsafe_is_refused(options: dict[str, Any], said: str) -> None:
    think("1+1", samples=2, policy=Digits(), price=CHEAP)
    before = trace().read_bytes()
    with pytest.raises(ValueError) as raised:
        system2.resume("last", **options)
    assert said in str(raised.value)
    assert trace().read_bytes() == before


def test_a_key_goes_to_no_server_that_only_a_trace_names() -> None:
    think("1+1", samples=2, policy=Digits())
    change(lambda old: {"effort": "low", "model": "http://evil.example/v1", "model_name": "m"})
    with pytest.raises(ValueError, match="name the server again"):
        reopen("last", key="sk-secret")
    engine = reopen("last", key="sk-secret", model="http://evil.example/v1")
    engine.watchers[-1].close()  # type: ignore[attr-defined]


def test_another_model_has_another_price() -> None:
    think("1+1", samples=2, policy=Digits())
    change(lambda old: {"model": "http://a.example/v1", "model_name": "cheap", "price": "1/2"})
    with pytest.raises(ValueError, match="has spent at a price of 1/2, and now none"):
        reopen("last", model_name="dear")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"call":1', '"call":"x"'),
        ('"event":"Asked"', '"event":"Merged"'),
        ('"reasoning":4', '"reasoning":-4'),
        ('"reasoning":4', '"reasoning":"4"'),
        ('"samples":"2"', '"samples":"many"'),
    ],
)
def test_a_damaged_trace_is_told_in_a_sentence(old: str, new: str) -> None:
    think("1+1", samples=2, policy=Digits())
    text = trace().read_text()
    assert old in text
    trace().write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=r"trace|damaged"):
        reopen("last", policy=Digits())
    reopen_ok = trace().read_text()
    assert reopen_ok == text.replace(old, new)


def test_where_the_trace_cannot_go_on_nothing_is_bought() -> None:
    think("1+1", samples=2, policy=Digits())
    policy = Digits()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    engine = reopen("last", samples=9, policy=policy)
    resource.setrlimit(resource.RLIMIT_FSIZE, (trace().stat().st_size, limits[1]))
    try:
        done = finish(engine)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert policy.calls == 0 and done.answer is None
    assert len(done.faults) == 1 and "nothing was asked" in done.faults[0]
