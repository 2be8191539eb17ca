"""Which signatures are offered, and by what? A table (RFC 7518 §3.1, RFC 8037)."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import (
    ECAlgorithm,
    OKPAlgorithm,
    RSAAlgorithm,
    RSAPSSAlgorithm,
)

from resilient_auth.errors import ConfigError


class Primitive(Protocol):
    """What signs and verifies with a prepared key; PyJWT's objects do."""

    def sign(self, msg: bytes, key: Any) -> bytes:
        """Return the signature of *msg*."""
        ...

    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
        """Say whether *sig* is the signature of *msg*."""
        ...


class Hmac:
    """HMAC over a copy of a prepared object: a third less than from the secret."""

    @staticmethod
    def sign(msg: bytes, key: hmac.HMAC) -> bytes:
        """Return the code of *msg*."""
        code = key.copy()
        code.update(msg)
        return code.digest()

    @staticmethod
    def verify(msg: bytes, key: hmac.HMAC, sig: bytes) -> bool:
        """Say whether *sig* is the code of *msg*, in constant time."""
        code = key.copy()
        code.update(msg)
        return hmac.compare_digest(sig, code.digest())


@dataclass(frozen=True, slots=True)
class Offered:
    """
    One algorithm: the JWK type of its keys (``kty``), and what computes it.

    *size* is the smallest HMAC secret in bytes (RFC 7518 §3.2), *digest* its hash.
    *curve* is a JWK's ``crv``; *elliptic* is the same for `cryptography`, where it is
    needed.
    """

    kty: str
    primitive: Primitive
    size: int | None = None
    digest: str = ""
    curve: str | None = None
    elliptic: type[ec.EllipticCurve] | None = None


def _elliptic(hashed: Any, curve: str, elliptic: type[ec.EllipticCurve]) -> Offered:
    return Offered("EC", ECAlgorithm(hashed, elliptic), curve=curve, elliptic=elliptic)


ALGORITHMS: Mapping[str, Offered] = MappingProxyType(
    {
        "HS256": Offered("oct", Hmac(), size=32, digest="sha256"),
        "HS384": Offered("oct", Hmac(), size=48, digest="sha384"),
        "HS512": Offered("oct", Hmac(), size=64, digest="sha512"),
        "RS256": Offered("RSA", RSAAlgorithm(RSAAlgorithm.SHA256)),
        "RS384": Offered("RSA", RSAAlgorithm(RSAAlgorithm.SHA384)),
        "RS512": Offered("RSA", RSAAlgorithm(RSAAlgorithm.SHA512)),
        "PS256": Offered("RSA", RSAPSSAlgorithm(RSAPSSAlgorithm.SHA256)),
        "PS384": Offered("RSA", RSAPSSAlgorithm(RSAPSSAlgorithm.SHA384)),
        "PS512": Offered("RSA", RSAPSSAlgorithm(RSAPSSAlgorithm.SHA512)),
        "ES256": _elliptic(ECAlgorithm.SHA256, "P-256", ec.SECP256R1),
        "ES384": _elliptic(ECAlgorithm.SHA384, "P-384", ec.SECP384R1),
        "ES512": _elliptic(ECAlgorithm.SHA512, "P-521", ec.SECP521R1),
        "EdDSA": Offered("OKP", OKPAlgorithm(), curve="Ed25519"),
    }
)


def offered(alg: str) -> Offered:
    """Return the row of *alg*, or raise `ConfigError` with the names there are."""
    found = ALGORITHMS.get(alg) if isinstance(alg, str) else None
    if found is None:
        raise ConfigError(f"Unknown algorithm {alg!r}; choose {', '.join(ALGORITHMS)}.")
    return found
