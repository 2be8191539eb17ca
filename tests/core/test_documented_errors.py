"""
No public call raises anything but what its docstring names, whatever it is given.

`make deep` asks each of these a hundred thousand times. In other libraries a broken
token is a 500, and a broken key prints itself.
"""

import copy
import json
import math
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

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
from resilient_auth.core.jwks import read_jwks
from resilient_auth.core.jws import open_jws, sign_jws
from resilient_auth.testing import FrozenClock

pytestmark = pytest.mark.deep

NOW = 1_800_000_000
CLOCK = FrozenClock(NOW)
POLICY = TokenPolicy(issuer="https://api.example.com", audience="api")
KEYS = {alg: Key.generate(alg, kid="k1") for alg in ("HS256", "EdDSA")}
RINGS = {alg: KeyRing([key]) for alg, key in KEYS.items()}
VERIFIERS = [
    TokenVerifier(RINGS["HS256"], POLICY, clock=CLOCK),
    TokenVerifier(RINGS["EdDSA"], POLICY, clock=CLOCK),
    TokenVerifier(RINGS["HS256"], POLICY, cache=10, clock=CLOCK),
]
ISSUERS = {alg: TokenIssuer(ring, POLICY, clock=CLOCK) for alg, ring in RINGS.items()}
ALGS = st.sampled_from(sorted(KEYS))

# ------------------------------------------------------------------ what is given

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([NOW, NOW + 600, 2**53, -1, 1e400, "k1", "api", POLICY.issuer])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
ANYTHING = (
    JSON
    | st.binary(max_size=40)
    | st.binary(max_size=40).map(bytearray)
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
    | st.sets(st.integers(), max_size=3)
    | st.just(object())
    | st.just(math.inf)
)
SAID = {
    "iss": POLICY.issuer,
    "sub": "ann",
    "aud": "api",
    "iat": NOW,
    "exp": NOW + 600,
    "jti": "t1",
}
HEADER = {"alg": "HS256", "typ": ACCESS_TOKEN_TYPE, "kid": "k1"}
NAMES = st.sampled_from([*sorted(RESERVED), "role"]) | st.text(max_size=8)
CHANGES = st.dictionaries(NAMES, JSON, max_size=3)
HEADER_NAMES = st.sampled_from(["alg", "typ", "kid", "crit", "jwk", "zip", "b64"])


def as_bytes(value: Any) -> bytes:
    """Return *value* as JSON reads it elsewhere: NaN, surrogates and all."""
    return json.dumps(value).encode()


DAMAGED = st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=4))


def damaged(raw: bytes, damage: tuple[int, int, bytes]) -> bytes:
    """Return *raw* with a few bytes taken out and put in."""
    place, taken, put = damage
    return raw[:place] + put + raw[place + taken :]


@st.composite
def signed(draw: st.DrawFn) -> str:
    """Make a token whose signature holds, and whose parts may be anything."""
    alg = draw(ALGS)
    header = (
        HEADER | {"alg": alg} | draw(st.dictionaries(HEADER_NAMES, JSON, max_size=2))
    )
    parts = [as_bytes(header), as_bytes(SAID | draw(CHANGES))]
    if draw(st.booleans()):
        parts[draw(st.integers(0, 1))] += draw(st.binary(max_size=6))
    if draw(st.booleans()):
        place = draw(st.integers(0, 1))
        parts[place] = damaged(parts[place], draw(DAMAGED))
    signing_input = b".".join(map(base64url.encode, parts))
    signature = base64url.encode(KEYS[alg].sign(signing_input))
    return (signing_input + b"." + signature).decode()


SEGMENT = st.binary(max_size=40).map(lambda raw: base64url.encode(raw).decode())
TOKENS = (
    signed()
    | signed().map(str.encode)
    | st.tuples(signed(), DAMAGED).map(lambda t: damaged(t[0].encode(), t[1]))
    | st.lists(SEGMENT, max_size=5).map(".".join)
    | st.text(max_size=60)
    | ANYTHING
)


# ------------------------------------------------------------------ tokens


@given(TOKENS)
def test_a_token_is_verified_or_refused(token: Any) -> None:
    """Whatever stands in a header, the caller has one exception to catch."""
    for verifier in VERIFIERS:
        for read in (verifier.verify, verifier.identify):
            code = refusal(lambda read=read: read(token))

            assert code in {"", "token_invalid", "token_expired", "token_not_yet_valid"}
            if not code:
                assert isinstance(read(token), Claims)


@given(TOKENS)
def test_a_signature_holds_or_is_refused(token: Any) -> None:
    """The gate alone, which other protocols may use."""
    for ring in RINGS.values():
        assert refusal(lambda ring=ring: open_jws(token, ring)) in {"", "token_invalid"}


def refusal(work: Callable[[], object]) -> str:
    """Return the code by which *work* is refused, or nothing."""
    try:
        work()
    except Refused as error:
        return error.code
    return ""


