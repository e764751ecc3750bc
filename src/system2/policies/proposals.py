"""Several next steps in one call: the model lists them, the list is cut into children. Knows nothing about search."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from system2.core import PLAIN, Bill, CallFailed, Delta, Policy, Request, Usage
from system2.core.policy import End
from system2.policies.listing import Listing
from system2.policies.segment import answered

PROPOSE = (
    "Do not solve the question yet: propose what to do next. The notes, where there are any, hold the "
    "steps taken so far. Write up to {n} different possible next steps, the most promising first, as a "
    "numbered list, each on one line that also says where it leads. Write nothing else. Where a step "
    'ends the question, its line is "Answer: ..." with the final answer alone.'
)


class Proposals:
    """Another policy that proposes n different steps in one call, instead of writing n independent ones.

    The propose prompt of tree of thoughts (Yao et al. 2023, arXiv 2305.10601, sec. 3.2): the prompt
    is paid once, and the steps know of each other. Fewer lines than asked for are fewer children.
    What is not n > 1 plain steps – whole answers, tokens, replies, one step, a style with a prompt
    or a prefix of its own – goes to the other policy as it is.

    prompt  what the model is told; `{n}` in it stands for the number of steps
    """

    def __init__(self, policy: Policy, *, prompt: str = PROPOSE) -> None:
        self.policy, self.prompt = policy, prompt

    def __repr__(self) -> str:
        return f"Proposals({self.policy!r})"

    @property
    def can(self) -> frozenset[str]:
        """What the other policy can, and "n": one who cannot is asked for whole answers one by one."""
        return self.policy.can | {"n"}

    def prompt_bound(self, request: Request) -> int:
        """That of the other policy for the calls that will be made."""
        return sum(map(self.policy.prompt_bound, self._calls(request)))

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        """A child whenever its line is known to be whole; the other policy's own bill. Raises CallFailed.

        The one call may take what was granted to all children together.
        """
        calls = self._calls(request)
        if _lists(request):
            stream = self._list(calls[0], request.n)
        elif len(calls) == 1:
            stream = self.policy.stream(request)
        else:
            stream = self._singly(calls)
        async with aclosing(stream):
            async for item in stream:
                yield item

    def _calls(self, request: Request) -> list[Request]:
        """The calls to the other policy that a request takes."""
        if _lists(request):
            style = replace(request.style, prompt=self.prompt.replace("{n}", str(request.n)))
            most = request.n * request.max_tokens
            seeds = request.seeds[:1]
            problem = request.problem
            if problem.tools:  # a list holds no calls
                problem = replace(problem, tool_choice="none", allowed=())
            one = replace(request, problem=problem, n=1, until="reply", style=style)
            return [replace(one, max_tokens=most, seeds=seeds)]
        if request.n > 1 and "n" not in self.policy.can:
            return [replace(request, n=1, seeds=(seed,)) for seed in request.seeds]
        return [request]

    async def _list(self, call: Request, n: int) -> AsyncGenerator[Delta | Bill]:
        """One call, its list cut into up to `n` children."""
        cutter, cut, spent = Cutter(n), True, 0
        failure: CallFailed | None = None
        try:
            async with aclosing(self.policy.stream(call)) as stream:
                async for item in stream:
                    if isinstance(item, Bill):
                        yield item
                        continue
                    for child in cutter.take(item):
                        yield child
                    cut, spent = item.end != "answer", spent + item.tokens
                    if spent > call.max_tokens:  # it ignores its limit: let the engine see that
                        cut = True
                        break
        except CallFailed as error:
            failure = error
        for child in cutter.close(cut=cut or failure is not None):
            yield child
        if failure:
            raise failure

    async def _singly(self, calls: list[Request]) -> AsyncGenerator[Delta | Bill]:
        """One child after another, for a policy that writes one at a time; one bill for all."""
        bills: list[Bill] = []
        for child, call in enumerate(calls):
            async with aclosing(self.policy.stream(call)) as stream:
                async for item in stream:
                    if isinstance(item, Bill):
                        bills.append(item)
                    else:
                        yield replace(item, child=child)
        if len(bills) == len(calls):  # else the tokens that came are counted
            usage = sum((bill.usage for bill in bills), Usage())
            yield Bill(usage, any(bill.estimated for bill in bills))


def _lists(request: Request) -> bool:
    """Is this a request for a list: several steps, in nobody's particular manner?"""
    plain = replace(request.style, temperature=None) == PLAIN
    return request.n > 1 and request.until == "step" and plain


