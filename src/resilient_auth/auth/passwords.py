"""
How are passwords hashed without drowning the host? Argon2 behind a few slots.

A hash costs tens of milliseconds and megabytes on purpose, so a flood of logins is a
flood of work: at most *slots* run at once, at most *queue* wait, and the rest is told
`Unavailable` at once. An unknown user costs the same as a wrong password.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError

from resilient_auth.core import arguments
from resilient_auth.errors import Unavailable

T = TypeVar("T")


class PasswordHasher:
    """
    Argon2id with the parameters of OWASP (19 MiB, 2 passes); from any thread or task.

    ``hash`` and ``verify`` run where they are called, ``ahash`` and ``averify`` in
    threads of their own, so that no event loop waits. All raise `Unavailable`
    ``overloaded`` when slots and queue are full.
    """

    def __init__(self, *, slots: int = 2, queue: int = 16) -> None:
        arguments.count("slots", slots)
        arguments.count("queue", queue, least=0)
        self._argon2 = Argon2(time_cost=2, memory_cost=19_456, parallelism=1)
        self._running = threading.BoundedSemaphore(slots)
        self._places = threading.BoundedSemaphore(slots + queue)
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="password")
        self._nobody = self._argon2.hash("nobody's password")

    def hash(self, password: str) -> str:
        """Return *password* hashed with a fresh salt, parameters included."""
        with self._place(), self._running:
            return self._argon2.hash(password)

    def verify(self, stored: str | None, password: str) -> bool:
        """
        Say whether *password* made the hash *stored*.

        Give None for an unknown user, or an empty text for one without a password: it
        takes as long and is False. A *stored* text that is no argon2 hash is False too.
        """
        with self._place(), self._running:
            return self._verify(stored, password)

    def needs_rehash(self, stored: str) -> bool:
        """
        Say whether *stored* was made with other parameters than a new hash would be.

        Then store a new one at the next login, where the password is known. A text that
        is no argon2 hash needs it too.
        """
        try:
            return self._argon2.check_needs_rehash(stored)
        except InvalidHashError:
            return True

    async def ahash(self, password: str) -> str:
        """Return *password* hashed; the event loop does not wait."""
        return await self._in_pool(lambda: self._argon2.hash(password))

    async def averify(self, stored: str | None, password: str) -> bool:
        """Say whether *password* made *stored*; the event loop does not wait."""
        return await self._in_pool(lambda: self._verify(stored, password))

    def _verify(self, stored: str | None, password: str) -> bool:
        try:
            matches = self._argon2.verify(stored or self._nobody, password)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False
        return matches and bool(stored)

    async def _in_pool(self, work: Callable[[], T]) -> T:
        """Run *work* in our own threads; its place is kept until it is really done."""
        self._take_place()
        future = self._pool.submit(self._run, work)
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)

    def _run(self, work: Callable[[], T]) -> T:
        with self._running:
            return work()

    @contextmanager
    def _place(self) -> Iterator[None]:
        self._take_place()
        try:
            yield
        finally:
            self._places.release()

    def _take_place(self) -> None:
        if not self._places.acquire(blocking=False):
            raise Unavailable("overloaded", reason="all password slots are taken")