@given(
    alg=ALGS,
    subject=st.text(max_size=10) | ANYTHING,
    claims=st.dictionaries(NAMES | SCALARS, ANYTHING, max_size=3) | ANYTHING,
    ttl=st.none() | st.integers(1, 86_400) | ANYTHING,
)
def test_claims_are_issued_or_named_as_wrong(
    alg: str, subject: Any, claims: Any, ttl: Any
) -> None:
    """What is issued is good; what is not is the developer's, and stays unchanged."""
    before = repr(claims)
    try:
        token = ISSUERS[alg].issue(subject, claims, ttl=ttl)
    except (TypeError, ValueError):
        token = ""

    assert before == repr(claims)
    if token:
        verifier = VERIFIERS[["HS256", "EdDSA"].index(alg)]
        assert subject == verifier.verify(token).subject


@given(
    st.dictionaries(
        st.sampled_from(
            ["issuer", "audience", "access_ttl", "max_ttl", "leeway", "max_token_bytes"]
        ),
        ANYTHING,
    )
)
def test_a_policy_is_built_or_refused(said: dict[str, Any]) -> None:
    """And what is built can be used."""
    try:
        policy = TokenPolicy(**({"issuer": "i", "audience": "a"} | said))
    except ConfigError:
        return
    ring = RINGS["HS256"]
    try:
        token = TokenIssuer(ring, policy, clock=CLOCK).issue("ann")
    except ValueError:  # max_token_bytes
        return

    assert "ann" == TokenVerifier(ring, policy, clock=CLOCK).verify(token).subject


# ------------------------------------------------------------------ keys

ALGORITHM = st.sampled_from(["HS256", "HS512", "EdDSA", "ES256", "RS256", "none", ""])
PRIVATE = {alg: Key.generate(alg, kid="k1") for alg in ("EdDSA", "ES256", "RS256")}
JWKS = [key.secret_jwk() for key in (KEYS["HS256"], *PRIVATE.values())]
JWKS += [key.public_jwk() for key in PRIVATE.values()]
MEMBERS = st.sampled_from(
    ["kty", "alg", "use", "key_ops", "kid", "crv", "x", "y", "n", "e", "d", "k", "p"]
)
JWK = st.tuples(
    st.sampled_from(JWKS), st.dictionaries(MEMBERS, JSON, max_size=2), st.sets(MEMBERS)
).map(
    lambda t: {name: each for name, each in (t[0] | t[1]).items() if name not in t[2]}
)
PEM = b"-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n"


def built(build: Callable[[], Key]) -> None:
    """Build a key, or have it refused; what is built can be used."""
    try:
        key = build()
    except ConfigError:
        return
    assert repr(key) == f"Key(kid={key.kid!r}, alg={key.alg!r})"
    if key.can_sign:
        assert key.verify(b"message", key.sign(b"message"))
    assert not key.verify(b"message", b"")


@given(
    st.binary(max_size=80) | ANYTHING | st.just(os.urandom(64)),
    ALGORITHM | ANYTHING,
    st.none() | st.text(max_size=5) | ANYTHING,
)
def test_a_secret_makes_a_key_or_is_refused(secret: Any, alg: Any, kid: Any) -> None:
    """Short, weak, of the wrong type, or somebody's public key."""
    built(lambda: Key.from_secret(secret, alg=alg, kid=kid))


@given(
    st.binary(max_size=80).map(lambda raw: PEM % raw) | st.binary() | ANYTHING,
    ALGORITHM | ANYTHING,
)
def test_a_pem_makes_a_key_or_is_refused(pem: Any, alg: Any) -> None:
    """Not even cryptography's own errors come through."""
    built(lambda: Key.from_pem(pem, alg=alg))


@given(JWK | ANYTHING, st.none() | ALGORITHM | ANYTHING)
def test_a_jwk_makes_a_key_or_is_refused(jwk: Any, alg: Any) -> None:
    """Members that are missing, foreign, contradicting or of the wrong type."""
    before = copy.deepcopy(jwk) if isinstance(jwk, dict) else None
    built(lambda: Key.from_jwk(jwk, alg=alg))

    assert before is None or repr(before) == repr(jwk)


@given(
    st.lists(JWK | JSON, max_size=3).map(lambda keys: as_bytes({"keys": keys}))
    | st.tuples(st.just(as_bytes({"keys": JWKS[-3:]})), DAMAGED).map(
        lambda t: damaged(*t)
    )
    | JSON.map(as_bytes)
    | st.binary(max_size=60)
)
@example(b'{"keys":[{"kid":"k1","kty":[]}]}')
def test_a_set_is_read_or_refused(document: bytes) -> None:
    """A fetched set is a stranger's text; no key of it holds a secret."""
    try:
        keys = read_jwks(document)
    except ConfigError:
        keys = ()

    assert not any(key.can_sign or key.is_symmetric for key in keys)


@given(st.lists(st.sampled_from([*KEYS.values(), *PRIVATE.values()]), max_size=3))
def test_a_ring_is_built_or_refused(keys: list[Key]) -> None:
    """And what it signs, it verifies."""
    try:
        ring = KeyRing(keys)
    except ConfigError:
        return
    token = sign_jws(b"{}", ring.signing, typ="x")

    assert b"{}" == open_jws(token, ring).payload
