"""What does a login give? A session, cookies or tokens; and to the wrong, nothing."""

import pytest

from resilient_auth.events import RequestFailed, RequestRefused
from resilient_auth.testing.exchange import WireResponse
from resilient_auth.testing.wire.bodies import assert_cookies_set, assert_session_body
from resilient_auth.testing.wire.promises import assert_ours, assert_refused
from resilient_auth.testing.wire.setup import (
    ABSOLUTE,
    ACCESS,
    EVIL,
    IDLE,
    LOCAL_PAGE,
    PAGE,
)
from resilient_auth.testing.wire.world import ANN, WireSuite, World, bearer


class LoginContract(WireSuite):
    """The rows L1, S5 and S6 of the checklist, and what a login gives."""

    def test_a_login_opens_a_session(self, world: World) -> None:
        """The body says what a page needs; no token stands where a script reads."""
        response = world.log_in()
        now = int(world.clock.time())
        session = response.json()["session"]

        assert (None, 200) == (response.error, response.status)
        assert_ours(response)
        assert_session_body(response.json(), rotation="issued")
        assert_cookies_set(response)
        assert {
            "id": session["id"],
            "epoch": 0,
            "subject": "ann",
            "claims": {},
            "access_expires_at": now + ACCESS,
            "idle_expires_at": now + IDLE,
            "expires_at": now + ABSOLUTE,
            "auth_time": now,
            "amr": ["pwd"],
        } == session
        assert b"eyJ" not in response.body
        assert b"rt1." not in response.body

    def test_the_cookies_of_https(self, world: World) -> None:
        """``__Host-`` pins them to this host; both live until the idle end."""
        for each in world.log_in().values("set-cookie"):
            name, _, rest = each.partition("=")

            assert name in {"__Host-ra_access", "__Host-ra_refresh"}
            assert (
                f"; Max-Age={IDLE}; Path=/; SameSite=Lax; HttpOnly; Secure"
                == (rest[rest.index(";") :])
            )

    def test_the_cookies_of_localhost(self, localhost: World) -> None:
        """Over http a ``Secure`` cookie would be dropped without a word."""
        for each in localhost.log_in().values("set-cookie"):
            name, _, rest = each.partition("=")

            assert name in {"ra_access", "ra_refresh"}
            assert (
                f"; Max-Age={IDLE}; Path=/; SameSite=Lax; HttpOnly"
                == (rest[rest.index(";") :])
            )

    @pytest.mark.parametrize("page", ["", LOCAL_PAGE], ids=["api", "dev-server"])
    def test_a_day_in_a_browser_on_localhost(self, localhost: World, page: str) -> None:
        """The cookies are kept, sent, renewed and cleared as a browser does it."""
        _spend_a_day(localhost, page)

    @pytest.mark.parametrize("page", ["", PAGE], ids=["api", "sibling"])
    def test_a_day_in_a_browser(self, world: World, page: str) -> None:
        """The same over https, from the API's own page and from a sibling's."""
        _spend_a_day(world, page)

    def test_a_login_that_is_not_remembered(self, world: World) -> None:
        """Without an age the cookies end with the browser, also after a refresh."""
        browser = world.browser()
        browser.fetch("POST", "/api/auth/login", json=ANN | {"remember": False})
        browser.fetch("POST", "/api/auth/refresh")

        assert 200 == browser.fetch("GET", "/me").status
        browser.restart()
        assert {} == browser.cookies

    def test_a_login_for_a_bearer_client(self, world: World) -> None:
        """Tokens in the body and no cookie: one transport or the other (RFC 6749)."""
        response = world.log_in(transport="bearer")
        body = response.json()

        assert_session_body(body, rotation="issued", bearer=True)
        assert [] == response.values("set-cookie")
        assert ("Bearer", ACCESS) == (body["token_type"], body["expires_in"])
        me = world.send("GET", "/me", [bearer(body["access_token"])])
        assert b"ann" == me.body

    def test_what_the_application_says_of_a_user(self, world: World) -> None:
        """Claims of any script and several methods reach the page as they were."""
        session = world.log_in(username="bob").json()["session"]

        assert {"scope": "read write", "näme": "日本"} == session["claims"]
        assert ["pwd", "otp"] == session["amr"]

    def test_a_new_login_is_a_new_session(self, world: World) -> None:
        """Session fixation: no id from before a login is used after it (ASVS 7.2.4)."""
        first = world.login()
        second = world.login(headers=[world.cookies(first)])

        assert first.session_id != second.session_id
        assert world.is_alive(first)

    @pytest.mark.parametrize("transport", ["cookie", "bearer"])
    def test_unknown_user_and_wrong_password_look_the_same(
        self, world: World, transport: str
    ) -> None:
        """Else a stranger learns who has an account: body, status and headers."""
        unknown = world.log_in(username="nobody", transport=transport)
        wrong = world.log_in(password="wrong", transport=transport)  # noqa: S106
        disabled = world.log_in(username="disabled", password="wrong")  # noqa: S106

        assert_refused(unknown, "credentials_invalid")
        assert _public(unknown) == _public(wrong) == _public(disabled)

    def test_a_disabled_account_is_told_so_to_its_owner_alone(
        self, world: World
    ) -> None:
        """What the application refuses itself keeps its code, after the password."""
        assert_refused(world.log_in(username="disabled"), "user_disabled")

    def test_a_user_store_that_is_down_is_503(self, world: World) -> None:
        """Neither 500 nor 401: the password may be right, and later it works."""
        response = world.log_in(username="outage")

        assert response.error is None
        assert_refused(response, "auth_unavailable")
        assert b"secret-of" not in response.body
        assert ["authenticate: ConnectionError"] == [
            event.reason for event in world.told(RequestRefused)
        ]

    def test_a_guesser_waits(self, world: World) -> None:
        """The sixth password is not even looked at; the right one comes in later."""
        guesses = [world.log_in(password=str(number)) for number in range(6)]

        assert [401] * 5 == [each.status for each in guesses[:5]]
        assert_refused(guesses[5], "rate_limited")
        assert "1" == guesses[5].value("retry-after")
        assert 5 == len(world.setup.asked)
        world.clock.advance(1)
        assert 200 == world.log_in().status

    def test_a_guesser_makes_nobody_else_wait(self, world: World) -> None:
        """Not even from his own address, which may be the one of a whole office."""
        for _ in range(10):
            world.log_in(password="wrong")  # noqa: S106

        assert 200 == world.log_in(username="bob").status

    def test_an_outage_is_no_guess(self, world: World) -> None:
        """Whoever tries again until the database is back has guessed nothing."""
        answers = {world.log_in(username="outage").status for _ in range(10)}

        assert {503} == answers

    @pytest.mark.parametrize("name", ["bug", "stop"])
    def test_a_bug_of_the_application_is_500(self, world: World, name: str) -> None:
        """It is answered at once, told once, and its text stays with us."""
        response = world.log_in([("Origin", PAGE)], username=name)

        assert_refused(response, "internal_error")
        assert b"secret-of" not in response.body
        assert PAGE == response.value("access-control-allow-origin")
        assert 1 == len(world.told(RequestFailed))

    @pytest.mark.parametrize("origin", [EVIL, "null", "", f"{PAGE}/", PAGE.upper()])
    def test_a_login_from_a_foreign_page_is_refused(
        self, world: World, origin: str
    ) -> None:
        """Login CSRF: a victim would work in the attacker's account (S6)."""
        response = world.log_in([("Origin", origin)])

        assert_refused(response, "csrf_failed")
        assert [] == world.setup.asked

    def test_two_origins_are_refused(self, world: World) -> None:
        """One of them is not the browser's."""
        response = world.log_in([("Origin", PAGE), ("Origin", PAGE)])

        assert_refused(response, "csrf_failed")

    def test_an_event_leads_from_the_answer_to_the_reason(self, world: World) -> None:
        """One id in the problem and in the log, never an incoming one."""
        response = world.log_in([("X-Request-ID", "mine")], username="nobody")
        refused = world.told(RequestRefused)

        assert [response.json()["request_id"]] == [each.request_id for each in refused]
        assert ["credentials_invalid"] == [each.code for each in refused]


