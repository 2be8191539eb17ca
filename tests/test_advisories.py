"""
What others were broken by: one case per row of the attack list and per advisory.

A case is named by its row (T token, K key, S session, C cookie, CSRF, CORS) and, where
there is one, by the advisory; `tests/test_checklist.py` finds the rows that are tested
elsewhere. Most tokens here are signed with the *right* key, so that it is
the strictness that refuses them and not the signature.
"""

import base64
import json
import math
import pickle
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from resilient_auth import (
    Auth,
    ConfigError,
    CookiePolicy,
    CorsPolicy,
    CsrfPolicy,
    Deployment,
    Key,
    KeyRing,
    MemoryStore,
    Refused,
    SessionPolicy,
    TokenIssuer,
    TokenPolicy,
    TokenVerifier,
    Unavailable,
    read_cookies,
)
from resilient_auth.core import base64url
from resilient_auth.core.jwks import read_jwks
from resilient_auth.core.refresh import PURPOSE as REFRESH
from resilient_auth.core.refresh import Presented, write_refresh
from resilient_auth.core.signing import PURPOSE as CSRF
from resilient_auth.core.signing import CsrfTokens
from resilient_auth.core.view import RequestView
from resilient_auth.testing import FrozenClock
from resilient_auth.web.wire import json_answer, read_body

NOW = 1_800_000_000
SECRET = b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*"
KEYS = {
    "HS256": Key.from_secret(SECRET, kid="k1"),
    "EdDSA": Key.generate("EdDSA", "k1"),
}
RINGS = {
    "HS256": KeyRing([KEYS["HS256"]]),
    "EdDSA": KeyRing([KEYS["EdDSA"]], {"m": SECRET}),
}
POLICY = TokenPolicy(issuer="https://api.example.com", audience="api")
CLOCK = FrozenClock(NOW)
HEADER = {"alg": "HS256", "typ": "at+jwt", "kid": "k1"}
CLAIMS = {
    "iss": "https://api.example.com",
    "sub": "ann",
    "aud": "api",
    "iat": NOW,
    "exp": NOW + 600,
    "jti": "t1",
    "sid": "s" * 32,
}


def forge(header: Any = None, claims: Any = None, *, alg: str = "HS256") -> str:
    """Return a token whose signature holds; bytes are taken as they are."""
    raw = [
        each if isinstance(each, bytes) else json.dumps(each).encode()
        for each in (
            HEADER | {"alg": alg} if header is None else header,
            CLAIMS if claims is None else claims,
        )
    ]
    signing_input = b".".join(map(base64url.encode, raw))
    signature = base64url.encode(KEYS[alg].sign(signing_input))
    return (signing_input + b"." + signature).decode()


def verdict(token: Any, *, alg: str = "HS256", at: float = NOW) -> str:
    """Return the public code with which *token* is refused, or nothing."""
    verifier = TokenVerifier(RINGS[alg], POLICY, clock=FrozenClock(at))
    try:
        verifier.verify(token)
    except Refused as error:
        return error.code
    return ""


@pytest.mark.parametrize("alg", KEYS)
def test_the_unchanged_token_is_good(alg: str) -> None:
    """Without this, every refusal below could have another cause."""
    assert "" == verdict(forge(alg=alg), alg=alg)


# ------------------------------------------------------------------ T: tokens


def unsigned(header: dict[str, Any], signature: str = "") -> str:
    """Return a token with *header* and *signature* that nobody signed."""
    parts = [json.dumps(header).encode(), json.dumps(CLAIMS).encode()]
    return ".".join([*(base64url.encode(part).decode() for part in parts), signature])


def headed(**members: Any) -> str:
    """Return a signed token with *members* in its header."""
    return forge(HEADER | members)


