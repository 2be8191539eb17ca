"""What does an adapter find in the application that it is installed in?"""

import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from flask import Blueprint, Flask, Response
from flask.views import MethodView
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from resilient_auth import (
    AsyncAuth,
    Auth,
    ConfigError,
    FastAPIAuth,
    Finding,
    FlaskAuth,
    Principal,
    StarletteAuth,
)
from resilient_auth.testing import WireSetup
from resilient_auth.web.installed import answers_cors

SETUP = WireSetup()


def starlette_auth() -> StarletteAuth:
    """Return an adapter for Starlette."""
    auth = AsyncAuth(SETUP.ring, SETUP.policy)
    return StarletteAuth(auth, SETUP.site, authenticate=SETUP.authenticate)


def fastapi_auth() -> FastAPIAuth:
    """Return an adapter for FastAPI."""
    auth = AsyncAuth(SETUP.ring, SETUP.policy)
    return FastAPIAuth(auth, SETUP.site, authenticate=SETUP.authenticate)


def flask_auth() -> FlaskAuth:
    """Return an adapter for Flask."""
    auth = Auth(SETUP.ring, SETUP.policy)
    return FlaskAuth(auth, SETUP.site, authenticate=SETUP.authenticate)


def told(findings: list[Finding]) -> list[str]:
    """Return what was found beyond the site's own, as its id and its evidence."""
    own = [each for each in findings if each not in SETUP.site.findings()]
    assert SETUP.site.findings() == findings[len(own) :]
    assert {"warning"} >= {each.severity for each in own}
    return [f"{each.id}: {each.evidence.partition(':')[0]}" for each in own]


async def plain(_: Request) -> PlainTextResponse:
    """Answer whoever asks."""
    return PlainTextResponse("")


