"""Browsers are asked what `predict` says of them, and what `CookiePolicy` refuses."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from resilient_auth import (
    ConfigError,
    CookiePolicy,
    CorsPolicy,
    Deployment,
    predict,
    read_cookies,
)
from tests.browsers.hosts import HOSTS
from tests.browsers.server import Answer, Server, write_certificate
from tests.browsers.tab import PATIENCE, Browser, Context

pytestmark = pytest.mark.browser

POLICIES = {
    cookie.name: cookie
    for cookie in (
        CookiePolicy("lax"),
        CookiePolicy("strict", same_site="Strict"),
        CookiePolicy("none", same_site="None"),
        CookiePolicy("partitioned", same_site="None", partitioned=True),
        CookiePolicy("partitioned-lax", partitioned=True),
        CookiePolicy("insecure-lax", secure=False),
        CookiePolicy("insecure-strict", secure=False, same_site="Strict"),
        CookiePolicy("shared", domain="example.com"),
        CookiePolicy("shared-none", domain="example.com", same_site="None"),
        CookiePolicy("foreign", domain="example.net"),
        CookiePolicy("__Secure-lax", domain="example.com"),
        CookiePolicy("__Host-lax"),
        CookiePolicy("__Host-none", same_site="None"),
        CookiePolicy("__Host-partitioned", same_site="None", partitioned=True),
        CookiePolicy("__Http-lax"),
        CookiePolicy("__Host-Http-lax"),
    )
}
#: What `CookiePolicy` refuses, and the line that it would have been.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "none-insecure": (
        {"same_site": "None", "secure": False},
        "; Path=/; SameSite=None",
    ),
    "partitioned-insecure": (
        {"partitioned": True, "secure": False},
        "; Path=/; SameSite=Lax; Partitioned",
    ),
    "__Host-insecure": ({"secure": False}, "; Path=/; SameSite=Lax"),
    "__Host-deep": ({"path": "/set"}, "; Path=/set; SameSite=Lax; Secure"),
    "__Host-shared": (
        {"domain": "example.com"},
        "; Path=/; Domain=example.com; SameSite=Lax; Secure",
    ),
    "__Secure-insecure": ({"secure": False}, "; Path=/; SameSite=Lax"),
    "__host-insecure": ({"secure": False}, "; Path=/; SameSite=Lax"),
    "__Http-script": ({"http_only": False}, "; Path=/; SameSite=Lax; Secure"),
    "__Host-Http-script": ({"http_only": False}, "; Path=/; SameSite=Lax; Secure"),
    "suffix": ({"domain": "com"}, "; Path=/; Domain=com; SameSite=Lax; Secure"),
    "address": (
        {"domain": "127.0.0.1"},
        "; Path=/; Domain=127.0.0.1; SameSite=Lax; Secure",
    ),
}
#: Page and API by scheme and host; the ports are the servers'.
FETCHES = [
    ("https://api.example.com", "https://api.example.com"),
    ("https://app.example.com", "https://api.example.com"),
    ("https://example.com", "https://api.example.com"),
    ("https://api.example.com", "https://example.com"),
    ("https://pr-7.preview.example.com", "https://api.example.com"),
    ("https://app.example.org", "https://api.example.com"),
    ("https://app.one.co.uk", "https://api.two.co.uk"),
    ("http://app.example.com", "https://api.example.com"),
    ("http://app.example.org", "https://api.example.com"),
    ("https://app.example.com", "http://api.example.com"),
    ("http://app.example.com", "http://api.example.com"),
    ("http://app.example.org", "http://api.example.com"),
    ("http://localhost", "http://localhost"),
    ("http://127.0.0.1", "http://127.0.0.1"),
    ("http://localhost", "http://127.0.0.1"),
    ("http://127.0.0.1", "http://localhost"),
    ("http://app.localhost", "http://app.localhost"),
    ("https://localhost", "http://localhost"),
]
NAVIGATIONS = [
    ("https://app.example.com", "https://api.example.com"),
    ("https://app.example.org", "https://api.example.com"),
    ("http://app.example.com", "https://api.example.com"),
    ("http://localhost", "http://localhost"),
    ("http://localhost", "http://127.0.0.1"),
]
#: A page that asks, once it is there, what the browser kept of the answer.
AFTERWARDS = b"<!doctype html><script>onload = () => fetch('/echo?id=stored')</script>"
BIG = "x" * (4096 - len("big"))


@dataclass
class World:
    """The two servers, and which cookies came with each request that has an id."""

    folder: Path
    seen: "Queue[tuple[str, set[str]]]" = field(default_factory=Queue)

    def __post_init__(self) -> None:
        certificate = self.folder / "all-hosts.pem"
        write_certificate(certificate)
        self.plain = Server(self.respond)
        self.tls = Server(self.respond, certificate)
        ports = {"http": self.plain.server_port, "https": self.tls.server_port}
        self.at = {
            f"{scheme}://{host}": f"{scheme}://{host}:{port}"
            for scheme, port in ports.items()
            for host in (*HOSTS, "localhost", "app.localhost", "127.0.0.1")
        }
        self.cors = CorsPolicy(self.at.values())

    def respond(self, request: BaseHTTPRequestHandler) -> Answer:
        """Answer /set with cookies, and anything else with the names of those sent."""
        url = urlsplit(request.path)
        said = parse_qs(url.query)
        names = set(read_cookies(request.headers.get("Cookie", "")))
        headers = [*self.cors.actual(request.headers.get("Origin", ""))]
        if "id" in said:
            self.seen.put((said["id"][0], names))
        if url.path == "/set":
            headers += [("Set-Cookie", each) for each in lines(said["what"][0])]
            return 200, [*headers, ("Content-Type", "text/html")], AFTERWARDS
        if url.path == "/page":
            return 200, [*headers, ("Content-Type", "text/html")], b"<!doctype html>"
        body = json.dumps(sorted(names)).encode()
        return 200, [*headers, ("Content-Type", "text/plain")], body

    def wait_for(self, name: str) -> set[str]:
        """Return the cookies of the request that calls itself *name*."""
        came, names = self.seen.get(timeout=PATIENCE)

        assert name == came
        return names


def lines(what: str) -> list[str]:
    """Return the Set-Cookie values of one of the two tables."""
    if what == "policies":
        return [cookie.set("v") for cookie in POLICIES.values()]
    big = [f"big={BIG}; Path=/; Secure", f"more={BIG}; Path=/; Secure"]
    control = "control=a\x01b; Path=/; SameSite=Lax; Secure"
    return [*(f"{name}=v{rest}" for name, (_, rest) in REFUSED.items()), *big, control]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve all hosts."""
    made = World(tmp_path_factory.mktemp("sites"))
    yield made
    made.plain.close()
    made.tls.close()


