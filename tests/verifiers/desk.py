"""Who answers a verifier's calls in its tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from verifiers.chains import ending

from system2.core import Bill, Chain, Problem, Reply, Request, Step, Usage, Verifier

Speak = Callable[[Request], list[str | None]]


@dataclass
class Desk:
    """Answers as `speak` says, and keeps what was asked. None: that line was cut off."""

    speak: Speak
    requests: list[Request] = field(default_factory=list[Request])

    async def write(self, request: Request) -> Reply:
        self.requests.append(request)
        chains: list[Chain] = [
            (Step("…", 1), Step("", 1, answer=said, final=said is not None, cut=said is None))
            for said in self.speak(request)
        ]
        return Reply(chains, Bill(Usage(calls=1)))

    def scores(self, verifier: Verifier, *lines: Chain | str | None) -> list[float | None]:
        """Of chains, or of such as end with these answers."""
        chains = [ending(one) if one is None or isinstance(one, str) else one for one in lines]
        return asyncio.run(verifier.score(Problem.of("1+1?"), chains, self.write))
