"""Claims near the limit: a new key has room for them, and nothing is half-written."""

import secrets
from collections.abc import Callable

import pytest
from tests.auth.conftest import POLICY, Build, World, refusal

from resilient_auth import Key, KeyRing, TokenPolicy
from resilient_auth.auth.shell import ROOM_TO_LIVE
from resilient_auth.core.claims import MAX_ISSUED_BYTES

SECRET = secrets.token_bytes(32)
MASTERS = {"m": secrets.token_bytes(32)}
RSA = Key.generate("RS256", kid="r")


def ring(kid: str = "k") -> KeyRing:
    """Return the ring of the deployment that opened the session, or under *kid*."""
    return KeyRing([Key.from_secret(SECRET, kid=kid)], MASTERS)


def limited(longest: int) -> TokenPolicy:
    """Return the usual policy with another limit."""
    return TokenPolicy(
        issuer=POLICY.issuer, audience=POLICY.audience, max_issued_bytes=longest
    )


def longest_claims(world: World) -> dict[str, object]:
    """Return the longest claims with which a login succeeds."""
    few, many = 0, MAX_ISSUED_BYTES
    while many - few > 1:
        half = (few + many) // 2
        try:
            world.auth.login("probe", {"x": "y" * half})
            few = half
        except ValueError:
            many = half
    return {"x": "y" * few}


@pytest.mark.parametrize(
    "key",
    [Key.from_secret(SECRET, kid="k" * 64), Key.generate("EdDSA"), RSA],
    ids=lambda key: key.alg,
)
def test_the_longest_claims_fit_under_another_key(build: Build, key: Key) -> None:
    """Who moves from a secret to a key pair logs nobody out."""
    old = build(ring=ring())
    tokens = old.auth.login("ann", longest_claims(old))
    new = build(store=old.store, clock=old.clock, ring=KeyRing([key], MASTERS))
    for _ in range(11):
        tokens = new.auth.refresh(tokens.refresh_token)
        old.clock.advance(31)

    assert ("rotated", 11) == (tokens.rotation, tokens.session.generation)
    assert len(tokens.access_token) <= MAX_ISSUED_BYTES


def test_claims_that_fit_no_more_end_their_session(build: Build) -> None:
    """The policy was lowered: an honest end, and no alarm of a theft after the next."""
    old = build(ring=ring())
    tokens = old.auth.login("ann", longest_claims(old))
    limit = MAX_ISSUED_BYTES - ROOM_TO_LIVE - 10
    new = build(store=old.store, clock=old.clock, ring=ring(), policy=limited(limit))
    with pytest.raises(ValueError, match="The claims make a token of"):
        new.auth.refresh(tokens.refresh_token)
    old.clock.advance(31)

    assert "session_revoked" == refusal(new.auth.refresh, tokens.refresh_token)
    assert ["session_rotated", "session_ended", "refresh_refused"] == new.names()
    assert "claims_too_long" == new.told[1].reason


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "replayed"])
def test_a_race_over_outgrown_claims_ends_nothing(build: Build, *, kept: bool) -> None:
    """Half of the hosts have a lower limit when the session rotates on another."""
    old = build(ring=ring())
    first = old.auth.login("ann", longest_claims(old))
    second = old.auth.refresh(first.refresh_token)
    limit = MAX_ISSUED_BYTES - ROOM_TO_LIVE - 10
    new = build(store=old.store, clock=old.clock, ring=ring(), policy=limited(limit))
    with pytest.raises(ValueError, match="The claims make a token of"):
        new.auth.refresh((second if kept else first).refresh_token)
    old.clock.advance(31)

    assert "rotated" == old.auth.refresh(second.refresh_token).rotation


def answering(claims: dict[str, object]) -> Callable[[object], dict[str, object]]:
    """Return an ``on_refresh`` that says *claims*."""
    return lambda _: claims


@pytest.mark.parametrize("key", [Key.from_secret(SECRET, kid="k" * 64), RSA], ids=repr)
def test_what_on_refresh_says_is_measured_under_the_new_key(
    build: Build, key: Key
) -> None:
    """It would have fitted under the old one; now it rotates nothing."""
    old = build(ring=ring())
    claims = longest_claims(old) | {"and": "z" * 300}
    tokens = old.auth.login("ann")
    new = build(
        store=old.store,
        clock=old.clock,
        ring=KeyRing([key], MASTERS),
        on_refresh=answering(claims),
    )
    with pytest.raises(ValueError, match="The claims make a token of"):
        new.auth.refresh(tokens.refresh_token)

    assert tokens.session == old.store.find(tokens.session.id)
