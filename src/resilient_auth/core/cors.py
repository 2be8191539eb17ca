"""
Which pages may read our answers? Cross-origin resource sharing, as one exact list.

No pattern and no reflection: an origin is granted if its bytes are in the list, or if
they are one label more than an entry ``https://*.preview.example.com``. A denied origin
sees no ``Access-Control-*`` header at all. Source: Fetch §3.2.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from resilient_auth.core import arguments, near_misses
from resilient_auth.core.pages import Pages
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
    """
    Who may ask, and how; a browser remembers a preflight for *max_age* seconds.

    *origins* are exact, or previews such as ``https://*.preview.example.com``. The same
    object judges WebSocket handshakes, for which no CORS exists.
    """

    __slots__ = ("_actual", "_granted", "_headers", "_methods", "_pages")

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
        arguments.flag("credentials", credentials)
        methods = arguments.several("methods", methods)
        headers = arguments.several("headers", headers)
        expose = arguments.several("expose", expose)
        origins = arguments.several("origins", origins)
        if type(max_age) is not int or not 0 <= max_age <= 86_400:
            raise ConfigError("max_age is 0 to 86,400 whole seconds.")
        for word in (*methods, *headers, *expose):
            arguments.instance("A method or header", word, str)
            if word == "*" or not _TOKEN.fullmatch(word):
                raise ConfigError(f"{word!r}: name each method and header, never *.")
        common: Headers = (
            (("Access-Control-Allow-Credentials", "true"),) if credentials else ()
        )
        self._pages = Pages(origins)
        self._methods = frozenset(methods)
        self._headers = frozenset(each.lower() for each in headers)
        self._actual: Headers = (
            *common,
            ("Access-Control-Expose-Headers", ", ".join(expose)),
        )
        self._granted: Headers = (
            *common,
            ("Access-Control-Allow-Methods", ", ".join(methods)),
            ("Access-Control-Allow-Headers", ", ".join(headers)),
            ("Access-Control-Max-Age", str(max_age)),
        )

    def allows(self, origin: str) -> bool:
        """Say whether *origin*, as a browser sent it, is one of ours."""
        return origin in self._pages

    def allows_socket(self, origins: Sequence[str]) -> bool:
        """
        Say whether a WebSocket handshake with these Origin headers may be accepted.

        With none it came from no browser, and may; a cookie must then count for
        nothing. Two are denied, since one of them is not the browser's.
        """
        return not origins or (len(origins) == 1 and origins[0] in self._pages)

    def actual(self, origin: str) -> Headers:
        """Return the headers for an answer to *origin*; none if it is denied."""
        if not origin or origin not in self._pages:
            return ()
        return (("Access-Control-Allow-Origin", origin), *self._actual)

    def preflight(self, origin: str, method: str, headers: str = "") -> CorsAnswer:
        """
        Judge a preflight of *origin* for *method* and the comma list *headers*.

        An unknown method or header is answered with the true lists, so that the
        browser can name the culprit; a denied origin gets nothing, and neither does a
        list above 4 kB, which is not read.
        """
        if origin not in self._pages:
            return CorsAnswer(allowed=False, headers=(), reason="origin not allowed")
        if len(headers) > _MAX_REQUESTED:
            return CorsAnswer(allowed=False, headers=(), reason="header list too long")
        granted = (("Access-Control-Allow-Origin", origin), *self._granted)
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

    def explain(self, origin: str) -> str:
        """
        Say why *origin*, as it came, is allowed or denied, and what would change that.

        >>> CorsPolicy(["https://app.example.com"]).explain("http://app.example.com")
        "'http://app.example.com' is denied: it differs from https://app.example.com \
in its scheme. If the page is yours, add it to apps=[…]."
        """
        return near_misses.explain(origin, self._pages)
