"""What a model on offer cannot do with a request, as the error that its client is told. Spends nothing."""

from __future__ import annotations

from collections.abc import Sequence

from system2.core import CallFailed
from system2.core.policy import Policy
from system2.replies import unfit
from system2.server.errors import ApiError, invalid
from system2.server.served import Served
from system2.server.wire.wanted import Wanted

MEDIA = {"image": "images", "audio": "files", "file": "files"}


def unsuited(wanted: Wanted, served: Served) -> ApiError | None:
    """Why this model cannot take it: 400, naming the field; None: it can, or only its backend knows."""
    if not served.local:
        return unseen(wanted, served)
    if held(wanted):
        return unsupported(unfit(wanted.problem, None), wanted.place)
    if wanted.problem.tools and wanted.problem.tool_choice == "required":
        return unsupported(unfit(wanted.problem, None), "tool_choice")
    if not wanted.problem.question.strip():
        said = f"Invalid value for '{wanted.place}': the question is empty; the last user message is read."
        return invalid(said, wanted.place)
    if why := unread(wanted, served):
        return ApiError(400, sentence(why), "context_length_exceeded", wanted.place)
    if why := unfit(wanted.problem, wanted.reply):
        return unsupported(why, "logit_bias" if wanted.reply.logit_bias else wanted.form)
    return None


def unseen(wanted: Wanted, served: Served) -> ApiError | None:
    """Are there images or files in it, and the backend known to take none?"""
    can = served.policy(served.options).can
    missing = sorted({MEDIA[kind] for kind in held(wanted)} - can)
    if not missing:
        return None
    why = f"{served.name} takes no {missing[0]}; leave them out, or choose a model that does"
    return unsupported(why, wanted.place)


def held(wanted: Wanted) -> Sequence[str]:
    """The kinds of its parts that are no text."""
    parts = [part for message in wanted.problem.messages for part in message.parts]
    return [part.kind for part in parts if part.kind != "text"]


def unread(wanted: Wanted, served: Served) -> str:
    """Why our own decoder has no room for this question, in a sentence; empty: it has."""
    from system2.policies.local import LocalPolicy

    policy: Policy = served.policy(served.options)
    assert isinstance(policy, LocalPolicy)
    try:
        policy.prompt(wanted.problem, ())
    except CallFailed as failure:
        return str(failure)
    return ""


def unsupported(why: str, param: str) -> ApiError:
    """A value that this model does not take."""
    return invalid(sentence(why), param, "unsupported_value")


def sentence(why: str) -> str:
    """With a capital and a full stop."""
    return f"{why[:1].upper()}{why[1:]}."
