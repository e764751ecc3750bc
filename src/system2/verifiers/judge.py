"""The model judges finished answers, its own or others'. Writes through the call it is lent, which is paid for.

Needs a model that reads other lines of thought and follows instructions. What it judges may be written to
sway it: a judge's score is an opinion, never a proof.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from system2.core import CallFailed, Chain, Problem, Style, Write
from system2.verifiers import lent
from system2.verifiers.number import canonical, latin, undressed

TOKENS = 1024  # that a judgement may take
FLOOR, CEILING = 0.01, 0.99  # an opinion is never 0 or 1: those are proofs, and end a search
JUDGE = (
    "Above is one attempt at the question, its answer at the end. Do not solve the question anew: check the "
    "attempt step by step, try to refute it, and check its answer against the question. Then say how likely "
    'the answer is right. End with a line "Answer: ..." that holds only a whole number from 0 (surely wrong) '
    "to 10 (surely right)."
)
COMPARE = (
    "Above are two attempts at the question, each with its answer at the end. Check both and decide which "
    "answer is right, or nearer to it; how long an attempt is and where it stands say nothing. End with a "
    'line "Answer: ..." that holds only 1 or 2, the number of the better attempt.'
)
_OPEN, _END = r"[\s:=*\"'(#]*", r"[\s!.。*\"')]*"  # what may stand around the number
_MARK = re.compile(
    rf"(?:score|rating|mark|评分|分数)?{_OPEN}([0-9]{{1,3}}(?:\.[0-9]{{1,3}})?)"
    rf"(?:\s*(?:/|out of)\s*([0-9]{{1,3}})|\s*(%)|\s*(?:分|points?))?{_END}(?:\([^()0-9]*\)\W*)?",
    re.IGNORECASE,
)
_PICK = re.compile(rf"(?:attempt|answer|尝试)?{_OPEN}([12]){_END}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SelfJudge:
    """Scores a finished chain by the mean of `votes` judgements."""

    votes: int
    tokens: int

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """From 0.01 to 0.99; None where there is no answer yet and where no judgement could be read.

        Raises CallFailed where every call fails.
        """
        asked = [n for n, chain in enumerate(chains) if _finished(chain)]
        style = Style(JUDGE)
        requests = [
            lent.request(problem, (chains[n],), self.votes, self.tokens, style) for n in asked
        ]
        scores: list[float | None] = [None] * len(chains)
        for n, reply in zip(asked, await lent.replies(requests, write), strict=True):
            found = [m for m in map(mark, lent.said(reply)) if m is not None]
            if found:
                scores[n] = min(CEILING, max(FLOOR, sum(found) / len(found)))
        return scores


def self_judge(votes: int = 1, *, tokens: int = TOKENS) -> SelfJudge:
    """The model itself says how likely each finished answer is right, `votes` times.

    tokens  that one judgement may take. After P(True) of Kadavath et al. 2022, arXiv 2207.05221, but in
    words. Raises ValueError for votes or tokens below 1.
    """
    if min(votes, tokens) < 1:
        raise ValueError(
            f"self_judge: votes and tokens must be at least 1, {votes} and {tokens} were given"
        )
    return SelfJudge(votes, tokens)


@dataclass(frozen=True, slots=True)
class Pairwise:
    """Scores the answers that are judged together by `rounds` rounds of comparisons."""

    rounds: int
    tokens: int

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """From 0 to 1: the chance to win against a middling answer.

        None where there is no answer yet, where fewer than two answers differ, and for an answer
        without a comparison that was read in both orders. Chains with the same answer share a score;
        the first of them is what the judge reads. Raises CallFailed where every call of a first
        round fails.
        """
        names = [
            canonical(chain[-1].answer or "") if _finished(chain) else None for chain in chains
        ]
        firsts = {name: n for n, name in reversed([*enumerate(names)]) if name is not None}
        players = sorted(firsts.values())
        if len(players) < 2:
            return [None] * len(chains)
        wins: dict[tuple[int, int], int] = {}  # (winner, loser) → games
        met: set[tuple[int, int]] = set()
        strengths = dict.fromkeys(players, 1.0)
        for turn in range(self.rounds):
            pairs = swiss(sorted(players, key=lambda n: (-strengths[n], n)), met)
            if not pairs:
                break
            met.update(pairs)
            games = [game for a, b in pairs for game in ((a, b), (b, a))]
            requests = [
                lent.request(problem, (chains[a], chains[b]), 1, self.tokens, Style(COMPARE))
                for a, b in games
            ]
            try:
                replies = await lent.replies(requests, write)
            except CallFailed:
                if not turn:
                    raise
                break  # out of budget, say: what was played counts
            picks = [next(filter(None, map(pick, lent.said(reply))), 0) for reply in replies]
            for (a, b), one, two in zip(pairs, picks[::2], picks[1::2], strict=True):
                if one and two:  # half a comparison would show which place the judge likes
                    for game in ((a, b) if one == 1 else (b, a), (b, a) if two == 1 else (a, b)):
                        wins[game] = wins.get(game, 0) + 1
            strengths = bradley_terry(players, wins)
        played = {n for game in wins for n in game}
        rated = {names[n]: strengths[n] / (1 + strengths[n]) for n in played}
        return [None if name is None else rated.get(name) for name in names]


def pairwise(rounds: int = 3, *, tokens: int = TOKENS) -> Pairwise:
    """The model compares finished answers two by two, each pair in both orders.

    rounds  in each every answer meets one of like strength that it has not met (Swiss): at most
            `rounds` calls an answer. tokens: that one comparison may take.
    Scores only what is judged together: `Weigh`, or an Expand of several lines. Strengths after
    Bradley and Terry 1952. Raises ValueError for rounds or tokens below 1.
    """
    if min(rounds, tokens) < 1:
        raise ValueError(
            f"pairwise: rounds and tokens must be at least 1, {rounds} and {tokens} were given"
        )
    return Pairwise(rounds, tokens)


def swiss(players: Sequence[int], met: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbours in rank that have not met, two by two; who finds nobody sits out."""
    left, pairs = deque(players), list[tuple[int, int]]()
    while left:
        first = left.popleft()
        free = (p for p in left if (min(first, p), max(first, p)) not in met)
        if (second := next(free, None)) is not None:
            left.remove(second)
            pairs.append((min(first, second), max(first, second)))
    return pairs


