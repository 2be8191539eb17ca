"""The mirror of the contract notices every difference, else it would praise it."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from resilient_auth.events import RequestFailed
from resilient_auth.testing import AsgiTransport, WireRequest, WireResponse, WireSetup
from resilient_auth.testing.asgi import SocketTalk
from resilient_auth.testing.wire.mirror import Mirror, same_chance
from resilient_auth.testing.wire.reference import reference
from resilient_auth.testing.wire.setup import PAGE
from resilient_auth.testing.wire.world import World, bearer

Spoil = Callable[[WireSetup, WireResponse], WireResponse]


class Spoiled:
    """The reference itself, whose answers are spoiled on their way."""

    def __init__(self, setup: WireSetup, spoil: Spoil) -> None:
        self._inner = AsgiTransport(reference(setup))
        self._setup = setup
        self._spoil = spoil

    def send(self, request: WireRequest) -> WireResponse:
        """Return the answer, spoiled."""
        return self._spoil(self._setup, self._inner.send(request))

    def connect(self, request: WireRequest) -> SocketTalk:
        """Return the talk without its last frame."""
        said = self._inner.connect(request)
        return replace(said, sent=said.sent[:-1])

    def close(self) -> None:
        """Let go of the application."""
        self._inner.close()


def world_of(spoil: Spoil) -> World:
    """Return a world whose application differs from the reference by *spoil*."""
    setup = WireSetup()
    return World(setup, Mirror(setup, Spoiled(setup, spoil)))


def with_header(response: WireResponse, name: str, value: str) -> WireResponse:
    """Return *response* with one header more."""
    return replace(response, headers=(*response.headers, (name, value)))


def _stores(setup: WireSetup, response: WireResponse) -> WireResponse:
    setup.store.end_all("ann", keep=None, now=0, reason="x")
    return response


def _tells(setup: WireSetup, response: WireResponse) -> WireResponse:
    setup.told.append(RequestFailed(at=0, method="", path="", error=""))
    return response


def _asks(setup: WireSetup, response: WireResponse) -> WireResponse:
    setup.authenticate({"username": "ann", "password": "pw"})
    return response


DIFFERENCES: dict[str, Spoil] = {
    "status": lambda _, r: replace(r, status=201),
    "body": lambda _, r: replace(r, body=r.body + b" "),
    "header": lambda _, r: with_header(r, "x-powered-by", "x"),
    "header-twice": lambda _, r: with_header(r, "cache-control", "no-store"),
    "cookie-order": lambda _, r: replace(r, headers=r.headers[::-1]),
    "error": lambda _, r: replace(r, error=ValueError()),
    "incomplete": lambda _, r: replace(r, is_complete=False),
    "stored": _stores,
    "told": _tells,
    "asked": _asks,
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_noticed(name: str) -> None:
    """Each on an answer of ours: a login that sets two cookies."""
    world = world_of(DIFFERENCES[name])

    with pytest.raises(AssertionError):
        world.log_in()
    world.transport.close()


@pytest.mark.parametrize(
    ("header", "is_noticed"),
    [("access-control-allow-origin", True), ("x-request-id", True), ("server", False)],
)
def test_of_a_foreign_answer_only_our_part_counts(
    header: str, *, is_noticed: bool
) -> None:
    """A 404 of the application's own may look like its framework."""
    world = world_of(lambda _, r: replace(with_header(r, header, "x"), body=b"own"))
    noticed = False
    try:
        world.send("GET", "/nothing")
    except AssertionError:
        noticed = True

    assert is_noticed == noticed
    world.transport.close()


def test_a_difference_on_a_socket_is_noticed() -> None:
    """Every frame counts."""
    world = world_of(lambda _, r: r)
    mirror: Any = world.transport
    origin = (b"origin", PAGE.encode())

    with pytest.raises(AssertionError):
        mirror.connect(WireRequest(target="/ws", headers=(origin,)))
    world.transport.close()


def test_what_is_equal_passes() -> None:
    """The reference beside itself, through a rotation and a revocation."""
    world = world_of(lambda _, r: r)
    grant = world.login()
    world.clock.advance(60)
    later = world.granted(world.refresh(grant.refresh))
    world.send("POST", "logout", [bearer(later.access)])

    assert grant.session_id == later.session_id
    assert not world.is_alive(grant)
    world.transport.close()


def test_chance_is_the_same_twice_and_then_another() -> None:
    """Ids stay unique over requests, and chance comes back afterwards."""

    def drawn(seed: int) -> list[object]:
        with same_chance(seed):
            return [
                secrets.token_hex(8),
                secrets.token_hex(8),
                secrets.token_urlsafe(19),
                secrets.token_bytes(),
            ]

    first = drawn(1)

    assert first == drawn(1)
    assert not set(first) & set(drawn(2))
    assert 16 == len(str(first[0])) == len(str(first[1]))
    assert first[0] != first[1]
    assert secrets.token_hex(8) != secrets.token_hex(8)
