"""A run as one object of JSON: a row of the list, and all that is known in sum. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from system2.core import Finished, Started
from system2.server.wire.nodes import Growth, settings
from system2.server.wire.usage import STOPS, told

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
    end = dict.fromkeys(("answer", "why", "samples", "tokens", "cost_usd", "seconds"))
    if finished:
        end = {
            "answer": None if finished.why == "moderation" else finished.answer,
            "why": STOPS.get(finished.why, finished.why),
            "samples": finished.samples,
            "tokens": sum(usage.completion for usage in finished.roles.values()),
            "cost_usd": None if finished.cost is None else f"{finished.cost:f}",
            "seconds": round(finished.seconds, 3),
        }
    return row | end


def summary(growth: Growth, *, live: bool) -> dict[str, Any]:
    """All that is known of a run, in sum; what was asked as a digest beside its text."""
    started = growth.started
    assert started
    answers = growth.answers()
    votes = sum(entry["votes"] for entry in answers)
    row = listed(started.run, started, growth.finished, live=live, model=growth.model)
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
        "usage": {role: told(usage) for role, usage in growth.roles.items()},
    }
    row["answers"] = answers
    row["request"] = {"sha256": digest.hexdigest(), "settings": settings(started)}
    return row
