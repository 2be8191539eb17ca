"""
Where do sessions live in a SQL database? One table, four indexed questions.

Written once against a synchronous Core connection; the async twin runs the same
functions through ``run_sync``. No ORM, every statement is built once. SQLite (3.35 or
newer) and PostgreSQL are supported: the winner of a rotation is found by ``UPDATE …
RETURNING``, the first use of a token by the key of a second, small table. Migrations:
import `metadata` into Alembic's ``target_metadata``.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from resilient_auth.core.outage import is_outage
from resilient_auth.core.sessions import Session
from resilient_auth.core.text import freeze, write_object
from resilient_auth.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

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

_row = sessions.c
_now = sa.bindparam("at", type_=sa.BigInteger)
_living = sa.and_(
    _row.revoked_at.is_(None), _row.idle_expires_at > _now, _row.expires_at > _now
)
_idle_end = sa.bindparam("idle_end", type_=sa.BigInteger)
_revocation: dict[Any, Any] = {
    _row.revoked_at: _now,
    _row.revoked_reason: sa.bindparam("reason"),
}

_OPEN = sa.insert(sessions)
_FIND = sa.select(sessions).where(_row.id == sa.bindparam("sid"))
_rotation: dict[Any, Any] = {
    _row.generation: _row.generation + 1,
    _row.kid: sa.bindparam("new_kid"),
    _row.rotated_at: _now,
    _row.idle_expires_at: sa.case(
        (_row.expires_at < _idle_end, _row.expires_at), else_=_idle_end
    ),
}
_ROTATE = (
    sa.update(sessions)
    .where(
        _row.id == sa.bindparam("sid"),
        _row.generation == sa.bindparam("presented"),
        _living,
        _row.rotated_at <= sa.bindparam("settled_at", type_=sa.BigInteger),
    )
    .values(_rotation)
    .returning(*_row)
)
_ROTATE_AND_CLAIM = _ROTATE.values({_row.claims: sa.bindparam("new_claims")})
_END = (
    sa.update(sessions)
    .where(_row.id == sa.bindparam("sid"), _row.revoked_at.is_(None))
    .values(_revocation)
    .returning(*_row)
)
_OF_SUBJECT = (
    sa.select(sessions)
    .where(_row.subject == sa.bindparam("whose"), _living)
    .order_by(_row.auth_time.desc(), _row.id)
)
_END_ALL = (
    sa.update(sessions)
    .where(
        _row.subject == sa.bindparam("whose"), _living, _row.id != sa.bindparam("keep")
    )
    .values(_revocation)
    .returning(*_row)
)
_ENDED_SINCE = sa.select(_row.id).where(_row.revoked_at >= _now)
_DEAD = (
    sa.select(_row.id)
    .where(sa.or_(_row.idle_expires_at < _now, _row.revoked_at < _now))
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_PURGE = sa.delete(sessions).where(_row.id.in_(_DEAD))
# Core spells this differently for each dialect, SQLite and PostgreSQL do not.
_CONSUME = sa.text(
    "INSERT INTO ra_consumed (id, expires_at) VALUES (:id, :expires_at) "
    "ON CONFLICT (id) DO NOTHING"
)
_FORGET_CONSUMED = sa.delete(consumed).where(
    consumed.c.id.in_(
        sa.select(consumed.c.id)
        .where(consumed.c.expires_at < _now)
        .limit(sa.bindparam("most", type_=sa.Integer))
    )
)


class SQLAlchemyStore:
    """Sessions in the database of *engine*; may be used from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create_schema(self) -> None:
        """Create the table where it is missing; with Alembic, use `metadata`."""
        self._run(metadata.create_all)

    def open(self, session: Session) -> None:
        """Store a new *session*."""
        self._run(_open, session)

    def find(self, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        return self._run(_find, session_id)

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
        return self._run(_rotate, session_id, generation, kid, now, idle, grace, claims)

    def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Revoke a session; the first reason and time win."""
        return self._run(_end, session_id, now, reason)

    def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """Return the sessions of *subject* that are alive at *now*, newest first."""
        return self._run(_of_subject, subject, now)

    def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        return self._run(_end_all, subject, keep, now, reason)

    def ended_since(self, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        return self._run(_ended_since, moment)

    def consume(
        self,
        token_id: str,
        *,
        expires_at: int,
        now: int,  # noqa: ARG002 - `purge` forgets
    ) -> bool:
        """Use up a one-time token; True for the first caller alone."""
        return self._run(_consume, token_id, expires_at)

    def purge(self, before: int, *, limit: int) -> int:
        """Delete at most *limit* sessions that ended before *before*."""
        return self._run(_purge, before, limit)

    def _run(
        self,
        work: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        with _outages_are_503(), self._engine.begin() as connection:
            return work(connection, *args, **kwargs)


class AsyncSQLAlchemyStore:
    """The same over an `AsyncEngine`; may be used from any task of its loop."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create_schema(self) -> None:
        """Create the table where it is missing; with Alembic, use `metadata`."""
        await self._run(metadata.create_all)

    async def open(self, session: Session) -> None:
        """Store a new *session*."""
        await self._run(_open, session)

    async def find(self, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        return await self._run(_find, session_id)

    async def rotate(
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
        return await self._run(
            _rotate, session_id, generation, kid, now, idle, grace, claims
        )

    async def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Revoke a session; the first reason and time win."""
        return await self._run(_end, session_id, now, reason)

    async def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """Return the sessions of *subject* that are alive at *now*, newest first."""
        return await self._run(_of_subject, subject, now)

    async def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        return await self._run(_end_all, subject, keep, now, reason)

    async def ended_since(self, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        return await self._run(_ended_since, moment)

    async def consume(
        self,
        token_id: str,
        *,
        expires_at: int,
        now: int,  # noqa: ARG002 - `purge` forgets
    ) -> bool:
        """Use up a one-time token; True for the first caller alone."""
        return await self._run(_consume, token_id, expires_at)

    async def purge(self, before: int, *, limit: int) -> int:
        """Delete at most *limit* sessions that ended before *before*."""
        return await self._run(_purge, before, limit)

    async def _run(
        self,
        work: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        with _outages_are_503():
            async with self._engine.begin() as connection:
                return await connection.run_sync(work, *args, **kwargs)


def _open(connection: Connection, session: Session) -> None:
    connection.execute(_OPEN, _to_row(session))


def _find(connection: Connection, session_id: str) -> Session | None:
    return _first(connection.execute(_FIND, {"sid": session_id}))


def _rotate(
    connection: Connection,
    session_id: str,
    generation: int,
    kid: str,
    now: int,
    idle: int,
    grace: int,
    claims: Mapping[str, Any] | None,
) -> Session | None:
    said = {
        "sid": session_id,
        "presented": generation,
        "new_kid": kid,
        "at": now,
        "idle_end": now + idle,
        "settled_at": now - grace,
    }
    if claims is None:
        return _first(connection.execute(_ROTATE, said))
    said["new_claims"] = _claims_text(claims)
    return _first(connection.execute(_ROTATE_AND_CLAIM, said))


def _end(
    connection: Connection, session_id: str, now: int, reason: str
) -> Session | None:
    said = {"sid": session_id, "at": now, "reason": reason}
    return _first(connection.execute(_END, said))


def _of_subject(connection: Connection, subject: str, now: int) -> list[Session]:
    found = connection.execute(_OF_SUBJECT, {"whose": subject, "at": now})
    return [_to_session(row) for row in found]


def _end_all(
    connection: Connection, subject: str, keep: str | None, now: int, reason: str
) -> list[Session]:
    said = {"whose": subject, "keep": keep or "", "at": now, "reason": reason}
    return [_to_session(row) for row in connection.execute(_END_ALL, said)]


def _ended_since(connection: Connection, moment: int) -> list[str]:
    return list(connection.scalars(_ENDED_SINCE, {"at": moment}))


def _consume(connection: Connection, token_id: str, expires_at: int) -> bool:
    said = {"id": token_id, "expires_at": expires_at}
    return connection.execute(_CONSUME, said).rowcount == 1


def _purge(connection: Connection, before: int, limit: int) -> int:
    connection.execute(_FORGET_CONSUMED, {"at": before, "most": limit})
    return connection.execute(_PURGE, {"at": before, "most": limit}).rowcount


def _first(found: sa.CursorResult[Any]) -> Session | None:
    row = found.first()
    return None if row is None else _to_session(row)


def _to_session(row: sa.Row[Any]) -> Session:
    said = row._asdict()
    said["claims"] = freeze(json.loads(said["claims"]))
    said["amr"] = tuple(json.loads(said["amr"]))
    return Session(**said)


def _to_row(session: Session) -> dict[str, Any]:
    said = {name: getattr(session, name) for name in sessions.c.keys()}  # noqa: SIM118
    said["claims"] = _claims_text(session.claims)
    said["amr"] = json.dumps(session.amr)
    return said


def _claims_text(claims: Mapping[str, Any]) -> str:
    return write_object(claims).decode("utf-8")


@contextmanager
def _outages_are_503() -> Iterator[None]:
    """Turn the database's own trouble into `Unavailable`; a bug stays a bug."""
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        raise Unavailable(
            "store_unavailable", reason=f"database: {type(error).__name__}"
        ) from error