GOOD = forge()
HEAD, BODY, TAIL = GOOD.split(".")


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(unsigned(HEADER | {"alg": "none"}), id="T1-none"),
        pytest.param(unsigned(HEADER | {"alg": "None"}), id="T1-None"),
        pytest.param(unsigned(HEADER | {"alg": "nOnE"}), id="T1-nOnE"),
        pytest.param(unsigned(HEADER), id="T1-empty-signature-CVE-2025-61152"),
        pytest.param(unsigned({"alg": "none"}, "e30"), id="T1-none-with-signature"),
        pytest.param(headed(alg="none"), id="T1-none-signed"),
        pytest.param(headed(alg="hs256"), id="T1-lower-case"),
        pytest.param(headed(alg="HS256 "), id="T1-space"),
        pytest.param(headed(alg=["HS256"]), id="T1-list"),
        pytest.param(headed(alg=None), id="T1-null"),
        pytest.param(headed(alg=""), id="T1-empty"),
        pytest.param(headed(alg="HS512"), id="T2-another-hash-CVE-2026-48523"),
        pytest.param(headed(alg="EdDSA"), id="T2-asymmetric-CVE-2022-29217"),
        pytest.param(headed(alg="RS256"), id="T2-rsa-CVE-2024-33663"),
        pytest.param(headed(alg="ES256"), id="T2-ecdsa-CVE-2024-37568"),
        pytest.param(headed(alg="xHS256HS512"), id="T3-substring-of-algorithms"),
        pytest.param(headed(jwk={"kty": "oct", "k": "AA"}), id="T4-jwk-CVE-2018-0114"),
        pytest.param(headed(jku="https://evil.example/k"), id="T4-jku-CVE-2026-27962"),
        pytest.param(headed(x5u="https://evil.example/c"), id="T4-x5u"),
        pytest.param(headed(x5c=["MIIB"]), id="T4-x5c"),
        pytest.param(headed(x5t="AA"), id="T4-x5t"),
        pytest.param(headed(crit=["x-unknown"]), id="T5-crit-CVE-2025-59420"),
        pytest.param(headed(crit=[]), id="T5-crit-empty-CVE-2026-32597"),
        pytest.param(headed(crit=["b64", "b64"], b64=True), id="T5-crit-twice"),
        pytest.param(headed(crit=["exp"]), id="T5-crit-absent"),
        pytest.param(headed(crit=["alg"]), id="T5-crit-registered"),
        pytest.param(headed(crit="b64"), id="T5-crit-text"),
        pytest.param(headed(b64=False), id="T5-b64-false-CVE-2026-48525"),
        pytest.param(headed(b64=True), id="T5-b64-true"),
        pytest.param(headed(b64="false"), id="T5-b64-text"),
        pytest.param(headed(zip="DEF"), id="T6-zip"),
        pytest.param(
            forge(HEADER | {"zip": "DEF"}, zlib.compress(b"{" + b" " * 10**6)),
            id="T6-bomb-CVE-2024-33664",
        ),
        pytest.param(headed(cty="JWT"), id="T6-cty"),
        pytest.param(headed(enc="A128GCM"), id="T6-enc"),
        pytest.param(f"{GOOD}.{BODY}.{TAIL}", id="T6-five-parts-jwe"),
        pytest.param(
            json.dumps({"payload": BODY, "protected": HEAD, "signature": TAIL}),
            id="T6-json-serialisation",
        ),
        pytest.param(forge(None, GOOD.encode()), id="T6-nested-jwt"),
        pytest.param(forge({"alg": "HS256", "kid": "k1"}), id="T7-no-typ"),
        pytest.param(headed(typ="JWT"), id="T7-id-token"),
        pytest.param(headed(typ="AT+JWT"), id="T7-capitals"),
        pytest.param(headed(typ="logout+jwt"), id="T7-logout-token"),
        pytest.param(headed(typ=7), id="T7-number"),
        pytest.param(
            write_refresh(
                Presented("k1", "s" * 32, 0), RINGS["HS256"].masters(REFRESH)
            ),
            id="T7-refresh-token",
        ),
        pytest.param(
            CsrfTokens(RINGS["HS256"].masters(CSRF)).issue("s" * 32), id="T7-csrf-token"
        ),
        pytest.param(GOOD + "=", id="T8-padding-pyjwt-2.15.1"),
        pytest.param(f"{HEAD}.{BODY}==.{TAIL}", id="T8-padding-inside"),
        pytest.param(" " + GOOD, id="T8-space-before"),
        pytest.param(GOOD + " ", id="T8-space-behind"),
        pytest.param(GOOD + "\n", id="T8-newline-behind"),
        pytest.param(f"{HEAD}.\n{BODY}.{TAIL}", id="T8-newline-inside"),
        pytest.param(f"{HEAD}.{BODY}.{TAIL[:-1]}+", id="T8-standard-alphabet"),
        pytest.param(f"{HEAD}.{BODY}.{TAIL}/", id="T8-slash"),
        pytest.param(f"{HEAD}.{BODY}", id="T8-two-segments"),
        pytest.param(f"{GOOD}.", id="T8-four-segments"),
        pytest.param(f"{HEAD}..{TAIL}", id="T8-empty-payload"),
        pytest.param(f".{BODY}.{TAIL}", id="T8-empty-header"),
        pytest.param(forge(None, b""), id="T8-empty-payload-signed"),
        pytest.param(headed(kid=7), id="T9-number"),
        pytest.param(headed(kid=["k1"]), id="T9-list"),
        pytest.param(headed(kid="k" * 4096), id="T9-4-kb"),
        pytest.param(headed(kid="../../dev/null"), id="T9-path-CVE-2026-48524"),
        pytest.param(headed(kid="k1' OR '1'='1"), id="T9-sql"),
        pytest.param(headed(kid="k1\x00"), id="T9-nul"),
        pytest.param(headed(kid="unknown"), id="T9-unknown"),
        pytest.param(forge({"alg": "HS256", "typ": "at+jwt"}), id="T9-missing"),
        pytest.param(
            forge(b'{"alg":"none","alg":"HS256","typ":"at+jwt","kid":"k1"}'),
            id="T10-alg-twice",
        ),
        pytest.param(
            forge(None, json.dumps(CLAIMS).replace("{", '{"sub":"x",', 1).encode()),
            id="T10-sub-twice",
        ),
        pytest.param(
            forge(
                None, json.dumps(CLAIMS | {"a": {"b": 1}}).encode()[:-2] + b',"b":2}}'
            ),
            id="T10-twice-inside",
        ),
        pytest.param(forge(None, json.dumps(CLAIMS).encode("utf-16")), id="T10-utf-16"),
        pytest.param(forge(None, json.dumps(CLAIMS).encode("utf-32")), id="T10-utf-32"),
        pytest.param(forge(None, json.dumps(CLAIMS).encode("utf-8-sig")), id="T10-bom"),
        pytest.param(
            forge(json.dumps(HEADER).encode("utf-16")), id="T10-utf-16-header"
        ),
        pytest.param(
            forge(None, json.dumps(CLAIMS).encode().replace(b"ann", b"\xff\xfe")),
            id="T10-bad-utf-8",
        ),
        pytest.param(forge(None, [CLAIMS]), id="T12-array"),
        pytest.param(forge(None, "ann"), id="T12-text"),
        pytest.param(forge(None, 7), id="T12-number"),
        pytest.param(forge(None, b"null"), id="T12-null"),
        pytest.param(forge(None, b""), id="T12-nothing"),
        pytest.param("a" * 8193, id="T15-8193-CVE-2025-61920"),
        pytest.param("a" * 1_000_000 + ".e30.e30", id="T15-1-mb-header"),
        pytest.param(
            forge(None, b'{"a":' + b"[" * 2900 + b"]" * 2900 + b"}"),
            id="T15-deep-GHSA-8wjv-2p76-3863",
        ),
        pytest.param(
            forge(b'{"a":' + b"[" * 2900 + b"]" * 2900 + b"}"), id="T15-deep-header"
        ),
        pytest.param(forge(None, b"[" * 100_000), id="T15-deep-and-long"),
        pytest.param(None, id="T15-none"),
        pytest.param(7, id="T15-number"),
        pytest.param(bytearray(GOOD.encode()), id="T15-bytearray"),
        pytest.param("", id="T15-empty"),
        pytest.param(b"", id="T15-empty-bytes"),
        pytest.param("\ud800", id="T15-surrogate"),
    ],
)
def test_tokens_that_open_other_doors(token: Any) -> None:
    """T1-T10, T12, T15: refused as ``token_invalid``, and nothing else comes out."""
    assert "token_invalid" == verdict(token)


