"""`system2 serve` with settings that cannot work: it ends before it listens, with status 2 and one sentence."""

from __future__ import annotations

import logging
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.command import run

import system2
from system2.cli.main import main

HOME = Path(system2.__file__).parent / "weights"
FAR = ("--model", "http://127.0.0.1:9/v1", "--model-name", "m")


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("SYSTEM2_DATABASE", raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def refused(capsys: pytest.CaptureFixture[str], words: list[str], *parts: str) -> None:
    """Status 2, one line, with these parts; nothing listened."""
    status = main(["serve", "--port", "0", *words])
    said = capsys.readouterr()
    assert status == 2, said.err
    assert said.out == "" and said.err.count("\n") == 1, said.err
    assert said.err.startswith("system2: ") and "serves" not in said.err
    for part in parts:
        assert part in said.err


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--model", "/no/such/folder"], ["/no/such/folder", "folder of weights"]),
        (["--routes", "/no/such/file"], ["/no/such/file", "system2 routes"]),
        (["--language", "klingonese!"], ["--language", "'klingonese!'", "zh-CN"]),
        ([*FAR, "--language", "?"], ["--language", "'?'", "zh-CN"]),
        (["--most", "0"], ["--most", "0 was given", "at least 1"]),
        (["--most", "-7"], ["--most", "-7"]),
        (["--grace", "-4"], ["--grace", "-4", "at least 0"]),
        (["--grace", "nan"], ["--grace", "nan"]),
        (["--grace", "inf"], ["--grace", "inf"]),
        (["--at-once", "0"], ["at_once", "at least 1"]),
        ([*FAR, "--at-once", "-3"], ["at_once", "-3"]),
        (["--as", ""], ["name", "''"]),
        (["--as", "a\nb"], ["name"]),
        (["--effort", "huge"], ["'huge'", "choose one of"]),
        (["--moderate", "model"], ["cannot moderate"]),
        (["--price=-1/2", *FAR], ["--price", "'-1'"]),
        (["--model", "http://", "--model-name", "m"], ["http://", "address"]),
        (["--model", "http://h:x/v1", "--model-name", "m"], ["address"]),
        (["--model", "http://127.0.0.1:9/v1"], ["model_name"]),
        (["--host", "no.such.host.invalid"], ["no.such.host.invalid", "--host"]),
        (["--host", "203.0.113.7"], ["203.0.113.7", "--host"]),
        (["--database", "mysql://a/b"], ["sqlite:///FILE"]),
        (["--database", "/proc/none/a.db"], ["/proc/none", "folder"]),
        (["--database", "postgresql://u@127.0.0.1:9/x"], ["127.0.0.1", "see that it runs"]),
        (["--open", "--host", "0.0.0.0"], ["--open"]),
    ],
)
def test_a_setting_that_cannot_work(
    capsys: pytest.CaptureFixture[str], words: list[str], parts: list[str]
):
    refused(capsys, words, *parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["no model"]),
        ("[model]\nname = 'a'\n", ["[[model]]"]),
        ("model = [1, 2]\n", ["[[model]]"]),
        ("most = 4\n[[model]]\nname = 'a'\n", ["most", "[[model]]"]),
        ("[[models]]\nname = 'a'\n", ["models"]),
        ("[[model]]\nname = 'a'\nsumaries = true\n", ["model 1", "'sumaries'", "summaries"]),
        ("[[model]]\nname = 'a'\nsummaries = 'no'\n", ["model 1", "summaries", "true or false"]),
        ("[[model]]\nname = 'a'\nat_once = 'many'\n", ["at_once", "whole number", "'many'"]),
        ("[[model]]\nname = 'a'\nat_once = true\n", ["at_once", "whole number"]),
        ("[[model]]\nname = 'a'\nat_once = 0\n", ["at_once", "at least 1"]),
        ("[[model]]\nname = 'a'\nper_call = -1\n", ["per_call", "at least 1"]),
        ("[[model]]\nname = 'a'\nper_call = 2.5\n", ["per_call", "whole number"]),
        ("[[model]]\nname = 'a'\nprofile = 1\n", ["profile", "text"]),
        ("[[model]]\nname = 'a'\nmoderation = ['words']\n", ["moderation", "text"]),
        ("[[model]]\nname = ''\n", ["name"]),
        ("[[model]]\nname = 'a'\nlanguage = 'klingonese!'\n", ["language", "'klingonese!'"]),
        ("[[model]]\nname = 'a'\nmodel = '/no/such'\n", ["model 1", "/no/such"]),
        ("[[model]]\nname = 'a'\nmodel_name = 'b'\n", ["model_name"]),
        ("\xff", ["TOML"]),
    ],
)
def test_a_configuration_that_cannot_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, parts: list[str]
):
    path = tmp_path / "models.toml"
    path.write_bytes(text.encode("latin-1"))
    refused(capsys, ["--config", str(path)], str(path), *parts)


def test_no_configuration(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    refused(capsys, ["--config", str(tmp_path / "none")], str(tmp_path / "none"), "[[model]]")
    refused(capsys, ["--config", str(tmp_path)], str(tmp_path), "[[model]]")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 1, "ways": {}, "seen": []}', "\x00"])
def test_routes_that_are_damaged(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str):
    path = tmp_path / "routes.json"
    path.write_text(text, "utf-8")
    refused(capsys, ["--routes", str(path)], str(path), "holds no routes", "learn them anew")


def test_weights_that_are_damaged(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    place = tmp_path / "weights"
    shutil.copytree(HOME, place)
    (place / "tokenizer.json").write_text("{")
    refused(capsys, ["--model", str(place)], "tokenizer.json", "reinstall")
    (place / "model.safetensors").write_bytes(b"")
    refused(capsys, ["--model", str(place)], "model.safetensors")


def test_a_database_that_is_something_else(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    (tmp_path / "file").write_text("not a database, but long enough to be taken for none" * 40)
    refused(capsys, ["--database", str(tmp_path / "file")], str(tmp_path / "file"), "no database")
    refused(capsys, ["--database", str(tmp_path / "file" / "a.db")], "a.db", "folder")
    refused(capsys, ["--database", str(tmp_path)], str(tmp_path))


def test_traces_that_cannot_be_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    database = f"sqlite:///{tmp_path}/server.db"
    refused(capsys, ["--database", database], str(tmp_path / "file"), "XDG_DATA_HOME")


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused(capsys, ["--port", str(port)], str(port), "--port N")
    refused(capsys, ["--port", "70000"], "70000", "65535")


@pytest.mark.skipif(os.geteuid() == 0, reason="no folder refuses root")
def test_a_folder_that_may_not_be_written(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    place = tmp_path / "locked"
    place.mkdir(mode=0o500)
    refused(capsys, ["--database", str(place / "a.db")], str(place), "Permission denied")


def test_the_process_ends_with_status_2(tmp_path: Path):
    ran = run("serve", "--most", "0", data=tmp_path)
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
