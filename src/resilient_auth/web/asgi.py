"""
What stands around the whole ASGI application? One pure wrap, outermost.

It gives every request an id, answers preflights and probes, lets no refusal and no
crash leave without a problem body and its CORS headers, and refuses WebSockets of
foreign pages before they are accepted. It imports no framework.

A crash below usually arrives twice: Starlette's own outermost middleware first sends a
plain 500 and then re-raises. So an answer that starts with 500 is held back until the
application returns or raises; on a raise the stock body becomes our problem body, a
body of the application's own handler stays, and the exception goes on to the server,
which logs it once.
"""

import asyncio
import secrets
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from resilient_auth import events
from resilient_auth.core.deployment import Deployment
from resilient_auth.core.view import Answer, RequestView
from resilient_auth.errors import AnswerError, ConfigError, Refused
from resilient_auth.web.preflight import is_preflight, preflight
from resilient_auth.web.refusals import Refusals
from resilient_auth.web.start import RequiredAtStart
from resilient_auth.web.wire import MAX_BODY

RawHeaders = list[tuple[bytes, bytes]]
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Probe = Callable[[], Awaitable[Answer]]

_STOCK_BODY = b"Internal Server Error"
_ID = "resilient_auth.request_id"  # in the scope, where no client can write
_MAX_HELD = 65_536
_MAX_DRAINED = 8_000_000  # bytes of a refused body that are read and dropped
_DRAIN_SECONDS = 2.0
_READS = ("GET", "HEAD")
#: The last message of an application whose WebSocket can still be closed.
_OPEN = ("", "websocket.accept", "websocket.send")


