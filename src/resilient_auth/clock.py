"""What time is it? The only caller of ``time.time()`` and ``time.monotonic()``."""

from time import monotonic, time
from typing import Protocol


class Clock(Protocol):
    """Two readings of time; tests pass a clock that stands still."""

    def time(self) -> float:
        """Return Unix seconds UTC, as the calendar counts; may jump."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an unknown instant; never goes back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    def time(self) -> float:
        """Return Unix seconds UTC."""
        return time()

    def monotonic(self) -> float:
        """Return seconds since an unknown instant."""
        return monotonic()
