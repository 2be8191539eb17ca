"""
Is there room for one more call? Slots, and a short bounded queue before them.

A slot is handed from the call that ends to the one that waited longest, so a newcomer
never overtakes the queue. Waiters may be threads, or tasks of different event loops:
who hands over decides under the lock and wakes the waiter where it waits. A waiter that
is cancelled at the very moment it was given a slot passes the slot on.
"""

import asyncio
import threading
from collections import deque
from typing import TypeVar

from resilient_auth.errors import BulkheadFull
from resilient_auth.resilience.policy import Bulkhead


class _Thread:
    """A thread in the queue, and whether a slot is its own."""

    __slots__ = ("arrived", "granted")

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.granted = False

    def wake(self) -> bool:
        """Tell the waiter about its slot."""
        self.arrived.set()
        return True


class _Task:
    """A task in the queue: its future, its loop, and whether a slot is its own."""

    __slots__ = ("future", "granted", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.granted = False

    def wake(self) -> bool:
        """Tell the waiter about its slot; False if its loop is gone."""
        try:
            self.loop.call_soon_threadsafe(self._arrive)
        except RuntimeError:  # the loop was closed
            return False
        return True

    def _arrive(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


_Waiter = TypeVar("_Waiter", _Thread, _Task)


class Slots:
    """The slots of one key; may be used from any thread and event loop."""

    __slots__ = ("_key", "_lock", "_policy", "_queue", "taken")

    def __init__(self, key: str, policy: Bulkhead) -> None:
        self._key = key
        self._policy = policy
        self._lock = threading.Lock()
        self._queue: deque[_Thread | _Task] = deque()
        #: How many slots are in use.
        self.taken: int = 0

    def take(self) -> bool:
        """Take a slot if one is free, which it never is while anybody waits."""
        with self._lock:
            if self.taken >= self._policy.limit:
                return False
            self.taken += 1
            return True

    def acquire(self, *, left: float | None = None) -> None:
        """
        Take a slot, or block for one, but never longer than *left* seconds.

        Raises `BulkheadFull` when the queue is full or did not move in time.
        """
        waiter = self._take_or_queue(_Thread)
        if waiter is None:
            return
        try:
            waiter.arrived.wait(self._patience(left))
        except BaseException:
            if self._leave_queue(waiter):
                self.release()
            raise
        if not self._leave_queue(waiter):
            raise BulkheadFull(self._key)

    async def aacquire(self, *, left: float | None = None) -> None:
        """Do the same as a task: wait without blocking the event loop."""
        waiter = self._take_or_queue(_Task)
        if waiter is None:
            return
        try:
            async with asyncio.timeout(self._patience(left)):
                await waiter.future
        except TimeoutError:
            if not self._leave_queue(waiter):
                raise BulkheadFull(self._key) from None
        except BaseException:
            if self._leave_queue(waiter):
                self.release()
            raise

    def release(self) -> None:
        """Give the slot to the first waiter, or back."""
        with self._lock:
            while self._queue:
                waiter = self._queue.popleft()
                waiter.granted = waiter.wake()
                if waiter.granted:
                    return
            self.taken -= 1

    def _patience(self, left: float | None) -> float:
        return self._policy.wait if left is None else min(self._policy.wait, left)

    def _take_or_queue(self, kind: type[_Waiter]) -> _Waiter | None:
        """Take a free slot and return None, or return a place in the queue."""
        with self._lock:
            if self.taken < self._policy.limit:
                self.taken += 1
                return None
            if len(self._queue) >= self._policy.queue:
                raise BulkheadFull(self._key)
            waiter = kind()
            self._queue.append(waiter)
            return waiter

    def _leave_queue(self, waiter: _Thread | _Task) -> bool:
        """Say whether *waiter* holds a slot already; otherwise unqueue it."""
        with self._lock:
            if not waiter.granted:
                self._queue.remove(waiter)
            return waiter.granted
