"""Where do pages live? Origins, exactly written, and the sites they belong to."""

import ipaddress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from resilient_auth.errors import ConfigError

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

_PORTS = {"http": 80, "https": 443}


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
        parts = urlsplit(text.strip())
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ConfigError(
                f"{text!r} is no origin: write scheme and host, "
                "such as https://app.example.com."
            )
        if "*" in text or not parts.hostname.isascii():
            raise ConfigError(
                f"{text!r} is no exact origin; list each one, in its ASCII form."
            )
        try:
            port = parts.port or _PORTS[parts.scheme]
        except ValueError:
            raise ConfigError(f"{text!r} has no usable port.") from None
        origin = cls(parts.scheme, parts.hostname.lower(), port)
        if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
            raise ConfigError(f"{text!r} is more than an origin: write {origin}.")
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
        return f"{self.scheme}://{_registrable(self.host)}"

    def is_loopback(self) -> bool:
        """Say whether this origin is on the developer's own machine."""
        return self.host == "localhost" or (
            _is_address(self.host) and ipaddress.ip_address(self.host).is_loopback
        )


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
