"""
How does one transaction go on after a failed try?

Decided for both twins: whether to try again, after which wait, and what the caller is
told when the trying ends. Also whether it may begin at all: not inside another.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from resilient_auth.clock import SystemClock
from resilient_auth.core import arguments
from resilient_auth.errors import (
    CircuitOpen,
    CommitOutcomeUnknown,
    ConfigError,
    DeadlineExceeded,
    Unavailable,
)
from resilient_auth.events import Listener, TransactionRetried, tell
from resilient_auth.orm.outcomes import Outcome, Standing, hide_parameters, outcome_of
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.policy import Backoff

_DETAIL = "The database is not available right now."
_CLOCK = SystemClock()


class Course:
    """What is decided between the tries of one transaction."""

    def __init__(
        self,
        work: Callable[..., object],
        attempts: int,
        idempotent: bool,  # noqa: FBT001 - checked and kept, as it was given
        backoff: Backoff,
        listeners: Iterable[Listener],
    ) -> None:
        if not callable(work):
            raise ConfigError(
                f"work is called with the session; {arguments.described(work)} is not "
                "callable."
            )
        arguments.count("attempts", attempts)
        arguments.flag("idempotent", idempotent)
        arguments.instance("backoff", backoff, Backoff)
        self._listeners = arguments.listeners_of(listeners)
        self._operation: str = getattr(work, "__qualname__", type(work).__name__)
        self._attempts = attempts
        self._idempotent = idempotent
        self._backoff = backoff
        self._failed = 0
        self._unknown = False
        self._deadline = Deadline.current()

    def begin(self) -> None:
        """Let a try begin, unless the time is over."""
        if self._deadline is None or self._deadline.remaining():
            return
        if self._unknown:
            raise CommitOutcomeUnknown(self._operation, self._failed)
        raise DeadlineExceeded(
            self._operation, self._deadline.seconds, code="store_unavailable"
        )

    def after(self, error: Exception, standing: Standing) -> TransactionRetried | None:
        """
        Return how to go on after *error*, or None if it is to be raised as it is.

        Raises: `Unavailable` from it if it is an outage that outlasted our patience.
        """
        outcome = outcome_of(error, standing)
        self._failed += 1
        if outcome.fate == "raise" and not self._unknown:
            return None
        hide_parameters(error)
        # Idempotent work goes on after such a try, and may have been saved by it.
        self._unknown = self._unknown or outcome.fate == "unknown"
        # Nobody can connect before that, and then whoever waits here is not alone.
        closed_for = error.retry_in if isinstance(error, CircuitOpen) else 0.0
        retry = TransactionRetried(
            at=_CLOCK.time(),
            attempt=self._failed,
            reason=outcome.reason,
            wait=closed_for + self._backoff.wait(self._failed, roll=random.random()),  # noqa: S311 - jitter
        )
        if closed_for <= self._backoff.cap and self._may_retry(outcome, retry.wait):
            return retry
        if self._unknown:
            raise CommitOutcomeUnknown(self._operation, self._failed) from error
        reason = f"database: {outcome.reason} ({self._operation}, try {self._failed})"
        raise Unavailable(
            "store_unavailable", _DETAIL, closed_for or 1.0, reason=reason
        ) from error

    def announce(self, retry: TransactionRetried) -> None:
        """Tell that another try follows."""
        tell(self._listeners, retry)

    def _may_retry(self, outcome: Outcome, wait: float) -> bool:
        if outcome.fate in {"raise", "unavailable"}:
            return False
        if outcome.fate == "unknown" and not self._idempotent:
            return False
        if self._failed >= self._attempts:
            return False
        return self._deadline is None or wait < self._deadline.remaining()


class _Run:
    """A run that is open in this context, and in those of tasks that it started."""

    __slots__ = ("over",)

    def __init__(self) -> None:
        self.over = False


_current: ContextVar[_Run | None] = ContextVar(
    "resilient_auth_transaction", default=None
)


@contextmanager
def alone() -> Iterator[None]:
    """Refuse to be inside another run, whose retry would do this one's work again."""
    outer = _current.get()
    if outer is not None and not outer.over:
        raise ConfigError(
            "run_in_transaction was called inside the work of another; what it saves "
            "would stay when the outer one is rolled back, and be done twice when it "
            "is tried again. Give the session on instead."
        )
    run = _Run()
    token = _current.set(run)
    try:
        yield
    finally:
        run.over = True
        _current.reset(token)
