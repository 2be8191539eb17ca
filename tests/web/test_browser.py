"""The browser of the contract drops what real ones drop, else it would praise it."""

import pytest

from resilient_auth.testing import Browser, FrozenClock, WireRequest, WireResponse

API, PAGE = "https://api.example.com", "https://app.example.com"


class Server:
    """Answers every request with the same ``Set-Cookie`` values."""

    def __init__(self, *set_cookies: str) -> None:
        self.set_cookies = set_cookies
        self.seen: list[WireRequest] = []

    def send(self, request: WireRequest) -> WireResponse:
        """Take note of *request* and answer."""
        self.seen.append(request)
        headers = tuple(("set-cookie", each) for each in self.set_cookies)
        return WireResponse(status=200, headers=headers, body=b"")

    def close(self) -> None:
        """Do nothing."""

    def header(self, name: str) -> str:
        """Return the header *name* of the last request."""
        return dict(self.seen[-1].headers).get(name.encode(), b"").decode()


def kept(set_cookie: str, api: str = API) -> dict[str, str]:
    """Return what a browser keeps of *set_cookie*."""
    browser = Browser(Server(set_cookie), FrozenClock(), api=api)
    browser.fetch("GET", "/")
    return browser.cookies


@pytest.mark.parametrize(
    "set_cookie",
    [
        "a=1",
        "a=1; Path=/",
        "a=1; Secure",
        "a=1; Max-Age=1",
        "a=1; SameSite=None; Secure",
        "a=1; SameSite=Lax",
    ],
)
def test_a_good_cookie_is_kept(set_cookie: str) -> None:
    """The usual attributes, in any order."""
    assert {"a": "1"} == kept(set_cookie)


@pytest.mark.parametrize(
    "set_cookie", ["__Host-a=1; Secure; Path=/", "__Secure-a=1; Secure"]
)
def test_a_good_prefix_is_kept(set_cookie: str) -> None:
    """With all that its prefix promises."""
    assert ["1"] == list(kept(set_cookie).values())


@pytest.mark.parametrize(
    "set_cookie",
    [
        "__Host-a=1; Path=/",
        "__Host-a=1; Secure",
        "__Host-a=1; Secure; Path=/api",
        "__Host-a=1; Secure; Path=/; Domain=example.com",
        "__host-a=1; Path=/",
        "__Secure-a=1",
        "a=1; SameSite=None",
        "a=1; Max-Age=0",
        "a=1; Max-Age=-5",
        f"a={'1' * 4096}",
    ],
    ids=lambda text: text[:40],
)
def test_a_bad_cookie_is_dropped(set_cookie: str) -> None:
    """Without a word, as Chromium and Firefox do."""
    assert {} == kept(set_cookie)


def test_a_secure_cookie_is_dropped_over_http() -> None:
    """This is the cookie that never arrives on a developer's machine."""
    assert {} == kept("a=1; Secure", api="http://localhost:8000")
    assert {"a": "1"} == kept("a=1", api="http://localhost:8000")


def test_cookies_age_are_replaced_and_cleared() -> None:
    """By Max-Age and the clock; a cleared one is gone at once."""
    clock = FrozenClock()
    server = Server("a=1; Max-Age=10", "b=1", "c=1; Max-Age=10")
    browser = Browser(server, clock, api=API)
    browser.fetch("GET", "/")
    server.set_cookies = ("b=2", "c=; Max-Age=0")
    browser.fetch("GET", "/")

    assert "a=1; b=1; c=1" == server.header("cookie")
    assert {"a": "1", "b": "2"} == browser.cookies
    clock.advance(10)
    assert {"b": "2"} == browser.cookies
    browser.restart()
    assert {} == browser.cookies


@pytest.mark.parametrize(
    ("page", "method", "origin", "site"),
    [
        ("", "GET", "", "same-origin"),
        ("", "POST", API, "same-origin"),
        (PAGE, "GET", PAGE, "same-site"),
        (PAGE, "POST", PAGE, "same-site"),
    ],
)
def test_a_page_is_named(page: str, method: str, origin: str, site: str) -> None:
    """Origin comes with unsafe methods and across origins (Fetch §3.1)."""
    server = Server()
    Browser(server, FrozenClock(), api=API, page=page).fetch(method, "/", json={})

    assert (origin, site, "api.example.com") == (
        server.header("origin"),
        server.header("sec-fetch-site"),
        server.header("host"),
    )
    assert "application/json" == server.header("content-type")
