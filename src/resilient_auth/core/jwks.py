"""Which keys does an issuer publish? A fetched set, believed in no more than needed."""

from collections.abc import Collection, Mapping
from typing import Any

from resilient_auth.core.algorithms import ALGORITHMS
from resilient_auth.core.jwk import PRIVATE_MEMBERS
from resilient_auth.core.keys import Key
from resilient_auth.core.text import read_object
from resilient_auth.errors import ConfigError

MAX_BYTES = 262_144
MAX_KEYS = 100
_KTYS = ("RSA", "EC", "OKP")


def read_jwks(
    document: bytes, *, algorithms: Collection[str] | None = None
) -> tuple[Key, ...]:
    """
    Return the usable keys of a public JWK set (RFC 7517 §5).

    A key for another use, of a kind or algorithm that is not offered (or not among
    *algorithms*), or without a ``kid`` is passed over; so is an RSA key that names no
    ``alg``, unless *algorithms* leaves it only one. Raises `ConfigError` for the whole
    set if it holds anything secret (RFC 8725 §3.1), a ``kid`` twice, a weak or broken
    key, more than 100 keys or 256 kB, or nothing that is usable.
    """
    if len(document) > MAX_BYTES:
        raise ConfigError(f"The set is longer than {MAX_BYTES} bytes.")
    try:
        said = read_object(document).get("keys")
    except ValueError as error:
        raise ConfigError(f"The set cannot be read: {error}.") from None
    if not isinstance(said, list) or len(said) > MAX_KEYS:
        raise ConfigError(f"A JWK set is an object with at most {MAX_KEYS} keys.")
    if not all(isinstance(jwk, dict) for jwk in said):
        raise ConfigError("A key of the set is not an object.")
    if any(jwk.get("kty") == "oct" or jwk.keys() & PRIVATE_MEMBERS for jwk in said):
        raise ConfigError("The set publishes a secret or a private key.")
    wanted = frozenset(ALGORITHMS if algorithms is None else algorithms)
    keys = tuple(
        Key.from_jwk(jwk, alg=alg) for jwk in said if (alg := _algorithm(jwk, wanted))
    )
    if not keys:
        raise ConfigError("The set has no usable key.")
    if len({key.kid for key in keys}) != len(keys):
        raise ConfigError("Two keys of the set share one kid.")
    return keys


def _algorithm(jwk: Mapping[str, Any], wanted: frozenset[str]) -> str | None:
    """Return the algorithm for which *jwk* is of use to us, or None."""
    if jwk.get("kty") not in _KTYS or jwk.get("use", "sig") != "sig":
        return None
    if not isinstance(jwk.get("kid"), str) or not _is_for_verifying(jwk):
        return None
    fitting = [
        name
        for name in sorted(wanted & ALGORITHMS.keys())
        if ALGORITHMS[name].kty == jwk["kty"]
        and ALGORITHMS[name].curve == jwk.get("crv")
        and jwk.get("alg", name) == name
    ]
    return fitting[0] if len(fitting) == 1 else None


def _is_for_verifying(jwk: Mapping[str, Any]) -> bool:
    operations = jwk.get("key_ops")
    return not isinstance(operations, list) or "verify" in operations