@pytest.mark.parametrize("name", ["sub", "sid", "jti", "iss", "aud"])
@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        "a\x00b",
        "a\nb",
        "a\u202eb",
        "a\u2066b",
        "a" * 257,
        "",
        7,
        None,
        ["ann"],
        {"a": 1},
    ],
    ids=ascii,
)
def test_texts_that_are_no_names(name: str, value: Any) -> None:
    """T10, T14: controls, surrogates, lists and numbers where a name is due."""
    assert "token_invalid" == verdict(forge(None, CLAIMS | {name: value}))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value",
    [
        b'"1800000000"',
        b'" 9_999_999_999 "',
        b"1800000000.0",
        b"1.8e9",
        b"1e300",
        b"1e400",
        b"true",
        b"null",
        b"[]",
        b"{}",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"-1",
        b"9007199254740992",
        b"9" * 5000,
    ],
    ids=lambda value: f"T11-{value[:20].decode()}",
)
def test_dates_that_are_no_whole_numbers(name: str, value: bytes) -> None:
    """T11: PyJWT reads ``int(value)``, so texts and floats become dates there."""
    said = {each: value for each, value in CLAIMS.items() if each != name}
    payload = b'{"%b":%b,' % (name.encode(), value) + json.dumps(said).encode()[1:]

    assert "token_invalid" == verdict(forge(None, payload))


@pytest.mark.parametrize("name", ["exp", "iat", "iss", "aud", "sub", "jti"])
def test_claims_that_are_missing(name: str) -> None:
    """T12, T14: without ``exp`` a token never dies; PyJWT takes it unless told."""
    said = {each: value for each, value in CLAIMS.items() if each != name}

    assert "token_invalid" == verdict(forge(None, said))


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"exp": NOW + 86_401}, id="T12-longer-than-the-policy"),
        pytest.param({"exp": NOW}, id="T12-no-life"),
        pytest.param({"exp": 2**53 - 1}, id="T12-for-ever"),
        pytest.param({"iss": "https://api.example.co"}, id="T14-iss-CVE-2024-53861"),
        pytest.param({"iss": "https://api.example.com.evil"}, id="T14-iss-prefix"),
        pytest.param({"iss": "HTTPS://api.example.com"}, id="T14-iss-case"),
        pytest.param({"iss": "https://api.example.com/"}, id="T14-iss-slash"),
        pytest.param({"aud": "a"}, id="T14-aud-substring"),
        pytest.param({"aud": "api2"}, id="T14-aud-prefix"),
        pytest.param({"aud": ["api"]}, id="T14-aud-list"),
        pytest.param({"aud": ["api", "evil"]}, id="T14-aud-list-foreign"),
    ],
)
def test_claims_that_are_nearly_right(claims: dict[str, Any]) -> None:
    """T12, T14: one issuer, one audience, compared whole; one bounded life."""
    assert "token_invalid" == verdict(forge(None, CLAIMS | claims))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param(NOW - 31, "token_not_yet_valid", id="T13-beyond-the-leeway"),
        pytest.param(NOW - 30, "", id="T13-iat-ahead-within"),
        pytest.param(NOW + 600, "", id="T13-exp-now"),
        pytest.param(NOW + 629, "", id="T13-last-second"),
        pytest.param(NOW + 630, "token_expired", id="T13-one-second-more"),
    ],
)
def test_the_boundary_is_the_documented_second(at: int, expected: str) -> None:
    """T13: a leeway of 0 makes logins fail where clocks differ; ours is 30 s."""
    assert expected == verdict(forge(), at=at)


ORDER = 2**252 + 27742317777372353535851937790883648493  # of the base point, RFC 8032


def malleable(signature: bytes) -> bytes:
    """Return the other S of an Ed25519 signature: S + L."""
    s = int.from_bytes(signature[32:], "little") + ORDER
    return signature[:32] + s.to_bytes(32, "little")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda _: bytes(64), id="T16-zeros-CVE-2022-21449"),
        pytest.param(
            lambda _: (1).to_bytes(32, "little") + bytes(32), id="T16-identity"
        ),
        pytest.param(malleable, id="T16-malleable-CVE-2020-36843"),
        pytest.param(lambda raw: raw[:-1], id="T16-short"),
        pytest.param(lambda raw: raw + b"\x00", id="T16-long"),
        pytest.param(lambda raw: raw[32:] + raw[:32], id="T16-swapped"),
        pytest.param(lambda _: b"\x30\x06\x02\x01\x01\x02\x01\x01", id="T16-der"),
    ],
)
def test_signatures_that_verify_elsewhere(change: Callable[[bytes], bytes]) -> None:
    """T16, as far as EdDSA has it: one signature, one spelling, never zero."""
    signing_input, _, tail = forge(alg="EdDSA").rpartition(".")
    raw = base64.urlsafe_b64decode(tail + "==")
    changed = base64url.encode(change(raw)).decode()

    assert "token_invalid" == verdict(f"{signing_input}.{changed}", alg="EdDSA")


P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
OTHER_KEYS = {alg: Key.generate(alg, "k1") for alg in ("ES256", "RS256", "PS256")}


def der_of(raw: bytes) -> bytes:
    """Return an ECDSA signature as X.509 writes it."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    half = len(raw) // 2
    r, s = (int.from_bytes(each, "big") for each in (raw[:half], raw[half:]))
    der = encode_dss_signature(r, s)
    assert (r, s) == decode_dss_signature(der)
    return der


def beyond_the_order(raw: bytes) -> bytes:
    """Return r + n beside s: the same number to a careless verifier."""
    r = int.from_bytes(raw[:32], "big") + P256_ORDER
    return r.to_bytes(33, "big")[-32:] + raw[32:]


@pytest.mark.parametrize(
    ("alg", "change"),
    [
        pytest.param("ES256", lambda _: bytes(64), id="T16-zeros-CVE-2022-21449"),
        pytest.param(
            "ES256",
            lambda _: P256_ORDER.to_bytes(32, "big") * 2,
            id="T16-order-CVE-2022-21449",
        ),
        pytest.param("ES256", beyond_the_order, id="T16-r-plus-n"),
        pytest.param("ES256", der_of, id="T16-der"),
        pytest.param("ES256", lambda raw: raw[:63], id="T16-63-bytes"),
        pytest.param("ES256", lambda raw: raw + b"\x00", id="T16-65-bytes"),
        pytest.param("ES256", lambda _: b"", id="T16-empty"),
        pytest.param("RS256", lambda raw: raw[:-1], id="T16-rsa-short"),
        pytest.param("RS256", lambda raw: b"\x00" + raw, id="T16-rsa-long"),
        pytest.param("RS256", lambda raw: bytes(len(raw)), id="T16-rsa-zeros"),
        pytest.param(
            "RS256", lambda raw: bytes(len(raw) - 1) + b"\x01", id="T16-rsa-one"
        ),
        pytest.param("PS256", lambda raw: raw[::-1], id="T16-pss-reversed"),
    ],
)
def test_signatures_of_the_wrong_form(
    alg: str, change: Callable[[bytes], bytes]
) -> None:
    """T16: raw, of one length, with numbers in range (RFC 7518 §3.4)."""
    key = OTHER_KEYS[alg]
    good = key.sign(b"said")

    assert key.verify(b"said", good)
    assert not key.verify(b"said", change(good))


def test_one_signature_is_for_one_algorithm() -> None:
    """T2: an RSA key that is bound to PSS takes no PKCS #1 signature."""
    jwk = OTHER_KEYS["RS256"].secret_jwk()
    pss = Key.from_jwk(jwk | {"alg": "PS256"})

    assert not pss.verify(b"said", OTHER_KEYS["RS256"].sign(b"said"))
    assert not OTHER_KEYS["RS256"].verify(b"said", pss.sign(b"said"))


