"""How does a test make time pass? A clock that moves only when told."""


class FrozenClock:
    """
    A `Clock` that stands still until `advance` moves both of its readings.

    >>> clock = FrozenClock(1_000.0)
    >>> clock.advance(2.5)
    >>> clock.time(), clock.monotonic()
    (1002.5, 2.5)
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._time = now
        self._monotonic = 0.0

    def time(self) -> float:
        """Return the Unix seconds at which this clock stands."""
        return self._time

    def monotonic(self) -> float:
        """Return the seconds by which this clock was advanced."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass on both readings; never negative."""
        if seconds < 0:
            raise ValueError("Time does not run back; jump() moves the calendar.")
        self._time += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the calendar by *seconds*, as an operator or NTP would."""
        self._time += seconds
