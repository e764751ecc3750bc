"""A policy behind any OpenAI-compatible server. Knows nothing about trees or budgets."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from system2.core import Bill, CallFailed, Delta, Format, Request, Usage
from system2.policies import plain
from system2.policies.endpoint import Endpoint, Fault, Stream
from system2.policies.failures import Failures
from system2.policies.patience import Patience
from system2.policies.prompts import Prefill, messages, prefills
from system2.policies.refusals import DROPPABLE, named, of_one_schema, takes_none
from system2.policies.row import Row
from system2.policies.segment import MARK, By, Segmenter, written
from system2.policies.toolcalls import Calls
from system2.policies.visible import Visible
from system2.policies.wire import may_call, media, response_format, size, tooling

DOUBT, SLACK = 1.1, 8  # a server's count may be so much beside ours, and so many tokens
KEPT = 256  # schemas that a server does not take, remembered


@dataclass(slots=True)
class Call:
    """The calls to the server that one request takes: usually one. again: children to ask for anew.

    counted  completion tokens that came; disputed: the server reports others
    """

    request: Request
    again: deque[tuple[int, ...]]
    usage: Usage
    estimated: bool = False
    counted: int = 0
    disputed: bool = False


class Chat:
    """Writes through POST /v1/chat/completions.

    key         sent to the server and nowhere else; None: the server needs none
    by          how thoughts are cut into steps
    prefill     how a begun chain is continued: "prompt" quotes it, on any server; "plain-assistant"
                where the server goes on with a last assistant message; "continue_final_message" for
                vLLM and SGLang
    can_n       several continuations in one call; None: found out when one is asked for
    tells_stop  the server names the stop string it met (`stop_reason` of vLLM, `matched_stop` of
                SGLang): steps then end by `stop`, and their bills are exact. None: as vLLM and SGLang
    opens       the chat template itself writes `<think>` before the model does
    efforts     the server takes `reasoning_effort`
    tools       the server takes tools; images, files: it takes these in messages. None: found out
    schema      it can bind a reply to a JSON schema; None: found out. Where not, the schema is told in words
    picture     tokens that one image counts at most, before a bill has come
    timeout     seconds without a sign of life, at most; less once many calls were answered (patience.py)
    extra       further fields of the body
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str = "https://api.openai.com/v1",
        key: str | None = None,
        by: By = "paragraph",
        prefill: Prefill = "prompt",
        can_n: bool | None = None,
        tells_stop: bool | None = None,
        opens: bool = False,
        logprobs: bool = False,
        efforts: bool = False,
        tools: bool = True,
        images: bool | None = None,
        files: bool | None = None,
        schema: bool | None = None,
        picture: int = 2048,
        temperature: float | None = None,
        timeout: float = 120.0,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self.base_url = model, base_url
        self.by: By = by
        self.prefill: Prefill = prefill
        self.logprobs, self.efforts, self.opens = logprobs, efforts, opens
        self.temperature, self.timeout, self.extra = temperature, timeout, dict(extra or {})
        self.tools, self.picture = tools, picture
        self._media = {"images": images, "files": files}
        self._many = can_n
        vllm = prefill == "continue_final_message"
        self._stops = vllm if tells_stop is None else tells_stop
        self._refused = frozenset({"response_format"} if schema is False else ())
        self._unbound: set[Format] = set()  # schemas that it does not take, though it does others
        self._thinks: bool | None = None  # does it write thoughts that nobody asked for?
        self._failures = Failures(model, base_url, key, timeout)
        self._stretch = 1.0  # how far a bill exceeded the bound on the prompt
        self._share: float | None = None  # prompt tokens of the last bill in its bound
        self._endpoint = Endpoint(base_url, key, timeout)
        self._patience = Patience(timeout)

    def __repr__(self) -> str:
        return f"Chat({self.model!r}, base_url={self._failures.host!r})"

    @property
    def can(self) -> frozenset[str]:
        """ "n" only once it is known; a begun chain can be continued by any server, if quoted."""
        offers = {"continue": True, "n": self._many is True, "logprobs": self.logprobs}
        offers |= {"tools": self.tools, "schema": "response_format" not in self._refused}
        offers |= {name: can is not False for name, can in self._media.items()}
        return frozenset(name for name, offered in offers.items() if offered)

    def prompt_bound(self, request: Request) -> int:
        """UTF-8 bytes, 16 a message and 256, images at most, stretched when a bill has shown it to be too low."""
        calls = request.n if self._many is False else 1
        return int(self._bound(request) * self._stretch) * calls

    def _bound(self, request: Request) -> int:
        sent = messages(request, by=self.by, prefill=self.prefill)
        tools = tooling(request) if self.tools else {}
        return (
            256
            + sum(size(message, self.picture) for message in sent)
            + (len(json.dumps(tools).encode()) if tools else 0)
        )

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        """One bill at the end: the server's usage, or an estimate where it gave none."""
        if request.style.at is not None:
            raise CallFailed("a chat server cannot fork a step inside (style.at)", retry=False)
        self._check(request)
        everyone = tuple(range(request.n))
        apart = request.n > 1 and self._many is False
        call = Call(request, deque([(c,) for c in everyone] if apart else [everyone]), Usage())
        while call.again:
            async with aclosing(self._once(call, call.again.popleft())) as pieces:
                async for delta in pieces:
                    yield delta
        yield Bill(call.usage, call.estimated, call.counted if call.disputed else None)

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._endpoint.aclose()

    # ---------------------------------------------------------------- one call to the server

    async def _once(self, call: Call, children: tuple[int, ...]) -> AsyncGenerator[Delta]:
        request = call.request
        stream = await self._open(call, children)
        if stream is None:
            return
        rows = [self._row(request, child) for child in children]
        counts: Any = None
        silence, first = 0.0, True
        failure: CallFailed | None = None
        try:
            async with aclosing(stream):
                if prefills(request, self.prefill) and request.style.prefix:
                    for row in rows:
                        for delta in row.write(request.style.prefix):
                            yield delta
                over = False
                while not over:
                    came, silence = await self._patience.wait(stream.read(), silence, first=first)
                    first, over = False, not came
                    for chunk in came:
                        told = plain.chunk(chunk)
                        counts = told.usage or counts
                        for choice in told.choices or ():
                            index = int(choice.index or 0)
                            row = rows[index] if index < len(rows) else None
                            for delta in row.take(choice) if row else ():
                                yield delta
                        if all(row.ended for row in rows) and any(row.over for row in rows):
                            over = True  # the step is whole, and the server would write on
                            break
        except (Fault, ValueError) as error:
            failure = self._failures.of(error, begun=True)
        except TimeoutError:
            failure = self._failures.silent(self._patience.seconds)
        if failure:
            raise failure
        self._missing(call, rows)
        self._book(call, rows, counts)
        thinks = any(row.thinks for row in rows) or _reasoning(counts) > 0
        self._thinks = thinks or bool(self._thinks)
        came = sum(row.tokens for row in rows)  # pieces, where the server does not count them
        hidden = _reasoning(counts) > came or _count(counts, "completion_tokens") > 4 * came + 16
        self._patience.answered(silence, hidden=hidden)

    def _missing(self, call: Call, rows: list[Row]) -> None:
        """Children the server was silent about, and steps that a stop string ended at once."""
        if any(row.blank for row in rows):  # its template strips the blanks a prefill ends with
            self._stops = False
        silent = [row for row in rows if not row.ended and not row.tokens]
        if len(rows) > 1:
            self._many = self._many or not silent
            if silent and not self._many and len(silent) < len(rows):
                call.again.extend((row.child,) for row in silent)
                silent = []
        call.again.extend((row.child,) for row in rows if row.blank)
        if silent or any(not row.ended and row.tokens for row in rows):
            raise self._failures.short()

    def _book(self, call: Call, rows: list[Row], counts: Any) -> None:
        """Add to the bill what this call to the server cost."""
        bound = self._bound(call.request)
        shown = sum(row.shown for row in rows)
        counted = sum(row.tokens for row in rows)
        early = not all(row.finished for row in rows)
        told = _count(counts, "prompt_tokens"), _count(counts, "completion_tokens")
        if not early and told[0] and (told[1] or not counted):
            prompt, whole = told
            call.disputed |= disputed(whole, _reasoning(counts), rows)
            self._stretch = max(self._stretch, prompt / bound)
            self._share = prompt / bound
        else:  # no bill, or one that what came refutes
            prompt, whole = told[0] or self._guess(bound), max(counted, told[1])
            call.estimated = True
        call.counted += counted
        # What a server may have gone on to write after the step was whole.
        unseen = max(0, call.request.max_tokens * len(rows) - whole) if early else 0
        details = getattr(counts, "prompt_tokens_details", None)
        cached = min(prompt, _count(details, "cached_tokens"))
        reasoning = _reasoning(counts)
        if not reasoning or reasoning > whole:
            reasoning = whole - round(whole * shown / counted) if counted else whole
        call.usage += Usage(prompt, cached, reasoning, whole - reasoning, unseen=unseen, calls=1)

    def _guess(self, bound: int) -> int:
        return bound if self._share is None else min(bound, int(bound * self._share) + 1)

    def _row(self, request: Request, child: int) -> Row:
        reply = request.until == "reply"
        stops = self._step_stops(request) + request.style.stop if request.until == "step" else ()
        before = "" if reply else written(request.chain, self.by)
        segmenter = Segmenter(self.by, reply=reply and not self.opens)
        style = request.style
        told = self._stops or not style.stop
        return Row(
            child,
            request.until,
            segmenter,
            before,
            stops,
            Calls(
                one=request.problem.parallel_calls is False,
                none=not (self.tools and may_call(request)),
            ),
            Visible(style.stop, style.limit) if reply else None,
            told=told,
            spells=reply and style.top_logprobs is not None,
        )

    # ---------------------------------------------------------------- the request on the wire

    async def _open(self, call: Call, children: tuple[int, ...]) -> Stream | None:
        """The stream of a call; None where the server turned out to take one child at a time."""
        format, unbound = call.request.style.format, frozenset({"response_format"})
        alone = unbound if format in self._unbound else frozenset[str]()  # refused for this one
        dropped = self._refused | alone
        first: Fault | ValueError | None = None
        while True:
            try:
                body = self._body(call.request, children, dropped)
                opening = self._endpoint.stream("/chat/completions", body)
                stream, _ = await self._patience.wait(opening, first=True)
                # only now: a server may name a field it takes
                self._refused = dropped - alone
                if format and alone and len(self._unbound) < KEPT:
                    self._unbound.add(format)
                return stream
            except Fault as error:
                if error.status not in (400, 422):
                    first = error
                    break
                first = first or error
                name = named(error)
                if name == "n" and len(children) > 1:
                    self._many = False
                    call.again.extend((child,) for child in children)
                    return None
                if name not in DROPPABLE or name in dropped:
                    break
                dropped |= {name}
                if name in unbound and of_one_schema(error):
                    alone = unbound
            except TimeoutError:
                raise self._failures.silent(self._patience.seconds) from None
            except ValueError as error:
                first = error
                break
        raise self._misfit(call.request, first) or self._failures.of(first)

    def _check(self, request: Request) -> None:
        """Raises CallFailed for what this server is known not to take."""
        if request.problem.tools and not self.tools and request.problem.tool_choice == "required":
            raise CallFailed(
                f"{self.model} at {self._failures.host} takes no tools, and one has to be called",
                retry=False,
            )
        for name in sorted(media(request)):
            if self._media[name] is False:
                raise self._without(name)

    def _misfit(self, request: Request, error: Exception | None) -> CallFailed | None:
        """Images or files were refused for what they are: they will be each time."""
        for name in sorted(media(request)):
            if takes_none(error, name):
                self._media[name] = False
                return self._without(name)
        return None

    def _without(self, name: str) -> CallFailed:
        return CallFailed(
            f"{self.model} at {self._failures.host} takes no {name}; leave them out, or choose a model "
            "that does",
            retry=False,
        )

    def _body(
        self, request: Request, children: tuple[int, ...], dropped: frozenset[str]
    ) -> dict[str, Any]:
        """The body as this server takes it."""
        style, extra = request.style, dict(self.extra)
        limit = 1 if request.until == "token" else request.max_tokens
        stops = [*style.stop, *self._step_stops(request)]
        if request.until == "reply":
            # Thoughts of its own must not end by them; the row looks at what is shown in any case.
            limit = min(limit, style.limit or limit) if self._thinks is False else limit
            stops = stops if self._thinks is False else []
        bound = style.format is not None and "response_format" not in dropped
        heat = self.temperature if style.temperature is None else style.temperature
        options: dict[str, Any] = {
            "stop": stops or None,
            "temperature": heat,
            "top_p": style.top_p,
            "presence_penalty": style.presence_penalty,
            "frequency_penalty": style.frequency_penalty,
            "logit_bias": {str(id): bias for id, bias in style.logit_bias} or None,
            "n": len(children) if len(children) > 1 else None,
            "logprobs": True if self.logprobs or style.top_logprobs is not None else None,
            "top_logprobs": style.top_logprobs or None,
            "response_format": response_format(style.format) if style.format and bound else None,
            "reasoning_effort": request.problem.effort if self.efforts else None,
            # Gateways in between read numbers as 53 bits, some servers as 32.
            "seed": request.seeds[min(children)] % 2**31 if request.seeds else None,
        }
        if self.prefill == "continue_final_message" and prefills(request, self.prefill):
            extra |= {"continue_final_message": True, "add_generation_prompt": False}
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages(request, by=self.by, prefill=self.prefill, bound=bound),
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_completion_tokens": limit,
            **{name: value for name, value in options.items() if value is not None},
            **(tooling(request) if self.tools else {}),
            **extra,
        }
        if "max_completion_tokens" in dropped:
            body["max_tokens"] = limit
        return {name: value for name, value in body.items() if name not in dropped}

    def _step_stops(self, request: Request) -> tuple[str, ...]:
        """Strings that end a step on the server already, where it says which of them did."""
        if not self._stops or request.until != "step":
            return ()
        return {"paragraph": ("\n\n",), "marker": (MARK,), "sentence": ()}[self.by]


def disputed(told: int, hidden: int, rows: Sequence[Row]) -> bool:
    """Is it less than what came, or more than there could be in it? A token has a byte at least.

    hidden  tokens of thoughts that the server says it wrote and did not show
    """
    came, most = sum(row.tokens for row in rows), sum(row.bytes for row in rows)
    return told * DOUBT + SLACK < came or (told - hidden) > most * DOUBT + SLACK


def _reasoning(counts: Any) -> int:
    """Reasoning tokens where the server tells them: SGLang does so beside the details."""
    details = getattr(counts, "completion_tokens_details", None)
    return _count(details, "reasoning_tokens") or _count(counts, "reasoning_tokens")


def _count(counts: Any, name: str) -> int:
    """A number of tokens that a server tells; 0 where it tells none, or what cannot be one."""
    told = getattr(counts, name, None)
    return told if isinstance(told, int) and told > 0 else 0
