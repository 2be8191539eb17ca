"""Every row of the deployment table, in real browsers over TLS on different sites."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from resilient_auth import Auth, ConfigError, CookiePolicy, Deployment, WsgiAuth
from resilient_auth.testing import WireRequest, WireSetup, WsgiTransport
from tests.browsers.server import Answer, Server, write_certificate
from tests.browsers.tab import Context, Tab
from tests.web.test_wsgi_auth import application

pytestmark = pytest.mark.browser

API = "https://api.example.com"
#: Row → host of the page, and what `Deployment` is told beside the API.
ROWS: dict[str, tuple[str, str | None]] = {
    "same-origin": (API, None),
    "same-site": ("https://app.example.com", None),
    "preview": ("https://pr-7.preview.example.com", None),
    "partitioned": ("https://app.example.org", "partitioned"),
    "bearer": ("https://app.example.org", "bearer"),
    "localhost": ("http://localhost", None),
}
ASK = """(async (method, path, body, more) => {
  const headers = {...more, ...(body ? {"Content-Type": "application/json"} : {})};
  if (window.token) headers.Authorization = `Bearer ${window.token}`;
  if (window.csrf && method === "POST") headers["X-CSRF-Token"] = window.csrf;
  const said = {method, headers, credentials: CREDENTIALS};
  if (body) said.body = body;
  const answer = await fetch("API" + path, said);
  const text = await answer.text();
  let json = {};
  try { json = JSON.parse(text) } catch { json = {text} }
  if (json.csrf) window.csrf = json.csrf;
  return {status: answer.status, json, id: answer.headers.get("X-Request-ID")};
})"""


class Site:
    """An API with pages around it, on one server for all hosts."""

    def __init__(self, certificate: Path | None) -> None:
        self.server = Server(self.respond, certificate)
        self.port = self.server.server_port
        self.api: WsgiTransport | None = None
        self.setup = WireSetup()
        self.seen: list[str] = []

    def deploy(self, site: Deployment) -> None:
        """Serve the application of the contract as *site* says."""
        self.setup = replace(self.setup, site=site)
        setup = self.setup
        auth = Auth(
            setup.ring,
            setup.policy,
            store=setup.store,
            sessions=setup.sessions,
            clock=setup.clock,
        )
        web = WsgiAuth(auth, site, authenticate=setup.authenticate)
        self.api = WsgiTransport(web.wrap(application(web)))

    def respond(self, request: BaseHTTPRequestHandler) -> Answer:
        """Answer as the API, or as a page without content."""
        if request.path == "/page" or self.api is None:
            return 200, [("Content-Type", "text/html")], b"<!doctype html>"
        if request.path.startswith("/bare"):
            self.seen.append(request.headers.get("Cookie", ""))
            cookie = CookiePolicy("__Host-ra_access").set("x")
            return 200, [("Set-Cookie", cookie)], b""
        length = int(request.headers.get("Content-Length", 0))
        answer = self.api.send(
            WireRequest(
                method=request.command,
                target=request.path,
                headers=tuple(
                    (name.lower().encode(), value.encode("latin-1"))
                    for name, value in request.headers.items()
                ),
                body=request.rfile.read(length),
            )
        )
        kept = [each for each in answer.headers if each[0] != "content-length"]
        return answer.status, kept, answer.body


class Visitor:
    """A script on a page, which asks the API."""

    def __init__(self, tab: Tab, api: str, *, credentials: str) -> None:
        self.tab = tab
        said = ASK.replace("API", api).replace("CREDENTIALS", json.dumps(credentials))
        self._ask = said

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> dict[str, Any]:
        """Return what the script reads of the answer."""
        text = None if body is None else json.dumps(body)
        arguments = ", ".join(map(json.dumps, (method, path, text, headers)))
        seen: dict[str, Any] = self.tab.evaluate(f"{self._ask}({arguments})")
        return seen

    def log_in(self, password: str = "pw") -> dict[str, Any]:
        """Log ann in."""
        return self.ask(
            "POST", "/api/auth/login", {"username": "ann", "password": password}
        )


Serve = Callable[[str], Site]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Yield a function that starts a server of http or https."""
    certificate = tmp_path / "all-hosts.pem"
    write_certificate(certificate)
    sites: list[Site] = []

    def start(scheme: str) -> Site:
        sites.append(Site(certificate if scheme == "https" else None))
        return sites[-1]

    yield start
    for each in sites:
        each.server.close()


