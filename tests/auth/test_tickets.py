"""A ticket lets one socket in, once, within 30 seconds, and only where it belongs."""

import hmac
from collections.abc import Callable
from typing import Any

import pytest
from tests.auth.conftest import RING, Build, World, refusal

from resilient_auth import Key, KeyRing, Principal, Refused, TokenPolicy, Unavailable
from resilient_auth.core.keys import derive
from resilient_auth.core.seals import Seal
from resilient_auth.events import TokenRefused
from resilient_auth.testing import FrozenClock
from resilient_auth.testing.wire import BreakableStore


def who(world: World, **claims: object) -> Principal:
    """Return ann, who has just logged in."""
    principal: Principal = world.auth.verify(
        world.auth.login("ann", claims, amr=("pwd", "otp")).access_token
    )
    return principal


def test_a_ticket_stands_for_its_session(world: World) -> None:
    """The socket is told what the access token would have told."""
    ann = who(world, role="user")
    ticket = world.auth.ticket(ann, "chat", bound_to="/chat")

    assert ann == world.auth.redeem(ticket, "chat", bound_to="/chat")
    assert ["session_opened"] == world.names()


def test_what_it_stands_for_is_read_anew(build: Build) -> None:
    """A role that changed between the ticket and the socket is the new one."""
    world = build(on_refresh=lambda _: {"role": "none"})
    tokens = world.auth.login("ann", {"role": "admin"})
    ticket = world.auth.ticket(world.auth.verify(tokens.access_token), "chat")
    world.auth.refresh(tokens.refresh_token)

    assert {"role": "none"} == world.auth.redeem(ticket, "chat").claims


def test_a_ticket_never_outlives_its_session(build: Build) -> None:
    """The principal's end is that of the session, if that is nearer."""
    world = build(idle=100)
    ticket = world.auth.ticket(who(world), "chat")

    assert int(world.clock.time()) + 100 == world.auth.redeem(ticket, "chat").expires_at


def test_a_ticket_is_good_once(world: World) -> None:
    """It stood in a URL, so it stands in logs."""
    ann = who(world)
    ticket, other = world.auth.ticket(ann, "chat"), world.auth.ticket(ann, "chat")
    world.auth.redeem(ticket, "chat")

    assert "token_invalid" == refusal(world.auth.redeem, ticket, "chat")
    assert ann == world.auth.redeem(other, "chat")
    assert ["used before"] == [
        each.reason for each in world.told if isinstance(each, TokenRefused)
    ]


@pytest.mark.parametrize(
    ("age", "code"),
    [(29, ""), (29.9, ""), (30, "token_expired"), (9e9, "token_expired")],
)
def test_a_ticket_is_good_for_30_seconds(world: World, age: float, code: str) -> None:
    """Its action is to give up: there is nothing to refresh, ask for a new one."""
    ticket = world.auth.ticket(who(world), "chat")
    world.clock.advance(age)
    if not code:
        assert "ann" == world.auth.redeem(ticket, "chat").subject
        return
    with pytest.raises(Refused) as caught:
        world.auth.redeem(ticket, "chat")

    assert (code, "give_up") == (caught.value.code, caught.value.action)


@pytest.mark.parametrize(
    ("purpose", "bound_to"),
    [
        ("Chat", "/chat"),
        ("chat ", "/chat"),
        ("", "/chat"),
        (None, "/chat"),
        (7, "/chat"),
        ("chat", ""),
        ("chat", "/chat/"),
        ("chat", "https://app.example.com"),
        ("chat", None),
        ("\ud800", "/chat"),
    ],
    ids=repr,
)
def test_a_ticket_opens_what_it_was_made_for(
    world: World, purpose: Any, bound_to: Any
) -> None:
    """Another purpose or place is refused, and does not use it up."""
    ticket = world.auth.ticket(who(world), "chat", bound_to="/chat")

    assert "token_invalid" == refusal(
        world.auth.redeem, ticket, purpose, bound_to=bound_to
    )
    assert "ann" == world.auth.redeem(ticket, "chat", bound_to="/chat").subject


@pytest.mark.parametrize("end", ["logout", "elsewhere", "expired", "purged"])
def test_a_ticket_of_an_ended_session_opens_nothing(build: Build, end: str) -> None:
    """The store is asked, so a logout in another process counts at once."""
    world = build(idle=20, absolute=20, grace=10)
    ann = who(world)
    ticket = world.auth.ticket(ann, "chat")
    if end == "logout":
        world.auth.logout(ann.session_id)
    elif end == "elsewhere":
        world.store.end(ann.session_id, now=0, reason="elsewhere")
    elif end == "purged":
        world.store.purge(2**50, limit=10)
    else:
        world.clock.advance(20)
    code = refusal(world.auth.redeem, ticket, "chat")

    assert ("session_expired" if end == "expired" else "session_revoked") == code
    assert code == world.told[-1].code


def foreign(text: str = "") -> Callable[[World], str]:
    """Return a maker of *text*, whatever the world."""
    return lambda _: text


def sealed(value: Any, purpose: str = "ticket") -> Callable[[World], str]:
    """Return a maker of a seal of ours that holds *value*."""
    return lambda world: Seal(RING.masters(purpose), purpose).write(
        value, token_id="t", expires_at=int(world.clock.time()) + 30
    )


def of_another_ring(_: World) -> str:
    """Return a ticket that somebody else's keys signed."""
    ring = KeyRing([Key.generate("HS256", kid="k1")])
    seal = Seal(ring.masters("ticket"), "ticket")
    return seal.write({"sid": "s", "for": "chat", "to": ""}, token_id="t", expires_at=2)


