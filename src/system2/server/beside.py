"""Which side models a request's search has: who writes summaries, who moderates. Spends nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from system2.core import Problem
from system2.engine import Aside
from system2.server.errors import invalid
from system2.server.served import Served
from system2.server.wire.wanted import Visibility, Wanted
from system2.sidecars import (
    Blocklist,
    Classifier,
    Moderator,
    PlainSummary,
    Summary,
    moderator,
    plain_summary,
    summary,
)
from system2.sidecars import language as languages

TOKENS = 2_048  # completion tokens of a run's summaries, at most
OFTEN = 24  # tokens of thought that a note of the embedded model is about: its chains are short
LOOKS = 4_096  # and of its moderation
MODERATED, SUMMARIES = (
    "moderated",
    "summaries",
)  # settings of a trace: yes; the language of its notes


def beside(
    wanted: Wanted, served: Served, show: Visibility, locale: str | None, header: str | None
) -> tuple[Aside, ...]:
    """The side models. Raises ApiError 400 where the language of summaries is none.

    Summaries of the embedded model are in plain words and cost nothing; those of others are written by
    the backend itself, and only where they were asked for.
    """
    out: list[Aside] = []
    if judge := judge_of(wanted, served):
        out.append(Aside(moderator(judge), tokens=LOOKS, strict=True))
    if show != "none" and served.summaries and (served.local or wanted.summary):
        try:
            tag = languages.chosen(wanted.language, served.language or locale, header)
            made = plain_summary(tag) if served.local else summary(tag)
        except ValueError as error:
            raise invalid(f"{error}", "system2.summary_language") from error
        every = OFTEN if served.local else 120
        out.append(Aside(made, tokens=TOKENS, every=every))
    return tuple(out)


def labels(sides: Sequence[Aside]) -> dict[str, str]:
    """What a trace's settings say of its side models, so that the run has them again when it goes on."""
    told: dict[str, str] = {}
    for side in (aside.sidecar for aside in sides):
        if isinstance(side, Moderator):
            told[MODERATED] = "yes"
        elif isinstance(side, Summary | PlainSummary):
            told[SUMMARIES] = side.language
    return told


def again(settings: Mapping[str, str], served: Served) -> tuple[Aside, ...]:
    """The side models of a run that goes on: those it had, and whoever moderates all that the model says now."""
    language = settings.get(SUMMARIES)
    wanted = Wanted(served.name, Problem(()), language=language, moderation=MODERATED in settings)
    return beside(wanted, served, "none" if language is None else "summary", None, None)


def judge_of(wanted: Wanted, served: Served) -> Blocklist | Classifier | None:
    """Who moderates; None: nobody. Raises ApiError 400 where a request asks for what there is not."""
    if served.moderation == "model":
        return Classifier()
    if served.moderation == "words" or wanted.moderation:
        return Blocklist()
    return None
