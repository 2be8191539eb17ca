"""Starlette keeps the wire's promises, and what is Starlette's own."""

import asyncio
import contextlib
import functools
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Host, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from resilient_auth import (
    AsyncAuth,
    Auth,
    ConfigError,
    Deployment,
    Identity,
    Refused,
    StarletteAuth,
    TokenPolicy,
    Unavailable,
)
from resilient_auth.core.view import Answer
from resilient_auth.testing import (
    AsgiTransport,
    SocketContract,
    WireContract,
    WireRequest,
    WireResponse,
    WireSetup,
)
from resilient_auth.testing.asgi import exchange
from resilient_auth.testing.wire import World
from resilient_auth.testing.wire.promises import assert_refused
from resilient_auth.testing.wire.setup import API, PAGE, RECENT
from resilient_auth.testing.wire.world import bearer
from resilient_auth.web.asgi import App, read_bounded


def auth_of(setup: WireSetup) -> AsyncAuth:
    """Return the `AsyncAuth` that *setup* asks for."""
    return AsyncAuth(
        setup.ring,
        setup.policy,
        store=setup.store,
        sessions=setup.sessions,
        clock=setup.clock,
        listeners=[setup.told.append],
    )


def web_of(setup: WireSetup) -> StarletteAuth:
    """Return the adapter that *setup* asks for."""
    return StarletteAuth(
        auth_of(setup),
        setup.site,
        authenticate=setup.authenticate,
        messages=setup.messages,
    )


async def busy(_: Request) -> Response:
    """Refuse, as an application may."""
    raise Unavailable("overloaded", retry_after=7)


async def crash_of_the_contract(_: Request) -> Response:
    """Have a bug."""
    raise RuntimeError("secret-of-the-crash")


async def own_500(_: Request) -> Response:
    """Answer 500 with a page."""
    return PlainTextResponse("my own page", 500)


async def stream(_: Request) -> Response:
    """Answer in pieces."""

    async def words() -> AsyncIterator[str]:
        for word in ("one ", "two ", "three"):
            yield word

    return StreamingResponse(words())


def application(web: StarletteAuth) -> Starlette:
    """Return the application of the contract, without its wrap."""

    async def me(request: Request) -> Response:
        return PlainTextResponse((await web.principal(request)).subject)

    async def maybe(request: Request) -> Response:
        who = await web.optional(request)
        return PlainTextResponse(who.subject if who else "nobody")

    @web.required()
    async def change(request: Request) -> Response:
        return PlainTextResponse(f"changed by {request.state.principal.subject}")

    async def ws(socket: WebSocket) -> None:
        who = await web.principal(socket)
        await socket.accept()
        await socket.send_text(f"hello {who.subject}")
        await socket.close()

    return Starlette(
        routes=[
            Mount("/api/auth", routes=web.routes()),
            Route("/me", me),
            Route("/maybe", maybe),
            Route("/change", change, methods=["POST"]),
            Route("/write", web.required(scopes=["write"])(greet)),
            Route("/recent", web.required(recent=RECENT)(agreet)),
            Route("/busy", busy),
            Route("/crash", crash_of_the_contract),
            Route("/own-500", own_500),
            Route("/stream", stream),
            WebSocketRoute("/ws", ws),
        ]
    )


class TestStarlette(WireContract, SocketContract):
    """The adapter in process, every byte of it."""

    def build(self, setup: WireSetup) -> AsgiTransport:
        """Wrap an application of the routes that the contract asks for."""
        web = web_of(setup)
        scheme = setup.site.api.partition(":")[0]
        return AsgiTransport(web.wrap(application(web)), scheme=scheme)


# ------------------------------------------------------------------ Starlette's own

ANN = {"username": "ann", "password": "pw"}
Build = Callable[..., World]


@pytest.fixture
def build() -> Iterator[Build]:
    """Return a function that serves routes made from an adapter, in its wrap."""
    worlds: list[World] = []

    def serve(routes: Callable[[StarletteAuth], list[BaseRoute]], **app: Any) -> World:
        setup = WireSetup()
        web = web_of(setup)
        starlette = Starlette(
            routes=[Mount("/api/auth", routes=web.routes()), *routes(web)], **app
        )
        worlds.append(World(setup, AsgiTransport(web.wrap(starlette))))
        return worlds[-1]

    yield serve
    for world in worlds:
        world.transport.close()


def greet(request: Request) -> Response:
    """Answer with the principal that `required` found."""
    return PlainTextResponse(request.state.principal.subject)


