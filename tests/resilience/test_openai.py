"""
The faults of a provider through the real openai SDK, over a real connection.

The server below speaks just enough HTTP/1.1 to misbehave. Waits between attempts are
skipped by `Resilience.testing` and seen in the events.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Self

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from resilient_auth.errors import (
    CircuitOpen,
    DeadlineExceeded,
    StreamInterrupted,
    UnusableAnswer,
)
from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.policy import Timeouts
from resilient_auth.resilience.results import sdk_response

Writer = asyncio.StreamWriter
Play = Callable[[Writer], Awaitable[None]]

ROLE = {"role": "assistant", "content": ""}
HELLO = [{"content": "Hel"}, {"content": "lo"}]


def answer(status: int, body: object, **headers: str) -> Play:
    """Return a whole response; *headers* are spelled with underscores."""
    html = isinstance(body, str)
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Status", f"content-length: {len(content)}"]
    lines.append(f"content-type: {'text/html' if html else 'application/json'}")
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]

    async def play(writer: Writer) -> None:
        """Send it."""
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        await writer.drain()

    return play


def error(status: int, code: str = "", **headers: str) -> Play:
    """Return an error response with the body of OpenAI."""
    return answer(status, {"error": {"message": "no", "code": code}}, **headers)


def completion(text: str) -> Play:
    """Return a whole chat completion."""
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "finish_reason": "stop", "message": message}]
    return answer(200, {"id": "1", "model": "m", "choices": choices})


def events(*deltas: dict[str, str], end: str = "whole") -> Play:
    """
    Return a stream of chat chunks.

    Its *end* is ``whole``; ``unmarked``, a clean end without the marker; ``cut``, the
    connection closed inside; ``stall``, silence; or ``error``, an error event.
    """

    async def play(writer: Writer) -> None:
        """Send the chunks, and end as asked."""

        def send(data: str) -> None:
            """Send one event as one chunk of the transfer."""
            event = f"data: {data}\n\n".encode()
            writer.write(b"%x\r\n%s\r\n" % (len(event), event))

        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
        writer.write(b"transfer-encoding: chunked\r\n\r\n")
        for delta in deltas:
            send(chunk(delta))
        if end == "whole":
            send(chunk({}, finish="stop"))
            send("[DONE]")
        if end == "error":
            send(json.dumps({"error": {"message": "no", "type": "server_error"}}))
        if end in ("whole", "unmarked", "error"):
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        if end == "cut":
            writer.close()
        if end == "stall":
            await asyncio.Event().wait()

    return play


def chunk(delta: dict[str, str], finish: str | None = None) -> str:
    """Return one chat chunk as JSON."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return json.dumps({"id": "1", "model": "m", "choices": choices})


class Provider:
    """A server that plays a script: an entry for each request, the last for ever."""

    def __init__(self) -> None:
        self.script: list[Play] = []
        self.requests = 0
        self.asked = asyncio.Event()  # a request came
        self.gone = asyncio.Event()  # a client hung up
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        playing: asyncio.Task[None] | None = None
        try:
            while await self._read_request(reader):
                play = self.script[min(self.requests, len(self.script) - 1)]
                self.requests += 1
                self.asked.set()
                playing = asyncio.ensure_future(play(writer))
            self.gone.set()
        finally:
            writer.close()  # first, for what follows may be cancelled
            if playing is not None:
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)

    @staticmethod
    async def _read_request(reader: asyncio.StreamReader) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        return True


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """Run a provider."""
    async with Provider() as running:
        yield running


@pytest.fixture
async def client(provider: Provider) -> AsyncIterator[openai.AsyncOpenAI]:
    """Return the SDK's client for it, with the SDK's own retries off."""
    async with openai.AsyncOpenAI(
        api_key="unused",
        base_url=f"http://127.0.0.1:{provider.port}/v1",
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
    ) as sdk:
        yield sdk


@pytest.fixture
def limits() -> Timeouts:
    """So long that a busy machine is never taken for a stall."""
    return Timeouts(total=100.0, attempt=100.0, first_content=100.0, idle=100.0)


#: For the tests that wait for a stall to be noticed.
hasty = pytest.mark.parametrize("limits", [Timeouts(first_content=0.3, idle=0.3)])


@pytest.fixture
def llm(heard: list[Any], limits: Timeouts) -> Iterator[Resilience]:
    """Guard it; the listener is the list of events."""
    guarded = Resilience("openai", listeners=[heard.append], timeouts=limits)
    with guarded.testing():
        yield guarded


Ask = Callable[[], Awaitable[ChatCompletion]]
Stream = Callable[[], AsyncIterator[ChatCompletionChunk]]


