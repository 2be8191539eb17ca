"""What is sent as a whole? Statuses, pages, and JSON that is not what it should be."""

from collections.abc import Mapping
from types import MappingProxyType

from resilient_auth.testing.faults.bodies import Dialect, Said, compact
from resilient_auth.testing.faults.dates import http_date
from resilient_auth.testing.faults.framing import cut, whole
from resilient_auth.testing.faults.performance import Ending, Performance, Play
from resilient_auth.testing.faults.reading import Malformed

_JSON = "application/json"
_HTML = "text/html; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
_NONE: Mapping[str, str] = MappingProxyType({})
_PORTAL = b"<!doctype html><title>Wi-Fi</title><p>Log in to use this network.</p>\n"
_GATEWAY = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1>"
    "</center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


def complete(dialect: Dialect) -> Performance:
    """Answer as asked, with status 200."""
    return _send(dialect, _content(dialect))


def empty(dialect: Dialect) -> Performance:
    """Answer with an empty list of results."""
    return _send(dialect, _content(dialect, is_empty=True))


def fail(dialect: Dialect, said: Said, headers: Mapping[str, str]) -> Performance:
    """Answer with an error in the provider's own form."""
    content = compact(dialect.error(said)).encode()
    return _send(dialect, content, said.status, headers=headers)


def status(fault: str, **headers: str) -> Play:
    """Fail in the words for *fault*; *headers* are spelled with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda dialect: fail(dialect, dialect.said(fault), named)


def dated(dialect: Dialect) -> Performance:
    """Fail with a Retry-After that is a date, 30 s after this one's."""
    later = {"retry-after": http_date(dialect.scene.now + 30)}
    return fail(dialect, dialect.said("retry_after_date"), later)


def limited(dialect: Dialect) -> Performance:
    """Fail with nothing but the reset of the limit."""
    return fail(dialect, dialect.said("ratelimit_reset_only"), dialect.resets())


def gateway(code: int, title: str) -> Play:
    """Fail with the page of a proxy."""
    content = _GATEWAY.format(f"{code} {title}").encode()
    return lambda dialect: _send(dialect, content, code, kind=_HTML)


def portal(dialect: Dialect) -> Performance:
    """Answer 200 with a page."""
    return _send(dialect, _PORTAL, kind=_HTML)


def error_body(dialect: Dialect) -> Performance:
    """Answer 200 with the body of an error."""
    body = dialect.error(dialect.said("error_body_200"))
    return _send(dialect, compact(body).encode())


def truncated(dialect: Dialect) -> Performance:
    """Answer with half of the JSON, under a length that fits the half."""
    content = _content(dialect)
    return _send(dialect, content[: len(content) // 2])


def halved(ending: Ending) -> Play:
    """Send half of the body, under the length of the whole."""

    def play(dialect: Dialect) -> Performance:
        """Cut the good answer."""
        (response,) = complete(dialect).pieces
        return Performance((cut(response),), ending)

    return play


def bare(ending: Ending, *pieces: bytes) -> Play:
    """Send *pieces* as they are."""
    return lambda _: Performance(pieces, ending)


def turn_away(bad: Malformed, *, now: float) -> Performance:
    """Answer what is no request; *now* is Unix seconds."""
    headers = {"date": http_date(now), "content-type": _TEXT, "connection": "close"}
    response = whole(bad.status, f"{bad}\n".encode(), headers)
    return Performance((response,), Ending.LINGER)


def _content(dialect: Dialect, *, is_empty: bool = False) -> bytes:
    return compact(dialect.answer(empty=is_empty)).encode()


def _send(
    dialect: Dialect,
    content: bytes,
    code: int = 200,
    *,
    kind: str = _JSON,
    headers: Mapping[str, str] = _NONE,
) -> Performance:
    always = {"date": http_date(dialect.scene.now), "content-type": kind}
    response = whole(code, content, {**always, **dialect.headers(), **headers})
    return Performance((response,))
