"""A rotation in each store beside one prebuilt Core statement on the same engine."""

import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from resilient_auth import MemoryStore, SQLAlchemyStore
from resilient_auth.stores.sqlalchemy import sessions
from resilient_auth.testing.stores import NOW, a_session
from tests.benchmarks.measure import Row, race

MANY = 100_000


def rows() -> Iterator[Row]:
    """Yield SQLite's rotation; memory's size is printed as a line of its own."""
    with tempfile.TemporaryDirectory() as folder:
        engine = sa.create_engine(f"sqlite:///{Path(folder)}/rows.db")
        with engine.connect() as connection:
            connection.execute(sa.text("PRAGMA journal_mode=WAL"))
        store = SQLAlchemyStore(engine)
        store.create_schema()
        store.open(a_session())
        store.open(a_session("t" * 32))
        ours, theirs = race(_rotating(store), _core(engine))
        yield Row("rotate, SQLite WAL", ours, "one Core statement", theirs, 1 / 0.9)
        engine.dispose()
    memory = MemoryStore()
    memory.open(a_session())
    ours, theirs = race(_rotating(memory), lambda: memory.find("s" * 32))
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


def _rotating(store: MemoryStore | SQLAlchemyStore) -> object:
    generation = 0

    def rotate() -> None:
        nonlocal generation
        won = store.rotate("s" * 32, generation, kid="k", now=NOW, idle=1000, grace=0)
        if won is None:
            raise AssertionError("nobody else rotates here")
        generation = won.generation

    return rotate


def _core(engine: sa.Engine) -> object:
    statement = (
        sa.update(sessions)
        .where(sessions.c.id == sa.bindparam("sid"))
        .values(generation=sessions.c.generation + 1, rotated_at=sa.bindparam("at"))
        .returning(*sessions.c)
    )

    def update() -> None:
        with engine.begin() as connection:
            connection.execute(statement, {"sid": "t" * 32, "at": NOW}).first()

    return update
