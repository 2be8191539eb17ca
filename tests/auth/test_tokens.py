"""An issuer and a verifier that stand alone, as services without sessions use them."""

import secrets
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.auth.conftest import POLICY, RING

from resilient_auth import (
    ConfigError,
    Key,
    KeyRing,
    Refused,
    TokenIssuer,
    TokenPolicy,
    TokenVerifier,
)
from resilient_auth.core.algorithms import ALGORITHMS
from resilient_auth.core.jws import sign_jws
from resilient_auth.testing import FrozenClock

CLOCK = FrozenClock()
ISSUER = TokenIssuer(RING, POLICY, clock=CLOCK)
VERIFIER = TokenVerifier(RING, POLICY, clock=CLOCK)


def refusal(token: Any, verifier: TokenVerifier = VERIFIER) -> str:
    """Return the code by which *token* is refused."""
    with pytest.raises(Refused) as caught:
        verifier.verify(token)
    return caught.value.code


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_what_is_issued_is_verified(alg: str) -> None:
    """Each claim comes back in its own field, the user's own beside them."""
    ring = KeyRing([Key.generate(alg)])
    token = TokenIssuer(ring, POLICY, clock=CLOCK).issue("ann", {"role": "x"}, ttl=60)
    claims = TokenVerifier(ring, POLICY, clock=CLOCK).verify(token)
    now = int(CLOCK.time())

    assert (POLICY.issuer, "ann", POLICY.audience) == (
        claims.issuer,
        claims.subject,
        claims.audience,
    )
    assert (now, now + 60, {"role": "x"}) == (
        claims.issued_at,
        claims.expires_at,
        claims.extra,
    )


def test_others_can_read_our_tokens() -> None:
    """RFC 9068: PyJWT verifies them with the same key, type and audience included."""
    secret = secrets.token_bytes(32)
    ring = KeyRing([Key.from_secret(secret, kid="k1")])
    token = TokenIssuer(ring, POLICY, clock=CLOCK).issue("ann", {"n": 1})
    said = jwt.decode(
        token,
        secret,
        algorithms=["HS256"],
        audience=POLICY.audience,
        options={"verify_exp": False, "verify_iat": False},
    )

    assert {"alg": "HS256", "typ": "at+jwt", "kid": "k1"} == (
        jwt.get_unverified_header(token)
    )
    assert {"iss", "sub", "aud", "iat", "exp", "jti", "n"} == said.keys()


@pytest.mark.parametrize("alg", ["RS256", "PS512", "ES384", "EdDSA"])
def test_a_service_with_the_public_half_verifies(alg: str) -> None:
    """It needs no secret and no session store, and cannot be made an issuer."""
    private = Key.generate(alg)
    public = KeyRing([Key.from_jwk(private.public_jwk())])
    token = TokenIssuer(KeyRing([private]), POLICY, clock=CLOCK).issue("ann")

    assert "ann" == TokenVerifier(public, POLICY, clock=CLOCK).verify(token).subject
    with pytest.raises(ConfigError, match="public"):
        TokenIssuer(public, POLICY)


def test_no_two_tokens_are_the_same() -> None:
    """Each has an id of its own, also within one second."""
    assert 20 == len({ISSUER.issue("ann") for _ in range(20)})


@given(
    st.text(min_size=1, max_size=40),
    st.dictionaries(
        st.text(min_size=1, max_size=20),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=8,
        ),
        max_size=4,
    ),
)
def test_an_issuer_makes_nothing_that_its_verifier_refuses(
    subject: str, claims: dict[str, Any]
) -> None:
    """Any subject and any claims: a good token, or an error to the developer."""
    try:
        token = ISSUER.issue(subject, claims)
    except (TypeError, ValueError):
        return

    assert subject == VERIFIER.verify(token).subject


@pytest.mark.parametrize("ttl", [0, -1, 86_401, 1.5, float("nan"), "60"])
def test_a_life_out_of_bounds_is_refused(ttl: Any) -> None:
    """By the issuer already, since every verifier would refuse it."""
    with pytest.raises((TypeError, ValueError)):
        ISSUER.issue("ann", ttl=ttl)


