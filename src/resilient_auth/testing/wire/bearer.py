"""What if no cookies are used? The profile ``bearer``: none set, none read."""

import pytest

from resilient_auth.testing.exchange import WireResponse
from resilient_auth.testing.wire.bodies import assert_session_body
from resilient_auth.testing.wire.promises import assert_refused
from resilient_auth.testing.wire.setup import ACCESS, FAR_PAGE, IDLE, LEEWAY
from resilient_auth.testing.wire.states import STATES, State
from resilient_auth.testing.wire.world import SAME_ORIGIN, WireSuite, World, bearer


class BearerContract(WireSuite):
    """The deployment in which scripts hold the tokens."""

    @pytest.mark.parametrize("said", [{}, {"transport": "cookie"}, {"remember": False}])
    def test_every_login_is_answered_in_the_body(
        self, no_cookies: World, said: dict[str, object]
    ) -> None:
        """Whatever it asks for: a cookie would be dropped, and the login with it."""
        response = no_cookies.log_in([("Origin", FAR_PAGE)], **said)

        assert_session_body(response.json(), rotation="issued", bearer=True)
        assert [] == response.values("set-cookie")
        assert [] == response.values("access-control-allow-credentials")
        assert FAR_PAGE == response.value("access-control-allow-origin")

    def test_a_day_without_cookies(self, no_cookies: World) -> None:
        """Login, request, refresh, logout, and a session that is told."""
        grant = no_cookies.login()
        no_cookies.clock.advance(ACCESS + LEEWAY)
        late = no_cookies.send("GET", "/me", [bearer(grant.access)])
        grant = no_cookies.granted(no_cookies.refresh(grant.refresh))
        told = no_cookies.send("GET", "session", [bearer(grant.access)])
        out = no_cookies.send("POST", "logout", json={"refresh_token": grant.refresh})

        assert_refused(late, "token_expired")
        assert grant.session_id == told.json()["session"]["id"]
        assert (200, []) == (out.status, out.values("set-cookie"))
        assert not no_cookies.is_alive(grant)

    @pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
    def test_cookies_count_for_nothing(self, no_cookies: World, state: State) -> None:
        """A request with them is the same request without them."""
        came = [SAME_ORIGIN, *state.make(no_cookies)]
        others = [each for each in came if each[0] != "Cookie"]
        for target in ("verify", "session", "sessions", "/me", "/maybe"):
            expected = no_cookies.send("GET", target, others)
            response = no_cookies.send("GET", target, came)

            assert expected.status == response.status
            assert [] == response.values("set-cookie")
            assert _but_for_its_id(expected) == _but_for_its_id(response)
        assert_refused(no_cookies.send("POST", "refresh", came), "refresh_missing")

    def test_no_verdict_clears_a_cookie(self, no_cookies: World) -> None:
        """There is none of ours to clear."""
        grant = no_cookies.login()
        no_cookies.clock.advance(IDLE)
        headers = [no_cookies.cookies(grant)]
        response = no_cookies.send(
            "POST", "refresh", headers, json={"refresh_token": grant.refresh}
        )

        assert_refused(response, "session_idle", wiped=False)


def _but_for_its_id(response: WireResponse) -> bytes:
    return response.body.replace(response.value("x-request-id").encode(), b"")
