"""Does the check tell a database that is down from a pool that is full?"""

import asyncio
import contextlib
import gc
import queue
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from tests.stores.victims import PostgreSQL

from resilient_auth import CheckResult, ConfigError, Health, SqlCheck, guard_engine
from resilient_auth.events import Event
from resilient_auth.testing import FrozenClock

FULL = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.01}
#: What each driver is asked with, and whether it is awaited.
DRIVERS = {"psycopg": False, "psycopg_async": True, "asyncpg": True}
PASS = CheckResult("pass")
SATURATED = CheckResult("warn", "saturated: every connection is in use")


class Looking:
    """A `Health` over one check, with a clock that stands still."""

    def __init__(self, check: SqlCheck) -> None:
        self.events: list[Event] = []
        self._clock = FrozenClock()
        self._health = Health(
            [check], fail_after=1, listeners=[self.events.append], clock=self._clock
        )

    async def look(self) -> int:
        """Let the cache run out, look, and return the status."""
        self._clock.advance(5)
        return (await self._health.ready()).status


class Database:
    """PostgreSQL by one driver; each engine has a pool of two and one in a peak."""

    def __init__(self, server: PostgreSQL, driver: str) -> None:
        self.server = server
        self._asynchronous = DRIVERS[driver]
        self._url = sa.make_url(server.address).set(drivername=f"postgresql+{driver}")
        self._stack = AsyncExitStack()

    def engine(self, **options: Any) -> sa.Engine | AsyncEngine:
        """Return an engine."""
        if "poolclass" not in options:
            options = {"pool_size": 2, "max_overflow": 1, **options}
        make = create_async_engine if self._asynchronous else sa.create_engine
        engine = make(self._url, **options)
        if isinstance(engine, sa.Engine):
            self._stack.callback(engine.dispose)
        else:
            self._stack.push_async_callback(engine.dispose)
        return engine

    def engine_of_one(self) -> sa.Engine | AsyncEngine:
        """Return an engine to which the server gives one connection alone."""
        owner = sa.create_engine(self.server.address, poolclass=sa.NullPool)
        with owner.begin() as connection:
            connection.exec_driver_sql("DROP ROLE IF EXISTS lonely")
            connection.exec_driver_sql("CREATE ROLE lonely LOGIN CONNECTION LIMIT 1")
        self._url = self._url.set(username="lonely")
        return self.engine(poolclass=sa.NullPool)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._stack.aclose()


@pytest.fixture(scope="module")
def server(postgres_folder: Path) -> Iterator[PostgreSQL]:
    """Start the server that is killed here."""
    server = PostgreSQL(postgres_folder / "checks")
    yield server
    server.end()


@pytest.fixture(params=DRIVERS)
async def database(
    request: pytest.FixtureRequest, server: PostgreSQL
) -> AsyncIterator[Database]:
    """Return PostgreSQL by one driver."""
    database = Database(server, request.param)
    yield database
    await database.close()


@contextlib.asynccontextmanager
async def held(engine: sa.Engine | AsyncEngine, number: int) -> AsyncIterator[None]:
    """Keep a *number* of connections of the pool in use."""
    async with AsyncExitStack() as stack:
        for _ in range(number):
            if isinstance(engine, AsyncEngine):
                await stack.enter_async_context(engine.connect())
            else:
                stack.enter_context(engine.connect())
        yield


def out(engine: sa.Engine | AsyncEngine) -> int:
    """Return how many connections of the pool are in use."""
    assert isinstance(engine.pool, sa.QueuePool)
    return engine.pool.checkedout()


# ------------------------------------------------------------------ the database


async def test_a_locked_file_is_seen(tmp_path: Path) -> None:
    """SQLite answers ``SELECT 1`` without looking into its file."""
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{tmp_path}/rows.db", connect_args={"timeout": 0.05}
    )
    with contextlib.closing(sqlite3.connect(tmp_path / "rows.db")) as holder:
        holder.execute("CREATE TABLE taken (id INTEGER)")
        assert PASS == await SqlCheck(engine).arun()

        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sa.exc.OperationalError, match="locked"):
            await SqlCheck(engine).arun()
    await engine.dispose()


async def test_a_database_that_is_away_fails() -> None:
    """Nobody listens on port 1."""
    engine = sa.create_engine("postgresql+psycopg://u:secret@127.0.0.1:1/db")
    looking = Looking(SqlCheck(engine))

    assert 503 == await looking.look()
    assert "secret" not in str(looking.events)