@dataclass(slots=True)
class Entry:
    """A line of the list, or several, and what it cost. cut: its end is missing."""

    text: str = ""
    tokens: int = 0
    logprobs: list[float] = field(default_factory=list[float])
    ids: list[int] = field(default_factory=list[int])
    cut: bool = False

    def pay(self, cost: Delta | Entry) -> None:
        """This costs it too."""
        self.tokens += cost.tokens
        self.logprobs += cost.logprobs
        self.ids += cost.ids

    def child(self, number: int) -> Delta:
        """The whole of it as one piece. A step ends its line, so that chains read as lines."""
        answer = None if self.cut else answered(self.text)
        end: End = "cut" if self.cut else "step" if answer is None else "answer"
        text = self.text + ("\n" if end == "step" else "")
        logprobs, ids = tuple(self.logprobs), tuple(self.ids)
        return Delta(number, text, self.tokens, logprobs=logprobs, ids=ids, end=end, answer=answer)


class Cutter:
    """Cuts a reply into children as it arrives; the same ones however it was split on its way.

    Only the text that is shown holds the list. A piece is paid for by the line it begins in; what
    is no entry, or one said before, or one too many, by the entry before it, at first by the first.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.listing = Listing()
        self.parts: list[str] = []  # of the line under way
        self.line = Entry()  # what it cost so far
        self.lead = Entry()  # what came before the first entry
        self.plain: list[Entry] = []  # lines that are entries if none has a mark
        self.open: Entry | None = None  # its next line may belong to it
        self.kept: Entry | None = None  # whole and new; waits for what else it has to pay for
        self.names: set[str] = set()
        self.given = 0

    def take(self, piece: Delta) -> list[Delta]:
        """The next piece of the reply; the children that are known by it."""
        self.line.pay(piece)
        if piece.kind != "reply":
            return []
        first, *more = piece.text.split("\n")
        self.parts.append(first)
        children: list[Delta] = []
        for part in more:
            children += self._end_line()
            self.parts.append(part)
        return children

    def close(self, *, cut: bool) -> list[Delta]:
        """The rest of the children; nothing more comes. cut: the last line is half a line.

        Where nothing was proposed but paid for, one child is cut off before its first word.
        """
        children = self._end_line(half=cut)
        if not self.listing.kind:
            if len(self.plain) > 1 and self.plain[0].text.endswith((":", "：")):
                self.lead.pay(self.plain.pop(0))  # a heading
            for entry in self.plain:
                self.open = entry
                children += self._end_entry()
        children += [*self._end_entry(), *self._give()]
        if not self.given and self.lead.tokens:
            self.lead.cut = True
            children.append(self.lead.child(0))
        return children

    def _end_line(self, *, half: bool = False) -> list[Delta]:
        line, self.line = self.line, Entry()
        read = self.listing.read("".join(self.parts), half=half)
        self.parts.clear()
        if read.role in ("entry", "plain"):
            line.text, line.cut = read.text, half
        if read.role == "plain":
            self.plain.append(line)
            return []
        if read.role == "entry":
            children = self._end_entry()
            while self.plain:  # they led up to the list
                self.lead.pay(self.plain.pop(0))
            self.open = line
            return children
        target = self.open or (self.plain[-1] if self.plain else self.lead)
        target.pay(line)
        if read.role == "more":
            target.text = f"{target.text}\n{read.text}".strip()
            target.cut = target.cut or half
        return []

    def _end_entry(self) -> list[Delta]:
        """The open entry is whole: it is kept if it is new, and the one before it is given."""
        entry, self.open = self.open, None
        if entry is None:
            return []
        name = " ".join(entry.text.split())
        if not name or name in self.names or len(self.names) == self.n:
            (self.kept or self.lead).pay(entry)
            return []
        self.names.add(name)
        children = self._give()
        if not self.given:
            self.lead.pay(entry)
            entry = replace(self.lead, text=entry.text, cut=entry.cut)
        self.kept = entry
        return children

    def _give(self) -> list[Delta]:
        entry, self.kept = self.kept, None
        if entry is None:
            return []
        self.given += 1
        return [entry.child(self.given - 1)]
