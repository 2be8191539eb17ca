"""
How does one attempt run? Slot, admission, time limit, call, verdict, record: in order.

An attempt returns what the call returned, or a `Failure`. It raises only what is not an
outcome of the call: our own rejections, and cancellations. Its slot and its ticket are
given back on every way out, exactly once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from resilient_auth.errors import DeadlineExceeded, UnusableAnswer
from resilient_auth.resilience.alarm import Alarm
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.lane import Failure, Lane
from resilient_auth.resilience.verdict import KINDS, Verdict, classify

T = TypeVar("T")
Work = Callable[..., Coroutine[Any, Any, T]]
Check = Callable[[Any], Verdict | None]

_CANCELLED = KINDS["cancelled"]


async def attempt(
    lane: Lane,
    deadline: Deadline | None,
    check: Check,
    work: Work[T],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> T | Failure:
    """Admit, call, judge and record; flat, for every success pays for this."""
    now, breaker = lane.now, lane.breaker
    started = now()
    ticket = breaker.admit()
    try:
        result = await work(*args, **kwargs)
        fault = check(result)
    except Exception as error:  # noqa: BLE001 - judged here, raised when all is over
        # No local may hold the failure: the error's traceback knows this frame, and
        # the cycle would keep the arguments, a whole prompt, until a collection.
        return lane.fail(
            ticket,
            Failure(error, classify(error)),
            elapsed=now() - started,
            fair_share=lane.fair_share,
            deadline=deadline,
        )
    except BaseException:
        breaker.fail(ticket, _CANCELLED)
        raise
    elapsed = now() - started
    if fault is not None:
        return lane.fail(
            ticket,
            Failure(UnusableAnswer(fault.kind), fault),
            elapsed=elapsed,
            fair_share=lane.fair_share,
            deadline=deadline,
        )
    breaker.succeed(ticket, slow=elapsed > lane.slow_after)
    return result


async def bounded_attempt(
    lane: Lane,
    deadline: Deadline | None,
    check: Check,
    work: Work[T],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> T | Failure:
    """Run `attempt` in a slot of the bulkhead and under its time limit."""
    await lane.acquire(deadline)
    try:
        limit, what, allowed = time_limit(lane, deadline)
        if limit is None:
            return await attempt(lane, deadline, check, work, args, kwargs)
        timed_args = (limit, what, allowed, work, args, kwargs)
        return await attempt(lane, deadline, check, timed, timed_args, {})
    finally:
        lane.release()


def time_limit(
    lane: Lane, deadline: Deadline | None
) -> tuple[float | None, str, float]:
    """
    Return the seconds an attempt may take, by which limit, and how long that was.

    Raises `DeadlineExceeded` when the deadline leaves no time to begin.
    """
    allowed = lane.policy.timeouts.attempt
    if deadline is None:
        return allowed, "attempt", allowed or 0.0
    left = deadline.require()
    if allowed is None or left < allowed:
        return left, "total", deadline.seconds
    return allowed, "attempt", allowed


async def timed(
    limit: float,
    what: str,
    allowed: float,
    work: Work[T],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> T:
    """Call *work* for at most *limit* seconds; `DeadlineExceeded` names *what*."""
    alarm = Alarm()
    timer = asyncio.get_running_loop().call_later(limit, alarm.ring)
    try:
        result = await work(*args, **kwargs)
    except BaseException as error:
        if alarm.rang and alarm.explains(error):
            raise DeadlineExceeded(what, allowed) from error
        raise
    finally:
        timer.cancel()
    if alarm.rang:  # it came late, but it came
        alarm.take_back()
    return result


@asynccontextmanager
async def guarded_block(lane: Lane, deadline: Deadline | None) -> AsyncIterator[None]:
    """Hold slot, ticket and time limit around a block, which cannot be run again."""
    await lane.acquire(deadline)
    try:
        limits = time_limit(lane, deadline)
        started = lane.now()
        ticket = lane.breaker.admit()
        try:
            async with _limited(*limits):
                yield
        except Exception as error:
            failure = lane.fail(
                ticket,
                Failure(error, classify(error)),
                elapsed=lane.now() - started,
                fair_share=lane.fair_share,
                deadline=deadline,
            )
            lane.give_up(failure.verdict, attempts=1, why="not_retryable")
            del failure  # its error is raised, and knows this frame
            raise
        except BaseException:
            lane.breaker.fail(ticket, _CANCELLED)
            raise
        lane.breaker.succeed(ticket, slow=lane.now() - started > lane.slow_after)
    finally:
        lane.release()


@asynccontextmanager
async def _limited(
    limit: float | None, what: str, allowed: float
) -> AsyncIterator[None]:
    """Bound a block as `timed` bounds a call."""
    timer = asyncio.timeout(limit)
    try:
        async with timer:
            yield
    except TimeoutError as error:
        if not timer.expired():
            raise
        raise DeadlineExceeded(what, allowed) from error
