"""Which pages may read our answers? CORS on every one of them, and preflights."""

import pytest

from resilient_auth.events import RequestRefused
from resilient_auth.testing.exchange import WireResponse
from resilient_auth.testing.wire.promises import assert_refused
from resilient_auth.testing.wire.setup import EVIL, PAGE
from resilient_auth.testing.wire.world import (
    JSON,
    Headers,
    WireSuite,
    World,
    bearer,
)

#: What denies: near misses of `PAGE`, and what is no origin at all.
DENIED = {
    "other-site": EVIL,
    "prefix": "https://app.example.co",
    "suffix": f"{PAGE}m",
    "subdomain": "https://x.app.example.com",
    "sibling": "https://evil.example.com",
    "http": "http://app.example.com",
    "port": f"{PAGE}:443",
    "slash": f"{PAGE}/",
    "dot": f"{PAGE}.",
    "tab": f"{PAGE}\tx",
    "user": "https://x@app.example.com",
    "case": "https://App.example.com",
    "list": f"{PAGE} {PAGE}",
    "commas": f"{PAGE}, {PAGE}",
    "null": "null",
    "star": "*",
    "empty": "",
    "bytes": "https://äpp.example.com",
}

#: Every status of an answer: id → method, target, Content-Type or not, body.
ANSWERS = {
    "200": ("GET", "session", b""),
    "204": ("GET", "verify", b""),
    "401": ("POST", "refresh", b'{"refresh_token":"x"}'),
    "400": ("POST", "login", b"{"),
    "404-ours": ("GET", "nothing", b""),
    "404-the-application's": ("GET", "/nothing", b""),
    "405": ("GET", "login", b""),
    "413": ("POST", "login", b"x" * 20_000),
    "500": ("GET", "/crash", b""),
    "500-the-application's": ("GET", "/own-500", b""),
    "200-stream": ("GET", "/stream", b""),
}


