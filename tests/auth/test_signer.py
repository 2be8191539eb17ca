"""A mailed link opens one thing, for a while, and once if the store is asked."""

import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.auth.conftest import RING, Build, World, refusal

from resilient_auth import ConfigError, Refused, Signer, Unavailable
from resilient_auth.core.keys import derive
from resilient_auth.events import TokenRefused
from resilient_auth.testing import FrozenClock
from resilient_auth.testing.wire import BreakableStore

OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)


def signer(
    *keys: bytes, purpose: str = "reset", clock: FrozenClock | None = None
) -> Signer:
    """Return a signer of *keys*."""
    return Signer(list(keys or [NEW]), purpose=purpose, clock=clock or FrozenClock())


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=900))
def test_any_text_comes_back(text: str) -> None:
    """Empty, with line ends, in any script: it is data."""
    ours = signer()

    assert text == ours.open(ours.sign(text, max_age=1))


@pytest.mark.parametrize(
    ("age", "code"), [(0, ""), (599.9, ""), (600, "token_expired"), (-9_999, "")]
)
def test_it_is_open_until_its_end(age: float, code: str) -> None:
    """From the second of its end on it has expired; a clock put back is no harm."""
    clock = FrozenClock()
    ours = signer(clock=clock)
    text = ours.sign("ann", max_age=600)
    at = clock.time() + age
    if code:
        assert code == refusal(ours.open, text, now=at)
        clock.advance(age)
        assert code == refusal(ours.open, text)
    else:
        assert "ann" == ours.open(text, now=at)


def test_two_signatures_of_one_text_differ() -> None:
    """Each has an id of its own, so each is used up by itself."""
    ours = signer()

    assert 20 == len({ours.sign("ann", max_age=60) for _ in range(20)})


def test_a_list_of_secrets_is_a_rotation() -> None:
    """The newest signs, all open, and what left the list opens nothing."""
    before, both, after = signer(OLD), signer(OLD, NEW), signer(NEW)
    old, new = before.sign("ann", max_age=60), both.sign("ann", max_age=60)

    assert "ann" == both.open(old) == both.open(new) == after.open(new)
    assert "token_invalid" == refusal(after.open, old)
    assert "token_invalid" == refusal(before.open, new)


@pytest.mark.parametrize("purpose", ["Reset", "reset ", "res", "invite", "ticket"])
def test_purposes_share_a_secret_and_no_link(purpose: str) -> None:
    """A link that confirms an address does not reset a password (K10)."""
    other = signer(purpose=purpose)

    assert "token_invalid" == refusal(other.open, signer().sign("ann", max_age=60))


def test_a_ticket_is_no_link_and_a_link_no_ticket(world: World) -> None:
    """Even under the ring's own secret, and with the same word for the purpose."""
    ours = signer(
        derive(RING.signing._secret, "ticket"), purpose="ticket", clock=world.clock
    )
    who = world.auth.verify(world.auth.login("ann").access_token)
    ticket, link = world.auth.ticket(who, "chat"), ours.sign("ann", max_age=30)

    assert "token_invalid" == refusal(ours.open, ticket)
    assert "token_invalid" == refusal(world.auth.redeem, link, "chat")


def test_any_single_character_change_is_refused() -> None:
    """By itself itsdangerous takes padding, junk and four last characters."""
    ours = signer()
    text = ours.sign("ann", max_age=60)
    accepted = []
    for place in range(len(text)):
        for char in "Aa0-_.=+/ \n\x00é\ud800":
            before, after = text[:place], text[place:]
            for changed in (before + char + after, before + char + after[1:]):
                try:
                    ours.open(changed)
                except Refused:
                    continue
                accepted += [changed] if changed != text else []

    assert [] == accepted


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.b", "é", "\ud800", "x" * 1_000_000, None, 7, b"a.b", ["a.b"]],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_link_is_refused(text: Any) -> None:
    """It comes from a mail, and so from anywhere."""
    with pytest.raises(Refused) as caught:
        signer().open(text)

    assert ("token_invalid", "give_up") == (caught.value.code, caught.value.action)


