"""How is the database reached? By an engine that gives up soon."""

from examples.chatbot.models import Base
from sqlalchemy import AsyncAdaptedQueuePool, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from resilient_auth import engine_settings

_PATIENCE = 1.0  # seconds that a statement waits for a lock


def open_engine(url: str) -> AsyncEngine:
    """
    Return an engine for *url*, whose statements fail after a second without the lock.

    Without that, a stopped database would look like a slow page. SQLite has one writer
    and keeps no queue: of many that try again by chance some starve. So there is one
    connection, for which requests wait in order.
    """
    one = {"pool_size": 1, "max_overflow": 0, "poolclass": AsyncAdaptedQueuePool}
    is_sqlite = make_url(url).get_backend_name() == "sqlite"
    settings = engine_settings(
        url,
        lock_timeout=_PATIENCE,
        pool_timeout=_PATIENCE,
        **(one if is_sqlite else {}),
    )
    return create_async_engine(url, **settings)


async def create_tables(engine: AsyncEngine) -> None:
    """Create the chatbot's own tables where they are missing."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
