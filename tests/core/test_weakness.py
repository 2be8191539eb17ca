"""Keys that an attacker could know are refused, whatever they are dressed as."""

import base64
import datetime as dt
import hashlib
import json
import math

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from resilient_auth import ConfigError, Key, KeyRing, Signer
from resilient_auth.core.weakness import (
    _ROCA,
    is_asymmetric,
    is_small_order,
    refuse_weak,
    refuse_weak_rsa,
)

ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")


def noise(seed: int, size: int) -> bytes:
    """Return *size* bytes like random ones, the same for the same *seed*."""
    return hashlib.shake_256(b"%d" % seed).digest(size)


SHORT = "shorter than 32 bytes (RFC 7518 §3.2)"
FEW = "made of too few different bytes, or counts them up"
REPEATED = "a repeated pattern"
KNOWN = "a published example or a placeholder"


@pytest.mark.parametrize(
    ("secret", "fault"),
    [
        pytest.param(b"", SHORT, id="empty"),
        pytest.param(b"x", SHORT, id="one-byte"),
        pytest.param(bytes(range(100, 131)), SHORT, id="31-bytes"),
        pytest.param(bytes(32), FEW, id="zeros"),
        pytest.param(b"a" * 64, FEW, id="one-letter"),
        pytest.param(b"abcde" * 13, FEW, id="five-letters"),
        pytest.param(b"0110100110010110" * 2 + b"01" * 9, FEW, id="bits"),
        pytest.param(b"ab" * 5 + b"cde" * 9, FEW, id="five-bytes"),
        pytest.param(bytes(2 * n % 251 for n in range(128)), FEW, id="by-twos"),
        pytest.param(bytes(range(240, 256)) + bytes(range(16)), FEW, id="round-256"),
        pytest.param(bytes(range(32)), FEW, id="counting-up"),
        pytest.param(bytes(range(64, 0, -1)), FEW, id="counting-down"),
        pytest.param(b"abcdefghijklmnopqrstuvwxyz012345", FEW, id="alphabet"),
        pytest.param(b"0123456789" * 4, FEW, id="digits"),
        pytest.param(b"correcthorsebatterystaple" * 2, REPEATED, id="twice"),
        pytest.param(b"correcthorsebatterystaple" * 3 + b"cor", REPEATED, id="cut"),
        pytest.param(b"xk92!qpz" * 4, REPEATED, id="four-times"),
        pytest.param(
            b"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
            KNOWN,
            id="tutorial",
        ),
        pytest.param(b"a-string-secret-at-least-256-bits-long", KNOWN, id="debugger"),
        pytest.param(b"changeme-3f9c1d2e7a6b5048-changed-not", KNOWN, id="changeme"),
        pytest.param(
            b"jwt-SECRET-key-not-for-production-use",
            KNOWN,
            id="in-the-middle",
        ),
        pytest.param(
            b"django-insecure-9s8d7f6g5h4j3k2l1q0w9e8r7t6y", KNOWN, id="django"
        ),
        pytest.param(
            b"please_change_this_before_the_launch_1", KNOWN, id="change-this"
        ),
    ],
)
def test_a_secret_that_can_be_guessed_is_refused(secret: bytes, fault: str) -> None:
    """CVE-2025-45768 and every tutorial: long enough is not yet unknown."""
    with pytest.raises(ConfigError) as caught:
        refuse_weak(secret, 32)

    # The whole message: it says how to make a better one, and quotes nothing.
    assert (
        f"The secret is {fault}. Make one with: "
        "python -c 'import secrets; print(secrets.token_hex(32))'"
    ) == str(caught.value)


@given(st.integers(0, 2**64), st.sampled_from([32, 48, 64, 4096]))
def test_random_secrets_pass_in_every_spelling(seed: int, size: int) -> None:
    """A rule that refuses good secrets teaches people to switch it off."""
    raw = noise(seed, size)

    for secret in (raw, raw.hex().encode(), base64.urlsafe_b64encode(raw)):
        refuse_weak(secret, 32)
        assert not is_asymmetric(secret)


@given(st.binary(min_size=1, max_size=40), st.integers(2, 9), st.integers(0, 39))
def test_no_repetition_hides(part: bytes, times: int, cut: int) -> None:
    """Half the length of a repeated pattern is its real length."""
    secret = part * times + part[:cut]
    if len(secret) < 32:
        secret *= 32

    with pytest.raises(ConfigError):
        refuse_weak(secret, 32)


def test_a_huge_secret_is_judged_at_once() -> None:
    """A file given by mistake must not stop the start: the test is linear."""
    refuse_weak(noise(7, 2_000_000), 32)


