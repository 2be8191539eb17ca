"""A JWK is read without contradiction, and written without secrets."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import ConfigError, Key
from resilient_auth.core import base64url
from resilient_auth.core.algorithms import ALGORITHMS
from resilient_auth.core.jwk import PRIVATE_MEMBERS

KEYS = {alg: Key.generate(alg, kid="k") for alg in ALGORITHMS}
ASYMMETRIC = [alg for alg, row in ALGORITHMS.items() if row.size is None]
PEM = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def of(alg: str, /, **changed: Any) -> dict[str, Any]:
    """Return the JWK of a private key of *alg*, changed; None takes a member away."""
    jwk = KEYS[alg].secret_jwk() | changed
    return {name: value for name, value in jwk.items() if value is not None}


# ------------------------------------------------------------------ there and back


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_private_jwk_is_the_key(alg: str) -> None:
    """What the key file holds signs what the first key verifies."""
    again = Key.from_jwk(of(alg))

    assert ("k", alg) == (again.kid, again.alg)
    assert KEYS[alg].verify(b"said", again.sign(b"said"))


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_a_public_jwk_only_verifies(alg: str) -> None:
    """It is what is published, and holds nothing else."""
    said = KEYS[alg].public_jwk()
    again = Key.from_jwk(said)

    assert not said.keys() & PRIVATE_MEMBERS
    assert not again.can_sign
    assert again.verify(b"said", KEYS[alg].sign(b"said"))
    with pytest.raises(ConfigError, match="no private part"):
        again.secret_jwk()


#: The members of each kind of key, without those that all have (RFC 7518 §6, RFC 8037).
PUBLIC = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}, "oct": set()}
PRIVATE = {
    "RSA": {"d", "p", "q", "dp", "dq", "qi"},
    "EC": {"d"},
    "OKP": {"d"},
    "oct": {"k"},
}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_written_jwk_has_the_members_of_its_kind(alg: str) -> None:
    """Other tools read it too: the names are the RFC's, and nothing is added."""
    kty = ALGORITHMS[alg].kty
    head = {"kid": "k", "alg": alg, "use": "sig", "kty": kty}
    written = {"secret": (of(alg), PUBLIC[kty] | PRIVATE[kty])}
    if alg in ASYMMETRIC:
        written["public"] = (KEYS[alg].public_jwk(), PUBLIC[kty])

    for jwk, members in written.values():
        assert head.keys() | members == jwk.keys()
        assert head == {name: jwk[name] for name in head}


@pytest.mark.parametrize("private", [1, 5, 2**248 - 1])
def test_zeros_ahead_of_a_curves_number_are_written(private: int) -> None:
    """One key in 256 begins with a zero byte, and readers refuse what is too short."""
    pem = ec.derive_private_key(private, ec.SECP256R1()).private_bytes(*PEM)
    jwk = Key.from_pem(pem, alg="ES256").secret_jwk()

    assert [43, 43, 43] == [len(jwk[name]) for name in ("d", "x", "y")]
    assert jwk == Key.from_jwk(jwk).secret_jwk()


@pytest.mark.parametrize("alg", [a for a in ALGORITHMS if a not in ASYMMETRIC])
def test_a_secret_is_never_published(alg: str) -> None:
    """Who verifies with it can sign."""
    with pytest.raises(ConfigError, match="never published"):
        KEYS[alg].public_jwk()


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    """The example of RFC 7638 §3.1, so that everybody derives the same id."""
    jwk = {
        "kty": "RSA",
        "n": (
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7a"
            "PFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArw"
            "l93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0z"
            "gdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2Nc"
            "Rwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
        ),
        "e": "AQAB",
        "alg": "RS256",
    }

    assert "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" == Key.from_jwk(jwk).kid


def test_a_curve_names_the_algorithm_and_rsa_does_not() -> None:
    """An RSA key serves six algorithms: the JWK must say which, or the caller."""
    for alg in ("ES256", "ES384", "ES512", "EdDSA"):
        assert alg == Key.from_jwk(of(alg, alg=None)).alg
    with pytest.raises(ConfigError, match="say alg="):
        Key.from_jwk(of("RS256", alg=None))

    assert "PS384" == Key.from_jwk(of("RS256", alg=None), alg="PS384").alg


def test_the_callers_id_serves_where_there_is_none() -> None:
    """The JWK's own goes first: that is what tokens carry."""
    assert "k" == Key.from_jwk(of("EdDSA"), kid="mine").kid
    assert "mine" == Key.from_jwk(of("EdDSA", kid=None), kid="mine").kid


# ------------------------------------------------------------------ contradictions

