"""
Do all adapters answer the same? Every request is asked twice, and compared.

Each request of the suite also goes to the `reference`, with the same clock, the same
chance and a copy of the same store. What comes back must be the same to the byte, and
so must what was stored and what was told. So the suite is a table of equal answers,
however many adapters there are, and a test that is added compares by itself.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import shake_128
from itertools import count
from typing import Protocol
from unittest.mock import patch

from resilient_auth.testing.asgi import AsgiTransport, SocketTalk
from resilient_auth.testing.exchange import Transport, WireRequest, WireResponse
from resilient_auth.testing.wire.reference import reference
from resilient_auth.testing.wire.setup import BreakableStore, WireSetup
from resilient_auth.testing.wsgi import WsgiTransport


class Connects(Protocol):
    """A transport that opens WebSockets too, such as `AsgiTransport`."""

    def connect(self, request: WireRequest, /) -> SocketTalk:
        """Open a WebSocket, say nothing, and return what the application sent."""
        ...


class Mirror:
    """The transport to an application from *setup*, beside the reference's."""

    def __init__(self, setup: WireSetup, own: Transport) -> None:
        self._setup = setup
        self._own = own
        self._twin = replace(setup, store=BreakableStore(), told=[], asked=[])
        scheme = setup.site.api.partition(":")[0]
        self._reference = AsgiTransport(reference(self._twin), scheme=scheme)
        self._requests = count()

    def send(self, request: WireRequest) -> WireResponse:
        """Return the application's answer, which is the reference's too."""
        seed = self._same_store()
        if isinstance(self._own, WsgiTransport):
            request = self._own.received(request)
        with same_chance(seed):
            own = self._own.send(request)
        with same_chance(seed):
            expected = self._reference.send(request)

        if _is_ours(request, expected):
            assert _whole(expected) == _whole(own)
            self._compare_told()
        else:
            assert _our_part(expected) == _our_part(own)
        return own

    def connect(self, request: WireRequest) -> SocketTalk:
        """Return the application's talk, which is the reference's too."""
        connects: Connects = self._own  # type: ignore[assignment]  # ASGI ones do
        seed = self._same_store()
        with same_chance(seed):
            own = connects.connect(request)
        with same_chance(seed):
            expected = self._reference.connect(request)

        assert _frames(expected) == _frames(own)
        self._compare_told()
        return own

    def close(self) -> None:
        """Let go of both."""
        self._own.close()
        self._reference.close()

    def _same_store(self) -> int:
        """Give the reference what the application has, and return a new seed."""
        self._twin.store.become(self._setup.store)
        self._twin.told[:] = self._setup.told
        return next(self._requests)

    def _compare_told(self) -> None:
        """Hold what was asked, told and stored to be the same."""
        own, twin = self._setup, self._twin

        assert twin.asked == own.asked
        assert twin.told == own.told
        assert twin.store.rows() == own.store.rows()


@contextmanager
def same_chance(seed: int) -> Iterator[None]:
    """Let *seed* decide every id and token that is drawn inside."""
    calls = count()

    def drawn(size: int | None = None) -> bytes:
        return shake_128(f"{seed} {next(calls)}".encode()).digest(size or 32)

    def urlsafe(size: int | None = None) -> str:
        return urlsafe_b64encode(drawn(size)).rstrip(b"=").decode()

    def in_hex(size: int | None = None) -> str:
        return drawn(size).hex()

    with (
        patch.object(secrets, "token_bytes", drawn),
        patch.object(secrets, "token_hex", in_hex),
        patch.object(secrets, "token_urlsafe", urlsafe),
    ):
        yield


def _is_ours(request: WireRequest, expected: WireResponse) -> bool:
    """Say whether the answer is ours, and not the application's 404 or own page."""
    return (
        request.target.startswith("/api/auth/")
        or expected.value("content-type") == "application/problem+json"
        or expected.status == 204
    )


def _whole(response: WireResponse) -> tuple[object, ...]:
    # Between different names an order says nothing (RFC 9110 §5.3).
    headers = sorted(response.headers, key=lambda each: each[0])
    return (
        response.status,
        headers,
        response.body,
        type(response.error),
        response.is_complete,
    )


def _our_part(response: WireResponse) -> tuple[object, ...]:
    """Return what must be the same in an answer of the application's own."""
    headers = sorted(each for each in response.headers if _is_of_the_wrap(each[0]))
    return (
        response.status,
        headers,
        response.body if response.status == 200 else b"",
        type(response.error),
        response.is_complete,
    )


def _is_of_the_wrap(name: str) -> bool:
    return name == "x-request-id" or name.startswith("access-control-")


def _frames(talk: SocketTalk) -> tuple[object, ...]:
    """Return what a client sees of *talk*."""
    members = ("type", "text", "code", "reason")
    sent = [[each.get(member) or "" for member in members] for each in talk.sent]
    return sent, type(talk.error)
