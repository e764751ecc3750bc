"""Answers from a recorded run: what a policy wrote once, it writes again. Reaches no backend."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Hashable, Iterable, Sequence

from system2.core import (
    PLAIN,
    Asked,
    Bill,
    Born,
    CallFailed,
    Chain,
    Delta,
    Event,
    Merged,
    Request,
    Step,
    Style,
    Until,
    Usage,
)


class ReplayPolicy:
    """Hands out the recorded continuations of a trace, each once, in the order they were asked for.

    A request matches by the text of its chain, `until`, `also` and style; one that was never
    recorded, or is asked for more often, raises CallFailed.
    """

    can = frozenset({"continue", "n", "logprobs"})

    def __init__(self, events: Iterable[Event]) -> None:
        self.replies: dict[Hashable, deque[list[Step]]] = defaultdict(deque)
        asked: dict[int, Asked] = {}
        chains: dict[int, list[Step]] = {0: []}
        written: dict[tuple[int, int], list[Step]] = {}
        for event in events:
            if isinstance(event, Asked):
                asked[event.ask] = event
            elif isinstance(event, Born | Merged):
                if isinstance(event, Born):
                    chains[event.id] = [*chains[event.parent], event.step]
                step = chains[event.id][-1]
                written.setdefault((event.ask, event.child), []).append(step)
        for (number, _), steps in sorted(written.items(), key=lambda item: item[0]):
            ask = asked[number]
            also = [chains[node] for node in ask.also]
            name = _name(chains[ask.node], ask.until or "step", also, ask.style or PLAIN)
            self.replies[name].append(steps)

    def prompt_bound(self, request: Request) -> int:
        """Nothing is sent."""
        return 0

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        """The recorded continuations, cut at `max_tokens` like any other. Raises CallFailed."""
        name = _name(request.chain, request.until, request.also, request.style)
        spent = 0
        for child in range(request.n):
            if not self.replies[name]:
                raise CallFailed(
                    f"the trace has no further continuation of this line of thought "
                    f"({len(request.chain)} steps, until {request.until})",
                    retry=False,
                )
            left = request.max_tokens
            for step in self.replies[name].popleft():
                for delta in _pieces(child, step):
                    if left < delta.tokens:
                        break
                    left -= delta.tokens
                    spent += delta.tokens
                    yield delta
        yield Bill(Usage(reasoning=spent, calls=1))


def _name(chain: Chain, until: Until, also: Sequence[Chain], style: Style) -> Hashable:
    """What makes two requests the same."""
    texts = tuple(step.text for step in chain)
    return texts, until, tuple(tuple(step.text for step in other) for other in also), style


def _pieces(child: int, step: Step) -> list[Delta]:
    """A recorded step as it might have streamed: a piece a token where ids were kept, else one."""
    end = "answer" if step.final else "cut" if step.cut else "step"
    count = len(step.ids)
    if not count or count != step.tokens:
        told = step.kind != "call" and step.told and step.told == step.tokens
        kind = "reply" if told else step.kind
        return [
            Delta(
                child, step.text, step.tokens, kind, end=end, answer=step.answer, state=step.state
            )
        ]
    return [
        Delta(
            child,
            step.text if n == 0 else "",
            1,
            "reply" if n >= count - step.told else step.kind,
            step.logprobs[n : n + 1],
            step.ids[n : n + 1],
            end if n == count - 1 else "",
            step.answer if n == count - 1 else None,
            step.state if n == count - 1 else None,
        )
        for n in range(count)
    ]
