"""
How does a call go out? `Resilience`: one guard for calls and streams to one provider.

The order is fixed: deadline > retry (budget) > bulkhead > breaker admit > attempt
timeout > call > verdict > record. An open circuit is therefore never slept on, every
attempt is admitted and recorded, and a call that waits for a slot holds no permit.
"""

import asyncio
import functools
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, ParamSpec, Protocol, Self, TypeVar, cast, overload

from resilient_auth.clock import Clock, SystemClock
from resilient_auth.core import arguments
from resilient_auth.core.arguments import described
from resilient_auth.errors import ConfigError
from resilient_auth.events import Listener
from resilient_auth.resilience.attempt import (
    Check,
    Work,
    aattempt,
    abounded_attempt,
    attempt,
    bounded_attempt,
)
from resilient_auth.resilience.breaker import Circuit
from resilient_auth.resilience.deadline import Deadline, innermost
from resilient_auth.resilience.functions import kind_of, mark, marked, name_of
from resilient_auth.resilience.guard import Guard
from resilient_auth.resilience.lane import Failure, Lane, Lanes
from resilient_auth.resilience.meter import ReadUsage
from resilient_auth.resilience.policy import (
    Backoff,
    Bulkhead,
    Policy,
    RetryBudget,
    Timeouts,
    Trip,
)
from resilient_auth.resilience.results import answered
from resilient_auth.resilience.retry import (
    AsyncSleep,
    Course,
    Sleep,
    arecover,
    recover,
)
from resilient_auth.resilience.sdk import SdkRetries
from resilient_auth.resilience.shared import SharedState
from resilient_auth.resilience.stream import aopen_reading, open_reading
from resilient_auth.resilience.transcript import Shape
from resilient_auth.resilience.verdict import Rule, Verdict, judging

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")

_UNLIMITED = Timeouts(total=None, attempt=None, first_content=None, idle=None)


