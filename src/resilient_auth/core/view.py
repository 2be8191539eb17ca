"""What came in, and what goes out? Requests and answers, whatever the framework."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 §9.2.1


class RequestView(NamedTuple):
    """
    One request: what a decision may look at.

    *headers* are the raw pairs as they came, names in lower case (as ASGI gives them);
    *body* is set only for our own endpoints, which read it with a bound; *is_socket*
    is true for the handshake of a WebSocket. *peer* is the address from which the
    connection came, as the server saw it: a proxy's if there is one (who is behind it
    tells `TrustedProxies`), nothing for a Unix socket.
    """

    method: str
    path: str
    headers: Sequence[tuple[bytes, bytes]]
    query: bytes = b""
    body: bytes = b""
    is_socket: bool = False
    peer: str = ""

    def __repr__(self) -> str:
        """Say what is asked for; headers, query and body hold secrets."""
        return f"RequestView({self.method!r}, {self.path!r})"

    def values(self, name: bytes) -> list[str]:
        """Return every value of the header *name*, in order, as latin-1 text."""
        return [value.decode("latin-1") for key, value in self.headers if key == name]

    def value(self, name: bytes) -> str:
        """Return the one value of the header *name*; nothing if absent or repeated."""
        values = self.values(name)
        return values[0] if len(values) == 1 else ""

    @property
    def is_safe(self) -> bool:
        """Say whether the method changes nothing (RFC 9110 §9.2.1)."""
        return self.method in SAFE_METHODS


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as a value; every framework turns it into its own response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
