"""Streams: the whole answer, or an interruption that carries what came."""

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable
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
from resilient_auth.resilience.transcript import HELD
from resilient_auth.testing.clock import FrozenClock

END = "<end>"
ROLE = "<role>"
TOOL = "<tool>"
STALL = "<stall>"


class Overloaded(Exception):
    """What an SDK raises for 529."""

    status_code = 529


class Provider:
    """Plays one list of items, errors and stalls per request."""

    def __init__(self, *requests: list[Any]) -> None:
        self.requests = list(requests)
        self.opened = self.closed = 0

    async def __call__(self) -> AsyncGenerator[str, None]:
        """Play the next list; the last one for ever."""
        self.opened += 1
        items = self.requests.pop(0) if len(self.requests) > 1 else self.requests[0]
        try:
            for item in items:
                await asyncio.sleep(0)
                if item is STALL:
                    await asyncio.Event().wait()
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self.closed += 1


def text_of(item: str) -> object:
    """Return the text of an item; a tool call is content without one."""
    if item == TOOL:
        return {"name": "search"}
    return "" if item.startswith("<") else item


def is_final(item: str) -> bool:
    """Say whether it is the marker."""
    return item == END


Guarded = Callable[[], AsyncGenerator[str, None]]


@pytest.fixture
def make(clock: FrozenClock, heard: list[Any]) -> Any:
    """Guard a provider; waits are skipped, the time limits are the event loop's."""
    with contextlib.ExitStack() as stack:

        def build(
            provider: Provider, terminal: Any = "strict", **settings: Any
        ) -> tuple[Guarded, Resilience]:
            """Guard it."""
            llm = Resilience("llm", listeners=[heard.append], **settings)
            stack.enter_context(llm.testing(clock=clock))
            decorate = llm.stream(text=text_of, final=is_final, terminal=terminal)

            @decorate
            async def tokens() -> AsyncIterator[str]:
                """Pass the provider's items on."""
                async with contextlib.aclosing(provider()) as source:
                    async for item in source:
                        yield item

            return tokens, llm

        yield build


async def collect(stream: AsyncIterator[str]) -> list[str]:
    """Return all items."""
    return [item async for item in stream]


async def pass_on(stream: AsyncIterator[str], note: Callable[[str], object]) -> None:
    """Tell *note* of each item, so that what came is known when it raises."""
    async for item in stream:
        note(item)


def limits(**changes: float | None) -> Timeouts:
    """Return limits that are never reached, but for *changes*."""
    settings: dict[str, Any] = {"total": 60.0, "first_content": 60.0, "idle": 60.0}
    return Timeouts(**(settings | changes))


def names(heard: list[Any]) -> list[str]:
    """Return the names of the events."""
    return [each.name for each in heard]


async def test_a_whole_stream_is_handed_on_as_it_came(make: Any) -> None:
    """Items without text come too, in their order, and it counts as one success."""
    provider = Provider([ROLE, "Hel", "lo", END, "<usage>"])
    tokens, llm = make(provider)

    assert [ROLE, "Hel", "lo", END, "<usage>"] == await collect(tokens())
    circuit = llm.snapshot()["llm"]
    assert (1, 0.0, 0) == (circuit.calls, circuit.failure_rate, circuit.in_flight)
    assert provider.closed == 1


async def test_without_limits_a_stream_is_still_guarded(make: Any) -> None:
    """All off is no timer, no slot and no deadline, but the marker counts."""
    off = {"timeouts": None, "bulkhead": None, "budget": None}
    tokens, _ = make(Provider([Overloaded()], ["Hi", END]), **off)

    assert ["Hi", END] == await collect(tokens())


async def test_a_clean_end_without_the_marker_is_an_interruption(
    make: Any, heard: list[Any]
) -> None:
    """Both SDKs end such a stream without a word, and half an answer looks whole."""
    tokens, llm = make(Provider([ROLE, "Hel", "lo"]))
    seen: list[str] = []
    with pytest.raises(StreamInterrupted) as caught:
        await pass_on(tokens(), seen.append)

    assert ([ROLE, "Hel", "lo"], "Hello") == (seen, caught.value.partial)
    assert ["stream_broken"] == names(heard)
    assert ("truncated", 3) == (heard[0].kind, heard[0].items)
    assert llm.snapshot()["llm"].failure_rate == 1.0


async def test_a_clean_end_is_enough_where_no_marker_is_sent(make: Any) -> None:
    """Ollama sends none."""
    tokens, llm = make(Provider(["Hel", "lo"]), terminal="eof_ok")

    assert ["Hel", "lo"] == await collect(tokens())
    assert llm.snapshot()["llm"].failure_rate == 0.0


