"""
Shall we try again? What happens between a call's first failure and its end.

tenacity drives the attempts, but only from the first failure on, so that a success pays
nothing, and with a controller of its own for each failing call, for tenacity's are not
safe to share. It is shown the attempt that failed already as attempt one. Outcomes are
values (a result or a `Failure`), so no exception is caught and raised on the way; what
is raised inside is a cancellation, and passes through.

The order of the questions matters: the budget is asked last, so that a retry that is
refused for another reason spends nothing.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar, cast

import tenacity

from resilient_auth.errors import Unavailable
from resilient_auth.events import CallRetried, RetryBudgetSpent, tell
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.lane import Failure, Lane
from resilient_auth.resilience.verdict import Verdict, classify

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

_JITTER = 0.1


class Course:
    """What is asked, and told, between the attempts of one failing call."""

    __slots__ = ("_attempts", "_deadline", "_lane", "_roll", "_why")

    def __init__(
        self,
        lane: Lane,
        deadline: Deadline | None,
        *,
        roll: Callable[[], float] = random.random,
    ) -> None:
        self._lane = lane
        self._deadline = deadline
        self._roll = roll
        self._attempts = 1
        self._why = ""

    def wants(self, state: tenacity.RetryCallState) -> bool:
        """Say whether the attempt failed in a way that may pass."""
        if state.outcome is None or state.outcome.failed:
            return False  # a cancellation: tenacity raises it again
        outcome = state.outcome.result()
        return isinstance(outcome, Failure) and outcome.verdict.retry

    def wait(self, state: tenacity.RetryCallState) -> float:
        """
        Return the seconds to wait: as told, or by the backoff.

        Jitter on a told wait goes upward only, so that those who were told the same
        neither come early nor come together.
        """
        told = _verdict(state).wait
        if told is not None:
            return told * (1.0 + _JITTER * self._roll())
        backoff = self._lane.policy.backoff
        return backoff.wait(state.attempt_number, roll=self._roll())

    def stop(self, state: tenacity.RetryCallState) -> bool:
        """Say whether this is the end, and remember why; spends from the budget."""
        self._why = self._why_not(state)
        return bool(self._why)

    def announce(self, state: tenacity.RetryCallState) -> None:
        """Tell that another attempt follows."""
        event = CallRetried(
            at=self._lane.clock.time(),
            key=self._lane.key,
            attempt=state.attempt_number,
            kind=_verdict(state).kind,
            wait=state.upcoming_sleep,
        )
        tell(self._lane.listeners, event)

    def attempted(self) -> None:
        """Count one more attempt."""
        self._attempts += 1

    def rejected(self, rejection: Unavailable) -> None:
        """Note that we ourselves refused the next attempt."""
        self._why = classify(rejection).kind

    def end(self, failure: Failure) -> None:
        """Tell that the call is given up, and why."""
        self._lane.give_up(
            failure.verdict, attempts=self._attempts, why=self._why or "not_retryable"
        )

    def _why_not(self, state: tenacity.RetryCallState) -> str:
        """Name what forbids another attempt, or return an empty string."""
        lane, verdict = self._lane, _verdict(state)
        if state.attempt_number >= lane.policy.attempts:
            return "attempts_spent"
        if verdict.wait is not None and verdict.wait > lane.policy.retry_after_cap:
            return "wait_too_long"
        deadline = self._deadline
        if deadline is not None and state.upcoming_sleep >= deadline.remaining():
            return "deadline"
        if lane.breaker.refusing:
            return "circuit_open"
        if lane.may_retry():
            return ""
        event = RetryBudgetSpent(at=lane.clock.time(), key=lane.key, kind=verdict.kind)
        tell(lane.listeners, event)
        return "budget_spent"


async def recover(
    failure: Failure,
    again: Callable[[], Awaitable[T | Failure]],
    course: Course,
    *,
    sleep: Sleep,
) -> T | Failure:
    """
    Return what a later attempt returns, or the last `Failure` when *course* ends.

    *again* makes one attempt. When we refuse it ourselves (the circuit opened, no slot,
    no time), the provider's last error is what the caller gets: it tells more.
    """
    outcome: T | Failure = failure
    if failure.verdict.retry:
        outcome = await _drive(failure, again, course, sleep)
    if isinstance(outcome, Failure):
        course.end(outcome)
    return outcome


async def _drive(
    last: Failure,
    again: Callable[[], Awaitable[T | Failure]],
    course: Course,
    sleep: Sleep,
) -> T | Failure:
    """Let tenacity make the attempts after the one that *last* tells of."""
    shown = False

    async def step() -> T | Failure:
        nonlocal last, shown
        if not shown:
            shown = True
            return last
        try:
            outcome = await again()
        except Unavailable as rejection:
            course.rejected(rejection)
            last.verdict = replace(last.verdict, retry=False)
            return last
        course.attempted()
        if isinstance(outcome, Failure):
            last = outcome
        return outcome

    retrying = tenacity.AsyncRetrying(
        sleep=sleep,
        retry=course.wants,
        wait=course.wait,
        stop=course.stop,
        before_sleep=course.announce,
        retry_error_callback=_outcome,
    )
    outcome: T | Failure = await retrying(step)
    return outcome


def _outcome(state: tenacity.RetryCallState) -> Any:
    """Return what the last attempt returned, instead of raising a RetryError."""
    return None if state.outcome is None else state.outcome.result()


def _verdict(state: tenacity.RetryCallState) -> Verdict:
    """Return the verdict on the attempt that failed: `Course.wants` saw it is one."""
    return cast("Failure", _outcome(state)).verdict
