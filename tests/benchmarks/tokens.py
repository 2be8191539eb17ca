"""Tokens beside PyJWT with a prepared key object."""

import time
from collections.abc import Callable, Iterator

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from resilient_auth import (
    Key,
    KeyRing,
    Refused,
    TokenIssuer,
    TokenPolicy,
    TokenVerifier,
)
from tests.benchmarks.measure import Row, race

POLICY = TokenPolicy(issuer="https://api.example.com", audience="api")
CLAIMS = {"role": "admin", "team": "blue"}


def rows() -> Iterator[Row]:
    """Yield verify, issue and refuse for each algorithm."""
    secret = bytes(range(64, 96))
    yield from _algorithm(
        "HS256", Key.from_secret(secret, kid="a"), secret, secret, (1 / 6, None)
    )
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    yield from _algorithm(
        "EdDSA",
        Key.from_pem(pem, kid="a"),
        private,
        private.public_key(),
        (1 / 1.4, None),
    )


def _algorithm(
    alg: str,
    key: Key,
    signing: object,
    verifying: object,
    targets: tuple[float | None, float | None],
) -> Iterator[Row]:
    ring = KeyRing([key])
    issuer, verifier = TokenIssuer(ring, POLICY), TokenVerifier(ring, POLICY)
    token = issuer.issue("ann", CLAIMS)
    said = jwt.decode(token, options={"verify_signature": False})
    prepared = jwt.PyJWT()

    def peer_verify() -> object:
        return prepared.decode(
            token,
            verifying,
            algorithms=[alg],
            issuer=POLICY.issuer,
            audience=POLICY.audience,
            options={"require": ["exp", "iat", "sub", "jti"]},
        )

    def peer_issue() -> object:
        now = int(time.time())
        return prepared.encode(
            said | {"iat": now, "exp": now + 600}, signing, alg, {"kid": "a"}
        )

    ours, theirs = race(lambda: verifier.verify(token), peer_verify)
    yield Row(f"verify {alg}, uncached", ours, "PyJWT", theirs, targets[0])
    ours, theirs = race(lambda: issuer.issue("ann", CLAIMS), peer_issue)
    yield Row(f"issue {alg}", ours, "PyJWT", theirs, targets[1])
    if alg == "HS256":
        yield from _forged(token, verifier, verifying)


def _forged(token: str, verifier: TokenVerifier, secret: object) -> Iterator[Row]:
    huge = f"{token.partition('.')[0]}.{'A' * 60_000}.{'A' * 43}"
    ours, theirs = race(
        _refusing(lambda: verifier.verify(huge), Refused),
        _refusing(
            lambda: jwt.decode(huge, secret, algorithms=["HS256"]), jwt.PyJWTError
        ),
    )
    yield Row("refuse a forged 60 kB token (target ≤ 5 µs)", ours, "PyJWT", theirs)


def _refusing(call: Callable[[], object], error: type[Exception]) -> Callable[[], None]:
    def refused() -> None:
        try:
            call()
        except error:
            return
        raise AssertionError("a forged token was accepted")

    return refused
