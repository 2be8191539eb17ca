"""
Every fault of the catalogue, through the real SDKs of OpenAI and Anthropic.

Each row of the tables says how we react: what the failure means, how many requests the
provider saw, how long we waited (on a clock that stands still), and what became of the
circuit. Sync and async react alike. `FaultServer` plays the faults on real connections.
"""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

import anthropic
import openai
import pytest

from resilient_auth.errors import (
    AnswerError,
    CircuitOpen,
    DeadlineExceeded,
    StreamInterrupted,
    answer_for,
)
from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.policy import Backoff, Bulkhead, RetryBudget, Timeouts
from resilient_auth.resilience.results import sdk_response
from resilient_auth.testing.clock import FrozenClock
from resilient_auth.testing.faults import CATALOGUE, FaultServer

Protocol = Literal["openai", "anthropic"]
Mode = Literal["sync", "async"]

SOON = 0.25  # seconds: the limits of what would hang
PATIENT = Timeouts(total=1000.0, attempt=None, first_content=None, idle=None)
HASTY = Timeouts(total=60.0, attempt=SOON, first_content=SOON, idle=SOON)
ASKED: Any = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    """Return one provider for all rows; `play` begins anew."""
    with FaultServer("Hello") as running:
        yield running


@pytest.fixture(params=["openai", "anthropic"])
def protocol(request: pytest.FixtureRequest) -> Protocol:
    """Ask as each of the SDKs does."""
    asked: Protocol = request.param
    return asked


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest) -> Mode:
    """Ask as a thread, and as a task."""
    asked: Mode = request.param
    return asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    How we react to a fault that lasts.

    *waited* are seconds; *told* is for how long the circuit opens at once, None when it
    stays closed, and the failures count in it if *trips*. *answers* says whether our
    own client is told ``llm_unavailable`` (it is not when the request was bad).
    """

    kind: str
    requests: int = 3
    waited: tuple[float, float] = (0.0, 1.5)
    told: float | None = None
    trips: bool = True
    answers: bool = True


ONCE = {"requests": 1, "waited": (0.0, 0.0)}
OURS: Any = {**ONCE, "trips": False, "answers": False}
LASTING = {
    "retry_after": Row(kind="rate_limit", waited=(4.0, 4.4)),
    "retry_after_ms": Row(kind="rate_limit", waited=(0.7, 0.77)),
    "retry_after_date": Row(kind="rate_limit", waited=(60.0, 66.0)),
    "retry_after_long": Row(kind="rate_limit", told=3600.0, **ONCE),
    "retry_after_nonsense": Row(kind="rate_limit"),
    "ratelimit_reset_only": Row(kind="rate_limit", told=360.0, **ONCE),
    "should_retry_false": Row(kind="rate_limit", **ONCE),
    "insufficient_quota": Row(kind="quota", told=15.0, **ONCE),
    "usage_limits": Row(kind="quota", told=86_400.0, **ONCE),
    "credits_402": Row(kind="quota", told=15.0, **ONCE),
    "bad_request_hint_true": Row(kind="bad_request", **OURS),
    "server_error": Row(kind="server"),
    "bad_gateway_html": Row(kind="server"),
    "unavailable_retry_after": Row(kind="overloaded", waited=(2.0, 2.2)),
    "gateway_timeout_html": Row(kind="timeout", requests=2),
    "overloaded_529": Row(kind="overloaded", waited=(0.0, 3.0)),
    "request_timeout_408": Row(kind="timeout"),
    "conflict_409": Row(kind="conflict", trips=False),
    "invalid_key": Row(kind="auth", told=15.0, **ONCE),
    "forbidden_region": Row(kind="permission", **ONCE),
    "model_not_found": Row(kind="not_found", trips=False, **ONCE),
    "context_too_long": Row(kind="context_length", **OURS),
    "content_filter": Row(kind="content_filter", **OURS),
    "too_large_413": Row(kind="bad_request", **OURS),
    "unprocessable_422": Row(kind="bad_request", **OURS),
    "connection_refused": Row(kind="refused"),
    "dns_failure": Row(kind="dns", requests=2),
    "tls_self_signed": Row(kind="tls", **ONCE),
    "tls_plaintext": Row(kind="tls", **ONCE),
    "reset_before_headers": Row(kind="reset"),
    "close_before_headers": Row(kind="reset"),
    "garbage_status": Row(kind="reset"),
    "body_cut": Row(kind="reset"),
    "body_reset": Row(kind="reset"),
    "truncated_json": Row(kind="bad_payload", requests=2),
    "html_200": Row(kind="bad_payload", requests=2),
    "error_body_200": Row(kind="server", waited=(0.0, 3.0)),
    "empty_choices": Row(kind="bad_payload", requests=2),
}
#: What Anthropic's error bodies and events say, where OpenAI's say ``server_error``.
OVERLOADED = {"error_body_200", "stream_error_event", "stream_error_event_first"}
UNREACHED = {
    "connection_refused",
    "dns_failure",
    "tls_self_signed",
    "tls_plaintext",
}
#: The faults of streams before their first content, and how we react when they last.
BEFORE = {
    "stream_stall_first": Row(kind="timeout"),
    "stream_keepalives": Row(kind="timeout"),
    "stream_error_event_first": Row(kind="server"),
    "stream_empty": Row(kind="truncated"),
    "stream_json": Row(kind="truncated"),
    "stream_html": Row(kind="truncated"),
}
#: After it: the kind, and the text that came.
MIDWAY = {
    "stream_stall_midway": ("timeout", "Hel"),
    "stream_reset_midway": ("reset", "Hel"),
    "stream_cut_midway": ("reset", "Hel"),
    "stream_no_marker": ("truncated", "Hello"),
    "stream_malformed": ("bad_payload", "Hel"),
    "stream_error_event": ("server", "Hel"),
}
#: What is no failure, though the answer is not all that one might want: its text.
ENDED = {
    "stream_length": "Hello",
    "stream_content_filter": "Hel",
    "stream_refusal": None,
}


class Chat:
    """A guarded client of either SDK, sync or async, and what was seen of it."""

    def __init__(
        self,
        llm: Resilience,
        server: FaultServer,
        protocol: Protocol,
        mode: Mode,
        *,
        timeout: float = 5.0,
    ) -> None:
        self._build: Callable[[], Any] = lambda: getattr(
            openai if protocol == "openai" else anthropic,
            ("Async" if mode == "async" else "")
            + ("OpenAI" if protocol == "openai" else "Anthropic"),
        )(
            base_url=server.url(protocol),
            api_key="sk-secret",
            max_retries=0,
            timeout=timeout,
        )
        self._create: Callable[[Any], Any] = (
            (lambda client: client.chat.completions.create)
            if protocol == "openai"
            else (lambda client: client.messages.create)
        )
        self.asked: Any = {"model": "m", "messages": ASKED}
        if protocol == "anthropic":
            self.asked["max_tokens"] = 100
        self._llm = llm
        self._text = _text if protocol == "openai" else _anthropic_text
        self._final = _final if protocol == "openai" else _anthropic_final
        self._is_async = mode == "async"
        self.attempts = 0

    def ask(self) -> Any:
        """Make a call, and return the SDK's answer."""
        if self._is_async:
            return asyncio.run(self._aask())
        client = self._build()

        @self._llm
        def call() -> Any:
            """Ask for a completion."""
            self.attempts += 1
            return self._create(client)(**self.asked)

        with client:
            return call()

    def read(self) -> str:
        """Read a stream, and return its text."""
        if self._is_async:
            return asyncio.run(self._aread())
        client = self._build()
        with client:
            items = self._tokens(client)
            return "".join(str(self._text(item) or "") for item in items)

    def _tokens(self, client: Any) -> Iterator[Any]:
        @self._llm.stream(text=self._text, final=self._final)
        def tokens() -> Iterator[Any]:
            """Ask for a stream."""
            self.attempts += 1
            with self._create(client)(**self.asked, stream=True) as stream:
                yield from stream

        return tokens()

    async def _aask(self) -> Any:
        client = self._build()

        @self._llm
        async def call() -> Any:
            """Ask for a completion."""
            self.attempts += 1
            return await self._create(client)(**self.asked)

        async with client:
            return await call()

    async def _aread(self) -> str:
        client = self._build()
        async with client:
            items = self.atokens(client)
            return "".join([str(self._text(item) or "") async for item in items])

    def atokens(self, client: Any) -> AsyncIterator[Any]:
        """Return a guarded stream of *client*."""

        @self._llm.stream(text=self._text, final=self._final)
        async def tokens() -> AsyncIterator[Any]:
            """Ask for a stream."""
            self.attempts += 1
            async with await self._create(client)(**self.asked, stream=True) as stream:
                async for item in stream:
                    yield item

        return tokens()

    def client(self) -> Any:
        """Return a client of one's own."""
        return self._build()


