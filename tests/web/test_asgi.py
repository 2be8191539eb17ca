"""The wrap around raw ASGI applications, however they behave."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx2
import openai
import pytest

from resilient_auth import AsyncAuth, Refused, Resilience, Unavailable, events
from resilient_auth.testing import WireRequest, WireResponse, WireSetup
from resilient_auth.testing.asgi import SocketTalk, exchange, talk
from resilient_auth.testing.wire.promises import assert_refused
from resilient_auth.testing.wire.setup import PAGE
from resilient_auth.web.asgi import App, Message, Receive, Scope, Send, Wrap
from resilient_auth.web.refusals import Refusals

STOCK = b"Internal Server Error"
FROM_PAGE = WireRequest(headers=((b"origin", PAGE.encode()),))


def wrapped(app: App, setup: WireSetup | None = None) -> Wrap:
    """Return *app* in the wrap of a usual deployment."""
    setup = setup or WireSetup()
    auth = AsyncAuth(setup.ring, setup.policy, listeners=[setup.told.append])
    return Wrap(app, setup.site, Refusals(auth, setup.site, setup.messages), {})


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    """Return the message that starts an answer."""
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(content: bytes = b"", *, more: bool = False) -> Message:
    """Return a message with a part of a body."""
    return {"type": "http.response.body", "body": content, "more_body": more}


def saying(*messages: Message, error: BaseException | None = None) -> App:
    """Return an application that sends *messages* and then maybe raises *error*."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        if error is not None:
            raise error

    return app


async def ask(app: App, request: WireRequest = FROM_PAGE) -> WireResponse:
    """Return what *app* answers inside the wrap."""
    return await exchange(wrapped(app), request)


# ------------------------------------------------------------------ a 500


HELD: Mapping[str, tuple[list[Message], bytes]] = {
    "nothing-was-sent": ([], b"problem"),
    "the-stock-body": ([start(500), body(STOCK)], b"problem"),
    "the-stock-body-in-pieces": (
        [start(500), body(STOCK[:8], more=True), body(STOCK[8:])],
        b"problem",
    ),
    "a-start-alone": ([start(500)], b"problem"),
    "a-body-cut-off": ([start(500), body(b"my pa", more=True)], b"problem"),
    "an-own-body": ([start(500), body(b"my page")], b"my page"),
    "an-own-empty-body": ([start(500), body()], b""),
    "an-own-body-in-pieces": (
        [start(500), body(b"my ", more=True), body(b"page")],
        b"my page",
    ),
    "an-own-body-of-64-kB": ([start(500), body(b"x" * 65_536)], b"x" * 65_536),
    "an-own-body-of-more": ([start(500), body(b"x" * 65_537)], b"x" * 65_537),
}


@pytest.mark.parametrize("name", HELD)
async def test_a_crash_after_a_500(name: str) -> None:
    """A whole page of the application stays; all else becomes our problem body."""
    messages, expected = HELD[name]
    error = ValueError("secret-of-the-crash")
    response = await ask(saying(*messages, error=error))

    assert error is response.error
    assert (500, True) == (response.status, response.is_complete)
    assert PAGE == response.value("access-control-allow-origin")
    if expected == b"problem":
        assert_refused(response, "internal_error")
    else:
        assert expected == response.body


@pytest.mark.parametrize("content", [STOCK, b"my page", b"x" * 100_000])
async def test_a_500_without_a_crash_stays(content: bytes) -> None:
    """The application answered, and nothing says that it did not mean it."""
    response = await ask(saying(start(500), body(content)))

    assert (500, content, None) == (response.status, response.body, response.error)


async def test_an_endless_500_is_not_kept_in_memory() -> None:
    """Past 64 kB it goes out as it comes, and a crash then cuts it off."""
    error = ValueError("x")
    chunk = body(b"x" * 65_537, more=True)
    response = await ask(saying(start(500), chunk, chunk, error=error))

    assert (2 * 65_537, False) == (len(response.body), response.is_complete)
    assert error is response.error


async def test_a_crash_in_the_middle_of_an_answer_is_passed_on() -> None:
    """The status is out already; a second answer would be out of order."""
    error = ValueError("x")
    response = await ask(saying(start(), body(b"half", more=True), error=error))

    assert (200, b"half", False) == (
        response.status,
        response.body,
        response.is_complete,
    )
    assert error is response.error


async def test_a_crash_is_told_once() -> None:
    """With its type, and never with its text."""
    setup = WireSetup()
    app = wrapped(saying(error=ValueError("secret-of-the-crash")), setup)
    response = await exchange(app, WireRequest(method="PUT", target="/a%0Ab?x=secret"))
    failed = [each for each in setup.told if isinstance(each, events.RequestFailed)]

    assert [("PUT", "/a�b", "ValueError", response.json()["request_id"])] == [
        (each.method, each.path, each.error, each.request_id) for each in failed
    ]
    assert "secret" not in repr(setup.told)