@pytest.mark.parametrize(
    ("subject", "claims", "ttl"),
    [
        *(
            pytest.param("ann", {name: "x"}, None, id=f"T17-{name}")
            for name in ("sub", "exp", "iss", "aud", "sid", "jti", "amr", "auth_time")
        ),
        pytest.param(7, None, None, id="T17-subject-number"),
        pytest.param(None, None, None, id="T17-subject-none"),
        pytest.param(["ann"], None, None, id="T17-subject-list"),
        pytest.param("", None, None, id="T17-subject-empty"),
        pytest.param("ann", {"a": float("nan")}, None, id="T17-nan"),
        pytest.param("ann", {"a": object()}, None, id="T17-object"),
        pytest.param("ann", None, 600.0, id="T17-float-life"),
    ],
)
def test_tokens_that_are_not_issued(subject: Any, claims: Any, ttl: Any) -> None:
    """T17: AuthX lets extra claims overwrite ``sub``; what we issue, we accept."""
    issuer = TokenIssuer(RINGS["HS256"], POLICY, clock=CLOCK)

    with pytest.raises((ValueError, TypeError)):
        issuer.issue(subject, claims, ttl=ttl)


# ------------------------------------------------------------------ K: keys


def pem() -> bytes:
    """Return a public key as everybody has it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = KEYS["EdDSA"]._verifying
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: Any) -> bytes:
    """Return a key of `cryptography` as a PEM text."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def of(alg: str, /, **changes: Any) -> dict[str, Any]:
    """Return a private JWK of *alg* with *changes*; None takes a member out."""
    key = OTHER_KEYS.get(alg) or KEYS[alg]
    said = key.secret_jwk() | changes
    return {name: value for name, value in said.items() if value is not None}


def published(*jwks: dict[str, Any]) -> bytes:
    """Return a set that an issuer could publish."""
    return json.dumps({"keys": jwks}).encode()


PUBLIC = OTHER_KEYS["ES256"].public_jwk()
OFF_CURVE = {"x": PUBLIC["y"], "d": None}


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: Key.generate("none"), id="T3-none"),
        pytest.param(lambda: Key.generate(""), id="T3-empty"),
        pytest.param(lambda: Key.generate("xHS256HS512"), id="T3-substring"),
        pytest.param(lambda: KeyRing(list(KEYS.values())), id="T3-K8-mixed"),
        pytest.param(lambda: Key.from_secret(SECRET[:31]), id="K1-CVE-2025-45768"),
        pytest.param(lambda: Key.from_secret(b""), id="K2-empty"),
        pytest.param(lambda: Key.from_secret(b"x"), id="K2-one-byte"),
        pytest.param(lambda: Key.from_secret(bytes(32)), id="K2-zeros"),
        pytest.param(lambda: Key.from_secret(b"secret" * 8), id="K2-secret"),
        pytest.param(lambda: Key.from_secret(b"changeme" * 8), id="K2-changeme"),
        pytest.param(lambda: Key.from_secret(SECRET[:9] * 5), id="K2-repeated"),
        pytest.param(lambda: Key.from_secret(pem()), id="K3-pem-CVE-2017-11424"),
        pytest.param(
            lambda: Key.from_secret(b"\n" + pem()), id="K3-pem-GHSA-xgmm-8j9v-c9wx"
        ),
        pytest.param(
            lambda: Key.from_secret(pem().splitlines()[1]), id="K3-CVE-2024-33663"
        ),
        pytest.param(
            lambda: Key.from_secret(b'{"kty":"OKP","crv":"Ed25519","x":"AyM1SysP"}'),
            id="K3-jwk-GHSA-r6x4-923q-g947",
        ),
        pytest.param(
            lambda: Key.from_secret(SECRET + SECRET[:15], alg="HS384"), id="K1-HS384"
        ),
        pytest.param(
            lambda: Key.from_secret(SECRET + SECRET[::-1][:31], alg="HS512"),
            id="K1-HS512",
        ),
        pytest.param(
            lambda: Key.from_pem(
                private_pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - to be refused
                alg="RS256",
            ),
            id="K4-rsa-1024",
        ),
        pytest.param(
            lambda: Key.from_pem(
                private_pem(rsa.generate_private_key(3, 2048)), alg="RS256"
            ),
            id="K4-exponent-3",
        ),
        pytest.param(
            lambda: Key.from_pem(
                private_pem(ec.generate_private_key(ec.SECP521R1())), alg="ES256"
            ),
            id="K5-p-521-for-es256",
        ),
        pytest.param(
            lambda: Key.from_pem(
                private_pem(ec.generate_private_key(ec.SECP256K1())), alg="ES256"
            ),
            id="K5-secp256k1-for-es256",
        ),
        pytest.param(
            lambda: Key.from_pem(
                private_pem(ec.generate_private_key(ec.SECP256R1())), alg="ES384"
            ),
            id="K5-p-256-for-es384",
        ),
        pytest.param(lambda: Key.from_jwk(of("ES256", **OFF_CURVE)), id="K5-off-curve"),
        pytest.param(
            lambda: Key.from_jwk(
                of("EdDSA", d=Key.generate("EdDSA").secret_jwk()["d"])
            ),
            id="K5-d-of-another",
        ),
        pytest.param(lambda: Key.from_jwk(of("RS256", use="enc")), id="K6-use-enc"),
        pytest.param(
            lambda: Key.from_jwk(of("RS256", key_ops=["encrypt"])), id="K6-ops-encrypt"
        ),
        pytest.param(
            lambda: Key.from_jwk(of("EdDSA", key_ops=["sign", "sign"])),
            id="K6-ops-twice",
        ),
        pytest.param(lambda: Key.from_jwk(of("RS256", alg=None)), id="K7-no-alg"),
        pytest.param(
            lambda: Key.from_jwk(of("RS256"), alg="PS256"), id="K7-alg-configured"
        ),
        pytest.param(lambda: Key.from_jwk(of("RS256", alg="HS256")), id="K7-kty"),
        pytest.param(lambda: KeyRing([]), id="K8-empty"),
        pytest.param(lambda: read_jwks(published(PUBLIC, PUBLIC)), id="K8-set-kid"),
        pytest.param(
            lambda: read_jwks(published(PUBLIC, of("EdDSA", kid="k2"))),
            id="K9-private-member",
        ),
        pytest.param(
            lambda: read_jwks(published(PUBLIC, {"kty": "oct", "k": "AA"})), id="K9-oct"
        ),
        pytest.param(RINGS["HS256"].jwks, id="K9-ours"),
        pytest.param(
            lambda: KeyRing([KEYS["HS256"], Key.generate("HS256", "k1")]), id="K8-kid"
        ),
        pytest.param(
            lambda: KeyRing([KEYS["HS256"]], {"m": SECRET}), id="K10-access-and-refresh"
        ),
        pytest.param(
            lambda: KeyRing([KEYS["HS256"], Key.from_secret(SECRET, kid="k2")]),
            id="K10-two-ids",
        ),
    ],
)
def test_keys_that_are_not_loaded(build: Callable[[], object]) -> None:
    """K1-K10: checked when loaded, so that no request depends on it."""
    with pytest.raises(ConfigError) as caught:
        build()

    assert SECRET.decode() not in str(caught.value)


