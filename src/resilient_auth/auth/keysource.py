"""
Who asks the other server for its keys, and when is that over? One fetch at a time.

A fetch has a thread of its own that ends with it. Threads and tasks of any event loop
wait for the same `Flight`, and none of them can cancel it for the others. What came is
published as one immutable `KeySet`, which is read without a lock.
"""

import asyncio
import random
import threading
from collections.abc import Callable, Iterable
from concurrent import futures

from resilient_auth.auth.fetch import Fetch
from resilient_auth.clock import Clock
from resilient_auth.core.freshness import KeySet, fetched, fresh_seconds
from resilient_auth.core.jwks import MAX_BYTES, read_jwks
from resilient_auth.errors import ConfigError, Unavailable
from resilient_auth.events import Event, KeysFetched, KeysFetchFailed, Listener, tell

#: What `Cache-Control` may say, in seconds.
LEAST_FRESH, MOST_FRESH = 30.0, 3600.0
_FETCH_SECONDS = 5.0  # for one answer in all
_GRACE_SECONDS = 1.0  # past it: what a name server may take is not bounded by a socket

Flight = futures.Future[None]


class KeySource:
    """The keys at *url* as last fetched, in `have`; may be used from any thread."""

    def __init__(
        self,
        url: str,
        *,
        algorithms: frozenset[str],
        fresh: float,
        max_stale: float,
        fetch: Fetch,
        listeners: Iterable[Listener],
        clock: Clock,
    ) -> None:
        self.url = url
        self.have: KeySet = KeySet()
        self._algorithms = algorithms
        self._fresh = fresh
        self._max_stale = max_stale
        self._fetch = fetch
        self._listeners = tuple(listeners)
        self._clock = clock
        self._body: bytes | None = None
        self.forget()

    def forget(self) -> None:
        """Let no fetch be under way: a forked child has not the thread."""
        self._lock = threading.Lock()
        self._flight: Flight | None = None
        self._ends_at = 0.0

    def join(
        self, have: KeySet, may_start: Callable[[], bool] = lambda: True
    ) -> tuple[Flight | None, bool]:
        """
        Return the fetch under way, or a new one, and whether it is new.

        None is new if *have* was renewed since it was looked at, or if *may_start*,
        which is asked under the lock, says no.
        """
        with self._lock:
            if self._flight is not None:
                return self._flight, False
            if self.have is not have or not may_start():
                return None, False
            return self._started(), True

    def seconds_left(self) -> float:
        """Return how long the fetch under way may still take."""
        return max(0.0, self._ends_at - self._clock.monotonic())

    def _started(self) -> Flight:
        """Return a new fetch under way; the lock is held."""
        flight = Flight()
        flight.set_running_or_notify_cancel()  # nobody who waits may cancel it
        thread = threading.Thread(
            target=self._fly, args=(flight,), name="resilient-auth keys", daemon=True
        )
        self._flight = flight
        self._ends_at = self._clock.monotonic() + _FETCH_SECONDS + _GRACE_SECONDS
        try:
            thread.start()
        except RuntimeError:  # no thread is to be had
            self._land(flight, self._missed("no thread could be started"))
        return flight

    def _fly(self, flight: Flight) -> None:
        """Fetch once, publish what came, and tell."""
        event: Event
        try:
            have, event = self._fetched()
        except BaseException as error:  # noqa: BLE001 - nobody else would end the wait
            have = self._missed(_reason(error))
            event = KeysFetchFailed(
                at=self._clock.time(),
                url=self.url,
                reason=have.reason,
                failures=have.failures,
                usable_for=max(0.0, have.usable_until - self._clock.monotonic()),
            )
        with self._lock:
            self._land(flight, have)
        tell(self._listeners, event)

    def _land(self, flight: Flight, have: KeySet) -> None:
        self.have = have
        self._flight = None
        flight.set_result(None)

    def _fetched(self) -> tuple[KeySet, Event]:
        asked_at = self._clock.monotonic()
        answer = self._fetch(self.url, timeout=_FETCH_SECONDS, max_bytes=MAX_BYTES)
        if answer.status != 200:
            raise Unavailable(reason=f"HTTP {answer.status}")
        if answer.body == self._body:
            keys = self.have.keys  # the same objects: what they proved stays proved
        else:
            read = read_jwks(answer.body, algorithms=self._algorithms)
            keys = {key.kid: key for key in read}
            self._body = answer.body
        fresh = fresh_seconds(
            answer.headers, default=self._fresh, least=LEAST_FRESH, most=MOST_FRESH
        )
        have = fetched(keys, asked_at=asked_at, fresh=fresh, max_stale=self._max_stale)
        return have, KeysFetched(
            at=self._clock.time(), url=self.url, kids=tuple(keys), fresh_for=fresh
        )

    def _missed(self, reason: str) -> KeySet:
        now = self._clock.monotonic()
        return self.have.missed(reason, now=now, roll=random.random())  # noqa: S311 - spreads retries


async def landed(flight: Flight, seconds: float) -> None:
    """Wait until *flight* is over, or for *seconds*; ends nothing but its own wait."""
    landing = asyncio.wrap_future(flight)
    try:
        await asyncio.wait([landing], timeout=seconds)
    finally:
        landing.cancel()  # a loop that closes first hears no more of it


def _reason(error: BaseException) -> str:
    """Return what happened, without a word that the other side chose."""
    if isinstance(error, Unavailable):
        return error.reason
    if isinstance(error, ConfigError):
        return str(error)
    said = error.strerror if isinstance(error, OSError) else None
    return type(error).__name__ + (f": {said}" if said else "")
