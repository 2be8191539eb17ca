"""
Is this token really from us? The strict gate in front of every signature.

The order is the defence: the cheapest refusals come first, nothing is decoded before
its length and alphabet are known, and the payload is not looked at before the
signature holds. Each reason is exact; the public code is always ``token_invalid``.
Sources: RFC 7515 §5.2, RFC 8725 §3, and the lenient readings listed in
``tests/test_advisories.py``.
"""

import re
from base64 import urlsafe_b64encode
from binascii import a2b_base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol

from resilient_auth.core.keys import Key
from resilient_auth.core.text import read_object, write_object
from resilient_auth.errors import Refused

MAX_TOKEN_BYTES = 8192
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
#: The last characters whose unused bits are zero, by the length of the rest modulo 4.
_CANONICAL_ENDS = {
    2: frozenset(b"AQgw"),
    3: frozenset(b"AEIMQUYcgkosw048"),
}
_HEADER_MEMBERS = {"alg", "typ", "kid"}
_KID = re.compile(r"[A-Za-z0-9_.:@/+=~-]{1,256}")


class Keys(Protocol):
    """Where the gate finds keys: a `KeyRing`, or any object with this one verb."""

    def find(self, kid: str) -> Key | None:
        """Return the key called *kid*, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A token whose signature holds; *payload* is not parsed yet."""

    header: Mapping[str, str]
    payload: bytes


def open_jws(
    token: str | bytes, keys: Keys, *, max_bytes: int = MAX_TOKEN_BYTES
) -> Opened:
    """
    Return header and payload of the compact JWS *token*, once its signature holds.

    Raises `Refused` ``token_invalid`` with the exact reason for anything else. Costs
    less to refuse than to accept, at any length. Source: RFC 7515 §5.2, RFC 8725 §3.
    """
    raw = _ascii(token, max_bytes)
    signing_input, _, tail = raw.rpartition(b".")
    head, dot, body = signing_input.partition(b".")
    if not (head and dot and tail):
        refuse("not three segments")
    header = _read_header(decode_segment(head))
    key = keys.find(header["kid"])
    if key is None:
        refuse("unknown kid")
    if key.alg != header["alg"]:
        refuse("alg is not the key's")
    payload, signature = decode_segment(body), decode_segment(tail)
    if not key.verify(signing_input, signature):
        refuse("signature does not match")
    return Opened(header, payload)


def sign_jws(payload: bytes, key: Key, *, typ: str) -> str:
    """Return *payload* signed by *key* as a compact JWS of type *typ*."""
    header = write_object({"alg": key.alg, "typ": typ, "kid": key.kid})
    signing_input = encode_segment(header) + b"." + encode_segment(payload)
    signature = encode_segment(key.sign(signing_input))
    return (signing_input + b"." + signature).decode("ascii")


def encode_segment(raw: bytes) -> bytes:
    """Return *raw* as unpadded base64url (RFC 7515 §2)."""
    return urlsafe_b64encode(raw).rstrip(b"=")


def decode_segment(segment: bytes) -> bytes:
    """Return what canonical, unpadded base64url *segment* holds, or refuse it."""
    if segment.translate(None, _ALPHABET):
        refuse("foreign character")
    rest = len(segment) % 4
    if rest == 1 or (rest and segment[-1] not in _CANONICAL_ENDS[rest]):
        refuse("not canonical base64url")
    return a2b_base64(segment.translate(_TO_STANDARD) + b"==")


def refuse(reason: str) -> NoReturn:
    """Raise the one public code of the gate with its private *reason*."""
    raise Refused("token_invalid", reason=reason)


def _ascii(token: object, max_bytes: int) -> bytes:
    if not isinstance(token, str | bytes):
        refuse("neither str nor bytes")
    if len(token) > max_bytes:
        refuse("too long")
    if not token.isascii():
        refuse("not ASCII")
    return token.encode("ascii") if isinstance(token, str) else token


def _read_header(raw: bytes) -> dict[str, str]:
    try:
        header = read_object(raw)
    except ValueError as error:
        refuse(f"header: {error}")
    if not header.keys() <= _HEADER_MEMBERS:
        refuse("header: a member that we do not know")
    if not all(isinstance(value, str) for value in header.values()):
        refuse("header: a value that is not text")
    if "alg" not in header:
        refuse("header: no alg")
    if not _KID.fullmatch(header.get("kid", "")):
        refuse("header: no usable kid")
    return header