RSA, EC = Key.generate("RS256", "r1").public_jwk(), Key.generate("ES256").public_jwk()
OKP = KEYS["EdDSA"].secret_jwk()
OCT = KEYS["HS256"].secret_jwk()


def number(value: int) -> str:
    """Return *value* as a JWK spells it."""
    return base64url.encode(value.to_bytes((value.bit_length() + 7) // 8)).decode()


def roca() -> str:
    """Return a modulus whose factors are powers of 65537 modulo small primes."""
    small = math.prod(n for n in range(2, 168) if all(n % d for d in range(2, n)))
    one, other = (pow(65537, power, small) + (small << 800) for power in (7, 11))
    return number(one * other)


@pytest.mark.parametrize(
    "jwk",
    [
        pytest.param(RSA | {"n": number(2**2046 + 1)}, id="K4-2047-bits"),
        pytest.param(RSA | {"n": number(2**8192 + 1)}, id="K4-8193-bits"),
        pytest.param(RSA | {"n": roca()}, id="K4-roca-CVE-2017-15361"),
        pytest.param(RSA | {"e": number(3)}, id="K4-exponent-3"),
        pytest.param(RSA | {"e": number(65_538)}, id="K4-exponent-even"),
        pytest.param(RSA | {"e": number(2**64 + 1)}, id="K4-exponent-huge"),
        pytest.param(EC | {"alg": "ES384"}, id="K5-curve-of-another-alg"),
        pytest.param(EC | {"crv": "secp256k1"}, id="K5-secp256k1"),
        pytest.param(EC | {"crv": "P-521"}, id="K5-crv-is-not-the-points"),
        pytest.param(EC | {"y": EC["x"]}, id="K5-not-on-the-curve"),
        pytest.param(
            OKP | {"x": Key.generate("EdDSA").public_jwk()["x"]}, id="K5-d-is-not-xs"
        ),
        pytest.param(RSA | {"use": "enc"}, id="K6-use-enc"),
        pytest.param(RSA | {"key_ops": ["encrypt"]}, id="K6-encrypt"),
        pytest.param(RSA | {"key_ops": ["sign"]}, id="K6-public-signs"),
        pytest.param(RSA | {"key_ops": ["verify", "verify"]}, id="K6-twice"),
        pytest.param(RSA | {"key_ops": "verify"}, id="K6-text"),
        pytest.param(OKP | {"key_ops": ["verify"]}, id="K6-private-verifies"),
        pytest.param(OCT | {"key_ops": ["sign"]}, id="K6-secret-signs-only"),
        pytest.param(RSA | {"alg": None}, id="K7-rsa-without-alg"),
        pytest.param(OCT | {"alg": None}, id="K7-secret-without-alg"),
        pytest.param(RSA | {"alg": "ES256"}, id="K7-kty-against-alg"),
        pytest.param(RSA | {"kty": "EC"}, id="K7-alg-against-kty"),
        pytest.param(RSA | {"alg": "HS256"}, id="K7-rsa-as-hmac-CVE-2022-29217"),
        pytest.param(OKP | {"alg": "none"}, id="K7-none"),
    ],
)
def test_jwks_that_contradict_themselves(jwk: dict[str, Any]) -> None:
    """K4-K7: a weak number, or a key that says two things, is not loaded."""
    with pytest.raises(ConfigError) as caught:
        Key.from_jwk(jwk)

    assert OKP["d"] not in str(caught.value)
    assert OCT["k"] not in str(caught.value)


def test_k7_the_configured_algorithm_is_the_only_one() -> None:
    """Both may name it, but not two different ones."""
    assert "RS256" == Key.from_jwk(RSA, alg="RS256").alg
    with pytest.raises(ConfigError, match="configured"):
        Key.from_jwk(RSA, alg="PS256")


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([RSA, EC | {"kid": RSA["kid"]}], id="K8-kid-twice"),
        pytest.param([RSA, OCT], id="K8-secret-beside-public"),
        pytest.param([RSA, OKP], id="K9-private"),
        pytest.param([RSA, {"kty": "oct"}], id="K9-oct"),
        *(
            pytest.param([EC, RSA | {name: "AQ"}], id=f"K9-{name}")
            for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
        ),
    ],
)
def test_sets_that_are_not_believed(keys: list[dict[str, Any]]) -> None:
    """K8, K9: one such key, and the whole set is refused."""
    assert 2 == len(read_jwks(json.dumps({"keys": [RSA, EC]}).encode()))
    with pytest.raises(ConfigError):
        read_jwks(json.dumps({"keys": keys}).encode())


