"""What was used? Tokens and cost, if the caller says how to read them."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from resilient_auth.clock import Clock
from resilient_auth.core.arguments import described
from resilient_auth.errors import ConfigError
from resilient_auth.events import Listener, TokensUsed, tell
from resilient_auth.resilience.turn import Turn

_log = logging.getLogger("resilient_auth")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that went in and came out, and what they cost, in a unit of yours."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0

    def __post_init__(self) -> None:
        for name in ("input_tokens", "output_tokens", "cost"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"Usage.{name} is a number, not {described(value)}.")
            if not 0 <= value < math.inf:
                raise ConfigError(f"Usage.{name} is finite and at least 0: {value!r}.")

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost=self.cost + other.cost,
        )


#: Reads the usage in a result, or in an item of a stream; None if it says nothing.
ReadUsage = Callable[[Any], Usage | None]

NOTHING = Usage()


class Meter:
    """Sums up what the calls of one key used; may be used from any thread."""

    __slots__ = ("_clock", "_key", "_listeners", "_lock", "_read", "total")

    def __init__(
        self,
        key: str,
        read: ReadUsage,
        clock: Clock,
        listeners: tuple[Listener, ...],
    ) -> None:
        self._key = key
        self._read = read
        self._clock = clock
        self._listeners = listeners
        self._lock = Turn()
        #: What was used since the circuit was made.
        self.total: Usage = NOTHING

    def read(self, said: Any) -> Usage:
        """Return the usage in *said*; a reader that fails costs nobody an answer."""
        try:
            found = self._read(said)
        except Exception as error:  # noqa: BLE001 - theirs, and the answer is there
            # Without its text, which may quote the answer.
            _log.error(
                "The usage of a call of %r could not be read: %s",
                self._key,
                type(error).__name__,
            )
            return NOTHING
        return found if isinstance(found, Usage) else NOTHING

    def add(self, used: Usage) -> None:
        """Count what a call used, and tell it, if it was anything."""
        if used == NOTHING:
            return
        with self._lock as nested:
            if nested:
                self._lock.later(partial(self._sum, used))
            else:
                self._sum(used)
        event = TokensUsed(
            at=self._clock.time(),
            key=self._key,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            cost=used.cost,
        )
        tell(self._listeners, event)

    def _sum(self, used: Usage) -> None:
        self.total += used
