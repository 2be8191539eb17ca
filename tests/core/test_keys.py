"""Keys that cannot be weak, in a ring that cannot mix, and no way out for a secret."""

import hashlib
import hmac
import traceback
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import ConfigError, Key, KeyRing
from resilient_auth.core.algorithms import ALGORITHMS
from resilient_auth.core.keys import derive

SECRET = b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*"
OTHER = b"Zx0-Ui4+Ge7=Hs2~Jf5|Va8:Ob1;Yk3,"
PRIVATE = ed25519.Ed25519PrivateKey.generate()
PRIVATE_PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
SPKI = PublicFormat.SubjectPublicKeyInfo
PUBLIC_PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, SPKI)


def hs256(kid: str, secret: bytes = SECRET) -> Key:
    """Return an HMAC key."""
    return Key.from_secret(secret, kid=kid)


# ------------------------------------------------------------------ one key


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_generated_key_signs_and_verifies(alg: str) -> None:
    """Each is new, bound to its algorithm, and named by what it is."""
    key, other = Key.generate(alg), Key.generate(alg)
    signature = key.sign(b"said")

    assert key.verify(b"said", signature)
    assert not other.verify(b"said", signature)
    assert not key.verify(b"Said", signature)
    assert alg == key.alg
    assert key.kid != other.kid
    assert "a" == Key.generate(alg, kid="a").kid


@pytest.mark.parametrize("alg", ["none", "hs256", "", None, 7, ["HS256"], {}], ids=repr)
def test_an_unknown_algorithm_is_answered_with_the_known_ones(alg: object) -> None:
    """The name is the developer's, and so is the list to choose from."""
    with pytest.raises(ConfigError) as caught:
        Key.generate(alg)  # type: ignore[arg-type] - the mistakes of real life

    assert (
        f"Unknown algorithm {alg!r}; choose HS256, HS384, HS512, RS256, RS384, RS512, "
        "PS256, PS384, PS512, ES256, ES384, ES512, EdDSA."
    ) == str(caught.value)


def test_hs256_is_hmac_sha256() -> None:
    """The primitive is RFC 7518 §3.2's, by the standard library's own reckoning."""
    expected = hmac.digest(SECRET, b"said", "sha256")

    assert expected == hs256("a").sign(b"said")


def test_an_id_is_derived_and_tells_nothing() -> None:
    """The same secret has the same id on every host, and the id is not the secret."""
    derived = Key.from_secret(SECRET).kid

    assert derived == Key.from_secret(SECRET).kid
    assert derived != Key.from_secret(OTHER).kid
    assert derive(SECRET, "key id", 8).hex() == derived
    assert derived.encode() not in SECRET.hex().encode()


def test_a_private_and_its_public_pem_are_one_key() -> None:
    """A service that only verifies finds the signer's key by the same derived id."""
    signer, verifier = Key.from_pem(PRIVATE_PEM), Key.from_pem(PUBLIC_PEM)

    assert signer.kid == verifier.kid
    assert verifier.verify(b"said", signer.sign(b"said"))
    assert signer.can_sign
    assert not verifier.can_sign
    with pytest.raises(ConfigError, match="public"):
        verifier.sign(b"said")


def test_a_fingerprint_is_of_the_key_and_not_of_its_name() -> None:
    """By it a ring knows a key again, whatever it is called."""
    for alg in ("HS256", "EdDSA", "ES256"):
        key = Key.generate(alg, kid="a")
        renamed = Key.from_jwk({**key.secret_jwk(), "kid": "b"})

        assert key.fingerprint == renamed.fingerprint
        assert key.fingerprint != Key.generate(alg, kid="a").fingerprint
    assert Key.from_pem(PRIVATE_PEM).fingerprint == Key.from_pem(PUBLIC_PEM).fingerprint
    assert derive(SECRET, "fingerprint", 32).hex() == hs256("a").fingerprint


def test_a_pem_may_have_lines_around_it() -> None:
    """Files begin with comments and end with spaces; that harms nobody."""
    framed = b"Key of the api, 2026\n\n" + PUBLIC_PEM + b"\n \n"

    assert Key.from_pem(PUBLIC_PEM).kid == Key.from_pem(framed).kid


