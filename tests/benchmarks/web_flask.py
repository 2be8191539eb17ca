"""What authentication, the wrap and an Origin add to a request on bare Flask."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask, g
from flask_cors import CORS
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    get_jwt_identity,
    jwt_required,
)

from resilient_auth import FlaskAuth
from tests.benchmarks import requests
from tests.benchmarks.measure import Row, race
from tests.benchmarks.requests import wsgi

PEER = "flask-jwt-extended"


def rows() -> Iterator[Row]:
    """Yield each addition beside a peer's."""
    bare, wrapped, theirs = (_hello() for _ in range(3))
    web, token = _auth(requests.cached())
    web.init_app(wrapped)
    CORS(theirs, origins=[requests.ORIGIN], supports_credentials=True)
    none, first, hit, peer, open_wrap, with_origin, none_origin, other = race(
        wsgi(bare, ""),
        _ours(requests.uncached()),
        _ours(requests.cached()),
        _flask_jwt_extended(),
        wsgi(wrapped, token),
        wsgi(wrapped, token, requests.ORIGIN),
        wsgi(bare, "", requests.ORIGIN),
        wsgi(theirs, "", requests.ORIGIN),
    )
    peer -= none
    yield Row("required and the wrap, uncached", first - none, PEER, peer)
    yield Row("required and the wrap, cached", hit - none, PEER, peer, 1 / 8)
    added, theirs_added = with_origin - open_wrap, other - none_origin
    yield Row("an Origin header", added, "flask-cors", theirs_added)


def _hello() -> Flask:
    app = Flask("bench")

    @app.get("/")
    def hello() -> str:
        return "hello"

    return app


def _auth(ring: Any) -> tuple[FlaskAuth, str]:
    auth, token = requests.plain_auth(ring)
    return FlaskAuth(auth, requests.SITE, authenticate=lambda _: None), token


def _ours(ring: Any) -> Callable[[], object]:
    app = Flask("bench")
    web, token = _auth(ring)
    web.init_app(app)

    @app.get("/")
    @web.required()
    def ours() -> str:
        name: str = g.principal.subject
        return name

    return wsgi(app, token)


def _flask_jwt_extended() -> Callable[[], object]:
    app = Flask("bench")
    app.config["JWT_SECRET_KEY"] = secrets.token_hex(32)
    JWTManager(app)

    @app.get("/")
    @jwt_required()
    def theirs() -> str:
        name: str = get_jwt_identity()
        return name

    with app.app_context():
        return wsgi(app, create_access_token("ann"))
