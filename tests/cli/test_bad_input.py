"""Every bad input ends in one sentence that names what was given and what to do: no traceback, no answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cli.command import Ran, run

from system2.cli.arguments import EFFORTS as NAMES
from system2.effort import EFFORTS
from system2.options import LONGEST

HOME = Path(__import__("system2").__file__).parent / "weights"
URL = "http://127.0.0.1:9/v1"
SECRET = "http://user:p@sswrd@h/v1?key=sesame"


def refused(ran: Ran, *parts: str, status: int = 1) -> None:
    """One line on standard error that holds these parts; nothing on standard output."""
    assert ran.status == status
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert ran.err.startswith("system2: ") and ran.err.count("\n") == 1, ran.err
    for part in parts:
        assert part in ran.err


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["ask", ""], ["empty", "give some text"]),
        (["ask", " \n\t"], ["empty"]),
        (["ask"], ["no question", "--file"]),
        (["ask", "2\x1b[2J+2"], ["control characters", r"\x1b", "remove"]),
        (["ask", "2+\x85 2"], [r"\x85"]),
        (["ask", b"2+2\xff"], ["not UTF-8", "iconv"]),
        (["ask", "2+2", "--effort", "huge"], ["'huge'", "choose one of none, minimal"]),
        (["ask", "2+2", "--tokens", "-5"], ["tokens", "-5", "at least 1"]),
        (["ask", "2+2", "--tokens", "1" + 400 * "0"], ["tokens", "at most"]),
        (["ask", "2+2", "--dollars", "1e25", "--price", "1/1"], ["dollars", "at most"]),
        (["ask", "2+2", "--model", SECRET], ["http://h/v1", "needs model_name"]),
        (["train", "sft", "--out", "/none", "--processes", "0"], ["--processes", "at least 1"]),
        (["train", "sft", "--out", "/none", "--minutes", "nan"], ["--minutes", "nan"]),
        (["ask", "2+2", "--tokens", "0"], ["tokens", "0 was given", "at least 1"]),
        (["ask", "2+2", "--seconds", "-1"], ["seconds", "-1", "at least 0"]),
        (["ask", "2+2", "--seconds", "nan"], ["seconds", "nan"]),
        (["ask", "2+2", "--dollars", "-1"], ["dollars", "'-1'", "at least 0"]),
        (["ask", "2+2", "--dollars", "much"], ["dollars", "'much'"]),
        (["ask", "2+2", "--at-once", "0"], ["at_once", "at least 1"]),
        (["ask", "2+2", "--samples", "0"], ["samples", "0 was given"]),
        (["ask", "2+2", "--samples", "99999999999"], ["samples", "100,000"]),
        (["ask", "2+2", "--price", "1"], ["--price 1", "IN/OUT"]),
        (["ask", "2+2", "--price", "a/b"], ["--price", "'a'"]),
        (["ask", "2+2", "--model", URL], [URL, "--model-name"]),
        (["ask", "2+2", "--model", URL, "--model-name", "m", "--dollars", "1"], ["--price"]),
        (["ask", "2+2", "--model", "gpt-7"], ["'gpt-7'", "http://localhost:8000/v1", "folder"]),
        (["ask", "2+2", "--model-name", "gpt-7"], ["model_name", "http://localhost:8000/v1"]),
        (["ask", "2+2", "--key-file", "/none"], ["/none", "No such file"]),
        (["ask", "--file", "/none"], ["/none", "No such file"]),
        (["ask", "--file", "/"], ["/", "directory"]),
        (["ask", "2+2", "--file", "/none"], ["both", "give one"]),
        (["ask", "-", "--file", "/none"], ["both", "give one"]),
        (["ask", "", "--file", "/none"], ["both", "give one"]),
    ],
)
def test_words(words: list[str | bytes], parts: list[str]):
    ran = run(*words)
    refused(ran, *parts)
    assert "sswrd" not in ran.err and "sesame" not in ran.err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "COMMAND"),
        (["frobnicate"], "'frobnicate'"),
        (["ask", "2+2", "--tokens", "many"], "'many'"),
        (["ask", "2+2", "extra"], "extra"),
        (["ask", "2+2", "--wings"], "--wings"),
        (["ask", "2+2", "--key", "sk-live-abcdef"], "--key"),  # no short form of --key-file
        (["ask", "-5+3"], "goes last, after --"),
    ],
)
def test_words_that_mean_nothing(words: list[str], part: str):
    refused(run(*words), part, "--help", status=2)


def test_a_megabyte(tmp_path: Path):
    big = tmp_path / "big.txt"
    big.write_text("1" * 1_000_000)
    refused(run("ask", "--file", str(big)), str(big), f"{LONGEST:,}", "shorten")
    refused(run("ask", "-", stdin=big.read_bytes()), "standard input", "shorten")
    big.write_text("1" * (LONGEST + 1))
    refused(run("ask", "--file", str(big)), f"{LONGEST + 1:,} characters", "shorten")


def test_more_than_the_embedded_model_reads():
    ran = run("ask", "1+" * 1500 + "1")
    assert ran.status == 1 and ran.out == "" and "Traceback" not in ran.err
    assert "3001 characters" in ran.said and "--model" in ran.said


def test_bytes_that_are_no_text(tmp_path: Path):
    latin = tmp_path / "latin.txt"
    latin.write_bytes("wie groß ist 2+2".encode("latin-1"))
    refused(run("ask", "--file", str(latin)), str(latin), "not UTF-8", "byte 7", "iconv")
    refused(run("ask", "-", stdin=latin.read_bytes()), "standard input", "not UTF-8")
    refused(run("ask", "2+2", "--key-file", str(latin)), str(latin), "no text")


@pytest.mark.parametrize(
    ("file", "content", "parts"),
    [
        ("model.safetensors", None, ["missing"]),
        ("model.safetensors", b"", ["damaged"]),
        ("model.safetensors", b"cut", ["damaged"]),
        ("config.json", None, ["missing"]),
        ("config.json", b"{", ["cannot be read"]),
        ("config.json", b"[]", ["not a JSON object"]),
        ("tokenizer.json", None, ["cannot be read"]),
        ("tokenizer.json", b"{}", ["cannot be read"]),
        ("tokenizer.json", b"[]", ["cannot be read"]),
    ],
)
def test_damaged_weights(file: str, content: bytes | None, parts: list[str], tmp_path: Path):
    folder = shutil.copytree(HOME, tmp_path / "weights")
    if content is None:
        (folder / file).unlink()
    elif content == b"cut":
        (folder / file).write_bytes((folder / file).read_bytes()[:-1000])
    else:
        (folder / file).write_bytes(content)
    refused(run("ask", "2+2", "--model", str(folder)), str(folder / file), *parts, "reinstall")


def test_price_list(tmp_path: Path):
    folder = tmp_path / "system2"
    folder.mkdir()
    words = ("ask", "2+2", "--model", URL, "--model-name", "m")
    for text in ("[m", "m = 3", "[m]\nprompt = 1", "[m]\nprompt = -1\ncompletion = 2"):
        (folder / "prices.toml").write_text(text)
        refused(run(*words, XDG_CONFIG_HOME=str(tmp_path)), "prices.toml", "completion")


def test_a_place_for_traces_that_is_none():
    refused(run("ask", "2+2", XDG_DATA_HOME="/dev/null"), "/dev/null", "--no-trace")


def test_the_help_names_every_effort():
    assert tuple(EFFORTS) == NAMES
