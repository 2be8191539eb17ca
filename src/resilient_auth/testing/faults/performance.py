"""
What does the server do for one request? Pieces to send, and an ending: data alone.

A play decides it, purely, from a `Dialect`; a link carries it out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from resilient_auth.testing.faults.bodies import Dialect


class Ending(Enum):
    """What becomes of the connection once all is sent."""

    NEXT = auto()  # it takes the next request
    CLOSE = auto()  # we close it (FIN)
    RESET = auto()  # we reset it (RST)
    SILENCE = auto()  # nothing more, until the client leaves
    PULSE = auto()  # `pulse` again and again, until the client leaves
    LINGER = auto()  # we send no more, and close when the client does


@dataclass(frozen=True, slots=True)
class Performance:
    """What to send, and what then."""

    pieces: tuple[bytes, ...]
    ending: Ending = Ending.NEXT
    pulse: bytes = b""


#: Decides what is done for the request that the dialect knows.
Play = Callable[[Dialect], Performance]
