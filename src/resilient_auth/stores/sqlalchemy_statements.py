"""
What is asked of the SQL database? Every statement, and how a row becomes a session.

Each verb is one statement, so that it needs no transaction around it: the winner of a
rotation is found by ``UPDATE … RETURNING``, the first use of a token by its key. They
are written once for all databases, compiled once for each, and run on the driver's own
cursor unless somebody watches the engine's: what SQLAlchemy does around a statement
costs more than the statement.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from resilient_auth.core.sessions import Session
from resilient_auth.core.text import freeze, write_object
from resilient_auth.stores.sqlalchemy_schema import consumed, sessions

Row = Sequence[Any]
Said = dict[str, Any]

DATABASES = frozenset({"postgresql", "sqlite"})
#: Rows that one statement of `purge` changes at most, and so locks.
BATCH = 1_000

_row = sessions.c
_columns = [column for column in _row if column is not _row.due_at]
_NAMES = [column.name for column in _columns]


def _said(name: str) -> Any:
    return sa.bindparam(name, type_=sa.BigInteger)


_now = _said("at")
_living = sa.and_(
    _row.revoked_at.is_(None), _row.idle_expires_at > _now, _row.expires_at > _now
)
_revocation: dict[Any, Any] = {
    _row.revoked_at: _now,
    _row.revoked_reason: sa.bindparam("reason"),
}
_rotation: dict[Any, Any] = {
    _row.generation: _row.generation + 1,
    _row.kid: sa.bindparam("new_kid"),
    _row.rotated_at: _now,
    _row.idle_expires_at: sa.case(
        (_row.expires_at < _said("idle_end"), _row.expires_at), else_=_said("idle_end")
    ),
}

OPEN = sa.insert(sessions)
FIND = sa.select(*_columns).where(_row.id == sa.bindparam("sid"))
ROTATE = (
    sa.update(sessions)
    .where(
        _row.id == sa.bindparam("sid"),
        _row.generation == _said("presented"),
        _living,
        _row.rotated_at <= _said("settled_at"),
    )
    .values(_rotation)
    .returning(*_columns)
)
ROTATE_AND_CLAIM = ROTATE.values({_row.claims: sa.bindparam("new_claims")})
END = (
    sa.update(sessions)
    .where(_row.id == sa.bindparam("sid"), _row.revoked_at.is_(None))
    .values(_revocation)
    .returning(*_columns)
)
OF_SUBJECT = (
    sa.select(*_columns)
    .where(_row.subject == sa.bindparam("whose"), _living)
    .order_by(_row.auth_time.desc(), _row.id.desc())
)
END_ALL = (
    sa.update(sessions)
    .where(
        _row.subject == sa.bindparam("whose"), _living, _row.id != sa.bindparam("keep")
    )
    .values(_revocation)
    .returning(*_columns)
)
ENDED_SINCE = sa.select(_row.id).where(_row.revoked_at >= _now)


@dataclass(frozen=True, slots=True, eq=False)
class Spelled:
    """A statement that the databases spell differently, under their names."""

    postgresql: Any
    sqlite: Any


CONSUME = Spelled(
    *(
        dialect.insert(consumed).on_conflict_do_nothing().returning(consumed.c.id)
        for dialect in (postgresql, sqlite)
    )
)


def _of_oldest(work: Any, by: sa.Column[Any], *which: Any) -> Spelled:
    """Let *work* be on the first ``most`` rows by a date, and wait for no lock."""
    key = by.table.c.id
    oldest = (
        sa.select(key)
        .where(by < _now, *which)
        .order_by(by)
        .limit(sa.bindparam("most", type_=sa.Integer))
        .with_for_update(skip_locked=True)
    )
    # PostgreSQL may read the whole table to join it with what IN lists.
    listed = sa.any_(sa.func.array(oldest.scalar_subquery()))
    work = work.returning(key)
    return Spelled(work.where(key == listed), work.where(key.in_(oldest)))


_unrevoked = _row.revoked_at.is_(None)
_ended = sa.or_(_row.idle_expires_at < _now, _row.expires_at < _now)
_end = sa.case(
    (_row.expires_at < _row.idle_expires_at, _row.expires_at),
    else_=_row.idle_expires_at,
)
_look_again = sa.update(sessions).values({_row.due_at: _end})
LOOK_AGAIN = _of_oldest(_look_again, _row.due_at, _unrevoked, sa.not_(_ended))
PURGE_ENDED = _of_oldest(sa.delete(sessions), _row.due_at, _unrevoked, _ended)
PURGE_REVOKED = _of_oldest(sa.delete(sessions), _row.revoked_at)
FORGET_CONSUMED = _of_oldest(sa.delete(consumed), consumed.c.expires_at)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A statement in a driver's words: its *text*, and how values are passed."""

    text: str
    order: Sequence[str] | None  # None: by name
    fixed: Said

    def values(self, said: Said) -> Said | tuple[Any, ...]:
        """Return what is *said* as the driver wants it."""
        if self.order is None:
            return self.fixed | said
        said = self.fixed | said
        return tuple([said[name] for name in self.order])


