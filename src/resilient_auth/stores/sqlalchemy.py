"""
Where do sessions live in a SQL database? In SQLite or PostgreSQL, on your engine.

The asynchronous twin runs the same steps through ``run_sync``. SQLite 3.35 or newer is
needed, for ``RETURNING``. Migrations: give `metadata` to Alembic's ``target_metadata``.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from resilient_auth.core.outage import is_outage
from resilient_auth.core.sessions import Session
from resilient_auth.errors import ConfigError, Unavailable
from resilient_auth.stores.sqlalchemy_schema import consumed, metadata, sessions
from resilient_auth.stores.sqlalchemy_steps import DIALECTS, Steps

__all__ = [
    "AsyncSQLAlchemyStore",
    "SQLAlchemyStore",
    "consumed",
    "metadata",
    "sessions",
]

P = ParamSpec("P")
T = TypeVar("T")
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
        self._steps = _steps(engine)

    def create_schema(self) -> None:
        """Create the tables where they are missing; with Alembic, use `metadata`."""
        with _outages_are_503(), self._owner.begin() as connection:
            metadata.create_all(connection)

    def open(self, session: Session) -> None:
        """Store a new *session*."""
        self._run(self._steps.open, session)

    def find(self, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        return self._run(self._steps.find, session_id)

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
        return self._run(
            self._steps.rotate, session_id, generation, kid, now, idle, grace, claims
        )

    def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Revoke a session; the first reason and time win."""
        return self._run(self._steps.end, session_id, now, reason)

    def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """Return the sessions of *subject* that are alive at *now*, newest first."""
        return self._run(self._steps.of_subject, subject, now)

    def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        return self._run(self._steps.end_all, subject, keep, now, reason)

    def ended_since(self, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        return self._run(self._steps.ended_since, moment)

    def consume(
        self,
        token_id: str,
        *,
        expires_at: int,
        now: int,  # noqa: ARG002 - `purge` forgets
    ) -> bool:
        """Use up a one-time token; True for the first caller alone."""
        return self._run(self._steps.consume, token_id, expires_at)

    def purge(self, before: int, *, limit: int) -> int:
        """Delete at most *limit* sessions that ended before *before*."""
        return self._run(self._steps.purge, before, limit)

    def _run(
        self,
        work: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        with _outages_are_503(), self._engine.begin() as connection:
            return work(connection, *args, **kwargs)


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
        self._steps = _steps(engine)

    async def create_schema(self) -> None:
        """Create the tables where they are missing; with Alembic, use `metadata`."""
        with _outages_are_503():
            async with self._owner.begin() as connection:
                await connection.run_sync(metadata.create_all)

    async def open(self, session: Session) -> None:
        """Store a new *session*."""
        await self._run(self._steps.open, session)

    async def find(self, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        return await self._run(self._steps.find, session_id)

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
            self._steps.rotate, session_id, generation, kid, now, idle, grace, claims
        )

    async def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Revoke a session; the first reason and time win."""
        return await self._run(self._steps.end, session_id, now, reason)

    async def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """Return the sessions of *subject* that are alive at *now*, newest first."""
        return await self._run(self._steps.of_subject, subject, now)

    async def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        return await self._run(self._steps.end_all, subject, keep, now, reason)

    async def ended_since(self, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        return await self._run(self._steps.ended_since, moment)

    async def consume(
        self,
        token_id: str,
        *,
        expires_at: int,
        now: int,  # noqa: ARG002 - `purge` forgets
    ) -> bool:
        """Use up a one-time token; True for the first caller alone."""
        return await self._run(self._steps.consume, token_id, expires_at)

    async def purge(self, before: int, *, limit: int) -> int:
        """Delete at most *limit* sessions that ended before *before*."""
        return await self._run(self._steps.purge, before, limit)

    async def _run(
        self,
        work: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        with _outages_are_503():
            async with self._engine.begin() as connection:
                return await connection.run_sync(work, *args, **kwargs)


def _for_single_statements(engine: E) -> E:
    """
    Return *engine* (the same pool) as it serves one statement at a time best.

    PostgreSQL is spared the round trips of BEGIN and COMMIT; its connections go back to
    the pool as the user set them up. SQLite would pay for the switch and gain nothing.
    """
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _steps(engine: Engine | AsyncEngine) -> Steps:
    if engine.dialect.name not in DIALECTS:
        raise ConfigError(
            f"Sessions live in {' or '.join(sorted(DIALECTS))}, not in "
            f"{engine.dialect.name}; another database needs a SessionStore of yours."
        )
    schemas = engine.get_execution_options().get("schema_translate_map")
    return Steps(engine.dialect, schemas)


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
