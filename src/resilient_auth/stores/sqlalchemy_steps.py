"""
What is each verb of a store in SQL? One statement, except for the clean-up.

Theory of operation. The winner of a rotation is found by ``UPDATE … RETURNING``, the
first use of a token by a primary key. A statement is written in Core and compiled
once; then its text goes to the driver as it is. A session comes back as one JSON text,
because what SQLAlchemy spends on a result grows with its columns: together this makes
a rotation faster than the bare Core statement (``tests/benchmarks/stores.py``).
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, CursorResult, Dialect
from sqlalchemy.sql.base import Executable

from resilient_auth.core.sessions import Session
from resilient_auth.stores.sqlalchemy_schema import (
    consumed,
    read_row,
    sessions,
    write_claims,
    write_row,
)

#: What differs between the dialects: how to insert once, and how to write a JSON list.
DIALECTS: Mapping[str, tuple[Any, Any]] = {
    "postgresql": (postgresql.insert, sa.func.json_build_array),
    "sqlite": (sqlite.insert, sa.func.json_array),
}

_row = sessions.c
_now = sa.bindparam("at", type_=sa.BigInteger)
_most = sa.bindparam("most", type_=sa.Integer)
_sid: sa.BindParameter[str] = sa.bindparam("sid")
_idle_end = sa.bindparam("idle_end", type_=sa.BigInteger)
_alive = sa.and_(
    _row.revoked_at.is_(None), _row.idle_expires_at > _now, _row.expires_at > _now
)
_rotation: dict[Any, Any] = {
    _row.generation: _row.generation + 1,
    _row.kid: sa.bindparam("new_kid"),
    _row.rotated_at: _now,
    _row.idle_expires_at: sa.case(
        (_row.expires_at < _idle_end, _row.expires_at), else_=_idle_end
    ),
}
_revocation: dict[Any, Any] = {
    _row.revoked_at: _now,
    _row.revoked_reason: sa.bindparam("reason"),
}


class Steps:
    """The verbs in one *dialect*, each over a connection that the caller commits."""

    def __init__(
        self, dialect: Dialect, schemas: Mapping[str | None, str | None] | None
    ) -> None:
        def prepared(statement: Executable) -> "_Prepared":
            return _Prepared(statement, dialect, schemas)

        insert, json_list = DIALECTS[dialect.name]
        whole = sa.cast(json_list(*_row), sa.Text)
        rotate = (
            sa.update(sessions)
            .where(
                _row.id == _sid,
                _row.generation == sa.bindparam("presented"),
                _alive,
                _row.rotated_at <= sa.bindparam("settled_at", type_=sa.BigInteger),
            )
            .values(_rotation)
            .returning(whole)
        )
        end = sa.update(sessions).values(_revocation).returning(whole)
        of_subject = _row.subject == sa.bindparam("whose")
        self._open = prepared(sa.insert(sessions))
        self._find = prepared(sa.select(whole).where(_row.id == _sid))
        self._rotate = prepared(rotate)
        self._rotate_and_claim = prepared(
            rotate.values({_row.claims: sa.bindparam("new_claims")})
        )
        self._end = prepared(end.where(_row.id == _sid, _row.revoked_at.is_(None)))
        self._of_subject = prepared(
            sa.select(whole)
            .where(of_subject, _alive)
            .order_by(_row.auth_time.desc(), _row.id.desc())
        )
        self._end_all = prepared(
            end.where(of_subject, _alive, _row.id != sa.bindparam("keep"))
        )
        self._ended_since = prepared(sa.select(_row.id).where(_row.revoked_at >= _now))
        self._consume = prepared(insert(consumed).on_conflict_do_nothing())
        # One statement for each index: PostgreSQL may scan the table for an OR.
        self._clean_up = [
            prepared(_delete(sessions, _row.revoked_at < _now)),
            prepared(
                _delete(
                    sessions, _row.idle_expires_at < _now, _row.revoked_at.is_(None)
                )
            ),
        ]
        self._forget_consumed = prepared(
            _delete(consumed, consumed.c.expires_at < _now)
        )

    def open(self, connection: Connection, session: Session) -> None:
        """Store a new *session*."""
        self._open(connection, write_row(session))

    def find(self, connection: Connection, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        return _first(self._find(connection, {"sid": session_id}))

    def rotate(
        self,
        connection: Connection,
        session_id: str,
        generation: int,
        kid: str,
        now: int,
        idle: int,
        grace: int,
        claims: Mapping[str, Any] | None,
    ) -> Session | None:
        """Move a session from *generation* to the next, if nobody else did."""
        said = {
            "sid": session_id,
            "presented": generation,
            "new_kid": kid,
            "at": now,
            "idle_end": now + idle,
            "settled_at": now - grace,
        }
        if claims is None:
            return _first(self._rotate(connection, said))
        said["new_claims"] = write_claims(claims)
        return _first(self._rotate_and_claim(connection, said))

    def end(
        self, connection: Connection, session_id: str, now: int, reason: str
    ) -> Session | None:
        """Revoke a session; the first reason and time win."""
        said = {"sid": session_id, "at": now, "reason": reason}
        return _first(self._end(connection, said))

    def of_subject(
        self, connection: Connection, subject: str, now: int
    ) -> list[Session]:
        """Return the sessions of *subject* that are alive at *now*, newest first."""
        found = self._of_subject(connection, {"whose": subject, "at": now})
        return [read_row(text) for text in found.scalars()]

    def end_all(
        self,
        connection: Connection,
        subject: str,
        keep: str | None,
        now: int,
        reason: str,
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        said = {"whose": subject, "keep": keep or "", "at": now, "reason": reason}
        return [read_row(text) for text in self._end_all(connection, said).scalars()]

    def ended_since(self, connection: Connection, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        return list(self._ended_since(connection, {"at": moment}).scalars())

    def consume(self, connection: Connection, token_id: str, expires_at: int) -> bool:
        """Use up a one-time token; True for the first caller alone."""
        said = {"id": token_id, "expires_at": expires_at}
        return self._consume(connection, said).rowcount == 1

    def purge(self, connection: Connection, before: int, limit: int) -> int:
        """Delete at most *limit* sessions that ended before *before*."""
        self._forget_consumed(connection, {"at": before, "most": limit}).all()
        deleted = 0
        for step in self._clean_up:
            said = {"at": before, "most": limit - deleted}
            deleted += len(step(connection, said).all())
        return deleted


class _Prepared:
    """A statement as one driver wants it, and what is always said to it."""

    def __init__(
        self,
        statement: Executable,
        dialect: Dialect,
        schemas: Mapping[str | None, str | None] | None,
    ) -> None:
        compiled: Any = statement.compile(  # type: ignore[attr-defined]
            dialect=dialect,
            schema_translate_map=schemas,
            render_schema_translate=schemas is not None,
        )
        self._text: str = compiled.string
        self._order: list[str] | None = compiled.positiontup
        self._constants = {
            name: value for name, value in compiled.params.items() if value is not None
        }

    def __call__(
        self, connection: Connection, said: dict[str, Any]
    ) -> CursorResult[Any]:
        """Execute it with what is *said*."""
        said = said | self._constants
        if self._order is None:  # the driver takes parameters by name
            return connection.exec_driver_sql(self._text, said)
        ordered = tuple([said[name] for name in self._order])
        return connection.exec_driver_sql(self._text, ordered)


def _delete(table: sa.Table, *dead: sa.ColumnElement[bool]) -> Executable:
    """
    Return how to delete a batch of the *dead* and wait for nobody.

    What somebody holds is skipped, the next batch will have it (SQLite, which has one
    writer at a time, has no such clause). A common table expression is evaluated
    once; a sub-select with a LIMIT might be again for each row.
    """
    batch = (
        sa.select(table.c.id)
        .where(*dead)
        .limit(_most)
        .with_for_update(skip_locked=True)
        .cte("dead")
    )
    # Returned, because SQLite's driver counts nothing that begins with WITH.
    return (
        sa.delete(table)
        .where(table.c.id.in_(sa.select(batch.c.id)))
        .returning(table.c.id)
    )


def _first(found: CursorResult[Any]) -> Session | None:
    text = found.scalar()
    return None if text is None else read_row(text)