@pytest.mark.parametrize("terminal", ["strict", "eof_ok"])
@pytest.mark.parametrize("items", [[], [ROLE]], ids=["nothing", "no content"])
async def test_an_empty_stream_is_tried_again(
    make: Any, terminal: str, items: list[str]
) -> None:
    """HTML or JSON instead of events comes out of the SDKs as no item at all."""
    provider = Provider(items, items, ["Hi", END])
    tokens, _ = make(provider, terminal)

    assert ["Hi", END] == await collect(tokens())
    assert (3, 3) == (provider.opened, provider.closed)


async def test_an_empty_stream_is_given_up_as_interrupted(make: Any) -> None:
    """Nothing came, and nothing was raised by the provider: the partial is empty."""
    provider = Provider([])
    tokens, _ = make(provider)
    with pytest.raises(StreamInterrupted) as caught:
        await collect(tokens())

    assert ("", 3) == (caught.value.partial, provider.opened)


async def test_it_is_tried_again_before_the_first_content(
    make: Any, heard: list[Any]
) -> None:
    """Nobody has seen anything yet, not even the role chunk of the first attempt."""
    provider = Provider(
        [Overloaded()], [ROLE, ConnectionResetError()], [ROLE, "Hi", END]
    )
    tokens, _ = make(provider)

    assert [ROLE, "Hi", END] == await collect(tokens())
    assert ["call_retried", "call_retried", "call_recovered"] == names(heard)
    assert (3, 3) == (provider.opened, provider.closed)


async def test_the_last_error_before_content_is_the_providers(make: Any) -> None:
    """As with a call: the real error, not one of ours."""
    tokens, _ = make(Provider([Overloaded()]))
    with pytest.raises(Overloaded):
        await collect(tokens())


@pytest.mark.parametrize(
    ("error", "kind", "rate"),
    [
        pytest.param(ConnectionResetError(), "reset", 1.0, id="cut"),
        pytest.param(Overloaded(), "overloaded", 1.0, id="an error event"),
        pytest.param(ValueError("?"), "bug", 0.0, id="anything else"),
    ],
)
async def test_it_is_never_tried_again_after_content(
    make: Any, heard: list[Any], error: Exception, kind: str, rate: float
) -> None:
    """A replayed generator would have the user read the beginning twice."""
    provider = Provider(["Hel", error])
    tokens, llm = make(provider)
    with pytest.raises(StreamInterrupted) as caught:
        await collect(tokens())

    assert ("Hel", error, 1) == (
        caught.value.partial,
        caught.value.__cause__,
        provider.opened,
    )
    assert (kind, rate) == (heard[-1].kind, llm.snapshot()["llm"].failure_rate)


@pytest.mark.parametrize("after", [ConnectionResetError(), STALL], ids=["cut", "stall"])
@pytest.mark.parametrize("before", [["Hi"], []], ids=["content", "no content"])
async def test_what_follows_the_marker_cannot_undo_it(
    make: Any, before: list[str], after: Any
) -> None:
    """The answer is whole; usage that never comes is no failure."""
    provider = Provider([*before, END, after])
    tokens, llm = make(provider, timeouts=limits(idle=0.05))

    assert [*before, END] == await collect(tokens())
    assert llm.snapshot()["llm"].failure_rate == 0.0


async def test_a_tool_call_is_content(make: Any) -> None:
    """An answer may consist of it, without any text."""
    provider = Provider([ROLE, TOOL, ConnectionResetError()])
    tokens, _ = make(provider)
    with pytest.raises(StreamInterrupted) as caught:
        await collect(tokens())

    assert ("", 1) == (caught.value.partial, provider.opened)


async def test_a_marker_alone_is_an_answer(make: Any) -> None:
    """A model may say nothing and mean it."""
    tokens, llm = make(Provider([ROLE, END]))

    assert [ROLE, END] == await collect(tokens())
    assert llm.snapshot()["llm"].failure_rate == 0.0


async def test_a_stall_before_the_first_content_is_tried_again(
    make: Any, heard: list[Any]
) -> None:
    """Neither SDK retries it once the stream is open."""
    provider = Provider([STALL], [ROLE, STALL], ["Hi", END])
    tokens, _ = make(provider, timeouts=limits(first_content=0.05))

    assert ["Hi", END] == await collect(tokens())
    assert ["timeout", "timeout"] == [each.kind for each in heard[:2]]
    assert provider.closed == 3


