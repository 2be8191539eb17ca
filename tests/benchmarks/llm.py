"""
What guarding a call to a provider adds, beside retriers and circuit breakers.

Successes and chunks show what is added to the bare call in the same loop, the rest is
shown whole. "Unbounded" has neither time limits nor a bulkhead, but window and latency.
"""

import asyncio
import contextlib
import datetime as dt
import gc
import inspect
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest import mock

from resilient_auth import CircuitOpen, Resilience, Timeouts, Trip
from resilient_auth.testing.clock import FrozenClock
from tests.benchmarks.measure import Row, arace, race

ANSWER, END = "an answer", "[DONE]"
CHUNKS = ["text"] * 999 + [END]
TASKS, THREADS = 10_000, 8
KEYS = [f"key-{n}" for n in range(1_000)]
#: Stands in for `time` where even a sleep of 0 s takes 80 µs.
IMPATIENT = SimpleNamespace(sleep=lambda _: None)

Guard = Callable[[Any], Any]
Race = Callable[..., list[float]]


@dataclass(frozen=True, slots=True)
class Amount:
    """One line in another *unit*, or whose target is a limit for *ours* alone."""

    work: str
    ours: float
    unit: str
    peer: str
    theirs: float
    most: float | None = None

    def __str__(self) -> str:
        target = verdict = ""
        if self.most is not None:
            target = f"≤ {self.most:g} {self.unit}"
            verdict = "met" if self.ours <= self.most else "MISSED"
        return (
            f"{self.work:<46} {self.ours:>9.4g} {self.unit:<5}{self.peer:<26}"
            f"{self.theirs:>9.4g} {self.unit:<5}1/{self.theirs / self.ours:<6.2f} "
            f"{target:<8} {verdict}"
        )


#: A line of the table; a text tells which contestant was left out, and why.
Line = Row | Amount | str


def rows() -> Iterator[Line]:
    """Yield successes, failures, rejections, chunks, crowds and memory."""
    yield from _success("async", _ask, ASYNC_PEERS, arace)
    yield from _success("plain", _ask_plain, PLAIN_PEERS, race)
    yield from _failure("async", _lossy, arace)
    yield from _failure("plain", _lossy_plain, race)
    yield from _rejection("async", _ask, arace)
    yield from _rejection("plain", _ask_plain, race)
    yield from _chunk()
    yield from _threads()
    yield from _crowd()
    yield from _memory()


# ------------------------------------------------------------------ calls to guard


async def _ask() -> str:
    """Answer at once."""
    return ANSWER


def _ask_plain() -> str:
    """Answer at once, without a loop."""
    return ANSWER


async def _nap() -> str:
    """Answer as a provider does: after a while."""
    await asyncio.sleep(0.05)
    return ANSWER


def _doze() -> str:
    """Answer after a while that a thread spends blocked."""
    time.sleep(0.2)
    return ANSWER


async def _speak() -> AsyncIterator[str]:
    """Answer in a thousand pieces, the last of which is the marker."""
    for chunk in CHUNKS:
        yield chunk


def _lossy_plain() -> Callable[[], str]:
    """Return a plain call that loses the connection two times of three."""
    calls = 0

    def ask() -> str:
        """Lose the connection, or answer."""
        nonlocal calls
        calls += 1
        if calls % 3:
            raise ConnectionResetError
        return ANSWER

    return ask


def _lossy() -> Callable[[], Coroutine[Any, Any, str]]:
    """Return a call that loses the connection two times of three."""
    plain = _lossy_plain()

    async def ask() -> str:
        """Lose the connection, or answer."""
        return plain()

    return ask


# ------------------------------------------------------------------ who guards them


def _ours(**settings: Any) -> Guard:
    """Return a `Resilience` with *settings*."""
    return Resilience("x", **settings)


def _bare(work: Any) -> Any:
    """Guard by nothing."""
    return work


