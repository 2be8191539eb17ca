"""What is played next, and what was asked? The part that a test and the loop share."""

import threading
from collections.abc import Sequence

from resilient_auth.testing.faults.catalogue import Fault, named
from resilient_auth.testing.faults.reading import Seen


class Script:
    """A fault for each request, the last one for ever; safe from any thread."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._faults: tuple[Fault, ...] = (named("ok"),)
        self._played = 0
        self._seen: list[Seen] = []
        self._total = 0

    def set(self, faults: Sequence[Fault | str]) -> None:
        """
        Begin a new script, and forget what was seen.

        Raises: ValueError if it is empty, or names a fault that does not exist.
        """
        if not faults:
            raise ValueError("A script has one fault at least; play 'ok' for none.")
        known = tuple(named(each) for each in faults)
        with self._change:
            self._faults, self._played = known, 0
            self._seen.clear()

    @property
    def current(self) -> Fault:
        """Return what the next request meets."""
        with self._change:
            return self._faults[min(self._played, len(self._faults) - 1)]

    @property
    def seen(self) -> list[Seen]:
        """Return the requests since the script began, in the order of their arrival."""
        with self._change:
            return list(self._seen)

    def note(self, seen: Seen, *, plays: bool) -> tuple[Fault, int]:
        """
        Return what *seen* meets and its number; if it *plays*, the script moves on.

        The number grows for ever, over all scripts.
        """
        with self._change:
            fault = self._faults[min(self._played, len(self._faults) - 1)]
            self._played += plays
            self._total += 1
            self._seen.append(seen)
            self._change.notify_all()
            return fault, self._total

    def wait(self, count: int, timeout: float) -> None:
        """Block until *count* requests were seen. Raises: TimeoutError."""
        with self._change:
            if not self._change.wait_for(lambda: len(self._seen) >= count, timeout):
                raise TimeoutError(
                    f"{len(self._seen)} of {count} requests came in {timeout} s."
                )
