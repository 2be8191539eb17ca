"""
Which tokens were verified before? A bounded memory of good tokens alone.

A hit spares the signature and the reading of JSON, and nothing else: the verifier
still asks for the key, and still judges the dates. An entry is found by a digest of
the whole token, keyed with a random key of this process, so that no token lies in
memory and nobody can aim at a collision.

Entries live in two generations. New ones go into the young; when it is full it becomes
the old, and what was old is gone. Whoever is found in the old one is young again. So a
hit needs no lock and no list of who was used last, and what is used stays. Refusals
are never kept: a flood of bad tokens changes nothing here.
"""

import secrets
import threading
from dataclasses import dataclass
from hashlib import sha256
from typing import Generic, NamedTuple, TypeVar

from resilient_auth.auth.forks import forget_in_child
from resilient_auth.core.claims import Claims
from resilient_auth.core.keys import Key
from resilient_auth.errors import ConfigError

DEFAULT_ENTRIES = 10_000
MAX_ENTRIES = 1_000_000
_BYTES_AN_ENTRY = 1024  # of token text, on average: what bounds the memory


T = TypeVar("T")


class Verified(NamedTuple, Generic[T]):
    """
    What a token was found to say, and the key that proved it.

    Valid without another look while ``since <= now < until`` (Unix seconds). *value* is
    what the verifier returns for it.
    """

    value: T
    claims: Claims
    key: Key
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """
    How a cache of verified tokens does, since the process began.

    *entries* are held now; *hits* and *misses* are look-ups; *evictions* made room.
    """

    entries: int
    hits: int
    misses: int
    evictions: int


class VerifiedTokens(Generic[T]):
    """
    At most *entries* verified tokens, of at most a kilobyte each on average.

    May be used from any thread; empty in a forked child.
    """

    __slots__ = (
        "__weakref__",
        "_bytes",
        "_evictions",
        "_half",
        "_hits",
        "_keyed",
        "_lock",
        "_misses",
        "_old",
        "_young",
    )

    def __init__(self, entries: int = DEFAULT_ENTRIES) -> None:
        if type(entries) is not int or not 2 <= entries <= MAX_ENTRIES:
            raise ConfigError(
                f"cache is None, False, or a number of entries: 2 to {MAX_ENTRIES:,}."
            )
        self._half = entries // 2
        self.forget()
        forget_in_child(self)

    def forget(self) -> None:
        """Drop every entry and count, and draw a new key for the digests."""
        # One whole block: what is copied per token has the key behind it already.
        self._keyed = sha256(secrets.token_bytes(64))
        self._lock = threading.Lock()
        self._young: dict[bytes, Verified[T]] = {}
        self._old: dict[bytes, Verified[T]] = {}
        self._bytes = self._hits = self._misses = self._evictions = 0

    def find(self, token: bytes) -> Verified[T] | None:
        """Return what is known of exactly this *token*, or None."""
        keyed = self._keyed.copy()  # `_digest`, written out: this is every request
        keyed.update(token)
        digest = keyed.digest()
        found = self._young.get(digest)
        if found is None:
            found = self._old.get(digest)
            if found is None:
                self._misses += 1
                return None
            self._put(digest, found, len(token))
        self._hits += 1
        return found

    def keep(self, token: bytes, verified: Verified[T]) -> None:
        """Know *token*, of which all was just checked, from now on."""
        self._put(self._digest(token), verified, len(token))

    def counts(self) -> CacheCounts:
        """Return what was counted; exact while no other thread looks anything up."""
        held = len(self._young) + len(self._old)
        return CacheCounts(held, self._hits, self._misses, self._evictions)

    def _digest(self, token: bytes) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(token)
        return keyed.digest()

    def _put(self, digest: bytes, verified: Verified[T], size: int) -> None:
        with self._lock:
            self._old.pop(digest, None)
            if digest not in self._young:
                self._make_room(size)
            self._young[digest] = verified

    def _make_room(self, size: int) -> None:
        """Let the young become the old, if one more of *size* is too many."""
        full = len(self._young) >= self._half
        if full or self._bytes + size > self._half * _BYTES_AN_ENTRY:
            self._evictions += len(self._old)
            self._old, self._young, self._bytes = self._young, {}, 0
        self._bytes += size