def test_k10_no_purpose_shares_a_secret() -> None:
    """What signs access tokens makes neither refresh tokens nor CSRF tokens."""
    ring = RINGS["HS256"]
    macs = {ring.masters(each).mac("k1", b"x") for each in (REFRESH, CSRF)}

    assert 3 == len(macs | {ring.signing.sign(b"x")})


@pytest.mark.parametrize("holder", [*KEYS.values(), *RINGS.values()], ids=repr)
def test_k11_a_key_shows_no_secret(holder: Key | KeyRing) -> None:
    """K11: what a log or a debugger prints is the id; pickle and vars refuse."""
    for leak in (pickle.dumps, vars):
        with pytest.raises(TypeError) as caught:
            leak(holder)  # type: ignore[operator] - one of the two

        assert SECRET.decode() not in str(caught.value)
    for shown in (repr(holder), str(holder), f"{holder!r:>9}"):
        assert SECRET.decode() not in shown


def test_k9_what_we_publish_is_public() -> None:
    """No private member of any kind, whatever the ring holds."""
    ring = KeyRing([*OTHER_KEYS.values()][:1], {"m": SECRET})
    (jwk,) = ring.jwks()["keys"]

    assert {"kty", "crv", "x", "y", "kid", "alg", "use"} >= jwk.keys()


# ------------------------------------------------------------------ S: sessions


class Site:
    """One store and two processes that share it; *lives* are the session policy's."""

    def __init__(self, **lives: int) -> None:
        self.clock = FrozenClock(NOW)
        self.store = MemoryStore()
        said: dict[str, Any] = {
            "store": self.store,
            "clock": self.clock,
            "sessions": SessionPolicy(**lives),
        }
        self.here, self.there = (Auth(RINGS["HS256"], POLICY, **said) for _ in range(2))
        self.tokens = self.here.login("ann", {"fresh": True})

    def answer(self, token: str, auth: Auth | None = None) -> str:
        """Refresh with *token*; return the rotation, or the code."""
        try:
            return (auth or self.here).refresh(token).rotation
        except Refused as error:
            return error.code


def rewritten(token: str, **changes: int) -> str:
    """Return the refresh token that *token* would be with *changes*, MAC and all."""
    _, kid, session_id, generation, _ = token.split(".")
    said = {"generation": int(generation)} | changes
    return write_refresh(
        Presented(kid, session_id, **said), RINGS["HS256"].masters(REFRESH)
    )


def test_s1_an_old_token_inside_and_after_the_grace() -> None:
    """S1, S2: the same successor without a write; later, the family is over."""
    site = Site()
    first = site.tokens.refresh_token
    second = site.here.refresh(first)
    again = site.there.refresh(first)
    assert ("replayed", second.refresh_token) == (again.rotation, again.refresh_token)
    site.clock.advance(30)

    assert "refresh_reused" == site.answer(first)
    assert "session_revoked" == site.answer(second.refresh_token)


def test_s3_a_forged_token_ends_nothing() -> None:
    """S3: without a good MAC no store is asked; a generation ahead is no theft."""
    site = Site()
    token = site.tokens.refresh_token
    head, _, mac = token.rpartition(".")
    forged = [f"{head}.{mac[::-1]}", token[:-1], token.replace(".0.", ".1.")]

    assert {"refresh_invalid"} == {site.answer(each) for each in forged}
    assert "refresh_invalid" == site.answer(rewritten(token, generation=7))
    assert "rotated" == site.answer(token)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda site, sid: site.there.logout(sid), id="S4-logout"),
        pytest.param(
            lambda site, _: site.there.revoke_all("ann", reason="password"),
            id="S4-password-CVE-2024-22513",
        ),
        pytest.param(lambda site, _: site.store.purge(2**50, limit=9), id="S4-deleted"),
    ],
)
def test_no_refresh_after_an_end(end: Callable[[Site, str], object]) -> None:
    """S4, S8: on the process that ended it, and on any other."""
    site = Site()
    end(site, site.tokens.session.id)

    for auth in (site.here, site.there):
        assert "session_revoked" == site.answer(site.tokens.refresh_token, auth)


def test_s5_a_login_makes_a_new_id() -> None:
    """S5: nothing from before a login or a step-up names the session after it."""
    site = Site()
    after = site.here.login("ann", amr=("pwd", "otp"))

    assert site.tokens.session.id != after.session.id
    assert "rotated" == site.answer(site.tokens.refresh_token)


def test_s7_no_renewal_passes_the_absolute_end() -> None:
    """S7: the idle end is clamped, and a refused token renews nothing."""
    site = Site(idle=50, absolute=60)
    site.clock.advance(40)
    second = site.here.refresh(site.tokens.refresh_token)
    assert NOW + 60 == second.session.idle_expires_at == second.access_expires_at
    site.clock.advance(20)

    assert "session_expired" == site.answer(second.refresh_token)
    assert second.session == site.store.find(second.session.id)


@pytest.mark.parametrize("spelling", ["{}=", "{}==", " {}", "{}\n", "{}.", "{}A"])
def test_s8_an_ended_session_has_no_other_spelling(spelling: str) -> None:
    """AuthX let a revoked token in again with ``=``; ours is revoked by its id."""
    site = Site()
    site.here.logout(site.tokens.session.id)

    for token in (site.tokens.access_token, spelling.format(site.tokens.access_token)):
        with pytest.raises(Refused):
            site.here.verify(token)
    assert "refresh_invalid" == site.answer(spelling.format(site.tokens.refresh_token))


def test_s8_another_process_learns_of_an_end() -> None:
    """Within ``revocation_poll``; not at all while nobody asks the store."""
    site = Site()
    site.there.verify(site.tokens.access_token)
    site.here.logout(site.tokens.session.id)
    site.clock.advance(5)

    with pytest.raises(Refused, match="session_revoked"):
        site.there.verify(site.tokens.access_token)


def test_s9_a_stolen_database_holds_no_token() -> None:
    """FU stores tokens as they are; a row has an id, which is no secret."""
    site = Site()
    row = site.store.find(site.tokens.session.id)
    texts = [str(value) for value in (row.id, row.kid, row.subject, row.generation)]
    guesses = [*texts, ".".join(texts), f"rt1.{row.kid}.{row.id}.{row.generation}.x"]

    assert site.tokens.refresh_token not in repr(row)
    assert site.tokens.access_token not in repr(row)
    assert {"refresh_invalid"} == {site.answer(each) for each in guesses}


