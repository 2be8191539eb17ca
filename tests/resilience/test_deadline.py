"""One deadline for the whole request."""

import asyncio
import contextvars
import math
from concurrent.futures import ThreadPoolExecutor

import pytest

from resilient_auth.errors import ConfigError, DeadlineExceeded
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.testing.clock import FrozenClock


def test_without_one_there_is_no_limit() -> None:
    """None, which httpx and asyncio both read as "no limit"."""
    assert Deadline.left() is None
    assert Deadline.current() is None


def test_nested_ones_only_shrink(clock: FrozenClock) -> None:
    """A library deep inside cannot give itself more than the request has."""
    with Deadline.after(20, clock=clock):
        clock.advance(5)
        with Deadline.after(60, clock=clock) as longer:
            assert (15.0, 20) == (longer.remaining(), longer.seconds)
        with Deadline.after(3, clock=clock) as shorter:
            assert (3.0, 3) == (shorter.remaining(), shorter.seconds)
        assert Deadline.left() == 15.0
    assert Deadline.left() is None


def test_it_is_spent_but_never_negative(clock: FrozenClock) -> None:
    """What is left is given to clients as a timeout, and -1 is no timeout."""
    with Deadline.after(2, clock=clock) as deadline:
        clock.advance(3)

        assert Deadline.left() == 0.0
        with pytest.raises(DeadlineExceeded) as caught:
            deadline.require()
    assert ("total", 2) == (caught.value.what, caught.value.limit)


def test_different_clocks_are_compared_by_what_is_left(clock: FrozenClock) -> None:
    """A frozen clock in a test and a real one around it count from other instants."""
    clock.advance(1_000_000)
    with Deadline.after(100), Deadline.after(5, clock=clock) as inner:
        assert inner.remaining() == 5.0
    with Deadline.after(5, clock=clock), Deadline.after(100) as inner:
        assert inner.remaining() <= 5.0


def test_leaving_in_the_wrong_order_restores_only_its_own(clock: FrozenClock) -> None:
    """The outer scope is left first: the inner one stays in force till it is left."""
    outer, inner = Deadline.after(20, clock=clock), Deadline.after(5, clock=clock)
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    between = Deadline.current()
    inner.__exit__(None, None, None)

    assert inner is between
    assert Deadline.current() is None


def test_leaving_in_another_context_leaves_nothing_behind() -> None:
    """A generator may be finished by whoever collects it."""
    deadline = Deadline.after(20)
    deadline.__enter__()
    contextvars.Context().run(deadline.__exit__, None, None, None)

    assert Deadline.current() is None


async def test_a_child_task_inherits_it_and_shrinks_only_its_own() -> None:
    """What a task opens is no business of its siblings."""

    async def child() -> float | None:
        """Open a shorter deadline and return what is left."""
        with Deadline.after(1):
            await asyncio.sleep(0)
            return Deadline.left()

    with Deadline.after(100):
        inner = await asyncio.gather(child(), child())
        own = Deadline.left()

    assert all(each is not None and each <= 1 for each in inner)
    assert own is not None
    assert own > 1


def test_it_is_bound_to_what_runs_in_an_executor() -> None:
    """Executors run with a context of their own, where the deadline would be lost."""
    with ThreadPoolExecutor(1) as pool, Deadline.after(50):
        lost = pool.submit(Deadline.left).result()
        bound = pool.submit(Deadline.bind(Deadline.left)).result()
        after = pool.submit(Deadline.left).result()

    assert (None, None) == (lost, after)
    assert bound is not None
    assert bound <= 50


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
def test_a_deadline_is_finite(seconds: float) -> None:
    """An endless one is none, and nan would compare as anything."""
    with pytest.raises(ConfigError):
        Deadline.after(seconds)


def test_it_is_entered_once() -> None:
    """The time of a second request is not what the first one left."""
    deadline = Deadline.after(20)
    with deadline:
        pass

    with pytest.raises(ConfigError), deadline:
        pass
    assert "20" in repr(deadline)
