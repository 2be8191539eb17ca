"""Who may open a WebSocket? The promises of the adapters that have them."""

import pytest

from resilient_auth.events import RequestRefused
from resilient_auth.testing.asgi import SocketTalk
from resilient_auth.testing.exchange import WireRequest
from resilient_auth.testing.wire.mirror import Connects
from resilient_auth.testing.wire.setup import EVIL, FAR_PAGE, PAGE
from resilient_auth.testing.wire.world import (
    Headers,
    WireSuite,
    World,
    bearer,
    forged,
    raw_headers,
)


class SocketContract(WireSuite):
    """The WebSocket part of C7; the application greets its principal at ``/ws``."""

    @pytest.mark.parametrize("origins", [[EVIL], ["null"], [""], [PAGE, PAGE]])
    def test_a_foreign_page_opens_no_socket(
        self, world: World, origins: list[str]
    ) -> None:
        """Refused before accept: no frame is read, no session loaded (403)."""
        headers = [
            world.cookies(world.login()),
            *(("Origin", each) for each in origins),
        ]
        world.store.is_down = True
        talk = self.connect(world, headers)

        assert ["close"] == talk.kinds
        assert talk.error is None
        assert ["origin_denied"] == [each.code for each in world.told(RequestRefused)]

    @pytest.mark.parametrize("by", ["cookie", "header"])
    def test_our_page_opens_one(self, world: World, by: str) -> None:
        """The cookie and an allowed Origin suffice."""
        grant = world.login()
        credential = world.cookies(grant) if by == "cookie" else bearer(grant.access)
        talk = self.connect(world, [credential, ("Origin", PAGE)])

        assert ["accept", "send", "close"] == talk.kinds
        assert "hello ann" == talk.sent[1]["text"]

    def test_who_comes_without_an_origin_needs_a_header(self, world: World) -> None:
        """It is no browser of today's; what one would add by itself proves nothing."""
        grant = world.login()
        by_cookie = self.connect(world, [world.cookies(grant)])
        by_header = self.connect(world, [world.cookies(grant), bearer(grant.access)])

        assert ["accept", "close"] == by_cookie.kinds
        assert (4401, "token_missing") == (
            by_cookie.sent[1]["code"],
            by_cookie.sent[1]["reason"],
        )
        assert ["on a socket a cookie needs an allowed Origin"] == [
            each.reason for each in world.told(RequestRefused)
        ]
        assert "hello ann" == by_header.sent[1]["text"]

    def test_a_cookie_opens_no_socket_where_none_is_used(
        self, no_cookies: World
    ) -> None:
        """The ``None`` cookie of an older deployment, on a page of another site."""
        grant, page = no_cookies.login(), ("Origin", FAR_PAGE)
        by_cookie = self.connect(no_cookies, [no_cookies.cookies(grant), page])
        by_header = self.connect(no_cookies, [bearer(grant.access), page])

        assert "token_missing" == by_cookie.sent[1]["reason"]
        assert "hello ann" == by_header.sent[1]["text"]

    def test_another_refusal_says_why(self, world: World) -> None:
        """Before accept a browser learns nothing but 1006, so it comes after."""
        grant = world.login()
        anonymous = self.connect(world, [("Origin", PAGE)])
        invalid = self.connect(world, [bearer(forged(grant.access))])

        for talk, code in ((anonymous, "token_missing"), (invalid, "token_invalid")):
            assert ["accept", "close"] == talk.kinds
            assert talk.error is None
            assert (4401, code) == (talk.sent[1]["code"], talk.sent[1]["reason"])

    def test_a_store_that_is_down_says_so(self, world: World) -> None:
        """4503 is no verdict on the credentials: the client tries again later."""
        grant = world.login()
        world.store.is_down = True
        world.clock.advance(world.setup.sessions.revocation_max_stale)
        talk = self.connect(world, [world.cookies(grant), ("Origin", PAGE)])

        assert (4503, "store_unavailable") == (
            talk.sent[1]["code"],
            talk.sent[1]["reason"],
        )

    def connect(self, world: World, headers: Headers) -> SocketTalk:
        """Open ``/ws`` with *headers*."""
        transport: Connects = world.transport  # type: ignore[assignment]  # ASGI ones do
        return transport.connect(
            WireRequest(target="/ws", headers=raw_headers(headers))
        )
