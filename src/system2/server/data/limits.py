"""Limits: who may begin a request now, and what is set aside for it. Knows no HTTP but the words of its errors.

What is set aside lies in this process; what was spent in the ledger, and so holds for every process and after a restart.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import ceil

from system2.server.data.keys import Key
from system2.server.data.ledger import Ledger
from system2.server.errors import ApiError, invalid

LONGEST = 120  # seconds; clients wait no longer
BUSY = 2  # seconds until a place may be free: nobody knows when a thought ends
NOTHING = Decimal(0)


@dataclass(slots=True)
class Bucket:
    """Fills evenly, a minute from empty to full; may be drawn below nothing by what was not foreseen."""

    size: int
    level: float
    at: float

    def fill(self, size: int, now: float) -> None:
        """What has flowed in until now; the size may have changed."""
        passed = max(0.0, now - self.at)  # a clock may be set back
        self.level = min(float(size), self.level + size - self.size + passed * size / 60)
        self.size, self.at = size, now

    def wait(self, amount: float) -> float:
        """Seconds until this much is there; 0: it is."""
        return max(0.0, (amount - self.level) * 60 / self.size)

    def draw(self, amount: float) -> None:
        """Take it; below nothing to give some back."""
        self.level = min(float(self.size), self.level - amount)


@dataclass(slots=True)
class Account:
    """What a key has under way here."""

    requests: Bucket | None = None
    tokens: Bucket | None = None
    running: int = 0
    reserved: Decimal = NOTHING
    settled: Decimal = NOTHING  # ever: so much may have been booked since somebody looked


@dataclass(slots=True, eq=False)
class Ticket:
    """The right to one request. Settle it when the request ends, however it ends."""

    tokens: int
    dollars: Decimal
    _account: Account = field(repr=False)
    count: int = 1
    _booked: Decimal = field(default=NOTHING, repr=False)
    _open: bool = field(default=True, repr=False)

    def booked(self, dollars: Decimal) -> None:
        """So much of what was set aside stands in the ledger now (`put` or `book`): it counts there, not here."""
        if self._open:
            self._account.reserved -= self._left
            self._booked += dollars
            self._account.reserved += self._left
            self._account.settled += dollars

    def settle(self, tokens: int, dollars: Decimal | None = None) -> None:
        """Give back what was set aside, but for the tokens that were used; a second time does nothing.

        What was spent must be in the ledger before: from here on it alone counts. `dollars`: all
        that the request cost, what `booked` told of included; None: at most what was set aside.
        """
        if not self._open:
            return
        self._open = False
        account = self._account
        account.running -= self.count
        account.reserved -= self._left
        account.settled += self._left if dollars is None else max(NOTHING, dollars - self._booked)
        if account.tokens:
            account.tokens.draw(tokens - self.tokens)

    @property
    def _left(self) -> Decimal:
        """Dollars still set aside."""
        return max(NOTHING, self.dollars - self._booked)


class Limits:
    """Admits requests within the limits of their keys. `clock`: unix seconds."""

    def __init__(self, ledger: Ledger, *, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._clock = clock
        self._accounts: dict[str, Account] = {}

    async def admit(
        self,
        key: Key,
        tokens: int,
        dollars: Decimal | None,
        *,
        count: int = 1,
        clip: bool = False,
    ) -> Ticket:
        """Set aside a request, `tokens` and `dollars`: the most it may use. dollars None: nobody knows its price.

        count  searches that run at once for it
        clip   whoever asks can do with fewer dollars: the ticket's are those that its key has left
        Raises ApiError: 400 where it is no amount, 403 where one request may never be this dear, 429
        where it may not be now. A request that is refused uses nothing up.
        """
        if dollars is not None and not (dollars.is_finite() and dollars >= 0):
            raise invalid(
                f"A request may cost nothing or some dollars, not {str(dollars)[:40]}; give an amount "
                "of at least 0.",
                "system2.budget.usd",
            )
        most = dollars
        if clip and most is not None and key.dollars_a_request is not None:
            most = min(most, key.dollars_a_request)
        affordable(key, most)
        while True:
            account = self._account(key)
            before = account.settled
            spent = await self._spent(key)
            account = self._account(key)  # time has passed; from here on nothing else runs
            fresh = account.settled - before  # the ledger may or may not have told of these
            wanted = most or NOTHING
            if (
                clip
                and (rest := left(key, spent, account.reserved + fresh)) is not None
                and rest > 0
            ):
                wanted = min(wanted, rest)
            short = broke(key, spent, account.reserved + fresh + wanted)
            if short is None:
                break
            if not fresh:
                raise short
        room(key, account, tokens, count)
        if account.requests:
            account.requests.draw(1)
        if account.tokens:
            account.tokens.draw(tokens)
        account.running += count
        account.reserved += wanted
        return Ticket(tokens, wanted, account, count)

    def draw(self, key: Key) -> None:
        """One request that sets nothing aside: it counts among those of a minute. Raises ApiError 429."""
        account = self._account(key)
        if account.requests:
            hurried(account.requests)
            account.requests.draw(1)

    def headers(self, key: Key) -> dict[str, str]:
        """x-ratelimit-*, of the limits that this key has."""
        account, told = self._account(key), dict[str, str]()
        for name, bucket in (("requests", account.requests), ("tokens", account.tokens)):
            if bucket:
                told[f"x-ratelimit-limit-{name}"] = str(bucket.size)
                told[f"x-ratelimit-remaining-{name}"] = str(max(0, int(bucket.level + 1e-6)))
                told[f"x-ratelimit-reset-{name}"] = duration(bucket.wait(bucket.size))
        return told

    def _account(self, key: Key) -> Account:
        """The key's account, filled up to now."""
        account = self._accounts.setdefault(key.id, Account())
        now = self._clock()
        account.requests = filled(account.requests, key.requests_per_minute, now)
        account.tokens = filled(account.tokens, key.tokens_per_minute, now)
        return account

    async def _spent(self, key: Key) -> tuple[Decimal, Decimal]:
        """Dollars of today and of this month, as far as they are limited."""
        day, month = days(self._clock())
        return (
            NOTHING if key.dollars_a_day is None else await self._ledger.spent(key.id, day),
            NOTHING if key.dollars_a_month is None else await self._ledger.spent(key.id, month),
        )