async def test_a_database_that_was_killed_fails_until_it_is_back(
    database: Database,
) -> None:
    """Whether the pool is idle or full: the database comes first."""
    idle, full = database.engine(), database.engine()
    checks = [SqlCheck(each, timeout=30) for each in (idle, full)]
    async with held(full, 3):
        database.server.kill()
        try:
            for check in checks:
                with pytest.raises((sa.exc.OperationalError, OSError)):
                    await check.arun()
        finally:
            database.server.start()

    assert [PASS, PASS] == [await check.arun() for check in checks]


async def test_a_database_that_hangs_takes_one_thread() -> None:
    """A thread cannot be cut short; one for each look would fill the process."""
    gate, asked = threading.Event(), []

    def hang() -> None:
        asked.append(threading.get_ident())
        gate.wait(10)
        raise ConnectionError("at last")

    engine = sa.create_engine("sqlite://", creator=hang, poolclass=sa.pool.NullPool)
    looking = Looking(SqlCheck(engine, timeout=0.01))
    seen = [await looking.look() for _ in range(3)]
    gate.set()

    assert [503] * 3 == seen
    assert 1 == len(asked)


def test_a_check_outlives_the_loop_in_which_it_hung() -> None:
    """A loop ends while its question hangs, and the next loop asks its own."""
    gate, released = threading.Event(), queue.SimpleQueue[bool]()

    def hang() -> None:
        released.put(gate.wait(60))
        raise ConnectionError("at last")

    engine = sa.create_engine("sqlite://", creator=hang, poolclass=sa.pool.NullPool)
    check = SqlCheck(engine)

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(check.arun(), 0.01)

    for _ in range(2):
        asyncio.run(give_up())
    gate.set()

    assert [True, True] == [released.get(timeout=60) for _ in range(2)]


# ------------------------------------------------------------------ the pool


async def test_a_full_pool_warns_until_it_is_not(database: Database) -> None:
    """The database is well, and who waits in vain is the user."""
    engine = database.engine()
    check = SqlCheck(engine, timeout=2)
    looking = Looking(check)
    async with held(engine, 3):
        found = [await check.arun(), await check.arun()]
        shown = await looking.look()

    assert [SATURATED, SATURATED] == found
    assert 200 == shown
    while PASS != await check.arun():  # the thread that waited gives back what it got
        pass
    assert 0 == out(engine)


async def test_a_full_pool_of_a_file_warns(tmp_path: Path) -> None:
    """Its own patience may be shorter than that of the check."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/rows.db", **FULL)
    with engine.connect():
        assert SATURATED == await SqlCheck(engine, timeout=60).arun()

    assert PASS == await SqlCheck(engine).arun()
    engine.dispose()


async def test_a_full_async_pool_of_a_file_warns(tmp_path: Path) -> None:
    """The same for an asynchronous engine."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/rows.db", **FULL)
    async with engine.connect():
        assert SATURATED == await SqlCheck(engine, timeout=60).arun()

    assert PASS == await SqlCheck(engine).arun()
    await engine.dispose()


async def test_a_pool_that_may_open_one_more_is_not_full(database: Database) -> None:
    """How many that are is not told, so it is tried."""
    engine = database.engine()
    async with held(engine, 2):
        assert PASS == await SqlCheck(engine, timeout=60).arun()
        assert 2 == out(engine)


async def test_a_pool_without_a_limit_is_not_asked(database: Database) -> None:
    """It would open a connection, and keep it."""
    engine = database.engine(pool_size=0)
    async with held(engine, 5):
        assert PASS == await SqlCheck(engine).arun()

    assert isinstance(engine.pool, sa.QueuePool)
    assert 5 == engine.pool.checkedin()


