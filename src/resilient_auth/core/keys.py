"""
Which keys sign and verify? Keys that cannot be weak, in a ring that cannot mix.

Everything is checked and prepared once, when a key is built; nothing is checked again
per token. No secret leaves through repr, pickle, vars or an error's text.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import Algorithm, HMACAlgorithm, OKPAlgorithm
from jwt.exceptions import InvalidKeyError

from resilient_auth.core.weakness import is_asymmetric, is_small_order, refuse_weak
from resilient_auth.errors import ConfigError

#: Algorithm name to the smallest secret in bytes (RFC 7518 §3.2), None if asymmetric.
ALGORITHMS: Mapping[str, int | None] = MappingProxyType({"HS256": 32, "EdDSA": None})

_KID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Key:
    """
    One key, bound to one algorithm and one id; may be used from any thread.

    Build it with `generate`, `from_secret` or `from_pem`.

    >>> Key.generate("EdDSA", kid="2026-11")
    Key(kid='2026-11', alg='EdDSA')
    """

    kid: str
    alg: str
    _algorithm: Algorithm
    _verifying: Any
    _signing: Any = None
    _secret: bytes = b""

    @classmethod
    def generate(cls, alg: str, kid: str | None = None) -> "Key":
        """Make a new random key for *alg*; without *kid* the id is derived from it."""
        size = _size(alg)
        if size is not None:
            return cls.from_secret(secrets.token_bytes(size), alg=alg, kid=kid)
        return _ed25519(Ed25519PrivateKey.generate(), kid)

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
        size = _size(alg)
        if size is None:
            raise ConfigError(f"{alg} is asymmetric: use Key.from_pem.")
        if not isinstance(secret, bytes):
            raise ConfigError("An HMAC secret is bytes; encode or decode it first.")
        if not insecure_allow_weak:
            refuse_weak(secret, size)
        algorithm = HMACAlgorithm(HMACAlgorithm.SHA256)
        prepared = _prepared(algorithm, secret)
        kid = _checked_kid(kid or derive(secret, "key id", 8).hex())
        return cls(kid, alg, algorithm, prepared, prepared, secret)

    @classmethod
    def from_pem(
        cls, pem: bytes, *, alg: str = "EdDSA", kid: str | None = None
    ) -> "Key":
        """
        Load an unencrypted PEM: a private key signs, a public one only verifies.

        Raises `ConfigError`, without quoting *pem*, if it is not a key of *alg*.
        """
        if _size(alg) is not None:
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
        return _ed25519(key, kid)

    @property
    def can_sign(self) -> bool:
        """Say whether this key holds a private part."""
        return self._signing is not None

    def sign(self, signing_input: bytes) -> bytes:
        """Return the raw signature of *signing_input* (RFC 7515 §5.1)."""
        if self._signing is None:
            raise ConfigError(f"Key {self.kid!r} is public: it cannot sign.")
        return self._algorithm.sign(signing_input, self._signing)

    def verify(self, signing_input: bytes, signature: bytes) -> bool:
        """Say whether *signature* is this key's over *signing_input*; never raises."""
        return self._algorithm.verify(signing_input, self._verifying, signature)

    def __repr__(self) -> str:
        return f"Key(kid={self.kid!r}, alg={self.alg!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key is not pickled or copied; load it again where needed.")


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class KeyRing:
    """
    The keys of one purpose: the last signs, all verify. Immutable.

    *refresh_secrets* maps an id to a secret of at least 32 bytes, newest last. It
    masters refresh tokens and CSRF tokens, and is needed unless the ring is HMAC: then
    the masters are derived from its keys. A master must stay in the ring for the
    absolute life of a session. Raises `ConfigError` for an empty ring, a repeated id,
    mixed algorithms, or one secret used twice.
    """

    keys: tuple[Key, ...]
    _by_kid: Mapping[str, Key]
    _masters: Mapping[str, bytes]

    def __init__(
        self,
        keys: Iterable[Key],
        refresh_secrets: Mapping[str, bytes] | None = None,
    ) -> None:
        ring = tuple(keys)
        by_kid = {key.kid: key for key in ring}
        if not ring:
            raise ConfigError("A key ring needs at least one key.")
        if len(by_kid) != len(ring):
            raise ConfigError("Two keys of the ring share one kid; rename one.")
        if len({key.alg for key in ring}) > 1:
            raise ConfigError(
                "One ring, one algorithm: mixing HMAC and asymmetric keys invites "
                "key confusion (RFC 8725 §3.1)."
            )
        object.__setattr__(self, "keys", ring)
        object.__setattr__(self, "_by_kid", MappingProxyType(by_kid))
        masters = MappingProxyType(_masters(ring, refresh_secrets or {}))
        object.__setattr__(self, "_masters", masters)

    @property
    def signing(self) -> Key:
        """Return the newest key, which signs."""
        return self.keys[-1]

    def find(self, kid: str) -> Key | None:
        """Return the key called *kid*, or None."""
        return self._by_kid.get(kid)

    def masters(self, purpose: str) -> Mapping[str, bytes]:
        """
        Return 32-byte secrets for *purpose* by kid, newest last (HKDF, RFC 5869).

        No two purposes share a secret, and none is a key of the ring. Raises
        `ConfigError` if the ring is asymmetric and has no ``refresh_secrets``.
        """
        if not self._masters:
            raise ConfigError(
                f"A ring of {self.signing.alg} keys needs refresh_secrets="
                "{kid: bytes} to master refresh and CSRF tokens."
            )
        return MappingProxyType(
            {kid: derive(master, purpose) for kid, master in self._masters.items()}
        )

    def __repr__(self) -> str:
        return f"KeyRing({list(self.keys)!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key ring is not pickled or copied; build it where needed.")


