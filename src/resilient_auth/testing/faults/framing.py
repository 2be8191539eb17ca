"""What do answers look like on the wire? HTTP/1.1 as bytes, and nothing is sent."""

from collections.abc import Mapping
from http import HTTPStatus

#: The chunk that ends a chunked body.
LAST_CHUNK = b"0\r\n\r\n"

_PHRASES = {each.value: each.phrase for each in HTTPStatus} | {529: "Overloaded"}


def head(status: int, headers: Mapping[str, str]) -> bytes:
    r"""
    Return a status line and *headers*.

    >>> head(204, {"date": "today"})
    b'HTTP/1.1 204 No Content\r\ndate: today\r\n\r\n'
    """
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def whole(status: int, content: bytes, headers: Mapping[str, str]) -> bytes:
    """Return a response of a known length."""
    length = {"content-length": str(len(content))}
    return head(status, {**headers, **length}) + content


def chunk(data: bytes) -> bytes:
    r"""
    Return *data*, not empty, as one chunk of a chunked body (RFC 9112 §7.1).

    >>> chunk(b"hello")
    b'5\r\nhello\r\n'
    """
    return b"%x\r\n%s\r\n" % (len(data), data)


def cut(response: bytes) -> bytes:
    """Return *response* up to the middle of its body."""
    body = response.index(b"\r\n\r\n") + 4
    return response[: body + (len(response) - body) // 2]
