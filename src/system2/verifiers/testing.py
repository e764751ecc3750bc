"""Programs judged by unit tests. Runs nothing itself: whoever runs untrusted code brings a sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from system2.core import Chain, Problem, Write


class Runner(Protocol):
    """Runs a program against one test where it can do no harm."""

    async def passes(self, program: str, test: str) -> bool | None:
        """Does it pass? None: that could not be found out."""
        ...


@dataclass(slots=True)
class UnitTests:
    """Scores a finished chain, whose answer is a program, by the share of tests it passes."""

    runner: Runner
    tests: tuple[str, ...]
    known: dict[str, float] = field(default_factory=dict[str, float])

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """1.0: all pass; None without an answer yet, and where one test could not be run."""
        return [await self.share(chain[-1].answer if chain else None) for chain in chains]

    async def share(self, program: str | None) -> float | None:
        """Of the tests that this program passes; each program is run once."""
        if program is None:
            return None
        if program not in self.known:
            passed = 0
            for test in self.tests:
                right = await self.runner.passes(program, test)
                if right is None:
                    return None
                passed += right
            self.known[program] = passed / len(self.tests)
        return self.known[program]


def unit_tests(runner: Runner, *tests: str) -> UnitTests:
    """Right is what passes every test. Raises ValueError without tests."""
    if not tests:
        raise ValueError("unit_tests: at least one test is needed, none was given")
    return UnitTests(runner, tests)
