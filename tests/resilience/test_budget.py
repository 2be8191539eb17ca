"""Retries that cannot pile up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth.resilience.budget import Budget
from resilient_auth.resilience.policy import RetryBudget

EARNED = [
    pytest.param(RetryBudget(ratio=0, per_second=0), 0, 0.0, 0, id="nothing"),
    pytest.param(RetryBudget(ratio=0, per_second=2), 0, 0.0, 20, id="ten seconds' own"),
    pytest.param(RetryBudget(ratio=0.2, per_second=0), 50, 0.0, 10, id="a fifth"),
    pytest.param(RetryBudget(ratio=0.2, per_second=0), 10**6, 0.0, 20, id="the most"),
    pytest.param(RetryBudget(ratio=0, per_second=1), 0, 3600.0, 10, id="saved time"),
    pytest.param(RetryBudget(ratio=0.001, per_second=0), 1000, 0.0, 1, id="at least 1"),
]


@pytest.mark.parametrize(("policy", "calls", "seconds", "expected"), EARNED)
def test_what_calls_and_time_earn(
    policy: RetryBudget, calls: int, seconds: float, expected: int
) -> None:
    """The bucket holds ten seconds' and a hundred calls' worth, and no more."""
    budget = Budget(policy, now=0.0)
    granted = 0
    while granted < 1000 and budget.take(attempts=calls + granted, now=seconds):
        granted += 1

    assert expected == granted


@given(steps=st.lists(st.tuples(st.integers(0, 5), st.floats(0, 2)), max_size=60))
def test_retries_never_exceed_what_was_earned(steps: list[tuple[int, float]]) -> None:
    """Over any span: the saved ones, a share of the calls, and so many a second."""
    policy = RetryBudget(ratio=0.2, per_second=1.0)
    budget, calls, now = Budget(policy, now=0.0), 0, 0.0
    for more, seconds in steps:
        calls, now = calls + more, now + seconds
        budget.take(attempts=calls + budget.granted, now=now)

    assert budget.granted <= policy.burst + 0.2 * calls + now + 1e-6


def test_a_clock_that_stands_earns_nothing_twice() -> None:
    """The same calls must not be paid for at each question."""
    budget = Budget(RetryBudget(ratio=0.5, per_second=0), now=0.0)
    answers = [budget.take(attempts=4 + budget.granted, now=0.0) for _ in range(4)]

    assert [True, True, False, False] == answers
