"""
Where do sessions live without a database? In this process, for tests and one worker.

Sessions end with the process. Every verb is O(1) but for those that answer for one
subject. Nothing is ever searched: revoked sessions stand in the order in which they
were revoked, and all sessions in a calendar, under the second in which they end. A
rotation does not move its session there; when the old second is over, the session is
entered under its new one. So each new session can drop a few dead ones.
"""

import heapq
import inspect
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, takewhile
from typing import Any

from resilient_auth.core.sessions import Session
from resilient_auth.errors import ConfigError, Unavailable
from resilient_auth.stores.base import AsyncSessionStore, SessionStore

_SWEEP = 2  # entries looked at per new one, so that the dead go faster than they come
_SWEEP_FULL = 10_000  # entries looked at where the store is full
_KEEP_ENDED = 86_400  # seconds for which an ended session can still say why it ended


class MemoryStore:
    """
    At most *capacity* sessions in a dictionary; may be used from any thread.

    A full store raises `Unavailable` and never evicts the living. The dead make room:
    they are kept for a day, to say why they ended, only while there is room.
    """

    def __init__(self, capacity: int = 1_000_000) -> None:
        if capacity < 1:
            raise ConfigError("A MemoryStore needs room for at least one session.")
        self._capacity = capacity
        self._sessions: dict[str, Session] = {}
        self._of_subject: dict[str, dict[str, None]] = {}
        self._ended: dict[str, int] = {}  # in order of time, for `ended_since`
        self._calendar: dict[int, list[str]] = {}
        self._seconds: list[int] = []  # a heap of the calendar's keys
        self._consumed: dict[str, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, session: Session) -> None:
        """Store a new *session*; drops a few dead ones on the way."""
        with self._lock:
            self._sweep(session.auth_time - _KEEP_ENDED, _SWEEP)
            if len(self._sessions) >= self._capacity:
                self._sweep(session.auth_time, _SWEEP_FULL, enough=1)
            if len(self._sessions) >= self._capacity:
                raise Unavailable("store_unavailable", reason="the store is full")
            self._sessions[session.id] = session
            self._enter(session)
            self._of_subject.setdefault(session.subject, {})[session.id] = None

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
            newest_first = reversed(self._ended.items())
            return [
                each for each, _ in takewhile(lambda e: e[1] >= moment, newest_first)
            ]

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
        """Delete at most *limit* sessions that ended before *before*."""
        with self._lock:
            self._forget_consumed(before, limit)
            return self._sweep(before, limit)

    def _end(self, session_id: str, now: int, reason: str) -> Session | None:
        row = self._sessions.get(session_id)
        if row is None or row.revoked_at is not None:
            return None
        row = replace(row, revoked_at=now, revoked_reason=reason)
        self._sessions[session_id] = row
        # A clock that was put back must not hide what was ended before.
        latest = next(reversed(self._ended.values()), now)
        self._ended[session_id] = max(now, latest)
        return row

    def _forget_consumed(self, now: int, limit: int) -> None:
        """Look at the *limit* one-time tokens seen longest ago; drop the expired."""
        for _ in range(min(limit, len(self._consumed))):
            token_id = next(iter(self._consumed))
            expires_at = self._consumed.pop(token_id)
            if expires_at > now:
                self._consumed[token_id] = expires_at  # to the back of the queue

    def _enter(self, row: Session) -> None:
        """Write *row* into the calendar, under the second in which it ends."""
        second = row.ends_at()
        if second not in self._calendar:
            self._calendar[second] = []
            heapq.heappush(self._seconds, second)
        self._calendar[second].append(row.id)

    def _sweep(self, before: int, limit: int, *, enough: int | None = None) -> int:
        """Look at *limit* entries, drop (*enough* of) what ended before *before*."""
        dropped = 0
        for row in chain(self._revoked(before, limit), self._due(before, limit)):
            if row.revoked_at is None and row.ends_at() >= before:
                self._enter(row)  # it was renewed meanwhile
                continue
            self._drop(row)
            dropped += 1
            if dropped == enough:
                break
        return dropped

    def _revoked(self, before: int, limit: int) -> Iterator[Session]:
        """Yield at most *limit* sessions revoked before *before*, the oldest first."""
        for _ in range(limit):
            session_id, at = next(iter(self._ended.items()), ("", before))
            if at >= before:
                return
            yield self._sessions[session_id]

    def _due(self, before: int, limit: int) -> Iterator[Session]:
        """Take at most *limit* ids out of the seconds before *before*; yield rows."""
        for _ in range(limit):
            if not self._seconds or self._seconds[0] >= before:
                return
            ids = self._calendar[self._seconds[0]]
            session_id = ids.pop()
            if not ids:
                del self._calendar[heapq.heappop(self._seconds)]
            row = self._sessions.get(session_id)
            if row is not None and row.revoked_at is None:
                yield row

    def _drop(self, row: Session) -> None:
        del self._sessions[row.id]
        self._ended.pop(row.id, None)
        siblings = self._of_subject[row.subject]
        del siblings[row.id]
        if not siblings:
            del self._of_subject[row.subject]


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
