"""Who scores a line of thought. Each sees the question, never a gold answer it was not handed."""

from system2.verifiers.confidence import (
    Confidence,
    group_confidence,
    mean_confidence,
    tail_confidence,
)
from system2.verifiers.exact import Exact, exact
from system2.verifiers.expression import Expressions, reaches
from system2.verifiers.form import JsonForm, json_form
from system2.verifiers.judge import Pairwise, SelfJudge, pairwise, self_judge
from system2.verifiers.ladder import Ladder, ladder
from system2.verifiers.mathematics import Mathematical, mathematical, same
from system2.verifiers.meaning import Meaning, alike, grouped, meaning
from system2.verifiers.number import canonical, value
from system2.verifiers.outlook import Election, Outlook, election, outlook
from system2.verifiers.pessimism import Pessimistic, pessimistic
from system2.verifiers.redundancy import Redundancy, redundancy
from system2.verifiers.schema import Schema, json_schema
from system2.verifiers.steps import ProcessReward, process_reward
from system2.verifiers.testing import UnitTests, unit_tests

__all__ = [
    "Confidence",
    "Election",
    "Exact",
    "Expressions",
    "JsonForm",
    "Ladder",
    "Mathematical",
    "Meaning",
    "Outlook",
    "Pairwise",
    "Pessimistic",
    "ProcessReward",
    "Redundancy",
    "Schema",
    "SelfJudge",
    "UnitTests",
    "alike",
    "canonical",
    "election",
    "exact",
    "group_confidence",
    "grouped",
    "json_form",
    "json_schema",
    "ladder",
    "mathematical",
    "mean_confidence",
    "meaning",
    "outlook",
    "pairwise",
    "pessimistic",
    "process_reward",
    "reaches",
    "redundancy",
    "same",
    "self_judge",
    "tail_confidence",
    "unit_tests",
    "value",
]
