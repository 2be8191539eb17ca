"""
A plain ``def`` is guarded as an ``async def`` is: one script, two runs, one story.

What differs by nature is tested below: a thread cannot be cut short.
"""

import asyncio
import contextlib
import functools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from resilient_auth.errors import (
    BulkheadFull,
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    StreamInterrupted,
)
from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.policy import (
    Backoff,
    Bulkhead,
    RetryBudget,
    Timeouts,
    Trip,
)
from resilient_auth.testing.clock import FrozenClock

END = "<end>"
TOLD = Backoff(first=1e-9, cap=1e-9)  # no wait but the one that was told


class Said(Exception):
    """A provider's answer with a status."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.headers = {name.replace("_", "-"): text for name, text in headers.items()}


CALLS = {
    "success": ["ok"],
    "passes": [Said(500), ConnectionResetError(), "ok"],
    "lasts": [Said(503)] * 5,
    "told": [Said(429, retry_after="2"), "ok"],
    "told too long": [Said(429, retry_after="3600"), "ok"],
    "auth": [Said(401), "ok"],
    "caller": [Said(400), "ok"],
    "bug": [KeyError("x"), "ok"],
    "no answer": [{"model": "m", "choices": []}, "ok"],
    "interrupted": [KeyboardInterrupt(), "ok"],
    "deadline": [Said(429, retry_after="25"), "ok"],
}
STREAMS: dict[str, list[list[Any]]] = {
    "whole": [["Hel", "lo", END]],
    "role first": [["", "Hel", END]],
    "before content": [["", Said(500)], ["Hel", END]],
    "empty": [[], ["Hel", END]],
    "cut": [["Hel", ConnectionResetError()]],
    "no marker": [["Hel", "lo"]],
    "after the marker": [["Hel", END, Said(500)]],
    "refused": [[Said(400)]],
    "gone": [["Hel", KeyboardInterrupt(), "lo"]],
    "many": [[""] * 300 + ["Hel", END]],
}


def play(outcome: Any) -> Any:
    """Return an outcome, or raise it."""
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def told(events: list[Any]) -> list[tuple[Any, ...]]:
    """Return what happened, without when."""
    return [
        (
            each.name,
            *(
                round(value) if name == "wait" else value  # jitter is no difference
                for name, value in each.fields().items()
                if name not in ("at", "event")
            ),
        )
        for each in events
    ]


def story(run: Callable[[Resilience], Any]) -> tuple[Any, ...]:
    """Return all that can be seen of a run: its end, events, time and circuit."""
    heard: list[Any] = []
    clock = FrozenClock()
    llm = Resilience("llm", backoff=TOLD, listeners=[heard.append])
    with llm.testing(clock=clock):
        try:
            end: Any = run(llm)
        except BaseException as error:  # noqa: BLE001 - compared below
            end = (type(error), str(error), getattr(error, "partial", None))
        circuit = llm.snapshot()["llm"]
    return end, told(heard), round(clock.monotonic()), circuit


@pytest.mark.parametrize("name", CALLS)
def test_one_story_of_calls(name: str) -> None:
    """What is returned or raised, told, waited for and counted."""

    def run(llm: Resilience) -> Any:
        """Call as a thread does."""
        left = list(CALLS[name])
        return llm(lambda: play(left.pop(0)))()

    def arun(llm: Resilience) -> Any:
        """Call as a task does."""
        left = list(CALLS[name])

        async def call() -> Any:
            """Play the next outcome."""
            return play(left.pop(0))

        return asyncio.run(llm(call)())

    assert story(run) == story(arun)


@pytest.mark.parametrize("name", STREAMS)
def test_one_story_of_streams(name: str) -> None:
    """The items that were handed on, and how it ended."""

    def run(llm: Resilience) -> Any:
        """Read as a thread does."""
        left = list(STREAMS[name])

        @llm.stream(text=lambda item: item != END and item, final=END.__eq__)
        def tokens() -> Iterator[str]:
            """Play the next stream."""
            yield from map(play, left.pop(0))

        return list(tokens())

    def arun(llm: Resilience) -> Any:
        """Read as a task does."""
        left = list(STREAMS[name])

        @llm.stream(text=lambda item: item != END and item, final=END.__eq__)
        async def tokens() -> AsyncIterator[str]:
            """Play the next stream."""
            for item in left.pop(0):
                yield play(item)

        async def collect() -> list[str]:
            """Read to the end."""
            return [item async for item in tokens()]

        return asyncio.run(collect())

    assert story(run) == story(arun)


# ------------------------------------------------------------ what threads do


def test_eight_threads_do_not_wait_for_each_other() -> None:
    """P2: pybreaker's lock is held for the whole call; here all eight are inside."""
    llm = Resilience("llm")
    inside = threading.Barrier(8, timeout=10)

    @llm
    def call() -> int:
        """Return when all are here."""
        return inside.wait()

    with ThreadPoolExecutor(8) as pool:
        arrived = [each.result() for each in [pool.submit(call) for _ in range(8)]]

    assert sorted(arrived) == list(range(8))


