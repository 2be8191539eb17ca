"""A database in trouble is 503 and comes back; a bug in the schema stays a bug."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from resilient_auth import AsyncSQLAlchemyStore, SQLAlchemyStore, Unavailable
from resilient_auth.stores.sqlalchemy import metadata
from resilient_auth.testing import BlockingStore
from resilient_auth.testing.stores import NOW, a_session

Store = SQLAlchemyStore | BlockingStore
ASK = {"kid": "k", "now": NOW, "idle": 10, "grace": 0}
# Waits for each to be gone.
KILL = sa.text(
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
    "WHERE application_name = 'victim'"
)


@pytest.fixture
def owner(postgres: sa.URL) -> Iterator[sa.Engine]:
    """Return an engine that owns an empty table in the real PostgreSQL."""
    engine = sa.create_engine(postgres.set(drivername="postgresql+psycopg"))
    metadata.drop_all(engine)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=["psycopg", "asyncpg"])
def store(
    request: pytest.FixtureRequest, postgres: sa.URL, owner: sa.Engine
) -> Iterator[Store]:
    """Return a store over the table, by both drivers; it waits 100 ms for a lock."""
    url = postgres.set(drivername=f"postgresql+{request.param}")
    if request.param == "psycopg":
        options = {"options": "-c lock_timeout=100 -c application_name=victim"}
        engine = sa.create_engine(url, connect_args=options)
        yield SQLAlchemyStore(engine)
        engine.dispose()
        return
    settings = {"lock_timeout": "100", "application_name": "victim"}
    engine = create_async_engine(url, connect_args={"server_settings": settings})

    async def make() -> AsyncSQLAlchemyStore:
        return AsyncSQLAlchemyStore(engine)

    blocking = BlockingStore(make, engine.dispose)
    yield blocking
    blocking.close()


def test_a_locked_table_is_unavailable_and_comes_back(
    store: Store, owner: sa.Engine
) -> None:
    """A lock that is held for too long is an outage like any other."""
    store.open(a_session())
    with owner.begin() as holder:
        holder.execute(sa.text("LOCK TABLE ra_sessions IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(Unavailable) as caught:
            store.rotate("s" * 32, 0, **ASK)

    assert caught.value.code == "store_unavailable"
    assert caught.value.retry_after
    assert store.find("s" * 32) == a_session()
    assert store.rotate("s" * 32, 0, **ASK) is not None


def test_a_terminated_backend_is_unavailable_once(
    store: Store, owner: sa.Engine
) -> None:
    """A fail-over ends connections; the next call opens a new one."""
    store.open(a_session())
    with owner.begin() as killer:
        killer.execute(KILL)
    with pytest.raises(Unavailable):
        store.rotate("s" * 32, 0, **ASK)

    assert store.find("s" * 32) == a_session()
    assert store.rotate("s" * 32, 0, **ASK) is not None


def test_one_dead_connection_tells_of_all(store: Store, owner: sa.Engine) -> None:
    """A pool is not emptied by one failed request for each connection in it."""
    store.open(a_session())
    barrier = threading.Barrier(4)

    def ask() -> object:
        barrier.wait()
        return store.find("s" * 32)

    with owner.begin() as holder, ThreadPoolExecutor(4) as pool:
        # Held up, so that each of the four needs a connection of its own.
        holder.execute(sa.text("LOCK TABLE ra_sessions IN ACCESS EXCLUSIVE MODE"))
        asked = [pool.submit(ask) for _ in range(4)]
        failed = [isinstance(each.exception(), Unavailable) for each in asked]
    with owner.begin() as killer:
        killed = killer.execute(KILL).all()
    with pytest.raises(Unavailable):
        store.find("s" * 32)

    assert [True] * 4 == failed
    assert [True] * 4 == [each for (each,) in killed]
    assert [a_session()] * 4 == [store.find("s" * 32) for _ in range(4)]


def test_a_missing_table_is_a_bug(store: Store, owner: sa.Engine) -> None:
    """503 would promise that trying again helps; this needs a developer."""
    metadata.drop_all(owner)
    with pytest.raises(Exception, match="does not exist") as caught:
        store.find("s" * 32)

    assert not isinstance(caught.value, Unavailable)


def test_an_unreachable_server_is_unavailable() -> None:
    """Nobody listens: refused at once, without a DSN in the public text."""
    engine = sa.create_engine("postgresql+psycopg://u:secret@127.0.0.1:1/db")
    with pytest.raises(Unavailable) as caught:
        SQLAlchemyStore(engine).find("s" * 32)
    engine.dispose()

    assert "secret" not in str(caught.value.problem()) + str(caught.value)


def test_an_exclusive_lock_on_sqlite_is_unavailable(tmp_path: Path) -> None:
    """The demo stops its database in this way: readers and writers alike."""
    path = tmp_path / "sessions.db"
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 0.05})
    store = SQLAlchemyStore(engine)
    store.create_schema()
    store.open(a_session())
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable):
        store.find("s" * 32)
    with pytest.raises(Unavailable):
        store.end("s" * 32, now=NOW, reason="x")
    holder.execute("ROLLBACK")
    holder.close()

    assert store.find("s" * 32) == a_session()
    engine.dispose()