UNREADABLE = "The PEM text could not be read as an unencrypted key."
BINARY = "A PEM text is bytes; read the file in binary mode."
KIND = "EdDSA takes a key of the kind OKP; this is another."


def other_kinds() -> dict[str, tuple[object, str]]:
    """Return what is given by mistake where an Ed25519 PEM is due, and the answer."""
    elliptic = ec.generate_private_key(ec.SECP256R1())
    encrypted = BestAvailableEncryption(b"x")
    unknown = PUBLIC_PEM.replace(b"MCowBQYDK2Vw", b"MCowBQYDK2V5")
    return {
        "nothing": (b"", UNREADABLE),
        "text": (PUBLIC_PEM.decode(), BINARY),
        "none": (None, BINARY),
        "der": (PRIVATE.public_key().public_bytes(Encoding.DER, SPKI), UNREADABLE),
        "raw": (PRIVATE.public_key().public_bytes_raw(), UNREADABLE),
        "ssh": (
            PRIVATE.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
            UNREADABLE,
        ),
        "ssh-private": (
            PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
            UNREADABLE,
        ),
        "encrypted": (
            PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encrypted),
            UNREADABLE,
        ),
        "elliptic": (elliptic.public_key().public_bytes(Encoding.PEM, SPKI), KIND),
        "ed448": (
            ed448.Ed448PrivateKey.generate()
            .public_key()
            .public_bytes(Encoding.PEM, SPKI),
            KIND,
        ),
        "x25519": (
            x25519.X25519PrivateKey.generate().private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ),
            KIND,
        ),
        "unknown-algorithm": (unknown, UNREADABLE),
        "cut-off": (PRIVATE_PEM[:-40], UNREADABLE),
        "damaged": (PRIVATE_PEM.replace(b"M", b"?"), UNREADABLE),
        "certificate": (
            b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            UNREADABLE,
        ),
        "only-the-word": (b"PRIVATE KEY-----", UNREADABLE),
    }


@pytest.mark.parametrize("kind", other_kinds())
def test_any_other_pem_is_a_config_error(kind: str) -> None:
    """The message says what to change, and quotes nothing of what may be private."""
    given_, fault = other_kinds()[kind]

    with pytest.raises(ConfigError) as caught:
        Key.from_pem(given_)  # type: ignore[arg-type] - the mistakes of real life

    assert fault == str(caught.value)
    said = "".join(traceback.format_exception(caught.value))
    assert PRIVATE_PEM.splitlines()[1].decode()[20:] not in said
    assert caught.value.__cause__ is None


SECRET_KID = "A secret's kid is 1 to 64 characters of A-Z a-z 0-9 _ and -."
KID = "A kid is 1 to 256 characters of A-Z a-z 0-9 and _ . : @ / + = ~ -"
BYTES = "An HMAC secret is bytes; encode or decode it first."