async def test_keep_alives_do_not_satisfy_the_first_content_limit(make: Any) -> None:
    """They satisfy a read timeout for ever."""

    class Endless(Provider):
        """A provider that only ever sends keep-alives."""

        async def __call__(self) -> AsyncGenerator[str, None]:
            self.opened += 1
            while True:
                await asyncio.sleep(0.001)
                yield ROLE

    provider = Endless([])
    tokens, _ = make(provider, timeouts=limits(first_content=0.02), attempts=2)
    with pytest.raises(DeadlineExceeded) as caught:
        await collect(tokens())

    assert ("first_content", 2) == (caught.value.what, provider.opened)


async def test_a_stall_after_content_is_an_interruption(
    make: Any, heard: list[Any]
) -> None:
    """With the text so far, and with the limit as its cause."""
    tokens, _ = make(Provider(["Hel", "lo", STALL]), timeouts=limits(idle=0.05))
    with pytest.raises(StreamInterrupted) as caught:
        await collect(tokens())

    assert (caught.value.partial, heard[0].kind) == ("Hello", "timeout")
    assert isinstance(caught.value.__cause__, DeadlineExceeded)


async def test_the_total_cuts_a_good_stream_without_blaming_it(
    make: Any, heard: list[Any]
) -> None:
    """The request ran out of time; the provider did nothing wrong."""
    tokens, llm = make(Provider(["Hel", STALL]), timeouts=limits(total=0.05))
    with pytest.raises(StreamInterrupted):
        await collect(tokens())

    assert heard[0].kind == "deadline"
    assert llm.snapshot()["llm"].calls == 0


async def test_the_deadline_is_captured_when_it_is_called(
    make: Any, clock: FrozenClock
) -> None:
    """A framework iterates the body long after the handler's scope was left."""
    tokens, _ = make(Provider(["Hi", END]))
    with Deadline.after(5, clock=clock):
        stream = tokens()
    clock.advance(6)

    with pytest.raises(DeadlineExceeded):
        await collect(stream)


async def test_the_deadline_is_seen_inside_while_it_opens(make: Any) -> None:
    """The SDK's own timeout can be what is left of the request's."""
    llm = Resilience("llm", timeouts=limits(total=5.0))
    lefts: list[float | None] = []

    @llm.stream(text=text_of, final=is_final)
    async def tokens() -> AsyncIterator[str]:
        """Write down what is left."""
        lefts.append(Deadline.left())
        yield "Hi"
        yield END

    async for _ in tokens():
        assert Deadline.left() is None

    assert lefts[0] is not None
    assert 0 < lefts[0] <= 5.0


async def test_nothing_is_taken_before_it_is_iterated(make: Any) -> None:
    """P18: ten streams that nobody read once filled a half-open circuit for ever."""
    provider = Provider(["Hi", END])
    tokens, llm = make(provider)
    streams = [tokens() for _ in range(10)]

    assert (0, 0) == (provider.opened, llm.snapshot()["llm"].in_flight)
    for stream in streams:
        await stream.aclose()


async def test_closing_early_is_no_failure(make: Any) -> None:
    """P7: the user pressed stop; that says nothing about the provider."""
    provider = Provider(["Hel", "lo", END])
    tokens, llm = make(provider)
    stream = tokens()
    await anext(stream)
    held = llm.snapshot()["llm"].in_flight
    await stream.aclose()
    circuit = llm.snapshot()["llm"]

    assert (1, 0, 0) == (held, circuit.in_flight, circuit.calls)
    assert provider.closed == 1


async def test_closing_at_the_marker_is_a_success(make: Any) -> None:
    """Many consumers break at the marker; a probe must count all the same."""
    tokens, llm = make(Provider(["Hi", END, "<usage>"]))
    stream = tokens()
    async for item in stream:
        if item == END:
            break
    await stream.aclose()

    assert llm.snapshot()["llm"].calls == 1


@pytest.mark.parametrize("steps", range(12))
async def test_a_task_cancelled_anywhere_gives_everything_back(
    make: Any, steps: int
) -> None:
    """The browser went away; uvicorn cancels whatever was awaited."""
    provider = Provider([ROLE, "Hel", "lo", STALL])
    tokens, llm = make(provider)
    task = asyncio.create_task(collect(tokens()))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    circuit = llm.snapshot()["llm"]

    assert (0, 0) == (circuit.in_flight, circuit.calls)
    assert llm._lanes.get("llm").slots.taken == 0
    assert provider.opened == provider.closed


