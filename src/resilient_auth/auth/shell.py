"""What do the twins share? Everything about a session that needs no store."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from resilient_auth.auth.arguments import check_arguments
from resilient_auth.auth.revocation import Revocations
from resilient_auth.auth.signer import Signer
from resilient_auth.auth.tokens import TokenIssuer, Verifier
from resilient_auth.clock import Clock, SystemClock
from resilient_auth.core import refresh, signing, tickets
from resilient_auth.core.arguments import listeners_of
from resilient_auth.core.claims import Claims, TokenPolicy, checked_extra, compose
from resilient_auth.core.refresh import Presented, read_refresh, write_refresh
from resilient_auth.core.ring import KeyRing
from resilient_auth.core.seals import Seal, Sealed, refuse_seal
from resilient_auth.core.sessions import (
    Session,
    SessionPolicy,
    end_of,
    is_session_id,
    new_session_id,
    open_session,
)
from resilient_auth.core.signing import CsrfTokens
from resilient_auth.core.text import is_identifier
from resilient_auth.errors import Refused, Unavailable
from resilient_auth.events import (
    Event,
    Listener,
    RefreshKept,
    RefreshRefused,
    RefreshReplayed,
    RefreshReused,
    SessionEnded,
    SessionOpened,
    SessionRotated,
    TokenRefused,
    tell,
)

#: Seconds for which an ended session stays stored, so that it can say why it ended.
KEEP_ENDED = 90_000  # a day, which an access token may live, and the leeway
#: Bytes that an access token may still grow by: ``gen`` counts up to 15 digits.
_ROOM_TO_COUNT = 20
#: The same over the life of a session whose claims nobody asks for again: from an
#: HS256 key to an RS256 one whose id is a thumbprint, or between any two RSA sizes up
#: to 4096 bits.
ROOM_TO_LIVE = _ROOM_TO_COUNT + 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is calling, as a verified access token says; times are Unix seconds UTC."""

    subject: str
    session_id: str
    claims: Mapping[str, Any]
    issued_at: int
    expires_at: int
    auth_time: int
    amr: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """
    What a login or a refresh gives.

    *rotation* is ``issued``, ``rotated``, ``replayed`` (the loser of a race is given
    the winner's refresh token) or ``kept`` (rotated moments ago, nothing changed).
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    access_expires_at: int
    session: Session
    rotation: str


class Shell:
    """Keys, policies, clock and listeners; the twins add a store."""

    def __init__(
        self,
        ring: KeyRing,
        policy: TokenPolicy,
        sessions: SessionPolicy | None,
        listeners: Iterable[Listener],
        clock: Clock | None,
    ) -> None:
        check_arguments(ring, policy, sessions, clock)
        self.csrf: CsrfTokens = CsrfTokens(ring.masters(signing.PURPOSE))
        self._ring = ring
        self._policy = policy
        self._lives = SessionPolicy() if sessions is None else sessions
        self._listeners = listeners_of(listeners)
        self.clock: Clock = SystemClock() if clock is None else clock
        self._masters = ring.masters(refresh.PURPOSE)
        self._newest = self._masters.kids[-1]
        self._tickets = Seal(ring.masters(tickets.PURPOSE), tickets.PURPOSE)
        self._issuer = TokenIssuer(ring, policy, clock=self.clock)
        self._verifier = Verifier(ring, policy, _principal_of, clock=self.clock)
        self._revocations = Revocations(policy, self._lives, self.clock)

    @property
    def policy(self) -> TokenPolicy:
        """Return what tokens are made and judged by."""
        return self._policy

    def now(self) -> int:
        """Return the Unix seconds by which this object decides."""
        return int(self.clock.time())

    def require_recent(self, who: Principal, *, max_age: int = 300) -> None:
        """
        Raise `Refused` ``step_up_required`` unless *who* proved it lately.

        That is: at most *max_age* seconds ago, by the server's own ``auth_time``.
        """
        age = self.clock.time() - who.auth_time
        if not -self._policy.leeway <= age <= max_age:
            raise Refused("step_up_required", reason=f"auth_time is {age:.0f} s ago")

    def ticket(self, who: Principal, purpose: str, *, bound_to: str = "") -> str:
        """
        Return a ticket for *who*: good for *purpose*, once, within 30 seconds.

        For a WebSocket or an EventSource that can send no header. *bound_to* (a path,
        an Origin) must be said again when it is redeemed. Asks no store. Raises
        `TypeError` or `ValueError` for what a ticket cannot say.
        """
        if not isinstance(who, Principal):
            raise TypeError("A ticket is for a Principal, as verify() returns it.")
        return self._tickets.write(
            tickets.ticket_value(who.session_id, purpose, bound_to),
            token_id=secrets.token_urlsafe(16),
            expires_at=self.now() + tickets.MAX_AGE,
        )

    def public_keys(self) -> dict[str, list[dict[str, str]]]:
        """Return the JWK set to publish (RFC 7517 §5); a ring of secrets has none."""
        return {} if self._ring.signing.is_symmetric else self._ring.jwks()

    def session_of_access(self, access_token: str) -> str:
        """Return the session id in a signed, maybe expired token, else `Refused`."""
        return self._verifier.identify(access_token).session_id

    def session_of_refresh(self, refresh_token: str) -> str:
        """Return the session id in a refresh token whose MAC holds, else `Refused`."""
        return read_refresh(refresh_token, self._masters).session_id

    def tell(self, event: Event) -> None:
        """Pass *event* to the listeners; one that raises is logged and passed over."""
        tell(self._listeners, event)

    # ------------------------------------------------------------------ asking core

    def _new_session(
        self,
        subject: str,
        claims: Mapping[str, object] | None,
        *,
        device: str,
        amr: tuple[str, ...],
        remember: bool,
    ) -> Session:
        now = self.clock.time()
        return open_session(
            subject,
            claims,
            policy=self._lives,
            new_id=new_session_id(now, secrets.token_urlsafe(19)),
            kid=self._newest,
            now=int(now),
            device=device,
            amr=amr,
            remember=remember,
        )

    def _principal(self, access_token: str) -> Principal:
        try:
            return self._verifier.verify(access_token)
        except Refused as error:
            self._tell_token_refused(error)
            raise

    def _presented(self, refresh_token: str) -> Presented:
        try:
            return read_refresh(refresh_token, self._masters)
        except Refused as error:
            self._tell_refresh_refused(error)
            raise

    def _named(self, session_id: str, *, subject: str | None = None) -> None:
        """
        Raise for what cannot be a session id, such as a token: it would end nothing.

        `Refused` ``not_found`` for any text that came with the *subject* who asks.
        """
        if is_session_id(id_text(session_id)):
            return
        if subject is None:
            raise ValueError("This is no session id, such as tokens.session.id.")
        raise Refused("not_found", reason="not of the form of a session id")

    def _all_of(self, subject: str, keep: str | None = None) -> None:
        """Raise for what can name no subject, or no session to *keep*."""
        if not isinstance(subject, str):
            raise TypeError("A subject is text; give str(user.id) for a number.")
        if not is_identifier(subject):
            raise ValueError("subject is 1 to 256 plain characters.")
        if keep is not None:
            self._named(keep)

    def _because(self, reason: str) -> None:
        """Raise for what no event and no store can carry as the *reason* of an end."""
        if not is_identifier(reason):
            raise ValueError("reason is 1 to 256 plain characters, such as 'password'.")

    def _living(self, row: Session | None) -> Session:
        code = end_of(row, now=self.now())
        if row is None or code:
            raise Refused(code)
        return row

    def _owned(self, row: Session | None, subject: str) -> None:
        if row is None or row.subject != subject:
            raise Refused("not_found", reason="no such session of this subject")

    def _checked_claims(
        self, row: Session, said: Mapping[str, object] | None, now: int
    ) -> Mapping[str, Any]:
        """Return what ``on_refresh`` *said*, once a token is known to carry it."""
        claims = checked_extra(said)
        self._check_room(replace(row, claims=claims), now, room=_ROOM_TO_COUNT)
        return claims

    def _check_room(self, session: Session, now: int, *, room: int) -> None:
        """Raise `ValueError` if later tokens of *session* may not fit."""
        claims, _ = self._access_claims(session, now)
        self._issuer.check(claims, room=room)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except Refused as error:
            self._tell_token_refused(error)
            raise

    def _unsealed(self, ticket: str, purpose: str, bound_to: str) -> tuple[Sealed, str]:
        """Return *ticket* opened, and its session."""
        with self._telling():
            sealed = self._tickets.read(ticket, now=self.clock.time())
            return sealed, tickets.session_of(sealed, purpose, bound_to)

    def _opened(self, text: str, signer: Signer) -> tuple[Sealed, str]:
        """Return what *signer* signed as *text*, opened, and its value."""
        if not isinstance(signer, Signer):
            raise TypeError("signer is the Signer that signed the text.")
        with self._telling():
            sealed = signer.unseal(text, now=self.clock.time())
            return sealed, signer.text_of(sealed)

    def _used_until(self, sealed: Sealed) -> int:
        """Return until when a use must be remembered, also by a host that is behind."""
        return sealed.expires_at + self._policy.leeway

    def _first_use(self, first: bool) -> None:  # noqa: FBT001 - the store's answer
        """Refuse a one-time token that was used before."""
        with self._telling():
            if not first:
                refuse_seal("used before")

    def _redeemed(self, row: Session | None) -> Principal:
        """Return who *row* stands for, as if its access token was issued now."""
        with self._telling():
            row = self._living(row)
        now = self.now()
        return Principal(
            subject=row.subject,
            session_id=row.id,
            claims=row.claims,
            issued_at=now,
            expires_at=min(now + self._policy.access_ttl, row.ends_at()),
            auth_time=row.auth_time,
            amr=row.amr,
        )

    def _tokens(self, session: Session, rotation: str, now: int) -> Tokens:
        if session.kid not in self._masters:
            raise Unavailable(reason="the session moved to a key this process lacks")
        claims, expires_at = self._access_claims(session, now)
        said = Presented(session.kid, session.id, session.generation)
        return Tokens(
            access_token=self._issuer.sign(claims),
            refresh_token=write_refresh(said, self._masters),
            access_expires_at=expires_at,
            session=session,
            rotation=rotation,
        )

    def _access_claims(self, session: Session, now: int) -> tuple[dict[str, Any], int]:
        """Return what an access token of *session* says, and when it expires."""
        expires_at = min(now + self._policy.access_ttl, session.ends_at())
        claims = compose(
            session.subject,
            session.claims,
            policy=self._policy,
            now=now,
            expires_at=expires_at,
            token_id=secrets.token_urlsafe(12),
        ) | {
            "sid": session.id,
            "gen": session.generation,
            "auth_time": session.auth_time,
            "amr": session.amr,
        }
        return claims, expires_at

    def _settle(
        self,
        row: Session | None,
        verdict: refresh.Verdict,
        presented: Presented,
        now: int,
    ) -> Tokens:
        """Answer a refresh that rotated nothing, as `core.refresh.judge` decided."""
        if row is not None and isinstance(verdict, refresh.Kept):
            self._tell_of(RefreshKept, row, now)
            return self._tokens(row, "kept", now)
        if row is not None and isinstance(verdict, refresh.Replayed):
            self._tell_of(RefreshReplayed, row, now)
            return self._tokens(row, "replayed", now)
        if isinstance(verdict, refresh.Ended):
            error = Refused(verdict.code, reason="the session is over")
        elif isinstance(verdict, refresh.Reused):
            error = Refused("refresh_reused", reason="an old token after the grace")
        else:
            error = Refused("refresh_invalid", reason="a generation never issued")
        self._tell_refresh_refused(error, presented.session_id)
        raise error

    # ------------------------------------------------------------------ telling

    def _tell_of(
        self,
        kind: type[SessionRotated | RefreshKept | RefreshReplayed],
        row: Session,
        now: int,
    ) -> None:
        self.tell(
            kind(
                at=now,
                session_id=row.id,
                subject=row.subject,
                generation=row.generation,
            )
        )

    def _tell_opened(self, row: Session) -> None:
        self.tell(
            SessionOpened(
                at=row.auth_time,
                session_id=row.id,
                subject=row.subject,
                device=row.device,
                amr=row.amr,
            )
        )

    def _tell_reused(self, row: Session, presented: Presented, now: int) -> None:
        self.tell(
            RefreshReused(
                at=now,
                session_id=row.id,
                subject=row.subject,
                presented=presented.generation,
                generation=row.generation,
            )
        )

    def _take_ended(self, *ended: Session | None) -> None:
        """Let what the store ended take effect in this process, and tell it."""
        rows = [row for row in ended if row is not None]
        self._revocations.add(row.id for row in rows)
        for row in rows:
            self.tell(
                SessionEnded(
                    at=self.now(),
                    session_id=row.id,
                    subject=row.subject,
                    reason=row.revoked_reason,
                )
            )

    def _tell_token_refused(self, error: Refused) -> None:
        self.tell(TokenRefused(at=self.now(), code=error.code, reason=error.reason))

    def _tell_refresh_refused(self, error: Refused, session_id: str = "") -> None:
        self.tell(
            RefreshRefused(
                at=self.now(),
                code=error.code,
                reason=error.reason,
                session_id=session_id,
            )
        )


def _principal_of(claims: Claims) -> Principal:
    if not claims.session_id:
        raise Refused("token_invalid", reason="no sid")
    return Principal(
        subject=claims.subject,
        session_id=claims.session_id,
        claims=claims.extra,
        issued_at=claims.issued_at,
        expires_at=claims.expires_at,
        auth_time=claims.auth_time,
        amr=claims.amr,
    )


def id_text(session_id: object) -> str:
    """Return *session_id*; `TypeError` if it is a session, tokens or nothing at all."""
    if not isinstance(session_id, str):
        raise TypeError("A session id is text, such as tokens.session.id.")
    return session_id