async def agreet(request: Request) -> Response:
    """The same as a coroutine function."""
    return greet(request)


async def crash(_: Request) -> Response:
    """Raise what nobody handles."""
    raise ValueError("secret-of-the-crash")


@pytest.mark.parametrize("endpoint", [greet, agreet], ids=["sync", "async"])
def test_required_guards_both_kinds_of_endpoints(
    build: Build, endpoint: Callable[..., Any]
) -> None:
    """A plain function runs in a thread, and is given the same principal."""
    world = build(lambda web: [Route("/", web.required()(endpoint))])

    assert_refused(world.send("GET", "/"), "token_missing")
    assert b"ann" == world.send("GET", "/", [bearer(world.login().access)]).body


async def inject(request: Request, _given: object) -> Response:
    """Ask for more than a request, which a decorator may give."""
    return await agreet(request)


class Greeter:
    """An object with an asynchronous ``__call__``."""

    async def __call__(self, request: Request) -> Response:
        """Answer as `agreet` does."""
        return await agreet(request)


@pytest.mark.parametrize(
    "endpoint",
    [
        pytest.param(Greeter(), id="object"),
        pytest.param(functools.partial(agreet), id="partial"),
        pytest.param(functools.partial(Greeter()), id="partial-of-object"),
        pytest.param(Greeter().__call__, id="method"),
        pytest.param(staticmethod(agreet), id="static"),
        pytest.param(functools.wraps(inject)(lambda r: inject(r, 1)), id="injected"),
    ],
)
def test_required_guards_what_is_awaited_in_disguise(
    build: Build, endpoint: Any
) -> None:
    """A coroutine function may be wrapped; called in a thread it would never run."""
    world = build(lambda web: [Route("/", web.required()(endpoint))])
    grant = world.login()

    assert 200 == world.send("GET", "/", [bearer(grant.access)]).status


@pytest.mark.parametrize(
    "endpoint",
    [
        pytest.param(Greeter, id="class"),
        pytest.param(Greeter.__call__, id="method-of-a-class"),
        pytest.param(classmethod(agreet), id="class-method"),  # type: ignore[arg-type] - a mistake
        pytest.param(lambda: None, id="no-argument"),
        pytest.param(inject, id="two-arguments"),
        pytest.param(None, id="nothing"),
        pytest.param("greet", id="name"),
    ],
)
def test_required_refuses_what_it_cannot_guard(endpoint: Any) -> None:
    """Whom nobody could call with a request; told when decorated, not as a 500."""
    with pytest.raises(ConfigError, match="guards functions"):
        web_of(WireSetup()).required()(endpoint)


def test_required_keeps_the_name_of_an_endpoint() -> None:
    """Starlette names routes by it, and ``url_for`` finds them so."""
    route = Route("/", web_of(WireSetup()).required()(agreet))

    assert ("agreet", agreet.__doc__) == (route.name, route.endpoint.__doc__)


def test_required_scopes_must_all_be_held(build: Build) -> None:
    """The claim ``scope`` of bob is "read write"; ann has none."""
    world = build(
        lambda web: [
            Route("/read", web.required(scopes=["read"])(greet)),
            Route("/both", web.required(scopes={"read", "write"})(greet)),
            Route("/admin", web.required(scopes=("read", "admin"))(greet)),
        ]
    )
    ann, bob = (bearer(world.login(name).access) for name in ("ann", "bob"))

    assert b"bob" == world.send("GET", "/read", [bob]).body
    assert b"bob" == world.send("GET", "/both", [bob]).body
    assert_refused(world.send("GET", "/admin", [bob]), "permission_denied")
    assert_refused(world.send("GET", "/read", [ann]), "permission_denied")


def test_one_string_is_no_list_of_scopes() -> None:
    """It would be read as its letters, and an endpoint would be closed to all."""
    with pytest.raises(ConfigError, match="scopes is a list"):
        web_of(WireSetup()).required(scopes="read")


class Bad(Exception):
    """An exception of the application's own."""


async def bad(_: Request) -> Response:
    """Raise the application's own exception."""
    raise Bad


async def on_bad(_: Request, error: Exception) -> Response:
    """Answer the application's own exception."""
    return PlainTextResponse("my bad", 418)


async def on_crash(_: Request, error: Exception) -> Response:
    """Answer a crash, as the application likes it."""
    return PlainTextResponse(f"my page for {type(error).__name__}", 500)