def derive(master: bytes, purpose: str, length: int = 32) -> bytes:
    """Return *length* bytes for *purpose* alone from *master* (HKDF-SHA256)."""
    info = b"resilient-auth v1 " + purpose.encode()
    return HKDF(hashes.SHA256(), length, salt=None, info=info).derive(master)


def _size(alg: str) -> int | None:
    if alg not in ALGORITHMS:
        raise ConfigError(f"Unknown algorithm {alg!r}; choose {', '.join(ALGORITHMS)}.")
    return ALGORITHMS[alg]


def _checked_kid(kid: str) -> str:
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise ConfigError("A kid is 1 to 64 characters of A-Z a-z 0-9 _ and -.")
    return kid


def _prepared(algorithm: HMACAlgorithm, secret: bytes) -> bytes:
    """Refuse what is somebody's key; PyJWT's own message may hold the secret."""
    try:
        prepared = algorithm.prepare_key(secret)
    except InvalidKeyError:
        prepared = b""
    if not prepared or is_asymmetric(secret):
        raise ConfigError(
            "The secret is empty, or an asymmetric key: who knows that key could sign. "
            "Use Key.from_pem, or random bytes."
        )
    return prepared


def _ed25519(key: object, kid: str | None) -> Key:
    if not isinstance(key, Ed25519PrivateKey | Ed25519PublicKey):
        raise ConfigError("EdDSA takes an Ed25519 key; this is another kind.")
    private = key if isinstance(key, Ed25519PrivateKey) else None
    public = key if isinstance(key, Ed25519PublicKey) else key.public_key()
    raw = public.public_bytes_raw()
    if is_small_order(raw):
        raise ConfigError("Under this public key anybody could sign; make a new one.")
    if kid is None:
        kid = hashlib.sha256(raw).hexdigest()[:16]
    return Key(_checked_kid(kid), "EdDSA", OKPAlgorithm(), public, private)


def _masters(ring: tuple[Key, ...], given: Mapping[str, bytes]) -> dict[str, bytes]:
    own = {key.kid: key._secret for key in ring if key._secret}  # noqa: SLF001
    if len(set(own.values())) != len(own):
        raise ConfigError("Two keys of the ring are one secret; a new kid is no key.")
    if not given:
        return own
    for kid, secret in given.items():
        _checked_kid(kid)
        if not isinstance(secret, bytes):
            raise ConfigError(f"refresh_secrets[{kid!r}] is not bytes.")
        refuse_weak(secret, 32)
        if secret in own.values():
            raise ConfigError(
                f"refresh_secrets[{kid!r}] is also a signing secret; use one for each."
            )
    if len(set(given.values())) != len(given):
        raise ConfigError("Two refresh_secrets are the same; give each its own.")
    return dict(given)
