"""Where do pages live? Origins, exactly written, and the sites they belong to."""

import ipaddress
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from resilient_auth.errors import ConfigError

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

_PORTS = {"http": 80, "https": 443}
_FORM = re.compile(
    r"(?P<scheme>https?)://(?P<user>[^/?#@]*@)?"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?#].*)?",
    re.ASCII | re.IGNORECASE,
)
#: What a browser takes for an IPv4 address, or for nothing (WHATWG URL §3.5).
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Scheme, host and port (RFC 6454); ``str`` is the text a browser sends.

    >>> str(Origin.parse("HTTPS://App.Example.com:443"))
    'https://app.example.com'
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Origin":
        """
        Return the origin that a developer wrote, in the browser's spelling.

        Raises `ConfigError` with the corrected text for a path, a query, user
        information, a wildcard, ``null`` or another scheme than http and https.
        """
        if not isinstance(text, str):
            raise ConfigError(f"An origin is text, not {type(text).__name__}.")
        match = _FORM.fullmatch(text.strip())
        # User information may be a password: it is not repeated.
        shown = "That" if "@" in text else repr(text)
        if match is None:
            raise ConfigError(
                f"{shown} is no exact origin: write scheme and host in ASCII and list "
                "each one, such as https://app.example.com."
            )
        scheme = match["scheme"].lower()
        port = int(match["port"] or _PORTS[scheme])
        try:
            host = _as_browsers_write(match["host"].lower())
        except ValueError:
            raise ConfigError(f"{shown} has a host that is no address.") from None
        if not 0 < port < 65_536:
            raise ConfigError(f"{shown} has no usable port.")
        origin = cls(scheme, host, port)
        if match["user"] or match["rest"]:
            raise ConfigError(f"{shown} is more than an origin: write {origin}.")
        return origin

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    def site(self) -> str:
        """
        Return scheme and registrable domain: what browsers compare as "same site".

        An address or a single label is a site of its own. A public suffix has none
        above it, so it too stands for itself.
        """
        return str(Origin(self.scheme, self.domain(), _PORTS[self.scheme]))

    def domain(self) -> str:
        """Return the registrable domain: the `site` for who does not mind schemes."""
        return _registrable(self.host)

    def is_loopback(self) -> bool:
        """Say whether this origin is on the developer's own machine."""
        return self.host == "localhost" or (
            _is_address(self.host) and ipaddress.ip_address(self.host).is_loopback
        )


def can_share_cookies(host: str) -> bool:
    """
    Say whether a cookie's ``Domain`` may be *host*.

    It may be a registrable domain, or one below it: no address, no single label and no
    public suffix (RFC 6265bis §5.7).
    """
    return (
        "." in host
        and not _ENDS_IN_A_NUMBER.fullmatch(host)
        and _public_suffixes().privatesuffix(host) is not None
    )


def _as_browsers_write(host: str) -> str:
    """Return *host* in its one spelling; `ValueError` for an impossible address."""
    if host.startswith("["):
        return ipaddress.IPv6Address(host[1:-1]).compressed
    if _ENDS_IN_A_NUMBER.fullmatch(host):
        return str(ipaddress.IPv4Address(host))
    return host


def _registrable(host: str) -> str:
    if "." not in host or _is_address(host):
        return host
    return _public_suffixes().privatesuffix(host) or host


@cache
def _public_suffixes() -> "PublicSuffixList":
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
