"""What if something breaks? The store is down, a handler crashes, an answer is lost."""

import pytest

from resilient_auth.events import RequestFailed
from resilient_auth.testing.wire.promises import (
    assert_cookies_cleared,
    assert_refused,
)
from resilient_auth.testing.wire.setup import PAGE
from resilient_auth.testing.wire.world import SAME_ORIGIN, WireSuite, World, bearer

#: Endpoints that need the store: method, target and JSON body, {} for none.
NEED_THE_STORE: dict[str, tuple[str, str, dict[str, str] | None]] = {
    "login": ("POST", "login", {"username": "ann", "password": "pw"}),
    "refresh": ("POST", "refresh", None),
    "session": ("GET", "session", None),
    "sessions": ("GET", "sessions", None),
    "end-a-session": ("DELETE", "sessions/{own}", None),
    "logout": ("POST", "logout", None),
    "logout-all": ("POST", "logout?all=1", None),
}


class FaultsContract(WireSuite):
    """The row S11 of the checklist, and crashes."""

    # ------------------------------------------------------------------ the store

    @pytest.mark.parametrize("name", NEED_THE_STORE)
    def test_a_store_that_is_down_is_503_and_comes_back(
        self, world: World, name: str
    ) -> None:
        """Neither 500 nor 401, no cookie touched; the same request then succeeds."""
        method, target, body = NEED_THE_STORE[name]
        grant = world.login()
        target = target.format(own=grant.session_id)
        headers = [SAME_ORIGIN, world.cookies(grant), ("Origin", PAGE)]
        world.store.is_down = True
        down = world.send(method, target, headers, json=body)
        world.store.is_down = False
        world.clock.advance(float(down.value("retry-after")))
        up = world.send(method, target, headers, json=body)

        assert down.error is None
        assert_refused(down, "store_unavailable")
        assert "1" == down.value("retry-after")
        assert PAGE == down.value("access-control-allow-origin")
        assert up.status in {200, 204}

    @pytest.mark.parametrize("target", ["verify", "/me", "/maybe"])
    def test_verifying_outlives_a_short_outage(self, world: World, target: str) -> None:
        """It asks no store until too little is known of revocations: then 503."""
        grant = world.login()
        headers = [bearer(grant.access)]
        known = world.send("GET", target, headers).status
        world.store.is_down = True
        world.clock.advance(world.setup.sessions.revocation_max_stale - 1)
        still_known = world.send("GET", target, headers).status
        world.clock.advance(1)
        too_late = world.send("GET", target, headers)
        world.store.is_down = False
        world.clock.advance(1)
        back = world.send("GET", target, headers).status

        assert {known} == {still_known, back}
        assert known in {200, 204}
        assert_refused(too_late, "store_unavailable")

    def test_the_anonymous_need_no_store(self, world: World) -> None:
        """A visitor without credentials gets an answer during an outage."""
        world.store.is_down = True

        assert 200 == world.send("GET", "session").status
        assert_refused(world.send("GET", "verify"), "token_missing")
        assert 200 == world.send("POST", "logout", [SAME_ORIGIN]).status

    def test_a_lost_answer_can_be_asked_for_again(self, world: World) -> None:
        """The rotation was committed, then the connection died: nothing is lost."""
        grant = world.login()
        world.store.loses_answers = True
        lost = world.refresh(grant.refresh)
        world.store.loses_answers = False
        again = world.refresh(grant.refresh)

        assert_refused(lost, "store_unavailable")
        assert "replayed" == again.json()["rotation"]
        assert 1 == again.json()["session"]["epoch"]

    def test_a_logout_whose_answer_was_lost(self, world: World) -> None:
        """The second one finds nothing to end, and clears the cookies."""
        grant = world.login()
        headers = [SAME_ORIGIN, world.cookies(grant)]
        world.store.loses_answers = True
        lost = world.send("POST", "logout", headers)
        world.store.loses_answers = False
        again = world.send("POST", "logout", headers)

        assert_refused(lost, "store_unavailable")
        assert 200 == again.status
        assert_cookies_cleared(again, wiped=True)
        assert not world.is_alive(grant)

    # ------------------------------------------------------------------ crashes

    def test_a_crash_is_answered_and_passed_on(self, world: World) -> None:
        """The page reads a problem, the server's log the exception, once each."""
        response = world.send("GET", "/crash", [("Origin", PAGE)])

        assert_refused(response, "internal_error")
        assert isinstance(response.error, RuntimeError)
        assert b"secret-of" not in response.body
        assert [("GET", "/crash", "RuntimeError")] == [
            (each.method, each.path, each.error) for each in world.told(RequestFailed)
        ]

    def test_an_own_500_stays(self, world: World) -> None:
        """What the application wrote itself is not for us to replace."""
        response = world.send("GET", "/own-500", [("Origin", PAGE)])

        assert (500, b"my own page") == (response.status, response.body)
        assert response.error is None
        assert response.is_complete
        assert PAGE == response.value("access-control-allow-origin")

    def test_a_stream_passes_untouched(self, world: World) -> None:
        """Nothing of it is held back, and no length is invented."""
        response = world.send("GET", "/stream", [("Origin", PAGE)])

        assert (200, b"one two three") == (response.status, response.body)
        assert [] == response.values("content-length")
        assert response.is_complete

    def test_every_request_has_an_id_of_its_own(self, world: World) -> None:
        """Ours alone, whatever came in, on good answers and on bad ones."""
        targets = ["session", "verify", "/nothing", "/crash", "/stream", "/own-500"]
        ids = [
            world.send("GET", each, [("X-Request-ID", "mine")]).values("x-request-id")
            for each in targets
        ]

        assert [1] * len(targets) == [len(each) for each in ids]
        assert len(targets) == len({each[0] for each in ids} - {"mine"})
