"""
How long are fetched keys good for, and when are they asked for again?

::

    0 ──── fresh ────┬── stale ───┬───── old ─────────────┬──── too old
    use              │ use, and   │ wait for an answer;   │ wait; without an
                     │ ask behind │ without one, use, and │ answer nobody is
                     │            │ ask behind            │ let in: 503

Stale is stale-while-revalidate, old is stale-if-error (RFC 5861 §3, §4). A service that
slept is not content with old keys before it asked once; one whose issuer is down does
not let each request wait for the outage. A failure is followed by a growing pause, in
which nobody asks. All instants are monotonic seconds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType

from resilient_auth.core.keys import Key

_LONG_AGO = float("-inf")
_STALE = 300.0  # seconds past fresh in which requests need not wait
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # after a failure
_MAX_AGE = re.compile(r'(?:^|,)\s*max-age\s*=\s*"?(\d{1,9})"?\s*(?:,|$)', re.IGNORECASE)
_NO_CACHE = re.compile(r"(?:^|,)\s*no-(?:cache|store)\s*(?:,|=|$)", re.IGNORECASE)


class Step(Enum):
    """What a request does about the age of the keys."""

    USE = "use what is here"
    USE_AND_ASK = "use what is here, and ask behind"
    WAIT = "wait for an answer"
    GIVE_UP = "nothing here may be used, and it is too soon to ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """Keys as they were fetched, and what was tried since; a new one replaces it."""

    keys: Mapping[str, Key] = field(default_factory=lambda: MappingProxyType({}))
    asked_at: float = _LONG_AGO
    fresh_until: float = _LONG_AGO
    usable_until: float = _LONG_AGO
    failures: int = 0
    retry_at: float = _LONG_AGO
    reason: str = ""

    def next_step(self, now: float) -> Step:
        """Return what a request at *now* does."""
        may_ask = now >= self.retry_at
        if now >= self.usable_until:
            return Step.WAIT if may_ask else Step.GIVE_UP
        if now < self.fresh_until or not may_ask:
            return Step.USE
        if now >= self.fresh_until + _STALE and not self.failures:
            return Step.WAIT
        return Step.USE_AND_ASK

    def missed(self, reason: str, *, now: float, roll: float) -> "KeySet":
        """Return this set after one more failure; *roll* in [0, 1) spreads retries."""
        pause = min(_FIRST_PAUSE * 2.0 ** min(self.failures, 16), _LONGEST_PAUSE)
        return replace(
            self,
            failures=self.failures + 1,
            retry_at=now + pause * (0.5 + roll / 2),
            reason=reason,
        )


def fetched(
    keys: Mapping[str, Key], *, asked_at: float, fresh: float, max_stale: float
) -> KeySet:
    """Return the set of *keys* that were asked for at *asked_at*."""
    return KeySet(
        keys=MappingProxyType(dict(keys)),
        asked_at=asked_at,
        fresh_until=asked_at + fresh,
        usable_until=asked_at + fresh + max_stale,
    )


def fresh_seconds(
    headers: Mapping[str, str], *, default: float, least: float, most: float
) -> float:
    """
    Return for how many seconds an answer with *headers* is fresh, within bounds.

    That is ``max-age`` less ``Age``, the *least* for ``no-cache``, or the *default*
    (RFC 9111 §4.2.1). Names are in lower case.
    """
    said = headers.get("cache-control", "")
    if _NO_CACHE.search(said):
        return least
    match = _MAX_AGE.search(said)
    if match is None:
        return default
    age = headers.get("age", "")
    spent = int(age) if age.isdecimal() and age.isascii() and len(age) < 10 else 0
    return min(most, max(least, float(int(match[1]) - spent)))


@dataclass(frozen=True, slots=True)
class Bucket:
    """Leave to ask out of turn: *left* of `SIZE`, one more every `REFILL` seconds."""

    SIZE = 3.0
    REFILL = 10.0

    left: float = 3.0
    at: float = 0.0

    def take(self, now: float) -> "Bucket | None":
        """Return the bucket with one less, or None if it is empty."""
        left = min(self.SIZE, self.left + (now - self.at) / self.REFILL)
        return Bucket(left - 1.0, now) if left >= 1.0 else None
