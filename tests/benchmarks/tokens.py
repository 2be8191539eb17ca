"""Tokens beside PyJWT with a prepared key object, joserfc and Authlib."""

import secrets
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc_jwt

from resilient_auth import (
    Key,
    KeyRing,
    Refused,
    TokenIssuer,
    TokenPolicy,
    TokenVerifier,
)
from tests.benchmarks.measure import Row, race

with warnings.catch_warnings(record=True):  # Authlib names joserfc its successor
    from authlib.jose import JsonWebKey, JsonWebToken

POLICY = TokenPolicy(issuer="https://api.example.com", audience="api")
CLAIMS = {"role": "admin", "team": "blue"}
SECRET = secrets.token_bytes(32)
REQUIRED = ["exp", "iat", "sub", "jti"]


@dataclass(frozen=True, slots=True)
class Contest:
    """One algorithm, and the share of PyJWT's time that we may take (design §6)."""

    alg: str
    key: Key
    signing: Any
    verifying: Any
    joserfc: Any
    authlib: Any
    uncached: float | None
    cached: float | None


def rows() -> Iterator[Row]:
    """Yield verify, verify from the cache, issue and refuse for each algorithm."""
    for contest in _contests():
        yield from _algorithm(contest)


def _contests() -> Iterator[Contest]:
    yield Contest(
        "HS256",
        Key.from_secret(SECRET, kid="a"),
        SECRET,
        SECRET,
        joserfc_jwk.OctKey.import_key(SECRET),
        SECRET,
        1 / 6,
        1 / 35,
    )
    yield _asymmetric(
        "RS256", rsa.generate_private_key(public_exponent=65537, key_size=2048), 1 / 2
    )
    yield _asymmetric("ES256", ec.generate_private_key(ec.SECP256R1()), 1 / 1.7, 1 / 80)
    yield _asymmetric("EdDSA", ed25519.Ed25519PrivateKey.generate(), 1 / 1.4)


def _asymmetric(
    alg: str,
    private: Any,
    uncached: float,
    cached: float | None = None,
) -> Contest:
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    kinds: Mapping[str, Any] = {
        "RS256": joserfc_jwk.RSAKey,
        "ES256": joserfc_jwk.ECKey,
        "EdDSA": joserfc_jwk.OKPKey,
    }
    return Contest(
        alg,
        Key.from_pem(pem, alg=alg, kid="a"),
        private,
        private.public_key(),
        kinds[alg].import_key(pem),
        JsonWebKey.import_key(pem),
        uncached,
        cached,
    )


def _algorithm(contest: Contest) -> Iterator[Row]:
    alg, ring = contest.alg, KeyRing([contest.key])
    issuer = TokenIssuer(ring, POLICY)
    uncached = TokenVerifier(ring, POLICY, cache=False)
    cached = TokenVerifier(ring, POLICY, cache=1000)
    token = issuer.issue("ann", CLAIMS)
    decoders = _decoders(contest, token)
    ours, hit, *theirs = race(
        lambda: uncached.verify(token), lambda: cached.verify(token), *decoders.values()
    )
    times = dict(zip(decoders, theirs, strict=True))
    pyjwt = times.pop("PyJWT")
    yield Row(f"verify {alg}, uncached", ours, "PyJWT", pyjwt, contest.uncached)
    for name, time_taken in times.items():
        yield Row(f"verify {alg}, uncached", ours, name, time_taken)
    yield Row(f"verify {alg}, from the cache", hit, "PyJWT", pyjwt, contest.cached)

    encoders = _encoders(contest, token)
    ours, *theirs = race(lambda: issuer.issue("ann", CLAIMS), *encoders.values())
    for name, time_taken in zip(encoders, theirs, strict=True):
        yield Row(f"issue {alg}", ours, name, time_taken)
    if alg == "HS256":
        yield from _forged(token, uncached)


def _decoders(contest: Contest, token: str) -> dict[str, Callable[[], object]]:
    """Return what each peer does to verify, asked for the same claims."""
    alg, pyjwt, authlib = contest.alg, jwt.PyJWT(), JsonWebToken([contest.alg])
    registry = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": POLICY.issuer},
        aud={"essential": True, "value": POLICY.audience},
        **{name: {"essential": True} for name in REQUIRED},
    )
    options = {
        "iss": {"essential": True, "value": POLICY.issuer},
        "aud": {"essential": True, "value": POLICY.audience},
        **{name: {"essential": True} for name in REQUIRED},
    }

    def by_pyjwt() -> object:
        return pyjwt.decode(
            token,
            contest.verifying,
            algorithms=[alg],
            issuer=POLICY.issuer,
            audience=POLICY.audience,
            options={"require": REQUIRED},
        )

    def by_joserfc() -> object:
        opened = joserfc_jwt.decode(token, contest.joserfc, algorithms=[alg])
        return registry.validate(opened.claims)

    def by_authlib() -> object:
        return authlib.decode(token, contest.authlib, claims_options=options).validate()

    return {"PyJWT": by_pyjwt, "joserfc": by_joserfc, "Authlib": by_authlib}


def _encoders(contest: Contest, token: str) -> dict[str, Callable[[], object]]:
    """Return what each peer does to issue the same claims."""
    alg, pyjwt, authlib = contest.alg, jwt.PyJWT(), JsonWebToken([contest.alg])
    said = jwt.decode(token, options={"verify_signature": False})
    header = {"alg": alg, "kid": "a", "typ": "at+jwt"}

    def claims() -> dict[str, Any]:
        now = int(time.time())
        return said | {"iat": now, "exp": now + 600}

    return {
        "PyJWT": lambda: pyjwt.encode(claims(), contest.signing, alg, header),
        "joserfc": lambda: joserfc_jwt.encode(
            header, claims(), contest.joserfc, algorithms=[alg]
        ),
        "Authlib": lambda: authlib.encode(header, claims(), contest.authlib),
    }


def _forged(token: str, verifier: TokenVerifier) -> Iterator[Row]:
    huge = f"{token.partition('.')[0]}.{'A' * 60_000}.{'A' * 43}"
    ours, theirs = race(
        _refusing(lambda: verifier.verify(huge), Refused),
        _refusing(
            lambda: jwt.decode(huge, SECRET, algorithms=["HS256"]), jwt.PyJWTError
        ),
    )
    met = "met" if ours <= 5e-6 else "MISSED"
    yield Row(f"refuse a forged 60 kB token, ≤ 5 µs: {met}", ours, "PyJWT", theirs)


def _refusing(call: Callable[[], object], error: type[Exception]) -> Callable[[], None]:
    def refused() -> None:
        try:
            call()
        except error:
            return
        raise AssertionError("a forged token was accepted")

    return refused
