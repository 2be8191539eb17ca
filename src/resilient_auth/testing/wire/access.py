"""Who may do what? Scopes, a recent login, and what an application refuses itself."""

import pytest

from resilient_auth.testing.wire.promises import assert_refused
from resilient_auth.testing.wire.setup import PAGE, RECENT
from resilient_auth.testing.wire.states import STATES, State
from resilient_auth.testing.wire.world import SAME_ORIGIN, WireSuite, World, bearer


class AccessContract(WireSuite):
    """The application's own routes, guarded by the adapter's verbs."""

    def test_a_scope_must_be_held(self, world: World) -> None:
        """The claim of bob says "read write", and ann has none."""
        ann, bob = bearer(world.login().access), bearer(world.login("bob").access)

        assert b"bob" == world.send("GET", "/write", [bob]).body
        assert_refused(world.send("GET", "/write", [ann]), "permission_denied")

    def test_a_login_must_be_recent(self, world: World) -> None:
        """The server's own ``auth_time`` counts, and a refresh does not renew it."""
        grant = world.login()
        world.clock.advance(RECENT)
        soon = world.send("GET", "/recent", [bearer(grant.access)])
        grant = world.granted(world.refresh(grant.refresh))
        world.clock.advance(1)

        assert b"ann" == soon.body
        assert_refused(
            world.send("GET", "/recent", [bearer(grant.access)]), "step_up_required"
        )
        assert (
            b"ann" == world.send("GET", "/recent", [bearer(world.login().access)]).body
        )

    @pytest.mark.parametrize("target", ["/write", "/recent"])
    @pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
    def test_nobody_is_refused_for_being_nobody(
        self, world: World, state: State, target: str
    ) -> None:
        """Who calls is asked first, as everywhere; only then what they may do."""
        headers = [SAME_ORIGIN, *state.make(world)]
        known = world.send("GET", "/me", headers)
        response = world.send("GET", target, headers)

        if known.status != 200:
            assert known.json()["code"] == response.json()["code"]
        else:
            assert response.status in {200, 401, 403}

    def test_the_application_refuses_too(self, world: World) -> None:
        """What it raises is answered like ours, to a page of another origin too."""
        response = world.send("GET", "/busy", [("Origin", PAGE)])

        assert_refused(response, "overloaded")
        assert "7" == response.value("retry-after")
        assert response.error is None
        assert PAGE == response.value("access-control-allow-origin")
