"""What is issued verifies; what verifies, PyJWT accepts with the same claims."""

import datetime as dt
import json
from types import MappingProxyType
from typing import Any

import jwt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jwt import api_jwt

from resilient_auth import (
    Claims,
    ConfigError,
    Key,
    KeyRing,
    Refused,
    TokenIssuer,
    TokenPolicy,
    TokenVerifier,
)
from resilient_auth.core import base64url
from resilient_auth.core.claims import ACCESS_TOKEN_TYPE, RESERVED
from resilient_auth.core.jws import sign_jws
from resilient_auth.testing import FrozenClock

NOW = 1_800_000_000
SECRET = b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*"
HMAC = Key.from_secret(SECRET, kid="k1")
POLICY = TokenPolicy(issuer="https://api.example.com", audience="api")
CLOCK = FrozenClock(NOW)
ISSUER = TokenIssuer(KeyRing([HMAC]), POLICY, clock=CLOCK)
VERIFIER = TokenVerifier(KeyRing([HMAC]), POLICY, clock=CLOCK)
SAID = {
    "iss": "https://api.example.com",
    "sub": "ann",
    "aud": "api",
    "iat": NOW,
    "exp": NOW + 600,
    "jti": "t1",
}


def code_of(token: Any, verifier: TokenVerifier = VERIFIER) -> str:
    """Return the public code with which *token* is refused, or nothing."""
    try:
        verifier.verify(token)
    except Refused as error:
        return error.code
    return ""


# ------------------------------------------------------------------ issuing


@pytest.mark.parametrize("alg", ["HS256", "EdDSA"])
def test_what_is_issued_is_verified(alg: str) -> None:
    """The whole way round, and PyJWT reads our tokens too (RFC 9068 §2)."""
    ring = KeyRing([Key.generate(alg, kid="k1")])
    token = TokenIssuer(ring, POLICY, clock=CLOCK).issue("ann", {"role": "admin"})
    claims = TokenVerifier(ring, POLICY, clock=CLOCK).verify(token)

    assert ("ann", NOW, NOW + 600, {"role": "admin"}) == (
        claims.subject,
        claims.issued_at,
        claims.expires_at,
        claims.extra,
    )
    assert {"alg": alg, "typ": "at+jwt", "kid": "k1"} == jwt.get_unverified_header(
        token
    )


def test_no_two_tokens_are_the_same() -> None:
    """Each has its own id, also within one second."""
    ids = {VERIFIER.verify(ISSUER.issue("ann")).token_id for _ in range(50)}

    assert 50 == len(ids)


@pytest.mark.parametrize(
    ("ttl", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (86_401, ValueError),
        (60.0, TypeError),
        (float("nan"), TypeError),
        (float("inf"), TypeError),
        ("60", TypeError),
        (dt.timedelta(seconds=60), TypeError),
        (dt.datetime(2027, 1, 1), TypeError),  # noqa: DTZ001 - the mistake itself
    ],
    ids=repr,
)
def test_a_life_that_no_verifier_would_accept_is_not_given(
    ttl: Any, error: type[Exception]
) -> None:
    """Else the developer sees a good answer, and the user a 401."""
    with pytest.raises(error):
        ISSUER.issue("ann", ttl=ttl)


def test_a_token_too_long_for_its_verifier_is_not_issued() -> None:
    """Cookies and gates have a bound; it shows at the issuer."""
    with pytest.raises(ValueError, match="max_token_bytes") as caught:
        ISSUER.issue("ann", {"x": "private" * 1500})

    assert "private" not in str(caught.value)


def test_a_public_key_issues_nothing() -> None:
    """A service that only verifies cannot be made an issuer by mistake."""
    ring = KeyRing([public_of(Key.generate("EdDSA", kid="k"))])

    with pytest.raises(ConfigError, match="public"):
        TokenIssuer(ring, POLICY)


def public_of(key: Key) -> Key:
    """Return the half of *key* that verifies."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = key._verifying.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return Key.from_pem(pem, kid=key.kid)


def test_verifying_needs_only_the_public_half() -> None:
    """The private key stays with the issuer."""
    signer = Key.generate("EdDSA", kid="k")
    token = TokenIssuer(KeyRing([signer]), POLICY).issue("ann")

    assert "" == code_of(token, TokenVerifier(KeyRing([public_of(signer)]), POLICY))


def test_an_old_key_verifies_until_it_leaves_the_ring() -> None:
    """A rotation logs nobody out; a removal does."""
    old, new = HMAC, Key.generate("HS256", kid="k2")
    token = ISSUER.issue("ann")

    assert "" == code_of(token, TokenVerifier(KeyRing([old, new]), POLICY, clock=CLOCK))
    assert "token_invalid" == code_of(token, TokenVerifier(KeyRing([new]), POLICY))


# ------------------------------------------------------------------ verifying


@pytest.mark.parametrize(
    "typ",
    ["JWT", "AT+JWT", "application/at+jwt", "at+jwt ", "rt+jwt", "logout+jwt", ""],
)
def test_another_type_is_no_access_token(typ: str) -> None:
    """RFC 8725 §3.11: an ID token or a ticket of ours must not open the API."""
    assert "token_invalid" == code_of(sign_jws(payload_of({}), HMAC, typ=typ))


def test_identifying_does_not_read_the_dates() -> None:
    """Logout must know whose expired token this is; nothing else is forgiven."""
    token = ISSUER.issue("ann", ttl=1)
    late = TokenVerifier(KeyRing([HMAC]), POLICY, clock=FrozenClock(NOW + 10_000))

    assert "token_expired" == code_of(token, late)
    assert "ann" == late.identify(token).subject
    with pytest.raises(Refused):
        late.identify(token[:-1])


def test_the_bound_of_the_policy_counts() -> None:
    """Both sides take it from the policy that they share."""
    small = TokenPolicy(issuer=POLICY.issuer, audience="api", max_token_bytes=512)
    token = ISSUER.issue("ann", {"x": "y" * 400})

    assert "token_invalid" == code_of(token, TokenVerifier(KeyRing([HMAC]), small))
    with pytest.raises(ValueError, match="max_token_bytes"):
        TokenIssuer(KeyRing([HMAC]), small).issue("ann", {"x": "y" * 400})


@pytest.mark.parametrize(
    "token", [None, 1, b"", "", "a.b.c", bytearray(b"x"), "\ud800", "é", object()]
)
def test_nothing_but_refused_comes_out(token: Any) -> None:
    """Whatever a header holds, the answer is a 401 with its code."""
    assert "token_invalid" == code_of(token)


# ------------------------------------------------------------------ beside PyJWT


class Frozen(dt.datetime):
    """PyJWT reads the calendar by itself; here it stands where ours does."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> "Frozen":
        """Return `NOW`."""
        return cls.fromtimestamp(CLOCK.time(), tz)


