"""
Whose cancellation is this? A timer's, told apart from one that comes from outside.

As in `asyncio.timeout`, but for code that cannot afford one: a timer interrupts a task
by cancelling it, and afterwards takes that request back. The count of requests on the
task decides: if others remain, somebody else wants the task to end, and wins.
"""

import asyncio
from typing import Final


class Alarm:
    """Interrupts the task in which it was made, when `ring` is called by its *loop*."""

    __slots__ = ("_asked", "_task", "rang")

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("A call with a time limit runs inside an asyncio task.")
        self._task: Final = task
        self._asked: Final = task.cancelling()
        self.rang: bool = False

    def ring(self) -> None:
        """Interrupt the task; once."""
        self.rang = True
        self._task.cancel()

    def explains(self, error: BaseException) -> bool:
        """
        Take the request back, and say whether *error* is nothing but its effect.

        To be asked once, after `rang`. An `Exception` is what the interrupted code made
        of the cancellation; a cancellation is ours only if nobody else asked for one.
        """
        others = self._task.uncancel() > self._asked
        if isinstance(error, asyncio.CancelledError):
            return not others
        return isinstance(error, Exception)

    def take_back(self) -> None:
        """Take the request back; the interrupted code went on regardless."""
        self._task.uncancel()
