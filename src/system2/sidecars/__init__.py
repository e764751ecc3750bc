"""Side models at the ends of steps: what they say is shown or holds back, and never thought with."""

from system2.sidecars.blocklist import Blocklist
from system2.sidecars.moderation import (
    CATEGORIES,
    Classifier,
    Judge,
    Judgement,
    Moderator,
    moderator,
)
from system2.sidecars.plain import PlainSummary, plain_summary
from system2.sidecars.summary import Summary, summary

__all__ = [
    "CATEGORIES", "Blocklist", "Classifier", "Judge", "Judgement", "Moderator", "PlainSummary", "Summary",
    "moderator", "plain_summary", "summary",
]  # fmt: skip
