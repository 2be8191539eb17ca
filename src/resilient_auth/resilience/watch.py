"""
Has this stream gone quiet? One timer for a whole stream, instead of one per item.

The timer cancels the pull in progress when it is overdue, and the cancellation is
turned into `DeadlineExceeded` where the pull began. It sleeps while nobody pulls, so
the time that a consumer takes is never silence; the total alone goes on.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from resilient_auth.errors import DeadlineExceeded
from resilient_auth.resilience.alarm import Alarm
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.policy import Timeouts

Item = TypeVar("Item")


class Watch(Generic[Item]):
    """The pulls of one stream, each bounded; belongs to one event loop."""

    __slots__ = (
        "_alarm",
        "_begun",
        "_ends_at",
        "_loop",
        "_pulled_at",
        "_seen",
        "_source",
        "_timeouts",
        "_timer",
        "_total",
    )

    def __init__(
        self,
        source: AsyncIterator[Item],
        timeouts: Timeouts,
        deadline: Deadline | None,
    ) -> None:
        self._source = source
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._begun = self._pulled_at = self._loop.time()
        self._total = 0.0 if deadline is None else deadline.seconds
        left = math.inf if deadline is None else deadline.remaining()
        self._ends_at = self._begun + left
        self._seen = False
        self._alarm: Alarm | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def pull(self) -> Item:
        """
        Return the next item of the source; raises what the source raises.

        Raises `DeadlineExceeded` naming the limit (``first_content``, ``idle`` or
        ``total``) that ran out. One pull at a time.
        """
        self._alarm = alarm = Alarm()
        self._pulled_at = self._loop.time()
        if self._timer is None:
            self._arm()
        try:
            item = await self._source.__anext__()
        except BaseException as error:
            if alarm.rang and alarm.explains(error):
                raise self._overdue() from error
            raise
        finally:
            self._alarm = None
        if alarm.rang:  # the source swallowed our cancellation
            alarm.take_back()
            raise self._overdue()
        return item

    def content_seen(self) -> None:
        """Note that content came: from here on silence between items counts."""
        self._seen = True
        self.stop()

    def stop(self) -> None:
        """Take the timer down; the next pull sets it again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _limit(self) -> tuple[float, str, float]:
        """Return when the pull is overdue (loop time), by which limit, of how long."""
        if self._seen:
            name, since, allowed = "idle", self._pulled_at, self._timeouts.idle
        else:
            name, since, allowed = (
                "first_content",
                self._begun,
                self._timeouts.first_content,
            )
        if allowed is None or self._ends_at <= since + allowed:
            return self._ends_at, "total", self._total
        return since + allowed, name, allowed

    def _overdue(self) -> DeadlineExceeded:
        _, name, allowed = self._limit()
        return DeadlineExceeded(name, allowed)

    def _arm(self) -> None:
        at, _, _ = self._limit()
        if at < math.inf:
            self._timer = self._loop.call_at(at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._alarm is None:
            return
        if self._loop.time() < self._limit()[0]:
            self._arm()
            return
        self._alarm.ring()
