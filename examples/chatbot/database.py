"""How is the database reached? One engine that gives up soon, and says so as 503."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from examples.chatbot.models import Base
from sqlalchemy import AsyncAdaptedQueuePool, make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from resilient_auth import Unavailable

_PATIENCE = 1.0  # seconds that a statement waits for a lock
_OUTAGES = (OperationalError, InterfaceError, PoolTimeout, OSError)


def open_engine(url: str) -> AsyncEngine:
    """
    Return an engine for *url*, whose statements fail after a second without the lock.

    Without that, a stopped database would look like a slow page. SQLite has one writer
    and keeps no queue: of many that try again by chance some starve. So there is one
    connection, for which requests wait in order.
    """
    is_sqlite = make_url(url).get_backend_name() == "sqlite"
    return create_async_engine(
        url,
        connect_args={"timeout" if is_sqlite else "command_timeout": _PATIENCE},
        poolclass=AsyncAdaptedQueuePool,
        pool_size=1 if is_sqlite else 5,
        max_overflow=0 if is_sqlite else 10,
        pool_timeout=_PATIENCE,
        pool_pre_ping=not is_sqlite,
        hide_parameters=True,  # what people say belongs into no error and no log
    )


async def create_tables(engine: AsyncEngine) -> None:
    """Create the chatbot's own tables where they are missing."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


@asynccontextmanager
async def outages_are_503() -> AsyncIterator[None]:
    """Tell the database's own trouble as `Unavailable`; a bug stays a bug."""
    try:
        yield
    except _OUTAGES as error:
        raise Unavailable(
            "store_unavailable",
            "The database does not answer right now.",
            reason=f"database: {type(error).__name__}",
        ) from error
