"""
Shall we try again? What happens between a call's first failure and its end.

tenacity drives the attempts, but only from the first failure on, so that a success pays
nothing, and with a controller of its own for each failing call, for tenacity's are not
safe to share. It is iterated: each turn is an attempt that it decided on, the one that
failed already being the first. Waiting and calling are left to the twins below, so that
both share its plain controller; its own for coroutines wraps and inspects every
callback, which takes three times as long. Outcomes are values (a result or a `Failure`)
that tenacity need not see; what is raised is a cancellation, and ends the iteration.

The order of the questions matters: the budget is asked last, so that a retry that is
refused for another reason spends nothing.
"""

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import tenacity

from resilient_auth.errors import Unavailable
from resilient_auth.events import CallRecovered, CallRetried, RetryBudgetSpent, tell
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.lane import Failure, Lane
from resilient_auth.resilience.trace import report
from resilient_auth.resilience.verdict import classify

T = TypeVar("T")
Sleep = Callable[[float], None]
AsyncSleep = Callable[[float], Awaitable[None]]

_JITTER = 0.1


class Course:
    """What is asked, and told, between the attempts of one call that *failed*."""

    __slots__ = ("_attempts", "_deadline", "_lane", "_last", "_roll", "_why")

    def __init__(
        self,
        failed: Failure,
        lane: Lane,
        deadline: Deadline | None,
        *,
        roll: Callable[[], float] = random.random,
    ) -> None:
        self._last = failed
        self._lane = lane
        self._deadline = deadline
        self._roll = roll
        self._attempts = 1
        self._why = ""

    def waits(self) -> Iterator[float]:
        """
        Yield the seconds to wait before each attempt that is to follow.

        After each, the outcome is told by `attempted` or `rejected`; a success ends it.
        """
        if not self._last.verdict.retry:
            return
        controller = tenacity.Retrying(
            sleep=_leave_alone,
            retry=self._wants,
            wait=self._wait,
            stop=self._stop,
            before_sleep=self._announce,
            retry_error_callback=_leave_alone,
        )
        for attempt in controller:
            state = attempt.retry_state
            if state.attempt_number > 1:
                yield state.upcoming_sleep
            state.set_result(None)

    def attempted(self, outcome: T | Failure) -> T | Failure:
        """Count one more attempt, and return its *outcome*."""
        self._attempts += 1
        self._last.let_go()
        if isinstance(outcome, Failure):
            self._last = outcome
        return outcome

    def rejected(self, rejection: Unavailable) -> Failure:
        """
        Return the last failure as final: we ourselves refused the next attempt.

        It is what the caller gets, for it tells more than our refusal.
        """
        self._why = classify(rejection).kind
        self._last.verdict = replace(self._last.verdict, retry=False)
        return self._last

    def end(self, outcome: object) -> None:
        """Tell how many attempts were made, and if they failed, why no more follow."""
        report(self._attempts)
        if isinstance(outcome, Failure):
            why = self._why or "not_retryable"
            self._lane.give_up(outcome, attempts=self._attempts, why=why)
            return
        lane = self._lane
        event = CallRecovered(
            at=lane.clock.time(), key=lane.key, attempts=self._attempts
        )
        tell(lane.listeners, event)

    def _wants(self, _: tenacity.RetryCallState) -> bool:
        """Say whether the last attempt failed in a way that may pass."""
        return self._last.verdict.retry

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """
        Return the seconds to wait: as told, or by the backoff.

        Who is overloaded is given the wait of one failure more. Jitter on a told wait
        goes upward only, so that those who were told the same neither come early nor
        come together.
        """
        verdict = self._last.verdict
        if verdict.wait is not None:
            return verdict.wait * (1.0 + _JITTER * self._roll())
        failures = state.attempt_number + (verdict.kind == "overloaded")
        return self._lane.policy.backoff.wait(failures, roll=self._roll())

    def _stop(self, state: tenacity.RetryCallState) -> bool:
        """Say whether this is the end, and remember why; spends from the budget."""
        self._why = self._why_not(state)
        return bool(self._why)

    def _announce(self, state: tenacity.RetryCallState) -> None:
        """Tell that another attempt follows."""
        event = CallRetried(
            at=self._lane.clock.time(),
            key=self._lane.key,
            attempt=state.attempt_number,
            kind=self._last.verdict.kind,
            wait=state.upcoming_sleep,
        )
        tell(self._lane.listeners, event)

    def _why_not(self, state: tenacity.RetryCallState) -> str:
        """Name what forbids another attempt, or return an empty string."""
        lane, verdict = self._lane, self._last.verdict
        most = min(lane.policy.attempts, 2) if verdict.once else lane.policy.attempts
        if state.attempt_number >= most:
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


def recover(
    failed: Failure,
    again: Callable[[], T | Failure],
    course: Course,
    *,
    sleep: Sleep,
) -> T:
    """Return what a later attempt returns, or raise the error of the last one."""
    outcome: T | Failure = failed
    for wait in course.waits():
        sleep(wait)
        try:
            outcome = course.attempted(again())
        except Unavailable as rejection:
            outcome = course.rejected(rejection)
        if not isinstance(outcome, Failure):
            break
    course.end(outcome)
    if isinstance(outcome, Failure):
        outcome.throw()
    return outcome


async def arecover(
    failed: Failure,
    again: Callable[[], Awaitable[T | Failure]],
    course: Course,
    *,
    sleep: AsyncSleep,
) -> T:
    """Do the same with attempts that are awaited."""
    outcome: T | Failure = failed
    for wait in course.waits():
        await sleep(wait)
        try:
            outcome = course.attempted(await again())
        except Unavailable as rejection:
            outcome = course.rejected(rejection)
        if not isinstance(outcome, Failure):
            break
    course.end(outcome)
    if isinstance(outcome, Failure):
        outcome.throw()
    return outcome


def _leave_alone(_: object) -> None:
    """Do nothing where tenacity would sleep, or raise: the twins see to both."""