def filled(bucket: Bucket | None, size: int | None, now: float) -> Bucket | None:
    """A bucket up to now; a new one is full."""
    if size is None:
        return None
    if bucket is None:
        return Bucket(size, size, now)
    bucket.fill(size, now)
    return bucket


def affordable(key: Key, dollars: Decimal | None) -> None:
    """Raises ApiError 403 where a request with this price may never be made."""
    caps = (key.dollars_a_request, key.dollars_a_day, key.dollars_a_month)
    limited = [cap for cap in caps if cap is not None]
    if dollars is None and limited:
        raise ApiError(
            403,
            "This key has a limit in dollars, and the price of this model is unknown to the server; "
            "ask for another model, or have its price listed in prices.toml.",
            "budget_not_allowed",
        )
    cap = key.dollars_a_request
    if dollars is not None and cap is not None and dollars > cap:
        raise ApiError(
            403,
            f"This request may cost ${dollars:f}, and this key allows ${cap:f} a request; "
            "lower the effort, the number of samples or the most tokens.",
            "budget_not_allowed",
        )


def broke(key: Key, spent: tuple[Decimal, Decimal], more: Decimal) -> ApiError | None:
    """The error where a day's or a month's dollars do not reach; None: they do."""
    caps = ((key.dollars_a_day, spent[0], "day"), (key.dollars_a_month, spent[1], "month"))
    for cap, gone, period in caps:
        if cap is not None and gone + more > cap:
            return ApiError(
                429,
                f"You exceeded your current quota: ${gone:f} of ${cap:f} a {period} are spent, and this "
                f"request with those under way may cost ${more:f}. The {period} is that of UTC.",
                "insufficient_quota",
                type="insufficient_quota",
                headers={"x-should-retry": "false", "Retry-After": str(LONGEST)},
            )
    return None


def left(key: Key, spent: tuple[Decimal, Decimal], gone: Decimal) -> Decimal | None:
    """Dollars left of the day and the month; None: they are not limited. `gone`: set aside by others."""
    caps = zip((key.dollars_a_day, key.dollars_a_month), spent, strict=True)
    return min((cap - before - gone for cap, before in caps if cap is not None), default=None)


def room(key: Key, account: Account, tokens: int, count: int = 1) -> None:
    """Raises ApiError 429 where too much is asked a minute, or too much is under way."""
    if key.at_once is not None and count > key.at_once:
        raise ApiError(
            429,
            f"Request too large for this key: {key.at_once} searches may run at once, and it asks for "
            f"{count}. Lower n.",
            "rate_limit_exceeded",
            "n",
            type="requests",
            headers={"x-should-retry": "false", "Retry-After": str(LONGEST)},
        )
    if key.at_once is not None and account.running + count > key.at_once:
        said = f"{account.running} requests of this key are under way, and {key.at_once} may be at once"
        raise late("requests", said, BUSY)
    if account.requests:
        hurried(account.requests)
    if bucket := account.tokens:
        limit = f"Limit {bucket.size} tokens a minute, requested {tokens}"
        if tokens > bucket.size:
            raise ApiError(
                429,
                f"Request too large for this key: {limit}. Lower the most tokens of the request.",
                "rate_limit_exceeded",
                type="tokens",
                headers={"x-should-retry": "false", "Retry-After": str(LONGEST)},
            )
        if wait := bucket.wait(tokens):
            raise late("tokens", limit, wait)


def hurried(bucket: Bucket) -> None:
    """Raises ApiError 429 where no request more may come this minute."""
    if wait := bucket.wait(1):
        raise late("requests", f"Limit {bucket.size} requests a minute", wait)


def late(kind: str, said: str, wait: float) -> ApiError:
    """Too much just now, and when to come again."""
    seconds = min(LONGEST, max(1, ceil(wait)))
    return ApiError(
        429,
        f"Rate limit reached: {said}. Please try again in {duration(wait)}.",
        "rate_limit_exceeded",
        type=kind,
        headers={"Retry-After": str(seconds)},
    )


def duration(seconds: float) -> str:
    """6ms, 1s, 8.64s, 6m0s, 1h0m0s; rounded up to a millisecond."""
    milliseconds = ceil(seconds * 1000 - 1e-6)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds > 0 else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    told = f"{rest / 1000:g}s"
    if hours:
        return f"{hours}h{minutes}m{told}"
    return f"{minutes}m{told}" if minutes else told


def days(now: float) -> tuple[int, int]:
    """When this day and this month began, in UTC."""
    moment = datetime.fromtimestamp(now, UTC)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return int(day.timestamp()), int((day - timedelta(days=day.day - 1)).timestamp())
