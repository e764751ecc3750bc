"""What the words of the command line mean: the question, the budget, the key, the price. Runs nothing."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from system2.core import Price
from system2.demonstrations import read
from system2.options import LONGEST, Options, check, priced
from system2.prices import price


def question(options: argparse.Namespace) -> str:
    """From the argument, a file or standard input. Raises ValueError, OSError."""
    if options.file is not None and options.question is not None:
        raise ValueError("both a question and --file were given; give one of them")
    if options.file is not None:
        with Path(options.file).open("rb") as file:
            text = decoded(file.read(4 * LONGEST + 1), options.file)
    elif options.question == "-":
        text = decoded(sys.stdin.buffer.read(4 * LONGEST + 1), "standard input")
    elif options.question is None:
        raise ValueError("no question; give some text, a --file, or - for standard input")
    else:
        text = options.question
    check(text)
    return text


def decoded(data: bytes, name: str) -> str:
    """The text of a file's bytes. Raises ValueError if there are too many or they are not UTF-8."""
    if len(data) > 4 * LONGEST:
        raise ValueError(
            f"the question has more than {4 * LONGEST:,} bytes ({name}); at most {LONGEST:,} "
            "characters are read: shorten it"
        )
    try:
        return data.decode("utf-8-sig").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"the question is not UTF-8 text ({name}, {error.reason} at byte {error.start}); "
            "convert it, for example with iconv"
        ) from error


def settings(options: argparse.Namespace) -> Options:
    """Command-line options as those of `prepare`. Raises ValueError."""
    given: dict[str, Any] = {
        name: value
        for name in (
            "effort", "samples", "tokens", "dollars", "seconds", "at_once",
            "model", "model_name", "system", "seed", "routes",
        )
        if (value := getattr(options, name, None)) is not None
    }  # fmt: skip
    if (cost := price_of(options)) is not None:
        given["price"] = cost
    if key := key_of(options):
        given["key"] = key
    if file := getattr(options, "examples", None):
        given["examples"] = read(Path(file))
    return Options(**given, trace=not getattr(options, "no_trace", False))


def key_of(options: argparse.Namespace) -> str:
    """The server's key: from a file or the environment, never from an argument."""
    if not options.key_file:
        key = os.environ.get("OPENAI_API_KEY", "").strip()
        if key and not (key.isascii() and key.isprintable()):
            raise ValueError("OPENAI_API_KEY holds a character that no key has; copy it again")
        return key
    try:
        key = Path(options.key_file).read_text("utf-8").strip()
    except UnicodeDecodeError:
        key = ""
    if not key:
        raise ValueError(f"the key file {options.key_file} is empty or holds no text")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError(
            f"the key in {options.key_file} holds a blank, a line break or a character that no key has; "
            "copy it again"
        )
    return key


def price_of(options: argparse.Namespace) -> Price | None:
    """--price IN/OUT, else the model's entry in prices.toml, else unknown."""
    if options.price:
        return priced(options.price, "--price")
    return price(options.model_name) if options.model_name else None
