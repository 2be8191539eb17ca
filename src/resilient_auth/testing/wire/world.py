"""How does a test of the wire speak? One running application, and its short verbs."""

import json as jsonlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pytest

from resilient_auth.core.refresh import PURPOSE, Presented, write_refresh
from resilient_auth.events import Event
from resilient_auth.testing.browser import Browser
from resilient_auth.testing.clock import FrozenClock
from resilient_auth.testing.exchange import Transport, WireRequest, WireResponse
from resilient_auth.testing.wire.mirror import Mirror
from resilient_auth.testing.wire.setup import GRACE, BreakableStore, WireSetup

Headers = Iterable[tuple[str, str | bytes]]
E = TypeVar("E", bound=Event)

ANN = {"username": "ann", "password": "pw"}
JSON = ("Content-Type", "application/json")
SAME_ORIGIN = ("Sec-Fetch-Site", "same-origin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a login or a refresh gave, by whichever transport."""

    access: str
    refresh: str
    session_id: str
    csrf: str


class World:
    """The application under test, seen from its wire, with its clock and its store."""

    def __init__(self, setup: WireSetup, transport: Transport) -> None:
        self.setup = setup
        self.transport = transport
        self.clock: FrozenClock = setup.clock
        self.store: BreakableStore = setup.store

    def send(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        *,
        json: object = None,
        body: bytes = b"",
    ) -> WireResponse:
        """Send one request; *target* without a leading slash is under the mount."""
        sent = [*headers, *([] if json is None else [JSON])]
        return self.transport.send(
            WireRequest(
                method=method,
                target=target if target.startswith("/") else f"/api/auth/{target}",
                headers=raw_headers(sent),
                body=body if json is None else jsonlib.dumps(json).encode(),
            )
        )

    def log_in(self, headers: Headers = (), **said: object) -> WireResponse:
        """Send a login of ann's with *said* beside or instead."""
        return self.send("POST", "login", headers, json=ANN | said)

    def login(self, name: str = "ann", headers: Headers = ()) -> Grant:
        """Log in as a bearer client and return the tokens, which cookies may carry."""
        return self.granted(self.log_in(headers, username=name, transport="bearer"))

    def refresh(self, token: str) -> WireResponse:
        """Refresh as a bearer client does."""
        return self.send("POST", "refresh", json={"refresh_token": token})

    def granted(self, response: WireResponse) -> Grant:
        """Return the tokens in the body of *response*."""
        assert 200 == response.status, response.body
        said = response.json()
        return Grant(
            access=said["access_token"],
            refresh=said["refresh_token"],
            session_id=said["session"]["id"],
            csrf=said["csrf"],
        )

    def cookie(self, *, access: str | None = None, refresh: str | None = None) -> str:
        """Return the ``Cookie`` header with what is given."""
        ours = zip(self.setup.site.cookies.names(), (access, refresh), strict=True)
        return "; ".join(f"{name}={value}" for name, value in ours if value is not None)

    def cookies(self, grant: Grant) -> tuple[str, str]:
        """Return the header by which a browser presents *grant*."""
        return "Cookie", self.cookie(access=grant.access, refresh=grant.refresh)

    def browser(self, page: str = "") -> Browser:
        """Return a browser with an empty jar, on *page* or on the API's own origin."""
        return Browser(self.transport, self.clock, api=self.setup.site.api, page=page)

    def is_alive(self, grant: Grant) -> bool:
        """Say whether the session of *grant* would still live, if nobody were late."""
        row = self.store.find(grant.session_id)
        return row is not None and row.revoked_at is None

    def rotate_twice(self, grant: Grant) -> Grant:
        """Refresh until the first token is theft: two rotations, a grace after each."""
        for _ in range(2):
            grant = self.granted(self.refresh(grant.refresh))
            self.clock.advance(GRACE)
        return grant

    def token_of_generation(self, grant: Grant, generation: int) -> str:
        """Return a refresh token with a good MAC that was maybe never issued."""
        masters = self.setup.ring.masters(PURPOSE)
        return write_refresh(Presented("k1", grant.session_id, generation), masters)

    def told(self, kind: type[E]) -> list[E]:
        """Return the events of *kind*, in order."""
        return [event for event in self.setup.told if isinstance(event, kind)]


def bearer(token: str | bytes) -> tuple[str, bytes]:
    """Return the ``Authorization`` header of *token*."""
    return "Authorization", b"Bearer " + _raw(token)


def forged(token: str) -> str:
    """Return *token* with another last character but one: well formed, not signed."""
    return token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]


class WireSuite(ABC):
    """The base of every part of the contract: a fresh application for each test."""

    @abstractmethod
    def build(self, setup: WireSetup) -> Transport:
        """Return a transport to an application built from *setup*; see the contract."""
        ...

    @pytest.fixture
    def world(self) -> Iterator[World]:
        """Yield an application at https://api.example.com."""
        yield from self._serve(WireSetup())

    @pytest.fixture
    def localhost(self) -> Iterator[World]:
        """Yield an application at http://localhost:8000."""
        yield from self._serve(WireSetup.localhost())

    @pytest.fixture
    def no_cookies(self) -> Iterator[World]:
        """Yield an application whose deployment uses no cookies."""
        yield from self._serve(WireSetup.bearer())

    @pytest.fixture
    def issuer(self) -> Iterator[World]:
        """Yield an application whose keys are public."""
        yield from self._serve(WireSetup.asymmetric())

    @pytest.fixture
    def translated(self) -> Iterator[World]:
        """Yield an application that has German texts."""
        yield from self._serve(WireSetup.translated())

    def _serve(self, setup: WireSetup) -> Iterator[World]:
        mirror = Mirror(setup, self.build(setup))
        yield World(setup, mirror)
        mirror.close()


def raw_headers(headers: Headers) -> tuple[tuple[bytes, bytes], ...]:
    """Return *headers* as bytes, names in lower case."""
    return tuple((name.lower().encode(), _raw(value)) for name, value in headers)


def _raw(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
