"""No object that holds a secret shows it to what prints, reports or stores objects."""

import copy
import json
import pickle
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, astuple
from pprint import pformat
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from resilient_auth import (
    AsyncAuth,
    Auth,
    ConfigError,
    Deployment,
    Identity,
    Key,
    KeyRing,
    Signer,
    StarletteAuth,
    TokenIssuer,
    TokenPolicy,
    TokenVerifier,
)
from resilient_auth.core import refresh, signing, tickets
from resilient_auth.core.entries import SIGNING, Entry
from resilient_auth.core.keys import derive
from resilient_auth.core.seals import Seal
from resilient_auth.core.signing import CsrfTokens

SECRET = b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*"
OTHER = b"Zx0-Ui4+Ge7=Hs2~Jf5|Va8:Ob1;Yk3,"
PRIVATE = ed25519.Ed25519PrivateKey.generate()
PURPOSES = (refresh.PURPOSE, signing.PURPOSE, tickets.PURPOSE, "signer reset")
SECRETS = [
    PRIVATE.private_bytes_raw(),
    *(SECRET, OTHER),
    *(derive(each, purpose) for each in (SECRET, OTHER) for purpose in PURPOSES),
]

HMAC = Key.from_secret(SECRET, kid="a")
EDDSA = Key.from_jwk(
    {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": urlsafe_b64encode(PRIVATE.public_key().public_bytes_raw())
        .rstrip(b"=")
        .decode(),
        "d": urlsafe_b64encode(PRIVATE.private_bytes_raw()).rstrip(b"=").decode(),
    }
)
RING = KeyRing([HMAC])
MASTERED = KeyRing([EDDSA], {"m": OTHER})
POLICY = TokenPolicy(issuer="https://api.example.com", audience="api")
SITE = Deployment(api="https://api.example.com", apps=["https://app.example.com"])


def nobody(_: Mapping[str, object]) -> Identity | None:
    """Know nobody."""
    return None


HOLDERS: dict[str, object] = {
    "secret": HMAC,
    "private": EDDSA,
    "entry": Entry(HMAC, SIGNING),
    "ring": RING,
    "ring-and-masters": MASTERED,
    "masters": MASTERED.masters(refresh.PURPOSE),
    "csrf": CsrfTokens(RING.masters(signing.PURPOSE)),
    "seal": Seal(RING.masters(tickets.PURPOSE), tickets.PURPOSE),
    "signer": Signer([SECRET, OTHER], purpose="reset"),
    "issuer": TokenIssuer(RING, POLICY),
    "verifier": TokenVerifier(RING, POLICY, cache=False),
    "auth": Auth(RING, POLICY),
    "async-auth": AsyncAuth(MASTERED, POLICY),
    "starlette": StarletteAuth(AsyncAuth(RING, POLICY), SITE, authenticate=nobody),
}


def reported(value: object, depth: int = 9) -> object:
    """Return *value* taken apart as error reporters do: mappings, lists, attributes."""
    if depth and isinstance(value, Mapping):
        return {str(k): reported(v, depth - 1) for k, v in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [reported(each, depth - 1) for each in value]
    if depth and hasattr(value, "__dict__") and not isinstance(value, type):
        return {type(value).__name__: reported(vars(value), depth - 1)}
    return repr(value)


LEAKS: dict[str, Callable[[Any], object]] = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "percent": "%r".__mod__,
    "inside-others": lambda held: repr([held, {"held": held}]),
    "in-an-error": lambda held: repr(ConfigError(held)),
    "pretty": pformat,
    "dir": dir,
    "vars": vars,
    "dict": dict,
    "list": list,
    "asdict": asdict,
    "astuple": astuple,
    "json": lambda held: json.dumps(held, default=vars),
    "reported": reported,
    "copy": lambda held: repr(copy.copy(held)),
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS.keys())
@pytest.mark.parametrize("held", HOLDERS.values(), ids=HOLDERS.keys())
def test_no_secret_is_shown(held: object, leak: Callable[[object], object]) -> None:
    """K11: a log line, a debugger's page, an error report show ids, or are refused."""
    try:
        shown = str(leak(held))
    except TypeError as error:
        shown = str(error)

    for secret in SECRETS:
        for spelled in (
            repr(secret)[2:-1],
            secret.hex(),
            b64encode(secret).decode().rstrip("="),
            urlsafe_b64encode(secret).decode().rstrip("="),
        ):
            assert spelled not in shown


@pytest.mark.parametrize(
    "out",
    [
        *(
            pytest.param(lambda held, n=n: pickle.dumps(held, n), id=f"pickle-{n}")
            for n in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
        pytest.param(copy.deepcopy, id="deepcopy"),
    ],
)
@pytest.mark.parametrize("held", HOLDERS.values(), ids=HOLDERS.keys())
def test_no_holder_is_pickled_or_copied(
    held: object, out: Callable[[object], object]
) -> None:
    """A queue or a cache would keep the secret; the message says what to do."""
    with pytest.raises(TypeError, match=r"not pickled or copied; .+ \w+"):
        out(held)