def visit(user: Context, serve: Serve, row: str) -> tuple[Site, Visitor]:
    """Open the page of *row*, which may ask the API."""
    page, profile = ROWS[row]
    site = serve("http" if row == "localhost" else "https")
    at = f":{site.port}"
    if row == "localhost":
        home = f"{page}{at}"
        deployment = Deployment.insecure_localhost(home)
    else:
        home = f"{API}{at}"
        app = "https://*.preview.example.com" if row == "preview" else page
        deployment = Deployment(home, apps=[f"{app}{at}"], profile=profile)
    site.deploy(deployment)
    credentials = "include" if deployment.uses_cookies else "omit"
    tab = user.open(f"{page}{at}/page")
    return site, Visitor(tab, home, credentials=credentials)


@pytest.mark.parametrize("row", ROWS)
def test_a_day_of_the_row(user: Context, serve: Serve, row: str) -> None:
    """Log in, be known, refresh, log out, and be known no more."""
    _, visitor = visit(user, serve, row)
    login = visitor.log_in()
    assert 200 == login["status"]
    body = {}
    if row == "bearer":
        body = {"refresh_token": login["json"]["refresh_token"]}
        visitor.tab.evaluate(f"window.token = {login['json']['access_token']!r}")

    assert "ann" == visitor.ask("GET", "/me")["json"]["text"]
    assert 200 == visitor.ask("POST", "/change")["status"]
    refreshed = visitor.ask("POST", "/api/auth/refresh", body or None)
    assert (200, "rotated") == (refreshed["status"], refreshed["json"]["rotation"])
    assert 200 == visitor.ask("POST", "/api/auth/logout")["status"]

    gone = visitor.ask("GET", "/me")
    expected = "session_revoked" if row == "bearer" else "token_missing"
    assert (401, expected) == (gone["status"], gone["json"]["code"])


def test_every_failure_can_be_read_from_another_origin(
    user: Context, serve: Serve
) -> None:
    """A crash, a body too large, a guesser's pause and a dead database."""
    site, visitor = visit(user, serve, "same-site")
    visitor.log_in()
    failures = {"internal_error": visitor.ask("GET", "/crash")}
    failures["body_too_large"] = visitor.ask("POST", "/api/auth/login", "x" * 20_000)
    for _ in range(6):
        failures["rate_limited"] = visitor.log_in("wrong")
    site.setup.store.is_down = True
    failures["store_unavailable"] = visitor.ask("POST", "/api/auth/refresh")
    actions = [(each["status"], each["json"]["action"]) for each in failures.values()]

    assert [*failures] == [each["json"]["code"] for each in failures.values()]
    assert [(500, "retry"), (413, "give_up"), (429, "wait"), (503, "retry")] == actions
    for each in failures.values():
        assert each["id"] == each["json"]["request_id"]


def test_what_is_refused_would_not_have_worked(user: Context, serve: Serve) -> None:
    """The reason that `Deployment` gives is what the browser does."""
    site = serve("https")
    at = f":{site.port}"
    far = f"https://app.example.org{at}"
    with pytest.raises(ConfigError, match="SameSite=Lax goes to no other site"):
        Deployment(f"{API}{at}", apps=[far])
    site.deploy(Deployment(f"{API}{at}"))
    bare = f"{API}{at}/bare"
    ask = f"fetch({bare!r}, {{mode: 'no-cors', credentials: 'include'}}).then(() => 1)"
    for page in (far, far, f"{API}{at}", f"{API}{at}"):
        tab = user.open(f"{page}/page")
        tab.evaluate(ask)
        tab.close()

    assert ["", "", "", "__Host-ra_access=x"] == site.seen


def test_plain_http_is_refused_and_would_not_have_worked(
    user: Context, serve: Serve
) -> None:
    """Browsers drop a Secure cookie that comes without TLS."""
    site = serve("http")
    home = f"http://api.example.com:{site.port}"
    with pytest.raises(ConfigError, match="browsers drop Secure cookies"):
        Deployment(home)
    site.deploy(Deployment.insecure_localhost(f"http://localhost:{site.port}"))
    tab = user.open(f"{home}/page")
    for _ in range(2):
        tab.evaluate("fetch('/bare').then(() => 1)")

    assert ["", ""] == site.seen
