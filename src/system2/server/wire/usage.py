"""What a search cost, as either API says it. Pure arithmetic; the figures are the engine's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from system2.core import Finished, Usage


@dataclass(frozen=True, slots=True)
class Spent:
    """What one request cost, all its searches together. dollars: None where the price is unknown."""

    policy: Usage
    roles: Mapping[str, Usage]
    dollars: Decimal | None
    estimated: bool = False

    @classmethod
    def of(cls, ends: Sequence[Finished], *, estimated: bool = False) -> Spent:
        """Of searches that are over."""
        roles: dict[str, Usage] = {}
        for end in ends:
            for role, usage in end.roles.items():
                roles[role] = roles.get(role, Usage()) + usage
        costs = [end.cost for end in ends]
        dollars = None if None in costs else sum((cost for cost in costs if cost), Decimal(0))
        return cls(total(end.usage for end in ends), roles, dollars, estimated)


def total(usages: Iterable[Usage]) -> Usage:
    """Their sum."""
    return sum(usages, Usage())


def chat_usage(spent: Spent) -> dict[str, Any]:
    """`usage` of chat completions: total = prompt + completion, completion = reasoning + visible."""
    used = spent.policy
    body: dict[str, Any] = {
        "prompt_tokens": used.prompt,
        "completion_tokens": used.completion,
        "total_tokens": used.prompt + used.completion,
        "prompt_tokens_details": {"cached_tokens": used.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": used.reasoning,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
            "audio_tokens": 0,
        },
    }
    return body if spent.dollars is None else body | {"cost": float(spent.dollars)}


def response_usage(spent: Spent) -> dict[str, Any]:
    """`usage` of the Responses API."""
    used = spent.policy
    body: dict[str, Any] = {
        "input_tokens": used.prompt,
        "input_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": 0},
        "output_tokens": used.completion,
        "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.prompt + used.completion,
    }
    return body if spent.dollars is None else body | {"cost": float(spent.dollars)}


def told(usage: Usage) -> dict[str, int]:
    """One role's usage in our own words: every counter that is not 0, and the main ones anyway."""
    out = {"prompt": usage.prompt, "reasoning": usage.reasoning, "visible": usage.answer}
    rest = {
        "cached": usage.cached,
        "aborted": usage.aborted,
        "failed": usage.failed,
        "unseen": usage.unseen,
        "overrun": usage.overrun,
    }
    return out | {name: count for name, count in rest.items() if count} | {"calls": usage.calls}


STOPS = {
    "complete": "answered",
    "enough": "converged",
    "budget": "token_budget",
    "cost": "cost_budget",
    "time": "time_budget",
}
"""Why a run ended, as the `system2` object says it; other reasons go by their own name."""


def extension(
    run: str, spent: Spent, ends: Sequence[Finished], settings: Mapping[str, str], why: str = ""
) -> dict[str, Any]:
    """The `system2` object of a reply. why: what its outcome says, where that is more than why the run ended."""
    end = ends[0] if ends else None
    why = why or (end.why if end else "cancelled")
    body: dict[str, Any] = {
        "run_id": run,
        "stop_reason": STOPS.get(why, why),
        "samples": sum(one.samples for one in ends),
        "thinking_ms": round(1000 * max((one.seconds for one in ends), default=0.0)),
        "effort": settings.get("effort"),
        "cost": None if spent.dollars is None else {"usd": float(spent.dollars)},
        "usage": {role: told(usage) for role, usage in spent.roles.items()},
    }
    body["usage"]["estimated"] = spent.estimated
    return body
