"""What does a refresh answer? To the winner, the loser, the thief and the late."""

import pytest

from resilient_auth.events import RefreshReused, SessionEnded
from resilient_auth.testing.wire.bodies import assert_cookies_set, assert_session_body
from resilient_auth.testing.wire.promises import assert_ours, assert_refused
from resilient_auth.testing.wire.setup import ACCESS, GRACE, IDLE
from resilient_auth.testing.wire.world import (
    SAME_ORIGIN,
    WireSuite,
    World,
    bearer,
    forged,
)


class RefreshContract(WireSuite):
    """The rows S1 to S5 and S9 of the checklist, and the transports."""

    def test_a_cookie_is_answered_with_cookies(self, world: World) -> None:
        """Cookies never turn into body tokens, whatever the body asks for."""
        headers = [SAME_ORIGIN, world.cookies(world.login())]
        response = world.send("POST", "refresh", headers, json={"transport": "bearer"})

        assert 200 == response.status
        assert_ours(response)
        assert_session_body(response.json(), rotation="rotated")
        assert_cookies_set(response)
        assert 1 == response.json()["session"]["epoch"]

    def test_a_body_token_is_answered_in_the_body(self, world: World) -> None:
        """A bearer client has no jar, so it is given no cookie."""
        response = world.refresh(world.login().refresh)

        assert_session_body(response.json(), rotation="rotated", bearer=True)
        assert [] == response.values("set-cookie")

    def test_the_loser_is_given_the_winners_token(self, world: World) -> None:
        """Within the grace the same successor comes again, and nothing is written."""
        first = world.login()
        won = world.granted(world.refresh(first.refresh))
        row = world.store.find(first.session_id)
        world.clock.advance(GRACE - 1)
        again = world.refresh(first.refresh)

        assert "replayed" == again.json()["rotation"]
        assert won.refresh == again.json()["refresh_token"]
        assert row == world.store.find(first.session_id)

    def test_the_newest_token_is_kept_within_the_grace(self, world: World) -> None:
        """An eager tab rotates nothing, so a slow one is no thief (the chain race)."""
        first = world.login()
        second = world.granted(world.refresh(first.refresh))
        eager = world.refresh(second.refresh)
        slow = world.refresh(first.refresh)

        assert ["kept", "replayed"] == [
            each.json()["rotation"] for each in (eager, slow)
        ]
        assert {second.refresh} == {
            each.json()["refresh_token"] for each in (eager, slow)
        }
        assert 200 == world.send("GET", "/me", [bearer(second.access)]).status

    def test_an_old_token_after_the_grace_ends_the_family(self, world: World) -> None:
        """Two hold the same token, and one of them stole it (RFC 9700 §4.14.2)."""
        old = world.login()
        new = world.granted(world.refresh(old.refresh))
        world.clock.advance(GRACE)
        headers = [SAME_ORIGIN, world.cookies(old)]

        assert_refused(
            world.send("POST", "refresh", headers), "refresh_reused", wiped=True
        )
        assert_refused(world.refresh(new.refresh), "session_revoked")
        assert_refused(
            world.send("GET", "/me", [bearer(new.access)]), "session_revoked"
        )
        assert [(0, 1)] == [
            (each.presented, each.generation) for each in world.told(RefreshReused)
        ]
        assert ["refresh_reused"] == [each.reason for each in world.told(SessionEnded)]

    def test_a_forged_token_costs_no_store_access(self, world: World) -> None:
        """A store that is down does not matter, so it was not asked."""
        grant = world.login()
        world.store.is_down = True

        assert_refused(world.refresh(forged(grant.refresh)), "refresh_invalid")

    def test_a_forged_token_ends_nothing(self, world: World) -> None:
        """Session ids are public: naming a victim's must not log them out."""
        grant = world.login()
        world.refresh(forged(grant.refresh))

        assert world.is_alive(grant)

    def test_a_generation_never_issued_ends_nothing(self, world: World) -> None:
        """The database is older than the token: an alarm, not a theft."""
        grant = world.login()
        future = world.token_of_generation(grant, 7)

        assert_refused(world.refresh(future), "refresh_invalid")
        assert world.is_alive(grant)

    @pytest.mark.parametrize("query", ["", "?all=1"])
    def test_no_refresh_after_logout(self, world: World, query: str) -> None:
        """Logged out is logged out, by whichever token (CVE-2024-22513)."""
        grant = world.login()
        other = world.login()
        world.send("POST", f"logout{query}", json={"refresh_token": grant.refresh})

        assert_refused(world.refresh(grant.refresh), "session_revoked")
        assert (query == "") == world.is_alive(other)

    def test_an_idle_session_is_over(self, world: World) -> None:
        """Its own second counts; one before it still lives."""
        grant, late = world.login(), world.login()
        world.clock.advance(IDLE - 1)
        assert 200 == world.refresh(grant.refresh).status
        world.clock.advance(1)

        assert_refused(world.refresh(late.refresh), "session_idle")

    def test_the_tokens_of_a_stolen_database(self, world: World) -> None:
        """No row holds what a token is made of, so a dump yields none (S9)."""
        grant = world.login()
        dumped = repr(world.store.find(grant.session_id))

        assert grant.refresh.rpartition(".")[2] not in dumped
        assert grant.access.rpartition(".")[2] not in dumped
        assert grant.csrf not in dumped

    def test_body_and_cookie_that_disagree(self, world: World) -> None:
        """Nobody can say which was meant; nothing is rotated."""
        one, two = world.login(), world.login()
        headers = [SAME_ORIGIN, world.cookies(one)]
        response = world.send(
            "POST", "refresh", headers, json={"refresh_token": two.refresh}
        )

        assert_refused(response, "request_invalid")
        assert "rotated" == world.refresh(one.refresh).json()["rotation"]
        assert "rotated" == world.refresh(two.refresh).json()["rotation"]

    @pytest.mark.parametrize(
        ("token", "code"),
        [
            ("x", "refresh_invalid"),
            ("rt1.k1.s.0.m", "refresh_invalid"),
            ("é", "refresh_invalid"),
            ("\n", "refresh_invalid"),
            ("x" * 15_000, "refresh_invalid"),
            ("x" * 1_000_000, "body_too_large"),
            ("", "refresh_missing"),
            (1, "request_invalid"),
            (None, "request_invalid"),
            ({"x": 1}, "request_invalid"),
            ("\ud800", "request_invalid"),
        ],
        ids=lambda value: repr(value)[:12],
    )
    def test_what_is_no_refresh_token(
        self, world: World, token: object, code: str
    ) -> None:
        """Any length and any type is refused, never an error of ours."""
        response = world.send("POST", "refresh", json={"refresh_token": token})

        assert response.error is None
        assert_refused(response, code)

    def test_a_refresh_token_in_the_query_is_refused(self, world: World) -> None:
        """It would stand in every log on the way."""
        grant = world.login()
        target = f"refresh?refresh_token={grant.refresh}"

        assert_refused(world.send("POST", target), "token_invalid")
        assert "rotated" == world.refresh(grant.refresh).json()["rotation"]

    def test_an_access_token_is_no_refresh_token(self, world: World) -> None:
        """Each token is for one purpose (RFC 8725 §3.11)."""
        grant = world.login()

        assert_refused(world.refresh(grant.access), "refresh_invalid")
        assert_refused(
            world.send("GET", "verify", [bearer(grant.refresh)]), "token_invalid"
        )

    def test_the_csrf_value_survives(self, world: World) -> None:
        """It names the session alone, so a page keeps it over rotation and expiry."""
        grant = world.login()
        world.clock.advance(ACCESS * 2)
        later = world.granted(world.refresh(grant.refresh))

        assert grant.csrf == later.csrf
