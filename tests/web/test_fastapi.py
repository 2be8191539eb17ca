"""FastAPI keeps the wire's promises, and what is FastAPI's own."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import fastapi.routing
import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resilient_auth import AsyncAuth, ConfigError, FastAPIAuth, Principal, Unavailable
from resilient_auth.errors import PROBLEMS
from resilient_auth.testing import (
    AsgiTransport,
    SocketContract,
    WireContract,
    WireSetup,
)
from resilient_auth.testing.wire import World
from resilient_auth.testing.wire.promises import assert_refused
from resilient_auth.testing.wire.setup import PAGE, RECENT
from resilient_auth.testing.wire.world import bearer
from resilient_auth.web.endpoints import AsyncEndpoints
from resilient_auth.web.openapi import problem_responses
from resilient_auth.web.operations import KEYS, OPERATIONS
from resilient_auth.web.schemas import SCHEMAS

ANN = {"username": "ann", "password": "pw"}


def api_of(setup: WireSetup) -> FastAPIAuth:
    """Return the adapter that *setup* asks for."""
    auth = AsyncAuth(
        setup.ring,
        setup.policy,
        store=setup.store,
        sessions=setup.sessions,
        clock=setup.clock,
        listeners=[setup.told.append],
    )
    return FastAPIAuth(
        auth, setup.site, authenticate=setup.authenticate, messages=setup.messages
    )


def application(api: FastAPIAuth, **said: Any) -> FastAPI:
    """Return the application of the contract."""
    app = FastAPI(**said)
    api.install(app)
    app.include_router(api.router(), prefix="/api/auth")

    @app.get("/me")
    async def me(who: Annotated[Principal, Depends(api.principal)]) -> Response:
        return PlainTextResponse(who.subject)

    @app.get("/maybe")
    async def maybe(
        who: Annotated[Principal | None, Depends(api.optional)],
    ) -> Response:
        return PlainTextResponse(who.subject if who else "nobody")

    @app.post("/change")
    def change(who: Annotated[Principal, Depends(api.required())]) -> Response:
        return PlainTextResponse(f"changed by {who.subject}")

    @app.get("/write")
    async def write(
        who: Annotated[Principal, Depends(api.required(scopes=["write"]))],
    ) -> Response:
        return PlainTextResponse(who.subject)

    @app.get("/recent")
    async def recent(
        who: Annotated[Principal, Depends(api.required(recent=RECENT))],
    ) -> Response:
        return PlainTextResponse(who.subject)

    @app.websocket("/ws")
    async def ws(
        socket: WebSocket, who: Annotated[Principal, Depends(api.principal)]
    ) -> None:
        await socket.accept()
        await socket.send_text(f"hello {who.subject}")
        await socket.close()

    _add_faults(app)
    return app


def _add_faults(app: FastAPI) -> None:
    @app.get("/busy")
    async def busy() -> None:
        raise Unavailable("overloaded", retry_after=7)

    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError("secret-of-the-crash")

    @app.get("/own-500")
    async def own_500() -> Response:
        return PlainTextResponse("my own page", 500)

    @app.get("/stream")
    async def stream() -> Response:
        async def words() -> AsyncIterator[str]:
            for word in ("one ", "two ", "three"):
                yield word

        return StreamingResponse(words())


class TestFastAPI(WireContract, SocketContract):
    """The adapter in process, every byte of it."""

    def build(self, setup: WireSetup) -> AsgiTransport:
        """Serve an application of the routes that the contract asks for."""
        scheme = setup.site.api.partition(":")[0]
        return AsgiTransport(application(api_of(setup)), scheme=scheme)


# ------------------------------------------------------------------ FastAPI's own

Build = Callable[[Callable[[FastAPI, FastAPIAuth], None]], World]


@pytest.fixture
def build() -> Iterator[Build]:
    """Return a function that serves an application to which it may add."""
    worlds: list[World] = []

    def serve(add: Callable[[FastAPI, FastAPIAuth], None]) -> World:
        setup = WireSetup()
        api = api_of(setup)
        app = application(api)
        add(app, api)
        worlds.append(World(setup, AsgiTransport(app)))
        return worlds[-1]

    yield serve
    for world in worlds:
        world.transport.close()


def test_one_string_is_no_list_of_scopes() -> None:
    """It would be read as its letters, and an endpoint would be closed to all."""
    with pytest.raises(ConfigError, match="scopes is a list"):
        api_of(WireSetup()).required(scopes="read")


def test_included_routers_are_guarded(build: Build) -> None:
    """Routers in routers, with a dependency for all of their routes."""

    def add(app: FastAPI, api: FastAPIAuth) -> None:
        inner, outer = APIRouter(dependencies=[Depends(api.principal)]), APIRouter()

        @inner.get("/me")
        async def mine() -> str:
            return "mine"

        outer.include_router(inner, prefix="/inner")
        app.include_router(outer, prefix="/outer")

    world = build(add)
    grant = world.login()

    assert_refused(world.send("GET", "/outer/inner/me"), "token_missing")
    assert 200 == world.send("GET", "/outer/inner/me", [bearer(grant.access)]).status


@pytest.mark.parametrize(
    "place",
    [
        "application",
        pytest.param(
            "router",
            marks=pytest.mark.skipif(
                not hasattr(fastapi.routing, "_IncludedRouter"),
                reason="this FastAPI drops what is mounted in an included router",
            ),
        ),
    ],
)
def test_a_mounted_application_answers_refusals_itself(
    build: Build, place: str
) -> None:
    """They do not pass its handler of crashes, which would page somebody."""
    seen: list[Exception] = []

    def add(app: FastAPI, api: FastAPIAuth) -> None:
        async def me(request: Request) -> Response:
            return PlainTextResponse((await api.principal(request)).subject)

        async def on_crash(_: Request, error: Exception) -> Response:
            seen.append(error)
            return PlainTextResponse("my page", 500)

        handlers: Any = {Exception: on_crash}
        mounted = Starlette(routes=[Route("/me", me)], exception_handlers=handlers)
        router = APIRouter()
        (router if place == "router" else app).mount("/mounted", mounted)
        app.include_router(router, prefix="/outer")

    world = build(add)
    path = "/outer/mounted/me" if place == "router" else "/mounted/me"

    assert_refused(world.send("GET", path), "token_missing")
    assert 200 == world.send("GET", path, [bearer(world.login().access)]).status
    assert [] == seen


def test_other_errors_of_fastapi_stay_and_keep_their_headers(build: Build) -> None:
    """Its 404 and 422 are the application's own; a page can read them all the same."""

    def add(app: FastAPI, _: FastAPIAuth) -> None:
        @app.get("/number/{number}")
        async def number(number: int) -> int:
            return number

    world = build(add)
    for target, status in (("/number/x", 422), ("/nothing", 404)):
        response = world.send("GET", target, [("Origin", PAGE)])
        assert (status, PAGE) == (
            response.status,
            response.value("access-control-allow-origin"),
        )
        assert "detail" in response.json()


