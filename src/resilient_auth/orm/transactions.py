"""
How does a transaction survive the restart of its database?

It is run again from its beginning, on a new session, as long as nothing of it can have
been saved. That is known until COMMIT is sent, and again when the server answers it. In
between, a lost connection leaves the outcome open: then a blind second try could write
twice and a blind failure lose a write, so the caller is told `CommitOutcomeUnknown`.

The twins differ in `await` alone. What follows from an error is decided in `outcomes`
and `course`, and `lent` watches what the work does with the session.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from resilient_auth.core import arguments
from resilient_auth.errors import ConfigError
from resilient_auth.events import Listener
from resilient_auth.orm.course import Course, alone
from resilient_auth.orm.lent import Lent, refuse_factory, refuse_result, refuse_session
from resilient_auth.resilience.policy import Backoff

R = TypeVar("R")
S = TypeVar("S", bound=Session)
A = TypeVar("A", bound=AsyncSession)

_BACKOFF = Backoff(first=0.05, cap=1.0)


def run_in_transaction(
    session_factory: Callable[[], S],
    work: Callable[[S], R],
    *,
    attempts: int = 3,
    idempotent: bool = False,
    backoff: Backoff = _BACKOFF,
    listeners: Iterable[Listener] = (),
) -> R:
    """
    Return what *work* returns, once the transaction that it ran in is saved.

    *work* is called with a new session and leaves commit, rollback and close to us. It
    may be called up to *attempts* times, so it does nothing that cannot be undone: no
    mail, no call to others. Tried again, after a wait with full jitter and inside the
    `Deadline`, is what lost a race (serialization, deadlock, a lock, SQLite's busy) and
    what lost its connection before COMMIT was sent; with *idempotent*, which says that
    two runs write what one does, also what lost it during COMMIT. Blocks; may be called
    from any thread.

    Raises: `CommitOutcomeUnknown` when it may or may not have been saved; otherwise
    nothing was, unless it was a hook after COMMIT that raised. `Unavailable` for an
    outage, the database's error being its cause (a pool that is exhausted is not waited
    for twice); `DeadlineExceeded` when no time is left to begin a try; `ConfigError`
    for misuse, such as a call inside another; and whatever else *work* or the database
    raises, as it is.
    """
    refuse_factory(session_factory, asynchronous=False)
    course = Course(work, attempts, idempotent, backoff, listeners)
    if arguments.is_awaited(work) or inspect.isasyncgenfunction(work):
        raise ConfigError("work is an async def; arun_in_transaction takes it.")
    with alone():
        while True:
            course.begin()
            session = session_factory()
            refuse_session(session, asynchronous=False)
            lent = Lent(session)
            try:
                result = work(session)
                refuse_result(result)
                lent.commit(session)
            except Exception as error:
                retry = course.after(error, lent.standing)
                if retry is None:
                    raise
            else:
                return result
            finally:
                _close(session)
                lent.end()
            course.announce(retry)
            time.sleep(retry.wait)


async def arun_in_transaction(
    session_factory: Callable[[], A],
    work: Callable[[A], Awaitable[R]],
    *,
    attempts: int = 3,
    idempotent: bool = False,
    backoff: Backoff = _BACKOFF,
    listeners: Iterable[Listener] = (),
) -> R:
    """
    Do the same with an `AsyncSession` and *work* that is awaited.

    A task that is cancelled is rolled back, unless COMMIT was sent: then it may have
    been saved, and nothing is told but that it was cancelled.
    """
    refuse_factory(session_factory, asynchronous=True)
    course = Course(work, attempts, idempotent, backoff, listeners)
    with alone():
        while True:
            course.begin()
            session = session_factory()
            refuse_session(session, asynchronous=True)
            lent = Lent(session.sync_session)
            try:
                result = await _awaitable(work(session))
                refuse_result(result)
                await session.run_sync(lent.commit)
            except Exception as error:
                retry = course.after(error, lent.standing)
                if retry is None:
                    raise
            else:
                return result
            finally:
                # Whoever is cancelled a second time waits no longer; this goes on.
                await asyncio.shield(asyncio.create_task(_aclose(session, lent)))
            course.announce(retry)
            await asyncio.sleep(retry.wait)


def _awaitable(made: Awaitable[R]) -> Awaitable[R]:
    if not inspect.isawaitable(made):
        raise ConfigError(
            "work is to be an async def; run_in_transaction takes one that is plain."
        )
    return made


def _close(session: Session) -> None:
    """
    Roll back what is open, and close; a dead connection's complaint says nothing new.

    Closing alone would leave objects that were flushed as if they were in the database,
    and the next try, which adds the same ones, would not insert them.
    """
    with suppress(Exception):
        session.rollback()
    try:
        session.close()
    except Exception:  # noqa: BLE001 - what came before it is what the caller needs
        with suppress(Exception):
            session.invalidate()


async def _aclose(session: AsyncSession, lent: Lent) -> None:
    try:
        await session.run_sync(_close)
    finally:
        lent.end()