@pytest.mark.parametrize(
    ("auth_time", "expected"),
    [
        pytest.param(NOW, "", id="S10-now"),
        pytest.param(NOW - 301, "step_up_required", id="S10-stale"),
        pytest.param(NOW + 31, "step_up_required", id="S10-future"),
        pytest.param(0, "step_up_required", id="S10-never"),
    ],
)
def test_a_step_up_is_by_the_servers_time(auth_time: int, expected: str) -> None:
    """S10: a claim ``fresh`` of the client's making proves nothing."""
    site = Site()
    token = forge(None, CLAIMS | {"auth_time": auth_time, "fresh": True})
    who = site.here.verify(token)
    try:
        site.here.require_recent(who)
        code = ""
    except Refused as error:
        code = error.code

    assert expected == code


@pytest.mark.parametrize("jump", [-3_600, -30, 30, 3_600])
def test_s12_a_clock_that_jumps_is_no_thief(jump: int) -> None:
    """The newest token lives on, whichever way the calendar was set."""
    site = Site()
    second = site.here.refresh(site.tokens.refresh_token)
    site.clock.jump(jump)

    assert site.answer(second.refresh_token) in {"kept", "rotated"}


def test_s13_sessions_are_their_users_alone() -> None:
    """S13: a guessed or known id ends nothing of another; the number is bounded."""
    site = Site(max_per_subject=2)
    for name in (site.tokens.session.id, "x" * 32, "../x", ""):
        with pytest.raises(Refused, match="not_found"):
            site.here.revoke(name, subject="bob")
    assert [] == site.here.sessions("bob")
    for _ in range(5):
        site.here.login("ann")

    assert 2 == len(site.here.sessions("ann"))


def test_s11_a_full_store_evicts_nobody() -> None:
    """It is 503: a flood of logins must not log others out."""
    auth = Auth(RINGS["HS256"], POLICY, store=MemoryStore(1), clock=CLOCK)
    first = auth.login("ann")
    with pytest.raises(Unavailable):
        auth.login("bob")

    assert "rotated" == auth.refresh(first.refresh_token).rotation


# ------------------------------------------------------------------ C: the browser


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(
            lambda: CookiePolicy("a", same_site="None", secure=False), id="C1-none"
        ),
        pytest.param(lambda: CookiePolicy("__Host-a", path="/x"), id="C1-host-path"),
        pytest.param(
            lambda: CookiePolicy("__Host-a", domain="a.example"), id="C1-host-domain"
        ),
        pytest.param(lambda: CookiePolicy("a", domain="co.uk"), id="C1-suffix"),
        pytest.param(lambda: CookiePolicy("a", domain="10.0.0.1"), id="C1-address"),
        pytest.param(
            lambda: CookiePolicy("a", domain="https://a.example"), id="C1-url"
        ),
        pytest.param(lambda: CookiePolicy("a").set("x" * 4096), id="C1-4097-bytes"),
        pytest.param(lambda: CookiePolicy("a").set("x\r\nSet-Cookie: b"), id="C1-crlf"),
        pytest.param(
            lambda: CookiePolicy("a").set("x; Domain=evil"), id="C1-semicolon"
        ),
        pytest.param(lambda: CookiePolicy("a").set("x\x00"), id="C1-nul"),
        pytest.param(lambda: CorsPolicy(["*"]), id="C8-star-with-credentials"),
        pytest.param(lambda: CorsPolicy("https://a.example"), id="C8-one-string"),
        pytest.param(lambda: CorsPolicy(["null"]), id="C8-null"),
        pytest.param(lambda: CorsPolicy([r"https://.*\.a\.example"]), id="C8-regex"),
        pytest.param(
            lambda: Deployment("https://api.a.example", apps=["https://b.other"]),
            id="C8-another-site",
        ),
    ],
)
def test_settings_that_no_browser_forgives(build: Callable[[], object]) -> None:
    """C1, C8: said at start, not found out by a user who is logged out again."""
    with pytest.raises(ConfigError):
        build()


OURS = "__Host-ra_access"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(f"{OURS}=good; {OURS}=evil", "cookie_duplicate", id="C2-twice"),
        pytest.param(f"{{x]=y; {OURS}=good", "good", id="C2-bad-cookie-before"),
        pytest.param(f'x="; {OURS}=good; y="', "good", id="C2-quotes"),
        pytest.param(f"=__Host-x; ={OURS}=evil", None, id="C3-nameless-CVE-2023-23934"),
        pytest.param("__host-ra_access=evil", None, id="C3-case"),
        pytest.param(f"{OURS} =evil", None, id="C3-space"),
        pytest.param(f"{OURS}=good; ra_access=evil", "good", id="C3-sibling"),
    ],
)
def test_cookies_that_others_planted(header: str, expected: str | None) -> None:
    """C2, C3: a sibling domain can add cookies; it can neither hide nor double ours."""
    try:
        found = read_cookies(header, ours=[OURS]).get(OURS)
    except Refused as error:
        found = error.code

    assert expected == found


SITE = Deployment("https://api.a.example", apps=["https://app.a.example"])
TOKENS = CsrfTokens(RINGS["HS256"].masters(CSRF))
SID = "s" * 32


def asked(*headers: tuple[str, str], method: str = "POST", body: bytes = b"") -> str:
    """Return the code with which a request with a cookie is refused, or nothing."""
    view = RequestView(
        method=method,
        path="/",
        headers=[(name.encode(), value.encode("latin-1")) for name, value in headers],
        body=body,
    )
    try:
        SITE.csrf.check(view, matches=lambda token: TOKENS.matches(SID, token))
        read_body(view)
    except Refused as error:
        return error.code
    return ""