@pytest.mark.parametrize(
    ("status", "code", "answered"),
    [(401, "invalid_api_key", 503), (429, "insufficient_quota", 503), (400, "x", 500)],
)
async def test_a_providers_401_is_no_401_of_our_user(
    status: int, code: str, answered: int
) -> None:
    """They would be logged out for our API key; a bad request is a bug of ours."""
    llm = Resilience("openai", open_for=15.0)
    asked = httpx2.Request("POST", "http://127.0.0.1/")
    response = httpx2.Response(status, request=asked)
    error = openai.APIStatusError(
        "sk-secret", response=response, body={"message": "sk-secret", "code": code}
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with llm.guard():
            raise error

    refused = await exchange(wrapped(app), FROM_PAGE)

    assert refused.status == answered
    assert "sk-secret" not in refused.body.decode()
    if answered == 503:
        assert refused.json()["code"] == "llm_unavailable"
        assert refused.value("retry-after") == "15"
        assert refused.value("access-control-allow-origin") == PAGE


async def test_an_application_that_never_answers_is_left_alone() -> None:
    """The server says so itself, and knows better how."""
    response = await ask(saying())

    assert (0, None) == (response.status, response.error)


# ------------------------------------------------------------------ refusals


async def test_a_refusal_is_answered() -> None:
    """An application without a framework raises, and is done."""
    response = await ask(saying(error=Refused("permission_denied")))

    assert_refused(response, "permission_denied")
    assert PAGE == response.value("access-control-allow-origin")
    assert response.error is None


async def test_a_refusal_replaces_a_500_that_is_held() -> None:
    """A mounted framework had answered it as a crash, before it came here."""
    app = saying(start(500), body(STOCK), error=Unavailable())

    assert_refused(await ask(app), "auth_unavailable")


async def test_a_refusal_after_the_start_is_passed_on() -> None:
    """The stream had begun, so the server closes it and logs why."""
    error = Unavailable("llm_unavailable")
    response = await ask(saying(start(), body(b"half", more=True), error=error))

    assert (200, error) == (response.status, response.error)


# ------------------------------------------------------------------ headers


async def test_a_message_used_twice_collects_nothing() -> None:
    """Small applications send constants; ours must not stay in them."""
    app = wrapped(saying(constant := start(200, (b"x-own", b"1")), body()))
    first = await exchange(app, FROM_PAGE)
    second = await exchange(app, WireRequest())

    assert start(200, (b"x-own", b"1")) == constant
    assert 1 == len(second.values("x-request-id"))
    assert first.value("x-request-id") != second.value("x-request-id")
    assert [] == second.values("access-control-allow-origin")


async def test_what_the_wrap_says_is_said_once() -> None:
    """Two values of Allow-Origin are refused by every browser."""
    theirs = [
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-credentials", b"true"),
        (b"x-request-id", b"theirs"),
        (b"x-own", b"1"),
    ]
    response = await ask(saying(start(200, *theirs), body()))

    assert [PAGE] == response.values("access-control-allow-origin")
    assert ["true"] == response.values("access-control-allow-credentials")
    assert response.value("x-request-id") not in {"", "theirs"}
    assert "1" == response.value("x-own")


@pytest.mark.parametrize(
    ("vary", "expected"),
    [
        ([], ["Origin"]),
        ([b"Accept"], ["Accept", "Origin"]),
        ([b"Accept, ORIGIN"], ["Accept, ORIGIN"]),
        ([b"origin", b"Accept"], ["origin", "Accept"]),
        ([b"X-Original-Host"], ["X-Original-Host", "Origin"]),
    ],
    ids=["none", "other", "in-a-list", "first-of-two", "part-of-a-word"],
)
async def test_every_answer_varies_by_origin(
    vary: list[bytes], expected: list[str]
) -> None:
    """Else a cache would give one page's CORS headers to another."""
    headers = [(b"vary", each) for each in vary]
    response = await ask(saying(start(200, *headers), body()))

    assert expected == response.values("vary")


async def test_an_answer_may_have_no_headers_at_all() -> None:
    """They are optional in ASGI."""
    bare: Message = {"type": "http.response.start", "status": 200}
    response = await ask(saying(bare, body()))

    assert PAGE == response.value("access-control-allow-origin")


# ------------------------------------------------------------------ the request's id


async def test_the_id_is_known_inside_and_forgotten_outside() -> None:
    """Every event and log line of the request can carry it."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(events.request_id.get())
        await saying(start(), body())(scope, receive, send)

    response = await ask(app)

    assert [response.value("x-request-id")] == seen
    assert "" == events.request_id.get()


async def test_a_wrap_in_a_wrap_gives_no_second_id() -> None:
    """A mounted application may have one; header and body name one id."""
    refused = wrapped(saying(error=Refused("permission_denied")))
    response = await exchange(wrapped(refused), FROM_PAGE)

    assert response.value("x-request-id") == response.json()["request_id"]
    assert_refused(response, "permission_denied")


async def test_a_cancelled_request_is_not_answered() -> None:
    """The server gives up; nobody is there to be told, and nothing is swallowed."""
    entered = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        entered.set()
        await asyncio.Event().wait()

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope = {"type": "http", "path": "/", "headers": [], "method": "GET"}
    task = asyncio.create_task(wrapped(app)(scope, receive, send))
    await entered.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert [] == sent


# ------------------------------------------------------------------ WebSockets

ACCEPT: Message = {"type": "websocket.accept"}
TEXT: Message = {"type": "websocket.send", "text": "x"}
CLOSE: Message = {"type": "websocket.close", "code": 1000}
DENIAL: Message = {"type": "websocket.http.response.start", "status": 418}


async def open_socket(*messages: Message, error: Exception | None = None) -> SocketTalk:
    """Return what is sent over a WebSocket of an application that says *messages*."""
    return await talk(wrapped(saying(*messages, error=error)), FROM_PAGE)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], ["accept", "close"]),
        ([ACCEPT], ["accept", "close"]),
        ([ACCEPT, TEXT], ["accept", "send", "close"]),
        ([ACCEPT, CLOSE], ["accept", "close"]),
        ([CLOSE], ["close"]),
        ([DENIAL], ["http.response.start"]),
    ],
    ids=["new", "accepted", "talking", "closed", "denied", "denied-over-http"],
)
async def test_a_refusal_closes_a_socket_once(
    messages: list[Message], expected: list[str]
) -> None:
    """With the code as the reason; one that is closed already stays as it is."""
    closed = await open_socket(*messages, error=Refused("session_revoked"))

    assert expected == closed.kinds
    assert closed.error is None
    if CLOSE not in messages and DENIAL not in messages:
        assert (4401, "session_revoked") == (
            closed.sent[-1]["code"],
            closed.sent[-1]["reason"],
        )


async def test_a_crash_of_a_socket_is_the_servers() -> None:
    """It closes with 1011 and logs; there is no body to write."""
    error = ValueError("x")
    crashed = await open_socket(ACCEPT, error=error)

    assert (["accept"], error) == (crashed.kinds, crashed.error)


async def test_a_client_that_went_away_is_no_error() -> None:
    """ASGI 2.4: sending to it raises OSError, which would fill the log."""
    app = wrapped(saying(ACCEPT, error=Refused("session_revoked")))

    async def receive() -> Message:
        return {"type": "websocket.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "websocket.close":
            raise OSError("gone")

    await app({"type": "websocket", "path": "/", "headers": []}, receive, send)


async def test_other_connections_pass_through() -> None:
    """Lifespan, and whatever comes after it: same scope, same channels."""
    seen: list[Any] = []

    async def app(*connection: Any) -> None:
        seen.append(connection)

    connection: Any = ({"type": "lifespan"}, object(), object())
    await wrapped(app)(*connection)

    assert [connection] == seen


# ------------------------------------------------------------------ the driver itself


@pytest.mark.parametrize(
    "messages",
    [[body()], [start(), start()], [start(), body(), body()], [{"type": "x"}]],
    ids=["body-first", "two-starts", "after-the-end", "unknown"],
)
async def test_the_driver_refuses_messages_out_of_order(
    messages: list[Message],
) -> None:
    """A test that let them pass would praise what no server takes."""
    response = await exchange(saying(*messages), WireRequest())

    assert isinstance(response.error, RuntimeError)


@pytest.mark.parametrize("messages", [[ACCEPT, ACCEPT], [CLOSE, ACCEPT]])
async def test_the_driver_refuses_socket_messages_out_of_order(
    messages: list[Message],
) -> None:
    """The same for WebSockets."""
    refused = await talk(saying(*messages), WireRequest())

    assert isinstance(refused.error, RuntimeError)


async def test_the_driver_hangs_up_after_the_answer_alone() -> None:
    """An early disconnect would cancel every stream that listens for it."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        gone = asyncio.create_task(receive())
        await asyncio.sleep(0)
        seen.append("gone" if gone.done() else "there")
        await saying(start(), body())(scope, receive, send)
        seen.append((await gone)["type"])

    await exchange(app, WireRequest())

    assert ["there", "http.disconnect"] == seen


async def test_what_a_socket_says_reaches_the_application() -> None:
    """Then the client goes away, and stays away."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([(await receive())["type"] for _ in range(4)])

    await talk(app, WireRequest(), said=[{"type": "websocket.receive", "text": "x"}])

    assert [
        "websocket.connect",
        "websocket.receive",
        "websocket.disconnect",
        "websocket.disconnect",
    ] == seen