def test_fifty_threads_and_two_probes(clock: FrozenClock) -> None:
    """P3: half-open lets exactly the probes through, and rejects the rest at once."""
    llm = Resilience("llm", timeouts=None, bulkhead=None)
    entered = threading.Semaphore(0)
    release = threading.Event()

    @llm
    def call() -> str:
        """Wait inside."""
        entered.release()
        release.wait(10)
        return "ok"

    def come() -> str:
        """Call, or tell that the circuit is open."""
        try:
            return call()
        except CircuitOpen:
            return "rejected"

    with llm.testing(clock=clock), ThreadPoolExecutor(50) as pool:
        llm.open(seconds=1)
        clock.advance(1)
        calls = [pool.submit(come) for _ in range(50)]
        assert entered.acquire(timeout=10)
        assert entered.acquire(timeout=10)
        while sum(each.done() for each in calls) < 48:
            time.sleep(0.001)
        release.set()
        results = [each.result() for each in calls]

        assert (results.count("ok"), results.count("rejected")) == (2, 48)
        assert llm.snapshot()["llm"].state == "closed"


def test_threads_queue_for_slots_and_give_up() -> None:
    """The one that waited longest gets the slot; a full queue takes nobody."""
    llm = Resilience("llm", timeouts=None, bulkhead=Bulkhead(1, queue=1, wait=30))
    entered, release = threading.Event(), threading.Event()

    @llm
    def call(number: int) -> int:
        """Hold the slot."""
        entered.set()
        release.wait(10)
        return number

    slots: Any = llm._lanes.get("llm").slots
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(call, 1)
        assert entered.wait(10)
        second = pool.submit(call, 2)
        while not slots._queue:
            time.sleep(0.001)
        with pytest.raises(BulkheadFull):
            call(3)
        release.set()

        assert (first.result(10), second.result(10)) == (1, 2)
    assert slots.taken == 0


def test_a_thread_waits_no_longer_than_it_may() -> None:
    """A queue that does not move is left, and the slot stays with its owner."""
    llm = Resilience("llm", bulkhead=Bulkhead(1, queue=5, wait=0.01))
    with llm.guard(), pytest.raises(BulkheadFull), llm.guard():
        pytest.fail("there was no slot")

    slots: Any = llm._lanes.get("llm").slots
    assert (slots.taken, len(slots._queue)) == (0, 0)


def test_threads_and_tasks_share_the_slots() -> None:
    """A slot is handed from a thread to a task of another thread's loop."""
    llm = Resilience("llm", bulkhead=Bulkhead(1, queue=5, wait=30))
    slots: Any = llm._lanes.get("llm").slots

    @llm
    async def call() -> str:
        """Succeed."""
        return "ok"

    with ThreadPoolExecutor(1) as pool:
        with llm.guard():
            result = pool.submit(lambda: asyncio.run(call()))
            while not slots._queue:
                time.sleep(0.001)
        assert result.result(10) == "ok"
    assert slots.taken == 0