RSA_1024 = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
OTHER_D = Key.generate("EdDSA").secret_jwk()["d"]
ALG = "The JWK's alg is missing or unknown; say alg=."
USE = "The JWK's use is not sig: this key is not for signatures."
OPS = "The JWK's key_ops are not the list of sign."
NO_KEY = (
    "The members of this JWK make no key: a number is out of its range, or "
    "the private part is not that of the public one."
)
SHORT = (
    "The secret is shorter than 32 bytes (RFC 7518 §3.2). Make one with: "
    "python -c 'import secrets; print(secrets.token_hex(32))'"
)
FLAWED: dict[str, tuple[Any, str]] = {
    "no-mapping": ([], "A JWK is a mapping of its members."),
    "text": ("{}", "A JWK is a mapping of its members."),
    "empty": ({}, ALG),
    "kid-number": (of("EdDSA", kid=7), "A JWK's kid is text."),
    "alg-number": (of("EdDSA", alg=7), ALG),
    "alg-list": (of("EdDSA", alg=["EdDSA"]), ALG),
    "alg-none": (of("EdDSA", alg="none"), ALG),
    "alg-unknown": (of("ES256", alg="ES256K"), ALG),
    "kty": (of("EdDSA", kty="EC"), "A key of EdDSA has the kty OKP; this JWK has not."),
    "kty-for-hmac": (
        of("HS256", kty="OKP"),
        "A key of HS256 has the kty oct; this JWK has not.",
    ),
    "alg-of-another-kty": (
        of("RS256", alg="HS256"),
        "A key of HS256 has the kty oct; this JWK has not.",
    ),
    "crv-missing": (of("ES256", crv=None), "The crv of this JWK is not that of ES256."),
    "crv-of-another-alg": (
        of("ES256", alg="ES384"),
        "The crv of this JWK is not that of ES384.",
    ),
    "crv-unknown": (
        of("ES256", crv="secp256k1"),
        "The crv of this JWK is not that of ES256.",
    ),
    "crv-448": (of("EdDSA", crv="Ed448"), "The crv of this JWK is not that of EdDSA."),
    "crv-on-rsa": (
        of("RS256", crv="P-256"),
        "The crv of this JWK is not that of RS256.",
    ),
    "use-enc": (of("RS256", use="enc"), USE),
    "use-null": (of("RS256") | {"use": None}, USE),
    "ops-encrypt": (of("RS256", key_ops=["encrypt"]), OPS),
    "ops-verify-only": (of("EdDSA", key_ops=["verify"]), OPS),
    "ops-twice": (of("EdDSA", key_ops=["sign", "sign"]), OPS),
    "ops-text": (of("EdDSA", key_ops="sign"), OPS),
    "ops-number": (of("EdDSA", key_ops=["sign", 1]), OPS),
    "ops-object": (of("EdDSA", key_ops={"sign": True}), OPS),
    "ops-of-a-public-key": (
        KEYS["EdDSA"].public_jwk() | {"key_ops": ["sign"]},
        "The JWK's key_ops are not the list of verify.",
    ),
    "ops-and-more": (of("EdDSA", key_ops=["sign", "decrypt"]), OPS),
    "ops-half-a-secret": (
        of("HS256", key_ops=["sign"]),
        "The JWK's key_ops are not the list of sign and verify.",
    ),
    "two-keys-in-one": (
        of("EdDSA", k="AAAA"),
        "An asymmetric JWK with a member k is two keys in one.",
    ),
    "private-of-another": (of("EdDSA", d=OTHER_D), NO_KEY),
    "x-missing": (of("EdDSA", x=None), "The JWK's member x is missing, or too long."),
    "x-padded": (
        of("EdDSA", x=KEYS["EdDSA"].secret_jwk()["x"] + "="),
        "The JWK's member x is not unpadded base64url.",
    ),
    "x-standard": (
        of("EdDSA", x="+" * 43),
        "The JWK's member x is not unpadded base64url.",
    ),
    "x-short": (of("EdDSA", x="AAAA"), NO_KEY),
    "x-list": (of("EdDSA", x=[1]), "The JWK's member x is missing, or too long."),
    "x-not-ascii": (
        of("EdDSA", x="ä" * 43),
        "The JWK's member x is missing, or too long.",
    ),
    "n-huge": (
        of("RS256", n="A" * 5000),
        "The JWK's member n is missing, or too long.",
    ),
    "n-with-zeros": (of("RS256", n="AAAB"), "The JWK's member n has the wrong length."),
    "n-empty": (of("RS256", n=""), "The JWK's member n has the wrong length."),
    "p-missing": (of("RS256", p=None), "The JWK's member p is missing, or too long."),
    "primes-of-more": (
        of("RS256", oth=[]),
        "RSA keys of more than two primes are not supported.",
    ),
    "e-one": (of("RS256", e="AQ"), NO_KEY),
    "d-of-rsa-wrong": (of("RS256", d="AQAB"), NO_KEY),
    "point-off-the-curve": (
        of("ES256", x=KEYS["ES256"].secret_jwk()["y"], d=None),
        NO_KEY,
    ),
    "coordinate-short": (
        of("ES256", x="AQAB"),
        "The JWK's member x has the wrong length.",
    ),
    "secret-short": (of("HS256", k="AQAB"), SHORT),
    "secret-missing": (
        of("HS256", k=None),
        "The JWK's member k is missing, or too long.",
    ),
}


