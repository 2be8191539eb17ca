"""
How is a stream read? One attempt, from opening to end; the `Transcript` judges it.

Slot and ticket are given back before the source is closed: a source that hangs in its
clean-up blocks nobody. The twins differ in one thing. A task that reads is interrupted
by the `Watch` when its time is up; a thread cannot be, so that its deadlines are looked
at between items, and its client needs a read timeout against silence.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Generator
from sys import exception
from typing import Any, Generic, TypeVar

from resilient_auth.errors import DeadlineExceeded
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.lane import Failure, Lane
from resilient_auth.resilience.transcript import Shape, Transcript
from resilient_auth.resilience.watch import Watch

Item = TypeVar("Item")

_log = logging.getLogger("resilient_auth")

_CLOSE_WITHIN = 5.0


class Reading(Generic[Item]):
    """A generator that was admitted; one thread at a time."""

    __slots__ = ("_deadline", "_first_content", "_key", "_source", "said")

    def __init__(
        self,
        lane: Lane,
        said: Transcript[Item],
        source: Generator[Item, None, None],
        deadline: Deadline | None,
    ) -> None:
        self.said: Transcript[Item] = said
        self._source = source
        self._key = lane.key
        self._deadline = deadline
        self._first_content = lane.policy.timeouts.first_content

    def begin(self) -> Failure | None:
        """Read up to the first content; a `Failure` is settled and closed already."""
        handling = exception()
        try:
            while self.said.hold(self._next()):
                self._require_content()
        except StopIteration:
            return self._failed(None, handling)
        except Exception as error:  # noqa: BLE001 - judged here, raised in the end
            return self._failed(error, handling)
        return None

    def pull(self) -> Item:
        """
        Return the next item; raises `StopIteration` after a complete stream.

        Raises `StreamInterrupted` from whatever else ended it.
        """
        handling = exception()
        try:
            item = self._next()
        except StopIteration:
            if self.said.ended():
                raise
            raise self.said.interrupted(None) from None
        except Exception as error:
            if self.said.complete:
                raise StopIteration from error
            raise self.said.interrupted(error, handling) from error
        self.said.hand_on(item)
        return item

    def close(self) -> None:
        """Give slot and ticket back, then close the source; safe to call again."""
        self.said.close()
        try:
            self._source.close()
        except Exception as error:  # noqa: BLE001 - the outcome is settled already
            _tell_unclosed(self._key, error)

    def _failed(
        self, error: Exception | None, handling: BaseException | None
    ) -> Failure:
        # No frame that *error* knows may hold its failure: the two would be a cycle.
        failure = self.said.failed(error, handling)
        self.close()
        return failure

    def _next(self) -> Item:
        if self._deadline is not None and not self.said.complete:
            self._deadline.require()
        if self.said.is_probe:
            with self.said.pulling():
                return next(self._source)
        return next(self._source)

    def _require_content(self) -> None:
        """Refuse to wait on for content: items that are none do not count."""
        allowed = self._first_content
        if allowed is not None and self.said.waited > allowed:
            raise DeadlineExceeded("first_content", allowed)


class AsyncReading(Generic[Item]):
    """An async generator that was admitted; belongs to one event loop."""

    __slots__ = ("_key", "_quiet", "_source", "_watch", "said")

    def __init__(
        self,
        lane: Lane,
        said: Transcript[Item],
        source: AsyncGenerator[Item, None],
        deadline: Deadline | None,
    ) -> None:
        self.said: Transcript[Item] = said
        self._source = source
        self._key = lane.key
        self._watch = Watch(source, lane.policy.timeouts, deadline)

    async def begin(self) -> Failure | None:
        """Read up to the first content; a `Failure` is settled and closed already."""
        handling = exception()
        try:
            while self.said.hold(await self._next()):
                pass
        except StopAsyncIteration:
            return await self._failed(None, handling)
        except Exception as error:  # noqa: BLE001 - judged here, raised in the end
            return await self._failed(error, handling)
        if self.said.content or self.said.complete:
            self._watch.content_seen()
        return None

    async def pull(self) -> Item:
        """
        Return the next item; raises `StopAsyncIteration` after a complete stream.

        Raises `StreamInterrupted` from whatever else ended it.
        """
        said, handling = self.said, exception()
        waiting = not (said.content or said.complete)
        try:
            item = await self._next()
        except StopAsyncIteration:
            if said.ended():
                raise
            raise said.interrupted(None) from None
        except Exception as error:
            if said.complete:
                raise StopAsyncIteration from error
            raise said.interrupted(error, handling) from error
        said.hand_on(item)
        if waiting and (said.content or said.complete):
            self._watch.content_seen()
        return item

    async def close(self) -> None:
        """Give slot and ticket back, then close the source; safe to call again."""
        self.said.close()
        self._watch.stop()
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                await self._source.aclose()
        except Exception as error:  # noqa: BLE001 - the outcome is settled already
            _tell_unclosed(self._key, error)

    async def _next(self) -> Item:
        if self.said.is_probe:
            with self.said.pulling():
                return await self._watch.pull()
        return await self._watch.pull()

    async def _failed(
        self, error: Exception | None, handling: BaseException | None
    ) -> Failure:
        failure = self.said.failed(error, handling)
        await self.close()
        return failure


def open_reading(
    lane: Lane,
    deadline: Deadline | None,
    shape: Shape,
    start: Callable[[], Generator[Item, None, None]],
) -> Reading[Item] | Failure:
    """
    Make one attempt: return a `Reading` that has content, or the `Failure`.

    Raises our own rejections, cancellations, and what *shape*'s callables raise.
    """
    source = start()
    lane.acquire(deadline)
    reading = Reading(lane, _admitted(lane, deadline, shape), source, deadline)
    try:
        failure = reading.begin()
    except BaseException:
        reading.close()
        raise
    return reading if failure is None else failure


async def aopen_reading(
    lane: Lane,
    deadline: Deadline | None,
    shape: Shape,
    start: Callable[[], AsyncGenerator[Item, None]],
) -> AsyncReading[Item] | Failure:
    """Do the same with an async generator."""
    source = start()
    await lane.aacquire(deadline)
    reading = AsyncReading(lane, _admitted(lane, deadline, shape), source, deadline)
    try:
        failure = await reading.begin()
    except BaseException:
        await reading.close()
        raise
    return reading if failure is None else failure


def _admitted(lane: Lane, deadline: Deadline | None, shape: Shape) -> Transcript[Any]:
    """Take a ticket for a stream that has a slot, or give the slot back."""
    try:
        if deadline is not None:
            deadline.require()
        ticket = lane.breaker.admit()
    except BaseException:
        lane.release()
        raise
    return Transcript(lane, ticket, shape, deadline)


def _tell_unclosed(key: str, error: Exception) -> None:
    # Without its text and its trace, which may quote what was said.
    _log.warning("A stream of %s did not close: %s", key, type(error).__name__)
