"""
How does a call go out? `Resilience`: one guard for calls and streams to one provider.

The order is fixed: deadline > retry (budget) > bulkhead > breaker admit > attempt
timeout > call > verdict > record. An open circuit is therefore never slept on, every
attempt is admitted and recorded, and a call that waits for a slot holds no permit.
"""

import asyncio
import functools
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
)
from contextlib import (
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from typing import Any, Literal, ParamSpec, Self, TypeVar

from resilient_auth.clock import Clock, SystemClock
from resilient_auth.core import arguments
from resilient_auth.core.arguments import described
from resilient_auth.errors import ConfigError
from resilient_auth.events import Listener
from resilient_auth.resilience.attempt import (
    Check,
    Work,
    attempt,
    bounded_attempt,
    guarded_block,
)
from resilient_auth.resilience.breaker import Circuit
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.lane import Failure, Lane, Lanes
from resilient_auth.resilience.policy import (
    Backoff,
    Bulkhead,
    Policy,
    RetryBudget,
    Timeouts,
    Trip,
)
from resilient_auth.resilience.results import answered
from resilient_auth.resilience.retry import Course, Sleep, recover
from resilient_auth.resilience.stream import Reading, Shape, open_reading

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
    after *probes* good calls. *check* judges a result (default: `answered`); each of
    the *listeners* takes every event. ``None`` turns *budget*, *timeouts* or *bulkhead*
    off.

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
        trip: Trip = Trip(),  # noqa: B008
        open_for: float = 15.0,
        open_for_max: float = 120.0,
        probes: int = 2,
        timeouts: Timeouts | None = Timeouts(),  # noqa: B008
        bulkhead: Bulkhead | None = Bulkhead(50, queue=100, wait=0.5),  # noqa: B008
        key: str | Callable[..., str] | None = None,
        max_keys: int = 10_000,
        check: Check | None = None,
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
        )
        arguments.count("max_keys", max_keys)
        self._max_keys = max_keys
        self._key = key if callable(key) else _checked_key(name if key is None else key)
        self._check = answered if check is None else check
        if not callable(self._check):
            raise ConfigError(f"check takes a callable, not {described(self._check)}.")
        self._listeners = arguments.listeners_of(listeners)
        self._clock: Clock = SystemClock()
        self._sleep: Sleep = asyncio.sleep
        self._lanes = self._new_lanes()

    def __call__(
        self, fn: Callable[P, Coroutine[Any, Any, T]]
    ) -> Callable[P, Coroutine[Any, Any, T]]:
        """
        Guard the ``async def`` *fn*: retry, break, bound and judge its calls.

        Raises `ConfigError` for a generator, which `stream` guards, and for a plain
        ``def``.
        """
        _refuse_what_is_not_async(fn)
        check, bare = self._check, self.policy.bare

        @functools.wraps(fn)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            lane = self._lane_of(args, kwargs)
            if not bare or Deadline.current() is not None:
                return await self._bounded_call(lane, fn, args, kwargs)
            # Nothing bounds this call, so that it pays for nothing else.
            outcome = await attempt(lane, None, check, fn, args, kwargs)
            if not isinstance(outcome, Failure):
                return outcome
            again = functools.partial(attempt, lane, None, check, fn, args, kwargs)
            return await self._recover(outcome, again, lane, None)

        return guarded

    def stream(
        self,
        *,
        text: Callable[[Any], object],
        final: Callable[[Any], object],
        terminal: Literal["strict", "eof_ok"] = "strict",
    ) -> Callable[
        [Callable[P, AsyncIterator[Item]]], Callable[P, AsyncGenerator[Item, None]]
    ]:
        """
        Guard an async generator whose items are the pieces of one answer.

        *text(item)* returns the text in an item, or anything true for other content (a
        tool call); *final(item)* says whether it is the terminal marker. Without the
        marker the stream is `StreamInterrupted`; ``terminal="eof_ok"`` is for providers
        that send none. An attempt is made again only before the first content was
        handed on. The deadline is captured when the generator is called; nothing is
        sent before it is iterated.

        Close the SDK's stream in *fn* with ``async with``, so that a consumer that goes
        away frees the connection.
        """
        if terminal not in ("strict", "eof_ok"):
            raise ConfigError(f'terminal is "strict" or "eof_ok", not {terminal!r}.')
        shape = Shape(text=text, final=final, eof_ok=terminal == "eof_ok")

        def decorate(
            fn: Callable[P, AsyncIterator[Item]],
        ) -> Callable[P, AsyncGenerator[Item, None]]:
            if not inspect.isasyncgenfunction(fn):
                raise ConfigError(
                    f"{_name(fn)} is no async generator (`async def` with `yield`), "
                    "which is what stream() supports."
                )

            @functools.wraps(fn)
            def opened(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Item, None]:
                start = functools.partial(fn, *args, **kwargs)
                lane = self._lane_of(args, kwargs)
                return self._read(lane, Deadline.current(), shape, start)

            return opened

        return decorate

    @asynccontextmanager
    async def guard(self, key: str | None = None) -> AsyncIterator[None]:
        """
        Guard a block with everything but retries: ``async with llm.guard():``.

        *key* is the circuit's, by default the instance's own.
        """
        lane = self._lanes.get(self._named(key))
        with self._scope(Deadline.current()) as deadline:
            async with guarded_block(lane, deadline):
                yield

    def snapshot(self) -> dict[str, Circuit]:
        """Return what each circuit looks like now, by key; may be called any time."""
        return self._lanes.circuits()

    def open(self, key: str | None = None, *, seconds: float | None = None) -> None:
        """Open the circuit of *key* by hand, for *seconds* or until `close`."""
        if seconds is not None and not 0 < seconds < float("inf"):
            raise ConfigError(f"seconds is a finite number above 0, not {seconds!r}.")
        self._lanes.get(self._named(key)).breaker.open(seconds)

    def close(self, key: str | None = None) -> None:
        """Close the circuit of *key* by hand; its window starts afresh."""
        lane = self._lanes.find(self._named(key))
        if lane is not None:
            lane.breaker.close()

    @contextmanager
    def testing(
        self, *, sleep: bool = False, clock: Clock | None = None
    ) -> Iterator[Self]:
        """
        Run with fresh circuits and *clock*; afterwards all is as before.

        Without *sleep* no wait between attempts is slept: the clock is advanced by it,
        if it can be. The time limits of attempts and streams stay the event loop's own.
        """
        before = self._clock, self._sleep, self._lanes
        self._clock = clock or self._clock
        if not sleep:
            self._sleep = functools.partial(_pass, self._clock)
        self._lanes = self._new_lanes()
        try:
            yield self
        finally:
            self._clock, self._sleep, self._lanes = before

    def __repr__(self) -> str:
        return f"<Resilience {self.name!r}>"

    async def _bounded_call(
        self,
        lane: Lane,
        fn: Work[T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> T:
        """Make a call under a deadline, in a slot, with limited attempts."""
        with self._scope(Deadline.current()) as deadline:
            check = self._check
            outcome = await bounded_attempt(lane, deadline, check, fn, args, kwargs)
            if not isinstance(outcome, Failure):
                return outcome
            again = functools.partial(
                bounded_attempt, lane, deadline, check, fn, args, kwargs
            )
            return await self._recover(outcome, again, lane, deadline)

    async def _read(
        self,
        lane: Lane,
        outer: Deadline | None,
        shape: Shape,
        start: Callable[[], AsyncGenerator[Item, None]],
    ) -> AsyncGenerator[Item, None]:
        """Hand on the items of the attempt that came as far as its first content."""
        with self._scope(outer) as deadline:
            reading = await self._begin(lane, deadline, shape, start)
        try:
            while reading.held:
                yield reading.held.popleft()
            while True:
                try:
                    item = await reading.pull()
                except StopAsyncIteration:
                    return
                yield item
        finally:
            await reading.close()

    async def _begin(
        self,
        lane: Lane,
        deadline: Deadline | None,
        shape: Shape,
        start: Callable[[], AsyncGenerator[Item, None]],
    ) -> Reading[Item]:
        """Try until an attempt has content."""
        once = functools.partial(open_reading, lane, deadline, shape, start)
        outcome = await once()
        if not isinstance(outcome, Failure):
            return outcome
        return await self._recover(outcome, once, lane, deadline)

    async def _recover(
        self,
        failure: Failure,
        again: Callable[[], Awaitable[T | Failure]],
        lane: Lane,
        deadline: Deadline | None,
    ) -> T:
        """Return what a later attempt returns, or raise the last error."""
        course = Course(lane, deadline)
        outcome = await recover(failure, again, course, sleep=self._sleep)
        if isinstance(outcome, Failure):
            outcome.throw()
        return outcome

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
        lanes = Lanes(self._new_lane, most=self._max_keys)
        if isinstance(self._key, str):
            lanes.get(self._key)
        return lanes

    def _new_lane(self, key: str) -> Lane:
        return Lane(key, self.policy, self._clock, self._listeners)


async def _pass(clock: Clock, seconds: float) -> None:
    """Let *seconds* pass on a clock that can be advanced, without sleeping."""
    advance = getattr(clock, "advance", None)
    if advance is not None:
        advance(seconds)
    await asyncio.sleep(0)


def _refuse_what_is_not_async(fn: Callable[..., object]) -> None:
    if inspect.isasyncgenfunction(fn) or inspect.isgeneratorfunction(fn):
        raise ConfigError(
            f"{_name(fn)} is a generator: guard it with .stream(text=…, final=…)."
        )
    called = getattr(fn, "__call__", fn)  # noqa: B004 - an object may be async by it
    if not (inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(called)):
        raise ConfigError(
            f"{_name(fn)} is no `async def`, which is what is supported here."
        )


def _checked_key(key: object) -> str:
    if not isinstance(key, str) or not key:
        raise ConfigError(f"A key is a text with at least one character, not {key!r}.")
    return key


def _name(fn: object) -> str:
    return getattr(fn, "__qualname__", None) or repr(fn)