class CorsContract(WireSuite):
    """The rows C4 and C8 of the checklist, and the table of the CORS defects."""

    @pytest.mark.parametrize("name", ANSWERS)
    def test_an_allowed_page_reads_every_answer(self, world: World, name: str) -> None:
        """An error without CORS headers hides itself behind a CORS error."""
        assert_granted(_answer(world, name, PAGE), PAGE)

    @pytest.mark.parametrize("name", ANSWERS)
    def test_a_foreign_page_reads_none(self, world: World, name: str) -> None:
        """A denied origin sees no ``Access-Control-*`` header at all."""
        assert_denied(_answer(world, name, EVIL))

    @pytest.mark.parametrize("name", ANSWERS)
    def test_an_answer_without_an_origin_still_varies(
        self, world: World, name: str
    ) -> None:
        """Else a cache would give one page's headers to another."""
        assert_denied(_answer(world, name, None))

    @pytest.mark.parametrize("name", DENIED)
    def test_a_near_miss_is_denied(self, world: World, name: str) -> None:
        """Origins are compared byte by byte, with no pattern to get wrong."""
        origin = ("Origin", DENIED[name])
        preflight = _preflight(world, [origin], "GET")

        assert_denied(world.send("GET", "session", [origin]))
        assert 403 == preflight.status
        assert_denied(preflight)

    def test_two_origins_are_denied(self, world: World) -> None:
        """One of them is not the browser's."""
        twice = [("Origin", PAGE), ("Origin", PAGE)]

        assert_denied(world.send("GET", "session", twice))
        assert 403 == _preflight(world, twice, "GET").status

    @pytest.mark.parametrize("target", ["/api/auth/login", "/change", "/nothing"])
    @pytest.mark.parametrize(
        ("method", "headers"),
        [
            ("POST", []),
            ("POST", ["content-type,x-csrf-token"]),
            ("DELETE", ["Authorization, ,, X-CSRF-TOKEN"]),
            ("PUT", ["authorization", "idempotency-key"]),
        ],
        ids=["plain", "json", "empty-elements", "two-headers"],
    )
    def test_a_good_preflight(
        self, world: World, target: str, method: str, headers: list[str]
    ) -> None:
        """Answered before anybody is authenticated, for every path."""
        asked = [("Access-Control-Request-Headers", each) for each in headers]
        response = _preflight(world, [("Origin", PAGE), *asked], method, target)

        assert (204, b"") == (response.status, response.body)
        assert PAGE == response.value("access-control-allow-origin")
        assert "true" == response.value("access-control-allow-credentials")
        assert method in response.value("access-control-allow-methods").split(", ")
        assert "*" not in response.value("access-control-allow-headers")
        assert "600" == response.value("access-control-max-age")
        assert {
            "Origin",
            "Access-Control-Request-Method",
            "Access-Control-Request-Headers",
        } == set(response.value("vary").split(", "))
        assert response.value("x-request-id")

    @pytest.mark.parametrize(
        ("method", "header"),
        [("TRACE", ""), ("post", ""), ("*", ""), ("POST", "x-evil"), ("POST", "*")],
    )
    def test_a_preflight_for_too_much_is_told_what_is_offered(
        self, world: World, method: str, header: str
    ) -> None:
        """The browser compares and names the culprit; nothing is echoed."""
        asked = [("Origin", PAGE), ("Access-Control-Request-Headers", header)]
        good = _preflight(world, [("Origin", PAGE)], "POST")
        response = _preflight(world, asked, method)

        assert PAGE == response.value("access-control-allow-origin")
        for name in ("access-control-allow-methods", "access-control-allow-headers"):
            assert good.value(name) == response.value(name)
            assert "*" not in response.value(name)

    def test_a_megabyte_of_header_names_is_denied(self, world: World) -> None:
        """Refused by its size; others spend a third of a second on it."""
        asked = ("Access-Control-Request-Headers", "x," * 550_000)
        response = _preflight(world, [("Origin", PAGE), asked], "POST")

        assert 403 == response.status
        assert_denied(response)

    def test_a_denied_preflight_is_told_to_the_log(self, world: World) -> None:
        """The browser's console says "CORS"; the reason stands in the events."""
        _preflight(world, [("Origin", EVIL)], "POST")

        assert [("origin_denied", "origin not allowed")] == [
            (each.code, each.reason) for each in world.told(RequestRefused)
        ]

    def test_options_that_are_no_preflight_go_on(self, world: World) -> None:
        """Without a requested method it is an ordinary request."""
        origin = [("Origin", PAGE)]

        assert_refused(world.send("OPTIONS", "login", origin), "method_not_allowed")
        asked = [("Access-Control-Request-Method", "POST")]
        assert 405 == world.send("OPTIONS", "login", asked).status

    def test_private_networks_are_not_opened(self, world: World) -> None:
        """No page may reach into a network unless somebody decided so."""
        asked = [("Origin", PAGE), ("Access-Control-Request-Private-Network", "true")]
        response = _preflight(world, asked, "GET")

        assert "" == response.value("access-control-allow-private-network")


def assert_granted(response: WireResponse, origin: str) -> None:
    """Hold *response* to be readable by *origin*, each header exactly once."""
    assert [origin] == response.values("access-control-allow-origin")
    assert ["true"] == response.values("access-control-allow-credentials")
    exposed = response.value("access-control-expose-headers").split(", ")
    assert {"Retry-After", "WWW-Authenticate", "X-Request-ID"} <= set(exposed)
    assert_varies(response)


def assert_denied(response: WireResponse) -> None:
    """Hold *response* to grant nothing to anybody."""
    names = [name for name, _ in response.headers]

    assert [] == [name for name in names if name.startswith("access-control-")]
    assert_varies(response)


def assert_varies(response: WireResponse) -> None:
    """Hold *response* to vary by Origin, and to carry one id of ours."""
    varies = ",".join(response.values("vary")).lower().split(",")

    assert "origin" in {each.strip() for each in varies}
    assert 1 == len(response.values("x-request-id"))


def _answer(world: World, name: str, origin: str | None) -> WireResponse:
    """Return the answer called *name* to a page of *origin*."""
    method, target, body = ANSWERS[name]
    headers: Headers = [
        JSON,
        *([bearer(world.login().access)] if target == "verify" else []),
        *([] if origin is None else [("Origin", origin)]),
    ]
    response = world.send(method, target, headers, body=body)
    # A login from a foreign page is refused for that, before its body is read.
    status = "403" if (name, origin) == ("400", EVIL) else name[:3]

    assert status == str(response.status)
    return response


def _preflight(
    world: World,
    headers: list[tuple[str, str]],
    method: str,
    target: str = "/api/auth/login",
) -> WireResponse:
    asked = ("Access-Control-Request-Method", method)
    return world.send("OPTIONS", target, [*headers, asked])
