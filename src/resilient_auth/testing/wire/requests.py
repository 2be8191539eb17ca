"""What else can come in? Odd headers, methods, paths and queries."""

import pytest

from resilient_auth.testing.wire.promises import (
    assert_refused,
)
from resilient_auth.testing.wire.world import WireSuite, World, bearer

#: ``Authorization`` values that are not one Bearer token; {} stands for a good one.
BAD_AUTHORIZATIONS = {
    "scheme-alone": ["Bearer"],
    "scheme-and-space": ["Bearer "],
    "empty": [""],
    "token-alone": ["{}"],
    "basic": ["Basic YW5uOnB3"],
    "other-scheme": ["Foo {}"],
    "two-headers": ["Bearer {}", "Bearer {}"],
    "comma-joined": ["Bearer {}, Bearer {}"],
    "parameter": ["Bearer token={}"],
    "two-tokens": ["Bearer {} {}"],
    "trailing-space": ["Bearer {} "],
    "non-ascii": ["Bearer é{}"],
    "megabyte": ["Bearer " + "a" * 1_000_000],
}

#: Method and path under the mount → the methods that are offered there.
WRONG_METHODS = {
    ("GET", "login"): "POST",
    ("HEAD", "login"): "POST",
    ("PUT", "login"): "POST",
    ("GET", "refresh"): "POST",
    ("GET", "logout"): "POST",
    ("HEAD", "logout"): "POST",
    ("OPTIONS", "logout"): "POST",
    ("DELETE", "logout"): "POST",
    ("POST", "verify"): "GET, HEAD",
    ("POST", "session"): "GET, HEAD",
    ("DELETE", "sessions"): "GET, HEAD",
    ("GET", "ticket"): "POST",
    ("GET", "sessions/x"): "DELETE",
    ("PATCH", "sessions/x"): "DELETE",
    ("PROPFIND", "verify"): "GET, HEAD",
}


class RequestsContract(WireSuite):
    """The rows L5, L6, C2, C3 and C7 of the checklist."""

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR "])
    def test_the_scheme_is_read_without_case(self, world: World, scheme: str) -> None:
        """RFC 9110 §11.1; several widely used libraries refuse these."""
        token = world.login().access
        headers = [("Authorization", f"{scheme} {token}")]

        assert 200 == world.send("GET", "/me", headers).status

    @pytest.mark.parametrize("name", BAD_AUTHORIZATIONS)
    def test_what_is_no_bearer_token_is_401(self, world: World, name: str) -> None:
        """With a challenge, never 400, 422 or 500, also where a cookie is good."""
        grant = world.login()
        said = [
            ("Authorization", each.replace("{}", grant.access))
            for each in BAD_AUTHORIZATIONS[name]
        ]
        for headers in (said, [*said, world.cookies(grant)]):
            response = world.send("GET", "/me", headers)

            assert response.error is None
            assert_refused(response, "token_invalid")

    @pytest.mark.parametrize("target", ["verify", "/me", "/maybe"])
    @pytest.mark.parametrize("name", ["access_token", "refresh_token"])
    def test_a_token_in_the_query_is_refused(
        self, world: World, target: str, name: str
    ) -> None:
        """Also beside a good credential: the URL is in every log already."""
        grant = world.login()
        headers = [bearer(grant.access)]

        for query in (f"{name}={grant.access}", f"a=1&{name}=x", f"{name}="):
            response = world.send("GET", f"{target}?{query}", headers)
            assert_refused(response, "token_invalid")
        assert world.send("GET", f"{target}?my_{name}=1", headers).status < 400

    def test_our_cookie_is_found_among_junk(self, world: World) -> None:
        """One bad pair of a stranger makes some parsers drop all that follow."""
        grant = world.login()
        own = world.cookie(access=grant.access)
        junk = 'a; b="x, y; =nameless; é=1; ;; c d=2; e="'
        headers = [("Cookie", f"{junk}; {own}; {junk}")]

        assert 200 == world.send("GET", "/me", headers).status

    def test_cookie_headers_may_be_split(self, world: World) -> None:
        """HTTP/2 clients do it (RFC 9113 §8.2.3)."""
        grant = world.login()
        headers = [("Cookie", "a=1"), world.cookies(grant), ("Cookie", "b=2")]

        assert 200 == world.send("GET", "/me", headers).status

    @pytest.mark.parametrize(
        "tossed",
        ["={name}=evil", "{lower}=evil", "{name} =evil", "x{name}=evil"],
        ids=["nameless", "lower-case", "space-in-name", "prefixed"],
    )
    def test_a_tossed_cookie_is_not_ours(self, world: World, tossed: str) -> None:
        """CVE-2023-23934 and its family: names that servers read as another."""
        grant = world.login()
        name = world.setup.site.cookies.access.name
        extra = tossed.format(name=name, lower=name.lower())
        cookie = f"{extra}; {world.cookie(access=grant.access)}"
        response = world.send("GET", "/me", [("Cookie", cookie)])

        assert (200, b"ann") == (response.status, response.body)

    def test_a_cookie_header_without_end_is_431(self, world: World) -> None:
        """It is refused by its size, before anybody parses it."""
        headers = [("Cookie", "a=" + "b" * 1_000_000)]

        assert_refused(world.send("GET", "/me", headers), "headers_too_large")

    @pytest.mark.parametrize(
        ("method", "path"), WRONG_METHODS, ids=lambda value: value.replace("/", "-")
    )
    def test_another_method_is_405(self, world: World, method: str, path: str) -> None:
        """``Allow`` says which are offered (RFC 9110 §15.5.6); GET ends nothing."""
        grant = world.login()
        headers = [world.cookies(grant), ("X-HTTP-Method-Override", "POST")]
        response = world.send(method, path, headers)

        assert 405 == response.status
        assert WRONG_METHODS[method, path] == response.value("allow")
        if method != "HEAD":
            assert_refused(response, "method_not_allowed")
        assert world.is_alive(grant)

    @pytest.mark.parametrize("path", ["verify", "session", "sessions"])
    def test_head_is_get_without_a_body(self, world: World, path: str) -> None:
        """Same status and headers (RFC 9110 §9.3.2)."""
        headers = [bearer(world.login().access)]
        get, head = (world.send(each, path, headers) for each in ("GET", "HEAD"))

        assert get.status == head.status
        assert [name for name, _ in get.headers] == [name for name, _ in head.headers]

    @pytest.mark.parametrize(
        "path",
        ["", "x", "login/", "/login", "LOGIN", "login%00", "login%0A", "%2e", "x/y/z"],
    )
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_what_is_not_there_is_404(
        self, world: World, path: str, method: str
    ) -> None:
        """Under the mount it is ours, with the same problem body."""
        response = world.send(method, f"/api/auth/{path}")

        assert response.error is None
        assert_refused(response, "not_found")