def _public(response: WireResponse) -> tuple[object, ...]:
    """Return what a stranger can compare; the id of the request is chance."""
    headers = [each for each in response.headers if each[0] != "x-request-id"]
    body = response.json()
    del body["request_id"]
    return response.status, headers, body


def _spend_a_day(world: World, page: str) -> None:
    browser = world.browser(page)
    mount = "/api/auth"

    assert 401 == browser.fetch("GET", "/me").status
    assert 200 == browser.fetch("POST", f"{mount}/login", json=ANN).status
    csrf = browser.fetch("GET", f"{mount}/session").json()["csrf"]
    assert b"ann" == browser.fetch("GET", "/me").body
    assert 200 == browser.fetch("POST", "/change").status
    assert 2 == len(browser.cookies)

    world.clock.advance(ACCESS * 2)
    assert "refresh" == browser.fetch("GET", "/me").json()["action"]
    renewed = browser.fetch("POST", f"{mount}/refresh").json()
    assert ("rotated", csrf) == (renewed["rotation"], renewed["csrf"])
    assert b"ann" == browser.fetch("GET", "/me").body

    assert 200 == browser.fetch("POST", f"{mount}/logout").status
    assert {} == browser.cookies
    assert "token_missing" == browser.fetch("GET", "/me").json()["code"]
