"""
Whose turn is it? A lock for state that the garbage collector may reach for.

The collector runs what it likes in the middle of anything: it may close an abandoned
stream, which reports its outcome, while this very thread holds the lock.
"""

import threading
from collections.abc import Callable


class Turn:
    """
    A lock, and what has to wait for its end.

    Entering returns whether this thread was inside already. What comes then is to be
    done `later`, which is before the lock is let go, or else right after.
    """

    __slots__ = ("_depth", "_later", "_lock")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._later: list[Callable[[], None]] = []

    def __enter__(self) -> bool:
        self._lock.acquire()
        self._depth += 1
        return self._depth > 1

    def __exit__(self, *_: object) -> None:
        try:
            while self._depth == 1 and self._later:
                self._later.pop(0)()
        finally:
            self._depth -= 1
            last = not self._depth
            self._lock.release()
        if last and self._later:  # it came in the last moment
            with self:
                pass

    def later(self, work: Callable[[], None]) -> None:
        """Do *work* before the lock is let go; called by who is inside."""
        self._later.append(work)