def sub(web: StarletteAuth) -> Starlette:
    """Return an application to be mounted, with exceptions of its own."""
    return Starlette(
        routes=[
            Route("/me", web.required()(agreet)),
            Route("/crash", crash),
            Route("/bad", bad),
        ],
        exception_handlers={Bad: on_bad},
    )


def mounted(web: StarletteAuth) -> list[BaseRoute]:
    """Return the same application mounted in all the ways there are."""
    zipped = [Middleware(GZipMiddleware)]
    return [
        Mount("/plain", sub(web)),
        Mount("/deep", routes=[Mount("/er", sub(web))]),
        Mount("/behind", sub(web), middleware=zipped),
        Mount("/around", GZipMiddleware(sub(web))),
        Host("sub.example.com", sub(web)),
    ]


@pytest.mark.parametrize("path", ["/plain", "/deep/er", "/behind", "/around", ""])
def test_a_mounted_application_is_guarded_too(build: Build, path: str) -> None:
    """Its refusals are ours, its exceptions its own, its crashes a problem."""
    world = build(mounted)
    host = [("Host", "sub.example.com" if not path else "api.example.com")]
    me = world.send("GET", f"{path}/me", [*host, bearer(world.login().access)])
    crashed = world.send("GET", f"{path}/crash", host)
    handled = world.send("GET", f"{path}/bad", host)

    assert_refused(world.send("GET", f"{path}/me", host), "token_missing")
    assert b"ann" == me.body
    assert_refused(crashed, "internal_error")
    assert isinstance(crashed.error, ValueError)
    assert (418, b"my bad", None) == (handled.status, handled.body, handled.error)


@pytest.mark.parametrize("key", [500, Exception], ids=["status", "class"])
def test_a_refusal_does_not_pass_the_handler_of_crashes(
    build: Build, key: object
) -> None:
    """It would page somebody for each expired token; a crash still reaches it."""
    seen: list[Exception] = []

    async def handler(_: Request, error: Exception) -> Response:
        seen.append(error)
        return PlainTextResponse("my page", 500)

    world = build(
        lambda web: [Route("/me", web.required()(agreet)), Route("/crash", crash)],
        exception_handlers={key: handler},
    )
    refused = world.send("GET", "/me")
    crashed = world.send("GET", "/crash", [("Origin", PAGE)])

    assert_refused(refused, "token_missing")
    assert (500, b"my page") == (crashed.status, crashed.body)
    assert PAGE == crashed.value("access-control-allow-origin")
    assert [crashed.error] == seen