class Resilience:
    """
    Guards the calls to one provider; share one instance, from any thread.

    *name* is the key of the circuit unless *key* names another, or is a callable that
    takes the call's arguments and returns it; at most *max_keys* are kept. *attempts*
    counts all calls, the first included. A wait that the server asks for is slept
    through up to *retry_after_cap* seconds; beyond, the circuit opens until then. A
    circuit opens for *open_for* seconds, doubling up to *open_for_max*, and closes
    after *probes* good calls. *check* judges a result (default: `answered`); *classify*
    takes an error and returns a `Verdict`, or None to leave it to the rules that all
    share; *usage* reads tokens and cost from a result or a stream's item; *shared*
    tells other processes which circuits are open; each of the *listeners* takes every
    event. ``None`` turns *budget*, *trip*, *timeouts* or *bulkhead* off.

    When attempts are spent the provider's own error is raised, and a `CallFailed` event
    says why. What we refuse ourselves is `Unavailable`: `CircuitOpen`, `BulkheadFull`,
    `DeadlineExceeded`, `StreamInterrupted`, `UnusableAnswer`. Cancellation passes
    through and counts as nothing. Turn the SDK's own retries off, they would multiply.
    """

    def __init__(
        self,
        name: str,
        *,
        attempts: int = 3,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen, as are those below
        retry_after_cap: float = 30.0,
        budget: RetryBudget | None = RetryBudget(),  # noqa: B008
        trip: Trip | None = Trip(),  # noqa: B008
        open_for: float = 15.0,
        open_for_max: float = 120.0,
        probes: int = 2,
        timeouts: Timeouts | None = Timeouts(),  # noqa: B008
        bulkhead: Bulkhead | None = Bulkhead(50, queue=100, wait=0.5),  # noqa: B008
        key: str | Callable[..., str] | None = None,
        max_keys: int = 10_000,
        check: Check | None = None,
        classify: Rule | None = None,
        usage: ReadUsage | None = None,
        shared: SharedState | None = None,
        listeners: Iterable[Listener] = (),
    ) -> None:
        self.name: str = _checked_key(name)
        self.policy: Policy = Policy(
            attempts=attempts,
            backoff=backoff,
            retry_after_cap=retry_after_cap,
            budget=budget,
            trip=trip,
            open_for=open_for,
            open_for_max=open_for_max,
            probes=probes,
            timeouts=_UNLIMITED if timeouts is None else timeouts,
            bulkhead=bulkhead,
            classify=classify,
            usage=usage,
        )
        self._judge = judging(classify)
        arguments.count("max_keys", max_keys)
        self._max_keys = max_keys
        self._key = key if callable(key) else _checked_key(name if key is None else key)
        self._check = answered if check is None else check
        if not callable(self._check):
            raise ConfigError(f"check takes a callable, not {described(self._check)}.")
        self._listeners = arguments.listeners_of(listeners)
        self._clock: Clock = SystemClock()
        self._sleep: Sleep = time.sleep
        self._asleep: AsyncSleep = asyncio.sleep
        self._sdk = SdkRetries(self.name, self._listeners)
        #: Whose circuits are used, if not this instance's own.
        self._circuits: Lanes | None = None
        arguments.instance("shared", shared, SharedState | None)
        self._shared = shared
        self._lanes = self._new_lanes()
        if shared is not None:
            shared.attach(self.name, self._lanes)

    def __call__(self, fn: Callable[P, T]) -> Callable[P, T]:
        """
        Guard *fn*, a ``def`` or an ``async def``: retry, break, bound and judge it.

        The signature stays. An ``async def`` is cut short when its time is up; a plain
        ``def`` cannot be, so hand ``Deadline.left()`` to the client it calls. Raises
        `ConfigError` for a generator, which `stream` guards, and for a function that
        is guarded already.
        """
        self._refuse_guarded(fn)
        match kind_of(fn):
            case "call":
                guarded: Callable[..., Any] = self._guarded(fn)
            case "async call":
                guarded = self._aguarded(cast("Work[Any]", fn))
            case _:
                raise ConfigError(
                    f"{name_of(fn)} is a generator: guard it with "
                    ".stream(text=…, final=…)."
                )
        mark(guarded, self, fn)
        self._sdk.look(fn, self._clock)
        return guarded

    def stream(
        self,
        *,
        text: Callable[[Any], object],
        final: Callable[[Any], object],
        terminal: Literal["strict", "eof_ok"] = "strict",
    ) -> "StreamDecorator":
        """
        Guard a generator or async generator that yields the pieces of one answer.

        *text(item)* returns the text in an item, or anything true for other content (a
        tool call); *final(item)* says whether it is the terminal marker. Without the
        marker the stream is `StreamInterrupted`; ``terminal="eof_ok"`` is for providers
        that send none. An attempt is made again only before the first content was
        handed on. The deadline is captured when the generator is called; nothing is
        sent before it is iterated.

        Close the SDK's stream in the generator with ``with`` or ``async with``, so that
        a consumer that goes away frees the connection. A plain generator blocks while
        it waits for the next item: give its client a read timeout.
        """
        if terminal not in ("strict", "eof_ok"):
            raise ConfigError(f'terminal is "strict" or "eof_ok", not {terminal!r}.')
        for name, reader in (("text", text), ("final", final)):
            if not callable(reader):
                raise ConfigError(f"{name} takes a callable, not {described(reader)}.")
        shape = Shape(text=text, final=final, eof_ok=terminal == "eof_ok")

        def decorate(fn: Callable[..., Any]) -> Callable[..., Any]:
            self._refuse_guarded(fn)
            read: Callable[..., Any]
            match kind_of(fn):
                case "stream":
                    read = self._read
                case "async stream":
                    read = self._aread
                case _:
                    raise ConfigError(
                        f"{name_of(fn)} is no generator (a `def` or `async def` with "
                        "`yield`), which is what stream() guards."
                    )

            @functools.wraps(fn)
            def opened(*args: Any, **kwargs: Any) -> Any:
                start = functools.partial(fn, *args, **kwargs)
                return read(
                    self._lane_of(args, kwargs), Deadline.current(), shape, start
                )

            mark(opened, self, fn)
            self._sdk.look(fn, self._clock)
            return opened

        return cast("StreamDecorator", decorate)

    def guard(self, key: str | None = None) -> Guard:
        """
        Guard a block with everything but retries: ``with`` or ``async with``.

        *key* is the circuit's, by default the instance's own.
        """
        outer = Deadline.current()
        return Guard(self._lanes.get(self._named(key)), lambda: self._scope(outer))

    def classify(
        self, error: BaseException, *, handling: BaseException | None = None
    ) -> Verdict:
        """
        Return the `Verdict` on *error*, by this guard's rule or the common ones.

        *handling* is what was being handled already when the call was made.
        """
        return self._judge(error, handling=handling)

    def snapshot(self) -> dict[str, Circuit]:
        """Return what each circuit looks like now, by key; may be called any time."""
        return self._lanes.circuits()

    def open(self, key: str | None = None, *, seconds: float | None = None) -> None:
        """Open the circuit of *key* by hand, for *seconds* or until `close`."""
        if seconds is not None and not 0 < seconds < float("inf"):
            raise ConfigError(f"seconds is a finite number above 0, not {seconds!r}.")
        lane = self._lanes.get(self._named(key))
        lane.breaker.open(seconds)
        if self._shared is not None:
            self._shared.command(lane.key, lane.breaker.view().retry_in)

    def close(self, key: str | None = None) -> None:
        """Close the circuit of *key* by hand; its window starts afresh."""
        lane = self._lanes.get(self._named(key))
        lane.breaker.close()
        if self._shared is not None:
            self._shared.command(lane.key, None)

    @contextmanager
    def testing(
        self, *, sleep: bool = False, clock: Clock | None = None
    ) -> Iterator[Self]:
        """
        Run with fresh circuits and *clock*; afterwards all is as before.

        Without *sleep* no wait between attempts is slept: the clock is advanced by it,
        if it can be. The time limits of attempts and streams stay the event loop's own.
        """
        before = (
            (self._clock, self._sleep, self._asleep),
            (self._lanes, self._circuits, self._shared),
        )
        self._clock = clock or self._clock
        if not sleep:
            self._sleep = functools.partial(_pass, self._clock)
            self._asleep = functools.partial(_apass, self._clock)
        self._circuits = self._shared = None
        self._lanes = self._new_lanes()
        try:
            yield self
        finally:
            self._clock, self._sleep, self._asleep = before[0]
            self._lanes, self._circuits, self._shared = before[1]

    def share_circuits(self, other: Self) -> None:
        """Use the circuits of *other* instead of own ones; before the first call."""
        self._circuits = other._lanes
        self._lanes = self._new_lanes()

    @staticmethod
    def of(fn: Callable[..., Any]) -> "Resilience":
        """Return who guards *fn*; raises `ConfigError` when nobody does."""
        found = marked(fn)
        if found is None:
            raise ConfigError(f"{name_of(fn)} is guarded by nobody.")
        guard: Resilience = found.by
        return guard

    def __repr__(self) -> str:
        return f"<Resilience {self.name!r}>"

    def _guarded(self, fn: Callable[P, T]) -> Callable[P, T]:
        check, bare = self._check, self.policy.bare

        @functools.wraps(fn)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            lane = self._lanes.own or self._lane_of(args, kwargs)
            if not bare or innermost() is not None:
                return self._bounded(lane, fn, args, kwargs)
            # Nothing bounds this call, so that it pays for nothing else.
            outcome = attempt(lane, None, check, fn, args, kwargs)
            if type(outcome) is not Failure:
                return outcome
            again = functools.partial(attempt, lane, None, check, fn, args, kwargs)
            course = self._course(outcome, lane, None, fn)
            return recover(outcome, again, course, sleep=self._sleep)

        return guarded

    def _aguarded(self, fn: Work[T]) -> Work[T]:
        check, bare = self._check, self.policy.bare

        @functools.wraps(fn)
        async def guarded(*args: Any, **kwargs: Any) -> T:
            lane = self._lanes.own or self._lane_of(args, kwargs)
            if not bare or innermost() is not None:
                return await self._abounded(lane, fn, args, kwargs)
            outcome = await aattempt(lane, None, check, fn, args, kwargs)
            if type(outcome) is not Failure:
                return outcome
            again = functools.partial(aattempt, lane, None, check, fn, args, kwargs)
            course = self._course(outcome, lane, None, fn)
            return await arecover(outcome, again, course, sleep=self._asleep)

        return guarded

    def _bounded(
        self,
        lane: Lane,
        fn: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> T:
        """Make a call under a deadline, in a slot."""
        with self._scope(Deadline.current()) as deadline:
            check = self._check
            outcome = bounded_attempt(lane, deadline, check, fn, args, kwargs)
            if type(outcome) is not Failure:
                return outcome
            again = functools.partial(
                bounded_attempt, lane, deadline, check, fn, args, kwargs
            )
            course = self._course(outcome, lane, deadline, fn)
            return recover(outcome, again, course, sleep=self._sleep)

    async def _abounded(
        self, lane: Lane, fn: Work[T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> T:
        """Make a call under a deadline, in a slot, with limited attempts."""
        with self._scope(Deadline.current()) as deadline:
            check = self._check
            outcome = await abounded_attempt(lane, deadline, check, fn, args, kwargs)
            if type(outcome) is not Failure:
                return outcome
            again = functools.partial(
                abounded_attempt, lane, deadline, check, fn, args, kwargs
            )
            course = self._course(outcome, lane, deadline, fn)
            return await arecover(outcome, again, course, sleep=self._asleep)

    def _read(
        self,
        lane: Lane,
        outer: Deadline | None,
        shape: Shape,
        start: Callable[[], Generator[Item, None, None]],
    ) -> Generator[Item, None, None]:
        """Hand on the items of the attempt that came as far as its first content."""
        with self._scope(outer) as deadline:
            once = functools.partial(open_reading, lane, deadline, shape, start)
            outcome = once()
            if isinstance(outcome, Failure):
                course = self._course(outcome, lane, deadline, start)
                outcome = recover(outcome, once, course, sleep=self._sleep)
        reading, held = outcome, outcome.said.held
        try:
            while held:
                yield held.popleft()
            while True:
                try:
                    item = reading.pull()
                except StopIteration:
                    return
                yield item
        finally:
            reading.close()

    async def _aread(
        self,
        lane: Lane,
        outer: Deadline | None,
        shape: Shape,
        start: Callable[[], AsyncGenerator[Item, None]],
    ) -> AsyncGenerator[Item, None]:
        """Do the same with an async generator."""
        with self._scope(outer) as deadline:
            once = functools.partial(aopen_reading, lane, deadline, shape, start)
            outcome = await once()
            if isinstance(outcome, Failure):
                course = self._course(outcome, lane, deadline, start)
                outcome = await arecover(outcome, once, course, sleep=self._asleep)
        reading, held = outcome, outcome.said.held
        try:
            while held:
                yield held.popleft()
            while True:
                try:
                    item = await reading.pull()
                except StopAsyncIteration:
                    return
                yield item
        finally:
            await reading.close()

    def _course(
        self,
        failed: Failure,
        lane: Lane,
        deadline: Deadline | None,
        fn: Callable[..., object],
    ) -> Course:
        """Return what happens after the first failure of a call of *fn*."""
        self._sdk.look(fn, self._clock, failed.error)
        return Course(failed, lane, deadline)

    def _refuse_guarded(self, fn: object) -> None:
        inner = marked(fn)
        if inner is not None:
            raise ConfigError(
                f"{name_of(fn)} is guarded already, by {inner.by!r}: two guards would "
                "multiply their attempts."
            )

    def _scope(self, outer: Deadline | None) -> AbstractContextManager[Deadline | None]:
        """Return the deadline of one call inside *outer*, to be entered."""
        total = self.policy.timeouts.total
        if total is None:
            return nullcontext(outer)
        return Deadline(total, clock=self._clock).within(outer)

    def _lane_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Lane:
        key = self._key
        if not isinstance(key, str):
            key = _checked_key(key(*args, **kwargs))
        return self._lanes.get(key)

    def _named(self, key: str | None) -> str:
        """Return *key*, or the one of all calls that name none."""
        if key is not None:
            return _checked_key(key)
        return self._key if isinstance(self._key, str) else self.name

    def _new_lanes(self) -> Lanes:
        """Return an empty table, but for the one lane that is known already."""
        added = None if self._shared is None else self._shared.welcome
        lanes = Lanes(self._new_lane, most=self._max_keys, added=added)
        if isinstance(self._key, str):
            lanes.own = lanes.get(self._key)
        return lanes

    def _new_lane(self, key: str) -> Lane:
        circuits, shared = self._circuits, self._shared
        listeners = self._listeners
        if shared is not None:
            listeners = (shared.listener, *listeners)
        breaker = None if circuits is None else circuits.get(key).breaker
        return Lane(key, self.policy, self._clock, listeners, breaker=breaker)


class StreamDecorator(Protocol):
    """What `Resilience.stream` returns: guards a generator of either kind."""

    @overload
    def __call__(
        self, fn: Callable[P, AsyncIterator[Item]], /
    ) -> Callable[P, AsyncGenerator[Item, None]]: ...

    @overload
    def __call__(
        self, fn: Callable[P, Iterator[Item]], /
    ) -> Callable[P, Generator[Item, None, None]]: ...

    def __call__(self, fn: Callable[..., Any], /) -> Callable[..., Any]:
        """Guard *fn*; raises `ConfigError` for what is no generator."""
        ...


def _pass(clock: Clock, seconds: float) -> None:
    """Let *seconds* pass on a clock that can be advanced, without sleeping."""
    advance = getattr(clock, "advance", None)
    if advance is not None:
        advance(seconds)


async def _apass(clock: Clock, seconds: float) -> None:
    """Do the same, and let other tasks run."""
    _pass(clock, seconds)
    await asyncio.sleep(0)


def _checked_key(key: object) -> str:
    if not isinstance(key, str) or not key:
        # Only its kind is said: it may be an API key, or a whole prompt.
        given = "an empty one" if key == "" else described(key)
        raise ConfigError(f"A key is a text with at least one character, not {given}.")
    return key