def _text(chunk: Any) -> object:
    if not chunk.choices:
        return ""
    delta = chunk.choices[0].delta
    return delta.content or delta.refusal


def _final(chunk: Any) -> object:
    return chunk.choices and chunk.choices[0].finish_reason


def _anthropic_text(event: Any) -> object:
    return event.type == "content_block_delta" and event.delta.text


def _anthropic_final(event: Any) -> object:
    return event.type == "message_stop"


def guard(heard: list[Any], timeouts: Timeouts = PATIENT) -> Resilience:
    """Return a guard whose retries do not run out of budget."""
    return Resilience(
        "llm",
        timeouts=timeouts,
        budget=RetryBudget(ratio=10.0),
        check=sdk_response,
        listeners=[heard.append],
    )


def kinds(heard: list[Any]) -> set[str]:
    """Return what the failures were told to be."""
    return {each.kind for each in heard if each.name in ("call_retried", "call_failed")}


def kind_of(name: str, kind: str, protocol: Protocol) -> str:
    """Return what the fault *name* is in *protocol*."""
    return "overloaded" if protocol == "anthropic" and name in OVERLOADED else kind


def assert_settled(llm: Resilience, row: Row) -> None:
    """The circuit counts what the provider is to blame for, and nothing hangs."""
    circuit = llm.snapshot()["llm"]
    assert circuit.in_flight == 0
    if row.told is None:
        assert (circuit.state, circuit.calls) == ("closed", row.requests * row.trips)
    else:
        assert circuit.state == "open"
        assert circuit.retry_in == pytest.approx(row.told, rel=0.01)


