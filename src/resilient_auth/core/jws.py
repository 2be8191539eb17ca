"""
Is this token really from us? The strict gate in front of every signature.

The order is the defence: the cheapest refusals come first, nothing is decoded before
its length and alphabet are known, and the payload is not looked at before the
signature holds. Each reason is exact; the public code is always ``token_invalid``.
Sources: RFC 7515 §5.2, RFC 8725 §3, and the lenient readings listed in
``tests/test_advisories.py``.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, NoReturn, Protocol

from resilient_auth.core.base64url import decode, encode
from resilient_auth.core.keys import Key
from resilient_auth.core.text import read_object, write_object
from resilient_auth.errors import Refused

MAX_TOKEN_BYTES = 8192
_TEXTS = (str, bytes)
_HEADER_MEMBERS = {"alg", "typ", "kid"}
_KID = re.compile(r"[A-Za-z0-9_.:@/+=~-]{1,256}")
_MAX_HEADERS = 64

#: Headers that were read before, by their segment: see `open_presented`.
Headers = dict[bytes, Mapping[str, str]]


class Keys(Protocol):
    """Where the gate finds keys: a `KeyRing`, or any object with this one verb."""

    def find(self, kid: str) -> Key | None:
        """Return the key called *kid*, or None."""
        ...


class Presented(NamedTuple):
    """A token whose form and header are sound; nothing is known of its signature."""

    header: Mapping[str, str]
    head: bytes
    body: bytes
    tail: bytes
    signing_input: bytes


class Opened(NamedTuple):
    """A token whose signature holds; *payload* is not parsed yet."""

    header: Mapping[str, str]
    payload: bytes


def open_jws(
    token: str | bytes,
    keys: Keys,
    *,
    max_bytes: int = MAX_TOKEN_BYTES,
) -> Opened:
    """
    Return header and payload of the compact JWS *token*, once its signature holds.

    Raises `Refused` ``token_invalid`` with the exact reason for anything else. Costs
    less to refuse than to accept, at any length. Source: RFC 7515 §5.2, RFC 8725 §3.
    """
    presented = read_presented(plain(token, max_bytes), {})
    return open_presented(presented, keys.find(presented.header["kid"]), {})


def read_presented(raw: bytes, headers: Headers) -> Presented:
    """
    Return the parts of `plain` *raw*: three segments, and a header we understand.

    Raises `Refused` ``token_invalid``. A header in *headers* is not read again.
    """
    signing_input, _, tail = raw.rpartition(b".")
    head, dot, body = signing_input.partition(b".")
    if not (head and dot and tail):
        refuse("not three segments")
    header = headers.get(head) or _read_header(head)
    return Presented(header, head, body, tail, signing_input)


def open_presented(presented: Presented, key: Key | None, headers: Headers) -> Opened:
    """
    Return *presented* opened by *key*, which was found by its ``kid``.

    Raises `Refused` ``token_invalid``. *headers* learns the header once the signature
    holds, so that a forger can neither fill it nor empty it; it says nothing of keys
    and outlives each of them.
    """
    header, head, body, tail, signing_input = presented
    if key is None:
        refuse("unknown kid")
    if key.alg != header["alg"]:
        refuse("alg is not the key's")
    try:
        payload, signature = decode(body), decode(tail)
    except ValueError as error:
        refuse(str(error))
    if not key.verify(signing_input, signature):
        refuse("signature does not match")
    if head not in headers:
        if len(headers) >= _MAX_HEADERS:
            headers.clear()
        headers[head] = header
    return Opened(header, payload)


def sign_jws(payload: bytes, key: Key, *, typ: str) -> str:
    """Return *payload* signed by *key* as a compact JWS of type *typ*."""
    header = write_object({"alg": key.alg, "typ": typ, "kid": key.kid})
    signing_input = encode(header) + b"." + encode(payload)
    signature = encode(key.sign(signing_input))
    return (signing_input + b"." + signature).decode("ascii")


def plain(token: object, max_bytes: int = MAX_TOKEN_BYTES) -> bytes:
    """Return *token* as bytes if it is ASCII and short enough, or refuse it."""
    if not isinstance(token, _TEXTS):
        refuse("neither str nor bytes")
    if len(token) > max_bytes:
        refuse("too long")
    if not token.isascii():
        refuse("not ASCII")
    return token.encode() if isinstance(token, str) else token


def refuse(reason: str) -> NoReturn:
    """Raise the one public code of the gate with its private *reason*."""
    raise Refused("token_invalid", reason=reason)


def _read_header(head: bytes) -> Mapping[str, str]:
    try:
        header = read_object(decode(head))
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
    return MappingProxyType(header)