def logged(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate *endpoint* as applications do."""

    @functools.wraps(endpoint)
    async def around(*args: Any, **kwargs: Any) -> Any:
        return await endpoint(*args, **kwargs)

    return around


class TestStarlette:
    """Routes, classes, mounts, and middleware of the framework."""

    def test_an_application_in_order_has_nothing(self) -> None:
        """Guards are seen as decorators, inside of others, and by their names."""
        web = starlette_auth()

        async def asks(request: Request) -> PlainTextResponse:
            return PlainTextResponse((await web.principal(request)).subject)

        class Asks(HTTPEndpoint):
            async def get(self, _: Request) -> PlainTextResponse:
                return PlainTextResponse("")

            async def post(self, request: Request) -> PlainTextResponse:
                return await asks(request) or await web.optional(request)

        routes = [
            Mount("/api/auth", routes=web.routes()),
            Route("/decorated", web.required()(plain), methods=["POST"]),
            Route("/deep", logged(web.required()(plain)), methods=["PUT"]),
            Route("/asks", asks, methods=["DELETE"]),
            Route("/partial", functools.partial(asks), methods=["PATCH"]),
            Route("/class", Asks),
            Route("/read", plain),
            WebSocketRoute("/ws", plain),
        ]
        app = web.wrap(Starlette(routes=routes))

        assert [] == told(web.findings(app))

    def test_what_was_forgotten_is_found(self) -> None:
        """Wherever it is mounted, under the path by which it is reached."""
        web = starlette_auth()

        class Open(HTTPEndpoint):
            async def post(self, _: Request) -> PlainTextResponse:
                return PlainTextResponse("")

        inner = Starlette(
            routes=[Route("/deep", plain, methods=["POST"])],
            middleware=[Middleware(CORSMiddleware), Middleware(GZipMiddleware)],
        )
        routes = [
            Route("/open", plain, methods=["GET", "POST"]),
            Route("/class", Open),
            Mount("/inner", app=inner),
            Route("/webhook", plain, methods=["POST"]),
        ]
        app = Starlette(routes=routes)
        expected = [
            "wrap_missing: the application is not inside the wrap",
            "other_cors: CORSMiddleware answers CORS too",
            "unguarded_route: POST /open",
            "unguarded_route: POST /class",
            "unguarded_route: POST /inner/deep",
        ]

        assert expected == told(web.findings(app, public=["/webhook"]))
        assert expected[1:] == told(web.findings(web.wrap(app), public=["/webhook"]))

    def test_a_layer_outside_of_the_wrap_is_seen(self) -> None:
        """A CORS middleware there answers even before the wrap."""
        web = starlette_auth()
        app = CORSMiddleware(web.wrap(GZipMiddleware(Starlette())))

        assert ["other_cors: CORSMiddleware answers CORS too"] == told(
            web.findings(app)
        )

    def test_any_application_can_be_looked_at(self) -> None:
        """Of one without routes only the wrap is known; FastAPI knows its own."""
        web = starlette_auth()

        async def bare(*_: object) -> None:
            """Do nothing."""

        inner = FastAPI()
        inner.post("/open")(plain)

        assert [] == told(web.findings(web.wrap(bare)))
        assert [] == told(web.findings(web.wrap(Mount("/x", app=inner))))


class TestFastAPI:
    """Operations, by what their document says of them."""

    def app(self, api: FastAPIAuth) -> FastAPI:
        """Return an application with guarded routes, open ones and one for all."""
        app = FastAPI()
        guarded = APIRouter(dependencies=[Depends(api.principal)])

        @app.post("/asks")
        async def asks(who: Annotated[Principal, Depends(api.required())]) -> str:
            return who.subject

        @guarded.put("/in-a-router")
        async def in_a_router() -> None: ...

        @app.get("/read")
        async def read() -> None: ...

        @app.delete("/open")
        async def forgotten() -> None: ...

        @app.post("/webhook")
        async def webhook() -> None: ...

        @app.post("/everybody", openapi_extra={"security": []})
        async def everybody() -> None: ...

        app.include_router(guarded)
        app.include_router(api.router(), prefix="/api/auth")
        return app

    def test_what_was_forgotten_is_found(self) -> None:
        """Our own endpoints are known, the login too."""
        api = fastapi_auth()
        app = self.app(api)
        expected = [
            "wrap_missing: the application is not inside the wrap",
            "unguarded_route: DELETE /open",
        ]

        assert expected == told(api.findings(app, public=["/webhook"]))
        api.install(app)
        assert expected[1:] == told(api.findings(app, public=["/webhook"]))

    def test_a_look_changes_nothing(self) -> None:
        """Routes may be added after it, and stand in the document."""
        api = fastapi_auth()
        app = self.app(api)
        api.install(app)
        api.findings(app)
        app.post("/later")(plain)
        served = app.openapi()

        assert "/later" in served["paths"]
        assert "unguarded_route: POST /later" in told(api.findings(app))
        assert served is app.openapi()

    def test_its_own_cors_is_found(self) -> None:
        """Added, as every tutorial does."""
        api = fastapi_auth()
        app = FastAPI()
        app.add_middleware(CORSMiddleware, allow_origins=["*"])
        api.install(app)

        assert ["other_cors: CORSMiddleware answers CORS too"] == told(
            api.findings(app)
        )


class TestFlask:
    """Views, classes and blueprints."""

    def app(self, web: FlaskAuth) -> Flask:
        """Return an application with guarded views and open ones."""
        app = Flask("installed")

        class Item(MethodView):
            def get(self) -> str:
                return ""

            def put(self) -> str:
                return web.principal().subject

            def delete(self) -> str:
                return ""

        class Guarded(MethodView):
            decorators = (web.required(),)

            def post(self) -> str:
                return ""

        @app.post("/decorated")
        @web.required()
        def decorated() -> str:
            return ""

        @app.route("/open", methods=["GET", "POST"])
        def forgotten() -> str:
            return ""

        @app.post("/webhook")
        def webhook() -> str:
            return ""

        outer, inner = Blueprint("outer", "x"), Blueprint("inner", "x")

        @outer.before_request
        def known() -> None:
            web.principal()

        @inner.post("/deep")
        def deep() -> str:
            return ""

        outer.register_blueprint(inner, url_prefix="/inner")
        app.register_blueprint(outer, url_prefix="/outer")
        app.add_url_rule("/item", view_func=Item.as_view("item"))
        app.add_url_rule("/guarded", view_func=Guarded.as_view("guarded"))
        return app

    def test_what_was_forgotten_is_found(self) -> None:
        """Guards of a blueprint count for those inside of it."""
        web = flask_auth()
        app = self.app(web)
        expected = [
            "wrap_missing: the application is not inside the wrap",
            "unguarded_route: POST /open",
            "unguarded_route: DELETE /item",
        ]

        assert expected == told(web.findings(app, public=["/webhook"]))
        web.init_app(app)
        assert expected[1:] == told(web.findings(app, public=["/webhook"]))

    def test_another_answer_to_cors_is_found(self) -> None:
        """As flask-cors puts it: a function after each request."""
        web, app = flask_auth(), Flask("installed")
        web.init_app(app)

        @app.after_request
        def cors_after_request(response: Response) -> Response:
            return response

        @app.after_request
        def other(response: Response) -> Response:
            return response

        cors_after_request.__module__ = "flask_cors.extension"
        other.__qualname__ = "other"
        (said,) = told(web.findings(app))

        assert said.startswith("other_cors: flask_cors.extension.")


@pytest.mark.parametrize("find", [starlette_auth, flask_auth, fastapi_auth])
def test_public_is_a_list(find: Callable[[], Any]) -> None:
    """One string would be its letters."""
    apps: Mapping[type, Any] = {FlaskAuth: Flask("x"), FastAPIAuth: FastAPI()}
    web = find()
    with pytest.raises(ConfigError, match="public takes a list"):
        web.findings(apps.get(type(web), Starlette()), public="/webhook")


@pytest.mark.parametrize(
    ("module", "name", "answers"),
    [
        ("starlette.middleware.cors", "CORSMiddleware", True),
        ("flask_cors.extension", "make_after_request_function.<locals>.x", True),
        ("shop.http", "CorsPolicyLayer", True),
        ("shop.http", "add_cors", True),
        ("shop.scores", "Leaderboard", False),
        ("corsica.ferries", "Timetable", False),
    ],
)
def test_what_answers_cors_is_known_by_its_name(
    module: str, name: str, *, answers: bool
) -> None:
    """Not by four letters inside of a word."""
    layer = type(name, (), {"__module__": module, "__qualname__": name})

    assert answers == answers_cors(layer)
    assert answers == answers_cors(layer())