def test_dependencies_can_be_replaced_in_the_users_tests(build: Build) -> None:
    """The usual way to test an endpoint without a login."""
    who = Principal(
        subject="eve",
        session_id="s",
        claims={},
        issued_at=0,
        expires_at=0,
        auth_time=0,
        amr=(),
    )

    def add(app: FastAPI, api: FastAPIAuth) -> None:
        app.dependency_overrides[api.principal] = lambda: who

    assert b"eve" == build(add).send("GET", "/me").body


async def test_the_lifespan_is_the_applications() -> None:
    """Startup and shutdown pass through the wrap."""
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        seen.append("up")
        yield
        seen.append("down")

    app = application(api_of(WireSetup()), lifespan=lifespan)
    incoming = iter(["lifespan.startup", "lifespan.shutdown"])
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": next(incoming)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan", "asgi": {}}, receive, send)

    assert ["up", "down"] == seen
    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == sent


def test_the_wrap_is_installed_once() -> None:
    """Two would give a request two ids, one in the header and one in the body."""
    api, app = api_of(WireSetup()), FastAPI()
    api.install(app)

    with pytest.raises(ConfigError, match="install once"):
        api_of(WireSetup()).install(app)


def test_the_wrap_is_installed_before_the_first_request() -> None:
    """Later it would be without effect, and nobody would know."""
    app = FastAPI()
    transport = AsgiTransport(app)
    World(WireSetup(), transport).send("GET", "/")
    transport.close()

    with pytest.raises(ConfigError, match="before the application's first request"):
        api_of(WireSetup()).install(app)


# ------------------------------------------------------------------ the document


def document(setup: WireSetup | None = None) -> dict[str, Any]:
    """Return the OpenAPI document of the contract's application."""
    return application(api_of(setup or WireSetup())).openapi()


def security(said: dict[str, Any], method: str, path: str) -> list[dict[str, Any]]:
    """Return what the document asks for at *path*; [] if nothing."""
    found: list[dict[str, Any]] = said["paths"][path][method].get("security", [])
    return found


def test_the_document_says_which_credentials_are_taken() -> None:
    """Cookie or header; where nobody is let in too, none of both."""
    said = document()
    either = [{"session_cookie": []}, {"bearer": []}]

    assert {"bearer", "session_cookie"} == said["components"]["securitySchemes"].keys()
    assert (
        "__Host-ra_access"
        == (said["components"]["securitySchemes"]["session_cookie"]["name"])
    )
    assert either == security(said, "get", "/me")
    assert either == security(said, "post", "/change")
    assert either == security(said, "get", "/api/auth/verify")
    assert [{}, *either] == security(said, "get", "/maybe")
    assert [{}, *either] == security(said, "post", "/api/auth/logout")
    assert [] == security(said, "post", "/api/auth/login")
    assert [] == security(said, "get", "/stream")


