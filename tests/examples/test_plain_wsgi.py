"""The guest book needs no framework and no event loop."""

from collections.abc import Iterator

import pytest
from examples.plain_wsgi.app import HOME, create_app

from resilient_auth.testing import Browser, FrozenClock, WsgiTransport

ANN = {"username": "ann", "password": "correct horse"}


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Yield a browser on the page of the guest book."""
    transport = WsgiTransport(create_app(), scheme="http")
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
