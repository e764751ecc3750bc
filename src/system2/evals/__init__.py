"""Accuracy and cost on problem families. The gold answers are looked at here, after the thinking is over."""

from system2.evals.estimators import Estimate
from system2.evals.evaluate import Policies, evaluate
from system2.evals.problems import Item, suite, suites
from system2.evals.report import Family, Report, Row, Settings, to_json

__all__ = [
    "Estimate",
    "Family",
    "Item",
    "Policies",
    "Report",
    "Row",
    "Settings",
    "evaluate",
    "suite",
    "suites",
    "to_json",
]