def on_p384() -> bytes:
    """Return the PEM of a key on another curve than that of ES256."""
    made = ec.generate_private_key(ec.SECP384R1())
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("build", "fault"),
    [
        pytest.param(
            lambda: Key.from_secret(SECRET, alg="EdDSA"),
            "EdDSA is asymmetric: use Key.from_pem or from_jwk.",
            id="secret-eddsa",
        ),
        pytest.param(
            lambda: Key.from_pem(PRIVATE_PEM, alg="HS256"),
            "HS256 takes a secret: use Key.from_secret.",
            id="pem-for-hmac",
        ),
        pytest.param(
            lambda: Key.from_pem(on_p384(), alg="ES256"),
            "ES256 takes a key on P-256; this is another.",
            id="curve",
        ),
        pytest.param(
            lambda: Key.from_jwk(
                {"kty": "OKP", "crv": "Ed25519", "x": "AQ" + "A" * 41, "kid": "weak"}
            ),
            "Under this public key anybody could sign; make a new one.",
            id="small-order",
        ),
        pytest.param(
            lambda: Key.from_secret(SECRET.decode()), BYTES, id="secret-as-text"
        ),
        pytest.param(lambda: Key.from_secret(bytearray(SECRET)), BYTES, id="bytearray"),
        pytest.param(lambda: Key.from_secret(None), BYTES, id="secret-missing"),
        pytest.param(
            lambda: Key.from_secret(b"", insecure_allow_weak=True),
            "The secret is empty, or an asymmetric key: who knows that key could sign. "
            "Use Key.from_pem, or random bytes.",
            id="empty",
        ),
        pytest.param(lambda: hs256("a b"), SECRET_KID, id="kid-with-space"),
        pytest.param(lambda: hs256("a.b"), SECRET_KID, id="kid-with-dot"),
        pytest.param(lambda: hs256("../../dev/null"), SECRET_KID, id="kid-is-a-path"),
        pytest.param(lambda: hs256("a\n"), SECRET_KID, id="kid-with-newline"),
        pytest.param(lambda: hs256("ä"), SECRET_KID, id="kid-not-ascii"),
        pytest.param(lambda: hs256("k" * 65), SECRET_KID, id="kid-too-long"),
        pytest.param(lambda: Key.generate("EdDSA", kid=""), KID, id="kid-empty"),
        pytest.param(lambda: Key.generate("EdDSA", kid="a b"), KID, id="kid-space"),
        pytest.param(lambda: Key.generate("EdDSA", kid="k" * 257), KID, id="kid-long"),
        pytest.param(lambda: Key.generate("EdDSA", kid=7), KID, id="kid-a-number"),
    ],
)
def test_a_key_cannot_be_built_wrong(build: Callable[[], Key], fault: str) -> None:
    """Everything is checked here, since nothing is checked again per token."""
    with pytest.raises(ConfigError) as caught:
        build()

    assert fault == str(caught.value)


@pytest.mark.parametrize(("alg", "longest"), [("HS256", 64), ("EdDSA", 256)])
def test_an_id_may_be_as_long_as_its_bound(alg: str, longest: int) -> None:
    """A secret's goes into refresh tokens; a public key's may be others' choice."""
    assert longest == len(Key.generate(alg, kid="k" * longest).kid)


@pytest.mark.parametrize(
    ("ask", "fault"),
    [
        (Key.public_jwk, "Key 's' is a secret: it is never published."),
        (Key.secret_jwk, "Key 'p' has no private part."),
        (lambda key: key.sign(b""), "Key 'p' is public: it cannot sign."),
    ],
    ids=["publish", "write", "sign"],
)
def test_a_key_says_by_its_id_what_it_cannot(
    ask: Callable[[Key], object], fault: str
) -> None:
    """A ring has several, so the id belongs into the answer."""
    key = hs256("s") if "'s'" in fault else Key.from_pem(PUBLIC_PEM, kid="p")

    with pytest.raises(ConfigError) as caught:
        ask(key)

    assert fault == str(caught.value)


def test_weak_is_possible_under_its_loud_name_alone() -> None:
    """Published test vectors are keyed with zeros; nothing else may be."""
    with pytest.raises(ConfigError):
        Key.from_secret(bytes(32))

    assert Key.from_secret(bytes(32), insecure_allow_weak=True).can_sign


@given(st.binary(), st.binary(max_size=200))
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_verifying_never_raises(alg: str, said: bytes, signature: bytes) -> None:
    """A signature is an attacker's text: of any length, it is wrong and no more."""
    assert not KEYS[alg].verify(said, signature)


@given(st.binary(), st.data())
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_one_flipped_bit_is_another_signature(
    alg: str, said: bytes, data: st.DataObject
) -> None:
    """Neither the message nor the signature gives way by a single bit."""
    key = KEYS[alg]
    signature = key.sign(said)
    bit = data.draw(st.integers(0, len(signature) * 8 - 1))
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8

    assert key.verify(said, signature)
    assert not key.verify(said, bytes(flipped))
    assert not key.verify(said + b"\x00", signature)
    assert not key.verify(said, signature + b"\x00")
    assert not key.verify(said, signature[:-1])


KEYS = {alg: Key.generate(alg, kid="k") for alg in ALGORITHMS}


def test_a_key_is_frozen() -> None:
    """A ring that was checked stays checked."""
    ring = KeyRing([hs256("a")])

    for holder, name in ((ring, "keys"), (ring.signing, "alg")):
        with pytest.raises(AttributeError):
            setattr(holder, name, "none")


# ------------------------------------------------------------------ the ring


