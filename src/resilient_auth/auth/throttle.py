"""
Who tries to log in too often? Counted by address, and by account and address.

What others do to an account from elsewhere makes nobody wait: it only takes away the
free tries of those who fail at it themselves. So there is no lock that a stranger could
cause: from an address of one's own, the right password comes through at once.
"""

import secrets
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from math import ceil

from resilient_auth.clock import Clock, SystemClock
from resilient_auth.core import arguments
from resilient_auth.core.throttle import Pace, Tries
from resilient_auth.errors import Refused

_NONE = Tries()


class LoginThrottle:
    """
    Slows logins that fail, in this process; may be used from any thread.

    *by_account* paces the tries of one address at one account, *by_address* those of
    one address at all accounts (a whole office may share one). Once *under_attack*
    failures at one account are remembered, from wherever they came, each address has
    one free try at it instead of several. At most *capacity* of each are remembered;
    those that were quiet for longest are forgotten.
    """

    def __init__(
        self,
        *,
        by_account: Pace = Pace(free=5),  # noqa: B008 - immutable
        by_address: Pace = Pace(free=50, longest=300, forget=6),  # noqa: B008
        under_attack: int = 20,
        capacity: int = 50_000,
        clock: Clock | None = None,
    ) -> None:
        arguments.instance("by_account", by_account, Pace)
        arguments.instance("by_address", by_address, Pace)
        arguments.count("under_attack", under_attack)
        arguments.count("capacity", capacity)
        self._by_account = by_account
        self._by_address = by_address
        self._under_attack = under_attack
        self._clock = clock or SystemClock()
        self._accounts = _Counters(by_account, capacity)
        self._addresses = _Counters(by_address, capacity)
        self._pairs = _Counters(by_account, capacity)
        self._lock = threading.Lock()

    @contextmanager
    def attempt(self, account: str, address: str | None) -> Iterator[None]:
        """
        Count what happens inside as a try at *account* from *address*.

        A try counts as failed from the start, so that many at once are seen. It is
        forgiven if nothing is raised, and on an outage or a bug, which are nobody's
        guess; not if the client hangs up. *address* is None where the client cannot be
        known: all such are one client then, and are paced by the account alone.

        Raises `Refused` ``rate_limited``, with the seconds to wait.
        """
        said = f"{_folded(account)}\n{address}"
        keys = (_folded(account), said, address)
        self._admit(*keys)
        try:
            yield
        except Refused:
            raise
        except Exception:
            self._forgive(*keys)
            raise
        self._forgive(*keys, proved=True)

    def _admit(self, account: str, pair: str, address: str | None) -> None:
        now = self._clock.monotonic()
        with self._lock:
            pressure = self._by_account.failed(self._accounts.get(account), now)
            free = 1 if pressure >= self._under_attack else None
            wait = self._by_account.wait(self._pairs.get(pair), now, free=free)
            if address is not None:
                tried = self._addresses.get(address)
                wait = max(wait, self._by_address.wait(tried, now))
            if wait > 0:
                raise Refused("rate_limited", retry_after=ceil(wait))
            self._accounts.charge(account, now)
            self._pairs.charge(pair, now)
            if address is not None:
                self._addresses.charge(address, now)

    def _forgive(
        self, account: str, pair: str, address: str | None, *, proved: bool = False
    ) -> None:
        with self._lock:
            self._accounts.forgive(account)
            if proved:
                self._pairs.forget(pair)
            else:
                self._pairs.forgive(pair)
            if address is not None:
                self._addresses.forgive(address)


class _Counters:
    """Tries by name; names are kept as keyed digests of 16 bytes, so never readable."""

    def __init__(self, pace: Pace, capacity: int) -> None:
        self._pace = pace
        self._capacity = capacity
        self._salt = secrets.token_bytes(16)
        self._tries: OrderedDict[bytes, Tries] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tries)

    def get(self, name: str) -> Tries:
        return self._tries.get(self._key(name), _NONE)

    def charge(self, name: str, now: float) -> None:
        key = self._key(name)
        self._tries[key] = self._pace.charged(self._tries.get(key, _NONE), now)
        self._tries.move_to_end(key)
        if len(self._tries) > self._capacity:
            self._tries.popitem(last=False)

    def forgive(self, name: str) -> None:
        key = self._key(name)
        if key in self._tries:
            self._tries[key] = self._pace.forgiven(self._tries[key])

    def forget(self, name: str) -> None:
        self._tries.pop(self._key(name), None)

    def _key(self, name: str) -> bytes:
        said = name.encode("utf-8", "surrogatepass")
        return blake2b(said, digest_size=16, key=self._salt).digest()


def _folded(account: str) -> str:
    """Return *account* as most applications look it up, so that spellings are one."""
    return unicodedata.normalize("NFKC", account).strip().casefold()
