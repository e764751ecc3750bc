"""A run's calls into the ledger, as the engine tells them. Knows no HTTP; what is on the wire is nothing to it."""

from __future__ import annotations

import time

from system2.core import Billed, Called, Event, Price
from system2.server.data.keys import Key
from system2.server.data.ledger import Entry, Ledger
from system2.server.data.limits import Ticket


class Booking:
    """A watcher: every bill becomes an entry, paid by a key at a price. Raises nothing while the run goes on.

    price   None: unknown, and so are the dollars
    ticket  of the request: what is booked is no longer set aside
    """

    def __init__(
        self,
        ledger: Ledger,
        run: str,
        key: Key,
        model: str,
        request: str,
        price: Price | None,
        ticket: Ticket | None = None,
    ) -> None:
        self.ledger, self.run, self.key, self.ticket = ledger, run, key, ticket
        self.model, self.request, self.price = model, request, price
        self._tries: dict[int, int] = {}  # of calls: which try is under way

    def __call__(self, event: Event) -> None:
        match event:
            case Called():
                self._tries[event.call] = event.attempt
            case Billed():
                entry = self.entry(event)
                self.ledger.put(entry)
                if self.ticket and entry.dollars:
                    self.ticket.booked(entry.dollars)
            case _:
                pass

    def entry(self, event: Billed) -> Entry:
        """A bill as the ledger has it."""
        return Entry(
            time=int(time.time()),
            request=self.request,
            run=self.run,
            key=self.key.id,
            model=self.model,
            role=event.role,
            call=event.call,
            usage=event.usage,
            attempt=self._tries.get(event.call, 1),
            estimated=event.estimated,
            dollars=None if self.price is None else self.price.of(event.usage),
        )
