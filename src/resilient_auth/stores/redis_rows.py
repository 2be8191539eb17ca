"""How does a session look in Redis? A hash, and its id in three sorted sets."""

import json
from collections.abc import Mapping
from typing import Any

from resilient_auth.core.sessions import Session
from resilient_auth.core.text import MAX_NUMBER, freeze, is_identifier, write_object
from resilient_auth.errors import ConfigError
from resilient_auth.stores.redis_scripts import KEEP

#: Seconds for which a used one-time token outlives its expiry, for clocks that differ.
KEEP_USED = 3_600

#: The highest score, and everything below it.
ALWAYS = MAX_NUMBER

Argument = bytes | str | int


class Keys:
    """
    The names of the keys under *prefix*.

    A session's carries its id as the hash tag, so that sessions spread over a cluster.
    *revoked* are the ids of ended sessions by the time of their end, and *ends* those
    of all sessions by a time before which they do not end by themselves.
    """

    def __init__(self, prefix: str) -> None:
        if not is_identifier(prefix) or "{" in prefix or "}" in prefix:
            raise ConfigError("prefix is a plain text without braces, such as 'ra'.")
        self._prefix = prefix
        self.revoked: bytes = _encoded(f"{prefix}:revoked")
        self.ends: bytes = _encoded(f"{prefix}:ends")

    def session(self, session_id: str) -> bytes:
        """Return the key of a session's hash."""
        return _encoded(f"{self._prefix}:session:{{{session_id}}}")

    def subject(self, subject: str) -> bytes:
        """Return the key of the ids of a subject's sessions, by their absolute end."""
        return _encoded(f"{self._prefix}:subject:{{{subject}}}")

    def used(self, token_id: str) -> bytes:
        """Return the key of a one-time token that was used."""
        return _encoded(f"{self._prefix}:used:{{{token_id}}}")


def to_row(session: Session) -> list[Argument]:
    """Return the names and values of a new session's hash, for `OPEN`."""
    fixed = {
        "subject": session.subject,
        "device": session.device,
        "amr": session.amr,
        "remember": session.remember,
        "auth_time": session.auth_time,
    }
    row: dict[str, Argument] = {
        "fixed": write_object(fixed),
        "claims": write_object(session.claims),
        "generation": session.generation,
        "kid": to_json(session.kid),
        "rotated_at": session.rotated_at,
        "idle_expires_at": session.idle_expires_at,
        "expires_at": session.expires_at,
    }
    if session.revoked_at is not None:
        row["revoked_at"] = session.revoked_at
        row["revoked_reason"] = to_json(session.revoked_reason)
    return [each for name, value in row.items() for each in (name, value)]


def read_row(session_id: str, row: bytes | str | None) -> Session | None:
    """Return the session that a script returned, None for nothing."""
    if row is None:
        return None
    fixed, claims, generation, kid, rotated_at, idle_end, end, revoked_at, reason = (
        json.loads(to_text(row))
    )
    return Session(
        id=session_id,
        subject=fixed["subject"],
        claims=freeze(claims),
        device=fixed["device"],
        amr=tuple(fixed["amr"]),
        remember=fixed["remember"],
        generation=generation,
        kid=kid,
        auth_time=fixed["auth_time"],
        rotated_at=rotated_at,
        idle_expires_at=idle_end,
        expires_at=end,
        revoked_at=revoked_at,
        revoked_reason=reason or "",
    )


def rotation(
    generation: int,
    *,
    call: str,
    kid: str,
    now: int,
    idle: int,
    grace: int,
    claims: Mapping[str, Any] | None,
) -> list[Argument]:
    """Return the arguments of `ROTATE`."""
    said: list[Argument] = [call, generation, to_json(kid), now, idle, grace]
    return said if claims is None else [*said, write_object(claims)]


def noted(score: int, *ids: str, now: int) -> list[Argument]:
    """Return the arguments of `NOTE` for *ids* that matter until *score*."""
    return [now, max(score - now, 0) + KEEP, score, *map(_encoded, ids)]


def forgotten(below: int, *ids: str) -> list[Argument]:
    """Return the arguments of `FORGET`."""
    return [below, *map(_encoded, ids)]


def to_json(text: str) -> str:
    """Return *text* as the server stores it; plain ASCII, so any text is one."""
    return json.dumps(text)


def to_text(said: bytes | str) -> str:
    """Return text, whether the client decodes its answers or not."""
    return said if isinstance(said, str) else said.decode()


def _encoded(text: str) -> bytes:
    # What no row can hold may still be asked for, and is not found.
    return text.encode("utf-8", "surrogatepass")
