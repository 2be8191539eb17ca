"""Did our own page ask for this? The CSRF table, for every unsafe endpoint."""

import pytest

from resilient_auth.testing.wire.promises import assert_refused
from resilient_auth.testing.wire.setup import API, EVIL, PAGE
from resilient_auth.testing.wire.world import Headers, WireSuite, World, bearer

TOKEN, NO = "token", ""
#: Sec-Fetch-Site, Origin, whether the token comes → whether a cookie suffices.
CSRF_TABLE: list[tuple[list[str], list[str], str, bool]] = [
    (["same-origin"], [], NO, True),
    (["same-origin"], [API], NO, True),
    (["same-origin"], [EVIL], TOKEN, False),
    (["same-site"], [PAGE], NO, True),
    (["same-site"], [], NO, False),
    (["same-site"], [], TOKEN, True),
    (["same-site"], ["https://evil.example.com"], TOKEN, False),
    (["cross-site"], [], NO, False),
    (["cross-site"], [PAGE], NO, False),
    (["cross-site"], [PAGE], TOKEN, True),
    (["cross-site"], [EVIL], TOKEN, False),
    (["none"], [], NO, False),
    (["none"], [], TOKEN, True),
    (["same-Origin"], [], NO, False),
    (["same-origin, same-origin"], [], NO, False),
    (["same-origin", "same-origin"], [], NO, False),
    (["\xff"], [], NO, False),
    (["\xff"], [PAGE], TOKEN, True),
    ([""], [], NO, False),
    ([], [], NO, False),
    ([], [PAGE], NO, False),
    ([], [PAGE], TOKEN, True),
    ([], [], TOKEN, True),
    ([], [PAGE, PAGE], TOKEN, False),
    ([], ["null"], TOKEN, False),
    ([], [""], TOKEN, False),
]

#: Unsafe endpoints that a cookie authenticates.
UNSAFE = [
    ("POST", "/change"),
    ("POST", "refresh"),
    ("POST", "logout"),
    ("DELETE", "sessions/{own}"),
    ("POST", "ticket"),
]


#: Header values that are not the session's token: id → text.
FORGERIES = {
    "empty": "",
    "non-ascii": "é",
    "nul": "\x00",
    "of-the-form": "x" * 43,
    "longer": "{csrf}A",
    "spaced": " {csrf}",
    "twice": "{csrf},{csrf}",
    "another-session's": "{other}",
    "access-token": "{access}",
    "session-id": "{id}",
    "megabyte": "x" * 1_000_000,
}


class CsrfContract(WireSuite):
    """The rows C5 to C7 and S6 of the checklist."""

    @pytest.mark.parametrize(
        ("fetch_site", "origins", "token", "passes"),
        CSRF_TABLE,
        ids=lambda value: repr(value).replace("https://", "")[:24],
    )
    def test_the_csrf_table(
        self,
        world: World,
        fetch_site: list[str],
        origins: list[str],
        token: str,
        passes: bool,  # noqa: FBT001 - a column of the table
    ) -> None:
        """Evidence in its order: Sec-Fetch-Site, Origin, the signed token."""
        grant = world.login()
        headers: Headers = [
            world.cookies(grant),
            *(("Sec-Fetch-Site", each.encode("latin-1")) for each in fetch_site),
            *(("Origin", each) for each in origins),
            *([("X-CSRF-Token", grant.csrf)] if token else []),
        ]
        response = world.send("POST", "/change", headers)

        assert response.error is None
        if passes:
            assert (200, b"changed by ann") == (response.status, response.body)
        else:
            assert_refused(response, "csrf_failed")

    @pytest.mark.parametrize(("method", "target"), UNSAFE)
    def test_every_unsafe_endpoint_asks(
        self, world: World, method: str, target: str
    ) -> None:
        """A cookie alone changes nothing; nothing is set and nothing is cleared."""
        grant = world.login()
        target = target.format(own=grant.session_id)
        headers = [world.cookies(grant)]

        body = {"purpose": "chat"}

        assert_refused(world.send(method, target, headers, json=body), "csrf_failed")
        evil = [*headers, ("Origin", EVIL), ("X-CSRF-Token", grant.csrf)]
        assert_refused(world.send(method, target, evil, json=body), "csrf_failed")
        assert world.is_alive(grant)
        own = [*headers, ("X-CSRF-Token", grant.csrf)]
        assert world.send(method, target, own, json=body).status < 300

    @pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
    def test_a_wrong_csrf_token(self, world: World, forgery: str) -> None:
        """Compared as bytes, bound to the session; never a 500 (FJE, AuthX)."""
        grant, other = world.login(), world.login()
        said = forgery.format(
            csrf=grant.csrf,
            other=other.csrf,
            access=grant.access,
            id=grant.session_id,
        )
        headers: Headers = [world.cookies(grant), ("X-CSRF-Token", said)]
        response = world.send("POST", "/change", headers)

        assert response.error is None
        assert_refused(response, "csrf_failed")

    def test_a_csrf_token_that_comes_twice(self, world: World) -> None:
        """One of them is not the page's."""
        grant = world.login()
        twice = [("X-CSRF-Token", grant.csrf)] * 2

        assert_refused(
            world.send("POST", "/change", [world.cookies(grant), *twice]), "csrf_failed"
        )

    def test_a_cookie_is_no_csrf_token(self, world: World) -> None:
        """A double-submit cookie could be tossed by a sibling domain."""
        grant = world.login()
        cookie = f"{world.cookies(grant)[1]}; csrf_token=evil; X-CSRF-Token=evil"
        headers = [("Cookie", cookie), ("X-CSRF-Token", "evil")]

        assert_refused(world.send("POST", "/change", headers), "csrf_failed")

    def test_a_bearer_token_needs_no_csrf_token(self, world: World) -> None:
        """No browser adds it by itself, so no foreign page can borrow it."""
        headers: Headers = [bearer(world.login().access), ("Origin", EVIL)]

        assert 200 == world.send("POST", "/change", headers).status

    def test_a_safe_method_needs_no_evidence(self, world: World) -> None:
        """It changes nothing, and CORS decides who may read it."""
        headers = [world.cookies(world.login()), ("Sec-Fetch-Site", "cross-site")]

        assert 200 == world.send("GET", "/me", headers).status

    def test_a_foreign_form_logs_nobody_out(self, world: World) -> None:
        """It brings no ``SameSite=Lax`` cookie, but its answer would clear them."""
        headers = [("Origin", EVIL), ("Sec-Fetch-Site", "cross-site")]

        assert_refused(world.send("POST", "logout", headers), "csrf_failed")
        null = [("Origin", "null"), ("Content-Type", "text/plain")]
        assert_refused(world.send("POST", "logout", null), "csrf_failed")
