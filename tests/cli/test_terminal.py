"""What a model writes is shown on a terminal, never obeyed by it."""

from __future__ import annotations

import json

import pytest

from system2.cli.terminal import quoted, shown

ORDERS = "\x1b]0;title\x07\x1b[2J\x9b8m\r\x00\x7f\u202e"


def test_orders_are_spelt_out() -> None:
    text = shown(f"a{ORDERS}b\n\tc é 中")
    assert text == r"a\x1b]0;title\x07\x1b[2J\x9b8m\r\x00\x7f\u202eb" + "\n\tc é 中"


@pytest.mark.parametrize("ascii", [True, False])
def test_json_says_the_same(ascii: bool) -> None:
    line = quoted(json.dumps({"answer": ORDERS}, ensure_ascii=ascii))
    assert line.isprintable() and json.loads(line) == {"answer": ORDERS}