def test_nobody_queues_before_an_open_circuit() -> None:
    """An open circuit rejects at once, though all slots are taken by slow calls."""
    llm = Resilience("llm", bulkhead=Bulkhead(1, queue=5, wait=30))
    with llm.guard():
        llm.open(seconds=60)
        with pytest.raises(CircuitOpen), llm.guard():
            pytest.fail("the circuit was open")


# ---------------------------------------------------------- time, for threads


def test_a_call_sees_the_limit_of_its_attempt(clock: FrozenClock) -> None:
    """It cannot be cut short, so that it is told: for the client's own timeout."""
    llm = Resilience("llm", timeouts=Timeouts(total=20, attempt=15))
    seen: list[float | None] = []

    @llm
    def call() -> None:
        """Look, and take the time."""
        seen.append(Deadline.left())
        clock.advance(8)
        raise ConnectionResetError

    with llm.testing(clock=clock), pytest.raises(ConnectionResetError):
        call()

    assert seen[0] == 15
    assert all(left is not None and left <= 12 for left in seen[1:])
    assert Deadline.left() is None


def test_a_spent_deadline_begins_no_attempt(clock: FrozenClock) -> None:
    """Nothing is sent that nobody can wait for."""
    llm = Resilience("llm")
    calls: list[int] = []
    with llm.testing(clock=clock), Deadline.after(1, clock=clock):
        clock.advance(2)
        with pytest.raises(DeadlineExceeded):
            llm(calls.append)(1)

    assert not calls


def test_a_late_answer_is_still_an_answer(clock: FrozenClock) -> None:
    """It was paid for."""
    llm = Resilience("llm")
    with llm.testing(clock=clock):
        assert llm(lambda: clock.advance(100) or "ok")() == "ok"


def test_keep_alives_do_not_stand_for_content(clock: FrozenClock) -> None:
    """A stream that says nothing is given up between two items, and made again."""
    llm = Resilience("llm", timeouts=Timeouts(first_content=8))
    opened: list[int] = []

    @llm.stream(text=str, final=END.__eq__)
    def tokens() -> Iterator[str]:
        """Keep alive for ever, once."""
        opened.append(1)
        while len(opened) == 1:
            clock.advance(1)
            yield ""
        yield "Hello"
        yield END

    with llm.testing(clock=clock):
        assert list(tokens()) == ["Hello", END]
    assert len(opened) == 2


def test_the_total_ends_a_stream_between_items(clock: FrozenClock) -> None:
    """With what came so far."""
    llm = Resilience("llm", timeouts=Timeouts(total=10))

    @llm.stream(text=str, final=END.__eq__)
    def tokens() -> Iterator[str]:
        """Talk for ever."""
        while True:
            clock.advance(4)
            yield "a"

    with llm.testing(clock=clock), pytest.raises(StreamInterrupted) as caught:
        list(tokens())
    assert caught.value.partial == "aaa"


# ------------------------------------------------------------------- endings


def test_a_consumer_that_goes_away_closes_the_source() -> None:
    """P18: and its slot and ticket are back."""
    llm = Resilience("llm")
    closed: list[str] = []

    @llm.stream(text=str, final=END.__eq__)
    def tokens() -> Iterator[str]:
        """Talk, and say when it ends."""
        with contextlib.ExitStack() as stack:
            stack.callback(closed.append, "closed")
            yield "Hello"
            yield "world"

    stream = tokens()
    assert next(stream) == "Hello"
    stream.close()

    circuit = llm.snapshot()["llm"]
    assert (closed, circuit.in_flight, circuit.calls) == (["closed"], 0, 0)


def test_a_source_that_does_not_close_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The stream's outcome stands."""
    llm = Resilience("llm")

    @llm.stream(text=str, final=END.__eq__)
    def tokens() -> Iterator[str]:
        """Fail while closing."""
        try:
            yield "Hello"
            yield END
        finally:
            raise RuntimeError

    stream = tokens()
    next(stream)
    stream.close()
    assert "did not close" in caplog.text


