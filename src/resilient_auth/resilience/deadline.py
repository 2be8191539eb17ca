"""
How much time is left? One deadline for the whole request, carried in the context.

Nested deadlines only shrink. Leaving one restores what stood before it and touches no
other, in whatever order and context the scopes are left: a scope that is left out of
order is only marked, and skipped when its turn to be restored comes.
"""

import functools
import math
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import ParamSpec, Self, TypeVar

from resilient_auth.clock import Clock, SystemClock
from resilient_auth.errors import ConfigError, DeadlineExceeded

P = ParamSpec("P")
R = TypeVar("R")

_innermost: ContextVar["Deadline | None"] = ContextVar(
    "resilient_auth_deadline", default=None
)
#: Returns None where no deadline can be open. If it returns one, that one may have been
#: left, and `Deadline.current` knows; but most calls have none, and this is faster.
innermost: Callable[[], "Deadline | None"] = _innermost.get
_SYSTEM = SystemClock()


def reading(clock: Clock) -> Callable[[], float]:
    """Return what reads *clock* as ``clock.monotonic()`` does, with no call between."""
    return time.monotonic if type(clock) is SystemClock else clock.monotonic


class Deadline:
    """
    The end of the time that a request may take; a context manager.

    Calls made through `Resilience` inside the scope respect it: they cut attempts
    short, and neither wait nor start past it. It interrupts nothing else by itself.
    Never hold one open across a ``yield``.

    >>> with Deadline.after(20):
    ...     with Deadline.after(60):  # nested ones only shrink
    ...         Deadline.left() <= 20
    True
    >>> Deadline.left() is None
    True
    """

    __slots__ = ("_abandoned", "_ends_at", "_entered", "_now", "_outer", "seconds")

    def __init__(self, seconds: float, *, clock: Clock = _SYSTEM) -> None:
        if not math.isfinite(seconds):
            raise ConfigError(f"A deadline is a finite number of seconds: {seconds!r}.")
        #: The seconds that were allowed, by this deadline or by one that shrank it.
        self.seconds: float = seconds
        self._now = reading(clock)
        self._ends_at = self._now() + seconds
        self._outer: Deadline | None = None
        self._entered = False
        self._abandoned = False

    @classmethod
    def after(cls, seconds: float, *, clock: Clock = _SYSTEM) -> Self:
        """Return a deadline *seconds* from now; enter it with ``with``, once."""
        return cls(seconds, clock=clock)

    @staticmethod
    def current() -> "Deadline | None":
        """Return the innermost open deadline of this context, or None."""
        deadline = _innermost.get()
        while deadline is not None and deadline._abandoned:  # noqa: SLF001 - own kind
            deadline = deadline._outer  # noqa: SLF001 - own kind
        return deadline

    @staticmethod
    def left() -> float | None:
        """
        Return the seconds left in this context, at least 0; None without a deadline.

        Give it to a client that can time out by itself: ``timeout=Deadline.left()``.
        """
        deadline = Deadline.current()
        return None if deadline is None else deadline.remaining()

    @staticmethod
    def bind(fn: Callable[P, R]) -> Callable[P, R]:
        """Return *fn* so that it runs under this context's deadline in any thread."""
        captured = Deadline.current()

        @functools.wraps(fn)
        def bound(*args: P.args, **kwargs: P.kwargs) -> R:
            token = _innermost.set(captured)
            try:
                return fn(*args, **kwargs)
            finally:
                _innermost.reset(token)

        return bound

    def remaining(self) -> float:
        """Return the seconds left until this deadline, at least 0."""
        return max(0.0, self._ends_at - self._now())

    def require(self) -> float:
        """Return the seconds left; raises `DeadlineExceeded` when there are none."""
        left = self._ends_at - self._now()
        if left <= 0.0:
            raise DeadlineExceeded("total", self.seconds)
        return left

    def within(self, outer: "Deadline | None") -> Self:
        """Shrink this deadline to *outer*, if that ends sooner, and return it."""
        if outer is not None:
            # Remaining time is compared, for the two may read different clocks.
            ends_at = self._now() + outer.remaining()
            if ends_at < self._ends_at:
                self._ends_at = ends_at
                self.seconds = outer.seconds
        return self

    def __enter__(self) -> Self:
        if self._entered:
            raise ConfigError("A deadline is entered once; call Deadline.after again.")
        self._entered = True
        self._outer = Deadline.current()
        self.within(self._outer)
        _innermost.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        if _innermost.get() is self:
            _innermost.set(self._outer)
        else:
            self._abandoned = True

    def __repr__(self) -> str:
        return f"<Deadline of {self.seconds} s, {self.remaining():.3f} s left>"
