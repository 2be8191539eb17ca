"""
What does a foreign error say? Read by shape, without importing its library.

Everything here belongs to someone else and may lie: attributes may raise, bodies may be
huge, chains may be loops. What cannot be read is as good as absent.
"""

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_LINKS = 12
MAX_TEXT = 2048
_MAX_HEADERS = 100
_STATUS = range(400, 600)
_MISTAKES = (
    TypeError,
    AttributeError,
    LookupError,
    NameError,
    AssertionError,
    ArithmeticError,
    NotImplementedError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One error, or one error body, in the words that verdicts are made of."""

    status: int = 0  # 0: none was named
    words: frozenset[str] = frozenset()  # codes and types, lower case
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # lower-case names
    structured: bool = False  # `message` is the provider's own, without our prefix


def chain(
    error: BaseException, handling: BaseException | None = None
) -> list[BaseException]:
    """
    Return *error* and what caused it, outermost first, at most `MAX_LINKS`.

    The caller may have been *handling* an exception already, which Python writes down
    as the context of every other: it is not the cause, and the chain ends before it.

    The members of an exception group follow the group. Without a cause the context is
    followed, also a suppressed one: httpcore hides a refused connection in it. But a
    mistake in the code that was handling a failure is a mistake, and not that failure.
    """
    links: list[BaseException] = []
    waiting: list[BaseException] = [error]
    while waiting and len(links) < MAX_LINKS:
        link = waiting.pop(0)
        if any(link is seen for seen in links):
            continue
        links.append(link)
        waiting[:0] = _behind(link, handling)
    return links


def _behind(
    link: BaseException, handling: BaseException | None
) -> Iterator[BaseException]:
    if isinstance(link, BaseExceptionGroup):
        yield from link.exceptions[:MAX_LINKS]
    if link.__cause__ is not None:
        yield link.__cause__
    elif (
        link.__context__ is not None
        and link.__context__ is not handling
        and not isinstance(link, _MISTAKES)
    ):
        yield link.__context__


def names(error: BaseException) -> frozenset[str]:
    """Return the names of the classes of *error*: httpx and httpx2 share theirs."""
    kind: type = type(error)
    return _names(kind)


@functools.lru_cache(maxsize=256)
def _names(kind: type) -> frozenset[str]:
    return frozenset(cls.__name__ for cls in kind.__mro__)


def status_of(error: BaseException) -> int:
    """Return the HTTP status that *error* names, 0 if none; cheaper than `read`."""
    return _status(error, _attribute(error, "response"))


def read(error: BaseException) -> Evidence:
    """Return what *error* says: of openai, anthropic, google, httpx, aiohttp, …."""
    response = _attribute(error, "response")
    body = _body(error, response)
    return Evidence(
        status=_status(error, response),
        words=words(error, body),
        message=_message(error, body),
        headers=_headers(error, response),
        structured=bool(_text_of(body, "message")),
    )


def read_body(body: Mapping[str, Any]) -> Evidence:
    """Return what an error body, the object under ``error``, says."""
    return Evidence(
        status=_known(_get(body, "code")),
        words=words(None, body),
        message=_text_of(body, "message"),
        structured=True,
    )


def words(error: BaseException | None, body: Mapping[str, Any]) -> frozenset[str]:
    """Return the codes and types named by *error* and by its *body*."""
    sources = (body,) if error is None else (error, body)
    named = (_get(source, name) for source in sources for name in ("code", "type"))
    return frozenset(word.lower() for word in named if isinstance(word, str))


def _status(error: BaseException, response: object) -> int:
    for holder, name in (
        (error, "status_code"),
        (response, "status_code"),
        (error, "code"),  # google-genai
        (error, "status"),  # aiohttp
    ):
        status = _known(_get(holder, name))
        if status:
            return status
    return 0


def _known(status: object) -> int:
    """Return *status* as a number if it is one of a failure, else 0."""
    # An `http.HTTPStatus` is an int, too.
    return int(status) if isinstance(status, int) and status in _STATUS else 0


def _body(error: BaseException, response: object) -> Mapping[str, Any]:
    """Return the error object of the body, or an empty mapping."""
    body = _attribute(error, "body")
    if body is None:
        body = _attribute(error, "details")  # google-genai
    if not isinstance(body, Mapping):
        body = _received(response)
    inner = body.get("error")
    return inner if isinstance(inner, Mapping) else body


def _received(response: object) -> Mapping[str, Any]:
    """Return the JSON that httpx or requests have read already; never does I/O."""
    content = getattr(response, "__dict__", {}).get("_content")
    if not isinstance(content, bytes) or len(content) > MAX_TEXT:
        return {}
    try:
        body = json.loads(content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _message(error: BaseException, body: Mapping[str, Any]) -> str:
    told = _text_of(body, "message")
    if told:
        return told
    try:
        return str(error)[:MAX_TEXT]
    except Exception:  # noqa: BLE001 - a foreign __str__ may do anything
        return ""


def _headers(error: BaseException, response: object) -> Mapping[str, str]:
    headers = _get(response, "headers")
    if headers is None:
        headers = _attribute(error, "headers")  # aiohttp
    if not isinstance(headers, Mapping):
        return {}
    found: dict[str, str] = {}
    for name, value in headers.items():
        if len(found) >= _MAX_HEADERS:
            break
        if isinstance(name, str) and isinstance(value, str):
            found[name.lower()] = value[:MAX_TEXT]
    return found


def _text_of(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _get(source: object, name: str) -> Any:
    """Return a member of a mapping, or else an attribute, or None."""
    if not isinstance(source, BaseException) and isinstance(source, Mapping):
        return source.get(name)
    return _attribute(source, name)


def _attribute(holder: object, name: str) -> Any:
    """Return an attribute, or None; a property that raises is absent."""
    try:
        return getattr(holder, name, None)
    except Exception:  # noqa: BLE001 - a foreign property may do anything
        return None
