"""
How is an ASGI application driven without a server? In process, and to the letter.

Headers go in and come out raw, the body in the chunks you choose. Like a real server,
`exchange` says ``http.disconnect`` only when the answer is complete or the client hung
up, refuses messages out of order, and takes note of what the application raises without
losing what it had sent. Source: ASGI 3.0, HTTP and WebSocket message format.
"""

import asyncio
from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from resilient_auth.testing.exchange import WireRequest, WireResponse

Message = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketTalk:
    """What an application sent over one WebSocket, and the *error* that it raised."""

    sent: tuple[Message, ...]
    error: Exception | None = None

    @property
    def kinds(self) -> list[str]:
        """Return the message types in order, such as ``["accept", "close"]``."""
        return [message["type"].removeprefix("websocket.") for message in self.sent]


class AsgiTransport:
    """A `Transport` to *app*: one event loop of its own for all requests."""

    def __init__(self, app: Any, *, scheme: str = "https") -> None:
        self._app = app
        self._scheme = scheme
        self._runner = asyncio.Runner()

    def send(self, request: WireRequest) -> WireResponse:
        """Return the application's answer to *request*."""
        return self._runner.run(exchange(self._app, request, scheme=self._scheme))

    def connect(self, request: WireRequest) -> SocketTalk:
        """Open a WebSocket, say nothing, and return what the application sent."""
        return self._runner.run(talk(self._app, request, scheme=self._scheme))

    def close(self) -> None:
        """End the event loop and its threads."""
        self._runner.close()


async def exchange(
    app: Any,
    request: WireRequest,
    *,
    chunks: Sequence[bytes] | None = None,
    hangs_up: bool = False,
    scheme: str = "https",
) -> WireResponse:
    """
    Return what *app* answers to *request*.

    *chunks* replace its body and come one message each; a client that *hangs_up* goes
    away after the last of them, in the middle of its body.
    """
    parts = [request.body] if chunks is None else list(chunks)
    connection = _Connection(parts, hangs_up=hangs_up)
    scope = scope_of(request, "http", scheme=scheme)
    error = await _run(app, scope, connection)
    return connection.response(error)


async def talk(
    app: Any,
    request: WireRequest,
    *,
    said: Iterable[Message] = (),
    scheme: str = "https",
) -> SocketTalk:
    """Return what *app* sends over a WebSocket on which the client says *said*."""
    socket = _Socket(said)
    scope = scope_of(request, "websocket", scheme=scheme)
    error = await _run(app, scope, socket)
    return SocketTalk(sent=tuple(socket.sent), error=error)


def scope_of(request: WireRequest, kind: str, *, scheme: str) -> Message:
    """Return the ASGI scope of *request* for a connection of *kind*."""
    path, _, query = request.target.partition("?")
    scope: Message = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": scheme if kind == "http" else scheme.replace("http", "ws"),
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "root_path": "",
        "query_string": query.encode("ascii"),
        "headers": list(request.headers),
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 443),
    }
    if kind == "http":
        scope["method"] = request.method
    else:
        scope["subprotocols"] = []
    return scope


async def _run(app: Any, scope: Message, wire: Any) -> Exception | None:
    try:
        await app(scope, wire.receive, wire.send)
    except Exception as error:  # noqa: BLE001 - what reaches the server is a result
        return error
    return None


class _Connection:
    """The server's side of one HTTP exchange."""

    def __init__(self, chunks: list[bytes], *, hangs_up: bool) -> None:
        more = [True] * (len(chunks) - 1) + [hangs_up]
        self._incoming: list[Message] = [
            {"type": "http.request", "body": chunk, "more_body": each}
            for chunk, each in zip(chunks, more, strict=True)
        ]
        self._gone = asyncio.Event()
        if hangs_up:
            self._gone.set()
        self._start: Message = {}
        self._body: list[bytes] = []
        self._is_complete = False

    async def receive(self) -> Message:
        """Return the next chunk, then wait until the answer is complete."""
        if self._incoming:
            return self._incoming.pop(0)
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take one message of the answer; a start, then bodies until the last."""
        expected = "body" if self._start else "start"
        if self._is_complete or message["type"] != f"http.response.{expected}":
            raise RuntimeError(f"{message['type']} is out of order")
        if expected == "start":
            self._start = message
            return
        self._body.append(message.get("body", b""))
        if not message.get("more_body", False):
            self._is_complete = True
            self._gone.set()

    def response(self, error: Exception | None) -> WireResponse:
        """Return what came, however little."""
        headers = self._start.get("headers", ())
        return WireResponse(
            status=self._start.get("status", 0),
            headers=tuple(
                (k.decode("latin-1"), v.decode("latin-1")) for k, v in headers
            ),
            body=b"".join(self._body),
            error=error,
            is_complete=self._is_complete,
        )


class _Socket:
    """The server's side of one WebSocket whose client then goes away."""

    def __init__(self, said: Iterable[Message]) -> None:
        self._incoming = [
            {"type": "websocket.connect"},
            *said,
            {"type": "websocket.disconnect", "code": 1006},
        ]
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        """Return what the client says next; gone, it stays gone."""
        return self._incoming.pop(0) if self._incoming[1:] else self._incoming[0]

    async def send(self, message: Message) -> None:
        """Take one message; nothing comes after a close, and one accept."""
        kinds = [each["type"] for each in self.sent]
        if "websocket.close" in kinds or message["type"] in kinds[:1]:
            raise RuntimeError(f"{message['type']} is out of order")
        self.sent.append(message)