@pytest.fixture
def ask(llm: Resilience, client: openai.AsyncOpenAI) -> Ask:
    """Return a guarded call."""

    @llm
    async def call() -> ChatCompletion:
        """Ask for a completion."""
        return await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}]
        )

    return call


def text_of(item: ChatCompletionChunk) -> object:
    """Return the text of a chunk."""
    return item.choices and item.choices[0].delta.content


def is_final(item: ChatCompletionChunk) -> object:
    """Say whether a chunk carries the finish reason."""
    return item.choices and item.choices[0].finish_reason


@pytest.fixture
def stream(llm: Resilience, client: openai.AsyncOpenAI) -> Stream:
    """Return a guarded stream."""

    @llm.stream(text=text_of, final=is_final)
    async def tokens() -> AsyncIterator[ChatCompletionChunk]:
        """Ask for a stream."""
        async with await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}], stream=True
        ) as source:
            async for item in source:
                yield item

    return tokens


async def read(stream: Stream) -> str:
    """Return the whole text of a stream."""
    return "".join([str(text_of(item) or "") async for item in stream()])


async def test_a_whole_answer_comes_through(
    provider: Provider, ask: Ask, stream: Stream
) -> None:
    """The ground on which the faults below stand."""
    provider.script = [completion("Hello"), events(ROLE, *HELLO)]
    answered = await ask()

    assert answered.choices[0].message.content == "Hello"
    assert await read(stream) == "Hello"


PASSING = [
    pytest.param(error(429, retry_after="2"), "rate_limit", 2.0, id="429, told 2 s"),
    pytest.param(
        error(429, retry_after_ms="350", retry_after="9"), "rate_limit", 0.35, id="ms"
    ),
    pytest.param(error(500), "server", 0.0, id="500"),
    pytest.param(answer(502, "<html>"), "server", 0.0, id="502 with a page"),
    pytest.param(error(503, retry_after="1"), "overloaded", 1.0, id="503, told 1 s"),
    pytest.param(error(529), "overloaded", 0.0, id="529"),
    pytest.param(error(409), "conflict", 0.0, id="409"),
]


@pytest.mark.parametrize("kind_of_call", ["call", "stream"])
@pytest.mark.parametrize(("fault", "kind", "wait"), PASSING)
async def test_what_passes_is_tried_again(
    provider: Provider,
    ask: Ask,
    stream: Stream,
    heard: list[Any],
    fault: Play,
    kind: str,
    wait: float,
    kind_of_call: str,
) -> None:
    """The user sees an answer; the events tell what it took."""
    if kind_of_call == "call":
        provider.script = [fault, completion("Hello")]
        result = (await ask()).choices[0].message.content
    else:
        provider.script = [fault, events(ROLE, *HELLO)]
        result = await read(stream)

    assert ("Hello", 2) == (result, provider.requests)
    assert [kind] == [each.kind for each in heard]
    assert heard[0].wait >= wait


LASTING = [
    pytest.param(error(400), openai.BadRequestError, "closed", id="400"),
    pytest.param(
        error(400, x_should_retry="true"), openai.BadRequestError, "closed", id="hint"
    ),
    pytest.param(error(401), openai.AuthenticationError, "open", id="401"),
    pytest.param(error(403), openai.PermissionDeniedError, "closed", id="403"),
    pytest.param(error(404), openai.NotFoundError, "closed", id="404"),
    pytest.param(
        error(429, "insufficient_quota"), openai.RateLimitError, "open", id="quota"
    ),
    pytest.param(
        error(429, retry_after="3600"), openai.RateLimitError, "open", id="an hour"
    ),
    pytest.param(
        error(429, x_should_retry="false"), openai.RateLimitError, "closed", id="no"
    ),
]


@pytest.mark.parametrize(("fault", "raised", "state"), LASTING)
async def test_what_lasts_is_asked_once(
    provider: Provider,
    llm: Resilience,
    ask: Ask,
    fault: Play,
    raised: type[Exception],
    state: str,
) -> None:
    """With the SDK's own error, and the key shut where more calls are in vain."""
    provider.script = [fault]
    with pytest.raises(raised):
        await ask()

    assert (1, state) == (provider.requests, llm.snapshot()["openai"].state)
    if state == "open":
        with pytest.raises(CircuitOpen):
            await ask()
        assert provider.requests == 1


async def test_a_refused_connection_is_tried_again_and_told(
    provider: Provider, ask: Ask, heard: list[Any]
) -> None:
    """The provider's host is up and its process is down."""
    await provider.__aexit__()
    with pytest.raises(openai.APIConnectionError):
        await ask()

    assert ["refused"] * 3 == [each.kind for each in heard]
    assert heard[-1].why == "attempts_spent"


