"""The wrap around WSGI: what PEP 3333 allows applications, servers and clients."""

import sys
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest

from resilient_auth import Auth, ConfigError, Refused, WsgiAuth, events
from resilient_auth.events import RequestFailed, RequestRefused
from resilient_auth.testing import WireRequest, WireResponse, WireSetup
from resilient_auth.testing.wire.promises import assert_refused
from resilient_auth.testing.wire.setup import PAGE
from resilient_auth.testing.wsgi import environ_of, exchange

TEXT = [("Content-Type", "text/plain")]
ANN = b'{"username": "ann", "password": "pw"}'
JSON = (b"content-type", b"application/json")
FROM_PAGE = (b"origin", PAGE.encode())


class Site:
    """An application inside the wrap, with the events that it caused."""

    def __init__(self, app: WSGIApplication) -> None:
        self.setup = WireSetup()
        auth = Auth(
            self.setup.ring,
            self.setup.policy,
            clock=self.setup.clock,
            listeners=[self.setup.told.append],
        )
        self.web = WsgiAuth(auth, self.setup.site, authenticate=self.setup.authenticate)
        self.app = self.web.wrap(app)

    def get(self, target: str = "/x", *, method: str = "GET") -> WireResponse:
        """Ask for *target*, from a page of the deployment."""
        request = WireRequest(method=method, target=target, headers=(FROM_PAGE,))
        return exchange(self.app, environ_of(request))

    def log_in(self, body: bytes = ANN, **environ: Any) -> WireResponse:
        """Send a login whose *environ* is changed."""
        request = WireRequest(
            method="POST", target="/api/auth/login", headers=(JSON,), body=body
        )
        return exchange(self.app, environ_of(request) | environ)

    def failed(self) -> list[str]:
        """Return the exceptions that listeners were told of."""
        return [e.error for e in self.setup.told if isinstance(e, RequestFailed)]


def hello(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Say hello."""
    start_response("200 OK", TEXT)
    return [b"hello"]


# ------------------------------------------------------------------ applications


def test_the_old_way_to_write_still_works() -> None:
    """PEP 3333 keeps write() for code that cannot return its body."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", TEXT)
        write(b"one ")
        return [b"two"]

    response = Site(app).get()

    assert (200, b"one two") == (response.status, response.body)
    assert PAGE == response.value("access-control-allow-origin")


def test_an_application_that_is_a_generator() -> None:
    """It begins its answer at the first piece, not when it is called."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b""
        yield b"late"

    assert b"late" == Site(app).get().body


def test_a_beginning_may_be_taken_back() -> None:
    """With an exc_info, while nothing is sent: the usual way to an error page."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        try:
            int("x")
        except ValueError:
            start_response("418 Teapot", TEXT, sys.exc_info())
        return [b"my page"]

    response = Site(app).get()

    assert (418, b"my page") == (response.status, response.body)
    assert PAGE == response.value("access-control-allow-origin")


def test_a_beginning_that_is_sent_stands() -> None:
    """Then the exception goes to the server, which breaks the connection off."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"half"
        try:
            int("secret-of-the-half")
        except ValueError:
            start_response("500 Oops", TEXT, sys.exc_info())

    site = Site(app)
    response = site.get()

    assert (200, b"half", False) == (
        response.status,
        response.body,
        response.is_complete,
    )
    assert isinstance(response.error, ValueError)
    assert ["ValueError"] == site.failed()


@pytest.mark.parametrize("twice", [True, False])
def test_an_answer_has_one_beginning(*, twice: bool) -> None:
    """Two, or none, is a bug of the application; the client reads a problem."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if twice:
            start_response("200 OK", TEXT)
            start_response("200 OK", TEXT)
        return [b"x"]

    site = Site(app)
    response = site.get()

    assert_refused(response, "internal_error")
    assert isinstance(response.error, RuntimeError)
    assert ["RuntimeError"] == site.failed()


class Pieces:
    """A body that notes whether it was closed, and fails at its end if it shall."""

    def __init__(self, pieces: list[bytes], error: Exception | None = None) -> None:
        self._pieces = pieces
        self._error = error
        self.closed = 0
        self.ids: set[str] = set()

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.ids.add(events.request_id.get())
            yield piece
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Take note."""
        self.ids.add(events.request_id.get())
        self.closed += 1


def answering(pieces: Pieces, status: str = "200 OK") -> WSGIApplication:
    """Return an application whose body is *pieces*."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, TEXT)
        return pieces

    return app


