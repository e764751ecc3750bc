"""Prices of models, from `prices.toml`: a file that a person keeps. Knows no requests and no command line."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

from platformdirs import user_config_path

from system2.core import Price
from system2.options import amount

NAME = "prices.toml"


def price(model: str) -> Price | None:
    """A model's price: in the working directory's list, else in this user's; None: in neither.

    Raises ValueError where a list is none.
    """
    for path in (Path(NAME), user_config_path("system2") / NAME):
        if path.exists() and (found := listed(path, model)):
            return found
    return None


def listed(path: Path, name: str) -> Price | None:
    """A model's row in a price list. Raises ValueError where the list is not one."""
    try:
        row = tomllib.loads(path.read_text("utf-8")).get(name)
        if row is None:
            return None
        amounts = {key: amount(row[key], key) for key in ("prompt", "completion")}
        cached: Decimal | None = amount(row["cached"], "cached") if "cached" in row else None
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path}, model {name!r}: cannot be read ({error}); a row gives prompt and completion, "
            "in dollars per million tokens"
        ) from error
    return Price(**amounts, cached=cached)
