"""How is a ring written down? A JWK set with states and dates, or a list of secrets."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from resilient_auth.core import base64url
from resilient_auth.core.algorithms import ALGORITHMS
from resilient_auth.core.entries import SIGNING, STATES, Entry
from resilient_auth.core.keys import Key
from resilient_auth.core.masters import own_masters
from resilient_auth.core.ring import KeyRing
from resilient_auth.core.stays import Stays
from resilient_auth.core.text import read_object
from resilient_auth.errors import ConfigError

_MAX_KEYS = 100
_SEPARATOR = re.compile(r"[\s,]+")


def read_ring(text: str, refresh: str = "") -> KeyRing:
    """Return the ring in *text*; `KeyRing.from_text` tells the forms."""
    if not isinstance(text, str) or not isinstance(refresh, str):
        raise ConfigError("Keys are read from text.")
    masters = _read_masters(refresh)
    if not text.lstrip().startswith("{"):
        keys = [_read_secret(each) for each in _listed(text, "keys")]
        return KeyRing(keys, masters)
    document = _read_document(text)
    written = document.get("ra_refresh", {})
    if not isinstance(written, Mapping):
        raise ConfigError("ra_refresh maps the kid of a master to its base64url.")
    if masters and written:
        raise ConfigError("The masters stand in the key file and beside it; say once.")
    masters |= {kid: _bytes(said, "a master") for kid, said in written.items()}
    return KeyRing(_entries(document), masters)


def read_stays(text: str) -> Stays:
    """Return the stays that are written in a key file; the default ones if none are."""
    said = _read_document(text).get("ra_stays", {})
    if not isinstance(said, dict) or not said.keys() <= asdict(Stays()).keys():
        raise ConfigError("ra_stays holds announced, verify_only and master.")
    return Stays(**said)


def write_ring(ring: KeyRing, stays: Stays | None = None) -> str:
    """
    Return *ring* as the text of a key file, with every secret in it: guard it.

    *stays* are written for `read_stays`, unless they are the default ones.
    """
    keys = []
    for entry in ring.entries:
        key = entry.key
        jwk: dict[str, object] = dict(
            key.secret_jwk() if key.can_sign else key.public_jwk()
        )
        jwk["ra_state"] = entry.state
        if entry.since is not None:
            jwk["ra_since"] = entry.since
        keys.append(jwk)
    document: dict[str, object] = {"keys": keys}
    masters = ring._refresh_secrets  # noqa: SLF001 - the file is the ring
    if masters:
        document["ra_refresh"] = {
            kid: base64url.encode(secret).decode("ascii")
            for kid, secret in masters.items()
        }
    if stays is not None and stays != Stays():
        document["ra_stays"] = asdict(stays)
    return json.dumps(document, indent=2) + "\n"


def _read_document(text: str) -> dict[str, Any]:
    try:
        document = read_object(text.strip().encode("utf-8"))
    except ValueError as error:  # a lone surrogate too
        reason = "not UTF-8" if isinstance(error, UnicodeError) else str(error)
        raise ConfigError(f"The key file cannot be read: {reason}.") from None
    keys = document.get("keys")
    if not isinstance(keys, list) or not 0 < len(keys) <= _MAX_KEYS:
        raise ConfigError(f"A key file is a JWK set: 1 to {_MAX_KEYS} keys.")
    if not all(isinstance(each, dict) for each in keys):
        raise ConfigError("A key of the file is not an object.")
    return document


def _entries(document: Mapping[str, Any]) -> list[Entry] | list[Key]:
    """Return keys with their states; or, if no state is written, the last signs."""
    said = document["keys"]
    keys = [_read_key(jwk, n) for n, jwk in enumerate(said, 1)]
    if not any("ra_state" in jwk for jwk in said):
        return keys
    entries = []
    for key, jwk in zip(keys, said, strict=True):
        state, since = jwk.get("ra_state"), jwk.get("ra_since")
        if state not in STATES:
            raise ConfigError(
                f"The ra_state of {key.kid!r} is not one of {', '.join(STATES)}."
            )
        if state == SIGNING and not key.can_sign:
            raise ConfigError(f"{key.kid!r} is signing, but has no private part.")
        entries.append(Entry(key, state, since))
    return entries


def _read_key(jwk: Mapping[str, Any], number: int) -> Key:
    try:
        return Key.from_jwk(jwk)
    except ConfigError as error:
        raise ConfigError(f"Key {number} of the file: {error}") from None


def _listed(text: str, what: str) -> list[str]:
    parts = [each for each in _SEPARATOR.split(text) if each]
    if len(parts) > _MAX_KEYS:
        raise ConfigError(f"There are more than {_MAX_KEYS} {what}.")
    return parts


def _read_secret(text: str) -> Key:
    kid, colon, rest = text.partition(":")
    alg, other, said = rest.partition(":")
    if not (kid and colon and other and said):
        raise ConfigError("A key is written kid:alg:base64, or as a JWK set.")
    row = ALGORITHMS.get(alg)
    if row is None or row.size is None:  # not quoted: it may be the secret, misplaced
        raise ConfigError(
            "A key is written kid:alg:base64 with alg HS256, HS384 or HS512; any other "
            "algorithm needs a key file (resilient-auth keys generate)."
        )
    return Key.from_secret(_bytes(said, "a secret"), alg=alg, kid=kid)


def _read_masters(text: str) -> dict[str, bytes]:
    """Return the masters in *text*: a list, or a key file of HMAC secrets."""
    if text.lstrip().startswith("{"):
        ring = read_ring(text)
        if not ring.signing.is_symmetric:
            raise ConfigError("A key file of refresh secrets holds HMAC keys alone.")
        return own_masters(ring.entries)
    read = [_read_master(each) for each in _listed(text, "refresh secrets")]
    if len(dict(read)) != len(read):
        raise ConfigError("Two refresh secrets share one kid; rename one.")
    return dict(read)


def _read_master(text: str) -> tuple[str, bytes]:
    kid, colon, said = text.partition(":")
    if not (kid and colon and said):
        raise ConfigError("A refresh secret is written kid:base64.")
    return kid, _bytes(said, "a refresh secret")


def _bytes(said: object, what: str) -> bytes:
    """Return what base64 (of either alphabet, padded or not) holds."""
    if not isinstance(said, str) or not said.isascii():
        raise ConfigError(f"The base64 of {what} is not text.")
    plain = said.rstrip("=").translate(str.maketrans("+/", "-_"))
    try:
        return base64url.decode(plain.encode("ascii"))
    except ValueError:
        raise ConfigError(f"The base64 of {what} cannot be read.") from None