@pytest.mark.parametrize(
    ("pieces", "method"),
    [
        (Pieces([b"a", b"b"]), "GET"),
        (Pieces([]), "GET"),
        (Pieces([b"a", b"b"]), "HEAD"),
        (Pieces([], RuntimeError("at once")), "GET"),
        (Pieces([], Refused("permission_denied")), "GET"),
        (Pieces([b"a"], RuntimeError("later")), "GET"),
        (Pieces([b"a"], Refused("permission_denied")), "GET"),
    ],
)
def test_what_was_returned_is_closed_once(pieces: Pieces, method: str) -> None:
    """Else a file or a connection stays open; and under the id of its request."""
    response = Site(answering(pieces)).get(method=method)

    assert 1 == pieces.closed
    assert {response.value("x-request-id")} == pieces.ids
    assert "" == events.request_id.get()


def test_a_failure_before_the_first_byte_is_answered_whole() -> None:
    """The status was said, but not sent."""
    site = Site(answering(Pieces([b"", b""], RuntimeError("secret-of-it"))))
    response = site.get()

    assert_refused(response, "internal_error")
    assert isinstance(response.error, RuntimeError)
    assert ["RuntimeError"] == site.failed()
    assert PAGE == response.value("access-control-allow-origin")


def test_a_refusal_behind_the_first_byte_is_no_second_answer() -> None:
    """It goes to the server; no crash of ours is told."""
    site = Site(answering(Pieces([b"a"], Refused("permission_denied"))))
    response = site.get()

    assert (b"a", False) == (response.body, response.is_complete)
    assert isinstance(response.error, Refused)
    assert [] == site.failed()


def test_head_is_answered_without_a_body() -> None:
    """Some servers would send it, and the client takes it for the next answer."""
    site = Site(hello)
    for target in ("/x", "/api/auth/session", "/api/auth/verify", "/api/auth/nothing"):
        assert b"" == site.get(target, method="HEAD").body
    assert b"hello" == site.get().body


def test_a_header_of_ours_stands_once() -> None:
    """What a CORS extension of the application adds is not for it to say."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers = [("access-control-allow-origin", "*"), ("x-request-id", "mine")]
        start_response("200 OK", [*TEXT, *headers])
        return [b"x"]

    response = Site(app).get()

    assert [PAGE] == response.values("access-control-allow-origin")
    assert 1 == len(response.values("x-request-id"))
    assert "mine" != response.value("x-request-id")


@pytest.mark.parametrize("vary", ["Origin", "accept, ORIGIN"])
def test_a_vary_of_the_application_is_enough(vary: str) -> None:
    """Said twice, some caches take only the first."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [*TEXT, ("Vary", vary)])
        return [b"x"]

    assert vary in Site(app).get().values("vary")


def test_a_wrap_inside_a_wrap_shares_the_id() -> None:
    """An application that mounts another one has one id for each request."""
    inner = Site(hello)
    response = Site(inner.app).get()

    assert 1 == len(response.values("x-request-id"))


# ------------------------------------------------------------------ paths