async def test_an_abandoned_stream_is_closed_when_it_is_collected(make: Any) -> None:
    """A consumer that raises inside its loop closes nothing by itself."""
    provider = Provider(["Hel", "lo", END])
    tokens, llm = make(provider)

    async def consume() -> None:
        """Fail while reading."""
        async for _ in tokens():
            raise RuntimeError("the consumer's own")

    with pytest.raises(RuntimeError):
        await consume()
    gc.collect()
    for _ in range(20):
        await asyncio.sleep(0)

    assert (1, 0) == (provider.closed, llm.snapshot()["llm"].in_flight)


async def test_a_source_that_hangs_in_its_cleanup_blocks_nobody(make: Any) -> None:
    """Slot and ticket are given back first."""
    hanging = asyncio.Event()
    llm = Resilience("llm")

    @llm.stream(text=text_of, final=is_final)
    async def tokens() -> AsyncIterator[str]:
        """Hang when closed."""
        try:
            yield "Hi"
            yield END
        finally:
            hanging.set()
            await asyncio.Event().wait()

    stream = tokens()
    await anext(stream)
    closing = asyncio.create_task(stream.aclose())
    await hanging.wait()
    circuit = llm.snapshot()["llm"]
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing

    assert (0, 0) == (circuit.in_flight, llm._lanes.get("llm").slots.taken)  # type: ignore[union-attr]


async def test_a_source_that_fails_in_its_cleanup_is_only_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The outcome stands already."""
    llm = Resilience("llm")

    @llm.stream(text=text_of, final=is_final)
    async def tokens() -> AsyncIterator[str]:
        """Fail when closed."""
        try:
            yield "Hi"
            yield END
        finally:
            raise ConnectionError("while closing")

    stream = tokens()
    await anext(stream)
    await stream.aclose()

    assert "did not close" in caplog.text


async def test_a_callback_that_fails_is_the_developers_error(make: Any) -> None:
    """``chunk.choices[0]`` on a chunk without choices is a bug, and shows as one."""
    provider = Provider(["Hi", END])
    llm = Resilience("llm")

    def broken(item: str) -> object:
        """Expect a choice that is not there."""
        raise IndexError(item)

    @llm.stream(text=broken, final=is_final)
    async def tokens() -> AsyncIterator[str]:
        """Pass the provider's items on."""
        async with contextlib.aclosing(provider()) as source:
            async for item in source:
                yield item

    with pytest.raises(IndexError):
        await collect(tokens())
    circuit = llm.snapshot()["llm"]

    assert (0, 0, 1) == (circuit.in_flight, circuit.calls, provider.closed)


async def test_nothing_is_asked_of_items_after_the_marker() -> None:
    """The usage chunk has no choices; the usual lambda would raise on it."""
    llm = Resilience("llm")

    @llm.stream(text=lambda item: item["choices"][0], final=lambda item: "end" in item)
    async def tokens() -> AsyncIterator[dict[str, Any]]:
        """End as OpenAI does, with a chunk of usage alone."""
        yield {"choices": ["Hi"], "end": True}
        yield {"choices": [], "usage": 7}

    assert [True, False] == [bool(item["choices"]) async for item in tokens()]


async def test_many_items_without_content_are_handed_on(make: Any) -> None:
    """What is held back is bounded; after that nothing can be tried again."""
    provider = Provider([ROLE] * (HELD + 5) + [ConnectionResetError()])
    tokens, _ = make(provider)
    seen: list[str] = []
    with pytest.raises(StreamInterrupted):
        await pass_on(tokens(), seen.append)

    assert (HELD + 5, 1) == (len(seen), provider.opened)


async def test_an_open_circuit_refuses_a_stream(make: Any) -> None:
    """Before anything is sent."""
    provider = Provider(["Hi", END])
    tokens, llm = make(provider)
    llm.open()
    with pytest.raises(CircuitOpen):
        await collect(tokens())

    assert (0, 0) == (provider.opened, llm._lanes.get("llm").slots.taken)


async def test_a_stream_holds_its_slot_till_its_end(make: Any) -> None:
    """Fifty open streams are fifty calls in flight, though nobody waits for one."""
    tokens, _ = make(Provider(["Hel", "lo", END]), bulkhead=Bulkhead(1, queue=0))
    first = tokens()
    await anext(first)
    with pytest.raises(BulkheadFull):
        await collect(tokens())
    await first.aclose()

    assert ["Hel", "lo", END] == await collect(tokens())