@pytest.mark.parametrize(
    ("value", "max_age", "error"),
    [
        (b"ann", 60, TypeError),
        (None, 60, TypeError),
        (7, 60, TypeError),
        ("ann", 0, ValueError),
        ("ann", -1, ValueError),
        ("ann", 60.0, ValueError),
        ("ann", True, ValueError),
        ("ann", "60", ValueError),
        ("ann", 2**60, ValueError),
        ("x" * 4_000, 60, ValueError),
        ("\ud800", 60, ValueError),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_what_cannot_be_opened_is_not_signed(
    value: Any, max_age: Any, error: type[Exception]
) -> None:
    """Found by who sends the mail, and not by who clicks on it."""
    with pytest.raises(error):
        signer().sign(value, max_age=max_age)


@pytest.mark.parametrize(
    ("keys", "purpose"),
    [
        ([], "reset"),
        (NEW, "reset"),
        (None, "reset"),
        ({"a": NEW}, "reset"),
        ([NEW.hex()], "reset"),
        ([b"short"], "reset"),
        ([b"secret" * 8], "reset"),
        ([NEW, b"x" * 32], "reset"),
        ([NEW], ""),
        ([NEW], None),
        ([NEW], "a\nb"),
        ([NEW], "a" * 257),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_what_no_signer_can_be_built_from(keys: Any, purpose: Any) -> None:
    """Weak secrets are refused where they are loaded (K1, K2)."""
    with pytest.raises(ConfigError) as caught:
        Signer(keys, purpose=purpose)
    assert NEW.hex() not in str(caught.value)


# ------------------------------------------------------------------ single use


def test_a_link_is_redeemed_once(world: World) -> None:
    """The second click, or the attacker with the mail, comes too late."""
    ours = signer(clock=world.clock)
    text, other = ours.sign("ann", max_age=600), ours.sign("ann", max_age=600)

    assert "ann" == world.auth.redeem_signed(text, ours)
    assert "token_invalid" == refusal(world.auth.redeem_signed, text, ours)
    assert "ann" == world.auth.redeem_signed(other, ours)
    assert ["used before"] == [each.reason for each in world.told]


@pytest.mark.parametrize("wait", [0, 1, 599])
def test_a_used_link_stays_used_until_its_end(world: World, wait: int) -> None:
    """However many others were redeemed since."""
    ours = signer(clock=world.clock)
    text = ours.sign("ann", max_age=600)
    world.auth.redeem_signed(text, ours)
    world.clock.advance(wait)
    for _ in range(5):
        world.auth.redeem_signed(ours.sign("bob", max_age=600), ours)

    assert "token_invalid" == refusal(world.auth.redeem_signed, text, ours)


def test_a_refused_link_is_told(world: World) -> None:
    """With the exact reason, for the log."""
    ours = signer(clock=world.clock)
    text = ours.sign("ann", max_age=600)
    refusal(world.auth.redeem_signed, text + "A", ours)
    refusal(world.auth.redeem_signed, text, signer(purpose="invite"))
    world.clock.advance(600)
    refusal(world.auth.redeem_signed, text, ours)

    assert [TokenRefused] * 3 == [type(each) for each in world.told]
    assert ["token_invalid", "token_invalid", "token_expired"] == [
        each.code for each in world.told
    ]


@pytest.mark.parametrize("wrong", [None, "reset", Signer])
def test_a_link_needs_its_signer(world: World, wrong: Any) -> None:
    """The arguments are easily swapped."""
    with pytest.raises(TypeError, match="signer is the Signer"):
        world.auth.redeem_signed(signer().sign("ann", max_age=60), wrong)


def test_a_store_that_is_down_uses_up_nothing(world: World) -> None:
    """503: the same link may be opened later; a lost answer uses it up."""
    ours = signer(clock=world.clock)
    text = ours.sign("ann", max_age=600)
    world.store.is_down = True
    with pytest.raises(Unavailable):
        world.auth.redeem_signed(text, ours)
    world.store.is_down = False
    world.store.loses_answers = True
    with pytest.raises(Unavailable):
        world.auth.redeem_signed(text, ours)
    world.store.loses_answers = False

    assert "token_invalid" == refusal(world.auth.redeem_signed, text, ours)


def test_a_host_ahead_does_not_forget_for_one_behind(build: Build) -> None:
    """Clocks differ by up to the leeway (S12): what is used stays used on both."""
    store, clock, fast = BreakableStore(), FrozenClock(), FrozenClock()
    here, there = build(store=store, clock=clock), build(store=store, clock=fast)
    ours = signer(clock=clock)
    text = ours.sign("ann", max_age=60)
    here.auth.redeem_signed(text, ours)
    clock.advance(59)
    fast.advance(59 + 30)
    ahead = signer(clock=fast)
    for _ in range(3):
        there.auth.redeem_signed(ahead.sign("bob", max_age=60), ahead)

    assert "token_invalid" == refusal(here.auth.redeem_signed, text, ours)
