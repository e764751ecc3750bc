"""docs/map.md shows every room there is; where it lists what a room may import, it says what tests/test_house.py enforces."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_house import MAY

MAP = (Path(__file__).parents[2] / "docs" / "map.md").read_text("utf-8")
ROWS = dict(re.findall(r"^\| L\d \| `(\w+)(?:/|\.py)` \|.*\| ([^|]*) \|$", MAP, re.MULTILINE))
LISTED = {
    room: rooms for room, told in ROWS.items() if (rooms := set(told.split(", "))) <= set(MAY)
}


def test_every_room_has_a_row():
    assert set(ROWS) == set(MAY) - {"__main__", "__init__", "programs"}
    assert len(LISTED) > 15


@pytest.mark.parametrize("room", LISTED)
def test_what_a_room_may_import_is_true(room: str):
    assert LISTED[room] == MAY[room] - {"programs"}
