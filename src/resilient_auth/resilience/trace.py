"""How many attempts did an answer take? Reported by calls that failed at least once."""

from contextvars import ContextVar
from typing import Self

_current: ContextVar["Trace | None"] = ContextVar(
    "resilient_auth_attempts", default=None
)


class Trace:
    """
    Counts the attempts made inside its ``with`` block, also by tasks begun there.

    A call that succeeds at once pays for nothing and reports nothing; one that failed
    reports all its attempts when it ends, and one that was refused none.
    """

    __slots__ = ("_outer", "attempts")

    def __init__(self) -> None:
        self.attempts: int = 0
        self._outer: Trace | None = None

    def __enter__(self) -> Self:
        self._outer = _current.get()
        _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.set(self._outer)


def report(attempts: int) -> None:
    """Add *attempts* to the trace of this context, if there is one."""
    trace = _current.get()
    if trace is not None:
        trace.attempts += attempts