@pytest.mark.parametrize(
    ("target", "script", "expected"),
    [
        ("/api/auth/session", "", 200),
        ("/api/auth/session", "/v1", 200),
        ("/api/auth", "", 404),
        ("/api/authx/session", "", 404),
        ("/x/api/auth/session", "", 404),
        ("/api/auth/session%0A", "", 404),
        ("/api/auth/sess%C3%A9ion", "", 404),
        ("/api/auth/%FF", "", 404),
    ],
)
def test_the_endpoints_stand_under_the_script(
    target: str, script: str, expected: int
) -> None:
    """SCRIPT_NAME is where the application is mounted, and no part of its paths."""

    def nothing(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("404 Not Found", TEXT)
        return [b"nothing here"]

    environ = environ_of(WireRequest(target=target)) | {"SCRIPT_NAME": script}

    assert expected == exchange(Site(nothing).app, environ).status


def test_a_path_is_told_as_it_was_meant() -> None:
    """WSGI gives the bytes of UTF-8 as if they were latin-1."""
    site = Site(hello)
    site.get("/api/auth/%C3%A9")
    refused = [each for each in site.setup.told if isinstance(each, RequestRefused)]

    assert ["/é"] == [each.path for each in refused]


@pytest.mark.parametrize("prefix", ["", "/", "api/auth", "/api/auth/"])
def test_a_prefix_is_a_path(prefix: str) -> None:
    """With it no endpoint would ever be found, or all of the application hidden."""
    with pytest.raises(ConfigError, match="prefix is a path"):
        Site(hello).web.wrap(hello, prefix=prefix)


# ------------------------------------------------------------------ bodies


class Stream(BytesIO):
    """A body that comes in pieces and may break off."""

    def __init__(self, raw: bytes, *, breaks: bool = False, piece: int = 7) -> None:
        super().__init__(raw)
        self._breaks = breaks
        self._piece = piece
        self.given = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most a piece."""
        assert size is not None
        assert size > 0, "a read without a limit waits for ever"
        piece = super().read(min(size, self._piece))
        if not piece and self._breaks:
            raise ConnectionResetError("secret-of-the-stream")
        self.given += len(piece)
        return piece


def test_a_body_that_comes_in_pieces_is_read_whole() -> None:
    """A stream may give less than it was asked for."""
    stream = Stream(ANN)
    environ = {"wsgi.input": stream, "CONTENT_LENGTH": str(len(ANN))}

    assert 200 == Site(hello).log_in(**environ).status
    assert len(ANN) == stream.given


def test_a_chunked_body_is_read_where_the_server_ends_it() -> None:
    """Without a length and without a promised end, reading would never return."""
    environ = {"CONTENT_LENGTH": "", "wsgi.input": Stream(ANN)}

    assert (
        200 == Site(hello).log_in(**environ, **{"wsgi.input_terminated": True}).status
    )
    assert 400 == Site(hello).log_in(**environ).status


@pytest.mark.parametrize("length", ["-1", "x", "1.5", "1e3", "٣", "9" * 19, " 5"])
def test_a_length_that_is_no_number_is_400(length: str) -> None:
    """Servers pass on what a client wrote."""
    environ = environ_of(WireRequest(method="POST", headers=(JSON,), body=ANN))
    answer = Site(hello).web.answer(environ | {"CONTENT_LENGTH": length}, path="/login")

    assert 400 == answer.status


@pytest.mark.parametrize("breaks", [True, False])
@pytest.mark.parametrize("length", ["100", ""])
def test_a_client_that_went_away_is_408(length: str, *, breaks: bool) -> None:
    """Neither judged by half of its body, nor a crash."""
    environ = {"CONTENT_LENGTH": length, "wsgi.input_terminated": True}
    site = Site(hello)
    stream = Stream(ANN[:20], breaks=breaks)
    response = site.log_in(**environ, **{"wsgi.input": stream})

    expected = 400 if not length and not breaks else 408  # a chunked body just ends
    assert expected == response.status
    assert [] == site.failed()
    assert [] == site.setup.asked


@pytest.mark.parametrize("length", ["", "1000000"])
def test_a_megabyte_is_413_and_is_drained(length: str) -> None:
    """Else the connection is reset before the client reads the answer."""
    stream = Stream(b"x" * 1_000_000, piece=9_000)
    environ = {"CONTENT_LENGTH": length, "wsgi.input_terminated": True}
    response = Site(hello).log_in(**environ, **{"wsgi.input": stream})

    assert_refused(response, "body_too_large")
    assert 1_000_000 == stream.given


def test_a_body_that_breaks_off_while_it_is_drained_is_413() -> None:
    """It was too large, whatever came then."""
    stream = Stream(b"x" * 50_000, breaks=True, piece=9_000)
    environ = {"CONTENT_LENGTH": "1000000", "wsgi.input": stream}

    assert_refused(Site(hello).log_in(**environ), "body_too_large")


def test_the_application_may_read_the_body_again() -> None:
    """*authenticate* of a framework looks at its own request."""
    site = Site(hello)
    request = WireRequest(
        method="POST", target="/api/auth/login", headers=(JSON,), body=ANN
    )
    environ = environ_of(request)
    site.web.answer(environ, path="/login")

    assert ANN == environ["wsgi.input"].read()


# ------------------------------------------------------------------ building


def test_an_asynchronous_authenticate_is_refused() -> None:
    """Its coroutine would never run, and everybody were refused."""
    setup = WireSetup()

    async def check(_: Any) -> None: ...

    with pytest.raises(ConfigError, match="authenticate is asynchronous"):
        WsgiAuth(
            Auth(setup.ring, setup.policy),
            setup.site,
            authenticate=check,  # type: ignore[arg-type]
        )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"auth": None}, "give it an Auth"),
        ({"site": "https://x.example"}, "site is a Deployment"),
        ({"authenticate": "check"}, "authenticate is a function"),
        ({"throttle": 5}, "throttle"),
        ({"messages": {"de": {}}}, "messages"),
    ],
)
def test_what_it_is_built_from_is_checked(change: dict[str, Any], fault: str) -> None:
    """At start, not at the first login."""
    setup = WireSetup()
    said: dict[str, Any] = {
        "auth": Auth(setup.ring, setup.policy),
        "site": setup.site,
        "authenticate": setup.authenticate,
    } | change
    with pytest.raises(ConfigError, match=fault):
        WsgiAuth(said.pop("auth"), said.pop("site"), **said)


def test_an_authenticate_that_forgets_to_be_plain_is_a_bug() -> None:
    """A plain function that returns a coroutine is answered with 500, not with 200."""

    async def later() -> str:
        return "ann"

    def check(_: Any) -> Any:
        coroutine = later()
        coroutine.close()
        return coroutine

    setup = WireSetup()
    web = WsgiAuth(Auth(setup.ring, setup.policy), setup.site, authenticate=check)
    request = WireRequest(
        method="POST", target="/api/auth/login", headers=(JSON,), body=ANN
    )

    assert 500 == exchange(web.wrap(hello), environ_of(request)).status
