"""How did the last calls go? A ring of outcomes with its two rates, all O(1)."""

from resilient_auth.resilience.policy import Trip


class Window:
    """
    The outcomes of the last ``trip.window`` calls: a byte each, bit 0 failed, 1 slow.

    `put` is called with the owner's lock held. A circuit that starts afresh takes a new
    window, so that a late `step` on the old one changes nothing that counts.
    """

    __slots__ = ("_failed", "_next", "_ring", "_slow", "_trip", "calls", "spotless")

    def __init__(self, trip: Trip) -> None:
        self._trip = trip
        self._ring = bytearray(trip.window)
        self._next = self._failed = self._slow = 0
        self.calls: int = 0
        #: Whether it is full of calls that went well: one more changes nothing at all.
        self.spotless: bool = False

    def step(self) -> bool:
        """
        Add a call that went well, if a good one falls out for it; needs no lock.

        Only the position moves then. Two threads that move it at once lose a step or
        take a few back, which leaves the ring and its sums as true as they were.
        """
        ring, here = self._ring, self._next
        if self.calls < len(ring) or ring[here]:
            return False
        here += 1
        self._next = here if here < len(ring) else 0
        return True

    def put(self, failed: int, slow: int) -> None:
        """Add one call (*failed* and *slow* are 0 or 1); the oldest makes room."""
        ring, here = self._ring, self._next
        if self.calls == len(ring):
            gone = ring[here]
            self._failed -= gone & 1
            self._slow -= gone >> 1
        else:
            self.calls += 1
        ring[here] = failed | slow << 1
        self._failed += failed
        self._slow += slow
        here += 1
        self._next = here if here < len(ring) else 0
        self.spotless = self.calls == len(ring) and not (self._failed or self._slow)

    @property
    def failure_rate(self) -> float:
        """Return the share of failed calls, 0.0 when there were none."""
        return self._failed / self.calls if self.calls else 0.0

    @property
    def bad(self) -> bool:
        """Say whether a rate is reached and enough calls were seen to judge."""
        trip, calls = self._trip, self.calls
        return calls >= trip.minimum and (
            self._failed >= trip.failure_rate * calls
            or self._slow >= trip.slow_rate * calls
        )
