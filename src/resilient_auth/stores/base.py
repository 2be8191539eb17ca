"""
What must a session store do? Nine verbs, each atomic on its own.

Every store decides with the caller's ``now``; a server's own clock serves only to drop
what expired. A store that cannot answer raises `Unavailable` ``store_unavailable`` and
has changed nothing that a second try would spoil. Nothing in a store is usable as a
token. Your own store passes ``resilient_auth.testing.StoreContract``.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from resilient_auth.core.sessions import Session

VERBS = (
    *("open", "find", "rotate", "end", "of_subject", "end_all"),
    *("ended_since", "consume", "purge"),
)


class SessionStore(Protocol):
    """The verbs; may be called from any thread."""

    def open(self, session: Session) -> None:
        """Store a new *session*."""
        ...

    def find(self, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        ...

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
        """
        Move a session from *generation* to the next, if nobody else did; atomic.

        It must be alive at *now* and not have rotated within *grace* seconds. Then
        ``generation + 1``, *kid*, ``rotated_at = now``, ``idle_expires_at = now +
        idle`` (never past ``expires_at``) and, unless None, *claims* are stored and
        the new row is returned. Otherwise nothing changes and None is returned.
        """
        ...

    def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """
        Revoke a session; the first reason and time win.

        Returns the ended row if this call ended it, else None.
        """
        ...

    def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """
        Return the sessions of *subject* that are alive at *now*, newest first.

        Of one second the greater id is newer: ids begin with the second's fraction.
        """
        ...

    def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        ...

    def ended_since(self, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        ...

    def consume(self, token_id: str, *, expires_at: int, now: int) -> bool:
        """
        Use up the one-time token *token_id*; True for the first caller alone, atomic.

        It is remembered until *expires_at* at least; the token is refused by then.
        """
        ...

    def purge(self, before: int, *, limit: int) -> int:
        """
        Delete at most *limit* sessions that ended before *before*; count them.

        One-time tokens that expired before *before* may go as well, uncounted.
        """
        ...


class AsyncSessionStore(Protocol):
    """The same verbs, awaited; may be called from any task of one event loop."""

    async def open(self, session: Session) -> None:
        """Store a new *session*."""
        ...

    async def find(self, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        ...

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
        """Move a session from *generation* to the next, if nobody else did; atomic."""
        ...

    async def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Revoke a session; the first reason and time win."""
        ...

    async def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """Return the sessions of *subject* that are alive at *now*, newest first."""
        ...

    async def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        ...

    async def ended_since(self, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        ...

    async def consume(self, token_id: str, *, expires_at: int, now: int) -> bool:
        """Use up the one-time token *token_id*; True for the first caller alone."""
        ...

    async def purge(self, before: int, *, limit: int) -> int:
        """Delete at most *limit* sessions that ended before *before*; count them."""
        ...