# ------------------------------------------------------------------ calls


def test_every_row_is_here() -> None:
    """A fault without a reaction is not covered."""
    met = {*LASTING, *BEFORE, *MIDWAY, *ENDED, "ok", "slow_headers", "hang"}

    assert met == set(CATALOGUE)
    assert {each.row for each in CATALOGUE.values()} == set(range(41))


def test_a_healthy_provider(
    server: FaultServer, protocol: Protocol, mode: Mode, heard: list[Any]
) -> None:
    """The ground on which the faults stand."""
    server.play("ok")
    chat = Chat(guard(heard), server, protocol, mode)

    assert "Hello" in repr(chat.ask())
    assert chat.read() == "Hello"
    assert heard == []


@pytest.mark.parametrize("name", LASTING)
def test_a_fault_that_lasts(
    server: FaultServer, protocol: Protocol, mode: Mode, name: str, heard: list[Any]
) -> None:
    """The caller gets the SDK's own error, and nobody waits in vain."""
    row = LASTING[name]
    server.play(name)
    llm, clock = guard(heard), FrozenClock()
    chat = Chat(llm, server, protocol, mode)
    with llm.testing(clock=clock):
        with pytest.raises(Exception) as caught:
            chat.ask()
        error = caught.value

        assert kinds(heard) == {kind_of(name, row.kind, protocol)}
        assert chat.attempts == row.requests
        assert name in UNREACHED or len(server.requests) == row.requests
        assert row.waited[0] <= clock.monotonic() <= row.waited[1]
        assert_settled(llm, row)
        answer = error if isinstance(error, AnswerError) else answer_for(error)
        assert (answer is not None) == row.answers
        if row.told is not None:
            assert answer is not None
            assert answer.retry_after == pytest.approx(row.told, rel=0.01)
            with pytest.raises(CircuitOpen):
                chat.ask()
            assert len(server.requests) == row.requests
    assert "sk-secret" not in repr(heard) + repr(answer)


