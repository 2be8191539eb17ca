"""
Where do sessions live without a database? In this process, for tests and one worker.

Sessions end with the process. Every verb is O(1) but for those that answer for one
subject; dead sessions are swept a few at a time by the verbs that add new ones, so no
call ever pays for a full scan.
"""

import inspect
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from resilient_auth.core.sessions import Session
from resilient_auth.errors import ConfigError, Unavailable
from resilient_auth.stores.base import AsyncSessionStore, SessionStore

_SWEEP = 2  # entries looked at per new one: the hand goes round faster than they come
_KEEP_ENDED = 86_400  # seconds for which an ended session can still say why it ended


class MemoryStore:
    """
    At most *capacity* sessions in a dictionary; may be used from any thread.

    A full store raises `Unavailable` and never evicts the living.
    """

    def __init__(self, capacity: int = 1_000_000) -> None:
        if capacity < 1:
            raise ConfigError("A MemoryStore needs room for at least one session.")
        self._capacity = capacity
        self._sessions: dict[str, Session] = {}
        self._of_subject: dict[str, dict[str, None]] = {}
        self._ended: dict[str, int] = {}
        self._consumed: dict[str, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, session: Session) -> None:
        """Store a new *session*; sweeps a few dead ones on the way."""
        with self._lock:
            self._sweep(session.auth_time - _KEEP_ENDED, _SWEEP)
            if len(self._sessions) >= self._capacity:
                raise Unavailable("store_unavailable", reason="the store is full")
            self._sessions[session.id] = session
            self._of_subject.setdefault(session.subject, {})[session.id] = None

    def find(self, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        with self._lock:  # a sweep takes rows out and puts the living back
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
            row = replace(
                row,
                generation=generation + 1,
                kid=kid,
                rotated_at=now,
                idle_expires_at=min(now + idle, row.expires_at),
                claims=row.claims if claims is None else claims,
            )
            self._sessions[session_id] = row
            return row

    def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Revoke a session; the first reason and time win."""
        with self._lock:
            return self._end(session_id, now, reason)

    def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """Return the sessions of *subject* that are alive at *now*, newest first."""
        with self._lock:
            rows = [self._sessions[each] for each in self._of_subject.get(subject, ())]
        return [row for row in reversed(rows) if _alive(row, now)]

    def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        with self._lock:
            ids = [each for each in self._of_subject.get(subject, ()) if each != keep]
            living = [each for each in ids if _alive(self._sessions[each], now)]
            ended = [self._end(each, now, reason) for each in living]
        return [row for row in ended if row is not None]

    def ended_since(self, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        with self._lock:
            return [each for each, at in self._ended.items() if at >= moment]

    def consume(self, token_id: str, *, expires_at: int, now: int) -> bool:
        """Use up a one-time token; True for the first caller alone."""
        with self._lock:
            self._forget_consumed(now, _SWEEP)
            if token_id in self._consumed:
                return False
            if len(self._consumed) >= self._capacity:
                raise Unavailable("store_unavailable", reason="the store is full")
            self._consumed[token_id] = expires_at
            return True

    def purge(self, before: int, *, limit: int) -> int:
        """Delete sessions that ended before *before*, looking at most at *limit*."""
        with self._lock:
            self._forget_consumed(before, limit)
            return self._sweep(before, limit)

    def _end(self, session_id: str, now: int, reason: str) -> Session | None:
        row = self._sessions.get(session_id)
        if row is None or row.revoked_at is not None:
            return None
        row = replace(row, revoked_at=now, revoked_reason=reason)
        self._sessions[session_id] = row
        self._ended[session_id] = now
        return row

    def _forget_consumed(self, now: int, limit: int) -> None:
        """Look at the *limit* one-time tokens seen longest ago; drop the expired."""
        for _ in range(min(limit, len(self._consumed))):
            token_id = next(iter(self._consumed))
            expires_at = self._consumed.pop(token_id)
            if expires_at > now:
                self._consumed[token_id] = expires_at  # to the back of the queue

    def _sweep(self, before: int, limit: int) -> int:
        """Look at the *limit* sessions seen longest ago; drop the dead among them."""
        dropped = 0
        for _ in range(min(limit, len(self._sessions))):
            session_id = next(iter(self._sessions))
            row = self._sessions.pop(session_id)
            if _ended_at(row) >= before:
                self._sessions[session_id] = row  # to the back of the queue
                continue
            self._ended.pop(session_id, None)
            siblings = self._of_subject[row.subject]
            del siblings[session_id]
            if not siblings:
                del self._of_subject[row.subject]
            dropped += 1
        return dropped


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
    if inspect.iscoroutinefunction(store.rotate):
        raise ConfigError(f"{type(store).__name__} is asynchronous: use AsyncAuth.")
    return store


def as_async_store(store: AsyncSessionStore | MemoryStore) -> AsyncSessionStore:
    """Return *store* for `AsyncAuth`; `ConfigError` if it would block the loop."""
    if isinstance(store, MemoryStore):
        return AsyncMemoryStore(store)
    if not inspect.iscoroutinefunction(store.rotate):
        raise ConfigError(f"{type(store).__name__} is synchronous: use Auth.")
    return store


def _alive(row: Session, now: int) -> bool:
    return row.revoked_at is None and now < row.ends_at()


def _ended_at(row: Session) -> int:
    return row.ends_at() if row.revoked_at is None else row.revoked_at
