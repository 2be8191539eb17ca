"""
What stands around the whole WSGI application? One pure wrap, outermost.

It does what the wrap in ``asgi`` does, in the words of PEP 3333: an id for every
request, preflights, and no refusal and no crash without a problem body and its CORS
headers. It imports no framework.

The server is told of an answer when its first bytes come, so an application that fails
before them is answered whole. What it raised goes on to the server behind the last byte
of our answer, and is logged there once.
"""

import functools
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from http import HTTPStatus
from types import TracebackType
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from resilient_auth import events
from resilient_auth.clock import SystemClock
from resilient_auth.core.deployment import Deployment
from resilient_auth.core.view import Answer, RequestView
from resilient_auth.errors import AnswerError, Refused
from resilient_auth.web.preflight import is_preflight, preflight
from resilient_auth.web.refusals import Refusals
from resilient_auth.web.wire import MAX_BODY

Headers = list[tuple[str, str]]
Write = Callable[[bytes], object]
NoError = tuple[None, None, None]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | NoError

_ID = "resilient_auth.request_id"  # in the environ, where no client can write
_PIECE = 65_536  # bytes that are read of a body at once
_MAX_DRAINED = 8_000_000  # bytes of a refused body that are read and dropped
_DRAIN_SECONDS = 2.0
_UNPREFIXED = ("CONTENT_TYPE", "CONTENT_LENGTH")  # the headers without HTTP_
_MAX_DIGITS = 18  # of a Content-Length


class Wrap:
    """The wrap of one application."""

    def __init__(
        self, app: WSGIApplication, site: Deployment, refusals: Refusals
    ) -> None:
        self._app = app
        self._site = site
        self._refusals = refusals

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Serve one request."""
        # A wrap around this one, of an application that mounts ours, has chosen it.
        request_id = environ.setdefault(_ID, secrets.token_hex(8))
        method, origin = environ["REQUEST_METHOD"], environ.get("HTTP_ORIGIN", "")
        cors = self._site.cors
        ours = [("X-Request-ID", request_id)]
        token = events.request_id.set(request_id)
        try:
            if method == "OPTIONS" and is_preflight(view := view_of(environ)):
                answer = preflight(view, cors, self._refusals)
                return _Outlet(start_response, method, ours).answer(answer)
            outlet = _Outlet(start_response, method, [*cors.actual(origin), *ours])
            return self._serve(environ, outlet)
        finally:
            events.request_id.reset(token)

    def _serve(self, environ: WSGIEnvironment, outlet: "_Outlet") -> Iterable[bytes]:
        asked = dict(environ)  # the application may write into its own
        body: Iterable[bytes] = ()
        try:
            body = self._app(environ, outlet.start)
            pieces = iter(body)
            first = next(filter(None, pieces), b"")
            outlet.open()
        except AnswerError as error:
            _close(body)
            if outlet.is_open:
                raise
            return outlet.answer(self._refusals.answer(view_of(asked), error))
        except Exception as error:
            _close(body)
            answer = self._failed(asked, error)
            if outlet.is_open:
                raise
            return outlet.answer(answer, error)
        if outlet.is_head:
            _close(body)
            return ()
        failed = functools.partial(self._failed, asked)
        return _Body(first, pieces, body, failed)

    def _failed(self, asked: WSGIEnvironment, error: Exception) -> Answer:
        return self._refusals.failure(view_of(asked), error)


class _Outlet:
    """The way out of one answer: adds headers, and opens as late as it can."""

    def __init__(
        self, start_response: StartResponse, method: str, ours: Headers
    ) -> None:
        self._start_response = start_response
        self.is_head: bool = method == "HEAD"
        self._ours = ours
        self._names = {name.lower() for name, _ in ours}
        self._said: tuple[str, Headers] | None = None
        self._write: Write | None = None

    @property
    def is_open(self) -> bool:
        """Say whether the server has been told how the answer begins."""
        return self._write is not None

    def start(
        self, status: str, headers: Headers, exc_info: ExcInfo | None = None, /
    ) -> Write:
        """Take the application's beginning; it may take it back with an *exc_info*."""
        if exc_info is None and self._said is not None:
            raise RuntimeError("The application began its answer twice.")
        if exc_info is not None and exc_info[1] is not None and self.is_open:
            raise exc_info[1].with_traceback(exc_info[2])
        self._said = status, self._with_ours(headers)
        return self.write

    def write(self, data: bytes) -> None:
        """Send *data* at once, as PEP 3333 still allows."""
        write = self.open()
        if data and not self.is_head:
            write(data)

    def open(self) -> Write:
        """Tell the server how the answer begins, if it does not know yet."""
        if self._write is None:
            if self._said is None:
                raise RuntimeError("The application answered without a beginning.")
            self._write = self._start_response(*self._said)
        return self._write

    def answer(self, answer: Answer, error: Exception | None = None) -> Iterable[bytes]:
        """Send *answer* in place of whatever was begun, and raise *error* behind it."""
        self._said = None
        self.start(status_of(answer), headers_of(answer))
        self.open()
        body = [] if self.is_head else [answer.body]
        return body if error is None else _then(body, error)

    def _with_ours(self, headers: Headers) -> Headers:
        others = []
        varies = False
        for each in headers:
            name = each[0].lower()
            if name not in self._names:
                others.append(each)
                varies = varies or (name == "vary" and _names_origin(each[1]))
        if not varies:
            others.append(("Vary", "Origin"))
        return [*others, *self._ours]


