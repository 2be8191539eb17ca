"""
Where do sessions live in a SQL database? In SQLite or PostgreSQL, on your engine.

The twins put the same questions (`sqlalchemy_statements`), the asynchronous one through
``run_sync``. SQLite 3.35 or newer is needed, for ``RETURNING``. Migrations: give
`metadata` to Alembic's ``target_metadata`` (docs/how-to/sql.md).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from resilient_auth.core.outage import is_outage
from resilient_auth.core.sessions import Session
from resilient_auth.errors import ConfigError, Unavailable
from resilient_auth.stores.sqlalchemy_schema import consumed, create, metadata, sessions
from resilient_auth.stores.sqlalchemy_statements import (
    BATCH,
    CONSUME,
    DATABASES,
    END,
    END_ALL,
    ENDED_SINCE,
    FIND,
    FORGET_CONSUMED,
    LOOK_AGAIN,
    OF_SUBJECT,
    OPEN,
    PURGE_ENDED,
    PURGE_REVOKED,
    ROTATE,
    ROTATE_AND_CLAIM,
    Driver,
    Row,
    Said,
    first,
    opening,
    rotation,
    to_session,
)

__all__ = [
    "AsyncSQLAlchemyStore",
    "SQLAlchemyStore",
    "consumed",
    "metadata",
    "sessions",
]

_OLDEST_SQLITE = (3, 35, 0)  # UPDATE … RETURNING

E = TypeVar("E", Engine, AsyncEngine)


class SQLAlchemyStore:
    """
    Sessions in the database of *engine*; may be used from any thread.

    Raises `ConfigError` for what is no such engine, and for other databases.
    """

    def __init__(self, engine: Engine) -> None:
        if not isinstance(engine, Engine) or engine.dialect.is_async:
            raise _unfit(engine, "SQLAlchemyStore needs an Engine of create_engine()")
        self._owner = engine
        self._engine = _for_single_statements(engine)
        self._driver = _driver(engine)

    def create_schema(self) -> None:
        """Create what is missing of the tables; with Alembic, use `metadata`."""
        with _outages_are_503(), self._owner.begin() as connection:
            create(connection)

    def open(self, session: Session) -> None:
        """Store a new *session*."""
        self._run(OPEN, opening(session))

    def find(self, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        return first(self._run(FIND, {"sid": session_id}))

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
        said = rotation(
            session_id,
            generation,
            kid=kid,
            now=now,
            idle=idle,
            grace=grace,
            claims=claims,
        )
        return first(self._run(ROTATE if claims is None else ROTATE_AND_CLAIM, said))

    def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Revoke a session; the first reason and time win."""
        return first(self._run(END, {"sid": session_id, "at": now, "reason": reason}))

    def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """Return the sessions of *subject* that are alive at *now*, newest first."""
        living = self._run(OF_SUBJECT, {"whose": subject, "at": now})
        return [to_session(row) for row in living]

    def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        said = {"whose": subject, "keep": keep or "", "at": now, "reason": reason}
        return [to_session(row) for row in self._run(END_ALL, said)]

    def ended_since(self, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        return [row[0] for row in self._run(ENDED_SINCE, {"at": moment})]

    def consume(
        self,
        token_id: str,
        *,
        expires_at: int,
        now: int,  # noqa: ARG002 - `purge` forgets
    ) -> bool:
        """Use up a one-time token; True for the first caller alone."""
        return bool(self._run(CONSUME, {"id": token_id, "expires_at": expires_at}))

    def purge(self, before: int, *, limit: int) -> int:
        """
        Delete at most *limit* sessions that ended before *before*; count them.

        Each step is a statement of its own over at most 1000 or *limit* rows, which
        waits for no lock and locks nothing else.
        """
        said = {"at": before, "most": limit}
        while len(self._run(LOOK_AGAIN, {"at": before, "most": BATCH})) == BATCH:
            pass
        ended = len(self._run(PURGE_ENDED, said))
        left = {"at": before, "most": limit - ended}
        ended += len(self._run(PURGE_REVOKED, left))
        self._run(FORGET_CONSUMED, said)
        return ended

    def _run(self, statement: Any, said: Said) -> list[Row]:
        with _outages_are_503(), self._engine.begin() as connection:
            return self._driver.run(connection, statement, said)


class AsyncSQLAlchemyStore:
    """
    The same over an `AsyncEngine`; may be used from any task of its loop.

    Raises `ConfigError` for what is no such engine, and for other databases.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        if not isinstance(engine, AsyncEngine):
            raise _unfit(
                engine,
                "AsyncSQLAlchemyStore needs an AsyncEngine of create_async_engine()",
            )
        self._owner = engine
        self._engine = _for_single_statements(engine)
        self._driver = _driver(engine)

    async def create_schema(self) -> None:
        """Create what is missing of the tables; with Alembic, use `metadata`."""
        with _outages_are_503():
            async with self._owner.begin() as connection:
                await connection.run_sync(create)

    async def open(self, session: Session) -> None:
        """Store a new *session*."""
        await self._run(OPEN, opening(session))

    async def find(self, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        return first(await self._run(FIND, {"sid": session_id}))

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
        said = rotation(
            session_id,
            generation,
            kid=kid,
            now=now,
            idle=idle,
            grace=grace,
            claims=claims,
        )
        return first(
            await self._run(ROTATE if claims is None else ROTATE_AND_CLAIM, said)
        )

    async def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Revoke a session; the first reason and time win."""
        return first(
            await self._run(END, {"sid": session_id, "at": now, "reason": reason})
        )

    async def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """Return the sessions of *subject* that are alive at *now*, newest first."""
        living = await self._run(OF_SUBJECT, {"whose": subject, "at": now})
        return [to_session(row) for row in living]

    async def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        said = {"whose": subject, "keep": keep or "", "at": now, "reason": reason}
        return [to_session(row) for row in await self._run(END_ALL, said)]

    async def ended_since(self, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        return [row[0] for row in await self._run(ENDED_SINCE, {"at": moment})]

    async def consume(
        self,
        token_id: str,
        *,
        expires_at: int,
        now: int,  # noqa: ARG002 - `purge` forgets
    ) -> bool:
        """Use up a one-time token; True for the first caller alone."""
        return bool(
            await self._run(CONSUME, {"id": token_id, "expires_at": expires_at})
        )

    async def purge(self, before: int, *, limit: int) -> int:
        """
        Delete at most *limit* sessions that ended before *before*; count them.

        Each step is a statement of its own over at most 1000 or *limit* rows, which
        waits for no lock and locks nothing else.
        """
        said = {"at": before, "most": limit}
        while len(await self._run(LOOK_AGAIN, {"at": before, "most": BATCH})) == BATCH:
            pass
        ended = len(await self._run(PURGE_ENDED, said))
        left = {"at": before, "most": limit - ended}
        ended += len(await self._run(PURGE_REVOKED, left))
        await self._run(FORGET_CONSUMED, said)
        return ended

    async def _run(self, statement: Any, said: Said) -> list[Row]:
        with _outages_are_503():
            async with self._engine.begin() as connection:
                return await connection.run_sync(self._driver.run, statement, said)


def _for_single_statements(engine: E) -> E:
    """
    Return *engine* (the same pool) as it serves one statement at a time best.

    PostgreSQL is spared the round trips of BEGIN and COMMIT, and the loser of a race
    reads on instead of failing, whatever level the engine has; its connections go back
    to the pool as the user set them up. SQLite would pay for the switch and gain
    nothing.
    """
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _driver(engine: Engine | AsyncEngine) -> Driver:
    dialect = engine.dialect
    if dialect.name not in DATABASES:
        raise ConfigError(
            f"Sessions live in {' or '.join(sorted(DATABASES))}, not in "
            f"{dialect.name}; another database needs a SessionStore of yours."
        )
    version = getattr(dialect.loaded_dbapi, "sqlite_version_info", _OLDEST_SQLITE)
    if version < _OLDEST_SQLITE:
        said = ".".join(map(str, version))
        raise ConfigError(f"SQLite 3.35 or newer is needed, and this is {said}.")
    schemas = engine.get_execution_options().get("schema_translate_map")
    return Driver(dialect, schemas)


def _unfit(engine: object, needs: str) -> ConfigError:
    """Return the error for *engine*, without its address: there is a password in it."""
    if isinstance(engine, AsyncEngine):
        return ConfigError(f"{needs}; for an AsyncEngine use AsyncSQLAlchemyStore.")
    if isinstance(engine, Engine) and engine.dialect.is_async:
        return ConfigError(f"{needs}, and {engine.dialect.driver} is asynchronous.")
    if isinstance(engine, Engine):
        return ConfigError(f"{needs}; for an Engine use SQLAlchemyStore.")
    return ConfigError(f"{needs}, not a {type(engine).__name__}.")


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
