"""How many were there? A counter for hot paths that is exact without a lock."""

import itertools
import threading
from collections.abc import Callable


class Tally:
    """
    Counts the calls of `step`, which is one step of `itertools.count`: atomic, in C.

    Reading takes a step too, and takes it back in the sum; readers are rare.
    """

    __slots__ = ("_lock", "_reads", "step")

    def __init__(self) -> None:
        self.step: Callable[[], int] = itertools.count().__next__
        self._reads = 0
        self._lock = threading.Lock()

    @property
    def value(self) -> int:
        """Return how often `step` was called."""
        with self._lock:
            steps = self.step() - self._reads
            self._reads += 1
            return steps
