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
from resilient_auth.resilience.trace import report
from resilient_auth.resilience.verdict import Verdict, classify

T = TypeVar("T")
Sleep = Callable[[float], None]
AsyncSleep = Callable[[float], Awaitable[None]]

_JITTER = 0.1


class Course:
    """What is asked, and told, between the attempts of one call that *failed*."""

    __slots__ = ("_attempts", "_deadline", "_lane", "_last", "_roll", "_shown", "_why")

    def __init__(
        self,
        failed: Failure,
        lane: Lane,
        deadline: Deadline | None,
        *,
        roll: Callable[[], float] = random.random,
    ) -> None:
        self._last = failed
        self._shown = False
        self._lane = lane
        self._deadline = deadline
        self._roll = roll
        self._attempts = 1
        self._why = ""

    def rules(self) -> dict[str, Any]:
        """Return what tenacity is to ask and to tell."""
        return {
            "retry": self.wants,
            "wait": self.wait,
            "stop": self.stop,
            "before_sleep": self.announce,
            "retry_error_callback": _outcome,
        }

    def first(self) -> Failure | None:
        """Return the attempt that was made already, once; then None."""
        if self._shown:
            return None
        self._shown = True
        return self._last

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

    def attempted(self, outcome: T | Failure) -> T | Failure:
        """Count one more attempt, and return its *outcome*."""
        self._attempts += 1
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
            self._lane.give_up(outcome.verdict, attempts=self._attempts, why=why)

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


def recover(
    failed: Failure,
    again: Callable[[], T | Failure],
    course: Course,
    *,
    sleep: Sleep,
) -> T:
    """Return what a later attempt returns, or raise the error of the last one."""

    def step() -> T | Failure:
        first = course.first()
        if first is not None:
            return first
        try:
            return course.attempted(again())
        except Unavailable as rejection:
            return course.rejected(rejection)

    outcome: T | Failure = failed
    if failed.verdict.retry:
        outcome = tenacity.Retrying(sleep=sleep, **course.rules())(step)
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

    async def step() -> T | Failure:
        first = course.first()
        if first is not None:
            return first
        try:
            return course.attempted(await again())
        except Unavailable as rejection:
            return course.rejected(rejection)

    outcome: T | Failure = failed
    if failed.verdict.retry:
        outcome = await tenacity.AsyncRetrying(sleep=sleep, **course.rules())(step)
    course.end(outcome)
    if isinstance(outcome, Failure):
        outcome.throw()
    return outcome


def _outcome(state: tenacity.RetryCallState) -> Any:
    """Return what the last attempt returned, instead of raising a RetryError."""
    return None if state.outcome is None else state.outcome.result()


def _verdict(state: tenacity.RetryCallState) -> Verdict:
    """Return the verdict on the attempt that failed: `Course.wants` saw it is one."""
    return cast("Failure", _outcome(state)).verdict
