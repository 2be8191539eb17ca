"""
How long must a guesser wait? Pauses that grow with each failure and pass by themselves.

A pause is owed by whom the failures are: nothing here can be made to last by somebody
who does not wait himself. Source: OWASP ASVS 6.1.1, 6.3.1 (throttling without a lock
that an attacker can cause).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from resilient_auth.core import arguments
from resilient_auth.errors import ConfigError

_DOUBLINGS = 30  # of a pause at most: failures beyond that are not counted


class Tries(NamedTuple):
    """How many tries failed and are not forgotten yet, as of the second *at*."""

    failed: float = 0.0
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """
    *free* tries may fail without a pause; then it is *first* seconds, and doubles.

    No pause is longer than *longest* seconds, and one failure is forgotten every
    *forget* seconds, so that a mistake of last week costs nothing.
    """

    free: int
    first: float = 1.0
    longest: float = 60.0
    forget: float = 60.0

    def __post_init__(self) -> None:
        arguments.count("free", self.free)
        for name in ("first", "longest", "forget"):
            arguments.seconds(name, getattr(self, name))
        if self.longest < self.first:
            raise ConfigError("longest is at least first: pauses grow.")

    def failed(self, tries: Tries, now: float) -> float:
        """Return how many failures are remembered at *now*."""
        return max(0.0, tries.failed - max(0.0, now - tries.at) / self.forget)

    def wait(self, tries: Tries, now: float, *, free: int | None = None) -> float:
        """Return the seconds until the next try may be made; 0 if at once."""
        allowed = self.free if free is None else min(free, self.free)
        over = self.failed(tries, now) - allowed
        if over <= -1:
            return 0.0
        pause = min(self.longest, self.first * math.exp2(over))
        return max(0.0, min(tries.at, now) + pause - now)

    def charged(self, tries: Tries, now: float) -> Tries:
        """Return *tries* and one more; a try is a failure until it has succeeded."""
        most = self.free + _DOUBLINGS
        return Tries(min(self.failed(tries, now) + 1, most), now)

    def forgiven(self, tries: Tries) -> Tries:
        """Return *tries* without the last one."""
        return Tries(max(0.0, tries.failed - 1), tries.at)
