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


def test_an_algorithm_list_narrows_and_decides() -> None:
    """It says what an RSA key without ``alg`` is for, and leaves out the rest."""
    said = document(public(RSA, alg=None), public(EC))

    assert ["PS256"] == [key.alg for key in read_jwks(said, algorithms=["PS256"])]
    assert ["ES256"] == [
        key.alg for key in read_jwks(said, algorithms=["PS256", "RS256", "ES256"])
    ]


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        pytest.param(b"", "cannot be read", id="nothing"),
        pytest.param(b"<html>", "cannot be read", id="html"),
        pytest.param(b"[]", "cannot be read", id="list"),
        pytest.param(b'{"keys":[],"keys":[]}', "cannot be read", id="twice"),
        pytest.param(b'{"keys":[]}\xff', "cannot be read", id="utf-8"),
        pytest.param(b"{}", "at most", id="no-keys"),
        pytest.param(document(), "no usable key", id="empty"),
        pytest.param(b'{"keys":{}}', "at most", id="object"),
        pytest.param(document(7), "not an object", id="number"),
        pytest.param(document(*[{}] * (MAX_KEYS + 1)), "at most", id="many"),
        pytest.param(b" " * (MAX_BYTES + 1), "longer", id="huge"),
        pytest.param(document(public(EC), public(EC)), "share one kid", id="kid"),
        pytest.param(
            document(public(EC), RSA.secret_jwk()), "a private key", id="private"
        ),
        pytest.param(
            document(public(EC), Key.generate("HS256").secret_jwk()),
            "a secret",
            id="oct",
        ),
        pytest.param(
            document(public(EC), {"kty": "oct", "kid": "x"}), "a secret", id="empty-oct"
        ),
        pytest.param(
            document(public(ED), public(EC, x=public(EC)["y"])),
            "no key",
            id="off-curve",
        ),
        pytest.param(document(public(EC), public(RSA, n="_" * 172)), "2048", id="weak"),
    ],
)
def test_a_bad_set_is_refused_whole(said: bytes, fault: str) -> None:
    """Whoever publishes one secret may have published others (K8, K9)."""
    with pytest.raises(ConfigError, match=fault):
        read_jwks(said)
