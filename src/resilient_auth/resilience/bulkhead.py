"""
Is there room for one more call? Slots, and a short bounded queue before them.

A slot is handed from the call that ends to the one that waited longest, so a newcomer
does not overtake the queue. Waiters may be threads, or tasks of different event loops.
Whoever hands a slot on and the waiter who may be leaving both try to *claim* the wait,
and one of them can: a waiter that is cancelled at the very moment it was given a slot
finds that out, and passes the slot on.

There is no lock. The garbage collector may close an abandoned stream in the middle of
any line below, in the same thread, and that stream gives its slot back: it would wait
for a lock that its own thread holds. So each step is one step of a list or of a
counter, and whoever adds to one side looks whether there is something on the other.
"""

import asyncio
import itertools
import threading
from collections.abc import Callable
from contextlib import suppress

from resilient_auth.errors import BulkheadFull
from resilient_auth.resilience.policy import Bulkhead


class _Waiter:
    """Somebody in the queue; the wait ends once, by `claim`."""

    __slots__ = ("_unclaimed",)

    def __init__(self) -> None:
        self._unclaimed = [True]

    def claim(self) -> bool:
        """Say whether the wait is ours to end: yes to the first who asks alone."""
        try:
            return self._unclaimed.pop()
        except IndexError:
            return False

    def wake(self) -> bool:
        """Tell the waiter about its slot; False if there is nobody any more."""
        raise NotImplementedError


class _Thread(_Waiter):
    """A thread in the queue."""

    __slots__ = ("arrived",)

    def __init__(self) -> None:
        super().__init__()
        # A plain lock, held until somebody wakes us: an Event has one inside of it.
        self.arrived = threading.Lock()
        self.arrived.acquire()

    def wake(self) -> bool:
        """Let the thread go on."""
        self.arrived.release()
        return True


class _Task(_Waiter):
    """A task in the queue, its future and its loop."""

    __slots__ = ("_loop", "future")

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> bool:
        """Let the task go on, in its own loop; False if that was closed."""
        try:
            self._loop.call_soon_threadsafe(self._arrive)
        except RuntimeError:
            return False
        return True

    def _arrive(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class Slots:
    """The slots of one key; may be used from any thread and event loop."""

    __slots__ = ("_free", "_key", "_made", "_number", "_policy", "_queue")

    def __init__(self, key: str, policy: Bulkhead) -> None:
        self._key = key
        self._policy = policy
        self.reset()

    def reset(self) -> None:
        """Begin anew: nobody is in, and nobody waits. For a process that was forked."""
        # Lists: a deque for each key would be three times the rest of it.
        self._queue: list[_Waiter] = []
        # A slot is made when it is needed first, up to the limit; then it is reused.
        self._number: Callable[[], int] = itertools.count().__next__
        self._made: list[None] = []
        self._free: list[None] = []

    @property
    def taken(self) -> int:
        """Return how many slots are in use."""
        return len(self._made) - len(self._free)

    def take(self) -> bool:
        """Take a slot if one is free."""
        try:
            self._free.pop()
        except IndexError:
            if self._number() >= self._policy.limit:
                return False
            self._made.append(None)
        return True

    def acquire(self, *, left: float | None = None) -> None:
        """
        Take a slot, or block for one, but never longer than *left* seconds.

        Raises `BulkheadFull` when the queue is full or did not move in time.
        """
        if self.take():
            return
        waiter = _Thread()
        self._join(waiter)
        try:
            arrived = waiter.arrived.acquire(timeout=self._patience(left))
        except BaseException:
            self._leave(waiter)
            raise
        if not arrived and waiter.claim():
            self._forget(waiter)
            raise BulkheadFull(self._key)

    async def aacquire(self, *, left: float | None = None) -> None:
        """Do the same as a task: wait without blocking the event loop."""
        if self.take():
            return
        waiter = _Task()
        self._join(waiter)
        try:
            async with asyncio.timeout(self._patience(left)):
                await waiter.future
        except TimeoutError:
            if waiter.claim():
                self._forget(waiter)
                raise BulkheadFull(self._key) from None
        except BaseException:
            self._leave(waiter)
            raise

    def release(self) -> None:
        """Give the slot to the first waiter, or back."""
        if not self._hand_on():
            self._free.append(None)
            self._match()

    def _patience(self, left: float | None) -> float:
        wait = self._policy.wait if left is None else min(self._policy.wait, left)
        return min(wait, threading.TIMEOUT_MAX)

    def _join(self, waiter: _Waiter) -> None:
        """Put *waiter* at the end of the queue; raises `BulkheadFull`."""
        if len(self._queue) >= self._policy.queue:
            raise BulkheadFull(self._key)
        self._queue.append(waiter)
        self._match()  # a slot may have come back before anybody saw us

    def _leave(self, waiter: _Waiter) -> None:
        """End the wait from the waiter's side; a slot that came already goes on."""
        if waiter.claim():
            self._forget(waiter)
        else:
            self.release()

    def _forget(self, waiter: _Waiter) -> None:
        with suppress(ValueError):  # somebody took it out, and saw it was claimed
            self._queue.remove(waiter)

    def _hand_on(self) -> bool:
        """Give a slot to the first who still waits; False if nobody does."""
        while True:
            try:
                waiter = self._queue.pop(0)
            except IndexError:
                return False
            if waiter.claim() and waiter.wake():
                return True

    def _match(self) -> None:
        """Bring free slots and waiters together, while there are both."""
        while self._queue and self._free:
            try:
                self._free.pop()
            except IndexError:
                return
            if not self._hand_on():
                self._free.append(None)