@pytest.mark.parametrize(
    "items", [[], [Overloaded()], ["Hel"], ["Hel", Overloaded()]], ids=str
)
async def test_a_stream_that_fails_gives_its_slot_back(
    make: Any, items: list[Any]
) -> None:
    """However it failed, and before it is tried again."""
    tokens, llm = make(Provider(items), bulkhead=Bulkhead(1, queue=0))
    with pytest.raises((StreamInterrupted, Overloaded)):
        await collect(tokens())

    assert llm._lanes.get("llm").slots.taken == 0
    assert llm.snapshot()["llm"].in_flight == 0


async def test_a_half_open_circuit_waits_for_the_end_of_the_stream(
    make: Any, clock: FrozenClock
) -> None:
    """A stream that opens well and breaks midway must not close the circuit."""
    provider = Provider([Overloaded()], ["Hel", ConnectionResetError()])
    tokens, llm = make(provider, attempts=1, probes=1, trip=Trip(window=1, minimum=1))
    with pytest.raises(Overloaded):
        await collect(tokens())
    clock.advance(15.0)
    stream = tokens()
    await anext(stream)
    during = llm.snapshot()["llm"].state
    with pytest.raises(StreamInterrupted):
        await anext(stream)

    assert ("half_open", "open") == (during, llm.snapshot()["llm"].state)


async def test_a_stream_is_slow_until_its_first_content(clock: FrozenClock) -> None:
    """Thinking for 13 s is slow; writing for a minute is a long answer."""
    llm = Resilience("llm", trip=Trip(window=4, minimum=2), timeouts=None)

    @llm.stream(text=text_of, final=is_final)
    async def tokens(thinks: float, writes: float) -> AsyncIterator[str]:
        """Think, then write."""
        clock.advance(thinks)
        yield "Hi"
        clock.advance(writes)
        yield END

    with llm.testing(clock=clock):
        for _ in range(4):
            await collect(tokens(1.0, 60.0))
        state = llm.snapshot()["llm"].state
        for _ in range(3):
            await collect(tokens(13.0, 0.0))

        assert ("closed", "open") == (state, llm.snapshot()["llm"].state)


async def test_no_timer_of_a_stream_is_left_behind(make: Any) -> None:
    """Neither of one that ended, nor of one that was closed, nor of one that broke."""
    provider = Provider(["Hi", END], ["Hi", END], ["Hi"], [])
    tokens, _ = make(provider, attempts=1)
    await collect(tokens())
    closed = tokens()
    await anext(closed)
    await closed.aclose()
    for _ in range(2):
        with pytest.raises(StreamInterrupted):
            await collect(tokens())
    loop: Any = asyncio.get_running_loop()

    assert not [
        each
        for each in loop._scheduled
        if not each.cancelled() and "Watch" in repr(each)
    ]


async def test_retries_of_streams_spend_the_same_budget(
    make: Any, heard: list[Any]
) -> None:
    """One budget for one key, whatever its calls look like."""
    tokens, _ = make(
        Provider([Overloaded()]),
        budget=RetryBudget(ratio=0, per_second=0),
        backoff=Backoff(first=1e-9, cap=1e-9),
    )
    with pytest.raises(Overloaded):
        await collect(tokens())

    assert ["retry_budget_spent", "call_failed"] == names(heard)


async def test_a_broken_stream_keeps_no_prompt_alive(make: Any) -> None:
    """T6, for streams: before content and after it."""

    class Body:
        """A prompt of some megabytes."""

    llm = Resilience("llm", budget=None)

    @llm.stream(text=text_of, final=is_final)
    async def tokens(body: Body, *items: str) -> AsyncIterator[str]:
        """Yield the items and fail."""
        for item in items:
            yield item
        raise Overloaded

    gc.collect()
    gc.disable()
    try:
        with llm.testing():
            for items in ([], ["Hel"]):
                body = Body()
                alive = weakref.ref(body)
                with contextlib.suppress(Overloaded, StreamInterrupted):
                    await collect(tokens(body, *items))
                del body

                assert alive() is None
    finally:
        gc.enable()


def test_only_generators_are_streams() -> None:
    """And only the two ways of ending are known."""
    llm = Resilience("llm")
    decorate: Any = llm.stream(text=text_of, final=is_final)

    async def call() -> str:
        """Be a plain call."""
        return ""

    def plain() -> str:
        """Be a plain call, too."""
        return ""

    for fn in (call, plain):
        with pytest.raises(ConfigError, match="is no generator"):
            decorate(fn)
    with pytest.raises(ConfigError):
        llm.stream(text=text_of, final=is_final, terminal="maybe")  # type: ignore[arg-type]
