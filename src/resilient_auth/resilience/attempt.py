"""
How does one attempt run? Slot, admission, time limit, call, verdict, record: in order.

An attempt returns what the call returned, or a `Failure`. It raises only what is not an
outcome of the call: our own rejections, and cancellations. Its slot and its ticket are
given back on every way out, exactly once.

The twins differ in one thing. A task is cut short when its time is up; a thread cannot
be, so that a plain ``def`` is given its limit as a `Deadline`, to hand to its client.
"""

import asyncio
from asyncio import Future, Task
from collections.abc import Callable, Coroutine, Mapping
from sys import exception
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, TypeVar

from resilient_auth.errors import ConfigError, DeadlineExceeded, UnusableAnswer
from resilient_auth.resilience.alarm import Alarm
from resilient_auth.resilience.breaker import Probe, Ticket, riding
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.lane import Failure, Lane
from resilient_auth.resilience.verdict import KINDS, Verdict

T = TypeVar("T")
Work = Callable[..., Coroutine[Any, Any, T]]
Check = Callable[[Any], Verdict | None]

_CANCELLED = KINDS["cancelled"]
#: What a call returns that has not begun: to count it as a success would be a lie.
_UNBEGUN: frozenset[type] = frozenset(
    {CoroutineType, GeneratorType, AsyncGeneratorType, Task, Future}
)


def attempt(
    lane: Lane,
    deadline: Deadline | None,
    check: Check,
    work: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> T | Failure:
    """Admit, call, judge and record; flat, for every success pays for this."""
    now, breaker, handling = lane.now, lane.breaker, exception()
    started = now()
    ticket = breaker.admit()
    try:
        if type(ticket) is not Probe:
            result = work(*args, **kwargs)
        else:
            with riding(ticket):
                result = work(*args, **kwargs)
        if type(result) in _UNBEGUN:
            _refuse_unbegun(result)
        fault = check(result)
    except Exception as error:  # noqa: BLE001 - judged here, raised when all is over
        # No local may hold the failure: the error's traceback knows this frame, and
        # the cycle would keep the arguments, a whole prompt, until a collection.
        verdict = lane.judge(error, handling=handling)
        return _failed(lane, ticket, error, verdict, now() - started, deadline)
    except BaseException:
        breaker.fail(ticket, _CANCELLED)
        raise
    elapsed = now() - started
    if lane.meter is not None:
        lane.meter.add(lane.meter.read(result))
    if fault is not None:
        unusable = UnusableAnswer(fault.kind)
        return _failed(lane, ticket, unusable, fault, elapsed, deadline)
    breaker.succeed(ticket, slow=elapsed > lane.slow_after)
    return result


async def aattempt(
    lane: Lane,
    deadline: Deadline | None,
    check: Check,
    work: Work[T],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> T | Failure:
    """Do the same with a call that is awaited."""
    now, breaker, handling = lane.now, lane.breaker, exception()
    started = now()
    ticket = breaker.admit()
    try:
        if type(ticket) is not Probe:
            result = await work(*args, **kwargs)
        else:
            with riding(ticket):
                result = await work(*args, **kwargs)
        if type(result) in _UNBEGUN:
            _refuse_unbegun(result)
        fault = check(result)
    except Exception as error:  # noqa: BLE001 - as above
        verdict = lane.judge(error, handling=handling)
        return _failed(lane, ticket, error, verdict, now() - started, deadline)
    except BaseException:
        breaker.fail(ticket, _CANCELLED)
        raise
    elapsed = now() - started
    if lane.meter is not None:
        lane.meter.add(lane.meter.read(result))
    if fault is not None:
        unusable = UnusableAnswer(fault.kind)
        return _failed(lane, ticket, unusable, fault, elapsed, deadline)
    breaker.succeed(ticket, slow=elapsed > lane.slow_after)
    return result


def bounded_attempt(
    lane: Lane,
    deadline: Deadline | None,
    check: Check,
    work: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> T | Failure:
    """Run `attempt` in a slot of the bulkhead, its time limit being the deadline."""
    lane.acquire(deadline)
    try:
        limit, what, _ = time_limit(lane, deadline)
        if limit is None or what == "total":  # which is the context's already
            return attempt(lane, deadline, check, work, args, kwargs)
        with Deadline(limit, clock=lane.clock):
            return attempt(lane, deadline, check, work, args, kwargs)
    finally:
        lane.release()


async def abounded_attempt(
    lane: Lane,
    deadline: Deadline | None,
    check: Check,
    work: Work[T],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> T | Failure:
    """Run `aattempt` in a slot of the bulkhead, and cut it short at its time limit."""
    if not lane.take():
        await lane.aacquire(deadline)
    try:
        limit, what, allowed = time_limit(lane, deadline)
        if limit is None:
            return await aattempt(lane, deadline, check, work, args, kwargs)
        timed_args = (limit, what, allowed, work, args, kwargs)
        return await aattempt(lane, deadline, check, timed, timed_args, {})
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
    loop = asyncio.get_running_loop()
    alarm = Alarm(loop)
    timer = loop.call_at(loop.time() + limit, alarm.ring)
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


def _failed(
    lane: Lane,
    ticket: Ticket,
    error: Exception,
    verdict: Verdict,
    elapsed: float,
    deadline: Deadline | None,
) -> Failure:
    """Record a failed attempt; the error's traceback does not know this frame."""
    return lane.fail(
        ticket,
        Failure(error, verdict),
        elapsed=elapsed,
        fair_share=lane.fair_share,
        deadline=deadline,
    )


def _refuse_unbegun(result: object) -> None:
    if isinstance(result, CoroutineType):
        result.close()  # nobody will await it
    raise ConfigError(
        f"The guarded function returned a {type(result).__name__}, whose work has not "
        "begun: guard the `async def` itself (or one that awaits it), or its generator "
        "with .stream(…)."
    )
