"""Which side models a request's search has: who writes summaries, who moderates. Spends nothing."""

from __future__ import annotations

from system2.engine import Aside
from system2.server.errors import invalid
from system2.server.served import Served
from system2.server.wire.wanted import Visibility, Wanted
from system2.sidecars import Blocklist, Classifier, moderator, plain_summary, summary
from system2.sidecars import language as languages

SUMMARIES = 2_048  # completion tokens of a run's summaries, at most
OFTEN = 24  # tokens of thought that a note of the embedded model is about: its chains are short
LOOKS = 4_096  # and of its moderation


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
        out.append(Aside(made, tokens=SUMMARIES, every=every))
    return tuple(out)


def judge_of(wanted: Wanted, served: Served) -> Blocklist | Classifier | None:
    """Who moderates; None: nobody. Raises ApiError 400 where a request asks for what there is not."""
    if served.moderation == "model":
        return Classifier()
    if served.moderation == "words" or wanted.moderation:
        return Blocklist()
    return None
