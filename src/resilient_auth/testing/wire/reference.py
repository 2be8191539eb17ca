"""What is every adapter compared with? The contract's application, no framework."""

from collections.abc import Mapping

from resilient_auth.auth.sessions import AsyncAuth
from resilient_auth.errors import Unavailable
from resilient_auth.testing.wire.setup import RECENT, WireSetup
from resilient_auth.web.asgi import App, Receive, Scope, Send
from resilient_auth.web.asgi_auth import AsgiAuth

Routes = Mapping[tuple[str, str], App]


def reference(setup: WireSetup) -> App:
    """Return the application that `WireContract` asks for, in plain ASGI."""
    auth = AsyncAuth(
        setup.ring,
        setup.policy,
        store=setup.store,
        sessions=setup.sessions,
        clock=setup.clock,
        listeners=[setup.told.append],
    )
    web = AsgiAuth(
        auth, setup.site, authenticate=setup.authenticate, messages=setup.messages
    )
    routes = routes_of(web)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        method = scope.get("method", "")  # a WebSocket has none
        await routes.get((method, scope["path"]), _nothing)(scope, receive, send)

    return web.wrap(app)


def routes_of(web: AsgiAuth) -> Routes:
    """Return the routes of the contract: method and path → application."""

    async def me(scope: Scope, _: Receive, send: Send) -> None:
        await _say(send, (await web.principal(scope)).subject)

    async def maybe(scope: Scope, _: Receive, send: Send) -> None:
        who = await web.optional(scope)
        await _say(send, who.subject if who else "nobody")

    async def change(scope: Scope, _: Receive, send: Send) -> None:
        who = await web.required(scope)
        await _say(send, f"changed by {who.subject}")

    async def write(scope: Scope, _: Receive, send: Send) -> None:
        who = await web.required(scope, scopes=["write"])
        await _say(send, who.subject)

    async def recent(scope: Scope, _: Receive, send: Send) -> None:
        who = await web.required(scope, recent=RECENT)
        await _say(send, who.subject)

    async def ws(scope: Scope, receive: Receive, send: Send) -> None:
        who = await web.principal(scope)
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": f"hello {who.subject}"})
        await send({"type": "websocket.close", "code": 1000})

    return {
        ("GET", "/me"): me,
        ("GET", "/maybe"): maybe,
        ("POST", "/change"): change,
        ("GET", "/write"): write,
        ("GET", "/recent"): recent,
        ("GET", "/busy"): _busy,
        ("GET", "/crash"): _crash,
        ("GET", "/own-500"): _own_500,
        ("GET", "/stream"): _stream,
        ("", "/ws"): ws,
    }


async def _busy(_: Scope, __: Receive, ___: Send) -> None:
    raise Unavailable("overloaded", retry_after=7)


async def _crash(_: Scope, __: Receive, ___: Send) -> None:
    raise RuntimeError("secret-of-the-crash")


async def _own_500(_: Scope, __: Receive, send: Send) -> None:
    await _say(send, "my own page", status=500)


async def _nothing(_: Scope, __: Receive, send: Send) -> None:
    await _say(send, "nothing here", status=404)


async def _stream(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for word in (b"one ", b"two ", b"three"):
        part = {"type": "http.response.body", "body": word, "more_body": True}
        await send(part)
    await send({"type": "http.response.body", "body": b""})


async def _say(send: Send, text: str, *, status: int = 200) -> None:
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
    ]
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
