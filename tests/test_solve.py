"""What a Python user hands to `think` works with every effort."""

import pytest

from system2 import best_of, think
from system2.effort import EFFORTS
from system2.policies.local import LocalPolicy


@pytest.mark.parametrize("name", EFFORTS)
def test_a_policy_of_ones_own_with_every_effort(name):
    done = think("1+1", effort=name, policy=LocalPolicy(), samples=1, tokens=300, trace=False)
    assert done.answer and done.cost == 0


def test_a_strategy_of_ones_own():
    done = think("1+1", strategy=best_of(3), policy=LocalPolicy(temperature=1.0), trace=False)
    assert done.samples == 3 == len(done.chains)
