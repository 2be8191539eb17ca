"""A store without its tables: somebody forgot the migration; waiting creates none."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from resilient_auth import AsyncSQLAlchemyStore, SQLAlchemyStore, Unavailable

NOT_THERE = "no such table|does not exist"


async def find_async(url: sa.URL) -> None:
    """Ask the asynchronous store for a session."""
    engine = create_async_engine(url)
    try:
        await AsyncSQLAlchemyStore(engine).find("s" * 32)
    finally:
        await engine.dispose()


def find(url: sa.URL) -> None:
    """Ask the store for a session."""
    engine = sa.create_engine(url)
    try:
        SQLAlchemyStore(engine).find("s" * 32)
    finally:
        engine.dispose()


@pytest.mark.parametrize("driver", ["sqlite", "sqlite+aiosqlite"])
def test_a_missing_table_of_sqlite_is_no_outage(driver: str, tmp_path: Path) -> None:
    """SQLite calls it operational, as it does a lock."""
    url = sa.URL.create(driver, database=str(tmp_path / "empty.db"))

    with pytest.raises(Exception, match=NOT_THERE) as caught:
        asyncio.run(find_async(url)) if "aio" in driver else find(url)

    assert not isinstance(caught.value, Unavailable)


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_a_missing_table_of_postgresql_is_no_outage(
    driver: str, postgres: sa.URL
) -> None:
    """The server says 42P01, a mistake in the program."""
    owner = sa.create_engine(postgres.set(drivername="postgresql+psycopg"))
    with owner.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS ra_sessions, ra_consumed"))
    owner.dispose()
    url = postgres.set(drivername=driver)

    with pytest.raises(Exception, match=NOT_THERE) as caught:
        asyncio.run(find_async(url)) if "asyncpg" in driver else find(url)

    assert not isinstance(caught.value, Unavailable)
