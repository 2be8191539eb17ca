"""Flask keeps the wire's promises, and what is Flask's own."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, abort, g, request, session
from werkzeug.exceptions import InternalServerError, NotFound

from resilient_auth import (
    Auth,
    ConfigError,
    Deployment,
    FlaskAuth,
    Refused,
    Unavailable,
)
from resilient_auth.events import RequestFailed
from resilient_auth.testing import (
    WireContract,
    WireRequest,
    WireResponse,
    WireSetup,
    WsgiTransport,
)
from resilient_auth.testing.wire.promises import assert_refused
from resilient_auth.testing.wire.setup import PAGE, RECENT
from resilient_auth.testing.wire.world import World, bearer


def web_of(setup: WireSetup) -> FlaskAuth:
    """Return the adapter that *setup* asks for."""
    auth = Auth(
        setup.ring,
        setup.policy,
        store=setup.store,
        sessions=setup.sessions,
        clock=setup.clock,
        listeners=[setup.told.append],
    )
    return FlaskAuth(
        auth, setup.site, authenticate=setup.authenticate, messages=setup.messages
    )


def application(web: FlaskAuth) -> Flask:
    """Return the application of the contract."""
    app = Flask("contract")
    web.init_app(app)

    @app.get("/me")
    def me() -> Response:
        return text(web.principal().subject)

    @app.get("/maybe")
    def maybe() -> Response:
        who = web.optional()
        return text(who.subject if who else "nobody")

    @app.post("/change")
    @web.required()
    def change() -> Response:
        return text(f"changed by {g.principal.subject}")

    @app.get("/write")
    @web.required(scopes=["write"])
    def write() -> Response:
        return text(g.principal.subject)

    @app.get("/recent")
    @web.required(recent=RECENT)
    def recent() -> Response:
        return text(g.principal.subject)

    _add_faults(app)
    return app


def _add_faults(app: Flask) -> None:
    @app.get("/busy")
    def busy() -> Response:
        raise Unavailable("overloaded", retry_after=7)

    @app.get("/crash")
    def crash() -> Response:
        raise RuntimeError("secret-of-the-crash")

    @app.get("/own-500")
    def own_500() -> tuple[Response, int]:
        return text("my own page"), 500

    @app.get("/stream")
    def stream() -> Response:
        return Response(iter(["one ", "two ", "three"]), content_type="text/plain")


def text(said: str) -> Response:
    """Return a page of plain text."""
    return Response(said, content_type="text/plain; charset=utf-8")


class FlaskTransport(WsgiTransport):
    """Flask answers a crash itself and logs it: *error* is what stands in its log."""

    def __init__(self, app: Flask, *, scheme: str = "https") -> None:
        super().__init__(app, scheme=scheme)
        self._logged: list[BaseException] = []
        handler = logging.Handler()
        handler.emit = self._note  # type: ignore[method-assign]
        app.logger.handlers = [handler]
        app.logger.propagate = False

    def send(self, request: WireRequest) -> WireResponse:
        """Return the application's answer to *request*."""
        response = super().send(request)
        error = self._logged.pop() if self._logged else response.error
        assert not self._logged
        return replace(response, error=error)

    def _note(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1]:
            self._logged.append(record.exc_info[1])


class TestFlask(WireContract):
    """The extension in process, every byte of it."""

    def build(self, setup: WireSetup) -> FlaskTransport:
        """Serve an application of the routes that the contract asks for."""
        scheme = setup.site.api.partition(":")[0]
        return FlaskTransport(application(web_of(setup)), scheme=scheme)


# ------------------------------------------------------------------ Flask's own

Add = Callable[[Flask, FlaskAuth], None]
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


def world_of(add: Add, *, before: Callable[[Flask], None] | None = None) -> World:
    """Return an application to which *add* adds, and *before* before the extension."""
    setup = WireSetup()
    web = web_of(setup)
    app = Flask("own")
    if before is not None:
        before(app)
    web.init_app(app)
    add(app, web)
    return World(setup, FlaskTransport(app))


def failed(world: World) -> list[str]:
    """Return the exceptions that the listeners were told of."""
    return [each.error for each in world.told(RequestFailed)]


@pytest.mark.parametrize("kind", [RuntimeError, InternalServerError])
def test_a_page_of_ones_own_for_crashes_stays(kind: type[Exception]) -> None:
    """It may be registered before the extension or after it."""

    def page(_: Exception) -> tuple[str, int]:
        return "my sorry page", 500

    def add(app: Flask, _: FlaskAuth) -> None:
        @app.get("/crash")
        def crash() -> Response:
            raise RuntimeError("secret-of-the-crash")

    def after(app: Flask, web: FlaskAuth) -> None:
        add(app, web)
        app.register_error_handler(kind, page)

    def before() -> World:
        return world_of(add, before=lambda app: app.register_error_handler(kind, page))

    for built in (before, lambda: world_of(after)):
        world = built()
        response = world.send("GET", "/crash", [("Origin", PAGE)])

        assert (500, b"my sorry page") == (response.status, response.body)
        assert PAGE == response.value("access-control-allow-origin")
        assert ([] if kind is RuntimeError else ["RuntimeError"]) == failed(world)


@pytest.mark.parametrize("name", ["TESTING", "DEBUG", "PROPAGATE_EXCEPTIONS"])
def test_a_crash_goes_to_the_debugger_where_it_is_wanted(name: str) -> None:
    """Told once, and answered for a client that sees it all the same."""

    def add(app: Flask, _: FlaskAuth) -> None:
        app.config[name] = True

        @app.get("/crash")
        def crash() -> Response:
            raise RuntimeError("secret-of-the-crash")

    world = world_of(add)
    response = world.send("GET", "/crash")

    assert_refused(response, "internal_error")
    assert isinstance(response.error, RuntimeError)
    assert ["RuntimeError"] == failed(world)