# ------------------------------------------------------------------ key confusion

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
SPKI, PKCS8 = PublicFormat.SubjectPublicKeyInfo, PrivateFormat.PKCS8
OPEN = NoEncryption()


def certificate(encoding: Encoding) -> bytes:
    """Return a self-signed certificate."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(EC.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=1))
        .sign(EC, hashes.SHA256())
        .public_bytes(encoding)
    )


def key_texts() -> dict[str, bytes]:
    """Return the spellings in which somebody's key comes to a settings file."""
    pem = RSA.public_key().public_bytes(Encoding.PEM, SPKI)
    der = EC.public_key().public_bytes(Encoding.DER, SPKI)
    secret_pem = ED.private_bytes(Encoding.PEM, PKCS8, OPEN)
    encrypted = BestAvailableEncryption(b"x")
    jwk = OKPAlgorithm.to_jwk(ED.public_key(), as_dict=True)
    return {
        "public-pem": pem,
        "public-pem-indented": b"\n  " + pem,
        "public-pem-crlf": pem.replace(b"\n", b"\r\n"),
        "public-pem-escaped": pem.replace(b"\n", rb"\n"),
        "public-pem-one-line": pem.replace(b"\n", b""),
        "public-pem-with-mark": b"\xef\xbb\xbf" + pem,
        "public-pem-cut-off": pem[:-30],
        "public-pem-inside": b"".join(pem.splitlines()[1:-1]),
        "public-pem-inside-lines": b"\n".join(pem.splitlines()[1:-1]),
        "public-der": der,
        "public-der-base64": base64.b64encode(der),
        "public-pkcs1": RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "private-pem": secret_pem,
        "private-der": ED.private_bytes(Encoding.DER, PKCS8, OPEN),
        "private-der-encrypted": ED.private_bytes(Encoding.DER, PKCS8, encrypted),
        "private-der-base64": base64.b64encode(
            EC.private_bytes(Encoding.DER, PKCS8, OPEN)
        ),
        "private-traditional": EC.private_bytes(
            Encoding.DER, PrivateFormat.TraditionalOpenSSL, OPEN
        ),
        "ssh": ED.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "ssh-private": ED.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, OPEN),
        "certificate-pem": certificate(Encoding.PEM),
        "certificate-der": certificate(Encoding.DER),
        "certificate-base64": base64.b64encode(certificate(Encoding.DER)),
        "jwk": json.dumps(jwk).encode(),
        "jwk-set": json.dumps({"keys": [jwk]}).encode(),
        "jwk-list": json.dumps([jwk]).encode(),
        "jwk-private": ECAlgorithm.to_jwk(EC).encode(),
        "jwk-with-mark": b"\xef\xbb\xbf" + json.dumps(jwk).encode(),
        "jwk-symmetric": b'{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMko"}',
    }


@pytest.mark.parametrize("name", key_texts())
@pytest.mark.parametrize("allow_weak", [False, True])
def test_an_asymmetric_key_is_no_secret(name: str, *, allow_weak: bool) -> None:
    """Key confusion (CVE-2022-29217 and its kin): everybody has the public key."""
    secret = key_texts()[name]

    with pytest.raises(ConfigError) as caught:
        Key.from_secret(secret, insecure_allow_weak=allow_weak)

    assert (
        "The secret is empty, or an asymmetric key: who knows that key could sign. "
        "Use Key.from_pem, or random bytes."
    ) == str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", key_texts())
def test_an_asymmetric_key_masters_nothing(name: str) -> None:
    """Who knows it could make refresh tokens, tickets and mailed links."""
    secret = key_texts()[name]
    ring_keys = [Key.generate("EdDSA", kid="e1")]

    with pytest.raises(ConfigError, match="asymmetric key"):
        KeyRing(ring_keys, refresh_secrets={"m1": secret})
    with pytest.raises(ConfigError, match="asymmetric key"):
        Signer([secret], purpose="reset")


# ------------------------------------------------------------------ small order

P = 2**255 - 19


def small_order_points() -> list[bytes]:
    """Return every encoding of the eight points of small order, computed here."""
    d = -121665 * pow(121666, -1, P) % P
    heights = {0, 1, P - 1, *roots_of_order_eight(d)}
    spelled = heights | {y + P for y in heights if y + P < 2**255}
    return [
        (y | sign << 255).to_bytes(32, "little") for y in spelled for sign in (0, 1)
    ]


