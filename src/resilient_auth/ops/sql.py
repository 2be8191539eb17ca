"""
Does the database answer, and is there a connection for us? In this order.

The first is asked on a connection beside the application's pool, made in the same way
and closed again; so a pool that is full does not read as a database that is down. Where
the database answers and the pool may be full, the second is asked of the pool itself:
whoever gets nothing there for a while has found it saturated, which warns.

A synchronous driver is asked in a thread, which nothing can cut short: while one waits
for its answer, no second one is sent, and a process that ends does not wait for it. An
asynchronous one is cancelled. The breaker of `guard_engine` lets both questions
through, for the answer is to be the database's own; it hears that there was one, and
lets its next caller try.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from resilient_auth.core import arguments
from resilient_auth.core.checks import CheckResult
from resilient_auth.core.outage import is_out_of_connections
from resilient_auth.errors import ConfigError
from resilient_auth.resilience.asking import asking

_Found = TypeVar("_Found")

#: What is asked. SQLite computes ``SELECT 1`` without its file, so it reads a page.
_QUESTION = sa.select(1)
_QUESTIONS = {"sqlite": sa.text("SELECT count(*) FROM sqlite_master")}
#: The share of its time for which the check waits for a connection from the pool.
_PATIENCE = 0.25


class SqlCheck:
    """
    Asks the database of *engine* something small, within *timeout* seconds.

    Warns, ``saturated``, when the database answers and the engine's pool has had no
    connection for a quarter of that time, or the server has none left. On SQLite the
    question reads the file, so a lock that stops readers is seen.
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
        self._waiting: asyncio.Task[bool] | None = None

    async def arun(self) -> CheckResult:
        """Ask once; `Health` bounds the wait and takes what is raised for a failure."""
        engine = self._engine
        now = asyncio.get_running_loop().time
        ends_at = now() + self.timeout
        with asking():
            try:
                if isinstance(engine, AsyncEngine):
                    await _ask_async(engine)
                else:
                    await self._ask_in_a_thread(engine)
            except Exception as error:
                if not is_out_of_connections(error):
                    raise
                return CheckResult("warn", "saturated: the server takes no more")
            if not _may_be_full(engine):
                return CheckResult("pass")
            patience = min(self.timeout * _PATIENCE, (ends_at - now()) / 2)
            if isinstance(engine, AsyncEngine):
                is_full = await _is_full_async(engine, patience)
            else:
                is_full = await self._is_full_in_a_thread(engine, patience)
        if is_full:
            return CheckResult("warn", "saturated: every connection is in use")
        return CheckResult("pass")

    async def _ask_in_a_thread(self, engine: sa.Engine) -> None:
        """Ask, or wait with those before for the one who asks."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(_in_a_thread(_ask, engine))
            self._asking.add_done_callback(_forget)
        await asyncio.shield(self._asking)

    async def _is_full_in_a_thread(self, engine: sa.Engine, patience: float) -> bool:
        """Wait for a connection; whoever did so before and waits still has answered."""
        if self._waiting is None or self._waiting.done():
            self._waiting = asyncio.create_task(_in_a_thread(_is_full, engine))
            self._waiting.add_done_callback(_forget)
            await asyncio.wait({self._waiting}, timeout=patience)
        return self._waiting.result() if self._waiting.done() else True


async def _in_a_thread(
    work: Callable[[sa.Engine], _Found], engine: sa.Engine
) -> _Found:
    """Do *work* in a thread of its own; a loop that ends waits for a pool's threads."""
    found: Future[_Found] = Future()
    found.set_running_or_notify_cancel()  # what has begun cannot be cancelled
    run = copy_context().run

    def answer() -> None:
        try:
            found.set_result(run(work, engine))
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            found.set_exception(error)

    threading.Thread(target=answer, name="SqlCheck", daemon=True).start()
    return await asyncio.wrap_future(found)


def _forget(asked: asyncio.Task[Any]) -> None:
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


# ------------------------------------------------------------------ the pool


def _may_be_full(engine: sa.Engine | AsyncEngine) -> bool:
    """
    Say whether the pool may have nothing to give; only trying tells.

    How many connections it may open in a peak is nowhere to be read. One that does not
    queue, or has no limit (a size of 0), is never full.
    """
    pool = engine.pool
    if not isinstance(pool, sa.QueuePool) or not pool.size():
        return False
    return pool.checkedin() == 0 and pool.overflow() >= 0


def _is_full(engine: sa.Engine) -> bool:
    pool = engine.pool
    try:
        engine.connect().close()
    except exc.TimeoutError:
        return True
    finally:
        if engine.pool is not pool:  # disposed of, and what we gave back is still open
            pool.dispose()
    return False


async def _is_full_async(engine: AsyncEngine, patience: float) -> bool:
    is_full = True
    with suppress(TimeoutError, exc.TimeoutError):
        async with asyncio.timeout(patience), engine.connect():
            is_full = False
    return is_full
