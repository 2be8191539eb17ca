"""
What can sign and verify? A key that cannot be weak, bound to one algorithm.

Everything is checked and prepared once, when a key is built; nothing is checked again
per token. No secret leaves through repr, pickle, vars or an error's text.
"""

import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from resilient_auth.core.algorithms import Offered, Primitive, offered
from resilient_auth.core.jwk import private_jwk, public_jwk, read_jwk, thumbprint
from resilient_auth.core.weakness import (
    is_small_order,
    refuse_foreign,
    refuse_weak,
    refuse_weak_rsa,
)
from resilient_auth.errors import ConfigError

_KID = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: Ids that others give to their public keys: base64, addresses, thumbprints.
_FOREIGN_KID = re.compile(r"[A-Za-z0-9_.:@/+=~-]{1,256}")
_RSA_BITS = 2048  # of a new key; larger ones are read
_KINDS: Mapping[str, tuple[type, type]] = MappingProxyType(
    {
        "RSA": (rsa.RSAPrivateKey, rsa.RSAPublicKey),
        "EC": (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey),
        "OKP": (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey),
    }
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Key:
    """
    One key, bound to one algorithm and one id; may be used from any thread.

    Build it with `generate`, `from_secret`, `from_pem` or `from_jwk`.

    >>> Key.generate("EdDSA", kid="2026-11")
    Key(kid='2026-11', alg='EdDSA')
    """

    kid: str
    alg: str
    _primitive: Primitive
    _verifying: Any
    _signing: Any = None
    _secret: bytes = b""

    @classmethod
    def generate(cls, alg: str, kid: str | None = None) -> "Key":
        """
        Make a new random key for *alg*; without *kid* the id is derived from it.

        RSA keys are of 2048 bits. The id of an asymmetric key is its thumbprint
        (RFC 7638), so two services that derive it agree.
        """
        row = offered(alg)
        if row.size is not None:
            return cls.from_secret(secrets.token_bytes(row.size), alg=alg, kid=kid)
        return _asymmetric(_GENERATORS[row.kty](row), alg, kid)

    @classmethod
    def from_secret(
        cls,
        secret: bytes,
        *,
        alg: str = "HS256",
        kid: str | None = None,
        insecure_allow_weak: bool = False,
    ) -> "Key":
        """
        Take *secret* (random bytes, at least as long as the hash) for an HMAC key.

        Raises `ConfigError` if it is short, repeated, published or an asymmetric key
        in any spelling. ``insecure_allow_weak``: for published test vectors alone.
        """
        row = offered(alg)
        if row.size is None:
            raise ConfigError(f"{alg} is asymmetric: use Key.from_pem or from_jwk.")
        if not isinstance(secret, bytes):
            raise ConfigError("An HMAC secret is bytes; encode or decode it first.")
        if insecure_allow_weak:
            refuse_foreign(secret)
        else:
            refuse_weak(secret, row.size)
        if kid is None:
            kid = derive(secret, "key id", 8).hex()
        prepared = hmac.new(secret, digestmod=row.digest)
        return cls(checked_kid(kid), alg, row.primitive, prepared, prepared, secret)

    @classmethod
    def from_pem(
        cls, pem: bytes, *, alg: str = "EdDSA", kid: str | None = None
    ) -> "Key":
        """
        Load an unencrypted PEM: a private key signs, a public one only verifies.

        Raises `ConfigError`, without quoting *pem*, if it is not a key of *alg*.
        """
        if offered(alg).size is not None:
            raise ConfigError(f"{alg} takes a secret: use Key.from_secret.")
        if not isinstance(pem, bytes):
            raise ConfigError("A PEM text is bytes; read the file in binary mode.")
        try:
            key: object
            if b"PRIVATE KEY-----" in pem:
                key = serialization.load_pem_private_key(pem, None)
            else:
                key = serialization.load_pem_public_key(pem)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ConfigError(
                "The PEM text could not be read as an unencrypted key."
            ) from None
        return _asymmetric(key, alg, kid)

    @classmethod
    def from_jwk(
        cls, jwk: Mapping[str, Any], *, alg: str | None = None, kid: str | None = None
    ) -> "Key":
        """
        Load a JWK (RFC 7517); *alg* and *kid* serve where it names none.

        An EC or OKP key has one algorithm; an RSA key or a secret must name its own,
        or *alg* does. Raises `ConfigError`, without quoting a private member, for a
        weak key and for members that are missing or contradict each other or *alg*.
        """
        loaded = read_jwk(jwk, alg=alg)
        kid = loaded.kid if loaded.kid is not None else kid
        if isinstance(loaded.material, bytes):
            return cls.from_secret(loaded.material, alg=loaded.alg, kid=kid)
        return _asymmetric(loaded.material, loaded.alg, kid)

    @property
    def can_sign(self) -> bool:
        """Say whether this key holds a private part."""
        return self._signing is not None

    @property
    def is_symmetric(self) -> bool:
        """Say whether this is a secret, with which who verifies can also sign."""
        return bool(self._secret)

    @property
    def fingerprint(self) -> str:
        """
        Return what this key is, whatever its id; the same for its private half.

        Equal too for one RSA key under two algorithms. Tells nothing of a secret.
        """
        if self.is_symmetric:
            return derive(self._secret, "fingerprint").hex()
        return thumbprint(self._verifying)

    def sign(self, signing_input: bytes) -> bytes:
        """Return the raw signature of *signing_input* (RFC 7515 §5.1)."""
        if self._signing is None:
            raise ConfigError(f"Key {self.kid!r} is public: it cannot sign.")
        return self._primitive.sign(signing_input, self._signing)

    def verify(self, signing_input: bytes, signature: bytes) -> bool:
        """Say whether *signature* is this key's over *signing_input*; never raises."""
        return self._primitive.verify(signing_input, self._verifying, signature)

    def public_jwk(self) -> dict[str, str]:
        """Return the JWK to publish; `ConfigError` for a secret."""
        if self.is_symmetric:
            raise ConfigError(f"Key {self.kid!r} is a secret: it is never published.")
        return public_jwk(self.kid, self.alg, self._verifying)

    def secret_jwk(self) -> dict[str, str]:
        """Return the JWK with the private part, for the key file; guard it."""
        if not self.can_sign:
            raise ConfigError(f"Key {self.kid!r} has no private part.")
        return private_jwk(self.kid, self.alg, self._secret, self._signing)

    def __repr__(self) -> str:
        return f"Key(kid={self.kid!r}, alg={self.alg!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key is not pickled or copied; load it again where needed.")


