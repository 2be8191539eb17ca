"""
What came of a stream so far, and what does its end count as? One admitted attempt.

* Success is the terminal marker, or with ``eof_ok`` a clean end after content. What
  follows the marker (usage, an error, silence) cannot undo it.
* Items before the first content are held back, so that until then an attempt can fail
  and be made again without anybody having seen anything.
* After it, whatever goes wrong is `StreamInterrupted` with the text that came.
* Ticket and slot are given back exactly once: at the end, a failure, or on closing.
"""

import math
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from resilient_auth.errors import StreamInterrupted
from resilient_auth.events import StreamBroken, tell
from resilient_auth.resilience.breaker import Probe, Ticket, riding
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.lane import Failure, Lane
from resilient_auth.resilience.meter import NOTHING
from resilient_auth.resilience.verdict import KINDS

Item = TypeVar("Item")

#: Items held back before the first content; with more, they are handed on as they come.
HELD = 256
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


class Transcript(Generic[Item]):
    """The account of one attempt, whose slot and *ticket* it owns."""

    __slots__ = (
        "_deadline",
        "_first_after",
        "_handed",
        "_lane",
        "_settled",
        "_shape",
        "_started",
        "_texts",
        "_ticket",
        "_used",
        "complete",
        "content",
        "held",
        "is_probe",
    )

    def __init__(
        self, lane: Lane, ticket: Ticket, shape: Shape, deadline: Deadline | None
    ) -> None:
        self._lane = lane
        self._ticket = ticket
        #: Whether the attempt is a probe, whose own calls ride on it.
        self.is_probe: bool = isinstance(ticket, Probe)
        self._shape = shape
        self._deadline = deadline
        self._started = lane.now()
        self._first_after = 0.0
        self._settled = False
        self._handed = 0
        self._texts: list[str] = []
        self._used = NOTHING
        #: Whether content came, and whether the terminal marker did.
        self.content: bool = False
        self.complete: bool = False
        #: What came up to the first content, to be handed on first.
        self.held: deque[Item] = deque()

    @property
    def waited(self) -> float:
        """Return the seconds since the attempt began."""
        return self._lane.now() - self._started

    def pulling(self) -> AbstractContextManager[None]:
        """Return what is around each pull of a probe."""
        return riding(self._ticket)

    def hold(self, item: Item) -> bool:
        """Take an item that comes before the first content; say whether to go on."""
        self.held.append(item)
        self._note(item)
        self._count(item)
        if self.content or self.complete or len(self.held) >= HELD:
            self._first_after = self.waited
            self._handed = len(self.held)
            return False
        return True

    def hand_on(self, item: Item) -> None:
        """Take an item that is handed on."""
        if not self.complete:
            self._note(item)
        self._count(item)
        self._handed += 1

    def failed(
        self, error: Exception | None, handling: BaseException | None
    ) -> Failure:
        """
        Settle a failure before the first content, when all can be done again.

        *error* is None for a clean end. The reader was *handling* something already,
        or not.
        """
        if error is None:
            error = StreamInterrupted("")
            verdict = _TRUNCATED
        else:
            verdict = self._lane.judge(error, handling=handling)
        return self._fail(
            Failure(error, verdict),
            elapsed=self.waited,
            fair_share=self._lane.fair_stream_share,
        )

    def ended(self) -> bool:
        """Say whether a clean end after the first content is one of a whole answer."""
        self.complete = self.complete or (self._shape.eof_ok and self.content)
        return self.complete

    def interrupted(
        self, error: Exception | None, handling: BaseException | None = None
    ) -> StreamInterrupted:
        """Settle a failure after the first content, and return what to raise."""
        verdict = (
            _TRUNCATED if error is None else self._lane.judge(error, handling=handling)
        )
        interruption = StreamInterrupted("".join(self._texts), kind=verdict.kind)
        self._fail(
            Failure(interruption, verdict),
            elapsed=self._first_after,
            fair_share=math.inf,
        )
        lane = self._lane
        event = StreamBroken(
            at=lane.clock.time(), key=lane.key, kind=verdict.kind, items=self._handed
        )
        tell(lane.listeners, event)
        return interruption

    def close(self) -> None:
        """Settle what is not settled; safe to call again."""
        if self._settled:
            return
        self._settled = True
        if self.complete:
            slow = self._first_after > self._lane.slow_after
            self._lane.breaker.succeed(self._ticket, slow=slow)
        else:
            self._lane.breaker.fail(self._ticket, _CANCELLED)
        self._lane.release()
        self._bill()

    def _count(self, item: Item) -> None:
        """Look for tokens used, which may be told after the marker."""
        meter = self._lane.meter
        if meter is not None:
            self._used += meter.read(item)

    def _note(self, item: Item) -> None:
        """Look for content and for the marker in *item*."""
        text = self._shape.text(item)
        if text:
            if isinstance(text, str):
                self._texts.append(text)
            self.content = True
        if self._shape.final(item):
            self.complete = True

    def _fail(self, failure: Failure, *, elapsed: float, fair_share: float) -> Failure:
        self._settled = True
        self._lane.fail(
            self._ticket,
            failure,
            elapsed=elapsed,
            fair_share=fair_share,
            deadline=self._deadline,
        )
        self._lane.release()
        self._bill()
        return failure

    def _bill(self) -> None:
        """Count what the attempt used, however it ended."""
        if self._lane.meter is not None:
            self._lane.meter.add(self._used)
