"""Prices of models come from a file that a person keeps, wherever they are asked for."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from system2.core import Price
from system2.prices import price

LIST = """
["org/model.1"]
prompt = 0.15
completion = "0.60"
cached = 0.075

[half]
prompt = 1
"""


def test_a_models_price(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user, here = tmp_path / "system2" / "prices.toml", tmp_path / "prices.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert price("org/model.1") is None
    user.parent.mkdir()
    user.write_text(LIST)
    expected = Price(Decimal("0.15"), Decimal("0.60"), Decimal("0.075"))
    assert price("org/model.1") == expected
    assert price("another") is None
    here.write_text('["org/model.1"]\nprompt = 2\ncompletion = 3\n')
    assert price("org/model.1") == Price(Decimal(2), Decimal(3))  # the nearer list holds
    with pytest.raises(ValueError, match="a row gives prompt and completion"):
        price("half")