def derive(master: bytes, purpose: str, length: int = 32) -> bytes:
    """Return *length* bytes for *purpose* alone from *master* (HKDF-SHA256)."""
    info = b"resilient-auth v1 " + purpose.encode()
    return HKDF(hashes.SHA256(), length, salt=None, info=info).derive(master)


def checked_kid(kid: str) -> str:
    """Return *kid*, or raise `ConfigError` if it is unfit for a refresh token."""
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise ConfigError(
            "A secret's kid is 1 to 64 characters of A-Z a-z 0-9 _ and -."
        )
    return kid


def _asymmetric(key: Any, alg: str, kid: str | None) -> Key:
    """Return *key* (of `cryptography`) as a key of *alg*, if it is fit for that."""
    row = offered(alg)
    private_kind, public_kind = _KINDS[row.kty]
    if not isinstance(key, private_kind | public_kind):
        raise ConfigError(f"{alg} takes a key of the kind {row.kty}; this is another.")
    private: Any = key if isinstance(key, private_kind) else None
    public: Any = key if private is None else private.public_key()
    _refuse_unfit(public, row, alg)
    if kid is None:
        kid = thumbprint(public)
    if not isinstance(kid, str) or not _FOREIGN_KID.fullmatch(kid):
        raise ConfigError(
            "A kid is 1 to 256 characters of A-Z a-z 0-9 and _ . : @ / + = ~ -"
        )
    return Key(kid, alg, row.primitive, public, private)


def _refuse_unfit(public: Any, row: Offered, alg: str) -> None:
    if row.kty == "RSA":
        numbers = public.public_numbers()
        refuse_weak_rsa(numbers.n, numbers.e)
    elif row.elliptic is not None:
        if not isinstance(public.curve, row.elliptic):
            raise ConfigError(f"{alg} takes a key on {row.curve}; this is another.")
    elif is_small_order(public.public_bytes_raw()):
        raise ConfigError("Under this public key anybody could sign; make a new one.")


_GENERATORS: Mapping[str, Callable[[Offered], Any]] = MappingProxyType(
    {
        "RSA": lambda _: rsa.generate_private_key(65537, _RSA_BITS),
        "EC": lambda row: ec.generate_private_key((row.elliptic or ec.SECP256R1)()),
        "OKP": lambda _: ed25519.Ed25519PrivateKey.generate(),
    }
)
