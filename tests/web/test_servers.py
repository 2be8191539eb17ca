"""Every server that people deploy: the same wire over HTTP/1.1 and HTTP/2."""

import secrets
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa
from tests.servers import process_serving
from tests.web.served import PIECES
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from resilient_auth import SQLAlchemyStore
from resilient_auth.testing.wire.setup import LOCAL_PAGE

ANN = {"username": "ann", "password": "pw"}
PAGE = {"Origin": LOCAL_PAGE, "Sec-Fetch-Site": "same-site"}
ASGI, WSGI = "tests.web.served:asgi", "tests.web.served:wsgi()"
FD = ("--bind", "fd://{fd}")
GUNICORN = ("gunicorn", *FD, "--workers", "2", "--no-control-socket")
HYPERCORN = ("hypercorn", *FD, "tests.web.served:asgi()")
SERVERS = {
    "uvicorn": ("uvicorn", "--fd", "{fd}", "--factory", ASGI),
    "hypercorn": HYPERCORN,
    "hypercorn, HTTP/2": HYPERCORN,
    "gunicorn, uvicorn workers": (
        *GUNICORN,
        *("--worker-class", "uvicorn_worker.UvicornWorker"),
        "tests.web.served:asgi()",
    ),
    "gunicorn, sync workers": (*GUNICORN, WSGI),
    "gunicorn, threads": (*GUNICORN, "--threads", "4", WSGI),
}


@dataclass(frozen=True)
class Server:
    """A server that runs, with a database of its own."""

    name: str
    port: int
    log: Path

    def crashes(self) -> int:
        """Return how many are in the log, which is written behind the answers."""
        patience = time.monotonic() + 30
        while True:
            crashes = self.log.read_text().count("RuntimeError: secret-of-the-crash")
            if crashes or time.monotonic() > patience:
                return crashes
            time.sleep(0.05)


@dataclass(frozen=True)
class Served:
    """A server, as a page reaches it that nobody has logged in on."""

    page: httpx2.Client
    server: Server


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Yield one server after the other."""
    folder = tmp_path_factory.mktemp("served")
    database, log = folder / "sessions.db", folder / "server.log"
    SQLAlchemyStore(sa.create_engine(f"sqlite:///{database}")).create_schema()
    env = {
        "AUTH_KEYS": f"k1:HS256:{b64encode(secrets.token_bytes(32)).decode()}",
        "SERVED_DATABASE": str(database),
    }
    module, *arguments = SERVERS[request.param]
    with process_serving(module, *arguments, env=env, log=log) as port:
        yield Server(request.param, port, log)


def page_of(server: Server) -> httpx2.Client:
    """Return a page of *server*, with connections of its own, that speaks its HTTP."""
    is_second = server.name.endswith("HTTP/2")
    return httpx2.Client(
        base_url=f"http://localhost:{server.port}",
        headers=PAGE,
        http1=not is_second,
        http2=is_second,
        timeout=30,
    )


@pytest.fixture
def served(server: Server) -> Iterator[Served]:
    """Yield a page of the server, which speaks its HTTP."""
    with page_of(server) as page:
        version = page.get("/stream").http_version
        assert version == ("HTTP/2" if server.name.endswith("HTTP/2") else "HTTP/1.1")
        yield Served(page, server)


def test_a_day_on_a_server(served: Served) -> None:
    """Log in, be known everywhere, refresh, log out."""
    page = served.page
    login = page.post("/api/auth/login", json=ANN)

    assert 200 == login.status_code, login.text
    assert 2 == len(login.headers.get_list("set-cookie"))
    assert ["ann", "ann"] == [page.get(at).text for at in ("/me", "/inner/me")]
    assert 204 == page.get("/api/auth/verify").status_code
    assert 200 == page.head("/api/auth/session").status_code
    assert "rotated" == page.post("/api/auth/refresh").json()["rotation"]
    assert {"session": None} == page.post("/api/auth/logout").json()
    assert "token_missing" == page.get("/me").json()["code"]


def test_what_goes_wrong_is_told(served: Served) -> None:
    """To a page of another origin, which reads code and id of each."""
    page = served.page
    for answer, expected in (
        (page.post("/api/auth/login", content=b"x" * 100_000), (413, "body_too_large")),
        (page.post("/api/auth/login", content=b"{"), (400, "request_invalid")),
        (page.get("/api/auth/nothing"), (404, "not_found")),
        (page.put("/api/auth/login"), (405, "method_not_allowed")),
        (page.get("/me"), (401, "token_missing")),
    ):
        assert_told(answer, *expected)


def test_a_crash_is_told_and_logged_once(server: Server) -> None:
    """Some servers close the connection behind it, so it has one of its own."""
    with page_of(server) as page:
        assert_told(page.get("/crash"), 500, "internal_error")

    assert 1 == server.crashes()


def assert_told(answer: httpx2.Response, status: int, code: str) -> None:
    """Hold *answer* to be a problem that a page of another origin can read."""
    said = answer.json()

    assert (status, code) == (answer.status_code, said["code"])
    assert LOCAL_PAGE == answer.headers["access-control-allow-origin"]
    assert said["request_id"] == answer.headers["x-request-id"]
    assert "secret" not in answer.text


def test_a_body_without_a_length_is_read(served: Served) -> None:
    """In pieces, as HTTP/1.1 and HTTP/2 send it, each in its way."""
    pieces = iter([b'{"username": "ann",', b' "password": "pw"}'])
    login = served.page.post(
        "/api/auth/login", content=pieces, headers={"Content-Type": "application/json"}
    )

    assert 200 == login.status_code, login.text


def test_a_stream_arrives_whole(served: Served) -> None:
    """With the wrap's headers on it."""
    answer = served.page.get("/stream")

    assert "".join(PIECES) == answer.text
    assert LOCAL_PAGE == answer.headers["access-control-allow-origin"]


def test_a_preflight_is_answered(served: Served) -> None:
    """Before the application, and the framework, see it."""
    asked = {"Access-Control-Request-Method": "POST"}
    answer = served.page.options("/me", headers=asked)

    assert 204 == answer.status_code
    assert "POST" in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"], indirect=True)
def test_a_socket_is_opened_by_our_own_pages_alone(served: Served) -> None:
    """A foreign page is refused before accept, a stranger behind it, with a reason."""
    served.page.post("/api/auth/login", json=ANN)
    cookies = "; ".join(f"{name}={it}" for name, it in served.page.cookies.items())
    url, headers = f"ws://127.0.0.1:{served.server.port}/ws", {"Cookie": cookies}

    with connect(url, origin=LOCAL_PAGE, additional_headers=headers) as known:
        assert "ann" == known.recv()
    with pytest.raises(InvalidStatus) as refused:
        connect(url, origin="http://evil.example", additional_headers=headers)
    assert 403 == refused.value.response.status_code
    with (
        connect(url, origin=LOCAL_PAGE) as stranger,
        pytest.raises(ConnectionClosedError) as closed,
    ):
        stranger.recv()
    assert (4401, "token_missing") == (closed.value.rcvd.code, closed.value.rcvd.reason)
