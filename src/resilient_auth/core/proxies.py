"""
Who called, behind the proxies? The address that cannot be chosen by the caller.

A proxy appends the address it was called from to ``X-Forwarded-For``, and passes on
what already stood there, which anybody can write. So the list is read from the right:
the peer of the connection first, then what a trusted peer says, then what a hop says
that a trusted hop named. The first address that is not trusted is the client; whatever
stands left of it is never looked at. What cannot be read makes the client unknown.

Which header the proxies write is declared, not guessed: they pass the other one on
untouched, so it is the client's own words. Source: RFC 7239.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from resilient_auth.core import arguments
from resilient_auth.core.findings import Finding
from resilient_auth.core.view import RequestView
from resilient_auth.errors import ConfigError

MAX_HOPS = 16  # trusted hops that are followed
UNIX = "unix"  # a peer without an address: the proxy calls through a Unix socket
_HEADERS = ("x-forwarded-for", "forwarded")
_SCHEMES = ("http", "https")

_PORT = r":[0-9]{1,5}"
_SIX = r"[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]{1,40}"
_NODE = re.compile(rf"\[(?P<six>{_SIX})\](?:{_PORT})?|(?P<four>[0-9.]{{7,15}}){_PORT}")
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - RFC 9110's word
_PAIR = re.compile(rf'({_TOKEN})=({_TOKEN}|"[^"\\,;\x00-\x1f\x7f]*")')

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Client:
    """
    Who called: an *address*, or None where it cannot be known; *reason* says why.

    *scheme* is what the client spoke if a trusted proxy says so, or nothing; it is for
    diagnosis, nothing is decided by it.
    """

    address: Address | None
    reason: str
    scheme: str = ""
    findings: tuple[Finding, ...] = ()

    def bucket(self) -> str:
        """
        Return what limits count by: an IPv4 address, an IPv6 /64, or ``unknown``.

        One customer has a whole /64, and can call from each address in it.
        """
        if self.address is None:
            return "unknown"
        if isinstance(self.address, IPv4Address):
            return str(self.address)
        return str(IPv6Network((self.address, 64), strict=False))


class TrustedProxies:
    """
    The proxies in front of us: networks (CIDR) or addresses, and the *header* they add.

    ``"unix"`` trusts a peer without an address, which calls through a Unix socket. An
    empty list says that there is no proxy. Raises `ConfigError` for what is no network,
    and for networks so wide that they cannot be one's own: in ``0.0.0.0/0`` everybody
    is trusted to say who he is.

    >>> proxies = TrustedProxies(["10.0.0.0/8"])
    >>> headers = [(b"x-forwarded-for", b"6.6.6.6, 203.0.113.7, 10.0.0.9")]
    >>> view = RequestView(method="GET", path="/", headers=headers, peer="10.0.0.2")
    >>> proxies.client(view).bucket()
    '203.0.113.7'
    """

    __slots__ = ("_networks", "_trusts_unix", "header", "networks")

    def __init__(
        self, networks: Iterable[str] = (), *, header: str = "x-forwarded-for"
    ) -> None:
        networks = arguments.several("networks", networks)
        if not isinstance(header, str) or header.lower() not in _HEADERS:
            raise ConfigError(f"header is one of {', '.join(_HEADERS)}.")
        self.networks: tuple[str, ...] = tuple(networks)
        self.header: str = header.lower()
        self._trusts_unix = UNIX in self.networks
        self._networks = tuple(_network(each) for each in self.networks if each != UNIX)

    def client(self, view: RequestView) -> Client:
        """
        Return who sent *view*; never raises.

        Where no proxy is declared, but a machine of our own network calls and says for
        whom, it is one: then nobody is known, instead of everybody being the proxy.
        """
        if not view.peer:
            if not self._trusts_unix:
                return Client(None, "the connection has no address")
        else:
            address = _address(view.peer)
            if address is None:
                return Client(None, "the connection's address cannot be read")
            if not self._trusts(address):
                if not self.networks and _is_behind_a_proxy(address, view):
                    return _UNDECLARED
                return Client(address, "the connection's own address")
        return self._behind(view)

    def _behind(self, view: RequestView) -> Client:
        """Return the client that the trusted peer named."""
        hops = _from_the_right(view.values(self.header.encode()))
        if self.header == "forwarded":
            found = self._walk(map(_forwarded, hops))
        else:
            scheme = _one_scheme(view.value(b"x-forwarded-proto"))
            found = self._walk((_address(each), scheme) for each in hops)
        return replace(found, findings=self._findings(view))

    def _walk(self, hops: Iterable[tuple[Address | None, str]]) -> Client:
        """Return the first of *hops*, each with its scheme, that is not a proxy."""
        last = Client(None, f"the proxy sent no {self.header}")
        for number, (address, scheme) in enumerate(hops, start=1):
            if address is None:
                return Client(None, f"hop {number} of {self.header} is no address")
            if not self._trusts(address):
                return Client(address, f"hop {number} of {self.header}", scheme)
            if number == MAX_HOPS:
                return Client(None, f"more than {MAX_HOPS} trusted hops")
            last = Client(address, f"all of {self.header} is trusted", scheme)
        return last

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _findings(self, view: RequestView) -> tuple[Finding, ...]:
        other = next(each for each in _HEADERS if each != self.header)
        if not view.values(other.encode()):
            return ()
        return (
            Finding(
                "other_forwarded_header",
                "warning",
                f"{other} came through a trusted proxy; {self.header} is what is read",
                f"Let the proxy remove {other}. If it is the one that the proxy "
                f"writes, say TrustedProxies(…, header={other!r}).",
            ),
        )

    def __repr__(self) -> str:
        return f"TrustedProxies({list(self.networks)}, header={self.header!r})"


# ------------------------------------------------------------------ reading

_UNDECLARED = Client(
    None,
    "the connection came from a proxy that is not declared",
    findings=(
        Finding(
            "undeclared_proxy",
            "warning",
            "a machine of our own network passes requests on, and is not declared",
            "Say which: Deployment(…, proxies=TrustedProxies([its network])).",
        ),
    ),
)


#: Where our own machines are: private (RFC 1918, 4193, 6598), link-local, loopback.
_OURS = tuple(
    ipaddress.ip_network(each)
    for each in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
        *("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10"),
    )
)


def _is_behind_a_proxy(peer: Address, view: RequestView) -> bool:
    said = any(view.values(each.encode()) for each in _HEADERS)
    return said and any(peer in network for network in _OURS)


def _from_the_right(lines: list[str]) -> Iterator[str]:
    """Yield the elements of a list header from the last to the first, lazily."""
    for line in reversed(lines):
        rest, comma = line, ","
        while comma:
            rest, comma, element = rest.rpartition(",")
            yield element.strip(" \t")


def _forwarded(element: str) -> tuple[Address | None, str]:
    """Read an element of Forwarded: its ``for`` and ``proto`` (RFC 7239 §4)."""
    said: dict[str, str] = {}
    for pair in element.split(";"):
        match = _PAIR.fullmatch(pair.strip(" \t"))
        if match is None or match[1].lower() in said:
            return None, ""
        said[match[1].lower()] = match[2].strip('"')
    return _address(said.get("for", "")), _one_scheme(said.get("proto", ""))


def _address(text: str) -> Address | None:
    """
    Return the address in *text*, which may have a port and brackets, or None.

    ``unknown`` and obfuscated names (RFC 7239 §6.3) are no addresses. IPv4 inside IPv6
    is IPv4, and a zone is dropped, so that one host has one spelling.
    """
    node = _NODE.fullmatch(text)
    if node is not None:
        text = node["six"] or node["four"]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))
    return address


def _one_scheme(text: str) -> str:
    return text.lower() if text.lower() in _SCHEMES else ""


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        written = ipaddress.ip_interface(text) if isinstance(text, str) else None
    except ValueError:
        written = None
    if written is None:
        raise ConfigError(f"{text!r} is neither 10.0.0.0/8 nor 10.0.0.7 nor unix.")
    network = written.network
    if written.ip != network.network_address:
        raise ConfigError(f"{text!r} is an address inside a network: write {network}.")
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
        raise ConfigError(f"{text!r}: write the IPv4 network itself.")
    if _is_too_wide(network):
        raise ConfigError(
            f"{text!r} is wider than anybody's own network: whoever calls from it "
            "would be believed. List the addresses of your proxies."
        )
    return network


def _is_too_wide(network: IPv4Network | IPv6Network) -> bool:
    if isinstance(network, IPv4Network):
        return network.prefixlen < 8
    return network.prefixlen < 16 and network != IPv6Network("fc00::/7")