def _tenacity(work: Any, **settings: Any) -> Any:
    """Guard by tenacity; *settings* replace what its documentation shows."""
    import tenacity

    usual: dict[str, Any] = {
        "stop": tenacity.stop_after_attempt(3),
        "wait": tenacity.wait_random_exponential(max=8),
        "retry": tenacity.retry_if_exception_type(ConnectionError),
        "reraise": True,
    }
    return tenacity.retry(**usual | settings)(work)


def _tenacity_at_once(work: Any) -> Any:
    """Guard by tenacity without waits; in a loop, others get their turn as with us."""
    import tenacity

    if inspect.iscoroutinefunction(work):
        return _tenacity(work, wait=tenacity.wait_none())
    return _tenacity(work, wait=tenacity.wait_none(), sleep=lambda _: None)


def _stamina(work: Any) -> Any:
    """Guard by stamina."""
    import stamina

    return stamina.retry(on=ConnectionError, attempts=3)(work)


def _backoff(work: Any) -> Any:
    """Guard by backoff."""
    import backoff

    return backoff.on_exception(backoff.expo, ConnectionError, max_tries=3)(work)


def _pybreaker(work: Any) -> Any:
    """Guard a plain call by pybreaker."""
    import pybreaker

    return pybreaker.CircuitBreaker()(work)


def _aiobreaker(work: Any) -> Any:
    """Guard by aiobreaker."""
    import aiobreaker  # type: ignore[import-untyped]

    return aiobreaker.CircuitBreaker()(work)


def _purgatory(work: Any) -> Any:
    """Guard by purgatory."""
    import purgatory

    if inspect.iscoroutinefunction(work):
        return purgatory.AsyncCircuitBreakerFactory()("x")(work)
    return purgatory.SyncCircuitBreakerFactory()("x")(work)


def _hyx_breaker(work: Any) -> Any:
    """Guard by hyx's circuit breaker."""
    from hyx.circuitbreaker import consecutive_breaker

    return consecutive_breaker()(work)


def _hyx_retry(work: Any) -> Any:
    """Guard by hyx's retry."""
    from hyx.retry import retry

    return retry(on=ConnectionError, attempts=3)(work)


def _timeout(work: Any) -> Any:
    """Bound a call by one `asyncio.timeout`, and nothing else."""

    async def within() -> Any:
        """Call under the limit."""
        async with asyncio.timeout(15):
            return await work()

    return within


UNBOUNDED: dict[str, Any] = {"timeouts": None, "bulkhead": None}
TIMED = {"timeouts": Timeouts(total=None, attempt=15.0), "bulkhead": None}
COMMON_PEERS: Mapping[str, Guard] = {
    "tenacity.retry": _tenacity,
    "stamina.retry": _stamina,
    "backoff.on_exception": _backoff,
    "aiobreaker": _aiobreaker,
    "purgatory": _purgatory,
}
ASYNC_PEERS: Mapping[str, Guard] = {
    **COMMON_PEERS,
    "hyx breaker": _hyx_breaker,
    "hyx retry": _hyx_retry,
    "asyncio.timeout": _timeout,
}
PLAIN_PEERS: Mapping[str, Guard] = {**COMMON_PEERS, "pybreaker": _pybreaker}
#: The share of what a peer adds that we may add (design §6).
SHARES = {"tenacity.retry": 1 / 20, "pybreaker": 1 / 2}


def _standing(
    guards: Mapping[str, Guard], work: Callable[[], Any], left_out: list[str]
) -> dict[str, Any]:
    """Return *work* guarded by each that can; *left_out* is told of the others."""
    standing = {}
    for name, guard in guards.items():
        try:
            guarded = guard(work)
            answer = guarded()
            if inspect.iscoroutine(answer):
                answer = asyncio.run(answer)
        except Exception as error:  # noqa: BLE001 - whatever it is, a line tells it
            left_out.append(f"{name} is left out: {type(error).__name__}: {error}")
            continue
        if answer == ANSWER:
            standing[name] = guarded
        else:
            left_out.append(f"{name} is left out: it returned {answer!r}")
    return standing