def test_a_deployment_without_cookies_names_none() -> None:
    """The document is derived from the deployment, as everything is."""
    said = document(WireSetup.bearer())

    assert {"bearer"} == said["components"]["securitySchemes"].keys()
    assert [{"bearer": []}] == security(said, "get", "/me")


def test_scopes_and_other_schemes_stand_in_the_document() -> None:
    """What the application asks for beside us stays, and scopes are added up."""
    from fastapi.security import APIKeyHeader

    api = api_of(WireSetup())
    app = application(api)
    key = APIKeyHeader(name="X-Key", auto_error=False)
    both = [Depends(api.optional), Depends(api.required(scopes=["b", "a"]))]

    @app.get("/both", dependencies=[*both, Depends(key)])
    async def both_of_them() -> None:
        """Ask for everything."""

    said = app.openapi()

    assert [
        {"session_cookie": ["a", "b"]},
        {"bearer": ["a", "b"]},
        {"APIKeyHeader": []},
    ] == security(said, "get", "/both")
    assert "APIKeyHeader" in said["components"]["securitySchemes"]


def test_every_guarded_operation_documents_its_problems() -> None:
    """With their codes, as problem+json; what an application says itself stays."""
    api = api_of(WireSetup())
    app = application(api)

    @app.get("/own", responses={403: {"description": "mine"}})
    async def own(who: Annotated[Principal, Depends(api.principal)]) -> None:
        """Document one of the answers."""

    said = app.openapi()
    responses = said["paths"]["/me"]["get"]["responses"]

    assert {"200", "401", "403", "431", "500", "503"} == responses.keys()
    assert {"application/problem+json"} == responses["401"]["content"].keys()
    assert "token_expired" in responses["401"]["description"]
    assert "mine" == said["paths"]["/own"]["get"]["responses"]["403"]["description"]
    assert "401" in said["paths"]["/own"]["get"]["responses"]
    assert {"200"} == said["paths"]["/stream"]["get"]["responses"].keys()


def test_the_document_is_complete_whenever_it_is_asked_for() -> None:
    """It is cached by FastAPI, and asking again changes nothing."""
    app = application(api_of(WireSetup()))
    first, again = str(app.openapi()), str(app.openapi())

    assert first == again
    assert "resilient_auth.somebody" not in first
    assert "resilient_auth.anybody" not in first


def test_every_reference_of_the_document_leads_somewhere() -> None:
    """Generators of clients stop at the first that does not."""
    said = document(WireSetup.asymmetric())
    names = {
        each.partition("'")[0].removeprefix("#/components/schemas/")
        for each in str(said).split("'$ref': '")[1:]
    }

    assert names <= said["components"]["schemas"].keys()
    assert {f"resilient_auth.{name}" for name in SCHEMAS} <= names


def test_the_document_lists_the_endpoints_that_exist() -> None:
    """Every route of the wire, its path parameters, and no catch-all."""
    said = document(WireSetup.asymmetric())["paths"]
    mounted = {
        (method.upper(), path.removeprefix("/api/auth"))
        for path, methods in said.items()
        if path.startswith("/api/auth/")
        for method in methods
    }
    listed = (*OPERATIONS, KEYS)

    assert {(each.method, each.path) for each in listed} == mounted
    assert "/api/auth/jwks.json" not in document()["paths"]
    assert {"200", "500", "503"} == said["/api/auth/session"]["get"]["responses"].keys()
    assert ["session_id"] == [
        each["name"]
        for each in said["/api/auth/sessions/{session_id}"]["delete"]["parameters"]
    ]


def test_the_problem_schema_is_what_is_answered(build: Build) -> None:
    """Member by member, and every code of the table."""
    world = build(lambda *_: None)
    problem = document()["components"]["schemas"]["resilient_auth.Problem"]
    answered = world.send("GET", "/me").json()

    assert set(problem["required"]) == answered.keys()
    assert sorted(PROBLEMS) == problem["properties"]["code"]["enum"]


def test_the_table_of_operations_is_what_is_served() -> None:
    """An endpoint that is added to the wire is added to the document."""
    setup = WireSetup.asymmetric()
    auth = AsyncAuth(setup.ring, setup.policy)
    endpoints = AsyncEndpoints(auth, setup.site, setup.authenticate)
    served = {
        (method, path)
        for path, methods in endpoints._routes.items()
        for method in methods
        if method != "HEAD"
    }

    assert {(each.method, each.path) for each in (*OPERATIONS, KEYS)} == {
        *served,
        ("DELETE", "/sessions/{session_id}"),
    }


def test_a_status_that_no_problem_has_is_a_mistake() -> None:
    """It would stand in the document, and never be answered by us."""
    with pytest.raises(ConfigError, match="418"):
        problem_responses([418])
