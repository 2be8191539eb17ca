"""
Does this call only ask whether something is well? Then no open circuit stops it.

A health check that a circuit turned away would report the circuit, for as long as it is
open, and not what is behind it. So it is let through beside the circuit, and what it
finds counts neither for nor against the callers' own; an answer merely ends their wait.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_asking: ContextVar[bool] = ContextVar("resilient_auth_asking", default=False)


@contextmanager
def asking() -> Iterator[None]:
    """Mark what is called inside, in tasks and threads that it starts too."""
    outer = _asking.set(True)
    try:
        yield
    finally:
        _asking.reset(outer)


def is_asking() -> bool:
    """Say whether this context is inside `asking`."""
    return _asking.get()