def bradley_terry(
    players: Sequence[int], wins: dict[tuple[int, int], int], sweeps: int = 100
) -> dict[int, float]:
    """Strengths that explain who beat whom best; a wins against b with a/(a + b).

    Everyone also won and lost once against a strength of 1, so that nobody's is 0 or infinite.
    """
    strengths = dict.fromkeys(players, 1.0)
    for _ in range(sweeps):
        won = dict.fromkeys(players, 1.0)
        played = {n: 2 / (strengths[n] + 1) for n in players}
        for (a, b), games in wins.items():
            won[a] += games
            share = games / (strengths[a] + strengths[b])
            played[a] += share
            played[b] += share
        strengths = {n: won[n] / played[n] for n in players}
    return strengths


def mark(said: str) -> float | None:
    """A judgement as a number from 0 to 1: `7`, `7/10`, `70%`, the probability `0.7`; None: it cannot be read."""
    match = _MARK.fullmatch(_plain(said))
    if not match:
        return None
    number = float(match[1])
    likely = not (match[2] or match[3]) and "." in match[1] and number <= 1
    if likely and number == 1:
        return None  # a tenth, or all of it
    whole = 100.0 if match[3] else float(match[2] or (1 if likely else 10))
    return number / whole if number <= whole and whole else None


def pick(said: str) -> int | None:
    """Which of two attempts is the better one; None: it cannot be read."""
    match = _PICK.fullmatch(_plain(said))
    return int(match[1]) if match else None


def _plain(said: str) -> str:
    return undressed(latin(said)) if len(said) <= 100 else ""


def _finished(chain: Chain) -> bool:
    return bool(chain) and chain[-1].answer is not None
