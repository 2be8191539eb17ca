"""What did the client ask? One request, read whole, from whoever may have sent it."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

#: Bytes of a request's head, and of its body, that are read at most.
MAX_HEAD = 65_536
MAX_BODY = 10_000_000

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SECRET = frozenset(
    {"authorization", "proxy-authorization", "x-api-key", "api-key", "cookie"}
)


class Malformed(Exception):
    """What came is no request that is answered otherwise than by *status*."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, repr=False)
class Seen:
    """
    A request that was read whole.

    *path* is the target as sent; *headers* have lower-case names, the values of a
    repeated one joined by commas; *body* is the JSON of a POST. Its repr hides what
    keys and cookies hold.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: dict[str, object] | None = None

    def __repr__(self) -> str:
        shown = {
            name: "..." if name in _SECRET else value
            for name, value in self.headers.items()
        }
        return (
            f"Seen(method={self.method!r}, path={self.path!r}, headers={shown!r}, "
            f"body={self.body!r})"
        )


async def read_request(reader: asyncio.StreamReader) -> Seen | None:
    """
    Return the next request, or None if the client left instead.

    Raises: Malformed if what comes is no request, or too much; ConnectionError.
    """
    first = await reader.read(1)
    if not first:
        return None
    if not first.isalpha():
        raise Malformed("This port speaks HTTP/1.1 in plain text.")
    try:
        rest = await reader.readuntil(b"\r\n\r\n")
        method, path, headers = _parse(first + rest)
        content = await reader.readexactly(_length(method, headers))
    except asyncio.LimitOverrunError:
        raise Malformed(f"The head is larger than {MAX_HEAD} bytes.") from None
    except asyncio.IncompleteReadError:
        return None
    return Seen(method, path, headers, _json(content) if method == "POST" else None)


def _parse(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Return the method, the target and the headers."""
    start, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    words = start.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Malformed("The first line is no request line of HTTP/1.1.")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or _NAME.fullmatch(name) is None:
            raise Malformed("A line of the head is no header.")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return words[0], words[1], headers


def _length(method: str, headers: Mapping[str, str]) -> int:
    """Return how many bytes the body has."""
    if "transfer-encoding" in headers:
        raise Malformed("Send a Content-Length; other framing is not understood.")
    length = headers.get("content-length", "" if method == "POST" else "0")
    if not (length.isascii() and length.isdecimal()):
        raise Malformed("A POST needs one Content-Length, in decimal digits.")
    if len(length.lstrip("0")) > 15 or int(length) > MAX_BODY:
        raise Malformed(f"The body is larger than {MAX_BODY} bytes.", status=413)
    return int(length)


def _json(content: bytes) -> dict[str, object]:
    """Return the JSON object that *content* is."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise Malformed("The body is no JSON.") from None
    if not isinstance(body, dict):
        raise Malformed("The body is no JSON object.")
    return body
