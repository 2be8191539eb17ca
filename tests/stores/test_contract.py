"""Every store passes the one inherited suite, on the real database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from resilient_auth import (
    AsyncRedisStore,
    AsyncSQLAlchemyStore,
    MemoryStore,
    RedisStore,
    SQLAlchemyStore,
)
from resilient_auth.stores.sqlalchemy import metadata
from resilient_auth.testing import BlockingStore, StoreContract


def blocking(engine: AsyncEngine) -> BlockingStore:
    """Return the asynchronous SQL store over *engine*, emptied, with its loop."""

    async def make() -> AsyncSQLAlchemyStore:
        """Empty the table and return the store."""
        store = AsyncSQLAlchemyStore(engine)
        async with engine.begin() as connection:
            await connection.run_sync(metadata.drop_all)
        await store.create_schema()
        return store

    return BlockingStore(make, engine.dispose)


def emptied(engine: sa.Engine) -> SQLAlchemyStore:
    """Return the SQL store over *engine*, with an empty table."""
    metadata.drop_all(engine)
    store = SQLAlchemyStore(engine)
    store.create_schema()
    return store


class TestMemory(StoreContract):
    """Sessions in this process."""

    @pytest.fixture
    def store(self) -> MemoryStore:
        """Return an empty store."""
        return MemoryStore()


class TestSQLite(StoreContract):
    """SQLite through its standard driver, in a file that threads share."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SQLAlchemyStore]:
        """Yield an empty store, closed afterwards."""
        engine = sa.create_engine(f"sqlite:///{tmp_path}/sessions.db")
        yield emptied(engine)
        engine.dispose()


class TestAsyncSQLite(StoreContract):
    """SQLite through aiosqlite."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[BlockingStore]:
        """Yield an empty store, closed afterwards."""
        store = blocking(
            create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/sessions.db")
        )
        yield store
        store.close()


class TestPostgreSQL(StoreContract):
    """PostgreSQL through psycopg."""

    @pytest.fixture
    def store(self, postgres: sa.URL) -> Iterator[SQLAlchemyStore]:
        """Yield an empty store, closed afterwards."""
        engine = sa.create_engine(postgres.set(drivername="postgresql+psycopg"))
        yield emptied(engine)
        engine.dispose()


class TestWatchedPostgreSQL(StoreContract):
    """The same while a tracer listens: SQLAlchemy runs the statements."""

    @pytest.fixture
    def store(self, postgres: sa.URL) -> Iterator[SQLAlchemyStore]:
        """Yield an empty store, closed afterwards."""
        engine = sa.create_engine(postgres.set(drivername="postgresql+psycopg"))
        sa.event.listen(engine, "before_cursor_execute", lambda *_: None)
        yield emptied(engine)
        engine.dispose()


class TestAsyncPostgreSQL(StoreContract):
    """PostgreSQL through asyncpg."""

    @pytest.fixture
    def store(self, postgres: sa.URL) -> Iterator[BlockingStore]:
        """Yield an empty store, closed afterwards."""
        store = blocking(
            create_async_engine(postgres.set(drivername="postgresql+asyncpg"))
        )
        yield store
        store.close()


class TestRedis(StoreContract):
    """A real Valkey through redis-py, whether the client decodes or not."""

    @pytest.fixture(params=[False, True], ids=["bytes", "text"])
    def store(
        self, request: pytest.FixtureRequest, valkey: str
    ) -> Iterator[RedisStore]:
        """Yield an empty store, closed afterwards."""
        with redis.Redis.from_url(valkey, decode_responses=request.param) as client:
            client.flushdb()
            yield RedisStore(client)


class TestAsyncRedis(StoreContract):
    """The same through redis-py's own loop."""

    @pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
    def store(
        self, request: pytest.FixtureRequest, valkey: str
    ) -> Iterator[BlockingStore]:
        """Yield an empty store, closed afterwards."""
        client = redis.asyncio.Redis.from_url(valkey, protocol=request.param)

        async def make() -> AsyncRedisStore:
            """Empty the database and return the store."""
            await client.flushdb()
            return AsyncRedisStore(client)

        store = BlockingStore(make, client.aclose)
        yield store
        store.close()


class TestRedisCluster(StoreContract):
    """A cluster refuses a script that touches keys of two slots."""

    @pytest.fixture
    def store(self, valkey_cluster: str) -> Iterator[RedisStore]:
        """Yield an empty store, closed afterwards."""
        with redis.RedisCluster.from_url(valkey_cluster) as client:
            client.flushdb()
            yield RedisStore(client)


class TestAsyncRedisCluster(StoreContract):
    """The same through the loop."""

    @pytest.fixture
    def store(self, valkey_cluster: str) -> Iterator[BlockingStore]:
        """Yield an empty store, closed afterwards."""
        clients = []

        async def make() -> AsyncRedisStore:
            """Empty the database and return the store."""
            client = redis.asyncio.RedisCluster.from_url(valkey_cluster)
            clients.append(client)
            await client.flushdb()
            return AsyncRedisStore(client)

        async def close() -> None:
            """Close the client in its own loop."""
            await clients[0].aclose()

        store = BlockingStore(make, close)
        yield store
        store.close()


class TestRedisSaysEverythingTwice(StoreContract):
    """A driver repeats a command whose answer was lost; nobody can tell."""

    @pytest.fixture
    def store(self, valkey: str) -> Iterator[RedisStore]:
        """Yield an empty store, closed afterwards."""
        with Stammering.from_url(valkey) as client:
            client.flushdb()
            yield RedisStore(client)


class Stammering(redis.Redis):
    """A client that sends each script twice and hears the second answer."""

    def evalsha(self, *said: object) -> object:
        """Lose the first answer."""
        super().evalsha(*said)
        return super().evalsha(*said)
