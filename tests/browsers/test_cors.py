"""Browsers are asked what the oracle of the CORS tests says of them."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from resilient_auth import CorsPolicy
from tests.browsers.oracle import may_read, may_send
from tests.browsers.server import Answer, Server, write_certificate
from tests.browsers.tab import Context, Tab

pytestmark = pytest.mark.browser

PAGE, API = "https://app.example.com", "https://api.example.com"
ALLOW = "Access-Control-Allow-"
TRUE = (f"{ALLOW}Credentials", "true")
#: `Access-Control-Allow-Origin` as others get it wrong; PAGE stands for the page.
ORIGINS: dict[str, list[str]] = {
    "exact": ["PAGE"],
    "star": ["*"],
    "none": [],
    "empty": [""],
    "null": ["null"],
    "slash": ["PAGE/"],
    "two": ["PAGE", "PAGE"],
    "list": ["PAGE, https://evil.example"],
    "spaces": ["PAGE PAGE"],
    "upper-case": ["UPPER"],
    "other": ["https://evil.example"],
    "no-port": [PAGE],
    "other-scheme": ["http:REST"],
    "star-label": ["https://*.example.com"],
    "quotes": ['"PAGE"'],
}
CREDENTIALS: dict[str, list[tuple[str, str]]] = {
    "true": [TRUE],
    "none": [],
    "upper-case": [(f"{ALLOW}Credentials", "True")],
    "star": [(f"{ALLOW}Credentials", "*")],
    "twice": [TRUE, TRUE],
}
#: The lists of a preflight's answer, and what the script then tries to send.
LISTS = {
    "named": ("PUT", "x-csrf", [("Methods", "PUT"), ("Headers", "X-CSRF")]),
    "stars": ("PUT", "x-csrf", [("Methods", "PUT"), ("Headers", "*")]),
    "authorization": ("PUT", "authorization", [("Methods", "PUT"), ("Headers", "*")]),
    "no-method": ("PUT", "x-csrf", [("Methods", "POST"), ("Headers", "X-CSRF")]),
    "lower-method": ("PUT", "x-csrf", [("Methods", "put"), ("Headers", "X-CSRF")]),
    "no-header": ("POST", "x-csrf", [("Methods", "POST"), ("Headers", "X-Other")]),
    "no-lists": ("POST", "x-csrf", []),
}
TRY = """(async () => {
  try {
    const answer = await fetch("API/CASE", HOW);
    const seen = {};
    for (const each of NAMES) seen[each] = answer.headers.get(each);
    return {status: answer.status, type: answer.type, seen};
  } catch (error) { return {error: error.name} }
})()"""


class World:
    """A server for page and API; the API's answers are told to it by the query."""

    def __init__(self, folder: Path) -> None:
        certificate = folder / "all-hosts.pem"
        write_certificate(certificate)
        self.server = Server(self.respond, certificate)
        port = self.server.server_port
        self.page, self.api = f"{PAGE}:{port}", f"{API}:{port}"
        self.policy = CorsPolicy([self.page])

    def respond(self, request: BaseHTTPRequestHandler) -> Answer:
        """Answer as the query says: ``real`` and ``preflight`` are status, headers."""
        said = parse_qs(urlsplit(request.path).query)
        which = "preflight" if request.command == "OPTIONS" else "real"
        if which not in said:
            return 200, [("Content-Type", "text/html")], b"<!doctype html>"
        status, headers = json.loads(said[which][0])
        return status, [(name, value) for name, value in headers], b"{}"

    def ask(
        self,
        tab: Tab,
        *,
        real: list[tuple[str, str]],
        status: int = 200,
        preflight: tuple[int, list[tuple[str, str]]] = (204, []),
        names: tuple[str, ...] = (),
        **how: Any,
    ) -> dict[str, Any]:
        """Return what a script of the page sees of such an answer."""
        told = {
            "real": json.dumps([status, real]),
            "preflight": json.dumps(preflight),
        }
        script = (
            TRY.replace("API/CASE", f"{self.api}/?{urlencode(told)}")
            .replace("HOW", json.dumps({"credentials": "include"} | how))
            .replace("NAMES", json.dumps(names))
        )
        seen: dict[str, Any] = tab.evaluate(script)
        return seen


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve page and API."""
    made = World(tmp_path_factory.mktemp("cors"))
    yield made
    made.server.close()


@pytest.fixture
def tab(user: Context, world: World) -> Tab:
    """Return a tab that shows the page."""
    return user.open(f"{world.page}/")


def spelled(text: str, page: str) -> str:
    """Put the page's origin, whose port is the kernel's, into *text*."""
    text = text.replace("PAGE", page).replace("UPPER", page.upper())
    return text.replace("REST", page.removeprefix("https:"))


@pytest.mark.parametrize("credentials", CREDENTIALS)
def test_who_may_read_is_as_the_oracle_says(
    tab: Tab, world: World, credentials: str
) -> None:
    """Each spelling of Allow-Origin, with and without a fetch that has credentials."""
    for name, origins in ORIGINS.items():
        headers = [
            *((f"{ALLOW}Origin", spelled(each, world.page)) for each in origins),
            *CREDENTIALS[credentials],
        ]
        for how in ("include", "omit"):
            seen = world.ask(tab, real=headers, credentials=how)
            intended = may_read(
                tuple(headers), world.page, credentials=how == "include"
            )

            assert (name, how, intended) == (name, how, "error" not in seen)


@pytest.mark.parametrize("name", LISTS)
def test_who_may_send_is_as_the_oracle_says(tab: Tab, world: World, name: str) -> None:
    """``*`` for headers counts without credentials alone, also for Authorization."""
    method, header, lists = LISTS[name]
    for how, origin in (("include", world.page), ("omit", world.page)):
        real = [(f"{ALLOW}Origin", origin), TRUE]
        headers = [*real, *((f"{ALLOW}{each}", said) for each, said in lists)]
        seen = world.ask(
            tab,
            real=real,
            preflight=(204, headers),
            method=method,
            headers={header: "1"},
            credentials=how,
        )
        intended = may_send(
            tuple(headers), origin, method, [header], credentials=how == "include"
        )

        assert (how, intended) == (how, "error" not in seen)


def test_a_preflight_must_succeed(tab: Tab, world: World) -> None:
    """Authentication before CORS answers preflights with 401: nothing works."""
    answer = world.policy.preflight(world.page, "POST", "x-csrf-token")
    for status in (401, 403, 500, 302):
        seen = world.ask(
            tab,
            real=list(world.policy.actual(world.page)),
            preflight=(status, list(answer.headers)),
            method="POST",
            headers={"x-csrf-token": "1"},
        )

        assert {"error": "TypeError"} == seen


def test_our_own_answers_are_readable(tab: Tab, world: World) -> None:
    """With what a client needs to go on, exposed by name."""
    told = [("Retry-After", "7"), ("WWW-Authenticate", "Bearer"), ("X-Secret", "1")]
    granted = world.policy.preflight(world.page, "PUT", "content-type, x-csrf-token")
    for status in (200, 401, 404, 413, 429, 500, 503):
        seen = world.ask(
            tab,
            real=[*world.policy.actual(world.page), *told],
            status=status,
            preflight=(204, list(granted.headers)),
            names=tuple(name for name, _ in told),
            method="PUT",
            headers={"content-type": "application/json", "x-csrf-token": "1"},
        )

        assert (status, "cors") == (seen["status"], seen["type"])
        assert dict(told) | {"X-Secret": None} == seen["seen"]


def test_a_star_exposes_nothing_with_credentials(tab: Tab, world: World) -> None:
    """So each header is named."""
    real = [
        (f"{ALLOW}Origin", world.page),
        TRUE,
        ("Access-Control-Expose-Headers", "*"),
        ("Retry-After", "7"),
    ]
    seen = world.ask(tab, real=real, names=("Retry-After",))

    assert {"Retry-After": None} == seen["seen"]


def test_an_error_without_headers_looks_like_no_server(tab: Tab, world: World) -> None:
    """A 500 outside CORS and a closed port are one error; no-cors tells them apart."""
    closed = Server(world.respond)
    gone = f"http://localhost:{closed.server_port}/"
    closed.close()
    crash = world.ask(tab, real=[], status=500)
    opaque = world.ask(tab, real=[], status=500, mode="no-cors")
    unreachable = tab.evaluate(
        TRY.replace("API/CASE", gone)
        .replace("HOW", '{mode: "no-cors"}')
        .replace("NAMES", "[]")
    )

    assert {"error": "TypeError"} == crash == unreachable
    assert (0, "opaque") == (opaque["status"], opaque["type"])
