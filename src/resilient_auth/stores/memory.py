"""
Where do sessions live without a database? In this process, for tests and one worker.

Sessions end with the process. Every verb is O(1) but for those that answer for one
subject, and nothing is ever searched: `Endings` knows which session ended first, and
revocations stand in a queue of their own, in the order of time. That queue outlives
the sessions: who makes room must not make an access token valid again.
"""

import inspect
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from itertools import takewhile
from typing import Any

from resilient_auth.core import arguments
from resilient_auth.core.sessions import Session
from resilient_auth.errors import ConfigError, Unavailable
from resilient_auth.stores.base import VERBS, AsyncSessionStore, SessionStore
from resilient_auth.stores.endings import Endings, minute_of
from resilient_auth.stores.subjects import Subjects

_SWEEP = 2  # dead ones dropped for each new one, so that they go faster than they come
_KEEP_ENDED = 90_000  # seconds for which an ended session can still say why it ended


class MemoryStore:
    """
    At most *capacity* sessions in a dictionary; may be used from any thread.

    A full store raises `Unavailable` and never evicts the living. The dead make room:
    they are kept for a day, to say why they ended, only while there is room.
    """

    def __init__(self, capacity: int = 1_000_000) -> None:
        arguments.count("capacity", capacity)
        self._capacity = capacity
        self._sessions: dict[str, Session] = {}
        self._endings = Endings()
        self._subjects = Subjects()  # only of sessions that were not revoked
        self._revoked: deque[tuple[int, str]] = deque()  # for `ended_since`
        self._consumed: set[str] = set()
        self._uses = Endings()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, session: Session) -> None:
        """Store a new *session*; `ValueError` if another has its id."""
        now = session.auth_time
        with self._lock:
            if session.id in self._sessions:
                raise ValueError("a session of this id is stored already")
            old = minute_of(now - _KEEP_ENDED)
            self._drop(old, _SWEEP)
            self._forget_revoked(old, _SWEEP)
            if len(self._sessions) >= self._capacity and not self._drop(now + 1, 1):
                raise Unavailable("store_unavailable", reason="the store is full")
            self._sessions[session.id] = session
            self._endings.put(session.id, session.ends_at())
            self._subjects.add(session.subject, session.id)

    def find(self, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        return self._sessions.get(session_id)

    def rotate(
        self,
        session_id: str,
        generation: int,
        *,
        kid: str,
        now: int,
        idle: int,
        grace: int,
        claims: Mapping[str, Any] | None = None,
    ) -> Session | None:
        """Move a session from *generation* to the next, if nobody else did."""
        with self._lock:
            row = self._sessions.get(session_id)
            if (
                row is None
                or row.generation != generation
                or not _alive(row, now)
                or row.rotated_at > now - grace
            ):
                return None
            new = replace(
                row,
                generation=generation + 1,
                kid=kid,
                rotated_at=now,
                idle_expires_at=min(now + idle, row.expires_at),
                claims=row.claims if claims is None else claims,
            )
            self._sessions[session_id] = new
            self._endings.move(session_id, row.ends_at(), new.ends_at())
            return new

    def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Revoke a session; the first reason and time win."""
        with self._lock:
            return self._end(session_id, now, reason)

    def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """Return the sessions of *subject* that are alive at *now*, newest first."""
        with self._lock:
            rows = [self._sessions[each] for each in self._subjects.of(subject)]
        return [row for row in reversed(rows) if _alive(row, now)]

    def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        with self._lock:
            ids = [each for each in self._subjects.of(subject) if each != keep]
            living = [each for each in ids if _alive(self._sessions[each], now)]
            ended = [self._end(each, now, reason) for each in living]
        return [row for row in ended if row is not None]

    def ended_since(self, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        with self._lock:
            newest_first = reversed(self._revoked)
            lately = takewhile(lambda each: each[0] >= moment, newest_first)
            return [session_id for _, session_id in lately]

    def consume(self, token_id: str, *, expires_at: int, now: int) -> bool:
        """Use up a one-time token; True for the first caller alone."""
        with self._lock:
            self._forget_uses(minute_of(now), _SWEEP)
            if token_id in self._consumed:
                return False
            if len(self._consumed) >= self._capacity and not self._forget_uses(
                now + 1, 1
            ):
                raise Unavailable("store_unavailable", reason="the store is full")
            self._consumed.add(token_id)
            self._uses.put(token_id, expires_at)
            return True

    def purge(self, before: int, *, limit: int) -> int:
        """Delete at most *limit* sessions that ended before *before*."""
        with self._lock:
            self._forget_uses(before, limit)
            self._forget_revoked(before, limit)
            return self._drop(before, limit)

    def _end(self, session_id: str, now: int, reason: str) -> Session | None:
        row = self._sessions.get(session_id)
        if row is None or row.revoked_at is not None:
            return None
        ended = replace(row, revoked_at=now, revoked_reason=reason)
        self._sessions[session_id] = ended
        self._endings.move(session_id, row.ends_at(), now)
        self._subjects.remove(row.subject, session_id)
        # A clock that was put back must not hide what was ended before.
        latest = self._revoked[-1][0] if self._revoked else now
        self._revoked.append((max(now, latest), session_id))
        return ended

    def _drop(self, before: int, limit: int) -> int:
        """Drop at most *limit* sessions that ended before *before*; count them."""
        for dropped in range(limit):
            session_id = self._endings.take(before)
            if session_id is None:
                return dropped
            row = self._sessions.pop(session_id)
            self._subjects.remove(row.subject, session_id)
        return limit

    def _forget_uses(self, before: int, limit: int) -> int:
        """Forget at most *limit* tokens that expired before *before*; count them."""
        for forgotten in range(limit):
            token_id = self._uses.take(before)
            if token_id is None:
                return forgotten
            self._consumed.remove(token_id)
        return limit

    def _forget_revoked(self, before: int, limit: int) -> None:
        """Forget at most *limit* revocations older than *before*."""
        for _ in range(limit):
            if not self._revoked or self._revoked[0][0] >= before:
                return
            self._revoked.popleft()


class AsyncMemoryStore:
    """A `MemoryStore` for `AsyncAuth`: the same rows, and nothing to wait for."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def open(self, session: Session) -> None:
        """Store a new *session*."""
        self._store.open(session)

    async def find(self, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        return self._store.find(session_id)

    async def rotate(
        self,
        session_id: str,
        generation: int,
        *,
        kid: str,
        now: int,
        idle: int,
        grace: int,
        claims: Mapping[str, Any] | None = None,
    ) -> Session | None:
        """Move a session from *generation* to the next, if nobody else did."""
        return self._store.rotate(
            session_id,
            generation,
            kid=kid,
            now=now,
            idle=idle,
            grace=grace,
            claims=claims,
        )

    async def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Revoke a session; the first reason and time win."""
        return self._store.end(session_id, now=now, reason=reason)

    async def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """Return the sessions of *subject* that are alive at *now*, newest first."""
        return self._store.of_subject(subject, now=now)

    async def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        return self._store.end_all(subject, keep=keep, now=now, reason=reason)

    async def ended_since(self, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        return self._store.ended_since(moment)

    async def consume(self, token_id: str, *, expires_at: int, now: int) -> bool:
        """Use up a one-time token; True for the first caller alone."""
        return self._store.consume(token_id, expires_at=expires_at, now=now)

    async def purge(self, before: int, *, limit: int) -> int:
        """Delete at most *limit* sessions that ended before *before*."""
        return self._store.purge(before, limit=limit)


def as_store(store: SessionStore) -> SessionStore:
    """Return *store* for `Auth`; `ConfigError` if its verbs are awaited."""
    arguments.methods("store", store, *VERBS)
    if inspect.iscoroutinefunction(store.rotate):
        raise ConfigError(f"{type(store).__name__} is asynchronous: use AsyncAuth.")
    return store


def as_async_store(store: AsyncSessionStore | MemoryStore) -> AsyncSessionStore:
    """Return *store* for `AsyncAuth`; `ConfigError` if it would block the loop."""
    if isinstance(store, MemoryStore):
        return AsyncMemoryStore(store)
    arguments.methods("store", store, *VERBS)
    if not inspect.iscoroutinefunction(store.rotate):
        raise ConfigError(f"{type(store).__name__} is synchronous: use Auth.")
    return store


def _alive(row: Session, now: int) -> bool:
    return row.revoked_at is None and now < row.ends_at()
