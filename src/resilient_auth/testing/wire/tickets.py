"""What opens a socket, and what do others verify by? Tickets, and the public keys."""

from typing import Any

import pytest

from resilient_auth.auth.sessions import Auth
from resilient_auth.core.tickets import MAX_AGE
from resilient_auth.errors import Refused
from resilient_auth.testing.wire.promises import assert_ours, assert_refused
from resilient_auth.testing.wire.world import SAME_ORIGIN, WireSuite, World, bearer


class TicketsContract(WireSuite):
    """``POST /ticket`` and ``GET /jwks.json``."""

    @pytest.mark.parametrize("by", ["cookie", "header"])
    def test_a_ticket_is_good_once(self, world: World, by: str) -> None:
        """For its purpose and for 30 seconds; who redeems it is its principal."""
        grant = world.login()
        headers = (
            [bearer(grant.access)]
            if by == "header"
            else [SAME_ORIGIN, world.cookies(grant)]
        )
        response = world.send("POST", "ticket", headers, json={"purpose": "chat"})
        said = response.json()

        assert 200 == response.status
        assert_ours(response)
        assert {"ticket", "expires_at"} == said.keys()
        assert int(world.clock.time()) + MAX_AGE == said["expires_at"]
        assert "token_invalid" == _code_of(world, said["ticket"], "other")
        assert ("ann", grant.session_id) == _redeemed(world, said["ticket"], "chat")
        assert "token_invalid" == _code_of(world, said["ticket"], "chat")

    def test_a_ticket_of_an_ended_session(self, world: World) -> None:
        """It was asked for in time, and opens nothing after the logout."""
        grant = world.login()
        said = world.send(
            "POST", "ticket", [bearer(grant.access)], json={"purpose": "chat"}
        ).json()
        world.send("POST", "logout", [bearer(grant.access)])

        assert "session_revoked" == _code_of(world, said["ticket"], "chat")

    @pytest.mark.parametrize(
        "purpose",
        [None, "", 1, [], {}, "x" * 257, "a\nb", "\x00", "\ud800"],
        ids=lambda value: repr(value)[:12],
    )
    def test_what_is_no_purpose(self, world: World, purpose: object) -> None:
        """Told to the page, and never a 500."""
        headers = [bearer(world.login().access)]
        response = world.send("POST", "ticket", headers, json={"purpose": purpose})

        assert response.error is None
        assert_refused(response, "request_invalid")
        assert_refused(world.send("POST", "ticket", headers), "request_invalid")

    def test_public_keys_are_for_everybody(self, issuer: World) -> None:
        """Without a credential, cached for minutes, and nothing private in them."""
        issuer.store.is_down = True
        response = issuer.send("GET", "jwks.json")
        (key,) = response.json()["keys"]

        assert 200 == response.status
        assert "application/jwk-set+json" == response.value("content-type")
        assert "max-age=300" == response.value("cache-control")
        assert ("k1", "EdDSA") == (key["kid"], key["alg"])
        assert "d" not in key
        assert response.body == issuer.send("GET", "jwks.json", [bearer("x")]).body
        assert 200 == issuer.send("HEAD", "jwks.json").status
        assert 405 == issuer.send("POST", "jwks.json").status

    def test_secrets_are_not_published(self, world: World) -> None:
        """A ring of HMAC secrets has no public half."""
        assert_refused(world.send("GET", "jwks.json"), "not_found")


def _redeemed(world: World, ticket: str, purpose: str) -> tuple[str, str]:
    """Return whom *ticket* names, as another worker of the application finds."""
    setup = world.setup
    auth = Auth(setup.ring, setup.policy, store=setup.store, clock=setup.clock)
    who = auth.redeem(ticket, purpose)
    return who.subject, who.session_id


def _code_of(world: World, *asked: Any) -> str:
    with pytest.raises(Refused) as refused:
        _redeemed(world, *asked)
    return refused.value.code