NOT_TICKETS: dict[str, Callable[[World], Any]] = {
    "empty": foreign(""),
    "text": foreign("x"),
    "not-ascii": foreign("é.é"),
    "surrogate": foreign("\ud800"),
    "long": foreign("a" * 1_000_000),
    "none": lambda _: None,
    "bytes": lambda world: world.auth.ticket(who(world), "chat").encode(),
    "access-token": lambda world: world.auth.login("ann").access_token,
    "refresh-token": lambda world: world.auth.login("ann").refresh_token,
    "csrf-token": lambda world: world.auth.csrf.issue("s" * 32),
    "padding": lambda world: world.auth.ticket(who(world), "chat") + "=",
    "newline": lambda world: world.auth.ticket(who(world), "chat") + "\n",
    "foreign-key": of_another_ring,
    "purpose-of-another": sealed({"sid": "s", "for": "chat", "to": ""}, "csrf"),
    "no-session": sealed({"for": "chat", "to": ""}),
    "session-number": sealed({"sid": 7, "for": "chat", "to": ""}),
}


@pytest.mark.parametrize("name", NOT_TICKETS)
def test_what_is_no_ticket_is_refused(world: World, name: str) -> None:
    """By one coarse code, and before any store access; no login would help."""
    given = NOT_TICKETS[name](world)
    world.store.is_down = True

    with pytest.raises(Refused) as caught:
        world.auth.redeem(given, "chat")
    assert ("token_invalid", "give_up") == (caught.value.code, caught.value.action)
    assert isinstance(world.told[-1], TokenRefused)


def test_a_ticket_is_no_access_token(world: World) -> None:
    """Nor a refresh token: each has a key of its own."""
    ticket = world.auth.ticket(who(world), "chat")

    assert "token_invalid" == refusal(world.auth.verify, ticket)
    assert "refresh_invalid" == refusal(world.auth.refresh, ticket)


@pytest.mark.parametrize(
    ("principal", "purpose", "bound_to", "error"),
    [
        ("", "", "", ValueError),
        ("", "a\nb", "", ValueError),
        ("", "a" * 257, "", ValueError),
        ("", None, "", ValueError),
        ("", "chat", None, TypeError),
        ("", "chat", b"/", TypeError),
        ("", "chat", "/" * 4_000, ValueError),
        ("", "chat", "\ud800", ValueError),
        (None, "chat", "", TypeError),
        ("ann", "chat", "", TypeError),
    ],
)
def test_what_a_ticket_cannot_say(
    world: World, principal: Any, purpose: Any, bound_to: Any, error: type[Exception]
) -> None:
    """None is what ``optional`` gives to the anonymous; they get no ticket."""
    given = who(world) if principal == "" else principal

    with pytest.raises(error):
        world.auth.ticket(given, purpose, bound_to=bound_to)


def test_a_ticket_is_made_without_the_store(world: World) -> None:
    """And redeemed with it: while it is down, 503, and the ticket may be used up."""
    ann = who(world)
    world.store.is_down = True
    ticket = world.auth.ticket(ann, "chat")
    with pytest.raises(Unavailable):
        world.auth.redeem(ticket, "chat")
    world.store.is_down = False
    assert ann == world.auth.redeem(ticket, "chat")

    lost = world.auth.ticket(ann, "chat")
    world.store.loses_answers = True
    with pytest.raises(Unavailable):
        world.auth.redeem(lost, "chat")
    world.store.loses_answers = False
    assert "token_invalid" == refusal(world.auth.redeem, lost, "chat")


def test_every_key_of_the_ring_redeems(build: Build) -> None:
    """A rotation between the ticket and the socket needs no luck."""
    world = build()
    old, new = RING.keys[0], Key.generate("HS256", kid="k2")
    ahead = build(store=world.store, clock=world.clock, ring=KeyRing([old, new]))
    ticket = world.auth.ticket(who(world), "chat")
    newer = ahead.auth.ticket(who(world), "chat")

    assert "ann" == ahead.auth.redeem(ticket, "chat").subject
    assert "token_invalid" == refusal(world.auth.redeem, newer, "chat")


def test_a_host_ahead_does_not_forget_for_one_behind(build: Build) -> None:
    """Clocks differ by up to the leeway (S12): what is used stays used on both."""
    store, clock, fast = BreakableStore(), FrozenClock(), FrozenClock()
    policy = TokenPolicy(issuer="i", audience="a", leeway=10)
    here = build(store=store, clock=clock, policy=policy)
    there = build(store=store, clock=fast, policy=policy)
    ticket = here.auth.ticket(who(here), "chat")
    here.auth.redeem(ticket, "chat")
    clock.advance(29)
    fast.advance(38)
    for _ in range(3):
        there.auth.redeem(there.auth.ticket(who(there), "chat"), "chat")

    assert "token_invalid" == refusal(here.auth.redeem, ticket, "chat")


def test_the_key_of_tickets_is_theirs_alone() -> None:
    """K10: derived for the purpose, from no other purpose's secret."""
    secret = b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*"
    ring = KeyRing([Key.from_secret(secret, kid="k1")])

    purposes = ("ticket", "csrf", "x")
    macs = {ring.masters(each).mac("k1", b"x") for each in purposes}

    assert hmac.digest(derive(secret, "ticket"), b"x", "sha256") in macs
    assert 3 == len(macs)
