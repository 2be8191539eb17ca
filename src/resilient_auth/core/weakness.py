"""
Could an attacker know this key? What is refused when a key is loaded.

Secrets that can be guessed, secrets that are somebody's public key (key confusion,
RFC 8725 §2.1), and public keys under which everything verifies.
"""

import re
from base64 import b64decode
from collections.abc import Callable
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

from resilient_auth.errors import ConfigError

#: Secrets that stand in tutorials and documentation; known to every attacker.
_PUBLISHED = frozenset(
    {
        b"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        b"a-string-secret-at-least-256-bits-long",
    }
)
#: Words of placeholders. Random bytes hold one of them never, random base64 once in
#: ten million secrets.
_PLACEHOLDER = re.compile(
    rb"(?i)change[-_ ]?(?:me|this)|replace[-_ ]?(?:me|this)|placeholder|insecure|"
    rb"password|secret"
)

#: The points of small order on edwards25519, every spelling of their y (RFC 8032
#: §5.1.3), the sign bit cleared: under such a key a signature can be made by anybody.
_SMALL_ORDER = frozenset(
    bytes.fromhex(y)
    for y in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)


#: Odd primes up to 167, with what 65537 generates modulo each: a modulus of the broken
#: generator (ROCA, CVE-2017-15361) lies in all of these subgroups, another in few.
_ROCA = tuple(
    (prime, frozenset(pow(65537, power, prime) for power in range(prime - 1)))
    for prime in range(3, 168, 2)
    if all(prime % divisor for divisor in range(3, 13, 2) if divisor < prime)
)


def refuse_weak_rsa(modulus: int, exponent: int) -> None:
    """Raise `ConfigError` for an RSA key that could be factored, or costs too much."""
    bits = modulus.bit_length()
    if not 2048 <= bits <= 8192:
        raise ConfigError(
            f"An RSA key has 2048 to 8192 bits (RFC 7518 §3.3), this one {bits}."
        )
    if not 65_537 <= exponent < 2**64 or exponent % 2 == 0:
        raise ConfigError(
            "The RSA key's public exponent is even, below 65537 or above 64 bits."
        )
    if all(modulus % prime in subgroup for prime, subgroup in _ROCA):
        raise ConfigError(
            "The RSA key was made by a broken generator (ROCA, CVE-2017-15361) and can "
            "be factored; make a new one."
        )


def refuse_weak(secret: bytes, size: int) -> None:
    """Raise `ConfigError` if *secret* is one that an attacker could find, or knows."""
    fault = _weakness(secret, size)
    if fault:
        raise ConfigError(
            f"The secret is {fault}. Make one with: "
            f"python -c 'import secrets; print(secrets.token_hex({size}))'"
        )
    refuse_foreign(secret)


def refuse_foreign(secret: bytes) -> None:
    """
    Raise `ConfigError` if *secret* is somebody's key: its public half is no secret.

    PyJWT's own message may hold the secret, so it is dropped.
    """
    try:
        usable = bool(HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret))
    except InvalidKeyError:
        usable = False
    if not usable or is_asymmetric(secret):
        raise ConfigError(
            "The secret is empty, or an asymmetric key: who knows that key could sign. "
            "Use Key.from_pem, or random bytes."
        )


def is_asymmetric(secret: bytes) -> bool:
    """
    Say whether *secret* holds a PEM, DER or bare base64 key, or a certificate.

    SSH and JWK text is recognised by PyJWT's ``prepare_key``.
    """
    if b"-----BEGIN " in secret:
        return True
    return _is_der(secret) or _is_der(_unwrapped(secret))


def is_small_order(public: bytes) -> bool:
    """Say whether an Ed25519 *public* key verifies signatures made without a key."""
    return public[:31] + bytes([public[31] & 0x7F]) in _SMALL_ORDER


def _weakness(secret: bytes, size: int) -> str:
    if len(secret) < size:
        return f"shorter than {size} bytes (RFC 7518 §3.2)"
    steps = {(after - before) % 256 for before, after in pairwise(secret)}
    if len(set(secret)) < 6 or len(steps) < 6:
        return "made of too few different bytes, or counts them up"
    if secret[: (len(secret) + 1) // 2] in secret[1:]:
        return "a repeated pattern"
    if secret in _PUBLISHED or _PLACEHOLDER.search(secret):
        return "a published example or a placeholder"
    return ""


def _unwrapped(secret: bytes) -> bytes:
    """Return what *secret* holds if it is a PEM's inside, else nothing."""
    try:
        return b64decode(secret)
    except ValueError:
        return b""


def _is_der(raw: bytes) -> bool:
    return any(_loads(load, raw) for load in _LOADERS)


def _loads(load: Callable[[bytes], object], raw: bytes) -> bool:
    try:
        load(raw)
    except (ValueError, UnsupportedAlgorithm):
        return False
    except TypeError:  # a private key, and encrypted
        return True
    return True


_LOADERS: tuple[Callable[[bytes], object], ...] = (
    serialization.load_der_public_key,
    lambda raw: serialization.load_der_private_key(raw, None),
    x509.load_der_x509_certificate,
)
