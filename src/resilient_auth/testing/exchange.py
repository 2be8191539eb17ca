"""What goes into an adapter under test, and what comes out? Two values and a seam."""

import json
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRequest:
    """
    One request as it stands on the wire: nothing is added and nothing is corrected.

    *target* is path and query as sent, percent-encoded; header names are in lower case.
    """

    method: str = "GET"
    target: str = "/"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireResponse:
    """
    One answer: header names in lower case, in order, repeated ones too.

    *error* is the exception that the application raised to its server, if any, and
    *is_complete* says whether the body came to its end. A *status* of 0 means that the
    application never answered.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    error: Exception | None = None
    is_complete: bool = True

    def values(self, name: str) -> list[str]:
        """Return every value of the header *name* (in lower case), in order."""
        return [value for key, value in self.headers if key == name]

    def value(self, name: str) -> str:
        """Return the one value of the header *name*; nothing if absent or repeated."""
        values = self.values(name)
        return values[0] if len(values) == 1 else ""

    def json(self) -> Any:
        """Return what the body says as JSON."""
        return json.loads(self.body)


class Transport(Protocol):
    """A way to one running application; every adapter's tests bring theirs."""

    def send(self, request: WireRequest, /) -> WireResponse:
        """Return the application's answer to *request*."""
        ...

    def close(self) -> None:
        """Let go of the application and of what serves it."""
        ...
