"""What is stored of a session in a SQL database? Two tables, four indexed questions."""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from resilient_auth.core.sessions import Session
from resilient_auth.core.text import freeze, write_object

#: For Alembic's ``target_metadata``.
metadata: sa.MetaData = sa.MetaData()

sessions: sa.Table = sa.Table(
    "ra_sessions",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("subject", sa.String(256), nullable=False),
    sa.Column("claims", sa.Text, nullable=False),
    sa.Column("device", sa.String(200), nullable=False),
    sa.Column("amr", sa.Text, nullable=False),
    sa.Column("remember", sa.Boolean, nullable=False),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("kid", sa.String(64), nullable=False),
    sa.Column("auth_time", sa.BigInteger, nullable=False),
    sa.Column("rotated_at", sa.BigInteger, nullable=False),
    sa.Column("idle_expires_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("revoked_at", sa.BigInteger),
    sa.Column("revoked_reason", sa.String(256), nullable=False),
    sa.Index("ra_sessions_subject", "subject"),
    sa.Index("ra_sessions_idle_expires_at", "idle_expires_at"),
    sa.Index("ra_sessions_revoked_at", "revoked_at"),
)
consumed: sa.Table = sa.Table(
    "ra_consumed",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Index("ra_consumed_expires_at", "expires_at"),
)

_NAMES = tuple(sessions.c.keys())


def write_row(session: Session) -> dict[str, Any]:
    """Return the columns of *session*."""
    said = {name: getattr(session, name) for name in _NAMES}
    said["claims"] = write_claims(session.claims)
    said["amr"] = json.dumps(session.amr)
    return said


def write_claims(claims: Mapping[str, Any]) -> str:
    """Return the column of *claims*."""
    return write_object(claims).decode("utf-8")


def read_row(text: str) -> Session:
    """Return the session whose columns, in their order, *text* has as a JSON list."""
    said = dict(zip(_NAMES, json.loads(text), strict=True))
    said["claims"] = freeze(json.loads(said["claims"]))
    said["amr"] = tuple(json.loads(said["amr"]))
    said["remember"] = bool(said["remember"])  # SQLite has 0 and 1
    return Session(**said)
