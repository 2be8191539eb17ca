"""
Which pages may read our answers? Cross-origin resource sharing, as one exact list.

No pattern, no wildcard, no reflection: an origin is granted if its bytes are in the
list. A denied origin sees no ``Access-Control-*`` header at all. Source: Fetch §3.2.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from resilient_auth.core.origins import Origin
from resilient_auth.errors import ConfigError

Headers = tuple[tuple[str, str], ...]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ALLOWED = ("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID")
ALLOWED_HEADERS = (*ALLOWED, "X-CSRF-Token")
EXPOSED_HEADERS = (
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
    "RateLimit",
    "RateLimit-Policy",
    "X-Stream-Id",
)
_MAX_REQUESTED = 4096
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class CorsAnswer:
    """The verdict on a preflight; *reason* is for the log."""

    allowed: bool
    headers: Headers
    reason: str


class CorsPolicy:
    """Who may ask, and how; a browser remembers a preflight for *max_age* seconds."""

    __slots__ = ("_actual", "_granted", "_headers", "_methods")

    def __init__(
        self,
        origins: Collection[str],
        *,
        credentials: bool = True,
        methods: Collection[str] = METHODS,
        headers: Collection[str] = ALLOWED_HEADERS,
        expose: Collection[str] = EXPOSED_HEADERS,
        max_age: int = 600,
    ) -> None:
        if any(isinstance(each, str) for each in (origins, methods, headers, expose)):
            raise ConfigError("Give lists; one string would be read as its letters.")
        if type(max_age) is not int or not 0 <= max_age <= 86_400:
            raise ConfigError("max_age is 0 to 86,400 whole seconds.")
        for word in (*methods, *headers, *expose):
            if word == "*" or not _TOKEN.fullmatch(word):
                raise ConfigError(f"{word!r}: name each method and header, never *.")
        exact = [str(Origin.parse(origin)) for origin in origins]
        common: Headers = (
            (("Access-Control-Allow-Credentials", "true"),) if credentials else ()
        )
        self._methods = frozenset(methods)
        self._headers = frozenset(each.lower() for each in headers)
        self._actual: dict[str, Headers] = {
            origin: (
                ("Access-Control-Allow-Origin", origin),
                *common,
                ("Access-Control-Expose-Headers", ", ".join(expose)),
            )
            for origin in exact
        }
        self._granted: dict[str, Headers] = {
            origin: (
                ("Access-Control-Allow-Origin", origin),
                *common,
                ("Access-Control-Allow-Methods", ", ".join(methods)),
                ("Access-Control-Allow-Headers", ", ".join(headers)),
                ("Access-Control-Max-Age", str(max_age)),
            )
            for origin in exact
        }

    def allows(self, origin: str) -> bool:
        """Say whether *origin*, as a browser sent it, is on the list."""
        return origin in self._actual

    def actual(self, origin: str) -> Headers:
        """Return the headers for an answer to *origin*; none if it is denied."""
        return self._actual.get(origin, ())

    def preflight(self, origin: str, method: str, headers: str = "") -> CorsAnswer:
        """
        Judge a preflight of *origin* for *method* and the comma list *headers*.

        An unknown method or header is answered with the true lists, so that the
        browser can name the culprit; a denied origin gets nothing.
        """
        granted = self._granted.get(origin)
        if granted is None:
            return CorsAnswer(allowed=False, headers=(), reason="origin not allowed")
        if len(headers) > _MAX_REQUESTED:
            return CorsAnswer(allowed=False, headers=(), reason="header list too long")
        if method not in self._methods:
            return CorsAnswer(
                allowed=False, headers=granted, reason="method not allowed"
            )
        asked = {each.strip(" \t").lower() for each in headers.split(",")} - {""}
        if not asked <= self._headers:
            return CorsAnswer(
                allowed=False, headers=granted, reason="header not allowed"
            )
        return CorsAnswer(allowed=True, headers=granted, reason="allowed")