def test_the_last_signs_and_all_verify() -> None:
    """That is how a rotation goes: the new key is put behind the old."""
    old, new = hs256("old"), hs256("new", OTHER)
    ring = KeyRing([old, new])

    assert new is ring.signing
    assert [old, new, None] == [ring.find(kid) for kid in ("old", "new", "none")]
    assert (old, new) == ring.keys
    assert "KeyRing([Key(kid='old', alg='HS256'), Key(kid='new', alg='HS256')])" == (
        repr(ring)
    )


def test_a_ring_takes_any_iterable_once() -> None:
    """A generator is read once, so the ring and its index are of one reading."""
    ring = KeyRing(key for key in [hs256("a")])

    assert ring.signing is ring.find("a")


@pytest.mark.parametrize(
    ("build", "fault"),
    [
        pytest.param(lambda: KeyRing([]), "at least one", id="empty"),
        pytest.param(
            lambda: KeyRing([hs256("a"), hs256("a", OTHER)]), "share one kid", id="kid"
        ),
        pytest.param(
            lambda: KeyRing([hs256("a"), hs256("b")]), "one secret", id="secret-twice"
        ),
        pytest.param(
            lambda: KeyRing([hs256("a"), KEYS["EdDSA"]]), "key confusion", id="mixed"
        ),
        pytest.param(
            lambda: KeyRing([hs256("a")], {"m": SECRET}),
            "signing secret",
            id="two-uses",
        ),
        pytest.param(
            lambda: KeyRing([KEYS["EdDSA"]], {"m": OTHER, "n": OTHER}),
            "are the same",
            id="masters-twice",
        ),
        pytest.param(
            lambda: KeyRing([KEYS["EdDSA"]], {"m": b"short"}), "shorter", id="short"
        ),
        pytest.param(
            lambda: KeyRing([KEYS["EdDSA"]], {"m": bytes(32)}), "too few", id="weak"
        ),
        pytest.param(
            lambda: KeyRing([KEYS["EdDSA"]], {"m.n": OTHER}), "kid is", id="kid-form"
        ),
        pytest.param(
            lambda: KeyRing([KEYS["EdDSA"]], {"m": OTHER.decode()}),
            "not bytes",
            id="text",
        ),
        pytest.param(
            lambda: KeyRing([KEYS["EdDSA"]]).masters("csrf"),
            "needs refresh_secrets",
            id="no-masters",
        ),
    ],
)
def test_a_ring_cannot_be_built_wrong(build: Callable[[], object], fault: str) -> None:
    """One algorithm, one id, one secret, one use (RFC 8725 §3.1, RFC 7515 §4.1.4)."""
    with pytest.raises(ConfigError, match=fault) as caught:
        build()

    assert SECRET.decode() not in str(caught.value)


def test_masters_are_the_hmac_keys_or_the_given_ones() -> None:
    """The newest is last in both, and given ones replace what could be derived."""
    own = KeyRing([hs256("a"), hs256("b", OTHER)])
    given_ = KeyRing([hs256("a")], {"x": OTHER, "y": OTHER[::-1]})

    assert ["a", "b"] == [*own.masters("p").kids]
    assert ["x", "y"] == [*given_.masters("p").kids]
    assert own.masters("p").mac("b", b"") == given_.masters("p").mac("x", b"")


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_two_purposes_share_a_secret(one: str, other: str) -> None:
    """A token of one kind would open the door of another (RFC 9700 §4.10.2)."""
    ring = KeyRing([hs256("a")])
    macs = [ring.masters(each).mac("a", b"x") for each in (one, other)]
    macs.append(hmac.digest(SECRET, b"x", "sha256"))

    assert (3 if one != other else 2) == len(set(macs))


@given(st.binary(min_size=1, max_size=100), st.integers(1, 80))
def test_deriving_is_hkdf(master: bytes, length: int) -> None:
    """RFC 5869 spelled out: extract under zeros, then expand with the label."""
    extracted = hmac.digest(bytes(32), master, "sha256")
    info, block, expected = b"resilient-auth v1 p", b"", b""
    for n in range(1, 4):
        block = hmac.digest(extracted, block + info + bytes([n]), hashlib.sha256)
        expected += block

    assert expected[:length] == derive(master, "p", length)