@pytest.mark.parametrize(
    "poolclass", [sa.NullPool, sa.StaticPool, sa.SingletonThreadPool, sa.AssertionPool]
)
async def test_other_pools_do_not_queue(
    poolclass: type[sa.Pool], tmp_path: Path
) -> None:
    """Nobody waits for a connection there."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/rows.db", poolclass=poolclass)
    with engine.connect():
        assert PASS == await SqlCheck(engine).arun()
    engine.dispose()


async def test_a_pool_in_memory_does_not_queue() -> None:
    """It has one connection for all."""
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.connect():
        assert PASS == await SqlCheck(engine).arun()
    await engine.dispose()


async def test_the_one_who_asks_connects_as_the_engine_does(tmp_path: Path) -> None:
    """Else it would say how a connection is that nobody uses."""
    made: list[str] = []

    def create() -> sqlite3.Connection:
        made.append("created")
        return sqlite3.connect(tmp_path / "rows.db")

    engine = sa.create_engine("sqlite:///elsewhere.db", creator=create)

    @sa.event.listens_for(engine, "connect")
    def note(*_: object) -> None:
        made.append("heard")

    assert PASS == await SqlCheck(engine).arun()
    assert ["created", "heard"] == made
    assert not (tmp_path / "elsewhere.db").exists()
    engine.dispose()


async def test_a_server_that_takes_no_more_warns(database: Database) -> None:
    """Those whom it took go on, and another process would get no more than this one."""
    engine = database.engine_of_one()
    check = SqlCheck(engine)
    told: list[Event] = []
    guard_engine(engine, listeners=[told.append])
    async with held(engine, 1):
        found = await check.arun()
        with pytest.raises(Exception, match="too many connections"):
            async with held(engine, 1):
                pass

    assert CheckResult("warn", "saturated: the server takes no more") == found
    while PASS != await check.arun():  # the server notices that somebody left
        pass
    assert [] == told


# ------------------------------------------------------------------ what is left


def connections(server: PostgreSQL) -> int:
    """Return how many connections the server has, besides this one."""
    engine = sa.create_engine(server.address, poolclass=sa.NullPool)
    others = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(others)) or 0)


async def until(is_so: Callable[[], bool]) -> None:
    """Return once it *is_so*, letting others run."""
    # Not pytest's timeout: what a signal raises while garbage is collected is lost.
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.01)
            # With psycopg, a connect that was cut short lives until it is collected.
            gc.collect()


async def test_hundreds_of_looks_leave_nothing(database: Database) -> None:
    """Neither of those that found the pool full, nor of those that were cut short."""
    engine = database.engine()
    check = SqlCheck(engine, timeout=0.01)  # no time to wait for the pool
    threads = threading.active_count()
    async with held(engine, 3):
        await until(lambda: connections(database.server) == 3)
        await check.arun()
        tasks = len(asyncio.all_tasks())  # with a thread's that waits for the pool
        found = [await check.arun() for _ in range(200)]
        for number in range(100):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(check.arun(), number / 20_000)

        assert [SATURATED] * 200 == found
        assert 3 == out(engine)
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        await until(lambda: connections(database.server) == 3)
        # One thread may wait for the pool; the others are about to end.
        await until(lambda: threading.active_count() <= threads + 1)

    await until(lambda: len(asyncio.all_tasks()) == 1)  # nobody waits for the pool
    assert 0 == out(engine)
    async with held(engine, 3):
        assert 3 == out(engine)


async def test_a_pool_that_goes_while_a_look_waits_leaves_nothing() -> None:
    """Whoever waits is given a new connection then, which no pool would close."""
    opened: list[object] = []

    class Connection(sqlite3.Connection):
        def close(self) -> None:
            opened.remove(self)
            super().close()

    def create() -> sqlite3.Connection:
        made = sqlite3.connect(":memory:", factory=Connection, check_same_thread=False)
        opened.append(made)
        return made

    engine = sa.create_engine(
        "sqlite://",
        creator=create,
        poolclass=sa.QueuePool,
        **{**FULL, "pool_timeout": 0.5},
    )
    with engine.connect():
        assert SATURATED == await SqlCheck(engine, timeout=0.05).arun()
        engine.dispose()
    engine.dispose()
    await until(lambda: len(asyncio.all_tasks()) == 1)

    assert [] == opened


async def test_a_look_that_is_cut_short_as_a_connection_comes_gives_it_back(
    database: Database,
) -> None:
    """The two may meet in either order."""
    engine = database.engine(pool_size=1, max_overflow=0)
    check = SqlCheck(engine, timeout=0.04)
    for number in range(100):
        async with held(engine, 1):
            looking = asyncio.create_task(check.arun())
            await asyncio.sleep(number / 5_000)
        await looking
    await until(lambda: len(asyncio.all_tasks()) == 1)
    assert 0 == out(engine)
    async with held(engine, 1):
        assert 1 == out(engine)


# ------------------------------------------------------------------ misuse


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: SqlCheck("sqlite://"), id="url"),  # type: ignore[arg-type] - a likely mistake
        pytest.param(
            lambda: SqlCheck(sa.create_engine("sqlite://"), timeout=0), id="0"
        ),
    ],
)
def test_a_check_cannot_be_built_wrong(build: Callable[[], object]) -> None:
    """The mistake is told where it is made, not at the first probe."""
    with pytest.raises(ConfigError):
        build()