class Driver:
    """Runs statements on the cursor of a driver of *dialect*; for any thread."""

    def __init__(
        self, dialect: sa.Dialect, schemas: Mapping[str | None, str | None] | None
    ) -> None:
        self._dialect = dialect
        self._schemas = schemas
        self._phrases: dict[Any, Phrase] = {}

    def run(self, connection: sa.Connection, statement: Any, said: Said) -> list[Row]:
        """Run *statement* with what is *said*; return its rows."""
        phrase = self.phrase(statement)
        values = phrase.values(said)
        if _is_watched(connection):
            return _rows(connection.exec_driver_sql(phrase.text, values).cursor)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(phrase.text, values)
            return _rows(cursor)
        except self._dialect.loaded_dbapi.Error as error:
            if self._dialect.is_disconnect(error, connection.connection, cursor):
                # SQLAlchemy must meet the dead connection itself, to drop its like.
                connection.exec_driver_sql("SELECT 1")
            raise
        except BaseException as error:  # cancelled: an answer may still be under way
            connection.invalidate(error)
            raise
        finally:
            cursor.close()

    def phrase(self, statement: Any) -> Phrase:
        """Return *statement* in this driver's words, compiled on first use."""
        phrase = self._phrases.get(statement)
        if phrase is None:
            spelled = statement
            if isinstance(statement, Spelled):
                spelled = getattr(statement, self._dialect.name)
            compiled = spelled.compile(
                dialect=self._dialect,
                schema_translate_map=self._schemas,
                render_schema_translate=self._schemas is not None,
            )
            fixed = {n: v for n, v in compiled.params.items() if v is not None}
            phrase = Phrase(str(compiled), compiled.positiontup, fixed)
            self._phrases[statement] = phrase
        return phrase


def _rows(cursor: Any) -> list[Row]:
    return list(cursor.fetchall()) if cursor and cursor.description else []


def _is_watched(connection: sa.Connection) -> bool:
    """Would somebody miss a statement that SQLAlchemy does not know of?"""
    events = connection.dispatch
    return bool(
        events.before_cursor_execute
        or events.after_cursor_execute
        or connection.dialect.dispatch.handle_error
        or connection.engine.logger.isEnabledFor(logging.INFO)  # echo=True
    )


def opening(session: Session) -> Said:
    """Return what `OPEN` needs to store *session*."""
    said = {name: getattr(session, name) for name in _NAMES}
    said["claims"] = _claims_text(session.claims)
    said["amr"] = json.dumps(session.amr)
    said["due_at"] = session.ends_at()
    return said


def rotation(
    session_id: str,
    generation: int,
    *,
    kid: str,
    now: int,
    idle: int,
    grace: int,
    claims: Mapping[str, Any] | None,
) -> Said:
    """Return what `ROTATE` needs or, with *claims*, `ROTATE_AND_CLAIM`."""
    said = {
        "sid": session_id,
        "presented": generation,
        "new_kid": kid,
        "at": now,
        "idle_end": now + idle,
        "settled_at": now - grace,
    }
    if claims is not None:
        said["new_claims"] = _claims_text(claims)
    return said


def to_session(row: Row) -> Session:
    """Return the session that a row holds."""
    said = dict(zip(_NAMES, row, strict=True))
    said["claims"] = freeze(json.loads(said["claims"]))
    said["amr"] = tuple(json.loads(said["amr"]))
    said["remember"] = bool(said["remember"])  # a number in SQLite
    return Session(**said)


def first(rows: Sequence[Row]) -> Session | None:
    """Return the session in the first of *rows*, if there is one."""
    return to_session(rows[0]) if rows else None


def _claims_text(claims: Mapping[str, Any]) -> str:
    return write_object(claims).decode("utf-8")
