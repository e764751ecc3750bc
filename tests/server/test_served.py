"""The models that are offered: what a configuration may say, and what is refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from system2.effort import EFFORTS
from system2.options import Options
from system2.server.errors import ApiError
from system2.server.served import Models, Served, card, configured, ruled


def written(folder: Path, text: str) -> Path:
    """A configuration."""
    path = folder / "models.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_price_that_is_not_given_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prices.toml").write_text('["q"]\nprompt = 1\ncompletion = 2\n', "utf-8")
    table = '[[model]]\nname = "{}"\nmodel = "http://127.0.0.1:1/v1"\nmodel_name = "q"\n'
    given = table.format("a") + 'price = "3/4"\n' + table.format("b")
    told = {one.name: str(one.price) for one in configured(written(tmp_path, given), {})}
    assert told == {"a": "3/4", "b": "1/2"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no model"),
        ("[[model]\n", "not a TOML file"),
        ("[[model]]\nnmae = 1\n", "unknown entry 'nmae'"),
        ("[[model]]\nname = 1\n", "must be text"),
        ('[[model]]\nname = "a"\n[[model]]\nname = "a"\n', "same name"),
        ('[[model]]\nname = "a"\nkey_env = "NO_SUCH"\n', "NO_SUCH"),
        ('[[model]]\nname = "a"\neffort = "huge"\n', "choose one of"),
        ('[[model]]\nname = "a"\nmodel = "http://127.0.0.1:1/v1"\n', "model_name"),
        ('[[model]]\nname = "a"\nmoderation = "model"\n', "cannot moderate"),
    ],
)
def test_what_is_wrong_with_a_configuration_is_said(tmp_path: Path, text: str, said: str):
    with pytest.raises(ValueError, match=said):
        configured(written(tmp_path, text), {})


def test_a_name_may_carry_an_effort():
    models = Models([ruled(Served("m-high", {}), ""), ruled(Served("m", {}), "")])
    assert models.find("m-high")[0].name == "m-high"  # a model's own name comes first
    assert models.find("m-low") == (models.served["m"], "low")
    assert models.find("m-pro")[1] == "pro"
    for name in ("m-huge", "high", "", "-low", "n"):
        with pytest.raises(ApiError, match="does not exist"):
            models.find(name)
    with pytest.raises(ApiError, match="must provide a model"):
        models.find(None)


def test_a_card_says_what_each_effort_may_spend():
    told = card(Served("m", Options()))["system2"]
    assert told["budgets"] == {name: row.tokens for name, row in EFFORTS.items()}
    assert set(told["efforts"]) <= set(told["budgets"])
