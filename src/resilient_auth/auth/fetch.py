"""
How is a small document fetched from a server that may be hostile?

By the standard library, with one deadline over all of it: a server that sends a byte
now and then is cut off when the time is spent, not when it pauses. Nothing is followed,
nothing is inflated, nothing beyond the bound is read, and no proxy is taken from the
environment: give another `Fetch` where one is needed.
"""

import io
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

from resilient_auth.clock import Clock, SystemClock
from resilient_auth.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a server answered; the names of *headers* are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Fetch(Protocol):
    """
    A callable that gets one document; called in a thread of its own.

    It raises any exception if there is no answer after *timeout* seconds in all, or if
    the body is longer than *max_bytes*. It follows no redirect.
    """

    def __call__(self, url: str, *, timeout: float, max_bytes: int) -> Fetched:
        """Return what *url* answers to a GET."""
        ...


class HttpFetch:
    """
    A `Fetch` by the standard library; may be used from any thread.

    *context* names the authorities that are trusted, by default the system's.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._clock = SystemClock()

    def __call__(self, url: str, *, timeout: float, max_bytes: int) -> Fetched:
        """Return what *url* answers, or raise what went wrong."""
        where = urlsplit(url)
        until = _Deadline(self._clock, timeout)
        with _connect(where, until) as bare, self._secured(bare, where, until) as sock:
            sock.settimeout(until.left())
            sock.sendall(_request(where))
            response = HTTPResponse(_Source(sock, until))  # type: ignore[arg-type]  # makefile is all it asks for
            with response:
                response.begin()
                return _read(response, max_bytes)

    def _secured(
        self, sock: socket.socket, where: SplitResult, until: "_Deadline"
    ) -> socket.socket:
        if where.scheme != "https":
            return sock
        if self._context is None:
            self._context = ssl.create_default_context()
        sock.settimeout(until.left())
        return self._context.wrap_socket(sock, server_hostname=where.hostname)


class _Deadline:
    """One instant that every wait of a fetch is measured against."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._at = clock.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left; `TimeoutError` if there are none."""
        left = self._at - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole answer is spent")
        return left


class _Source(io.RawIOBase):
    """A socket to read from, each wait only as long as what is left in all."""

    def __init__(self, sock: socket.socket, until: _Deadline) -> None:
        self._sock = sock
        self._until = until

    def makefile(self, _: str) -> io.BufferedReader:
        """Return the buffered form that `HTTPResponse` reads."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Say that this is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read once."""
        self._sock.settimeout(self._until.left())
        return self._sock.recv_into(buffer)


def _connect(where: SplitResult, until: _Deadline) -> socket.socket:
    """Return a connection; each address has its share of the time that is left."""
    port = where.port or (443 if where.scheme == "https" else 80)
    found = socket.getaddrinfo(where.hostname, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError("the name has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(found):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(until.left() / (len(found) - tried))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


def _request(where: SplitResult) -> bytes:
    target = where.path or "/"
    if where.query:
        target += f"?{where.query}"
    lines = (
        f"GET {target} HTTP/1.1",
        f"Host: {where.netloc}",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "User-Agent: resilient-auth",
        "Connection: close",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _read(response: HTTPResponse, max_bytes: int) -> Fetched:
    headers = {name.lower(): value for name, value in response.getheaders()}
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Unavailable(reason="the body is compressed, which nobody asked for")
    body = response.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise Unavailable(reason="the body is too long")
    return Fetched(response.status, headers, body)