def fetched(user: Context, page: str, api: str, what: str) -> set[str]:
    """Return the cookies that arrive after a script of *page* has asked for them."""
    script = """(async () => {
      const how = {credentials: "include"};
      try {
        await fetch("API/set?what=WHAT", how);
        return await (await fetch("API/echo", how)).json();
      } catch (error) { return [] }
    })()"""
    tab = user.open(f"{page}/page")
    return set(tab.evaluate(script.replace("API", api).replace("WHAT", what)))


@pytest.mark.parametrize(("page", "api"), FETCHES, ids=map("→".join, FETCHES))
def test_a_fetch_is_predicted(
    browser: Browser, user: Context, world: World, page: str, api: str
) -> None:
    """A script calls with credentials: what is kept of the answer comes next time."""
    page, api = world.at[page], world.at[api]
    arrived = fetched(user, page, api, "policies")
    verdicts = {
        name: predict(cookie, page=page, api=api, engine=browser.name)
        for name, cookie in POLICIES.items()
    }

    assert {name for name, verdict in verdicts.items() if verdict.sent} == arrived
    assert all(verdict.stored == verdict.sent for verdict in verdicts.values())


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("page", "api"), NAVIGATIONS, ids=map("→".join, NAVIGATIONS))
def test_a_navigation_is_predicted(
    browser: Browser, user: Context, world: World, page: str, api: str, method: str
) -> None:
    """A form leads to the API twice: what is kept once, and what comes along then."""
    page, api = world.at[page], world.at[api]
    form = """(() => {
      document.body.innerHTML = '<form action="API" method="METHOD">INPUTS</form>';
      setTimeout(() => document.querySelector("form").submit(), 0);
    })()""".replace("METHOD", method)
    tab = user.open(f"{page}/page")
    tab.evaluate(
        form.replace("API", f"{api}/set?what=policies").replace(
            "INPUTS", '<input name="what" value="policies">'
        )
    )
    stored = world.wait_for("stored")
    # In another tab: this one may not know yet that it has arrived.
    tab = user.open(f"{page}/page")
    tab.evaluate(
        form.replace("API", f"{api}/echo?id=sent").replace(
            "INPUTS", '<input name="id" value="sent">'
        )
    )
    sent = world.wait_for("sent")
    verdicts = {
        name: predict(
            cookie,
            page=page,
            api=api,
            method=method,
            engine=browser.name,
            mode="navigate",
        )
        for name, cookie in POLICIES.items()
    }

    assert {name for name, verdict in verdicts.items() if verdict.stored} == stored
    assert {name for name, verdict in verdicts.items() if verdict.sent} == sent


def test_what_cannot_be_built_is_dropped(user: Context, world: World) -> None:
    """Each refusal of `CookiePolicy` is the browser's own, not our taste."""
    api = world.at["https://api.example.com"]
    arrived = fetched(user, api, api, "refused")

    assert {"big"} == arrived
    for name, (fields, _) in REFUSED.items():
        with pytest.raises(ConfigError):
            CookiePolicy(name, **fields)
    with pytest.raises(ConfigError):
        CookiePolicy("more").set(BIG)
    with pytest.raises(ConfigError):
        CookiePolicy("control").set("a\x01b")


@pytest.mark.parametrize(
    ("page", "profile"),
    [
        ("https://app.example.org", None),
        ("https://app.one.co.uk", None),
        ("https://app.example.com", None),
        ("https://pr-7.preview.example.com", None),
        ("https://app.example.org", "partitioned"),
    ],
)
def test_a_refusal_is_one_the_browser_confirms(
    user: Context, world: World, page: str, profile: str | None
) -> None:
    """What `Deployment` builds arrives; of what it refuses, Lax does not arrive."""
    page, api = world.at[page], world.at["https://api.example.com"]
    try:
        cookie = Deployment(api, apps=[page], profile=profile).cookies.access
        ours = "__Host-partitioned" if cookie.partitioned else "__Host-lax"
        expected = True
    except ConfigError as error:
        assert "SameSite=Lax goes to no other site" in str(error)  # noqa: PT017
        ours, expected = "__Host-lax", False

    assert expected == (ours in fetched(user, page, api, "policies"))