class _Body:
    """What the application returned; its pieces are made under the request's id."""

    def __init__(
        self,
        first: bytes,
        rest: Iterator[bytes],
        returned: Iterable[bytes],
        failed: Callable[[Exception], object],
    ) -> None:
        self._first = first
        self._rest = rest
        self._returned = returned
        self._failed = failed
        self._request_id = events.request_id.get()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        first, self._first = self._first, b""
        if first:
            return first
        token = events.request_id.set(self._request_id)
        try:
            return next(self._rest)
        except (StopIteration, AnswerError):
            raise
        except Exception as error:
            self._failed(error)
            raise
        finally:
            events.request_id.reset(token)

    def close(self) -> None:
        """Close what the application returned (PEP 3333)."""
        token = events.request_id.set(self._request_id)
        try:
            _close(self._returned)
        finally:
            events.request_id.reset(token)


# ------------------------------------------------------------------ values


def view_of(environ: WSGIEnvironment) -> RequestView:
    """Return the request of a WSGI *environ* as a value."""
    return RequestView(
        method=environ["REQUEST_METHOD"],
        path=path_of(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")),
        headers=[
            (_name(key), value.encode("latin-1", "replace"))
            for key, value in environ.items()
            if key[:5] == "HTTP_" or (value and key in _UNPREFIXED)
        ],
        query=environ.get("QUERY_STRING", "").encode("latin-1", "replace"),
        peer=environ.get("REMOTE_ADDR") or "",
    )


def path_of(text: str) -> str:
    """Return a path as text; WSGI gives its bytes as if they were latin-1."""
    if text.isascii():
        return text
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def respond(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a request whole."""
    start_response(status_of(answer), headers_of(answer))
    return [answer.body]


def status_of(answer: Answer) -> str:
    """Return the status line of *answer*, as WSGI writes it."""
    return f"{answer.status} {HTTPStatus(answer.status).phrase}"


def headers_of(answer: Answer) -> Headers:
    """Return the headers of *answer* as WSGI writes them, its length the last."""
    if answer.status == 204:
        return list(answer.headers)
    return [*answer.headers, ("Content-Length", str(len(answer.body)))]


def read_bounded(environ: WSGIEnvironment) -> bytes:
    """
    Return a request's body; `Refused` if it passes `wire.MAX_BODY`.

    Without a length there is a body only where the server says that it ends
    (``wsgi.input_terminated``); else reading would wait for ever.
    """
    said = environ.get("CONTENT_LENGTH") or ""
    if said and not (said.isascii() and said.isdigit() and len(said) <= _MAX_DIGITS):
        raise Refused("request_invalid", "Content-Length is a number.")
    if not said and not environ.get("wsgi.input_terminated"):
        return b""
    length = int(said) if said else None
    stream = environ["wsgi.input"]
    try:
        body = _read(stream, MAX_BODY + 1, length)
    except OSError as error:
        raise Refused("request_timeout", reason="the client went away") from error
    if len(body) > MAX_BODY:
        with suppress(OSError):
            _drain(stream, length and length - len(body))
        raise Refused("body_too_large", f"At most {MAX_BODY} bytes.")
    if length is not None and len(body) < length:
        raise Refused("request_timeout", reason="the client went away")
    return body


def _read(stream: Any, most: int, length: int | None) -> bytes:
    """Read at most *most* bytes of *stream*, which has *length*, or ends by itself."""
    left = most if length is None else min(most, length)
    body = b""
    while left > 0 and (piece := stream.read(left)):
        body += piece
        left -= len(piece)
    return body


def _drain(stream: Any, length: int | None) -> None:
    """
    Drop the rest of a body, within limits.

    A server that answers and closes while a client still sends resets the connection,
    and then many clients never see the answer.
    """
    left = _MAX_DRAINED if length is None else min(_MAX_DRAINED, length)
    clock = SystemClock()
    until = clock.monotonic() + _DRAIN_SECONDS
    while left > 0 and clock.monotonic() < until:
        piece = stream.read(min(left, _PIECE))
        if not piece:
            return
        left -= len(piece)


@functools.lru_cache(maxsize=256)
def _name(key: str) -> bytes:
    name = key.removeprefix("HTTP_").replace("_", "-").lower()
    return name.encode("latin-1", "replace")


def _close(body: Iterable[bytes]) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()


def _names_origin(vary: str) -> bool:
    return "origin" in (word.strip() for word in vary.lower().split(","))


def _then(body: Sequence[bytes], error: Exception) -> Iterator[bytes]:
    yield from body
    raise error
