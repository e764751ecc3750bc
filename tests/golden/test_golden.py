"""Seeded searches go as they went: every ask, node, score and cent. After a wanted change: `make golden`."""

from __future__ import annotations

import pytest
from golden.cases import CASES, HERE, lines


def test_a_file_for_every_case() -> None:
    assert {path.stem for path in HERE.glob("*.jsonl")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_goes_as_it_went(name: str) -> None:
    kept = (HERE / f"{name}.jsonl").read_text("utf-8").splitlines()
    assert lines(name) == kept


def test_the_cases_differ_and_do_what_they_are_for() -> None:
    """A file of failed runs would hide a fault: each case but the wild ones answers, and they fail."""
    for name in CASES:
        text = (HERE / f"{name}.jsonl").read_text("utf-8")
        assert text.startswith('{"event":"Started"') and '"event":"Finished"' in text
        assert ('"event":"Failed"' in text) == name.startswith("wild"), name
    assert '"event":"Merged"' in (HERE / "mcts.jsonl").read_text("utf-8")
    assert '"why":"budget"' in (HERE / "short_of_tokens.jsonl").read_text("utf-8")