def test_a_refusal_from_a_middleware_is_answered(build: Build) -> None:
    """Middleware stands outside of the exception handlers, and inside of the wrap."""

    def gate(app: App) -> App:
        async def middleware(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"] == "/closed":
                raise Unavailable("overloaded", retry_after=7)
            await app(scope, receive, send)

        return middleware

    world = build(lambda _: [Route("/", crash)], middleware=[Middleware(gate)])
    response = world.send("GET", "/closed", [("Origin", PAGE)])

    assert (503, "7", None) == (
        response.status,
        response.value("retry-after"),
        response.error,
    )
    assert "overloaded" == response.json()["code"]
    assert PAGE == response.value("access-control-allow-origin")


def test_debug_mode_shows_the_traceback(build: Build) -> None:
    """Who asks Starlette for it gets it; a refusal stays a refusal."""
    world = build(
        lambda web: [Route("/me", web.required()(agreet)), Route("/crash", crash)],
        debug=True,
    )
    crashed = world.send("GET", "/crash")

    assert b"secret-of-the-crash" in crashed.body
    assert isinstance(crashed.error, ValueError)
    assert_refused(world.send("GET", "/me"), "token_missing")


def test_own_http_exceptions_stay(build: Build) -> None:
    """The framework's 404, 405 and HTTPException are not ours to rewrite."""

    async def teapot(_: Request) -> Response:
        raise HTTPException(418, "short and stout")

    world = build(lambda _: [Route("/teapot", teapot)])

    assert (418, b"short and stout") == (
        (response := world.send("GET", "/teapot")).status,
        response.body,
    )
    assert 404 == world.send("GET", "/nothing").status
    assert 405 == world.send("POST", "/teapot").status


def test_the_lifespan_passes_through() -> None:
    """Startup and shutdown of the application run inside the wrap."""
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        seen.append("up")
        yield
        seen.append("down")

    app = web_of(WireSetup()).wrap(Starlette(lifespan=lifespan))
    incoming = iter(["lifespan.startup", "lifespan.shutdown"])
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": next(incoming)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(app({"type": "lifespan", "asgi": {}}, receive, send))

    assert ["up", "down"] == seen
    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == sent


async def test_a_plain_authenticate_does_not_block_the_loop() -> None:
    """It waits for something that only the loop can do: it must be in a thread."""
    released = threading.Event()

    def authenticate(_: Mapping[str, Any]) -> str:
        assert released.wait(60)
        return "ann"

    setup = WireSetup()
    web = StarletteAuth(auth_of(setup), setup.site, authenticate=authenticate)
    app = web.wrap(Starlette(routes=[Mount("/api/auth", routes=web.routes())]))
    login = WireRequest(
        method="POST",
        target="/api/auth/login",
        headers=((b"content-type", b"application/json"),),
        body=json.dumps(ANN).encode(),
    )
    with blockbuster_ctx():
        waiting = asyncio.create_task(exchange(app, login))
        anonymous = await exchange(app, WireRequest(target="/api/auth/session"))
        released.set()
        answered = await waiting

    assert (200, 200) == (anonymous.status, answered.status)


class _Checker:
    """An object whose call is a coroutine function."""

    async def __call__(self, credentials: Mapping[str, Any]) -> Identity | None:
        await asyncio.sleep(0)
        return Identity(subject=credentials["username"])


async def _coroutine(credentials: Mapping[str, Any]) -> str:
    return str(credentials["username"])


def _later(credentials: Mapping[str, Any]) -> Awaitable[str]:
    return _coroutine(credentials)


@pytest.mark.parametrize(
    "authenticate",
    [
        _coroutine,
        _Checker(),
        functools.partial(_coroutine),
        _later,
        lambda credentials: credentials["username"],
    ],
    ids=["coroutine-function", "object", "partial", "returns-a-coroutine", "plain"],
)
def test_authenticate_may_be_any_callable(authenticate: Any) -> None:
    """A database driver of either colour, and an object that holds it."""
    setup = WireSetup()
    web = StarletteAuth(auth_of(setup), setup.site, authenticate=authenticate)
    app = web.wrap(Starlette(routes=[Mount("/api/auth", routes=web.routes())]))
    world = World(setup, AsgiTransport(app))

    assert "ann" == world.log_in().json()["session"]["subject"]
    world.transport.close()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"authenticate": None}, "authenticate is a function"),
        ({"site": API}, "site is a Deployment"),
        ({"auth": Auth(WireSetup().ring, WireSetup().policy)}, "an AsyncAuth"),
    ],
    ids=["authenticate", "site", "auth"],
)
def test_an_adapter_is_built_from_what_fits(wrong: Any, said: str) -> None:
    """What cannot work is found when the adapter is built, not at a login."""
    setup = WireSetup()
    fit = {"auth": auth_of(setup), "site": setup.site, "authenticate": lambda _: None}

    with pytest.raises(ConfigError, match=said):
        StarletteAuth(**fit | wrong)


@pytest.mark.parametrize(
    ("profile", "longest", "fits"),
    [
        (None, 4_096 - len("__Host-ra_access"), True),
        (None, 4_096 - len("__Host-ra_access") + 1, False),
        ("bearer", 8_192, True),
    ],
    ids=["longest", "too-long", "no-cookies"],
)
def test_the_longest_token_must_fit_into_a_cookie(
    profile: str | None, longest: int, *, fits: bool
) -> None:
    """Else a login would store a session, and then fail to hand it over."""
    setup = WireSetup(
        site=Deployment(API, apps=[PAGE], profile=profile),
        policy=TokenPolicy(issuer=API, audience="api", max_issued_bytes=longest),
    )
    expected = nullcontext() if fits else pytest.raises(ConfigError, match="cookie")
    with expected:
        web_of(setup)


class _Health:
    """What the adapter needs of ``Health``."""

    async def live(self) -> Answer:
        return Answer(200, (("Content-Type", "text/plain"),), b"alive")

    async def broken(self) -> Answer:
        raise OSError("secret-of-the-probe")

    def routes(self) -> Mapping[str, Callable[[], Awaitable[Answer]]]:
        return {"/livez": self.live, "/readyz": self.broken}


