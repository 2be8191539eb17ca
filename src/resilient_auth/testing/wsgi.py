"""
How is a WSGI application driven without a server? In process, and to the letter.

Like a real server, `exchange` joins repeated headers by a comma, is told of an answer
at its first bytes, and closes what was returned; unlike most, it takes nothing amiss:
`wsgiref.validate` stands between, which refuses whatever PEP 3333 does not allow.
"""

import sys
import warnings
from collections.abc import Iterable
from dataclasses import replace
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication, WSGIEnvironment
from wsgiref.validate import WSGIWarning, validator

from resilient_auth.testing.exchange import WireRequest, WireResponse


class WsgiTransport:
    """A `Transport` to *app*, in this thread."""

    def __init__(self, app: WSGIApplication, *, scheme: str = "https") -> None:
        self._app = app
        self._scheme = scheme

    def send(self, request: WireRequest) -> WireResponse:
        """Return the application's answer to *request*."""
        environ = environ_of(self.received(request), scheme=self._scheme)
        return exchange(self._app, environ)

    def received(self, request: WireRequest) -> WireRequest:
        """Return *request* as it arrives: WSGI servers make repeated headers one."""
        headers: dict[bytes, bytes] = {}
        for name, value in request.headers:
            joint = b"; " if name == b"cookie" else b","
            headers[name] = headers[name] + joint + value if name in headers else value
        return replace(request, headers=tuple(headers.items()))

    def close(self) -> None:
        """Do nothing; it holds nothing."""


def exchange(app: WSGIApplication, environ: WSGIEnvironment) -> WireResponse:
    """Return what *app* answers to the request of *environ*."""
    connection = _Connection(is_head=environ["REQUEST_METHOD"] == "HEAD")
    error: Exception | None = None
    try:
        with warnings.catch_warnings():
            # A method that does not exist is a test, and no mistake of *app*.
            warnings.simplefilter("ignore", WSGIWarning)
            returned = validator(app)(environ, connection.start)
        try:
            for piece in returned:
                connection.write(piece)
        finally:
            returned.close()  # type: ignore[attr-defined]  # the validator has it
    except Exception as raised:  # noqa: BLE001 - what reaches the server is a result
        error = raised
    return connection.response(error)


def environ_of(
    request: WireRequest, *, scheme: str = "https", chunked: bool = False
) -> WSGIEnvironment:
    """Return the environ of *request*; *chunked*, its body comes without a length."""
    path, _, query = request.target.partition("?")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if chunked:
        environ["wsgi.input_terminated"] = True
    elif request.body:
        environ["CONTENT_LENGTH"] = str(len(request.body))
    for name, value in request.headers:
        key = name.decode("latin-1").upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        environ[key] = value.decode("latin-1")
    return environ


class _Connection:
    """The server's side of one exchange."""

    def __init__(self, *, is_head: bool) -> None:
        self._is_head = is_head
        self._start: tuple[str, list[tuple[str, str]]] | None = None
        self._body: list[bytes] = []

    def start(
        self, status: str, headers: Iterable[tuple[str, str]], exc_info: Any = None, /
    ) -> Any:
        """Take the beginning of the answer, once."""
        if exc_info is not None and self._body:
            raise exc_info[1]
        if exc_info is None and self._start is not None:
            raise RuntimeError("start_response was called twice.")
        self._start = status, list(headers)
        return self.write

    def write(self, piece: bytes) -> None:
        """Take a piece of the body."""
        if self._start is None:
            raise RuntimeError("A body came before its beginning.")
        self._body.append(piece)

    def response(self, error: Exception | None) -> WireResponse:
        """Return what came, however little."""
        status, headers = self._start or ("0", [])
        said = tuple((name.lower(), value) for name, value in headers)
        body = b"".join(self._body)
        length = None if self._is_head else dict(said).get("content-length")
        is_whole = error is None if length is None else len(body) == int(length)
        return WireResponse(
            status=int(status.split()[0]),
            headers=said,
            body=body,
            error=error,
            is_complete=is_whole,
        )
