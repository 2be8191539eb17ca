"""Settings that cannot be built wrong."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth.errors import ConfigError
from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.policy import (
    Backoff,
    Bulkhead,
    Policy,
    RetryBudget,
    Timeouts,
    Trip,
)

NONSENSE = [
    pytest.param(lambda: Backoff(first=0), id="a backoff that never waits"),
    pytest.param(lambda: Backoff(first=-1), id="a negative backoff"),
    pytest.param(lambda: Backoff(first=math.nan), id="a backoff of nan"),
    pytest.param(lambda: Backoff(first=4, cap=2), id="a cap below the first wait"),
    pytest.param(lambda: Backoff(cap=math.inf), id="no cap"),
    pytest.param(lambda: RetryBudget(ratio=-0.1), id="a negative ratio"),
    pytest.param(lambda: RetryBudget(per_second=math.inf), id="an endless budget"),
    pytest.param(lambda: Trip(failure_rate=0), id="a rate that always trips"),
    pytest.param(lambda: Trip(failure_rate=50), id="percent for a share"),
    pytest.param(lambda: Trip(slow_rate=0), id="a slow rate of 0"),
    pytest.param(lambda: Trip(window=0), id="an empty window"),
    pytest.param(lambda: Trip(window=1.5), id="half a call"),
    pytest.param(lambda: Trip(window=10, minimum=20), id="an unreachable minimum"),
    pytest.param(lambda: Trip(slow_after=0), id="every call is slow"),
    pytest.param(lambda: Timeouts(total=0), id="no time at all"),
    pytest.param(lambda: Timeouts(idle=-1), id="a negative silence"),
    pytest.param(lambda: Timeouts(attempt="15"), id="text for a number"),
    pytest.param(lambda: Timeouts(attempt=True), id="a bool for a number"),
    pytest.param(lambda: Bulkhead(0), id="no slot"),
    pytest.param(lambda: Bulkhead(5, queue=-1), id="a negative queue"),
    pytest.param(lambda: Bulkhead(5, wait=math.inf), id="waiting for ever"),
    pytest.param(lambda: Resilience(""), id="no name"),
    pytest.param(lambda: Resilience("x", attempts=0), id="no attempt"),
    pytest.param(lambda: Resilience("x", attempts=True), id="a bool for a count"),
    pytest.param(lambda: Resilience("x", probes=0), id="no probe"),
    pytest.param(lambda: Resilience("x", open_for=0), id="open for no time"),
    pytest.param(lambda: Resilience("x", open_for=200), id="open longer than the most"),
    pytest.param(lambda: Resilience("x", retry_after_cap=-1), id="a negative cap"),
    pytest.param(lambda: Resilience("x", max_keys=0), id="no key"),
    pytest.param(lambda: Resilience("x", key=7), id="a key that is no text"),
    pytest.param(lambda: Resilience("x", key=""), id="an empty key"),
    pytest.param(lambda: Resilience("x", bulkhead=50), id="a number for a bulkhead"),
    pytest.param(lambda: Resilience("x", timeouts=20), id="a number for timeouts"),
    pytest.param(
        lambda: Resilience("x", check="yes"), id="a check that is no callable"
    ),
    pytest.param(lambda: Resilience("x", listeners=[1]), id="a listener that is none"),
]


@pytest.mark.parametrize("build", NONSENSE)
def test_nonsense_is_refused_when_built(build: Callable[[], object]) -> None:
    """A wrong setting must fail at start, not in the middle of an outage."""
    with pytest.raises(ConfigError):
        build()


def test_what_is_off_is_none() -> None:
    """Each bound can be turned off alone; the defaults are those of the design."""
    llm = Resilience("x", timeouts=None, bulkhead=None, budget=None)

    assert llm.policy.bare
    assert (
        Timeouts(total=None, attempt=None, first_content=None, idle=None)
        == llm.policy.timeouts
    )


@given(
    failures=st.integers(min_value=1, max_value=10_000),
    roll=st.floats(min_value=0, max_value=1, exclude_max=True),
)
def test_a_backoff_stays_within_zero_and_its_cap(failures: int, roll: float) -> None:
    """Also after very many failures, where the doubling would overflow."""
    backoff = Backoff(first=0.5, cap=8.0)

    assert 0.0 <= backoff.wait(failures, roll=roll) <= 8.0


def test_a_backoff_doubles_its_ceiling() -> None:
    """The first waits grow, and the jitter is full: a roll of 0 waits not at all."""
    backoff = Backoff(first=0.5, cap=3.0)

    assert [0.5, 1.0, 2.0, 3.0] == [backoff.wait(n, roll=1.0) for n in (1, 2, 3, 4)]
    assert backoff.wait(3, roll=0.0) == 0.0


FAIR = [
    pytest.param(Timeouts(), 15.0, 12.0, 7.5, id="half an attempt"),
    pytest.param(Timeouts(total=4.0), 15.0, 12.0, 2.0, id="half of a shorter total"),
    pytest.param(Timeouts(total=None), None, 12.0, 12.0, id="slow, without limits"),
    pytest.param(Timeouts(total=None), None, None, math.inf, id="never, without any"),
]


@pytest.mark.parametrize(("timeouts", "attempt", "slow_after", "expected"), FAIR)
def test_the_fair_share_of_an_attempt(
    make_policy: Callable[..., Policy],
    timeouts: Timeouts,
    attempt: float | None,
    slow_after: float | None,
    expected: float,
) -> None:
    """Only an attempt that had this much time proves something about the provider."""
    policy = make_policy(timeouts=timeouts, trip=Trip(slow_after=slow_after))

    assert expected == policy.fair_share(attempt)


def test_a_lease_outlives_the_longest_probe(make_policy: Callable[..., Any]) -> None:
    """A probe that still lives must not lose its permit."""
    assert make_policy().lease == 40.0
    assert make_policy(timeouts=Timeouts(total=None, attempt=None)).lease == 60.0