def test_a_public_key_issues_nothing() -> None:
    """Found when the issuer is built; to verify it is enough."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    own = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = KeyRing([Key.from_pem(pem, kid="e1")])
    token = TokenIssuer(
        KeyRing([Key.from_pem(own, kid="e1")]), POLICY, clock=CLOCK
    ).issue("ann")

    with pytest.raises(ConfigError, match="newest key is public"):
        TokenIssuer(public, POLICY)
    assert "ann" == TokenVerifier(public, POLICY, clock=CLOCK).verify(token).subject


def test_the_newest_key_signs_and_all_verify() -> None:
    """A rotation breaks no token that is under way; a removal ends them."""
    old, new = Key.generate("HS256", kid="old"), Key.generate("HS256", kid="new")
    token = TokenIssuer(KeyRing([old]), POLICY, clock=CLOCK).issue("ann")
    both = KeyRing([old, new])
    newer = TokenIssuer(both, POLICY, clock=CLOCK).issue("ann")
    verifier = TokenVerifier(both, POLICY, clock=CLOCK)

    assert "new" == jwt.get_unverified_header(newer)["kid"]
    assert "ann" == verifier.verify(token).subject == verifier.verify(newer).subject
    assert "token_invalid" == refusal(
        token, TokenVerifier(KeyRing([new]), POLICY, clock=CLOCK)
    )


def test_a_token_is_for_one_issuer_and_one_audience() -> None:
    """The same key may serve several services, and none takes another's tokens."""
    for policy in (
        TokenPolicy(issuer="https://api.example.com/", audience="api"),
        TokenPolicy(issuer="https://api.example.com", audience="api2"),
    ):
        verifier = TokenVerifier(RING, policy, clock=CLOCK)

        assert "token_invalid" == refusal(ISSUER.issue("ann"), verifier)


@pytest.mark.parametrize("typ", ["JWT", "at+JWT", "rt+jwt", "application/at+jwt", ""])
def test_a_token_of_another_type_is_refused(typ: str) -> None:
    """Signed by us for another purpose (RFC 8725 §3.11)."""
    payload = jwt.api_jws.PyJWS().decode_complete(
        ISSUER.issue("ann"), options={"verify_signature": False}
    )["payload"]

    assert "token_invalid" == refusal(sign_jws(payload, RING.signing, typ=typ))


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-31, "token_not_yet_valid"), (-30, ""), (629, ""), (630, "token_expired")],
)
def test_the_boundaries_of_a_life(seconds: int, code: str) -> None:
    """From ``iat - leeway`` and while ``now < exp + leeway``."""
    clock = FrozenClock()
    token = TokenIssuer(RING, POLICY, clock=clock).issue("ann")
    verifier = TokenVerifier(RING, POLICY, clock=clock)
    clock.jump(seconds)

    if code:
        assert code == refusal(token, verifier)
    else:
        assert "ann" == verifier.verify(token).subject
    assert "ann" == verifier.identify(token).subject


def test_a_clock_is_not_needed() -> None:
    """Without one it is the machine's own."""
    token = TokenIssuer(RING, POLICY).issue("ann")

    assert "ann" == TokenVerifier(RING, POLICY).verify(token).subject


@given(st.text() | st.binary())
def test_whatever_comes_is_refused(token: str | bytes) -> None:
    """No text and no bytes raise anything but `Refused`."""
    assert "token_invalid" == refusal(token)


@given(st.data())
def test_a_changed_token_is_refused(data: st.DataObject) -> None:
    """Any one character, anywhere."""
    token = ISSUER.issue("ann")
    at = data.draw(st.integers(0, len(token) - 1))
    alphabet = st.sampled_from("ABCXYZabcxyz0189-_.=+/ \né")
    other = data.draw(alphabet.filter(lambda each: each != token[at]))

    assert "token_invalid" == refusal(token[:at] + other + token[at + 1 :])
