"""Pauses grow with each failure, and pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import ConfigError, Pace
from resilient_auth.core.throttle import Tries

PACE = Pace(free=3, first=2, longest=20, forget=60)


def after(failures: int, *, at: float = 100.0) -> Tries:
    """Return the tries after that many failures in one moment."""
    tries = Tries()
    for _ in range(failures):
        tries = PACE.charged(tries, at)
    return tries


@pytest.mark.parametrize(
    ("failures", "wait"),
    [(0, 0), (1, 0), (2, 0), (3, 2), (4, 4), (5, 8), (6, 16), (7, 20), (5_000, 20)],
)
def test_a_pause_doubles_up_to_the_longest(failures: int, wait: float) -> None:
    """The first tries are for mistakes; a program finds each next one dearer."""
    assert wait == PACE.wait(after(failures), 100.0)


@pytest.mark.parametrize(("now", "wait"), [(100, 4), (101, 2.967), (104, 0)])
def test_a_pause_passes(now: float, wait: float) -> None:
    """It is counted from the last try that was made, and shrinks a little meanwhile."""
    assert wait == pytest.approx(PACE.wait(after(4), now), abs=0.03)


def test_failures_are_forgotten_one_by_one() -> None:
    """A mistake of last week costs nothing."""
    tries = after(4)

    assert 4 == PACE.failed(tries, 100)
    assert 3 == PACE.failed(tries, 160)
    assert 0 == PACE.failed(tries, 340) == PACE.failed(tries, 1e9)


def test_a_flood_is_forgotten_too() -> None:
    """However many there were, the account is not marked for long."""
    assert 33 == PACE.failed(after(5_000), 100)


def test_who_is_given_fewer_free_tries_waits_sooner() -> None:
    """So it is at an account under attack; more than usual are never given."""
    assert 2 == PACE.wait(after(1), 100, free=1)
    assert 0 == PACE.wait(after(0), 100, free=1)
    assert 2 == PACE.wait(after(3), 100, free=50)


def test_what_was_forgiven_counts_no_more() -> None:
    """But nobody is given tries for the future by it."""
    assert after(2) == PACE.forgiven(after(3))
    assert 0 == PACE.failed(PACE.forgiven(after(0)), 100)


@given(
    failures=st.integers(0, 100),
    at=st.floats(0, 1e9),
    now=st.floats(0, 1e9),
)
def test_no_wait_is_longer_than_the_longest(
    failures: int, at: float, now: float
) -> None:
    """Even if the clock went back."""
    assert 0 <= PACE.wait(after(failures, at=at), now) <= 20


@pytest.mark.parametrize(
    "said",
    [
        {"free": 0},
        {"free": 1.5},
        {"free": 1, "first": 0},
        {"free": 1, "longest": float("inf")},
        {"free": 1, "forget": -1},
        {"free": 1, "first": 10, "longest": 5},
    ],
    ids=str,
)
def test_a_pace_without_sense_is_refused(said: dict[str, float]) -> None:
    """With no free try at all, nobody could ever log in at once."""
    with pytest.raises(ConfigError):
        Pace(**said)  # type: ignore[arg-type]