SILENT = [
    pytest.param(
        answer(200, {"id": "1", "model": "m", "choices": []}), "bad_payload", id="empty"
    ),
    pytest.param(
        answer(200, {"error": {"message": "no", "type": "overloaded_error"}}),
        "overloaded",
        id="an error body",
    ),
    pytest.param(answer(200, {}), "bad_payload", id="an empty object"),
]


@pytest.mark.parametrize(("fault", "kind"), SILENT)
async def test_what_the_sdk_takes_for_an_answer_is_none(
    provider: Provider, ask: Ask, fault: Play, kind: str
) -> None:
    """Status 200, nothing raised, and nothing to show to the user."""
    provider.script = [fault]
    with pytest.raises(UnusableAnswer) as caught:
        await ask()

    assert (kind, 3) == (caught.value.kind, provider.requests)


async def test_a_page_with_status_200_is_no_answer(
    provider: Provider, client: openai.AsyncOpenAI, stream: Stream
) -> None:
    """A captive portal: the SDK returns its HTML as a str, and an empty stream."""
    provider.script = [answer(200, "<html>Log in to the Wi-Fi</html>")]
    strict = Resilience("strict", check=sdk_response)

    @strict
    async def call() -> ChatCompletion:
        """Ask for a completion."""
        return await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}]
        )

    with strict.testing(), pytest.raises(UnusableAnswer):
        await call()
    with pytest.raises(StreamInterrupted) as caught:
        await read(stream)

    assert ("", 6) == (caught.value.partial, provider.requests)


BEFORE_CONTENT = [
    pytest.param(events(end="stall"), "timeout", id="a stall before anything"),
    pytest.param(events(ROLE, end="stall"), "timeout", id="a stall before content"),
    pytest.param(events(ROLE, end="cut"), "reset", id="a cut before content"),
    pytest.param(events(ROLE, end="error"), "server", id="an error before content"),
    pytest.param(events(end="unmarked"), "truncated", id="an empty stream"),
]


@hasty
@pytest.mark.parametrize(("fault", "kind"), BEFORE_CONTENT)
async def test_a_stream_that_breaks_before_content_is_made_again(
    provider: Provider, stream: Stream, heard: list[Any], fault: Play, kind: str
) -> None:
    """Nobody has seen anything, so nobody need know."""
    provider.script = [fault, events(ROLE, *HELLO)]

    assert await read(stream) == "Hello"
    assert ([kind], 2) == ([each.kind for each in heard], provider.requests)


AFTER_CONTENT = [
    pytest.param("stall", "timeout", id="a stall"),
    pytest.param("cut", "reset", id="a cut"),
    pytest.param("unmarked", "truncated", id="a clean end without the marker"),
    pytest.param("error", "server", id="an error event"),
]


@hasty
@pytest.mark.parametrize(("end", "kind"), AFTER_CONTENT)
async def test_a_stream_that_breaks_midway_is_an_interruption(
    provider: Provider, stream: Stream, heard: list[Any], end: str, kind: str
) -> None:
    """With the text so far; the SDK raises three other things, and for one nothing."""
    provider.script = [events(ROLE, *HELLO, end=end)]
    with pytest.raises(StreamInterrupted) as caught:
        await read(stream)

    assert ("Hello", 1) == (caught.value.partial, provider.requests)
    assert ["stream_broken"] == [each.name for each in heard]
    assert heard[0].kind == kind


@hasty
async def test_a_provider_that_always_stalls_is_given_up(
    provider: Provider, stream: Stream, llm: Resilience
) -> None:
    """Three attempts, three short waits, and an error that says which limit it was."""
    provider.script = [events(end="stall")]
    with pytest.raises(DeadlineExceeded) as caught:
        await read(stream)

    assert ("first_content", 3) == (caught.value.what, provider.requests)
    assert llm.snapshot()["openai"].in_flight == 0


async def test_a_consumer_that_goes_away_frees_the_connection(
    provider: Provider, stream: Stream, llm: Resilience
) -> None:
    """Stop was pressed: the provider must not go on writing, and billing."""
    provider.script = [events(*HELLO, end="stall")]
    items: Any = stream()
    await anext(items)
    await items.aclose()
    await provider.gone.wait()

    circuit = llm.snapshot()["openai"]
    assert (0, 0) == (circuit.calls, circuit.in_flight)


async def test_a_request_that_is_cancelled_frees_the_connection(
    provider: Provider, stream: Stream, llm: Resilience
) -> None:
    """The browser went away while the model was thinking."""
    provider.script = [events(*HELLO, end="stall")]
    task = asyncio.create_task(read(stream))
    await provider.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await provider.gone.wait()

    circuit = llm.snapshot()["openai"]
    assert (0, 0) == (circuit.calls, circuit.in_flight)
