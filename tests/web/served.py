"""
Applications for real servers, one of each kind, with what only a server can break.

``SERVED_DATABASE`` and ``AUTH_KEYS`` come from the test, so that several processes
serve one application.
"""

import os
from collections.abc import Iterator

import sqlalchemy as sa
from flask import Blueprint, Flask, Response
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from resilient_auth import (
    AsyncAuth,
    AsyncSQLAlchemyStore,
    Auth,
    Deployment,
    FlaskAuth,
    KeyRing,
    SQLAlchemyStore,
    StarletteAuth,
    TokenPolicy,
)
from resilient_auth.testing.wire.setup import LOCAL_API, LOCAL_PAGE
from resilient_auth.web.asgi import App

POLICY = TokenPolicy(issuer=LOCAL_API, audience="api")
SITE = Deployment.insecure_localhost(LOCAL_API, apps=[LOCAL_PAGE])
PIECES = ("one ", "two ", "three")


def check(credentials: object) -> str | None:
    """Know ann."""
    ann = {"username": "ann", "password": "pw"}
    return "ann" if credentials == ann else None


def asgi() -> App:
    """Return a Starlette application, with another one mounted in it."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{os.environ['SERVED_DATABASE']}")
    store = AsyncSQLAlchemyStore(engine)
    auth = AsyncAuth(KeyRing.from_env("AUTH_KEYS"), POLICY, store=store)
    web = StarletteAuth(auth, SITE, authenticate=check)

    async def me(request: Request) -> PlainTextResponse:
        return PlainTextResponse((await web.principal(request)).subject)

    async def crash(_: Request) -> PlainTextResponse:
        raise RuntimeError("secret-of-the-crash")

    async def stream(_: Request) -> StreamingResponse:
        return StreamingResponse(iter(PIECES), media_type="text/plain")

    async def socket(connection: WebSocket) -> None:
        who = await web.principal(connection)
        await connection.accept()
        await connection.send_text(who.subject)
        await connection.close()

    routes = [
        Mount("/api/auth", routes=web.routes()),
        Mount("/inner", app=Starlette(routes=[Route("/me", me)])),
        Route("/me", me),
        Route("/crash", crash),
        Route("/stream", stream),
        WebSocketRoute("/ws", socket),
    ]
    return web.wrap(Starlette(routes=routes))


def wsgi() -> Flask:
    """Return a Flask application with the same routes, but for the socket."""
    engine = sa.create_engine(f"sqlite:///{os.environ['SERVED_DATABASE']}")
    store = SQLAlchemyStore(engine)
    auth = Auth(KeyRing.from_env("AUTH_KEYS"), POLICY, store=store)
    web = FlaskAuth(auth, SITE, authenticate=check)
    app, inner = Flask("served"), Blueprint("inner", "served")
    web.init_app(app)

    @app.get("/me")
    @inner.get("/me")
    @web.required()
    def me() -> str:
        return web.principal().subject

    @app.get("/crash")
    def crash() -> str:
        raise RuntimeError("secret-of-the-crash")

    @app.get("/stream")
    def stream() -> Response:
        def pieces() -> Iterator[str]:
            yield from PIECES

        return Response(pieces(), mimetype="text/plain")

    app.register_blueprint(inner, url_prefix="/inner")
    return app
