"""
In which states can credentials come? Each made over the wire, with what it earns.

``ok`` is success, ``nobody`` an optional endpoint's answer to an anonymous caller, any
other word the code of a refusal.
"""

from collections.abc import Callable
from dataclasses import dataclass

from resilient_auth.testing.wire.setup import ABSOLUTE, ACCESS, IDLE, LEEWAY
from resilient_auth.testing.wire.world import Headers, World, bearer, forged


@dataclass(frozen=True, slots=True)
class State:
    """
    One state of the credentials, and what each kind of endpoint answers to it.

    *principal* is what endpoints that need somebody answer; *optional* and *session*
    are the same where nothing is said. *action* is that of ``token_missing``.
    """

    name: str
    make: Callable[[World], Headers]
    principal: str
    refresh: str
    optional: str = ""
    session: str = ""
    can_refresh: bool = False
    logout: str = "ok"
    action: str = "login"

    def expected(self, endpoint: str) -> str:
        """Return what *endpoint* answers."""
        own = {
            "maybe": self.optional,
            "session": self.session,
            "refresh": self.refresh,
            "logout": self.logout,
        }
        return own.get(endpoint) or self.principal


# ------------------------------------------------------------------ making states


def _none(_: World) -> Headers:
    return []


def _valid(world: World) -> Headers:
    return [world.cookies(world.login())]


def _expired_alone(world: World) -> Headers:
    grant = world.login()
    world.clock.advance(ACCESS + LEEWAY)
    return [("Cookie", world.cookie(access=grant.access))]


def _expired_and_live_refresh(world: World) -> Headers:
    grant = world.login()
    world.clock.advance(ACCESS + LEEWAY)
    return [world.cookies(grant)]


def _refresh_alone(world: World) -> Headers:
    return [("Cookie", world.cookie(refresh=world.login().refresh))]


def _idle(world: World) -> Headers:
    grant = world.login()
    world.clock.advance(IDLE)
    return [world.cookies(grant)]


def _absolute_end(world: World) -> Headers:
    grant = world.login()
    world.clock.advance(IDLE - 1)
    grant = world.granted(world.refresh(grant.refresh))
    world.clock.advance(ABSOLUTE - IDLE + 1)
    return [world.cookies(grant)]


def _revoked(world: World) -> Headers:
    grant = world.login()
    world.send("POST", "logout", json={"refresh_token": grant.refresh})
    return [world.cookies(grant)]


def _revoked_elsewhere(world: World) -> Headers:
    grant = world.login()
    world.store.end(grant.session_id, now=int(world.clock.time()), reason="x")
    world.clock.advance(world.setup.sessions.revocation_poll)
    return [world.cookies(grant)]


def _reused(world: World) -> Headers:
    old = world.login()
    new = world.rotate_twice(old)
    return [("Cookie", world.cookie(access=new.access, refresh=old.refresh))]


def _forged_access(world: World) -> Headers:
    grant = world.login()
    cookie = world.cookie(access=forged(grant.access), refresh=grant.refresh)
    return [("Cookie", cookie)]


def _forged_refresh(world: World) -> Headers:
    return [("Cookie", world.cookie(refresh=forged(world.login().refresh)))]


def _both_garbage(world: World) -> Headers:
    return [("Cookie", world.cookie(access="é\x7f", refresh="%00"))]


def _empty_cookies(world: World) -> Headers:
    return [("Cookie", world.cookie(access="", refresh=""))]


def _double_access(world: World) -> Headers:
    grant = world.login()
    return [world.cookies(grant), ("Cookie", world.cookie(access=grant.access))]


def _double_refresh(world: World) -> Headers:
    grant = world.login()
    own = world.cookie(refresh=grant.refresh)
    return [("Cookie", f"{own}; {own}x")]


def _bearer(world: World) -> Headers:
    return [bearer(world.login().access)]