# ------------------------------------------------------------------ success


def _success(
    kind: str, work: Any, peers: Mapping[str, Guard], racing: Race
) -> Iterator[Line]:
    """Yield what we and each of *peers* add to a call that answers at once."""
    left_out: list[str] = []
    ours = {
        "unbounded": _ours(**UNBOUNDED),
        "timed": _ours(**TIMED),
        "default": _ours(),
    }
    standing = _standing({**ours, **peers}, work, left_out)
    if ours.keys() <= standing.keys():
        bare, *times = racing(work, *standing.values())
        added = dict(zip(standing, (each - bare for each in times), strict=True))
        yield from _added(kind, bare, added)
    yield from left_out


def _added(kind: str, bare: float, added: dict[str, float]) -> Iterator[Line]:
    """Yield the lines about the seconds *added* to the *bare* call of one *kind*."""
    unbounded, timed, default = map(added.pop, ("unbounded", "timed", "default"))
    what = f"{kind}, success, unbounded"
    yield Amount(what, unbounded * 1e6, "µs", "the bare call", bare * 1e6, most=2)
    timeout = added.pop("asyncio.timeout", None)
    for name, theirs in added.items():
        yield Row(what, unbounded, name, theirs, SHARES.get(name))
    if timeout is not None:
        what = f"{kind}, success, attempt timed (≤ 1.3 times)"
        yield Row(what, timed, "asyncio.timeout", timeout, 1.3)
        yield Row(f"{kind}, success, default", default, "asyncio.timeout", timeout)
    for name in (each for each in SHARES if each in added):
        yield Row(f"{kind}, success, default", default, name, added[name])


# ------------------------------------------------------------------ failure


def _failure(
    kind: str, lossy: Callable[[], Callable[[], Any]], racing: Race
) -> Iterator[Line]:
    """Yield the whole time of two failures and an answer, with no wait slept."""
    left_out: list[str] = []
    standing: dict[str, Any] = {}
    never = Trip(failure_rate=1.0)  # two of three attempts fail, and it stays closed
    with contextlib.ExitStack() as stack:

        def ours(**settings: Any) -> Guard:
            """Guard on a clock that each wait moves on at once."""
            llm = Resilience("x", trip=never, **settings)
            stack.enter_context(llm.testing(clock=FrozenClock()))
            guard: Guard = llm
            return guard

        def stamina_at_once(work: Any) -> Any:
            """Guard by stamina in its testing mode, without its log and its sleeps."""
            import stamina

            stack.enter_context(mock.patch("tenacity.nap.time", IMPATIENT))
            stamina.instrumentation.set_on_retry_hooks([])
            stack.callback(stamina.instrumentation.set_on_retry_hooks, None)
            stack.enter_context(stamina.set_testing(testing=True, attempts=3))
            return _stamina(work)

        peers = {"tenacity.retry": _tenacity_at_once, "stamina.retry": stamina_at_once}
        guards = {"unbounded": ours(**UNBOUNDED), "default": ours(), **peers}
        for name, guard in guards.items():
            standing |= _standing({name: guard}, lossy(), left_out)
        best = dict(zip(standing, racing(*standing.values()), strict=True))
    for mine in ("unbounded", "default"):
        for peer in peers:
            if mine in best and peer in best:
                what = f"{kind}, two failures, {mine}"
                yield Row(what, best[mine], peer, best[peer])
    yield from left_out


# ------------------------------------------------------------------ rejection


