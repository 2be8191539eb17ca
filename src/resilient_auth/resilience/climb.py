"""How far down the ladder did a call get, and why? The account of one climb."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

from resilient_auth.clock import Clock
from resilient_auth.errors import StreamInterrupted
from resilient_auth.events import FellBack, Listener, StreamResumed, tell
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.rungs import Asked, Cache, Call, Kept, Rung, Said
from resilient_auth.resilience.trace import Trace
from resilient_auth.resilience.verdict import KINDS

T = TypeVar("T")

#: Items of a stream that are kept for the cached rung; a longer one is not kept.
MOST_KEPT = 10_000


class Climb:
    """
    One call's way down the *rungs*.

    *served_by*, *stale_for*, *attempts*, *failures* and *resumed_by* are those of the
    answer.
    """

    __slots__ = (
        "_asked",
        "_cache",
        "_clock",
        "_first",
        "_is_stream",
        "_items",
        "_listeners",
        "_rungs",
        "attempts",
        "failures",
        "resumed_by",
        "served_by",
        "stale_for",
        "value",
    )

    def __init__(
        self,
        rungs: Sequence[Rung],
        clock: Clock,
        listeners: tuple[Listener, ...],
        asked: Asked,
        *,
        is_stream: bool,
    ) -> None:
        self._rungs = rungs
        self._clock = clock
        self._listeners = listeners
        self._asked = asked
        self._is_stream = is_stream
        self._cache = next((each for each in rungs if isinstance(each, Cache)), None)
        self._first: Exception | None = None
        self._items: list[Any] = []
        #: The answer; of a stream that is not a model's: its items.
        self.value: Any = None
        self.served_by: str = ""
        self.stale_for: float | None = None
        self.attempts: int = 0
        self.failures: dict[str, str] = {}
        self.resumed_by: str = ""

    def require_time(self) -> None:
        """Raise `DeadlineExceeded` when no time is left to call a model."""
        deadline = Deadline.current()
        if deadline is not None:
            deadline.require()

    def leaves(
        self,
        rung: Call,
        error: Exception,
        trace: Trace,
        handling: BaseException | None,
    ) -> bool:
        """
        Note that *rung* failed before anything was handed on; say whether to go on.

        The caller was *handling* something already, or not.

        The first error is what is raised in the end, with a note for each of the rest.
        """
        self.attempts += trace.attempts if rung.guarded else 1
        # Nobody has seen anything of it, so that it can be begun again elsewhere.
        cut = isinstance(error, StreamInterrupted | StopIteration | StopAsyncIteration)
        verdict = KINDS["truncated"] if cut else rung.judge(error, handling=handling)
        if not verdict.fallback:
            self._first = None
            return False
        if self._first is None:
            ended = isinstance(error, StopIteration | StopAsyncIteration)
            self._first = StreamInterrupted("") if ended else error
        else:
            _note(self._first, f"{rung.name}: {verdict.kind}")
        self._fall(rung, verdict.kind)
        return True

    def served(self, rung: Call, trace: Trace) -> None:
        """Note that *rung* answers."""
        self.attempts += max(1, trace.attempts)
        self.served_by = rung.name
        self._first = None  # its traceback knows this climb: no cycle may stay

    def shelved(self, rung: Cache | Said) -> bool:
        """Take the answer of a rung that calls nobody, if it has one."""
        if isinstance(rung, Said):
            value = rung.copied()
            self.value = (value,) if self._is_stream else value
        else:
            kept = rung.find(self._asked)
            age = 0.0 if kept is None else max(0.0, self._clock.time() - kept.at)
            if kept is None or age > rung.max_age:
                self._fall(rung, "not_kept")
                return False
            self.value, self.stale_for = kept.value, age
        self.served_by = rung.name
        self._first = None
        return True

    def keep(self, value: Any) -> None:
        """Take the answer of a model, and keep it for the cached rung."""
        self.value = value
        if self._cache is not None:
            self._cache.keep(Kept(value, self._clock.time()), self._asked)

    def note(self, item: T) -> T:
        """Return *item* of a stream, written down if the whole may be kept."""
        if self._cache is not None and len(self._items) < MOST_KEPT:
            self._items.append(item)
        return item

    def keep_items(self) -> None:
        """Keep the items of a whole stream, unless there were too many."""
        if len(self._items) < MOST_KEPT:
            self.keep(tuple(self._items))

    def resumed(self, by: Call) -> None:
        """Note that *by* goes on where the rung broke."""
        self.resumed_by = by.name
        self.attempts += 1
        event = StreamResumed(
            at=self._clock.time(), rung=self.served_by, by=by.name, kind="interrupted"
        )
        tell(self._listeners, event)

    def defeat(self) -> Exception:
        """Return what to raise when no rung has an answer, and let go of it."""
        error, self._first = self._first, None
        return cast("Exception", error)  # the first rung calls a model, and it failed

    def forget(self) -> None:
        """Let go of the first error, whose traceback knows this climb: no cycle."""
        self._first = None

    def _fall(self, rung: Rung, kind: str) -> None:
        """Note why *rung* is left, and tell it if there is a next one."""
        self.failures[rung.name] = kind
        here = next(n for n, each in enumerate(self._rungs) if each is rung)
        if here + 1 < len(self._rungs):
            to = self._rungs[here + 1].name
            event = FellBack(at=self._clock.time(), rung=rung.name, to=to, kind=kind)
            tell(self._listeners, event)


def _note(error: Exception, note: str) -> None:
    """Add *note* to *error*, once; one that takes none is worth more without it."""
    with suppress(Exception):
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
