"""What is an adapter under test built from? One policy, its users and its faults."""

import secrets
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from resilient_auth.core.claims import TokenPolicy
from resilient_auth.core.deployment import Deployment
from resilient_auth.core.keys import Key
from resilient_auth.core.messages import Messages
from resilient_auth.core.ring import KeyRing
from resilient_auth.core.sessions import Session, SessionPolicy
from resilient_auth.errors import Refused, Unavailable
from resilient_auth.events import Event
from resilient_auth.stores.memory import MemoryStore
from resilient_auth.testing.clock import FrozenClock
from resilient_auth.web.credentials import Identity

API = "https://api.example.com"
PAGE = "https://app.example.com"
EVIL = "https://app.example.com.evil.example"
FAR_PAGE = "https://app.example.org"
LOCAL_API = "http://localhost:8000"
LOCAL_PAGE = "http://localhost:5173"

IDLE, ABSOLUTE, GRACE, ACCESS, LEEWAY = 3_600, 7_000, 30, 600, 30
RECENT = 60  # seconds, for the route /recent of the contract
GERMAN = {
    "credentials_invalid": "Name oder Passwort ist falsch.",
    "token_missing": "Sie sind nicht angemeldet.",
    "request_invalid": "Die Anfrage ist ungültig.",
    "origin_denied": "Diese Herkunft ist nicht erlaubt.",
    "overloaded": "Gerade ist zu viel zu tun.",
    "internal_error": "Bei uns ist etwas schiefgegangen.",
}


class BreakableStore(MemoryStore):
    """
    A memory store behind two switches.

    While `is_down` every verb raises `Unavailable` and does nothing; while
    `loses_answers` it does its work and raises all the same, as a database whose
    connection dies between the commit and the answer.
    """

    is_down = False
    loses_answers = False

    def open(self, session: Session) -> None:
        """Store a new *session*."""
        self._before()
        super().open(session)
        self._after()

    def find(self, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        self._before()
        return super().find(session_id)

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
        self._before()
        row = super().rotate(
            session_id,
            generation,
            kid=kid,
            now=now,
            idle=idle,
            grace=grace,
            claims=claims,
        )
        self._after()
        return row

    def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Revoke a session; the first reason and time win."""
        self._before()
        row = super().end(session_id, now=now, reason=reason)
        self._after()
        return row

    def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """Return the sessions of *subject* that are alive at *now*, newest first."""
        self._before()
        return super().of_subject(subject, now=now)

    def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        self._before()
        rows = super().end_all(subject, keep=keep, now=now, reason=reason)
        self._after()
        return rows

    def ended_since(self, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        self._before()
        return super().ended_since(moment)

    def consume(self, token_id: str, *, expires_at: int, now: int) -> bool:
        """Use up a one-time token; True for the first caller alone."""
        self._before()
        first = super().consume(token_id, expires_at=expires_at, now=now)
        self._after()
        return first

    def purge(self, before: int, *, limit: int) -> int:
        """Delete sessions that ended before *before*, looking at most at *limit*."""
        self._before()
        return super().purge(before, limit=limit)

    def become(self, other: "BreakableStore") -> None:
        """Hold from now on what *other* holds, in containers of its own."""
        memo: dict[int, object] = {id(row): row for row in other.rows().values()}
        memo[id(vars(other)["_lock"])] = self._lock
        vars(self).update(deepcopy(vars(other), memo))

    def rows(self) -> dict[str, Session]:
        """Return every session that is stored, ended or not."""
        return dict(self._sessions)

    def _before(self) -> None:
        if self.is_down:
            raise Unavailable("store_unavailable", reason="switched off by the test")

    def _after(self) -> None:
        if self.loses_answers:
            raise Unavailable("store_unavailable", reason="the answer was lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireSetup:
    """
    What the adapter under test is given; pass ``told.append`` as its listener.

    *asked* collects what `authenticate` was given, *told* the events.
    """

    site: Deployment = field(default_factory=lambda: Deployment(API, apps=[PAGE]))
    ring: KeyRing = field(
        default_factory=lambda: KeyRing([Key.generate("HS256", kid="k1")])
    )
    policy: TokenPolicy = field(
        default_factory=lambda: TokenPolicy(
            issuer=API, audience="api", access_ttl=ACCESS, leeway=LEEWAY
        )
    )
    sessions: SessionPolicy = field(
        default_factory=lambda: SessionPolicy(idle=IDLE, absolute=ABSOLUTE, grace=GRACE)
    )
    messages: Messages | None = None
    clock: FrozenClock = field(default_factory=FrozenClock)
    store: BreakableStore = field(default_factory=BreakableStore)
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)

    @classmethod
    def localhost(cls) -> "WireSetup":
        """Return the setup of a developer's machine, over http."""
        return cls(site=Deployment.insecure_localhost(LOCAL_API, apps=[LOCAL_PAGE]))

    @classmethod
    def bearer(cls) -> "WireSetup":
        """Return the setup of an API without cookies, for pages of another site."""
        return cls(site=Deployment(API, apps=[FAR_PAGE], profile="bearer"))

    @classmethod
    def asymmetric(cls) -> "WireSetup":
        """Return the setup of an issuer whose keys others fetch."""
        key = Key.generate("EdDSA", kid="k1")
        return cls(ring=KeyRing([key], refresh_secrets={"k1": secrets.token_bytes(32)}))

    @classmethod
    def translated(cls) -> "WireSetup":
        """Return the setup of an application that has German texts."""
        return cls(messages=Messages({"de": GERMAN}))

    def authenticate(self, credentials: Mapping[str, Any]) -> Identity | str | None:
        """Know ann and bob by the password "pw"; fail for the users named so."""
        self.asked.append(credentials)
        name = credentials["username"]
        if name == "outage":
            raise ConnectionError("secret-of-the-outage")
        if name == "bug":
            raise RuntimeError("secret-of-the-bug")
        if name == "stop":
            raise StopIteration("secret-of-the-stop")
        if credentials["password"] != "pw":  # noqa: S105 - a test's password
            return None
        if name == "disabled":
            raise Refused("user_disabled")
        if name == "bob":
            claims = {"scope": "read write", "näme": "日本"}
            return Identity(subject="bob", claims=claims, amr=("pwd", "otp"))
        return "ann" if name == "ann" else None