def _rejection(kind: str, work: Any, racing: Race) -> Iterator[Line]:
    """Yield what an open circuit costs; pybreaker guards a plain call throughout."""

    def open_ours(work: Any) -> Any:
        """Reject by a circuit of ours."""
        llm = Resilience("x", **UNBOUNDED)
        guard: Guard = llm
        guarded = guard(work)
        llm.open(seconds=3_600)
        return _rejected(guarded, CircuitOpen, awaited=work is _ask)

    def open_pybreaker(work: Any) -> Any:
        """Reject by pybreaker, whose decorator would not see an ``async def`` fail."""
        import pybreaker

        breaker = pybreaker.CircuitBreaker(reset_timeout=3_600)
        breaker.open()
        error = pybreaker.CircuitBreakerError
        return _rejected(breaker(_ask_plain), error, awaited=work is _ask)

    def open_aiobreaker(work: Any) -> Any:
        """Reject by aiobreaker."""
        import aiobreaker

        hour = dt.timedelta(hours=1)
        breaker = aiobreaker.CircuitBreaker(timeout_duration=hour)
        breaker.open()
        error = aiobreaker.CircuitBreakerError
        return _rejected(breaker(work), error, awaited=work is _ask)

    left_out: list[str] = []
    guards = {
        "ours": open_ours,
        "pybreaker": open_pybreaker,
        "aiobreaker": open_aiobreaker,
    }
    standing = _standing(guards, work, left_out)
    best = dict(zip(standing, racing(*standing.values()), strict=True))
    ours = best.pop("ours", None)
    if ours is not None:
        for name, theirs in best.items():
            target = 1.0 if name == "pybreaker" else None
            yield Row(f"{kind}, an open circuit rejects", ours, name, theirs, target)
    yield from left_out


def _rejected(call: Any, error: type[Exception], *, awaited: bool) -> Any:
    """Return a call, *awaited* or not, that answers when *call* was rejected."""

    def plain() -> str:
        """Make a plain call, plainly."""
        try:
            call()
        except error:
            return ANSWER
        return "a call that was let through"

    async def in_loop() -> str:
        """Make a plain call in a loop."""
        try:
            call()
        except error:
            return ANSWER
        return "a call that was let through"

    async def awaiting() -> str:
        """Await a call."""
        try:
            await call()
        except error:
            return ANSWER
        return "a call that was let through"

    if not awaited:
        return plain
    return awaiting if inspect.iscoroutinefunction(call) else in_loop


# ------------------------------------------------------------------ chunks


def _chunk() -> Iterator[Line]:
    """Yield what guarding adds to each of a thousand chunks."""

    def ours(**settings: Any) -> Callable[[], AsyncIterator[str]]:
        """Guard the stream."""
        llm = Resilience("x", **settings)
        shape = llm.stream(text=lambda item: item, final=lambda item: item == END)
        return shape(_speak)

    async def read(stream: Callable[[], AsyncIterator[str]]) -> None:
        """Read a stream to its end."""
        async for _ in stream():
            pass

    async def read_timed() -> None:
        """Read the bare stream with a time limit round each item."""
        source = _speak()
        while True:
            try:
                async with asyncio.timeout(10):
                    await anext(source)
            except StopAsyncIteration:
                return

    default, unbounded = ours(), ours(**UNBOUNDED)
    with asyncio.Runner() as runner:
        times = race(
            lambda: runner.run(read(_speak)),
            lambda: runner.run(read(default)),
            lambda: runner.run(read(unbounded)),
            lambda: runner.run(read_timed()),
        )
    bare, by_default, by_unbounded, theirs = (each / len(CHUNKS) for each in times)
    added, theirs_added = by_default - bare, theirs - bare
    peer = "asyncio.timeout per item"
    yield Amount("a chunk, default", added * 1e6, "µs", "a bare one", bare * 1e6, 4)
    yield Row("a chunk, default", added, peer, theirs_added)
    yield Row("a chunk, unbounded", by_unbounded - bare, peer, theirs_added)


# ------------------------------------------------------------------ many at once


