"""Who a bill is of, and its dollars: sidecars may call other models at other prices. Counts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from system2.core import Billed, Called, Price


class Bills:
    """The bills of one run.

    price   of the run's own model; None: unknown
    asides  prices of sidecars by name, where they call another model
    """

    def __init__(self, price: Price | None, asides: Mapping[str, Price | None] | None) -> None:
        self.price, self.asides = price, asides or {}
        self._by: dict[int, str] = {}  # calls of sidecars

    def called(self, event: Called) -> None:
        """A call sets out; a sidecar's says whose it is."""
        if event.by:
            self._by[event.call] = event.by

    def name(self, event: Billed) -> str:
        """Whose: a role, or the name of a sidecar."""
        return self._by.get(event.call, event.role)

    def dollars(self, event: Billed) -> Decimal | None:
        """What it comes to; None: unknown."""
        price = self.asides.get(self.name(event), self.price)
        return None if price is None else price.of(event.usage)