PASSING = [name for name in LASTING if LASTING[name].requests > 1]


@pytest.mark.parametrize("how", ["call", "stream"])
@pytest.mark.parametrize("name", [each for each in PASSING if each not in UNREACHED])
def test_a_fault_that_passes(
    server: FaultServer, mode: Mode, name: str, how: str, heard: list[Any]
) -> None:
    """The user sees an answer, and need not know."""
    server.play(name, "ok")
    llm = guard(heard)
    chat = Chat(llm, server, "openai", mode)
    with llm.testing(clock=FrozenClock()):
        if how == "call":
            assert chat.ask().choices[0].message.content == "Hello"
        elif not _is_of_whole_answers(name):
            assert chat.read() == "Hello"


def _is_of_whole_answers(name: str) -> bool:
    """Say whether a stream meets this fault under another name (row 39)."""
    return name in ("truncated_json", "error_body_200", "empty_choices")


def test_slow_headers_cost_one_limit_each(
    server: FaultServer, protocol: Protocol, mode: Mode, heard: list[Any]
) -> None:
    """Row 26: a task is cut short; a thread has its client's own timeout for it."""
    server.play("slow_headers")
    llm = guard(heard, HASTY)
    chat = Chat(llm, server, protocol, mode, timeout=SOON if mode == "sync" else 30.0)
    started = time.monotonic()
    with llm.testing():
        with pytest.raises(Exception):  # noqa: B017 - by mode
            chat.ask()
        assert_settled(llm, Row(kind="timeout"))

    assert (len(server.requests), kinds(heard)) == (3, {"timeout"})
    assert time.monotonic() - started >= 3 * SOON


def test_one_deadline_for_all_attempts(server: FaultServer, heard: list[Any]) -> None:
    """Row 26: ten attempts do not cost ten times the patience of the caller."""
    server.play("slow_headers")
    limits = Timeouts(total=0.5, attempt=0.2, first_content=None, idle=None)
    llm = Resilience(
        "llm",
        attempts=10,
        timeouts=limits,
        backoff=Backoff(first=1e-6, cap=1e-6),
        listeners=[heard.append],
    )
    with pytest.raises(DeadlineExceeded):
        Chat(llm, server, "openai", "async", timeout=30.0).ask()

    assert 1 <= len(server.requests) <= 3
    assert "deadline" in (heard[-1].kind, heard[-1].why)


# ---------------------------------------------------------------- streams


@pytest.mark.parametrize("name", BEFORE)
def test_a_stream_that_breaks_before_its_first_content(
    server: FaultServer, protocol: Protocol, mode: Mode, name: str, heard: list[Any]
) -> None:
    """It is made again, for nobody has seen anything; and given up when it lasts."""
    if (name, mode) == ("stream_keepalives", "sync"):
        pytest.skip("the SDKs hide keep-alives, and a thread cannot be interrupted")
    row = BEFORE[name]
    kind = kind_of(name, row.kind, protocol)
    llm = guard(heard, HASTY)
    server.play(name, "ok")
    chat = Chat(llm, server, protocol, mode, timeout=SOON if mode == "sync" else 30.0)
    with llm.testing():
        assert chat.read() == "Hello"
    assert (chat.attempts, kinds(heard)) == (2, {kind})

    heard.clear()
    server.play(name)
    with llm.testing():
        with pytest.raises(Exception):  # noqa: B017 - by fault and SDK
            chat.read()
        assert (len(server.requests), kinds(heard)) == (3, {kind})
        assert_settled(llm, row)


@pytest.mark.parametrize("name", MIDWAY)
def test_a_stream_that_breaks_midway(
    server: FaultServer, protocol: Protocol, mode: Mode, name: str, heard: list[Any]
) -> None:
    """One error, with the text that came; the SDKs raise four, or nothing."""
    kind, text = MIDWAY[name]
    kind = kind_of(name, kind, protocol)
    server.play(name)
    llm = guard(heard, HASTY)
    chat = Chat(llm, server, protocol, mode, timeout=SOON if mode == "sync" else 30.0)
    with llm.testing():
        with pytest.raises(StreamInterrupted) as caught:
            chat.read()
        circuit = llm.snapshot()["llm"]

    assert (caught.value.partial, len(server.requests)) == (text, 1)
    assert [(each.name, each.kind) for each in heard] == [("stream_broken", kind)]
    assert (circuit.calls, circuit.failure_rate, circuit.in_flight) == (1, 1.0, 0)
    server.wait_gone()