def test_probes_are_answered_before_the_application() -> None:
    """Reads alone; a probe that breaks is a problem like any other."""
    setup = WireSetup()
    web = StarletteAuth(
        auth_of(setup), setup.site, authenticate=setup.authenticate, health=_Health()
    )
    world = World(setup, AsgiTransport(web.wrap(Starlette())))
    live = world.send("GET", "/livez", [("Origin", PAGE)])
    broken = world.send("GET", "/readyz")

    assert (200, b"alive") == (live.status, live.body)
    assert PAGE == live.value("access-control-allow-origin")
    assert 200 == world.send("HEAD", "/livez").status
    assert 404 == world.send("POST", "/livez").status
    assert_refused(broken, "internal_error")
    assert isinstance(broken.error, OSError)
    world.transport.close()


def test_the_mount_may_stand_anywhere() -> None:
    """Paths are relative to it, also inside another mount."""
    setup = WireSetup()
    web = web_of(setup)
    inner = Starlette(routes=[Mount("/login", routes=web.routes())])
    world = World(
        setup, AsgiTransport(web.wrap(Starlette(routes=[Mount("/v1", inner)])))
    )
    response = world.send("POST", "/v1/login/login", json=ANN)

    assert 200 == response.status
    assert_refused(world.send("GET", "/v1/login/"), "not_found")
    world.transport.close()


def test_a_body_that_comes_in_many_pieces(build: Build) -> None:
    """Counted as it comes; nobody waits for the end of what is too long."""
    world = build(lambda _: [])
    app = world.transport._app  # type: ignore[attr-defined]
    request = WireRequest(
        method="POST",
        target="/api/auth/login",
        headers=((b"content-type", b"application/json"),),
    )
    body = json.dumps(ANN).encode()

    async def send(chunks: list[bytes], **how: Any) -> WireResponse:
        return await exchange(app, request, chunks=chunks, **how)

    whole = asyncio.run(send([body[n : n + 1] for n in range(len(body))]))
    endless = asyncio.run(send([b"x" * 10_000] * 3, hangs_up=True))
    gone = asyncio.run(send([body[:5]], hangs_up=True))

    assert 200 == whole.status
    assert_refused(endless, "body_too_large")
    assert (408, None) == (gone.status, gone.error)


async def reads_all(request: Request) -> Response:
    """Answer once the whole body came."""
    return PlainTextResponse(str(len(await request.body())))


async def breaks_after(request: Request) -> Response:
    """Have a bug of its own while the client goes away."""
    with contextlib.suppress(Exception):
        await request.body()
    raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("endpoint", "crash"),
    [
        pytest.param(reads_all, "NoneType", id="gone"),
        pytest.param(breaks_after, "RuntimeError", id="bug"),
    ],
)
def test_a_client_that_hangs_up_is_no_crash(
    build: Build, endpoint: Any, crash: str
) -> None:
    """It would stand in the error log for every closed laptop; a bug still does."""
    world = build(lambda _: [Route("/upload", endpoint, methods=["POST"])])
    app = world.transport._app  # type: ignore[attr-defined]
    request = WireRequest(method="POST", target="/upload", headers=())
    response = asyncio.run(exchange(app, request, chunks=[b"x"], hangs_up=True))

    assert crash == type(response.error).__name__


@pytest.mark.parametrize("end", ["http.request", "http.disconnect"])
async def test_the_rest_of_a_refused_body_is_read(end: str) -> None:
    """A server that closes meanwhile resets, and the client never sees the 413."""
    chunk = {"type": "http.request", "body": b"x" * 100_000, "more_body": True}
    messages = [chunk] * 20 + [{**chunk, "type": end, "more_body": False}]

    async def receive() -> Any:
        return messages.pop(0)

    with pytest.raises(Refused, match="body_too_large"):
        await read_bounded(receive)

    assert [] == messages


async def test_the_rest_of_a_body_is_not_read_for_ever() -> None:
    """Whoever sends without end is answered all the same."""
    pieces = 0

    async def receive() -> Any:
        nonlocal pieces
        pieces += 1
        return {"type": "http.request", "body": b"x" * 1_000_000, "more_body": True}

    with pytest.raises(Refused, match="body_too_large"):
        await read_bounded(receive)

    assert 12 > pieces


def test_claims_too_long_for_a_cookie_leave_no_session() -> None:
    """The developer's mistake is a 500, and no session is left that nobody has."""
    setup = WireSetup()
    web = StarletteAuth(
        auth_of(setup),
        setup.site,
        authenticate=lambda _: Identity(subject="ann", claims={"x": "y" * 4000}),
    )
    world = World(setup, AsgiTransport(web.wrap(application(web))))
    response = world.log_in()
    world.transport.close()

    assert 500 == response.status
    assert isinstance(response.error, ValueError)
    assert [] == setup.store.of_subject("ann", now=0)
