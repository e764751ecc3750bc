"""A run as one object of JSON: a row of the list, and all that is known in sum. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Any

from system2.core import Finished, Started
from system2.server.wire.nodes import Growth, settings
from system2.server.wire.outcome import reason
from system2.server.wire.usage import STOPS, told

ENDING = (
    "answer", "refuted", "why", "samples", "tokens", "reasoning_tokens", "visible_tokens", "side_tokens",
    "cost_usd", "seconds",
)  # fmt: skip
"""How a run ended. tokens: the policy's completion tokens, as its reply's usage has them; side_tokens: those of
verifiers and sidecars."""
ENDS = {"failed": "failed", "cancelled": "cancelled"}


def created(run: str) -> int | None:
    """When a run began, in Unix seconds, as its name says it (local time)."""
    try:
        return int(datetime.strptime(run[:15], "%Y%m%d-%H%M%S").timestamp())
    except (ValueError, OverflowError):
        return None


def listed(
    run: str, started: Started, finished: Finished | None, *, live: bool, model: str | None
) -> dict[str, Any]:
    """A run in the list."""
    state = "in_progress" if live else "interrupted"
    if finished:
        state = ENDS.get(finished.why, "completed")
    row: dict[str, Any] = {
        "id": run,
        "object": "system2.run",
        "created_at": created(run),
        "status": state,
        "model": model,
        "question": started.problem.question,
        "effort": started.settings.get("effort"),
    }
    end: dict[str, Any] = dict.fromkeys(ENDING)
    if finished:
        withheld = finished.refuted or finished.why == "moderation"
        why = reason(finished, refuted=finished.refuted)
        beside = sum(used.completion for role, used in finished.roles.items() if role != "policy")
        end = {
            "answer": None if withheld else finished.answer,
            "refuted": finished.refuted,
            "why": STOPS.get(why, why),
            "samples": finished.samples,
            "tokens": finished.usage.completion,
            "reasoning_tokens": finished.usage.reasoning,
            "visible_tokens": finished.usage.answer,
            "side_tokens": beside,
            "cost_usd": None if finished.cost is None else float(finished.cost),
            "seconds": round(finished.seconds, 3),
        }
    return row | end


def summary(growth: Growth, *, live: bool) -> dict[str, Any]:
    """All that is known of a run, in sum; what was asked as a digest beside its text."""
    started = growth.started
    assert started
    answers = growth.answers()
    votes = sum(entry["votes"] for entry in answers)
    end = growth.finished
    if end and growth.refuted(end) and not end.refuted:  # of a trace that did not say so
        end = replace(end, refuted=True)
    row = listed(started.run, started, end, live=live, model=growth.model)
    roles = end.roles if end else growth.roles
    finals = growth.tree.finals
    digest = hashlib.sha256()
    for message in started.problem.messages:
        digest.update(f"{message.role}\0{message.text}\0".encode("utf-8", "surrogatepass"))
    row["system2"] = {
        "run_id": started.run,
        "stop_reason": row["why"],
        "samples": len(finals),
        "distinct_answers": len(answers),
        "confidence": round(answers[0]["votes"] / votes, 4) if votes else None,
        "nodes": len(growth.tree.nodes) - 1,
        "max_depth": max(node.depth for node in growth.tree.nodes),
        "budget": dict(growth.caps),
        "usage": {role: told(usage) for role, usage in roles.items()},
    }
    row["answers"] = answers
    row["request"] = {"sha256": digest.hexdigest(), "settings": settings(started)}
    return row
