"""The model judges lines of thought that are not finished: sure, likely or impossible, or by election.

Writes through the call it is lent, like the judges of finished answers, and is as open to being swayed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from system2.core import Chain, Problem, Style, Write
from system2.verifiers import lent

TOKENS = 512  # that one opinion may take
OUTLOOK = (
    "Above is the beginning of an attempt at the question. Do not finish it: check its steps, and try in a "
    "few lines where they can lead. Then say whether the question can still be answered from there. End "
    'with a line "Answer: ..." that holds one word alone: sure, likely or impossible.'
)
ELECT = (
    "Above are the beginnings of several attempts at the question. Check where each can lead and decide "
    "which is the most promising; how long it is and where it stands say nothing. End with a line "
    '"Answer: ..." that holds only the number of that attempt.'
)
WORTH = {"sure": 0.99, "likely": 0.5, "impossible": 0.01}  # an opinion is never 0 or 1: a proof
_WORDS = {"肯定": "sure", "一定": "sure", "可能": "likely", "不可能": "impossible"}
_WORD = re.compile(r"\W*(sure|likely|impossible|肯定|一定|可能|不可能)\W*", re.IGNORECASE)
_NUMBER = re.compile(r"(?:attempt|answer|尝试)?\W*([0-9]{1,3})\W*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Outlook:
    """Scores an unfinished chain by the mean of `votes` opinions."""

    votes: int
    tokens: int

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """From 0.01 to 0.99; None where the line is finished and where no opinion could be read.

        Chains that say the same share a score. Raises CallFailed where every call fails.
        """
        names = [name(chain) for chain in chains]
        asked = firsts(names)
        requests = [
            lent.request(problem, (chains[n],), self.votes, self.tokens, Style(OUTLOOK))
            for n in asked.values()
        ]
        scores: dict[Hashable, float] = {}
        for key, reply in zip(asked, await lent.replies(requests, write), strict=True):
            found = [w for w in map(worth, lent.said(reply)) if w is not None]
            if found:
                scores[key] = sum(found) / len(found)
        return [scores.get(key) for key in names]


def outlook(votes: int = 3, *, tokens: int = TOKENS) -> Outlook:
    """The model says of each unfinished line whether it can still succeed, `votes` times.

    The value prompt of tree of thoughts (Yao et al. 2023, arXiv 2305.10601, sec. 3.3). Finished lines
    are for a judge: `ladder(outlook(), self_judge())`. tokens: that one opinion may take. Raises
    ValueError for votes or tokens below 1.
    """
    if min(votes, tokens) < 1:
        raise ValueError(
            f"outlook: votes and tokens must be at least 1, {votes} and {tokens} were given"
        )
    return Outlook(votes, tokens)


@dataclass(frozen=True, slots=True)
class Election:
    """Scores unfinished chains that are judged together by their share of `ballots`."""

    ballots: int
    tokens: int

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """Above 0 and below 1; None where the line is finished, and where fewer than two lines differ.

        The scores of different lines add up to 1: one ballot is shared out evenly beforehand, so that
        nobody's is 0. Raises CallFailed where the call fails.
        """
        names = [name(chain) for chain in chains]
        running = firsts(names)
        if len(running) < 2:
            return [None] * len(chains)
        together = tuple(chains[n] for n in running.values())
        request = lent.request(problem, together, self.ballots, self.tokens, Style(ELECT))
        (reply,) = await lent.replies([request], write)
        named = [elected(said, len(running)) for said in lent.said(reply)]
        votes = Counter(n for n in named if n is not None)
        if not votes:
            return [None] * len(chains)
        shares = {
            key: (votes[n] + 1 / len(running)) / (votes.total() + 1)
            for n, key in enumerate(running, 1)
        }
        return [shares.get(key) for key in names]


def election(ballots: int = 5, *, tokens: int = TOKENS) -> Election:
    """The model reads the next steps of one line side by side and names the best, `ballots` times.

    The vote across states of tree of thoughts (Yao et al. 2023, sec. 3.3). Compares only what is judged
    together: the continuations of one call, or `Weigh`. tokens: that one ballot may take. Raises
    ValueError for ballots or tokens below 1.
    """
    if min(ballots, tokens) < 1:
        raise ValueError(
            f"election: ballots and tokens must be at least 1, {ballots} and {tokens} were given"
        )
    return Election(ballots, tokens)


def worth(said: str) -> float | None:
    """What one of the three words is worth; None: it is none of them."""
    match = _WORD.fullmatch(said.strip()) if len(said) <= 100 else None
    if not match:
        return None
    word = match[1].lower()
    return WORTH[_WORDS.get(word, word)]


def elected(said: str, most: int) -> int | None:
    """The number of an attempt, from 1 to `most`; None: it cannot be read."""
    match = _NUMBER.fullmatch(said.strip()) if len(said) <= 100 else None
    return int(match[1]) if match and 1 <= int(match[1]) <= most else None


def name(chain: Chain) -> Hashable:
    """What an unfinished chain says; None: it is finished, or empty."""
    if not chain or chain[-1].final or chain[-1].answer is not None:
        return None
    return tuple(step.text for step in chain)


def firsts(names: Sequence[Hashable]) -> dict[Hashable, int]:
    """The place of the first chain of each name, in order."""
    found: dict[Hashable, int] = {}
    for place, key in enumerate(names):
        if key is not None:
            found.setdefault(key, place)
    return found
