"""How is a database stopped for five seconds? By a lock that nobody else gets past."""

import asyncio
import time
from contextlib import suppress

from examples.chatbot.feed import Feed
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

SECONDS = 5
_LOCKED = "users, conversations, messages, ra_sessions"


class Outage:
    """
    Stops the database that *engine* reaches, for one outage at a time.

    Nobody else may use *engine*: who holds the lock must not be in anybody's way.
    """

    def __init__(self, engine: AsyncEngine, feed: Feed) -> None:
        self._engine = engine
        self._feed = feed
        self._until = 0.0
        self._task: asyncio.Task[None] | None = None

    def left(self) -> float:
        """Return the seconds until the database is back, 0 while it runs."""
        return max(0.0, self._until - time.monotonic())

    def begin(self) -> None:
        """Stop the database, if it is not stopped already."""
        if self._task is None or self._task.done():
            self._until = time.monotonic() + SECONDS
            self._feed.note("you_stopped_database", seconds=SECONDS)
            self._task = asyncio.create_task(self._hold())

    async def close(self) -> None:
        """Let the database go at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _hold(self) -> None:
        """
        Hold the lock: SQLite's exclusive one blocks readers too, when it is not WAL.

        PostgreSQL's ACCESS EXCLUSIVE does the same for the tables it names.
        """
        lock = f"LOCK TABLE {_LOCKED} IN ACCESS EXCLUSIVE MODE"
        if self._engine.dialect.name == "sqlite":
            lock = "BEGIN EXCLUSIVE"
        try:
            with suppress(SQLAlchemyError):  # busy: then it is slow enough already
                async with self._engine.connect() as connection:
                    await connection.execute(text(lock))
                    await asyncio.sleep(self.left())
        finally:
            self._until = 0.0
            self._feed.note("database_is_back")
