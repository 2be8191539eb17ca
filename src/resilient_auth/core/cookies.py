"""
Which cookies arrive? Policies that cannot be built wrong, and a strict reader.

A browser drops a cookie with contradicting attributes without a word, so the
contradiction is an error here (RFC 6265bis §4.1, §5.6). ``SameSite``, ``Path`` and
``Secure`` are always written: what a browser assumes without them differs by engine.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from resilient_auth.core import arguments
from resilient_auth.core.origins import can_share_cookies
from resilient_auth.errors import ConfigError, Refused

MAX_COOKIE = 4096  # bytes of name and value that every browser stores
MAX_HEADER = 16_384  # bytes of Cookie header that are read
SAME_SITE = ("Lax", "Strict", "None")
_PREFIXES = ("__Host-", "__Secure-", "__Http-")
_PREFIXES_IN_LOWER = tuple(prefix.lower() for prefix in _PREFIXES)

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2
_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")  # RFC 6265 §4.1.1
_PATH = re.compile(r"/[\x21-\x3a\x3c-\x7e]{0,1023}")  # longer: ignored (§5.6)
_DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")


@dataclass(frozen=True, slots=True)
class CookiePolicy:
    """
    One cookie's name and attributes; without *max_age* (s) it ends with the browser.

    *partitioned* asks for a jar of its own under each top-level site (CHIPS): the one
    cookie that blocked third-party cookies leave to a page on another site.

    >>> CookiePolicy("__Host-ra_access").set("abc")
    '__Host-ra_access=abc; Path=/; SameSite=Lax; HttpOnly; Secure'
    """

    name: str
    same_site: str = "Lax"
    secure: bool = True
    http_only: bool = True
    partitioned: bool = False
    domain: str | None = None
    path: str = "/"
    max_age: int | None = None

    def __post_init__(self) -> None:
        arguments.instance("name", self.name, str)
        arguments.instance("path", self.path, str)
        for each in ("secure", "http_only", "partitioned"):
            arguments.flag(each, getattr(self, each))
        arguments.instance("domain", self.domain, str | None)
        if not _TOKEN.fullmatch(self.name):
            raise ConfigError("A cookie's name is an RFC 9110 token.")
        if not _PATH.fullmatch(self.path):
            raise ConfigError(
                "A cookie's path starts with /, has neither spaces nor ; in it and at "
                "most 1024 bytes."
            )
        if self.domain is not None and not _is_shareable(self.domain):
            raise ConfigError(
                f"{self.name}: browsers drop a cookie whose Domain is not a host name "
                "in lower case, or is an address or a public suffix."
            )
        if self.max_age is not None and type(self.max_age) is not int:
            raise ConfigError("max_age is a whole number of seconds.")
        if self.same_site not in SAME_SITE:
            raise ConfigError(f"same_site is one of {', '.join(SAME_SITE)}.")
        if self.same_site == "None" and not self.secure:
            raise ConfigError("SameSite=None needs Secure; browsers drop it otherwise.")
        if self.partitioned and not self.secure:
            raise ConfigError("Partitioned needs Secure; browsers drop it otherwise.")
        self._check_prefix()

    def _check_prefix(self) -> None:
        lower = self.name.lower()
        if lower.startswith(_PREFIXES_IN_LOWER) and not self.name.startswith(_PREFIXES):
            raise ConfigError(
                f"{self.name}: write the prefix as one of {', '.join(_PREFIXES)}."
            )
        if lower.startswith(_PREFIXES_IN_LOWER) and not self.secure:
            raise ConfigError(f"{self.name} needs Secure (RFC 6265bis §4.1.3).")
        if lower.startswith(("__http-", "__host-http-")) and not self.http_only:
            raise ConfigError(f"{self.name} needs HttpOnly (RFC 6265bis §4.1.3).")
        if self.name.startswith("__Host-") and (
            self.domain is not None or self.path != "/"
        ):
            raise ConfigError(
                f"{self.name} needs Path=/ and no Domain (RFC 6265bis §4.1.3.2). "
                "Rename the cookie to share it across subdomains."
            )

    def set(self, value: str, *, max_age: int | None = None) -> str:
        """
        Return a whole ``Set-Cookie`` value; *max_age* (s) overrides the policy's own.

        Raises `ConfigError` for what a browser would drop or cut; never quotes *value*.
        """
        if not _VALUE.fullmatch(value):
            raise ConfigError(
                f"{self.name}: the value has a character unfit for cookies."
            )
        if len(self.name) + len(value) > MAX_COOKIE:
            raise ConfigError(
                f"{self.name}: name and value pass {MAX_COOKIE} bytes, so browsers "
                "drop the cookie silently. Put fewer claims into the token."
            )
        max_age = self.max_age if max_age is None else max_age
        age = "" if max_age is None else f"; Max-Age={max(0, max_age)}"
        return f"{self.name}={value}{age}{self._attributes()}"

    def clear(self) -> str:
        """Return the ``Set-Cookie`` value that removes the cookie."""
        return f"{self.name}=; Max-Age=0{self._attributes()}"

    def _attributes(self) -> str:
        domain = "" if self.domain is None else f"; Domain={self.domain}"
        http_only = "; HttpOnly" if self.http_only else ""
        secure = "; Secure" if self.secure else ""
        partitioned = "; Partitioned" if self.partitioned else ""
        return (
            f"; Path={self.path}{domain}; SameSite={self.same_site}"
            f"{http_only}{secure}{partitioned}"
        )


def _is_shareable(domain: str) -> bool:
    return bool(_DOMAIN.fullmatch(domain)) and can_share_cookies(domain)


def read_cookies(header: str, *, ours: Collection[str] = ()) -> dict[str, str]:
    """
    Return the cookies in a ``Cookie`` header; junk between them is passed over.

    Of a foreign name that came twice the first is returned. Raises `Refused`
    ``cookie_duplicate`` if one of *ours* came twice, since then one of them is not
    ours, and ``headers_too_large`` above 16 kB.
    """
    if len(header) > MAX_HEADER:
        raise Refused("headers_too_large", reason="the Cookie header passes 16 kB")
    found: dict[str, str] = {}
    for pair in header.split(";"):
        name, equals, value = pair.strip(" \t").partition("=")
        if not equals or not _TOKEN.fullmatch(name):
            continue
        if name in found and name in ours:
            raise Refused("cookie_duplicate", reason=f"{name} came twice")
        found.setdefault(name, value)
    return found
