"""
What does a JSON Web Key hold? Read without contradiction, written without secrets.

A JWK says twice what it is for (``kty`` and ``crv``, ``alg``, ``use``, ``key_ops``);
where it says two things it is refused (RFC 7517 §4). No error quotes a member that may
be private.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from resilient_auth.core import base64url
from resilient_auth.core.algorithms import ALGORITHMS, Offered, offered
from resilient_auth.core.text import write_object
from resilient_auth.errors import ConfigError

#: Members that only the owner of a key may see (RFC 7518 §6).
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_RSA_PRIVATE = ("p", "q", "d", "dp", "dq", "qi")
_MAX_MEMBER = 4096  # characters; an RSA modulus of 8192 bits takes 1366


@dataclass(frozen=True, slots=True)
class Loaded:
    """A JWK's algorithm and key: a secret, or a key object of `cryptography`."""

    alg: str
    kid: str | None
    material: Any = field(repr=False)


def read_jwk(jwk: Mapping[str, Any], *, alg: str | None = None) -> Loaded:
    """
    Return what *jwk* holds, for its own ``alg`` or, if it names none, for *alg*.

    A curve names the algorithm too. Raises `ConfigError` for everything else: a member
    that is missing, of the wrong form or in contradiction to another.
    """
    if not isinstance(jwk, Mapping):
        raise ConfigError("A JWK is a mapping of its members.")
    name = _algorithm_of(jwk, alg)
    row = offered(name)
    if jwk.get("kty") != row.kty:
        raise ConfigError(f"A key of {name} has the kty {row.kty}; this JWK has not.")
    if jwk.get("crv") != row.curve:
        raise ConfigError(f"The crv of this JWK is not that of {name}.")
    _check_use(jwk)
    kid = jwk.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise ConfigError("A JWK's kid is text.")
    return Loaded(name, kid, _material(jwk, row))


def public_jwk(kid: str, alg: str, public: Any) -> dict[str, str]:
    """Return the JWK of a *public* key of `cryptography`, for publication."""
    return {"kid": kid, "alg": alg, "use": "sig", **_public_members(public)}


def private_jwk(kid: str, alg: str, secret: bytes, private: Any) -> dict[str, str]:
    """Return the JWK of a key with all that is secret in it: for its own file alone."""
    head = {"kid": kid, "alg": alg, "use": "sig"}
    if secret:
        return head | {"kty": "oct", "k": _text(secret)}
    return head | _public_members(private.public_key()) | _private_members(private)


def thumbprint(public: Any) -> str:
    """Return the SHA-256 thumbprint of a public key (RFC 7638)."""
    members = dict(sorted(_public_members(public).items()))
    return _text(hashlib.sha256(write_object(members)).digest())


def _algorithm_of(jwk: Mapping[str, Any], configured: str | None) -> str:
    said = jwk.get("alg")
    if said is None:
        said = configured or _only_algorithm(jwk)
    if not isinstance(said, str) or said not in ALGORITHMS:
        raise ConfigError("The JWK's alg is missing or unknown; say alg=.")
    if configured is not None and said != configured:
        raise ConfigError(f"The JWK's alg is {said}, not {configured} as configured.")
    return said


def _only_algorithm(jwk: Mapping[str, Any]) -> str | None:
    """Return the one algorithm of the JWK's curve; RSA and secrets have several."""
    curve = jwk.get("crv")
    fitting = [name for name, row in ALGORITHMS.items() if row.curve == curve]
    return fitting[0] if curve is not None and fitting else None


def _check_use(jwk: Mapping[str, Any]) -> None:
    if jwk.get("use", "sig") != "sig":
        raise ConfigError("The JWK's use is not sig: this key is not for signatures.")
    operations = jwk.get("key_ops")
    if operations is None:
        return
    needed = {"sign"} if jwk.keys() & PRIVATE_MEMBERS else {"verify"}
    if "k" in jwk:
        needed = {"sign", "verify"}
    if (
        not isinstance(operations, list | tuple)
        or not all(isinstance(each, str) for each in operations)
        or len(set(operations)) != len(operations)
        or not needed <= set(operations)
        or not set(operations) <= {"sign", "verify"}
    ):
        raise ConfigError(
            f"The JWK's key_ops are not the list of {' and '.join(sorted(needed))}."
        )


