"""A run's calls into the ledger, as the engine tells them. Knows no HTTP; what is on the wire is nothing to it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from decimal import Decimal

from system2.core import Billed, Called, Event, Finished, Price, Resumed, Usage
from system2.engine.recall import missing
from system2.server.data.keys import Key
from system2.server.data.ledger import Entry, Ledger
from system2.server.data.limits import Ticket


class Booking:
    """A watcher: every bill becomes an entry, paid by a key at a price. Raises nothing while the run goes on.

    Which tokens were the answer's is known only at the end: one more entry, of no call, says so then.

    price   None: unknown, and so are the dollars
    ticket  of the request: what is booked is no longer set aside
    ends    how often the run was over before; told: tokens booked as the answer's then
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
        *,
        ends: int = 0,
        told: int = 0,
    ) -> None:
        self.ledger, self.run, self.key, self.ticket = ledger, run, key, ticket
        self.model, self.request, self.price = model, request, price
        self._ends, self._told = ends, told
        self._time = 0  # of the last of its calls: what these wrote is told apart on the same day
        self._tries: dict[int, int] = {}  # of calls: which try is under way

    def __call__(self, event: Event) -> None:
        match event:
            case Called():
                self._tries[event.call] = event.attempt
            case Billed():
                entry = self.entry(event)
                self._time = entry.time
                self.ledger.put(entry)
                if self.ticket and entry.dollars:
                    self.ticket.booked(entry.dollars)
            case Finished():
                self._ends += 1
                if event.usage.answer != self._told:
                    self.ledger.put(self.split(event.usage.answer - self._told))
                self._told = event.usage.answer
            case _:
                pass

    def catch_up(self, events: Iterable[Event]) -> None:
        """Book what a process told of that may have died before it was booked: the same entries, once.

        A call that it never had a bill for is booked at the most that it may have cost.
        """
        left: dict[int, Called] = {}
        for event in events:
            match event:
                case Called():
                    left[event.call] = event
                    self(event)
                case Billed():
                    left.pop(event.call, None)
                    self(event)
                case Resumed():
                    self.lose(left)
                case Finished():
                    self(event)
                case _:
                    pass
        self.lose(left)

    def lose(self, left: dict[int, Called]) -> None:
        """Nothing more will be heard of these calls."""
        for called in left.values():
            self(called)
            self(Billed(called.ask, called.call, called.role, missing(called), estimated=True))
        left.clear()

    def split(self, tokens: int) -> Entry:
        """So many tokens that were booked as reasoning were the answer's: nothing more was spent."""
        return Entry(
            time=self._time or int(time.time()),
            request=self.request,
            run=self.run,
            key=self.key.id,
            model=self.model,
            role="policy",
            call=0,
            usage=Usage(reasoning=-tokens, answer=tokens),
            attempt=self._ends,
            dollars=Decimal(0),
        )

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
            counted=event.counted,
            dollars=None if self.price is None else self.price.of(event.usage),
        )
