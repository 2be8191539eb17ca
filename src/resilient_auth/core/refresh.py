"""
What does a refresh token earn? Its form, and the table of verdicts.

Theory of operation. A refresh token is ``rt1.<kid>.<sid>.<generation>.<mac>``; the
MAC's key is derived from a master secret that is in no database. So a forged token is
refused before any store access, a copied database yields no token, and the successor
can be *derived again* instead of drawn: two tabs that refresh at once can be given the
same answer.

One conditional update picks the winner::

    UPDATE … SET generation = generation + 1 WHERE generation = :presented
      AND revoked_at IS NULL AND idle_expires_at > :now AND expires_at > :now
      AND rotated_at <= :now - :grace

One row changed means ``rotated``. Otherwise the row is read and `judge` speaks. The
last condition, with the verdict ``kept``, closes the chain race: inside one grace a
session rotates at most once, so a token two generations old was replaced more than a
grace ago and its return is theft, not a slow tab. The exhaustive proof stands in
``tests/auth/test_refresh_interleavings.py``. Source: RFC 9700 §4.14.2.
"""

import hmac
import re
from dataclasses import dataclass
from typing import NoReturn

from resilient_auth.core import base64url
from resilient_auth.core.macs import Masters
from resilient_auth.core.sessions import Session, end_of
from resilient_auth.errors import Refused

PURPOSE = "refresh token"
_FORM = re.compile(
    r"rt1\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{22,64})\.(0|[1-9][0-9]{0,14})"
    r"\.([A-Za-z0-9_-]{43})"
)
_MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Presented:
    """What a refresh token with a good MAC says."""

    kid: str
    session_id: str
    generation: int


def write_refresh(presented: Presented, masters: Masters) -> str:
    """Return the one refresh token of *presented*; the same input, the same token."""
    said = f"rt1.{presented.kid}.{presented.session_id}.{presented.generation}"
    mac = masters.mac(presented.kid, said.encode("ascii"))
    return f"{said}.{base64url.encode(mac).decode('ascii')}"


def read_refresh(token: str, masters: Masters) -> Presented:
    """
    Return what *token* says, once its MAC holds; touches no store.

    Raises `Refused` ``refresh_invalid``.
    """
    if not isinstance(token, str) or len(token) > _MAX_LENGTH:
        _refuse("not text, or too long")
    match = _FORM.fullmatch(token)
    if match is None:
        _refuse("not of our form")
    presented = Presented(match[1], match[2], int(match[3]))
    if presented.kid not in masters:
        _refuse("unknown kid")
    # The texts are compared, so a MAC has one spelling.
    if not hmac.compare_digest(write_refresh(presented, masters), token):
        _refuse("MAC does not match")
    return presented


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over, by the public *code*."""

    code: str


@dataclass(frozen=True, slots=True)
class Forged:
    """The generation was never issued: the database is older than the token."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The newest token, rotated moments ago: it stays valid, nothing is written."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """The loser of a race: it is given the winner's token, nothing is written."""


@dataclass(frozen=True, slots=True)
class Reused:
    """An old token after the grace: the family ends."""


Verdict = Ended | Forged | Kept | Replayed | Reused


def may_rotate(row: Session | None, presented: int, *, now: int, grace: int) -> bool:
    """Say whether the conditional update would find *row* as it was read."""
    return (
        row is not None
        and not end_of(row, now=now)
        and presented == row.generation
        and row.rotated_at <= now - grace
    )


def judge(row: Session | None, presented: int, *, now: int, grace: int) -> Verdict:
    """
    Say what a refresh token earns when no row could be rotated.

    Called after the conditional update found nothing to do. The order matters: an
    ended session is told first, and only what is left can be reuse.
    Source: RFC 9700 §4.14.2.
    """
    code = end_of(row, now=now)
    if row is None or code:
        return Ended(code)
    if presented > row.generation:
        return Forged()
    if presented == row.generation:
        return Kept()
    if presented == row.generation - 1 and now - row.rotated_at < grace:
        return Replayed()
    return Reused()


def _refuse(reason: str) -> NoReturn:
    raise Refused("refresh_invalid", reason=reason)
