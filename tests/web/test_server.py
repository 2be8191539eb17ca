"""What only a real server shows: closed connections, on either side."""

import http.client
import json
import logging
import socket
import threading
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from tests.servers import uvicorn_serving

from resilient_auth import AsyncAuth, StarletteAuth
from resilient_auth.events import RequestFailed, RequestRefused
from resilient_auth.testing import WireSetup

Served = tuple[int, WireSetup, threading.Event]


@pytest.fixture
def served() -> Iterator[Served]:
    """Serve with uvicorn; yield its port, what it tells, and "an upload is over"."""
    setup, over = WireSetup.localhost(), threading.Event()
    auth = AsyncAuth(setup.ring, setup.policy, listeners=[setup.told.append])
    web = StarletteAuth(auth, setup.site, authenticate=setup.authenticate)

    async def upload(request: Request) -> Response:
        try:
            return PlainTextResponse(str(len(await request.body())))
        finally:
            over.set()

    routes = [
        Mount("/api/auth", routes=web.routes()),
        Route("/upload", upload, methods=["POST"]),
    ]
    app = web.wrap(Starlette(routes=routes))
    with uvicorn_serving(lambda _: app) as port:
        yield port, setup, over


@pytest.mark.parametrize("size", [20_000, 5_000_000])
def test_a_refused_body_does_not_hide_its_answer(served: Served, size: int) -> None:
    """Closed in mid body, a connection is reset, and the 413 is lost on the way."""
    connection = http.client.HTTPConnection("127.0.0.1", served[0], timeout=30)
    headers = {"Content-Type": "application/json", "Connection": "close"}
    connection.request("POST", "/api/auth/login", b"x" * size, headers)
    response = connection.getresponse()
    said = json.loads(response.read())
    connection.close()

    assert (413, "body_too_large") == (response.status, said["code"])


def test_a_client_that_hangs_up_is_not_in_the_error_log(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """A closed laptop is nobody's bug: no traceback, and no failure is counted."""
    port, setup, over = served
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
    assert over.wait(30)
    _answer_to_another(port)  # by then the first one has been told

    assert [] == [each for each in setup.told if isinstance(each, RequestFailed)]
    assert ["request_timeout"] == [
        each.code for each in setup.told if isinstance(each, RequestRefused)
    ]
    assert [] == [each for each in caplog.records if each.levelno >= logging.ERROR]


def _answer_to_another(port: int) -> None:
    other = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    other.request("GET", "/api/auth/session")
    other.getresponse().read()
    other.close()
