"""The guest book needs no framework, and keeps the wire's promises."""

from collections.abc import Iterator

import pytest
from examples.plain_asgi.app import HOME, create_app, guest_book

from resilient_auth import AsgiAuth, AsyncAuth
from resilient_auth.testing import (
    AsgiTransport,
    Browser,
    FrozenClock,
    SocketContract,
    WireContract,
    WireRequest,
    WireSetup,
)
from resilient_auth.testing.wire.reference import routes_of
from resilient_auth.web.asgi import Receive, Scope, Send

ANN = {"username": "ann", "password": "correct horse"}


class TestGuestBook(WireContract, SocketContract):
    """The example's application, with the routes of the contract beside its own."""

    def build(self, setup: WireSetup) -> AsgiTransport:
        """Wrap the guest book as the example does."""
        auth = AsyncAuth(
            setup.ring,
            setup.policy,
            store=setup.store,
            sessions=setup.sessions,
            clock=setup.clock,
            listeners=[setup.told.append],
        )
        web = AsgiAuth(
            auth, setup.site, authenticate=setup.authenticate, messages=setup.messages
        )
        routes, book = routes_of(web), guest_book(web)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            asked = scope.get("method", ""), scope["path"]
            await routes.get(asked, book)(scope, receive, send)

        scheme = setup.site.api.partition(":")[0]
        return AsgiTransport(web.wrap(app), scheme=scheme)


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Yield a browser on the page of the guest book."""
    transport = AsgiTransport(create_app(), scheme="http")
    yield Browser(transport, FrozenClock(), api=HOME)
    transport.close()


def test_a_guest_signs(browser: Browser) -> None:
    """Reading is for all, signing for who is logged in, and for nobody else."""
    assert {"guests": [], "you": None} == browser.fetch("GET", "/").json()
    assert "token_missing" == browser.fetch("POST", "/").json()["code"]
    wrong = browser.fetch(
        "POST", "/api/auth/login", json=ANN | {"password": "battery staple"}
    )
    assert "credentials_invalid" == wrong.json()["code"]

    assert 200 == browser.fetch("POST", "/api/auth/login", json=ANN).status
    assert {"guests": ["ann"], "you": "ann"} == browser.fetch("POST", "/").json()
    assert "ann" == browser.fetch("GET", "/").json()["you"]
    assert {"guests": []} == browser.fetch("DELETE", "/").json()


def test_what_is_not_there_is_a_problem(browser: Browser) -> None:
    """The application raises, and the wrap answers."""
    missing = browser.fetch("GET", "/nothing")

    assert (404, "not_found") == (missing.status, missing.json()["code"])


def test_a_mount_below_a_root_path() -> None:
    """A server behind a proxy may add it to the path, or not."""
    transport = AsgiTransport(create_app(), scheme="http")
    for target in ("/api/auth/session", "/api/authx/session", "/api/auth"):
        response = transport.send(WireRequest(target=target))
        expected = 200 if target == "/api/auth/session" else 404
        assert expected == response.status
    transport.close()
