"""Flask keeps the wire's promises, and what is Flask's own."""

import logging
from dataclasses import replace

from flask import Flask, Response, g

from resilient_auth import Auth, FlaskAuth, Unavailable
from resilient_auth.testing import (
    WireContract,
    WireRequest,
    WireResponse,
    WireSetup,
    WsgiTransport,
)
from resilient_auth.testing.wire.setup import RECENT


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
    return FlaskAuth(auth, setup.site, authenticate=setup.authenticate)


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
