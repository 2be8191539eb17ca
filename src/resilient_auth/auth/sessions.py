"""
How does a session live? Login, verify, refresh and the ways it ends, as twins.

Each method loads, asks core, commits and tells, and has no rule of its own. `Auth` and
`AsyncAuth` are the same text but for ``await``: ``tests/auth/test_twins.py`` compares.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from resilient_auth.auth.callbacks import (
    AsyncOnRefresh,
    OnRefresh,
    as_async_on_refresh,
    as_on_refresh,
)
from resilient_auth.auth.revocation import AsyncRevocationView, RevocationView
from resilient_auth.auth.shell import (
    KEEP_ENDED,
    ROOM_TO_LIVE,
    Principal,
    Shell,
    Tokens,
    id_text,
)
from resilient_auth.auth.signer import Signer
from resilient_auth.clock import Clock
from resilient_auth.core.claims import TokenPolicy
from resilient_auth.core.refresh import Presented, Reused, judge, may_rotate
from resilient_auth.core.ring import KeyRing
from resilient_auth.core.sessions import Session, SessionPolicy, superfluous
from resilient_auth.errors import Refused
from resilient_auth.events import Listener, SessionRotated
from resilient_auth.stores.base import AsyncSessionStore, SessionStore
from resilient_auth.stores.memory import MemoryStore, as_async_store, as_store


class Auth(Shell):
    """
    Sessions over a synchronous store; may be used from any thread.

    Without *store*, sessions live in this process. *listeners* are called with each
    event after it is true. *on_refresh* is given the session that is about to rotate
    and returns the claims of its next tokens (None: no claims); if it raises `Refused`,
    such as ``Refused("user_disabled")``, the session ends. A database that is down in
    it is `Unavailable`; any other exception goes on to the caller of `refresh`. Then
    nothing was rotated, and the same token is good for another try.
    """

    def __init__(
        self,
        ring: KeyRing,
        policy: TokenPolicy,
        *,
        store: SessionStore | None = None,
        sessions: SessionPolicy | None = None,
        listeners: Iterable[Listener] = (),
        on_refresh: OnRefresh | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(ring, policy, sessions, listeners, clock)
        self._on_refresh = as_on_refresh(on_refresh)
        self._store = as_store(MemoryStore() if store is None else store)
        self._view = RevocationView(self._store, self._revocations)

    def login(
        self,
        subject: str,
        claims: Mapping[str, object] | None = None,
        *,
        device: str = "",
        amr: tuple[str, ...] = ("pwd",),
        remember: bool = True,
    ) -> Tokens:
        """
        Open a new session of *subject*, recognised by the methods *amr* (RFC 8176).

        *claims* go into every access token of the session. Raises `TypeError` or
        `ValueError` for what a token cannot carry, `Unavailable` if the store is down.
        """
        session = self._new_session(
            subject, claims, device=device, amr=amr, remember=remember
        )
        self._check_room(session, session.auth_time, room=ROOM_TO_LIVE)
        tokens = self._tokens(session, "issued", session.auth_time)
        self._store.open(session)
        self._tell_opened(session)
        if self._lives.max_per_subject is not None:
            self._end_superfluous(session)
        return tokens

    def verify(self, access_token: str) -> Principal:
        """
        Say who presents *access_token*; asks no store but for the revocation view.

        Raises `Refused` (the client's turn), or `Unavailable` when revocations have
        not been known for ``revocation_max_stale``: never a silent pass.
        """
        who = self._principal(access_token)
        known = self._revocations
        try:
            if known.is_fresh():
                known.refuse_ended(who.session_id)
            else:
                self._view.check(who.session_id)
        except Refused as error:
            self._tell_token_refused(error)
            raise
        return who

    def refresh(self, refresh_token: str) -> Tokens:
        """
        Exchange *refresh_token* for new tokens; safe to race and to repeat.

        Raises `Refused`, or `Unavailable` when the store is down: then the same token
        may be presented again and nothing was lost. Raises `ValueError` if no token
        can carry the session's claims any more, since a new policy allows less; then
        the session ends. Source: RFC 9700 §4.14.2.
        """
        presented, now = self._presented(refresh_token), self.now()
        claims = self._next_claims(presented, now)
        if claims is not None:
            now = self.now()  # asking took its time, and the grace starts now
        row = self._store.rotate(
            presented.session_id,
            presented.generation,
            kid=self._newest,
            now=now,
            idle=self._lives.idle,
            grace=self._lives.grace,
            claims=claims,
        )
        if row is not None:
            self._tell_of(SessionRotated, row, now)
            try:
                return self._tokens(row, "rotated", now)
            except ValueError:  # left as it is, the next try would look like a theft
                self.revoke(row.id, reason="claims_too_long")
                raise
        row = self._store.find(presented.session_id)
        verdict = judge(row, presented.generation, now=now, grace=self._lives.grace)
        if row is not None and isinstance(verdict, Reused):
            ended = self._store.end(row.id, now=now, reason="refresh_reused")
            self._tell_reused(row, presented, now)
            self._take_ended(ended)
        return self._settle(row, verdict, presented, now)

    def session(self, session_id: str) -> Session:
        """Return the living session called *session_id*, else raise `Refused`."""
        return self._living(self._store.find(id_text(session_id)))

    def sessions(self, subject: str) -> list[Session]:
        """Return the living sessions of *subject*, newest first."""
        self._all_of(subject)
        return self._store.of_subject(subject, now=self.now())

    def revoke(
        self, session_id: str, *, subject: str | None = None, reason: str = "revoked"
    ) -> None:
        """
        End a session; ending it twice is no error, and the first reason stays.

        With *subject*, a session of somebody else is `Refused` ``not_found``. Raises
        `TypeError` or `ValueError` for what cannot be a session id, such as a token.
        """
        self._named(session_id, subject=subject)
        self._because(reason)
        if subject is not None:
            self._all_of(subject)
            self._owned(self._store.find(session_id), subject)
        ended = self._store.end(session_id, now=self.now(), reason=reason)
        self._take_ended(ended)
        self._revocations.add([session_id])  # an earlier answer may have been lost

    def logout(self, session_id: str) -> None:
        """End a session because its user asked for it."""
        self.revoke(session_id, reason="logout")

    def revoke_all(
        self, subject: str, *, keep: str | None = None, reason: str = "revoked"
    ) -> int:
        """
        End every session of *subject* but the id *keep*; return how many were ended.

        Raises `TypeError` or `ValueError` for what can name neither.
        """
        self._all_of(subject, keep)
        self._because(reason)
        now = self.now()
        ended = self._store.end_all(subject, keep=keep, now=now, reason=reason)
        self._take_ended(*ended)
        return len(ended)

    def redeem(self, ticket: str, purpose: str, *, bound_to: str = "") -> Principal:
        """
        Return who a `ticket` was made for, if its session lives; once.

        Raises `Refused` ``token_invalid`` for a ticket that is not ours, was made for
        something else or was used before, and ``token_expired`` after 30 s. If the
        store is down (`Unavailable`) the ticket may be used up: ask for a new one.
        """
        sealed, session_id = self._unsealed(ticket, purpose, bound_to)
        self._first_use(
            self._store.consume(
                sealed.token_id, expires_at=self._used_until(sealed), now=self.now()
            )
        )
        return self._redeemed(self._store.find(session_id))

    def redeem_signed(self, text: str, signer: Signer) -> str:
        """
        Return what *signer* signed as *text*, the first time; then it is used up.

        Raises `Refused` ``token_invalid`` or ``token_expired``. Check whatever else can
        fail before, such as the form of a new password.
        """
        sealed, value = self._opened(text, signer)
        self._first_use(
            self._store.consume(
                sealed.token_id, expires_at=self._used_until(sealed), now=self.now()
            )
        )
        return value

    def purge(self, limit: int = 1000) -> int:
        """Delete at most *limit* long-ended sessions; return how many."""
        if type(limit) is not int or limit < 1:
            raise ValueError("limit is a whole number of sessions, at least 1.")
        return self._store.purge(self.now() - KEEP_ENDED, limit=limit)

    def _next_claims(self, presented: Presented, now: int) -> Mapping[str, Any] | None:
        """Ask ``on_refresh`` for the claims of the next tokens, if some may come."""
        if self._on_refresh is None:
            return None
        row = self._store.find(presented.session_id)
        if row is None or not may_rotate(
            row, presented.generation, now=now, grace=self._lives.grace
        ):
            return None
        try:
            said = self._on_refresh(row)
        except Refused as error:
            self.revoke(row.id, reason=error.code)
            self._tell_refresh_refused(error, row.id)
            raise
        return self._checked_claims(row, said, now)

    def _end_superfluous(self, newest: Session) -> None:
        """End the oldest sessions of a subject that has too many."""
        now = self.now()
        living = self._store.of_subject(newest.subject, now=now)
        for row in superfluous(living, newest, policy=self._lives):
            ended = self._store.end(row.id, now=now, reason="session_limit")
            self._take_ended(ended)


class AsyncAuth(Shell):
    """
    Sessions over an asynchronous store, or a `MemoryStore`; belongs to one event loop.

    Without *store*, sessions live in this process. *listeners* are called with each
    event after it is true. *on_refresh* is given the session that is about to rotate
    and returns the claims of its next tokens (None: no claims); it may be a plain
    function, if it does not block. If it raises `Refused`, such as
    ``Refused("user_disabled")``, the session ends. A database that is down in it is
    `Unavailable`; any other exception goes on to the caller of `refresh`. Then nothing
    was rotated, and the same token is good for another try.
    """

    def __init__(
        self,
        ring: KeyRing,
        policy: TokenPolicy,
        *,
        store: AsyncSessionStore | MemoryStore | None = None,
        sessions: SessionPolicy | None = None,
        listeners: Iterable[Listener] = (),
        on_refresh: OnRefresh | AsyncOnRefresh | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(ring, policy, sessions, listeners, clock)
        self._on_refresh = as_async_on_refresh(on_refresh)
        self._store = as_async_store(MemoryStore() if store is None else store)
        self._view = AsyncRevocationView(self._store, self._revocations)

    async def login(
        self,
        subject: str,
        claims: Mapping[str, object] | None = None,
        *,
        device: str = "",
        amr: tuple[str, ...] = ("pwd",),
        remember: bool = True,
    ) -> Tokens:
        """
        Open a new session of *subject*, recognised by the methods *amr* (RFC 8176).

        *claims* go into every access token of the session. Raises `TypeError` or
        `ValueError` for what a token cannot carry, `Unavailable` if the store is down.
        """
        session = self._new_session(
            subject, claims, device=device, amr=amr, remember=remember
        )
        self._check_room(session, session.auth_time, room=ROOM_TO_LIVE)
        tokens = self._tokens(session, "issued", session.auth_time)
        await self._store.open(session)
        self._tell_opened(session)
        if self._lives.max_per_subject is not None:
            await self._end_superfluous(session)
        return tokens

    async def verify(self, access_token: str) -> Principal:
        """
        Say who presents *access_token*; asks no store but for the revocation view.

        Raises `Refused` (the client's turn), or `Unavailable` when revocations have
        not been known for ``revocation_max_stale``: never a silent pass.
        """
        who = self._principal(access_token)
        known = self._revocations
        try:
            if known.is_fresh():  # and nobody waits
                known.refuse_ended(who.session_id)
            else:
                await self._view.check(who.session_id)
        except Refused as error:
            self._tell_token_refused(error)
            raise
        return who

    async def refresh(self, refresh_token: str) -> Tokens:
        """
        Exchange *refresh_token* for new tokens; safe to race and to repeat.

        Raises `Refused`, or `Unavailable` when the store is down: then the same token
        may be presented again and nothing was lost. Raises `ValueError` if no token
        can carry the session's claims any more, since a new policy allows less; then
        the session ends. Source: RFC 9700 §4.14.2.
        """
        presented, now = self._presented(refresh_token), self.now()
        claims = await self._next_claims(presented, now)
        if claims is not None:
            now = self.now()  # asking took its time, and the grace starts now
        row = await self._store.rotate(
            presented.session_id,
            presented.generation,
            kid=self._newest,
            now=now,
            idle=self._lives.idle,
            grace=self._lives.grace,
            claims=claims,
        )
        if row is not None:
            self._tell_of(SessionRotated, row, now)
            try:
                return self._tokens(row, "rotated", now)
            except ValueError:  # left as it is, the next try would look like a theft
                await self.revoke(row.id, reason="claims_too_long")
                raise
        row = await self._store.find(presented.session_id)
        verdict = judge(row, presented.generation, now=now, grace=self._lives.grace)
        if row is not None and isinstance(verdict, Reused):
            ended = await self._store.end(row.id, now=now, reason="refresh_reused")
            self._tell_reused(row, presented, now)
            self._take_ended(ended)
        return self._settle(row, verdict, presented, now)

    async def session(self, session_id: str) -> Session:
        """Return the living session called *session_id*, else raise `Refused`."""
        return self._living(await self._store.find(id_text(session_id)))

    async def sessions(self, subject: str) -> list[Session]:
        """Return the living sessions of *subject*, newest first."""
        self._all_of(subject)
        return await self._store.of_subject(subject, now=self.now())

    async def revoke(
        self, session_id: str, *, subject: str | None = None, reason: str = "revoked"
    ) -> None:
        """
        End a session; ending it twice is no error, and the first reason stays.

        With *subject*, a session of somebody else is `Refused` ``not_found``. Raises
        `TypeError` or `ValueError` for what cannot be a session id, such as a token.
        """
        self._named(session_id, subject=subject)
        self._because(reason)
        if subject is not None:
            self._all_of(subject)
            self._owned(await self._store.find(session_id), subject)
        ended = await self._store.end(session_id, now=self.now(), reason=reason)
        self._take_ended(ended)
        self._revocations.add([session_id])  # an earlier answer may have been lost

    async def logout(self, session_id: str) -> None:
        """End a session because its user asked for it."""
        await self.revoke(session_id, reason="logout")

    async def revoke_all(
        self, subject: str, *, keep: str | None = None, reason: str = "revoked"
    ) -> int:
        """
        End every session of *subject* but the id *keep*; return how many were ended.

        Raises `TypeError` or `ValueError` for what can name neither.
        """
        self._all_of(subject, keep)
        self._because(reason)
        now = self.now()
        ended = await self._store.end_all(subject, keep=keep, now=now, reason=reason)
        self._take_ended(*ended)
        return len(ended)

    async def redeem(
        self, ticket: str, purpose: str, *, bound_to: str = ""
    ) -> Principal:
        """
        Return who a `ticket` was made for, if its session lives; once.

        Raises `Refused` ``token_invalid`` for a ticket that is not ours, was made for
        something else or was used before, and ``token_expired`` after 30 s. If the
        store is down (`Unavailable`) the ticket may be used up: ask for a new one.
        """
        sealed, session_id = self._unsealed(ticket, purpose, bound_to)
        self._first_use(
            await self._store.consume(
                sealed.token_id, expires_at=self._used_until(sealed), now=self.now()
            )
        )
        return self._redeemed(await self._store.find(session_id))

    async def redeem_signed(self, text: str, signer: Signer) -> str:
        """
        Return what *signer* signed as *text*, the first time; then it is used up.

        Raises `Refused` ``token_invalid`` or ``token_expired``. Check whatever else can
        fail before, such as the form of a new password.
        """
        sealed, value = self._opened(text, signer)
        self._first_use(
            await self._store.consume(
                sealed.token_id, expires_at=self._used_until(sealed), now=self.now()
            )
        )
        return value

    async def purge(self, limit: int = 1000) -> int:
        """Delete at most *limit* long-ended sessions; return how many."""
        if type(limit) is not int or limit < 1:
            raise ValueError("limit is a whole number of sessions, at least 1.")
        return await self._store.purge(self.now() - KEEP_ENDED, limit=limit)

    async def _next_claims(
        self, presented: Presented, now: int
    ) -> Mapping[str, Any] | None:
        """Ask ``on_refresh`` for the claims of the next tokens, if some may come."""
        if self._on_refresh is None:
            return None
        row = await self._store.find(presented.session_id)
        if row is None or not may_rotate(
            row, presented.generation, now=now, grace=self._lives.grace
        ):
            return None
        try:
            said = await self._on_refresh(row)
        except Refused as error:
            await self.revoke(row.id, reason=error.code)
            self._tell_refresh_refused(error, row.id)
            raise
        return self._checked_claims(row, said, now)

    async def _end_superfluous(self, newest: Session) -> None:
        """End the oldest sessions of a subject that has too many."""
        now = self.now()
        living = await self._store.of_subject(newest.subject, now=now)
        for row in superfluous(living, newest, policy=self._lives):
            ended = await self._store.end(row.id, now=now, reason="session_limit")
            self._take_ended(ended)