def test_a_guard_is_entered_once() -> None:
    """A second entry would give back what was given back."""
    llm = Resilience("llm")
    guard = llm.guard()

    async def enter() -> None:
        """Enter it as a task."""
        async with guard:
            pass

    with guard:
        pass
    with pytest.raises(ConfigError, match="once"):
        asyncio.run(enter())
    with pytest.raises(ConfigError, match="once"):
        guard.__enter__()


def test_a_block_fails_as_a_call_does(clock: FrozenClock) -> None:
    """It counts, its slot comes back, and its own error is raised."""
    llm = Resilience("llm", trip=Trip(window=2, minimum=2))
    with llm.testing(clock=clock):
        for _ in range(2):
            with pytest.raises(ConnectionResetError), llm.guard():
                raise ConnectionResetError
        with pytest.raises(CircuitOpen), llm.guard():
            pytest.fail("the circuit was open")
        slots: Any = llm._lanes.get("llm").slots
        assert slots.taken == 0


def test_a_block_that_is_interrupted_counts_as_nothing() -> None:
    """Ctrl-C is no outcome."""
    llm = Resilience("llm")
    with pytest.raises(KeyboardInterrupt), llm.guard():
        raise KeyboardInterrupt

    circuit = llm.snapshot()["llm"]
    assert (circuit.calls, circuit.in_flight) == (0, 0)


# ------------------------------------------------------------- what is refused


def test_a_guarded_function_is_not_guarded_again() -> None:
    """T9: two guards would multiply their attempts."""
    inner, outer = Resilience("inner"), Resilience("outer")
    guarded = inner(lambda: "ok")

    between = functools.wraps(guarded)(lambda: guarded())  # noqa: PLW0108

    class Bot:
        """A method of its own."""

        ask = inner(lambda _: "ok")

    for fn in (guarded, between, functools.partial(guarded), Bot().ask):
        with pytest.raises(ConfigError, match="already, by <Resilience 'inner'>"):
            outer(fn)
        assert Resilience.of(fn) is inner


@pytest.mark.parametrize("nothing", [int, "f", None, staticmethod(len)])
def test_only_functions_are_guarded(nothing: Any) -> None:
    """A class would be called once, and its methods never guarded."""
    with pytest.raises(ConfigError):
        Resilience("llm")(nothing)


async def test_a_method_of_an_async_sdk_is_awaited() -> None:
    """They are plain functions around an ``async def``, by ``functools.wraps``."""

    class AsyncCompletions:
        """A resource of an async client."""

        async def _create(self, text: str) -> str:
            """Answer."""
            return text

        @functools.wraps(_create)
        def create(self, text: str) -> Any:
            """Check the arguments, as the SDKs do."""
            return self._create(text)

    llm, create = Resilience("llm"), AsyncCompletions().create
    assert await llm(create)("ok") == "ok"
    assert await llm(functools.partial(create, "ok"))() == "ok"


def test_a_method_that_runs_its_own_coroutine_stays_plain() -> None:
    """It wraps an ``async def`` too, and returns what that returned."""

    class Client:
        """A client that is not async."""

        async def _ask(self) -> str:
            """Answer."""
            return "ok"

        @functools.wraps(_ask)
        def ask(self) -> str:
            """Wait for the answer."""
            return asyncio.run(self._ask())

    assert Resilience("llm")(Client().ask)() == "ok"


def test_what_has_not_begun_is_no_result() -> None:
    """A generator that a `def` returns would have failed outside the guard."""
    llm = Resilience("llm")
    with pytest.raises(ConfigError, match="has not begun"):
        llm(lambda: (letter for letter in "ab"))()
    assert llm.snapshot()["llm"].in_flight == 0


def test_no_breaker_never_opens(clock: FrozenClock) -> None:
    """``trip=None``: retries alone."""
    llm = Resilience("llm", trip=None, budget=RetryBudget(ratio=100))
    with llm.testing(clock=clock):
        for _ in range(200):
            with pytest.raises(Said):
                llm(lambda: play(Said(401)))()
        assert llm.snapshot()["llm"].state == "closed"