def _threads() -> Iterator[Line]:
    """Yield the seconds of 8 threads that share a breaker for 0.2 s of I/O each."""
    left_out: list[str] = []
    guards = {"ours": _ours(), "the bare call": _bare, "pybreaker": _pybreaker}
    standing = _standing(guards, _doze, left_out)
    if "ours" in standing:
        pairs = {
            name: [_together(each) for _ in "12"] for name, each in standing.items()
        }
        best = {name: min(pair) for name, pair in pairs.items()}
        ours = best.pop("ours")
        for name, theirs in best.items():
            yield Amount(f"{THREADS} threads of 0.2 s", ours, "s", name, theirs, 0.25)
    yield from left_out


def _together(guarded: Callable[[], object]) -> float:
    """Return the seconds until every thread has made the call."""
    with ThreadPoolExecutor(THREADS) as pool:
        start = time.perf_counter()
        list(pool.map(lambda _: guarded(), range(THREADS)))
        return time.perf_counter() - start


def _crowd() -> Iterator[Line]:
    """Yield time and peak memory of 10,000 tasks; the default bulkhead refuses most."""
    left_out: list[str] = []
    ours = {"unbounded": _ours(**UNBOUNDED), "attempt timed": _ours(**TIMED)}
    peers = {
        "the bare call": _bare,
        "tenacity.retry": _tenacity,
        "aiobreaker": _aiobreaker,
    }
    standing = _standing({**ours, **peers}, _nap, left_out)
    best = dict.fromkeys(standing, float("inf"))
    for _ in range(3):
        for name, guarded in standing.items():
            best[name] = min(best[name], _seconds(guarded))
    peaks = {name: _peak(guarded) for name, guarded in standing.items()}
    for mine in (name for name in ours if name in standing):
        for peer in (name for name in peers if name in standing):
            what = f"{TASKS:,} tasks of 50 ms, {mine}"
            yield Amount(what, best[mine], "s", peer, best[peer])
            yield Amount(what, peaks[mine], "MiB", peer, peaks[peer])
    yield from left_out


async def _all(guarded: Callable[[], Coroutine[Any, Any, str]]) -> None:
    """Make all the calls at once."""
    await asyncio.gather(*(guarded() for _ in range(TASKS)))


def _seconds(guarded: Callable[[], Coroutine[Any, Any, str]]) -> float:
    """Return how long all the calls take."""
    gc.collect()
    start = time.perf_counter()
    asyncio.run(_all(guarded))
    return time.perf_counter() - start


def _peak(guarded: Callable[[], Coroutine[Any, Any, str]]) -> float:
    """Return the most MiB that all the calls hold, in a run that nobody times."""
    gc.collect()
    tracemalloc.start()
    asyncio.run(_all(guarded))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 2**20


# ------------------------------------------------------------------ memory


def _memory() -> Iterator[Line]:
    """Yield the bytes of an idle circuit and of a decorated function."""
    import pybreaker

    async def ask(_key: str) -> str:
        """Answer at once, whatever the key is."""
        return ANSWER

    guarded, shared = Resilience("x", key=lambda key: key)(ask), Resilience("x")
    with asyncio.Runner() as runner:
        circuit = _kept(lambda key: runner.run(guarded(key)))
    breaker = _kept(lambda _: pybreaker.CircuitBreaker())
    function = _kept(lambda _: shared(_ask))
    alone = _kept(lambda _: Resilience("x")(_ask))
    wrapped = _kept(lambda _: _tenacity(_ask))
    yield Amount("an idle circuit, used once", circuit, "B", "pybreaker", breaker)
    yield Amount("a decorated function", function, "B", "tenacity.retry", wrapped)
    yield Amount("the same with its own guard", alone, "B", "tenacity.retry", wrapped)


def _kept(make: Callable[[str], object]) -> float:
    """Return the bytes that stay for one key after *make* was called for all."""
    make("warm-up")
    kept: list[object] = [None] * len(KEYS)
    gc.collect()
    tracemalloc.start()
    for n, key in enumerate(KEYS):
        kept[n] = make(key)
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(KEYS)
