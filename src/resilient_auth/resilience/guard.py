"""
How is a block guarded? Slot, ticket and time limit around it, sync or async.

A block cannot be run again, so nothing is retried. As with calls, only a task can be
cut short; a plain block finds its limit in `Deadline.left()`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from sys import exception
from types import TracebackType

from resilient_auth.errors import ConfigError, DeadlineExceeded
from resilient_auth.resilience.attempt import time_limit
from resilient_auth.resilience.breaker import Ticket, riding
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.lane import Failure, Lane
from resilient_auth.resilience.verdict import KINDS

#: Makes the deadline of one call, to be entered.
Scope = Callable[[], AbstractContextManager[Deadline | None]]

_CANCELLED = KINDS["cancelled"]


class Guard:
    """A guarded block: enter it once, with ``with`` or with ``async with``."""

    __slots__ = ("_async", "_entered", "_sync")

    def __init__(self, lane: Lane, scope: Scope) -> None:
        self._sync = _block(lane, scope)
        self._async = _ablock(lane, scope)
        self._entered = False

    def __enter__(self) -> None:
        self._enter()
        self._sync.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return self._sync.__exit__(kind, error, traceback)

    async def __aenter__(self) -> None:
        self._enter()
        await self._async.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._async.__aexit__(kind, error, traceback)

    def _enter(self) -> None:
        if self._entered:
            raise ConfigError("A guard is entered once; call guard() again.")
        self._entered = True


@contextmanager
def _block(lane: Lane, scope: Scope) -> Iterator[None]:
    """Hold slot and ticket around a block."""
    with scope() as deadline:
        lane.acquire(deadline)
        try:
            limit, _, _ = time_limit(lane, deadline)
            with _recorded(lane, deadline):
                if limit is None:
                    yield
                else:
                    with Deadline(limit, clock=lane.clock):
                        yield
        finally:
            lane.release()


@asynccontextmanager
async def _ablock(lane: Lane, scope: Scope) -> AsyncIterator[None]:
    """Hold slot, ticket and time limit around a block."""
    with scope() as deadline:
        await lane.aacquire(deadline)
        try:
            limits = time_limit(lane, deadline)
            with _recorded(lane, deadline):
                async with _limited(*limits):
                    yield
        finally:
            lane.release()


@contextmanager
def _recorded(lane: Lane, deadline: Deadline | None) -> Iterator[None]:
    """Admit a block, judge how it ends, and record it."""
    handling = exception()
    started = lane.now()
    ticket: Ticket = lane.breaker.admit()
    try:
        with riding(ticket):
            yield
    except Exception as error:
        failure = lane.fail(
            ticket,
            Failure(error, lane.judge(error, handling=handling)),
            elapsed=lane.now() - started,
            fair_share=lane.fair_share,
            deadline=deadline,
        )
        lane.give_up(failure, attempts=1, why="not_retryable")
        del failure  # its error is raised, and knows this frame
        raise
    except BaseException:
        lane.breaker.fail(ticket, _CANCELLED)
        raise
    lane.breaker.succeed(ticket, slow=lane.now() - started > lane.slow_after)


@asynccontextmanager
async def _limited(
    limit: float | None, what: str, allowed: float
) -> AsyncIterator[None]:
    """Bound a block as `timed` bounds a call."""
    timer = asyncio.timeout(limit)
    try:
        async with timer:
            yield
    except TimeoutError as error:
        if not timer.expired():
            raise
        raise DeadlineExceeded(what, allowed) from error