def test_an_abort_is_the_applications_own() -> None:
    """404 and 405 of Flask keep its pages, and are given the headers of CORS."""

    def add(app: Flask, _: FlaskAuth) -> None:
        @app.get("/gone")
        def gone() -> Response:
            abort(410)

        @app.get("/broken")
        def broken() -> Response:
            abort(500)

        app.register_error_handler(NotFound, lambda _: ("my 404", 404))

    world = world_of(add)
    for method, target, status in (
        ("GET", "/gone", 410),
        ("POST", "/gone", 405),
        ("GET", "/nothing", 404),
    ):
        response = world.send(method, target, [("Origin", PAGE)])
        assert status == response.status
        assert PAGE == response.value("access-control-allow-origin")
    assert b"my 404" == world.send("GET", "/nothing").body
    assert_refused(world.send("GET", "/broken"), "internal_error")


def test_a_handler_of_ones_own_for_refusals_comes_first() -> None:
    """A site may send people to its login page instead."""

    def add(app: Flask, web: FlaskAuth) -> None:
        app.register_error_handler(
            Refused, lambda error: (f"please log in: {error.code}", 302)
        )

        @app.get("/me")
        @web.required()
        def me() -> str:
            return "me"

    assert b"please log in: token_missing" == world_of(add).send("GET", "/me").body


def test_blueprints_and_async_views_are_guarded() -> None:
    """The decorator keeps the name of the view, which is its endpoint."""

    def add(app: Flask, web: FlaskAuth) -> None:
        part = Blueprint("part", __name__, url_prefix="/part")

        @part.get("/<int:number>")
        @web.required()
        def show(number: int) -> str:
            return f"{g.principal.subject} {number} {request.endpoint}"

        app.register_blueprint(part)

    world = world_of(add)
    grant = world.login()

    assert 401 == world.send("GET", "/part/7").status
    told = world.send("GET", "/part/7", [bearer(grant.access)])
    assert b"ann 7 part.show" == told.body


def test_nothing_is_left_for_the_next_request() -> None:
    """A worker thread serves many; nobody is anybody else."""

    def add(app: Flask, web: FlaskAuth) -> None:
        @app.get("/me")
        @web.required()
        def me() -> str:
            return "me"

        @app.get("/who")
        def who() -> str:
            return str(g.get("principal"))

    world = world_of(add)
    grant = world.login()
    world.send("GET", "/me", [bearer(grant.access)])

    assert b"None" == world.send("GET", "/who").body


def test_authenticate_runs_inside_of_a_request() -> None:
    """A database of an extension needs the context, and is put back after it."""
    seen: list[object] = []
    app = Flask("own")
    app.secret_key = "x" * 32
    setup = WireSetup()

    def check(credentials: Mapping[str, Any]) -> str:
        seen.append((request.path, request.json, session.get("x"), g.get("left")))
        g.left = "over"
        return str(credentials["username"])

    app.teardown_appcontext(lambda _: seen.append("put back"))
    web = FlaskAuth(Auth(setup.ring, setup.policy), setup.site, authenticate=check)
    web.init_app(app)
    world = World(setup, FlaskTransport(app))
    said = {"username": "ann", "password": "pw"}
    for _ in range(2):
        assert 200 == world.log_in().status

    assert [("/api/auth/login", said, None, None), "put back"] * 2 == seen


def test_a_prefix_is_a_path() -> None:
    """And may be another one."""
    setup = WireSetup()
    auth = Auth(setup.ring, setup.policy)
    said: Any = {"authenticate": setup.authenticate}
    with pytest.raises(ConfigError, match="prefix is a path"):
        FlaskAuth(auth, setup.site, prefix="/", **said)

    app = Flask("own")
    FlaskAuth(auth, setup.site, prefix="/a", **said).init_app(app)
    assert 200 == World(setup, FlaskTransport(app)).send("GET", "/a/session").status


def test_an_application_is_wrapped_once() -> None:
    """Twice, every refusal would be told twice."""
    setup = WireSetup()
    app = Flask("own")
    web_of(setup).init_app(app)
    with pytest.raises(ConfigError, match="has a FlaskAuth already"):
        web_of(setup).init_app(app)


def test_one_extension_serves_several_applications() -> None:
    """An application factory makes one for every test."""
    setup = WireSetup()
    web = web_of(setup)
    for name in ("one", "two"):
        app = Flask(name)
        web.init_app(app)
        assert 200 == World(setup, FlaskTransport(app)).log_in().status


def test_the_decorator_wants_its_parentheses() -> None:
    """Else the view would be taken for a number of seconds, and stay open."""
    web = web_of(WireSetup())

    def view() -> str:
        return "open"

    with pytest.raises(TypeError):
        web.required(view)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="with parentheses"):
        web.required()("view")  # type: ignore[type-var]


def test_flasks_own_client_works() -> None:
    """Cookies and all, as a test of an application uses it."""
    setup = WireSetup()
    site = Deployment.insecure_localhost("http://localhost")
    app = application(web_of(replace(setup, site=site)))
    client = app.test_client()
    ann = {"username": "ann", "password": "pw"}

    assert 200 == client.post("/api/auth/login", json=ann).status_code
    assert "ann" == client.get("/me").text
    assert 200 == client.post("/api/auth/logout", headers=SAME_ORIGIN).status_code
    assert 401 == client.get("/me").status_code
