"""
Does the database answer? Asked on a connection of its own.

The check opens a connection beside the application's pool, made in the same way, and
closes it again; so a pool that is full does not read as a database that is down. A
synchronous driver is asked in a thread, which nothing can cut short: while one waits
for its answer, no second one is sent.
"""

import asyncio

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from resilient_auth.core import arguments
from resilient_auth.errors import ConfigError
from resilient_auth.ops.health import CheckResult

#: What is asked. SQLite computes ``SELECT 1`` without its file, so it reads a page.
_QUESTION = sa.select(1)
_QUESTIONS = {"sqlite": sa.text("SELECT count(*) FROM sqlite_master")}


class SqlCheck:
    """
    Asks the database of *engine* something small, within *timeout* seconds.

    On SQLite that reads the file, so a lock that stops readers is seen.
    """

    def __init__(
        self,
        engine: sa.Engine | AsyncEngine,
        *,
        name: str = "database",
        critical: bool = True,
        timeout: float = 2.0,
    ) -> None:
        if not isinstance(engine, sa.Engine | AsyncEngine):
            raise ConfigError("SqlCheck takes an Engine or an AsyncEngine.")
        arguments.text("name", name)
        arguments.flag("critical", critical)
        arguments.seconds("timeout", timeout)
        self.name: str = name
        self.critical: bool = critical
        self.timeout: float = timeout
        self._engine = engine
        self._asking: asyncio.Task[None] | None = None

    async def arun(self) -> CheckResult:
        """Ask once; `Health` bounds the wait and takes what is raised for a failure."""
        if isinstance(self._engine, AsyncEngine):
            await _ask_async(self._engine)
        else:
            await self._ask_in_a_thread(self._engine)
        return CheckResult("pass")

    async def _ask_in_a_thread(self, engine: sa.Engine) -> None:
        """Ask, or wait with those before for the one who asks."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(asyncio.to_thread(_ask, engine))
            self._asking.add_done_callback(_forget)
        await asyncio.shield(self._asking)


def _forget(asked: asyncio.Task[None]) -> None:
    """Take the failure of a question that nobody waits for any more."""
    if not asked.cancelled():
        asked.exception()


def _ask(engine: sa.Engine) -> None:
    beside = sa.create_engine(engine.url, pool=engine.pool.recreate())
    try:
        with beside.connect() as connection:
            connection.execute(_question(engine))
    finally:
        beside.dispose()


async def _ask_async(engine: AsyncEngine) -> None:
    beside = create_async_engine(engine.url, pool=engine.sync_engine.pool.recreate())
    try:
        async with beside.connect() as connection:
            await connection.execute(_question(engine))
    finally:
        await beside.dispose()


def _question(engine: sa.Engine | AsyncEngine) -> sa.Executable:
    return _QUESTIONS.get(engine.dialect.name, _QUESTION)
