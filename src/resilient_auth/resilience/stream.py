"""
Did the whole answer arrive? One attempt at a stream, read from opening to end.

* Success is the terminal marker, or with ``eof_ok`` a clean end after content. What
  follows the marker (usage, an error, silence) cannot undo it.
* Items before the first content are held back, so that until then an attempt can fail
  and be made again without anybody having seen anything.
* After it, whatever goes wrong is `StreamInterrupted` with the text that came.
* The ticket and the slot are held until marker and end, failure, or close, and given
  back before the source is closed: a source that hangs in its clean-up blocks nobody.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from resilient_auth.errors import StreamInterrupted
from resilient_auth.events import StreamBroken, tell
from resilient_auth.resilience.breaker import Ticket
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.lane import Failure, Lane
from resilient_auth.resilience.verdict import KINDS, Verdict, classify
from resilient_auth.resilience.watch import Watch

Item = TypeVar("Item")

_log = logging.getLogger("resilient_auth")

#: Items held back before the first content; with more, they are handed on as they come.
HELD = 256
_CLOSE_WITHIN = 5.0
_CANCELLED = KINDS["cancelled"]
_TRUNCATED = KINDS["truncated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """
    How to read a stream's items.

    *text* returns an item's text; anything true counts as content. *final* says whether
    an item is the terminal marker.
    """

    text: Callable[[Any], object]
    final: Callable[[Any], object]
    eof_ok: bool


class Reading(Generic[Item]):
    """A stream that was admitted; belongs to one event loop."""

    __slots__ = (
        "_complete",
        "_content",
        "_deadline",
        "_first_after",
        "_handed",
        "_lane",
        "_settled",
        "_shape",
        "_source",
        "_started",
        "_texts",
        "_ticket",
        "_watch",
        "held",
    )

    def __init__(
        self,
        lane: Lane,
        ticket: Ticket,
        source: AsyncGenerator[Item, None],
        shape: Shape,
        deadline: Deadline | None,
    ) -> None:
        self._lane = lane
        self._ticket = ticket
        self._source = source
        self._shape = shape
        self._deadline = deadline
        self._watch = Watch(source, lane.policy.timeouts, deadline)
        self._started = lane.now()
        self._first_after = 0.0
        self._content = self._complete = self._settled = False
        self._handed = 0
        self._texts: list[str] = []
        #: What came up to the first content, to be handed on first.
        self.held: deque[Item] = deque()

    async def begin(self) -> Failure | None:
        """Read up to the first content; a `Failure` is settled and closed already."""
        while not self._content and not self._complete and len(self.held) < HELD:
            try:
                item = await self._watch.pull()
            except StopAsyncIteration:
                truncated = StreamInterrupted("", reason="ended without content")
                return await self._fail(truncated, _TRUNCATED)
            except Exception as error:  # noqa: BLE001 - judged here, raised in the end
                return await self._fail(error, classify(error))
            self._note(item)
            self.held.append(item)
        self._first_after = self._lane.now() - self._started
        self._handed = len(self.held)
        return None

    async def pull(self) -> Item:
        """
        Return the next item; raises `StopAsyncIteration` after a complete stream.

        Raises `StreamInterrupted` from whatever else ended it.
        """
        try:
            item = await self._watch.pull()
        except StopAsyncIteration:
            self._complete = self._complete or self._shape.eof_ok
            if self._complete:
                raise
            raise self._interrupted(_TRUNCATED) from None
        except Exception as error:
            if self._complete:
                raise StopAsyncIteration from error
            raise self._interrupted(classify(error)) from error
        if not self._complete:
            self._note(item)
        self._handed += 1
        return item

    async def close(self) -> None:
        """Give slot and ticket back, then close the source; safe to call again."""
        if not self._settled:
            self._settled = True
            if self._complete:
                slow = self._first_after > self._lane.slow_after
                self._lane.breaker.succeed(self._ticket, slow=slow)
            else:
                self._lane.breaker.fail(self._ticket, _CANCELLED)
            self._lane.release()
        self._watch.stop()
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                await self._source.aclose()
        except Exception:  # noqa: BLE001 - the outcome of the stream is settled already
            _log.warning("A stream of %s did not close", self._lane.key, exc_info=True)

    def _note(self, item: Item) -> None:
        """Look for content and for the marker in *item*."""
        text = self._shape.text(item)
        if text:
            if isinstance(text, str):
                self._texts.append(text)
            if not self._content:
                self._content = True
                self._watch.content_seen()
        if self._shape.final(item):
            self._complete = True
            self._watch.content_seen()

    async def _fail(self, error: Exception, verdict: Verdict) -> Failure:
        """Settle a failure before the first content, when all can be done again."""
        failure = self._settle_failure(
            Failure(error, verdict),
            elapsed=self._lane.now() - self._started,
            fair_share=self._lane.fair_stream_share,
        )
        await self.close()
        return failure

    def _interrupted(self, verdict: Verdict) -> StreamInterrupted:
        """Settle a failure after the first content, and return what to raise."""
        error = StreamInterrupted("".join(self._texts), reason=verdict.kind)
        self._settle_failure(
            Failure(error, verdict), elapsed=self._first_after, fair_share=math.inf
        )
        lane = self._lane
        event = StreamBroken(
            at=lane.clock.time(), key=lane.key, kind=verdict.kind, items=self._handed
        )
        tell(lane.listeners, event)
        return error

    def _settle_failure(
        self, failure: Failure, *, elapsed: float, fair_share: float
    ) -> Failure:
        self._settled = True
        failure = self._lane.fail(
            self._ticket,
            failure,
            elapsed=elapsed,
            fair_share=fair_share,
            deadline=self._deadline,
        )
        self._lane.release()
        return failure


async def open_reading(
    lane: Lane,
    deadline: Deadline | None,
    shape: Shape,
    start: Callable[[], AsyncGenerator[Item, None]],
) -> Reading[Item] | Failure:
    """
    Make one attempt: return a `Reading` that has content, or the `Failure`.

    Raises our own rejections, cancellations, and what *shape*'s callables raise.
    """
    source = start()
    await lane.acquire(deadline)
    try:
        if deadline is not None:
            deadline.require()
        ticket = lane.breaker.admit()
    except BaseException:
        lane.release()
        raise
    reading = Reading(lane, ticket, source, shape, deadline)
    try:
        failure = await reading.begin()
    except BaseException:
        await reading.close()
        raise
    return reading if failure is None else failure