def roots_of_order_eight(d: int) -> list[int]:
    """
    Solve for the y of points P with 2P of order four.

    Doubling leads to y = 0, so x² = -y²; on the curve -x² + y² = 1 + d·x²·y² that
    is d·y⁴ + 2·y² - 1 = 0.
    """
    root = square_root((1 + d) % P)
    squares = [(-1 + sign * root) * pow(d, -1, P) % P for sign in (1, -1)]
    found = [square_root(y2) for y2 in squares if is_square(y2)]
    return [y for each in found for y in (each, P - each)]


def is_square(n: int) -> bool:
    """Say whether *n* has a root modulo P (Euler's criterion)."""
    return pow(n, (P - 1) // 2, P) in (0, 1)


def square_root(n: int) -> int:
    """Return a root of the square *n* modulo P (RFC 8032 §5.1.3)."""
    root = pow(n, (P + 3) // 8, P)
    return root if root * root % P == n % P else root * pow(2, (P - 1) // 4, P) % P


@pytest.mark.parametrize("point", small_order_points(), ids=bytes.hex)
def test_a_public_key_of_small_order_is_refused(point: bytes) -> None:
    """Under such a key R = any small point and S = 0 verifies one message in eight."""
    pem = b"-----BEGIN PUBLIC KEY-----\n%b\n-----END PUBLIC KEY-----\n" % (
        base64.b64encode(ED25519_SPKI + point)
    )

    assert is_small_order(point)
    with pytest.raises(ConfigError, match="anybody could sign"):
        Key.from_pem(pem)


def test_a_signature_under_such_a_key_needs_no_key() -> None:
    """The rule can matter: the primitive itself takes the forgery."""
    zero = ed25519.Ed25519PublicKey.from_public_bytes(bytes(32))
    identity = (1).to_bytes(32, "little")
    taken = 0
    for n in range(64):
        try:
            zero.verify(identity + bytes(32), b"forged %d" % n)
        except Exception:  # noqa: BLE001, S112 - InvalidSignature, seven times in eight
            continue
        taken += 1

    assert taken > 0


@given(st.binary(min_size=32, max_size=32))
def test_honest_public_keys_pass(seed: bytes) -> None:
    """Multiplying clears the low bits: no private key leads to a small point."""
    public = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()

    assert not is_small_order(public.public_bytes_raw())


# ------------------------------------------------------------------ RSA


def a_roca_modulus() -> int:
    """Return a number of the broken generator's shape: a power of 65537 modulo M."""
    primorial = math.prod(prime for prime, _ in _ROCA) * 2
    factor = pow(65537, 123_456, primorial) + primorial * (1 << 800)
    return factor * (pow(65537, 654_321, primorial) + primorial * (1 << 812))


def test_a_roca_modulus_is_recognised() -> None:
    """CVE-2017-15361: such a key can be factored from its public half."""
    modulus = a_roca_modulus()

    assert 2048 <= modulus.bit_length() <= 8192
    with pytest.raises(ConfigError) as caught:
        refuse_weak_rsa(modulus, 65_537)

    assert (
        "The RSA key was made by a broken generator (ROCA, CVE-2017-15361) and can "
        "be factored; make a new one."
    ) == str(caught.value)


def test_sound_moduli_pass() -> None:
    """A false alarm comes about once in two hundred million keys."""
    for _ in range(5):
        numbers = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
        refuse_weak_rsa(numbers.n, numbers.e)


SIZES = "An RSA key has 2048 to 8192 bits (RFC 7518 §3.3), this one"
EXPONENT = "The RSA key's public exponent is even, below 65537 or above 64 bits."


@pytest.mark.parametrize(
    ("bits", "exponent", "fault"),
    [
        (2047, 65_537, f"{SIZES} 2047."),
        (8193, 65_537, f"{SIZES} 8193."),
        (2048, 65_535, EXPONENT),
        (2048, 3, EXPONENT),
        (2048, 65_538, EXPONENT),
        (2048, 2**64 + 1, EXPONENT),
    ],
)
def test_sizes_and_exponents_have_limits(bits: int, exponent: int, fault: str) -> None:
    """Too small can be broken, too large costs a second for each token (K4)."""
    with pytest.raises(ConfigError) as caught:
        refuse_weak_rsa((1 << bits) - 1, exponent)

    assert fault == str(caught.value)


def test_the_limits_themselves_are_fine() -> None:
    """2048 and 8192 bits, the exponent that everybody uses, and any odd one above."""
    for bits in (2048, 8192):
        for exponent in (65_537, 65_539, 65_541):
            refuse_weak_rsa((1 << bits) - 1, exponent)
