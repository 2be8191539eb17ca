"""A published set is believed in no more than needed."""

import json
from typing import Any

import pytest

from resilient_auth import ConfigError, Key
from resilient_auth.core.jwks import MAX_BYTES, MAX_KEYS, read_jwks

RSA, EC, ED = (Key.generate(alg, kid=alg) for alg in ("RS256", "ES256", "EdDSA"))


def document(*keys: Any, **more: Any) -> bytes:
    """Return a set of *keys* as an issuer publishes it."""
    return json.dumps({"keys": list(keys), **more}).encode()


def public(key: Key, **changed: Any) -> dict[str, Any]:
    """Return the public JWK of *key*, changed; None takes a member away."""
    jwk = key.public_jwk() | changed
    return {name: value for name, value in jwk.items() if value is not None}


def test_a_set_is_its_usable_keys() -> None:
    """In the order published; none of them can sign."""
    keys = read_jwks(document(public(RSA), public(EC), public(ED), extra={"x": 1}))

    assert ["RS256", "ES256", "EdDSA"] == [key.kid for key in keys]
    assert not any(key.can_sign for key in keys)
    assert all(
        key.verify(b"x", own.sign(b"x"))
        for key, own in zip(keys, (RSA, EC, ED), strict=True)
    )


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(public(RSA, use="enc", kid="e"), id="for-encryption"),
        pytest.param(public(RSA, key_ops=["wrapKey"], kid="w"), id="for-wrapping"),
        pytest.param(public(RSA, kid=None), id="no-kid"),
        pytest.param(public(RSA, kid=7), id="kid-number"),
        pytest.param(public(RSA, kid="n", alg=None), id="rsa-without-alg"),
        pytest.param(public(EC, kid="k", crv="secp256k1", alg="ES256K"), id="curve"),
        pytest.param({"kty": "AKP", "kid": "pq", "alg": "ML-DSA-44"}, id="kind"),
        pytest.param({"kty": ["RSA"], "kid": "l"}, id="kty-list"),
        pytest.param({}, id="empty"),
    ],
)
def test_a_key_of_no_use_to_us_is_passed_over(other: dict[str, Any]) -> None:
    """Issuers publish keys for others too, and kinds of tomorrow (RFC 7517 §5)."""
    assert ["ES256"] == [key.kid for key in read_jwks(document(other, public(EC)))]


@pytest.mark.parametrize(
    "said",
    [{"use": None}, {"key_ops": ["verify"]}, {"key_ops": None}, {"use": "sig"}],
    ids=repr,
)
def test_a_key_need_not_say_what_it_is_for(said: dict[str, Any]) -> None:
    """``use`` and ``key_ops`` are optional (RFC 7517 §4.2, §4.3)."""
    assert ["ES256"] == [key.kid for key in read_jwks(document(public(EC, **said)))]


def test_an_algorithm_list_narrows_and_decides() -> None:
    """It says what an RSA key without ``alg`` is for, and leaves out the rest."""
    said = document(public(RSA, alg=None), public(EC))

    assert ["PS256"] == [key.alg for key in read_jwks(said, algorithms=["PS256"])]
    assert ["ES256"] == [
        key.alg for key in read_jwks(said, algorithms=["PS256", "RS256", "ES256"])
    ]


SHAPE = "A JWK set is an object with at most 100 keys."
SECRET = "The set publishes a secret or a private key."
NO_KEY = (
    "The members of this JWK make no key: a number is out of its range, or "
    "the private part is not that of the public one."
)
WEAK = "An RSA key has 2048 to 8192 bits (RFC 7518 §3.3), this one 1032."


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        pytest.param(b"", "The set cannot be read: not JSON.", id="nothing"),
        pytest.param(b"<html>", "The set cannot be read: not JSON.", id="html"),
        pytest.param(b"[]", "The set cannot be read: not a JSON object.", id="list"),
        pytest.param(
            b'{"keys":[],"keys":[]}',
            "The set cannot be read: duplicate member.",
            id="twice",
        ),
        pytest.param(
            b'{"keys":[]}\xff', "The set cannot be read: not UTF-8.", id="utf-8"
        ),
        pytest.param(b"{}", SHAPE, id="no-keys"),
        pytest.param(document(), "The set has no usable key.", id="empty"),
        pytest.param(b'{"keys":{}}', SHAPE, id="object"),
        pytest.param(document(7), "A key of the set is not an object.", id="number"),
        pytest.param(document(*[{}] * (MAX_KEYS + 1)), SHAPE, id="many"),
        pytest.param(
            b" " * (MAX_BYTES + 1), "The set is longer than 262144 bytes.", id="huge"
        ),
        pytest.param(
            document(public(EC), public(EC)),
            "Two keys of the set share one kid.",
            id="kid",
        ),
        pytest.param(document(public(EC), RSA.secret_jwk()), SECRET, id="private"),
        pytest.param(
            document(public(EC), Key.generate("HS256").secret_jwk()),
            SECRET,
            id="oct",
        ),
        pytest.param(
            document(public(EC), {"kty": "oct", "kid": "x"}), SECRET, id="empty-oct"
        ),
        pytest.param(
            document(public(ED), public(EC, x=public(EC)["y"])),
            NO_KEY,
            id="off-curve",
        ),
        pytest.param(document(public(EC), public(RSA, n="_" * 172)), WEAK, id="weak"),
    ],
)
def test_a_bad_set_is_refused_whole(said: bytes, fault: str) -> None:
    """Whoever publishes one secret may have published others (K8, K9)."""
    with pytest.raises(ConfigError) as caught:
        read_jwks(said)

    assert fault == str(caught.value)


def test_the_bounds_themselves_are_in() -> None:
    """The docstring's 100 keys and 256 kB are the most that is read."""
    many = document(public(EC), *[{}] * (MAX_KEYS - 1))

    assert ["ES256"] == [key.kid for key in read_jwks(many)]
    assert ["ES256"] == [key.kid for key in read_jwks(many.ljust(MAX_BYTES))]