@pytest.fixture(scope="module", autouse=True)
def frozen_pyjwt() -> Any:
    """Let PyJWT's clock stand still."""
    patch = pytest.MonkeyPatch()
    patch.setattr(api_jwt, "datetime", Frozen)
    yield
    patch.undo()


def pyjwt(token: str) -> dict[str, Any]:
    """Return what PyJWT reads from *token* under the same policy; raises otherwise."""
    return jwt.decode(
        token,
        SECRET,
        algorithms=["HS256"],
        issuer=POLICY.issuer,
        audience=POLICY.audience,
        leeway=POLICY.leeway,
        options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
    )


def said_by(claims: Claims) -> dict[str, Any]:
    """Return *claims* in the names of the wire."""
    return {
        "iss": claims.issuer,
        "sub": claims.subject,
        "aud": claims.audience,
        "iat": claims.issued_at,
        "exp": claims.expires_at,
        "jti": claims.token_id,
    }


def payload_of(changes: dict[str, Any]) -> bytes:
    """Return the payload of a good token with *changes*."""
    return json.dumps(SAID | changes).encode()


DATES = st.integers(NOW - 100_000, NOW + 100_000)
ODD = (
    st.none()
    | st.booleans()
    | st.integers()
    | DATES
    | DATES.map(float)
    | DATES.map(str)
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.sampled_from(["api", "ann", 1]), max_size=2)
    | st.sampled_from(["api", "ann", POLICY.issuer, POLICY.issuer + "x"])
)
CHANGES = st.dictionaries(
    st.sampled_from([*sorted(RESERVED), "role", "x"]), ODD, max_size=3
)
NEAR = st.integers(-40, 40)


@pytest.mark.deep
@given(CHANGES)
def test_whatever_we_accept_pyjwt_accepts(changes: dict[str, Any]) -> None:
    """The strict gate is a subset: no token is good here that is bad elsewhere."""
    token = sign_jws(payload_of(changes), HMAC, typ=ACCESS_TOKEN_TYPE)
    if code_of(token):
        return
    claims, theirs = VERIFIER.verify(token), pyjwt(token)

    assert said_by(claims).items() <= theirs.items()
    own = {name: each for name, each in theirs.items() if name not in RESERVED}
    assert own == json.loads(json.dumps(claims.extra, default=thawed))


def thawed(value: object) -> object:
    """Return the frozen *value* as json knows it."""
    assert isinstance(value, MappingProxyType)
    return dict(value)


@pytest.mark.deep
@given(NEAR, NEAR, NEAR, st.floats(0, 1, exclude_max=True))
def test_we_and_pyjwt_agree_on_every_second(
    iat: int, nbf: int, exp: int, part: float
) -> None:
    """Around each boundary and in fractions: the same answer, no second between."""
    assume(exp > iat)
    changes = {"iat": NOW + iat, "nbf": NOW + nbf, "exp": NOW + exp}
    token = sign_jws(payload_of(changes), HMAC, typ=ACCESS_TOKEN_TYPE)
    CLOCK.jump(part)
    try:
        ours = code_of(token)
        theirs = verdict_of_pyjwt(token)
    finally:
        CLOCK.jump(NOW - CLOCK.time())

    assert theirs == ours


def verdict_of_pyjwt(token: str) -> str:
    """Return our code for what PyJWT raises."""
    try:
        pyjwt(token)
    except jwt.ExpiredSignatureError:
        return "token_expired"
    except jwt.ImmatureSignatureError:
        return "token_not_yet_valid"
    return ""


@pytest.mark.deep
@given(st.data())
def test_a_damaged_token_is_at_most_stricter_here(data: st.DataObject) -> None:
    """Signed again after the damage, so that only the reading of JSON decides."""
    raw = bytearray(payload_of({"role": ["a", {"b": 1.5}]}))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 1))] = data.draw(DAMAGE)
    token = sign_jws(bytes(raw), HMAC, typ=ACCESS_TOKEN_TYPE)

    assert code_of(token) or (
        said_by(VERIFIER.verify(token)).items() <= pyjwt(token).items()
    )


DAMAGE = st.sampled_from([bytes([c]) for c in b' \t0123456789abe+-.,:"[]{}\\\x00\xff'])


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda b: b.decode("latin-1")))
def test_no_foreign_payload_or_header_opens(text: str) -> None:
    """A token that was never signed by us is refused by both, whatever is in it."""
    segment = base64url.encode(text.encode()).decode()
    good = ISSUER.issue("ann").split(".")
    for place in range(3):
        token = ".".join([*good[:place], segment, *good[place + 1 :]])

        assert "token_invalid" == code_of(token)