def _bearer_expired(world: World) -> Headers:
    grant = world.login()
    world.clock.advance(ACCESS + LEEWAY)
    return [bearer(grant.access)]


def _bearer_forged(world: World) -> Headers:
    return [bearer(forged(world.login().access))]


def _bearer_revoked(world: World) -> Headers:
    grant = world.login()
    world.send("POST", "logout", [bearer(grant.access)])
    return [bearer(grant.access)]


def _agreeing(world: World) -> Headers:
    grant = world.login()
    return [world.cookies(grant), bearer(grant.access)]


def _disagreeing(world: World) -> Headers:
    return [world.cookies(world.login()), bearer(world.login("bob").access)]


def _too_early(world: World) -> Headers:
    grant = world.login()
    world.clock.jump(-3_600)
    return [world.cookies(grant)]


def _exchanged(world: World) -> Headers:
    grant = world.login()
    return [("Cookie", world.cookie(access=grant.refresh, refresh=grant.access))]


STATES = [
    State("none", _none, "token_missing", "refresh_missing", optional="nobody"),
    State("valid", _valid, "ok", "rotated"),
    State("expired-access-alone", _expired_alone, "token_expired", "refresh_missing"),
    State(
        "expired-access-and-live-refresh",
        _expired_and_live_refresh,
        "token_expired",
        "rotated",
        can_refresh=True,
    ),
    State(
        "refresh-alone",
        _refresh_alone,
        "token_missing",
        "rotated",
        optional="nobody",
        can_refresh=True,
        action="refresh",
    ),
    State("idle-end", _idle, "token_expired", "session_idle", session="session_idle"),
    State(
        "absolute-end",
        _absolute_end,
        "token_expired",
        "session_expired",
        session="session_expired",
    ),
    State("revoked", _revoked, "session_revoked", "session_revoked"),
    State(
        "revoked-in-another-process",
        _revoked_elsewhere,
        "session_revoked",
        "session_revoked",
    ),
    State("reused-refresh", _reused, "ok", "refresh_reused"),
    State(
        "forged-access-and-live-refresh",
        _forged_access,
        "token_invalid",
        "rotated",
        can_refresh=True,
    ),
    State(
        "forged-refresh-alone",
        _forged_refresh,
        "token_missing",
        "refresh_invalid",
        optional="nobody",
        session="refresh_invalid",
        action="refresh",
    ),
    State(
        "garbage-in-both-cookies",
        _both_garbage,
        "token_invalid",
        "refresh_invalid",
        session="refresh_invalid",
    ),
    State("empty-cookies", _empty_cookies, "token_invalid", "refresh_missing"),
    State(
        "each-token-in-the-other's-cookie",
        _exchanged,
        "token_invalid",
        "refresh_invalid",
        session="refresh_invalid",
    ),
    State(
        "duplicate-access-cookie",
        _double_access,
        "cookie_duplicate",
        "cookie_duplicate",
        logout="cookie_duplicate",
    ),
    State(
        "duplicate-refresh-cookie",
        _double_refresh,
        "cookie_duplicate",
        "cookie_duplicate",
        logout="cookie_duplicate",
    ),
    State("bearer", _bearer, "ok", "refresh_missing"),
    State("bearer-expired", _bearer_expired, "token_expired", "refresh_missing"),
    State(
        "bearer-forged",
        _bearer_forged,
        "token_invalid",
        "refresh_missing",
        logout="token_invalid",
    ),
    State("bearer-revoked", _bearer_revoked, "session_revoked", "refresh_missing"),
    State("header-and-cookie-agree", _agreeing, "ok", "rotated"),
    State(
        "header-and-cookie-disagree",
        _disagreeing,
        "token_invalid",
        "rotated",
        can_refresh=True,
        logout="token_invalid",
    ),
    State(
        "token-from-the-future",
        _too_early,
        "token_not_yet_valid",
        "rotated",
        can_refresh=True,
    ),
]