@pytest.mark.parametrize("name", ENDED)
def test_an_end_that_is_no_failure(
    server: FaultServer, protocol: Protocol, mode: Mode, name: str, heard: list[Any]
) -> None:
    """Row 38: the reason is in the last item, for the caller to show."""
    server.play(name)
    llm = guard(heard)
    text = Chat(llm, server, protocol, mode).read()
    circuit = llm.snapshot()["llm"]

    assert ENDED[name] in (None, text)
    assert (circuit.calls, circuit.failure_rate) == (1, 0.0)
    assert heard == []


# ----------------------------------------------------------- who goes away


def test_a_consumer_that_goes_away_frees_the_connection(
    server: FaultServer, protocol: Protocol, heard: list[Any]
) -> None:
    """Stop was pressed: the provider must not go on writing, and billing."""
    server.play("stream_stall_midway")
    llm = guard(heard)
    chat = Chat(llm, server, protocol, "sync")
    with chat.client() as client:
        stream: Any = chat._tokens(client)
        with closing(stream):
            next(stream)
        server.wait_gone()

    circuit = llm.snapshot()["llm"]
    assert (circuit.calls, circuit.in_flight, heard) == (0, 0, [])


async def test_a_task_that_goes_away_frees_the_connection(
    server: FaultServer, protocol: Protocol, heard: list[Any]
) -> None:
    """The same for a task."""
    server.play("stream_stall_midway")
    llm = guard(heard)
    chat = Chat(llm, server, protocol, "async")
    async with chat.client() as client:
        stream: Any = chat.atokens(client)
        await anext(stream)
        await stream.aclose()
        await asyncio.to_thread(server.wait_gone)

    circuit = llm.snapshot()["llm"]
    assert (circuit.calls, circuit.in_flight, heard) == (0, 0, [])


@pytest.mark.parametrize("how", ["call", "stream"])
async def test_a_cancelled_task_frees_the_connection(
    server: FaultServer, protocol: Protocol, how: str, heard: list[Any]
) -> None:
    """Row 40: the browser is gone; no verdict, no retry, nothing left behind."""
    server.play("hang")
    llm = guard(heard)
    chat = Chat(llm, server, protocol, "async")
    work = chat._aask() if how == "call" else chat._aread()
    task: asyncio.Task[Any] = asyncio.create_task(work)
    await asyncio.to_thread(server.wait_requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(server.wait_gone)

    circuit = llm.snapshot()["llm"]
    assert (circuit.calls, circuit.in_flight, heard) == (0, 0, [])
    assert len(server.requests) == 1


async def test_a_thousand_cancelled_tasks_leave_no_connection(
    server: FaultServer, heard: list[Any]
) -> None:
    """Nor a permit, a slot, a task or a timer: all browsers went away at once."""
    server.play("hang")
    llm = Resilience(
        "llm", bulkhead=Bulkhead(300, queue=700, wait=60), listeners=[heard.append]
    )
    chat = Chat(llm, server, "openai", "async", timeout=60.0)
    before = asyncio.all_tasks()
    async with chat.client() as client:
        call = llm(functools.partial(client.chat.completions.create, **chat.asked))
        tasks = [asyncio.create_task(call()) for _ in range(1000)]
        await asyncio.to_thread(server.wait_requests, 50)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(server.wait_gone)

        assert {type(end) for end in ends} == {asyncio.CancelledError}
        assert asyncio.all_tasks() == before
    lane = llm._lanes.get("llm")
    circuit = llm.snapshot()["llm"]
    loop: Any = asyncio.get_running_loop()
    assert (circuit.calls, circuit.in_flight, heard) == (0, 0, [])
    assert lane.slots is not None
    assert lane.slots.taken == 0
    assert not [each for each in loop._scheduled if not each.cancelled()]