TOKEN = ("x-csrf-token", TOKENS.issue(SID))


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param(origin, id=f"C4-{name}")
        for name, origin in {
            "null": "null",
            "prefix": "https://evil-app.a.example",
            "suffix": "https://app.a.example.evil",
            "http": "http://app.a.example",
            "port": "https://app.a.example:8443",
            "default-port": "https://app.a.example:443",
            "userinfo": "https://x@app.a.example",
            "idn": "https://app.\xe4.example",
            "trailing-dot": "https://app.a.example.",
            "path": "https://app.a.example/",
            "capitals": "HTTPS://APP.A.EXAMPLE",
            "two": "https://app.a.example, https://evil.example",
            "empty": "",
        }.items()
    ],
)
def test_origins_that_are_nearly_ours(origin: str) -> None:
    """C4: compared by bytes, so CSRF refuses them and CORS gives them no header."""
    assert "csrf_failed" == asked(("origin", origin), TOKEN)
    assert "csrf_failed" == asked(("origin", origin), ("sec-fetch-site", "same-origin"))
    assert not SITE.cors.allows(origin)
    assert () == SITE.cors.actual(origin)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param([], "csrf_failed", id="C4-missing"),
        pytest.param([TOKEN], "", id="C5-absent-with-token"),
        pytest.param([("sec-fetch-site", "cross-site")], "csrf_failed", id="C5-cross"),
        pytest.param(
            [("sec-fetch-site", "same-site")], "csrf_failed", id="C5-same-site"
        ),
        pytest.param([("sec-fetch-site", "none")], "csrf_failed", id="C5-none"),
        pytest.param([("sec-fetch-site", "\xff")], "csrf_failed", id="C5-garbage"),
        pytest.param(
            [("sec-fetch-site", "same-origin")] * 2, "csrf_failed", id="C5-twice"
        ),
        pytest.param([("sec-fetch-site", "same-origin")], "", id="C5-same-origin"),
        pytest.param(
            [("origin", "https://app.a.example")], "csrf_failed", id="C5-origin-alone"
        ),
        pytest.param(
            [("origin", "https://app.a.example"), ("sec-fetch-site", "same-site")],
            "",
            id="C5-same-site-with-origin",
        ),
        pytest.param([("x-csrf-token", "\xe9")], "csrf_failed", id="C6-not-ascii"),
        pytest.param([("x-csrf-token", "")], "csrf_failed", id="C6-empty"),
        pytest.param(
            [("x-csrf-token", TOKENS.issue("t" * 32))], "csrf_failed", id="C6-foreign"
        ),
        pytest.param(
            [("x-csrf-token", "x"), ("cookie", "csrftoken=x")],
            "csrf_failed",
            id="C6-double-submit",
        ),
        pytest.param([TOKEN, TOKEN], "csrf_failed", id="C6-twice"),
        pytest.param(
            [("x-http-method-override", "GET")], "csrf_failed", id="C7-override"
        ),
    ],
)
def test_requests_that_other_pages_can_make(
    headers: list[tuple[str, str]], expected: str
) -> None:
    """C4-C7: FJE and AuthX answer a non-ASCII token with a 500; here it is a 403."""
    assert expected == asked(*headers)


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "",
    ],
    ids=lambda value: f"C7-{value or 'none'}-CVE-2021-32677",
)
def test_json_is_json_alone(media_type: str) -> None:
    """C7: what a form of a foreign page can send never counts as JSON."""
    body = b'{"username":"ann"}'
    headers = [("content-type", media_type)] if media_type else []

    assert "request_invalid" == asked(TOKEN, *headers, body=body)
    assert "" == asked(TOKEN, ("content-type", "Application/JSON"), body=body)


def test_c8_answers_are_for_one_reader() -> None:
    """CVE-2023-30861, CVE-2026-27205: no cache gives one user's answer to another."""
    headers = dict(json_answer(200, {}).headers)

    assert "no-store" == headers["Cache-Control"]
    assert {"Origin", "Cookie"} <= set(headers["Vary"].split(", "))


def cors_rows() -> Iterable[Any]:
    """Yield the rows of the CORS table: an Origin that others grant, and who does."""
    rows = {
        "starlette-substring": "https://app",
        "starlette-empty": "",
        "starlette-escaped-dot": "https://evilapp.a.example",
        "flask-cors-unanchored": "https://app.a.example.evil.com",
        "flask-cors-case": "HTTPS://APP.A.EXAMPLE",
        "plus": "https://app+a.example",
        "sanic-cors-CVE-2026-37737-prefix": "https://app.a.examplexyz",
        "reflected-null": "null",
        "reflected-any": "https://evil.example",
        "star": "*",
        "letter": "h",
        "slash": "https://app.a.example/",
        "tab": "https://app.a.example\t",
        "list": "https://app.a.example,https://app.a.example",
    }
    for name, origin in rows.items():
        yield pytest.param(origin, id=name)


@pytest.mark.parametrize("origin", list(cors_rows()))
def test_origins_that_others_grant(origin: str) -> None:
    """No ``Access-Control-*`` at all, on answers, preflights and sockets alike."""
    answer = SITE.cors.preflight(origin, "POST", "content-type")

    assert not SITE.cors.allows(origin)
    assert ((), (), False) == (SITE.cors.actual(origin), answer.headers, answer.allowed)


@pytest.mark.parametrize(
    ("method", "headers", "reason"),
    [
        pytest.param("PURGE", "", "method not allowed", id="unknown-method"),
        pytest.param("POST", "x-evil", "header not allowed", id="flask-cors-echo"),
        pytest.param("POST", "X-CSRF-Token ,, x-csrf-token", "allowed", id="empties"),
    ],
)
def test_preflights_are_answered_truly(method: str, headers: str, reason: str) -> None:
    """Our own page is told the lists, and a header is never echoed."""
    answer = SITE.cors.preflight("https://app.a.example", method, headers)

    assert reason == answer.reason
    assert "evil" not in str(answer.headers)
    assert ("Access-Control-Allow-Origin", "https://app.a.example") in answer.headers


def test_private_networks_are_not_opened_CVE_2024_6221() -> None:  # noqa: N802 - named by its id
    """Flask-CORS granted ``Access-Control-Allow-Private-Network`` by default."""
    answer = SITE.cors.preflight(
        "https://app.a.example", "GET", "access-control-request-private-network"
    )
    said = [*answer.headers, *SITE.cors.actual("https://app.a.example")]

    assert not [name for name, _ in said if "private" in name.lower()]


def test_rs_cors_170_a_huge_header_list_is_not_parsed() -> None:
    """127 ms there, 42 ms in Starlette, 371 ms in Flask-CORS; here a comparison."""
    answer = SITE.cors.preflight("https://app.a.example", "GET", "x," * 550_000)

    assert (False, ()) == (answer.allowed, answer.headers)


def test_login_csrf_CVE_2025_68481() -> None:  # noqa: N802 - named by its id
    """S6: before a session exists, any Origin that comes must still be ours."""
    view = RequestView(
        method="POST", path="/login", headers=[(b"origin", b"https://evil.example")]
    )

    with pytest.raises(Refused, match="csrf_failed"):
        CsrfPolicy(["https://app.a.example"]).check_origin(view)
