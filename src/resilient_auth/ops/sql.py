"""
Does the database answer? Asked on a connection of its own.

The check opens a connection beside the application's pool, made in the same way, and
closes it again; so a pool that is full does not read as a database that is down.
"""

import asyncio

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from resilient_auth.ops.health import CheckResult

_QUESTION = sa.select(1)


class SqlCheck:
    """Asks the database of *engine* for ``SELECT 1``, within *timeout* seconds."""

    def __init__(
        self,
        engine: sa.Engine | AsyncEngine,
        *,
        name: str = "database",
        critical: bool = True,
        timeout: float = 2.0,
    ) -> None:
        self.name: str = name
        self.critical: bool = critical
        self.timeout: float = timeout
        self._engine = engine

    async def arun(self) -> CheckResult:
        """Ask once; `Health` bounds the wait and takes what is raised for a failure."""
        if isinstance(self._engine, AsyncEngine):
            await _ask_async(self._engine)
        else:
            await asyncio.to_thread(_ask, self._engine)
        return CheckResult("pass")


def _ask(engine: sa.Engine) -> None:
    beside = sa.create_engine(engine.url, pool=engine.pool.recreate())
    try:
        with beside.connect() as connection:
            connection.execute(_QUESTION)
    finally:
        beside.dispose()


async def _ask_async(engine: AsyncEngine) -> None:
    beside = create_async_engine(engine.url, pool=engine.sync_engine.pool.recreate())
    try:
        async with beside.connect() as connection:
            await connection.execute(_QUESTION)
    finally:
        await beside.dispose()
