"""What is a session? The record that is stored, and the rules for its two ends."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resilient_auth.core.arguments import count, number
from resilient_auth.core.claims import checked_extra
from resilient_auth.core.text import is_identifier
from resilient_auth.errors import ConfigError

MAX_DEVICE = 200
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPolicy:
    """
    How long sessions live and how races are judged (all seconds).

    A session ends after *idle* without a refresh, and *absolute* after the login
    whatever happens. Within *grace* (0 to 300, more than the hosts' clocks differ by)
    of a rotation the loser of a race is given the winner's token. Over
    *max_per_subject* living sessions, a login ends the oldest. A revocation made in
    another process is known after *revocation_poll*; without news for longer than
    *revocation_max_stale* nobody is let in (503).
    """

    idle: int = 604_800
    absolute: int = 2_592_000
    grace: int = 30
    max_per_subject: int | None = None
    revocation_poll: int = 5
    revocation_max_stale: int = 60

    def __post_init__(self) -> None:
        count("idle", self.idle)
        count("absolute", self.absolute)
        count("grace", self.grace, least=0)
        number("revocation_poll", self.revocation_poll)
        number("revocation_max_stale", self.revocation_max_stale)
        if not 0 < self.idle <= self.absolute:
            raise ConfigError("idle must be positive and at most absolute.")
        if not 0 <= self.grace <= 300:
            raise ConfigError("grace is 0 to 300 seconds (RFC 9700 §4.14.2).")
        if self.grace >= self.idle:
            # Nothing rotates within the grace, so no session could be kept alive.
            raise ConfigError("grace must be shorter than idle.")
        most = self.max_per_subject
        if most is not None and (type(most) is not int or most < 1):
            raise ConfigError("max_per_subject is a whole number from 1, or None.")
        if not 0 < self.revocation_poll <= self.revocation_max_stale:
            raise ConfigError(
                "revocation_poll must be positive and at most revocation_max_stale."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """
    One login of one subject on one device, as it is stored.

    *id* is public and no secret. *generation* counts rotations (the wire's ``epoch``);
    *kid* names the master of the current refresh token. All ``*_at`` are Unix seconds;
    *rotated_at* is 0 before the first rotation, *revoked_at* is None while it lives.
    """

    id: str
    subject: str
    claims: Mapping[str, Any]
    device: str
    amr: tuple[str, ...]
    remember: bool
    generation: int
    kid: str
    auth_time: int
    rotated_at: int
    idle_expires_at: int
    expires_at: int
    revoked_at: int | None = None
    revoked_reason: str = ""

    def ends_at(self) -> int:
        """Return when this session ends if nothing more happens, Unix seconds."""
        return min(self.idle_expires_at, self.expires_at)


def new_session_id(now: float, chance: str) -> str:
    """
    Return an id that holds *chance*: at least 128 random bits in plain characters.

    It begins with the fraction of the second, so ids of one second sort by their time.
    """
    return f"{int(now % 1 * 16**6):06x}{chance}"


def open_session(
    subject: str,
    claims: Mapping[str, object] | None,
    *,
    policy: SessionPolicy,
    new_id: str,
    kid: str,
    now: int,
    device: str,
    amr: tuple[str, ...],
    remember: bool,
) -> Session:
    """
    Return a new session of *subject*, never an old one under a new name.

    Raises `TypeError` or `ValueError` for what a token could not carry.
    """
    if not is_identifier(subject):
        raise ValueError("subject is 1 to 256 plain characters (RFC 7519 §4.1.2).")
    # ("pwd") lacks a comma, and a text would pass as a list of its letters.
    if not isinstance(amr, tuple | list) or not amr or not all(map(is_identifier, amr)):
        raise ValueError('amr names how the subject was recognised, such as ("pwd",).')
    return Session(
        id=new_id,
        subject=subject,
        claims=checked_extra(claims),
        device=_plain(device),
        amr=tuple(amr),
        remember=remember,
        generation=0,
        kid=kid,
        auth_time=now,
        rotated_at=0,
        idle_expires_at=now + policy.idle,
        expires_at=now + policy.absolute,
    )


def superfluous(
    living: Sequence[Session], newest: Session, *, policy: SessionPolicy
) -> Sequence[Session]:
    """
    Return those of *living* (newest first) that the login of *newest* ends.

    Only what stands behind it: of two logins at once each would else end the other.
    """
    if policy.max_per_subject is None:
        return ()
    ids = [row.id for row in living]
    if newest.id not in ids:
        return ()  # a later login ended it, and sees to the rest
    return living[max(ids.index(newest.id) + 1, policy.max_per_subject) :]


def is_session_id(value: object) -> bool:
    """Say whether *value* can be the id of a session; a token never can."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def end_of(row: Session | None, *, now: int) -> str:
    """Return the public code of how *row* ended, or nothing while it is alive."""
    if row is None or row.revoked_at is not None:
        return "session_revoked"
    if now >= row.expires_at:
        return "session_expired"
    if now >= row.idle_expires_at:
        return "session_idle"
    return ""


def _plain(device: str) -> str:
    """Return *device* (often a User-Agent) short and safe to log and show."""
    if not isinstance(device, str):
        raise TypeError("device is text; leave it out if there is none.")
    return "".join(c if c.isprintable() else " " for c in device[:MAX_DEVICE]).strip()