@pytest.mark.parametrize("name", FLAWED)
def test_a_contradiction_is_refused(name: str) -> None:
    """What two readers read differently is a hole (RFC 7517 §4, RFC 8725 §3.1)."""
    jwk, fault = FLAWED[name]

    with pytest.raises(ConfigError) as caught:
        Key.from_jwk(jwk)

    assert fault == str(caught.value)
    for member in ("d", "k", "p"):
        secret = jwk.get(member) if isinstance(jwk, Mapping) else None
        assert not (isinstance(secret, str) and len(secret) > 8) or (
            secret not in str(caught.value)
        )


def test_the_configured_algorithm_is_not_argued_with() -> None:
    """A key that says another one is for something else."""
    with pytest.raises(ConfigError, match="not ES384 as configured"):
        Key.from_jwk(of("ES256"), alg="ES384")


@pytest.mark.parametrize(
    ("jwk", "operations"),
    [
        (of("EdDSA"), ["sign"]),
        (of("EdDSA"), ["sign", "verify"]),
        (of("EdDSA"), ("verify", "sign")),
        (of("HS256"), ["sign", "verify"]),
        (KEYS["EdDSA"].public_jwk(), ["verify"]),
    ],
    ids=["private", "private-both", "tuple", "secret", "public"],
)
def test_operations_that_fit_are_fine(jwk: dict[str, Any], operations: Any) -> None:
    """A private key signs and may verify; a secret does both; a public one verifies."""
    key = Key.from_jwk(jwk | {"key_ops": operations})

    assert ("sign" in operations) == key.can_sign


def test_a_member_may_be_as_long_as_the_bound() -> None:
    """One character more, and it is not even decoded."""
    with pytest.raises(ConfigError, match="8192 bits"):
        Key.from_jwk(KEYS["RS256"].public_jwk() | {"n": "_" * 4096})
    with pytest.raises(ConfigError, match="too long"):
        Key.from_jwk(KEYS["RS256"].public_jwk() | {"n": "_" * 4097})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)
MEMBERS = st.sampled_from(
    ["kty", "crv", "alg", "use", "key_ops", "kid", "x", "y", "d", "n", "e", "p", "k"]
)


@given(st.sampled_from(list(ALGORITHMS)), st.dictionaries(MEMBERS, JSON, max_size=4))
def test_any_jwk_is_a_key_or_a_config_error(alg: str, changed: dict[str, Any]) -> None:
    """Whatever stands in a file that somebody edited."""
    try:
        key = Key.from_jwk(KEYS[alg].secret_jwk() | changed)
    except ConfigError:
        return

    assert key.alg in ALGORITHMS


# ------------------------------------------------------------------ other spellings


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_a_pem_is_the_same_key(alg: str) -> None:
    """Loaded from either, the derived id is the same, private or public."""
    private = Key.generate(alg)
    jwk = Key.from_jwk({**private.secret_jwk(), "kid": "k"})
    pem = jwk._signing.private_bytes(*PEM)
    spki = jwk._verifying.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    assert private.kid == Key.from_pem(pem, alg=alg).kid
    assert private.kid == Key.from_pem(spki, alg=alg).kid


@pytest.mark.parametrize(
    ("made", "alg"),
    [
        pytest.param(ec.generate_private_key(ec.SECP384R1()), "ES256", id="P-384"),
        pytest.param(ec.generate_private_key(ec.SECP256K1()), "ES256", id="Koblitz"),
        pytest.param(ec.generate_private_key(ec.SECP256R1()), "ES512", id="P-256"),
        pytest.param(ec.generate_private_key(ec.SECP256R1()), "RS256", id="EC-as-RSA"),
        pytest.param(RSA_1024, "RS256", id="RSA-1024"),
        pytest.param(rsa.generate_private_key(3, 2048), "PS256", id="exponent-3"),
    ],
)
def test_a_pem_of_another_curve_or_size_is_refused(made: Any, alg: str) -> None:
    """A weak key is refused when it is loaded, not when it is broken (K4, K5)."""
    with pytest.raises(ConfigError):
        Key.from_pem(made.private_bytes(*PEM), alg=alg)


# ------------------------------------------------------------------ base64url


@given(st.binary(max_size=100))
def test_every_value_has_one_spelling(raw: bytes) -> None:
    """Encoded and decoded it is the same, and the standard reader agrees."""
    text = base64url.encode(raw)

    assert raw == base64url.decode(text)
    assert raw == urlsafe_b64decode(text + b"==")


@given(st.binary(max_size=12) | st.text("AQgw-_=+/\n", max_size=8).map(str.encode))
def test_no_value_has_another(text: bytes) -> None:
    """Whatever is accepted is what would be written."""
    try:
        raw = base64url.decode(text)
    except ValueError:
        return

    assert text == base64url.encode(raw)


def test_a_key_file_may_be_json_text() -> None:
    """What is written is plain JSON, for other tools too."""
    assert json.loads(json.dumps(of("RS256"))) == of("RS256")