class Wrap:
    """
    The wrap of one application.

    *probes* maps health paths to their answers; *models* must be sound when it starts.
    """

    def __init__(
        self,
        app: App,
        site: Deployment,
        refusals: Refusals,
        probes: Mapping[str, Probe],
        models: RequiredAtStart | None = None,
    ) -> None:
        self.app: App = app  # the name that every middleware gives it
        self._site = site
        self._refusals = refusals
        self._probes = probes
        self._models = models

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            if scope["type"] == "lifespan" and self._models is not None:
                await self._start(self._models, scope, receive, send)
            else:
                await self.app(scope, receive, send)
            return
        # A wrap around this one, of an application that mounts ours, has chosen it.
        request_id = scope.get(_ID) or secrets.token_hex(8)
        scope = {**scope, _ID: request_id}
        token = events.request_id.set(request_id)
        try:
            serve = self._http if scope["type"] == "http" else self._websocket
            await serve(view_of(scope), scope, receive, send)
        finally:
            events.request_id.reset(token)

    async def _start(
        self, models: RequiredAtStart, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let the application start if *models* are sound; else the server ends."""
        startup = await receive()
        try:
            models.require()
        except Exception as error:  # noqa: BLE001 - raised, it would pass for "no lifespan"
            told = isinstance(error, ConfigError)
            said = str(error) if told else traceback.format_exc()
            await send({"type": "lifespan.startup.failed", "message": said})
            return
        waiting = [startup]

        async def again() -> Message:
            return waiting.pop() if waiting else await receive()

        await self.app(scope, again, send)

    async def _http(
        self, view: RequestView, scope: Scope, receive: Receive, send: Send
    ) -> None:
        request_id = (b"x-request-id", scope[_ID].encode())
        if is_preflight(view):
            answer = preflight(view, self._site.cors, self._refusals)
            await _Outlet(send, view, [request_id]).answer(answer)
            return
        cors = self._site.cors.actual(view.value(b"origin"))
        outlet = _Outlet(send, view, [*raw(cors), request_id])
        inlet = _Inlet(receive)
        probe = self._probes.get(view.path) if view.method in _READS else None
        try:
            if probe is None:
                await self.app(scope, inlet, outlet)
            else:
                await outlet.answer(await probe())
        except AnswerError as error:
            if outlet.is_open:
                raise
            await outlet.answer(self._refusals.answer(view, error))
        except Exception as error:
            if inlet.has_ended(error):
                gone = Refused("request_timeout", reason="the client went away")
                self._refusals.tell(view, gone)
                return
            answer = self._refusals.failure(view, error)
            if outlet.holds_own_body:
                await outlet.release()
            elif not outlet.is_open:
                await outlet.answer(answer)
            raise
        else:
            await outlet.release()

    async def _websocket(
        self, view: RequestView, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if not self._site.cors.allows_socket(view.values(b"origin")):
            denied = Refused("origin_denied", reason="the Origin is not one of ours")
            self._refusals.tell(view, denied)
            await receive()
            await send({"type": "websocket.close", "code": 4403})
            return
        last = ""

        async def outlet(message: Message) -> None:
            nonlocal last
            last = message["type"]
            await send(message)

        try:
            await self.app(scope, receive, outlet)
        except AnswerError as error:
            self._refusals.tell(view, error)
            # Before accept a browser would learn nothing but "1006".
            if not last:
                await send({"type": "websocket.accept"})
            if last in _OPEN:
                code = 4000 + error.status
                close = {"type": "websocket.close", "code": code, "reason": error.code}
                with suppress(OSError):  # the client went away first (ASGI 2.4)
                    await send(close)


class _Inlet:
    """The way in of one request: notes that the client went away."""

    __slots__ = ("_is_gone", "_receive")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_gone = False

    async def __call__(self) -> Message:
        """Return the next message for the application."""
        message = await self._receive()
        self._is_gone = self._is_gone or message["type"] == "http.disconnect"
        return message

    def has_ended(self, error: Exception) -> bool:
        """Say whether *error* is only how a framework tells that the client went."""
        return self._is_gone and type(error).__name__ == "ClientDisconnect"


class _Outlet:
    """The way out of one answer: adds headers, and holds a 500 back."""

    __slots__ = ("_headers", "_held", "_held_bytes", "_send", "is_open")

    def __init__(self, send: Send, view: RequestView, headers: RawHeaders) -> None:
        self._send = send if view.method != "HEAD" else _without_body(send)
        self._headers = headers
        self._held: list[Message] = []
        self._held_bytes = 0
        self.is_open = False

    @property
    def holds_own_body(self) -> bool:
        """Say whether a held 500 is whole and the application wrote it itself."""
        if not self._held[1:] or self._held[-1].get("more_body", False):
            return False
        body = b"".join(message.get("body", b"") for message in self._held[1:])
        return body != _STOCK_BODY

    async def __call__(self, message: Message) -> None:
        """Take one message of the application."""
        if message["type"] == "http.response.start":
            message = self._with_ours(message)
            if message["status"] == 500:
                self._held.append(message)
                return
            self.is_open = True
        elif self._held:
            self._held.append(message)
            self._held_bytes += len(message.get("body", b""))
            if self._held_bytes > _MAX_HELD:
                await self.release()
            return
        await self._send(message)

    async def release(self) -> None:
        """Let go of what is held."""
        held, self._held = self._held, []
        for message in held:
            self.is_open = True
            await self._send(message)

    async def answer(self, answer: Answer) -> None:
        """Send *answer* in place of whatever is held."""
        self._held = []
        self.is_open = True
        await send_answer(answer, self._send_with_ours)

    async def _send_with_ours(self, message: Message) -> None:
        is_start = message["type"] == "http.response.start"
        await self._send(self._with_ours(message) if is_start else message)

    def _with_ours(self, start: Message) -> Message:
        """Return a copy of *start* (its sender may reuse it) with each of ours once."""
        names = {name for name, _ in self._headers}
        headers = []
        varies = False
        for each in start.get("headers", ()):
            name, value = each
            if name not in names:
                headers.append(each)
                varies = varies or (name == b"vary" and _names_origin(value))
        headers += self._headers
        if not varies:
            headers.append((b"vary", b"Origin"))
        return {**start, "headers": headers}


def view_of(scope: Scope) -> RequestView:
    """Return the request of an ASGI *scope* as a value."""
    client = scope.get("client")
    return RequestView(
        scope.get("method", "GET"),
        scope["path"],
        scope["headers"],
        scope.get("query_string", b""),
        b"",
        scope["type"] == "websocket",
        client[0] or "" if client else "",
    )


async def send_answer(answer: Answer, send: Send) -> None:
    """Send *answer* whole."""
    start = {"type": "http.response.start", "status": answer.status}
    await send({**start, "headers": raw_headers(answer)})
    await send({"type": "http.response.body", "body": answer.body})


def raw(headers: Iterable[tuple[str, str]]) -> RawHeaders:
    """Return *headers* as ASGI writes them."""
    return [(name.lower().encode(), value.encode()) for name, value in headers]


def raw_headers(answer: Answer) -> RawHeaders:
    """Return the headers of *answer* as ASGI writes them, its length the last."""
    headers = raw(answer.headers)
    if answer.status != 204:
        headers.append((b"content-length", b"%d" % len(answer.body)))
    return headers


async def read_bounded(receive: Receive) -> bytes:
    """Return a request's body; `Refused` if it passes `wire.MAX_BODY`."""
    body = b""
    more = True
    while more:
        piece, more = await _next_piece(receive)
        body += piece
        if len(body) > MAX_BODY:
            await _drain(receive, more=more)
            raise Refused("body_too_large", f"At most {MAX_BODY} bytes.")
    return body


async def _drain(receive: Receive, *, more: bool) -> None:
    """
    Drop the rest of a body, within limits.

    A server that answers and closes while a client still sends resets the connection,
    and then many clients never see the answer.
    """
    left = _MAX_DRAINED
    with suppress(TimeoutError, Refused):  # or the client went away
        async with asyncio.timeout(_DRAIN_SECONDS):
            while more and left > 0:
                piece, more = await _next_piece(receive)
                left -= len(piece)


async def _next_piece(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Refused("request_timeout", reason="the client went away")
    return message.get("body", b""), message.get("more_body", False)


def _without_body(send: Send) -> Send:
    """Return *send* for the answer to a HEAD, whose length alone counts (RFC 9110)."""

    async def sends(message: Message) -> None:
        await send({**message, "body": b""} if "body" in message else message)

    return sends


def _names_origin(vary: bytes) -> bool:
    return b"origin" in (word.strip() for word in vary.lower().split(b","))