def _material(jwk: Mapping[str, Any], row: Offered) -> Any:
    if row.kty == "oct":
        return _bytes(jwk, "k")
    if "k" in jwk:
        raise ConfigError("An asymmetric JWK with a member k is two keys in one.")
    try:
        if row.kty == "RSA":
            return _rsa(jwk)
        if row.elliptic is not None:
            return _elliptic(jwk, row.elliptic())
        return _ed25519(jwk)
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(
            "The members of this JWK make no key: a number is out of its range, or "
            "the private part is not that of the public one."
        ) from None


def _rsa(jwk: Mapping[str, Any]) -> Any:
    public = rsa.RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n"))
    if "oth" in jwk:
        raise ConfigError("RSA keys of more than two primes are not supported.")
    if not jwk.keys() & set(_RSA_PRIVATE):
        return public.public_key()
    p, q, d, dp, dq, qi = (_number(jwk, name) for name in _RSA_PRIVATE)
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public).private_key()


def _elliptic(jwk: Mapping[str, Any], curve: ec.EllipticCurve) -> Any:
    size = _size(curve)
    x, y = (_number(jwk, name, size) for name in ("x", "y"))
    public = ec.EllipticCurvePublicNumbers(x, y, curve)
    if "d" not in jwk:
        return public.public_key()
    return ec.EllipticCurvePrivateNumbers(_number(jwk, "d", size), public).private_key()


def _size(curve: ec.EllipticCurve) -> int:
    """Return the bytes of a coordinate (RFC 7518 §6.2.1.2)."""
    return (curve.key_size + 7) // 8


def _ed25519(jwk: Mapping[str, Any]) -> Any:
    public = ed25519.Ed25519PublicKey.from_public_bytes(_bytes(jwk, "x"))
    if "d" not in jwk:
        return public
    private = ed25519.Ed25519PrivateKey.from_private_bytes(_bytes(jwk, "d"))
    if private.public_key() != public:
        raise ValueError("d is not x's")
    return private


def _bytes(jwk: Mapping[str, Any], name: str) -> bytes:
    said = jwk.get(name)
    if not isinstance(said, str) or not said.isascii() or len(said) > _MAX_MEMBER:
        raise ConfigError(f"The JWK's member {name} is missing, or too long.")
    try:
        return base64url.decode(said.encode("ascii"))
    except ValueError:
        raise ConfigError(
            f"The JWK's member {name} is not unpadded base64url."
        ) from None


def _number(jwk: Mapping[str, Any], name: str, size: int | None = None) -> int:
    """Return the number of a member: *size* bytes, or without zeros ahead."""
    raw = _bytes(jwk, name)
    if not raw or (len(raw) != size if size else raw[0] == 0):
        raise ConfigError(f"The JWK's member {name} has the wrong length.")
    return int.from_bytes(raw)


def _public_members(public: Any) -> dict[str, str]:
    """Return the members that RFC 7638 §3.2 and RFC 8037 §2 count, no other."""
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": _int_text(numbers.n), "e": _int_text(numbers.e)}
    if isinstance(public, ec.EllipticCurvePublicKey):
        point = public.public_numbers()
        curve = next(
            row.curve
            for row in ALGORITHMS.values()
            if row.elliptic is not None and isinstance(public.curve, row.elliptic)
        )
        size = _size(public.curve)
        x, y = (_int_text(number, size) for number in (point.x, point.y))
        return {"kty": "EC", "crv": str(curve), "x": x, "y": y}
    return {"kty": "OKP", "crv": "Ed25519", "x": _text(public.public_bytes_raw())}


def _private_members(private: Any) -> dict[str, str]:
    if isinstance(private, rsa.RSAPrivateKey):
        said = private.private_numbers()
        values = (said.p, said.q, said.d, said.dmp1, said.dmq1, said.iqmp)
        return dict(zip(_RSA_PRIVATE, map(_int_text, values), strict=True))
    if isinstance(private, ec.EllipticCurvePrivateKey):
        secret = private.private_numbers().private_value
        return {"d": _int_text(secret, _size(private.curve))}
    return {"d": _text(private.private_bytes_raw())}


def _int_text(number: int, size: int | None = None) -> str:
    return _text(number.to_bytes(size or (number.bit_length() + 7) // 8))


def _text(raw: bytes) -> str:
    return base64url.encode(raw).decode("ascii")
