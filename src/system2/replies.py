"""The visible reply of a run, composed: what its form is, and what the embedded model cannot take."""

from __future__ import annotations

from system2.core import Form, Problem, Style
from system2.verifiers.blank import FILLABLE, place
from system2.verifiers.form import json_form


def form_of(reply: Style | None, *, fills: bool = False) -> Form | None:
    """What a reply in this style must be; None: it is free. fills: the model writes plain answers, no JSON.

    Raises ValueError for what is no schema, ImportError where `jsonschema` is not installed.
    """
    return json_form(reply.format, fills=fills) if reply and reply.format else None


def unfit(problem: Problem, reply: Style | None) -> str:
    """Why the embedded model cannot do this, in a sentence; empty: it can. Asked before anything is spent."""
    from system2.policies.local.policy import unread

    if why := unread(problem):
        return why
    if reply and reply.logit_bias:
        return "the embedded model takes no logit_bias; leave it out, or plug in a bigger model"
    if reply and reply.format and not place(reply.format.schema):
        return (
            f"the embedded model writes no JSON; its answer can be put into {FILLABLE}, not into this "
            "schema: simplify it, or plug in a bigger model with --model URL"
        )
    return ""
