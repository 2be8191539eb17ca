"""
Which endpoint answers what to which state of the credentials? The whole table.

Requests say ``Sec-Fetch-Site: same-origin``, as a page of the API's own origin does;
the CSRF rules have a table of their own.
"""

import pytest

from resilient_auth.testing.wire.bodies import (
    NO_SESSION,
    assert_cookies_set,
    assert_session_body,
)
from resilient_auth.testing.wire.promises import (
    PROMISED,
    WIPING,
    assert_cookies_cleared,
    assert_ours,
    assert_refused,
)
from resilient_auth.testing.wire.states import STATES, State
from resilient_auth.testing.wire.world import SAME_ORIGIN, WireSuite, World

#: Endpoint → method, target and the status of its success.
ENDPOINTS = {
    "verify": ("GET", "verify", 204),
    "sessions": ("GET", "sessions", 200),
    "end-a-session": ("DELETE", "sessions/{own}", 204),
    "me": ("GET", "/me", 200),
    "change": ("POST", "/change", 200),
    "maybe": ("GET", "/maybe", 200),
    "refresh": ("POST", "refresh", 200),
    "logout": ("POST", "logout", 200),
    "ticket": ("POST", "ticket", 200),
}
BODIES = {"ticket": {"purpose": "chat"}}


class EndpointsContract(WireSuite):
    """Every endpoint under every state of the credentials."""

    @pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    def test_an_endpoint_answers_a_state(
        self, world: World, state: State, endpoint: str
    ) -> None:
        """The table is the promise that clients are written against."""
        headers = [SAME_ORIGIN, *state.make(world)]
        method, target, status = ENDPOINTS[endpoint]
        response = world.send(
            method, target.format(own=_own(world)), headers, json=BODIES.get(endpoint)
        )
        expected = state.expected(endpoint)

        assert response.error is None
        if expected in PROMISED:
            came = any(name == "Cookie" for name, _ in headers)
            assert_refused(
                response,
                expected,
                action=state.action if expected == "token_missing" else "",
                wiped=expected in WIPING and came,
            )
        else:
            assert status == response.status, response.body
            if endpoint == "refresh":
                assert_cookies_set(response)
            else:
                assert_cookies_cleared(response, wiped=endpoint == "logout")

    @pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
    def test_the_session_is_told_in_every_state(
        self, world: World, state: State
    ) -> None:
        """A page asks this first: nobody is no error, and asking touches no cookie."""
        response = world.send("GET", "session", state.make(world))
        body = response.json()

        assert (None, 200) == (response.error, response.status)
        assert_ours(response)
        assert_cookies_cleared(response, wiped=False)
        assert "application/json" == response.value("content-type")
        expected = state.expected("session")
        if expected == "ok":
            assert_session_body(body, rotation="")
        else:
            assert NO_SESSION == body.keys()
            assert body["session"] is None
            assert expected == body["reason"]
            assert state.can_refresh == body["can_refresh"]
            assert state.can_refresh == bool(body["csrf"])

    @pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
    def test_a_login_takes_no_notice_of_old_credentials(
        self, world: World, state: State
    ) -> None:
        """What is left over in a browser never stands in the way of a new start."""
        headers = [SAME_ORIGIN, *state.make(world)]
        credentials = {"username": "ann", "password": "pw"}
        response = world.send("POST", "login", headers, json=credentials)

        assert 200 == response.status
        assert_session_body(response.json(), rotation="issued")


def _own(world: World) -> str:
    """Return the id of a living session of ann's, or a name of none."""
    rows = world.store.of_subject("ann", now=int(world.clock.time()))
    return rows[0].id if rows else "none"
