"""
What do sessions look like in a SQL database? Two tables, and an index a question.

A rotation changes no indexed column, so that PostgreSQL can write it in place (a HOT
update) and SQLite touches one page: ``due_at`` is the end that was known when the
session was last looked at, and not moved when a rotation moves the true end. `purge`
looks again then. (After ``idle`` was made shorter, the dead are found a little late.)
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError

#: Room in each page for the new version of a row that is rotated.
_ROOM: dict[str, Any] = {"postgresql_with": {"fillfactor": 80}}
_MAKE_ROOM = sa.DDL("ALTER TABLE ra_sessions SET (fillfactor = 80)")  # type: ignore[no-untyped-call]


def _takes_room() -> bool:
    """Say whether a table takes that argument; SQLAlchemy 2.0 refuses it."""
    try:
        sa.Table("asked", sa.MetaData(), **_ROOM)
    except ArgumentError:
        return False
    return True


_TAKES_ROOM = _takes_room()

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
    sa.Column("due_at", sa.BigInteger, nullable=False),
    **(_ROOM if _TAKES_ROOM else {}),
)
if not _TAKES_ROOM:
    event.listen(sessions, "after_create", _MAKE_ROOM.execute_if(dialect="postgresql"))
sa.Index("ra_sessions_subject", sessions.c.subject)
sa.Index("ra_sessions_due_at", sessions.c.due_at)
sa.Index(
    "ra_sessions_revoked_at",
    sessions.c.revoked_at,
    postgresql_where=sessions.c.revoked_at.is_not(None),
    sqlite_where=sessions.c.revoked_at.is_not(None),
)

consumed: sa.Table = sa.Table(
    "ra_consumed",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Index("ra_consumed_expires_at", "expires_at"),
)

_CREATING = 7_281_463_019  # any number, as long as it is always the same


def create(connection: sa.Connection) -> None:
    """Create what is missing; many processes may start and do so at once."""
    needs_room = False
    if connection.dialect.name == "postgresql":
        # There, IF NOT EXISTS alone fails in one of two that create at once.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATING)))
        needs_room = not (
            _TAKES_ROOM or sa.inspect(connection).has_table(sessions.name)
        )
    for table in metadata.sorted_tables:
        connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))
    if needs_room:
        connection.execute(_MAKE_ROOM)
