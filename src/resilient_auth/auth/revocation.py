"""
Which sessions were ended before their access tokens? A view, polled on demand.

Verifying is offline, so a revocation made in another process is learnt by asking the
store which sessions ended lately. No thread and no timer: the caller that finds the
view older than ``revocation_poll`` asks, while the others go on with what is known.
Older than ``revocation_max_stale``, all wait for that one question, and only its
failure is `Unavailable` — never a silent pass and never a 401. What this process ends
is known at once. Each question covers the whole life of an access token, so there is
no cursor that could miss a late commit. A forked child begins with an unknown view.
"""

import asyncio
import threading
from collections.abc import Iterable

from resilient_auth.auth.forks import forget_in_child
from resilient_auth.clock import Clock
from resilient_auth.core.claims import TokenPolicy
from resilient_auth.core.sessions import SessionPolicy
from resilient_auth.errors import Refused, Unavailable
from resilient_auth.stores.base import AsyncSessionStore, SessionStore

_OVERLAP = 60  # seconds by which hosts and long transactions may be late
_ASK_AGAIN = 1.0  # seconds between questions while the store does not answer
_PATIENCE = 1.0  # seconds that a caller waits for the store (asynchronous twin)


class Revocations:
    """What is known, and since when; may be used from any thread."""

    def __init__(
        self, tokens: TokenPolicy, sessions: SessionPolicy, clock: Clock
    ) -> None:
        self._reach = tokens.access_ttl + tokens.leeway + _OVERLAP
        self._poll = sessions.revocation_poll
        self._max_stale = sessions.revocation_max_stale
        self._clock = clock
        self._own: dict[str, int] = {}
        self.forget()
        forget_in_child(self)

    def forget(self) -> None:
        """Know nothing from the store any more; what this process ended stays ended."""
        self._known_at = float("-inf")
        self._fresh_until = float("-inf")
        self._failed_at = float("-inf")
        self._polled: frozenset[str] = frozenset()

    def add(self, session_ids: Iterable[str]) -> None:
        """Know at once what this process ended."""
        self._own.update(dict.fromkeys(session_ids, int(self._clock.time())))

    def since(self) -> int:
        """Return the moment from which ended sessions may still have live tokens."""
        return int(self._clock.time()) - self._reach

    def now(self) -> float:
        """Return the moment of asking, for `learn`."""
        return self._clock.monotonic()

    def is_fresh(self) -> bool:
        """Say whether what is known may be judged by without another question."""
        return self._clock.monotonic() < self._fresh_until

    def is_due(self) -> bool:
        """Say whether the store should be asked now."""
        now = self._clock.monotonic()
        return (
            now - self._known_at >= self._poll and now - self._failed_at >= _ASK_AGAIN
        )

    def is_stale(self) -> bool:
        """Say whether too little is known to let anybody in."""
        return self._clock.monotonic() - self._known_at >= self._max_stale

    def learn(self, ended: Iterable[str], *, asked_at: float) -> None:
        """Take the store's answer; drop own revocations that no token outlives."""
        self._polled = frozenset(ended)
        self._known_at = asked_at
        self._fresh_until = asked_at + min(self._poll, self._max_stale)
        since = self.since()
        for session_id, at in list(self._own.items()):
            if at < since:
                self._own.pop(session_id, None)

    def miss(self) -> None:
        """Note that the store did not answer."""
        self._failed_at = self._clock.monotonic()

    def refuse_ended(self, session_id: str) -> None:
        """Raise `Refused` for a session that is known to have ended."""
        if session_id in self._own or session_id in self._polled:
            raise Refused("session_revoked", reason="the session was ended")

    def judge(self, session_id: str) -> None:
        """Raise `Refused` for an ended session, `Unavailable` if nobody can say."""
        self.refuse_ended(session_id)
        if self.is_stale():
            raise Unavailable("store_unavailable", reason="revocations are not known")


class RevocationView:
    """The view over a synchronous store; its own timeouts bound a question."""

    def __init__(self, store: SessionStore, known: Revocations) -> None:
        self._store = store
        self._known = known
        self.forget()
        forget_in_child(self)

    def forget(self) -> None:
        """Let nobody be asking: a forked child has not the thread that was."""
        self._asking = threading.Lock()

    def check(self, session_id: str) -> None:
        """Raise what `Revocations.judge` says of *session_id*, asking where due."""
        if self._known.is_due() and self._asking.acquire(
            blocking=self._known.is_stale()
        ):
            try:
                self._ask()
            finally:
                self._asking.release()
        self._known.judge(session_id)

    def _ask(self) -> None:
        if not self._known.is_due():
            return  # another caller asked while this one waited
        asked_at = self._known.now()
        try:
            ended = self._store.ended_since(self._known.since())
        except Unavailable:
            self._known.miss()
        else:
            self._known.learn(ended, asked_at=asked_at)


class AsyncRevocationView:
    """The view over an asynchronous store; belongs to one event loop."""

    def __init__(self, store: AsyncSessionStore, known: Revocations) -> None:
        self._store = store
        self._known = known
        self.forget()
        forget_in_child(self)

    def forget(self) -> None:
        """Let nobody be asking: a forked child has not the task that was."""
        self._asking = asyncio.Lock()

    async def check(self, session_id: str) -> None:
        """Raise what `Revocations.judge` says of *session_id*, asking where due."""
        if self._known.is_due() and (
            self._known.is_stale() or not self._asking.locked()
        ):
            async with self._asking:
                await self._ask()
        self._known.judge(session_id)

    async def _ask(self) -> None:
        if not self._known.is_due():
            return  # another caller asked while this one waited
        asked_at = self._known.now()
        try:
            async with asyncio.timeout(_PATIENCE):
                ended = await self._store.ended_since(self._known.since())
        except (Unavailable, TimeoutError):
            self._known.miss()
        else:
            self._known.learn(ended, asked_at=asked_at)
