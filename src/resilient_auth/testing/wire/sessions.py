"""Who may list and end sessions? Their own user alone, whatever the path says."""

import pytest

from resilient_auth.testing.wire.promises import (
    assert_cookies_cleared,
    assert_ours,
    assert_refused,
)
from resilient_auth.testing.wire.setup import ACCESS
from resilient_auth.testing.wire.world import SAME_ORIGIN, WireSuite, World, bearer

#: Paths under the mount that name no session of the caller's.
NO_SESSIONS = [
    "sessions/",
    "sessions/unknown",
    "sessions/..",
    "sessions/%2e%2e",
    "sessions/../sessions/{own}",
    "sessions/{own}/",
    "sessions/{own}%20",
    "sessions/{own}%00",
    "sessions/{own}%0A",
    "sessions/{own}/x",
    "sessions//{own}",
    "sessions/%00",
    "sessions/%FF",
    "sessions/%ED%A0%80",
    "sessions/*",
    "sessions/'%20OR%20'1'='1",
    "sessions/" + "x" * 5_000,
]


class SessionsContract(WireSuite):
    """The row S13 of the checklist, and the ways out."""

    def test_a_user_lists_the_own_sessions(self, world: World) -> None:
        """Newest first, the asking one marked, nobody else's among them."""
        first = world.login(headers=[("User-Agent", "phone")])
        world.clock.advance(1)
        second = world.login(headers=[("User-Agent", "desk")])
        world.login("bob")
        response = world.send("GET", "sessions", [bearer(first.access)])
        listed = response.json()["sessions"]

        assert_ours(response)
        assert [
            (second.session_id, "desk", False),
            (first.session_id, "phone", True),
        ] == [(each["id"], each["device"], each["current"]) for each in listed]
        assert {"auth_time", "amr", "idle_expires_at", "expires_at"} == (
            listed[0].keys() - {"id", "device", "current"}
        )

    def test_a_user_ends_another_device(self, world: World) -> None:
        """The other one is told at once, and its cookies are cleared for it."""
        here, there = world.login(), world.login()
        target = f"sessions/{there.session_id}"
        ended = world.send("DELETE", target, [bearer(here.access)])

        assert (204, b"") == (ended.status, ended.body)
        assert_refused(
            world.send("GET", "/me", [world.cookies(there)]),
            "session_revoked",
            wiped=True,
        )
        assert 200 == world.send("GET", "/me", [world.cookies(here)]).status

    def test_the_session_of_another_user_is_not_found(self, world: World) -> None:
        """Its id is public, so knowing it must be worth nothing."""
        ann, bob = world.login(), world.login("bob")
        target = f"sessions/{bob.session_id}"

        assert_refused(world.send("DELETE", target, [bearer(ann.access)]), "not_found")
        assert world.is_alive(bob)

    @pytest.mark.parametrize(
        "path", NO_SESSIONS, ids=lambda path: path[9:25] or "empty"
    )
    def test_tricks_with_a_path_end_nothing(self, world: World, path: str) -> None:
        """Whatever follows the slash is one id, and no id is a pattern."""
        grant = world.login()
        target = path.format(own=grant.session_id)
        response = world.send("DELETE", target, [bearer(grant.access)])

        assert response.error is None
        assert_refused(response, "not_found")
        assert world.is_alive(grant)

    def test_a_logout_by_a_bearer_token(self, world: World) -> None:
        """The header names the session; an expired one still does."""
        grant = world.login()
        world.clock.advance(ACCESS * 2)
        response = world.send("POST", "logout", [bearer(grant.access)])

        assert (200, {"session": None}) == (response.status, response.json())
        assert not world.is_alive(grant)

    @pytest.mark.parametrize("by", ["access", "refresh"])
    def test_a_logout_by_one_expired_cookie(self, world: World, by: str) -> None:
        """Either cookie names the session, long after the other is gone."""
        grant = world.login()
        world.clock.advance(ACCESS * 2)
        cookie = world.cookie(**{by: getattr(grant, by)})
        response = world.send("POST", "logout", [SAME_ORIGIN, ("Cookie", cookie)])

        assert 200 == response.status
        assert_cookies_cleared(response, wiped=True)
        assert not world.is_alive(grant)

    def test_a_logout_of_all_devices(self, world: World) -> None:
        """``?all=1`` ends every session of this user and of no other."""
        here, there, bob = world.login(), world.login(), world.login("bob")
        response = world.send(
            "POST", "logout?all=1", [SAME_ORIGIN, world.cookies(here)]
        )

        assert 200 == response.status
        assert [False, False, True] == [
            world.is_alive(each) for each in (here, there, bob)
        ]

    @pytest.mark.parametrize("query", ["?all=0", "?all=10", "?small=1", "?all"])
    def test_all_is_said_exactly(self, world: World, query: str) -> None:
        """Anything else ends the one session."""
        here, there = world.login(), world.login()
        world.send("POST", f"logout{query}", [bearer(here.access)])

        assert [False, True] == [world.is_alive(each) for each in (here, there)]

    def test_a_dead_session_ends_no_others(self, world: World) -> None:
        """A stolen cookie of an old session must not log everybody out."""
        dead, living = world.login(), world.login()
        world.send("POST", "logout", [bearer(dead.access)])
        headers = [SAME_ORIGIN, world.cookies(dead)]
        response = world.send("POST", "logout?all=1", headers)

        assert (200, {"session": None}) == (response.status, response.json())
        assert 2 == len(response.values("set-cookie"))
        assert world.is_alive(living)
