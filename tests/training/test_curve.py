"""What a run of training shows: numbers in a file, a picture, a line now and then."""

import json

import pytest

pytest.importorskip("matplotlib")

from system2.training.curve import Curve, Screen


def test_a_curve_is_written_as_numbers_and_as_a_picture(tmp_path):
    curve = Curve()
    curve.write(tmp_path)  # nothing to show yet is no fault
    curve.points.append({"update": 10, "seconds": 5.0, "tokens": 1000, "loss": 2.5})
    curve.tests.append({"update": 10, "tokens": 1000, "right": {"addition": 0.5}})
    curve.tests.append({"update": 20, "tokens": 2000, "right": {"addition": 0.7, "grid": 0.1}})
    curve.write(tmp_path)
    assert Curve(**json.loads((tmp_path / "curve.json").read_text())) == curve
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_where_there_is_no_terminal_lines_are_few(capsys):
    screen = Screen(shown=True, every=10)
    for update in range(1, 31):
        screen.show(update, 0 if update < 25 else 30, 0.5, 1234.0)
    screen.tell(30, {"addition": 0.75})
    screen.close()
    told = capsys.readouterr().err
    assert (
        told.count("\n") <= 6 and "update 30 of 30: loss 0.5000" in told and "addition 75%" in told
    )
    Screen(shown=False).show(10, 30, 0.5, 1.0)
    assert not capsys.readouterr().err
