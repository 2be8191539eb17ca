"""
Whose signature is it, when the keys are another server's? Keys fetched and kept.

A known key is found without a lock and without the network. `core.freshness` says how
long keys are good for, and what a request does meanwhile; `auth.keysource` fetches.

An unknown ``kid`` may be a key that is newer than ours, or nothing but a flood. It may
cause a fetch out of turn, if the bucket has one left; a few of its kind may wait for
the answer, shortly; the rest is told at once what is known. So a flood costs the issuer
a request every ten seconds, and a good token nothing.
"""

import re
import threading
from collections.abc import Iterable
from concurrent import futures
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from resilient_auth.auth.fetch import Fetch, HttpFetch
from resilient_auth.auth.forks import forget_in_child
from resilient_auth.auth.keysource import (
    LEAST_FRESH,
    MOST_FRESH,
    Flight,
    KeySource,
    landed,
)
from resilient_auth.clock import Clock, SystemClock
from resilient_auth.core.algorithms import ALGORITHMS
from resilient_auth.core.freshness import Bucket, KeySet, Step
from resilient_auth.core.keys import Key
from resilient_auth.errors import ConfigError, Unavailable
from resilient_auth.events import Listener

_PLAIN_URL = re.compile(r"[!-~]{1,2048}")
_DOUBT_SECONDS = 1.0  # that a request with an unknown kid waits
_MAX_DOUBTERS = 8  # that wait at once: a thread that waits serves nobody
_ABSENT_SECONDS = 60.0
_MAX_ABSENT = 1000


class _Wait(NamedTuple):
    """What a request waits for; *caused* by its own unknown kid."""

    flight: Flight
    seconds: float
    slot: threading.Semaphore | None = None
    caused: bool = False

    def leave(self) -> None:
        """Let another one wait."""
        if self.slot is not None:
            self.slot.release()


class RemoteKeys:
    """
    The public keys at *url* (a JWKS, RFC 7517 §5), for services that only verify.

    Nothing is fetched before the first token comes. An answer is fresh for as long as
    its ``Cache-Control`` says (30 s to an hour), or for *fresh* seconds; then requests
    go on with it while one fetch runs behind. If that fails, the last good keys are
    used for *max_stale* seconds more; after that, and before the first answer, `find`
    raises `Unavailable`: the issuer's outage is not the client's fault. A new set
    replaces the old at once, so what was withdrawn is gone; a broken one changes
    nothing.

    *algorithms* narrows what is accepted, such as ``["RS256"]``; an RSA key that names
    no ``alg`` of its own is usable only if that leaves it one. *fetch* replaces the
    way to the network (see `Fetch`). *listeners* are told `KeysFetched` and
    `KeysFetchFailed`, in the thread that fetched. May be used from any thread and any
    event loop. Raises `ConfigError` for a URL that is not plain https;
    ``insecure_allow_http`` is for tests on this machine.
    """

    def __init__(
        self,
        url: str,
        *,
        algorithms: Iterable[str] | None = None,
        fresh: float = 300.0,
        max_stale: float = 21_600.0,
        fetch: Fetch | None = None,
        listeners: Iterable[Listener] = (),
        clock: Clock | None = None,
        insecure_allow_http: bool = False,
    ) -> None:
        if not LEAST_FRESH <= fresh <= MOST_FRESH:
            raise ConfigError("fresh is 30 to 3,600 seconds.")
        if not 0 <= max_stale <= 604_800:
            raise ConfigError("max_stale is 0 to 604,800 seconds (a week).")
        self._clock = clock or SystemClock()
        self._source = KeySource(
            _checked_url(url, insecure_allow_http=insecure_allow_http),
            algorithms=_checked_algorithms(algorithms),
            fresh=float(fresh),
            max_stale=float(max_stale),
            fetch=fetch or HttpFetch(),
            listeners=listeners,
            clock=self._clock,
        )
        self.forget()
        forget_in_child(self)

    def forget(self) -> None:
        """Forget who asks: the threads of a parent are not in its forked child."""
        self._source.forget()
        self._doubters = threading.Semaphore(_MAX_DOUBTERS)
        self._bucket = Bucket(at=self._clock.monotonic())
        self._absent: dict[str, float] = {}

    def find(self, kid: str) -> Key | None:
        """
        Return the key called *kid*, or None if the issuer has no such key.

        Waits for the network only before the first answer, when the keys are old, or
        (1 s at most) for an unknown *kid*. Raises `Unavailable` if nobody can say.
        """
        key = self._fresh_key(kid)
        if key is not None:
            return key
        wait = self._before(kid)
        if wait is not None:
            try:
                futures.wait([wait.flight], timeout=wait.seconds)
            finally:
                wait.leave()
        return self._after(kid, wait)

    async def afind(self, kid: str) -> Key | None:
        """Do the same, and let the event loop run meanwhile."""
        key = self._fresh_key(kid)
        if key is not None:
            return key
        wait = self._before(kid)
        if wait is not None:
            try:
                await landed(wait.flight, wait.seconds)
            finally:
                wait.leave()
        return self._after(kid, wait)

    def explain(self, kid: str | None = None) -> str:
        """Say in a sentence what is known, of *kid* too; asks nobody."""
        have, now = self._source.have, self._clock.monotonic()
        said = [f"{self._source.url}: "]
        if kid is not None:
            said.append(f"kid {kid!r} is {'' if kid in have.keys else 'not '}known; ")
        if have.keys:
            said.append(
                f"{len(have.keys)} keys ({', '.join(have.keys)}), asked for "
                f"{now - have.asked_at:.0f} s ago, usable for "
                f"{max(0.0, have.usable_until - now):.0f} s more"
            )
        else:
            said.append("no keys yet")
        if have.failures:
            said.append(
                f"; failures since: {have.failures}, the last: {have.reason}; "
                f"asked again in {max(0.0, have.retry_at - now):.0f} s"
            )
        return "".join(said) + "."

    def __repr__(self) -> str:
        return f"RemoteKeys({self._source.url!r})"

    def _fresh_key(self, kid: str) -> Key | None:
        have = self._source.have
        if self._clock.monotonic() < have.fresh_until:
            return have.keys.get(kid)
        return None

    def _before(self, kid: str) -> _Wait | None:
        """Return what a request for *kid* has to wait for, and start what is due."""
        have, now = self._source.have, self._clock.monotonic()
        step = have.next_step(now)
        if step is Step.WAIT:
            return self._wait(have)
        if kid in have.keys:
            if step is Step.USE_AND_ASK:
                self._wait(have)
            return None
        return None if step is Step.GIVE_UP else self._doubt(kid, have, now)

    def _wait(self, have: KeySet) -> _Wait | None:
        """Let a request wait for the fetch under way, or for a new one."""
        flight, _ = self._source.join(have)
        return None if flight is None else _Wait(flight, self._source.seconds_left())

    def _doubt(self, kid: str, have: KeySet, now: float) -> _Wait | None:
        """Let the unknown *kid* wait, or cause a fetch, if it is worth that."""
        if now < self._absent.get(kid, 0.0):
            return None
        may_ask = partial(self._may_ask_out_of_turn, have, now)
        flight, caused = self._source.join(have, may_ask)
        if flight is None:
            return None
        if not self._doubters.acquire(blocking=False):
            raise Unavailable(reason="unknown kid, and too many wait for the keys")
        return _Wait(flight, _DOUBT_SECONDS, self._doubters, caused)

    def _may_ask_out_of_turn(self, have: KeySet, now: float) -> bool:
        """Take one from the bucket, if there is one; the source's lock is held."""
        bucket = self._bucket.take(now) if now >= have.retry_at else None
        self._bucket = bucket or self._bucket
        return bucket is not None

    def _after(self, kid: str, wait: _Wait | None) -> Key | None:
        """Return the key called *kid* by what is known now."""
        have, now = self._source.have, self._clock.monotonic()
        retry_after = max(1.0, have.retry_at - now)
        if now >= have.usable_until:
            reason = f"no keys: {have.reason or 'no answer yet'}"
            raise Unavailable(reason=reason, retry_after=retry_after)
        key = have.keys.get(kid)
        if key is None:
            if have.failures or (wait is not None and not wait.flight.done()):
                reason = "unknown kid, and the issuer does not answer"
                raise Unavailable(reason=reason, retry_after=retry_after)
            if wait is not None and wait.caused:
                self._note_absent(kid, now)
        return key

    def _note_absent(self, kid: str, now: float) -> None:
        if len(self._absent) >= _MAX_ABSENT:
            self._absent.clear()
        self._absent[kid] = now + _ABSENT_SECONDS


def _checked_url(url: str, *, insecure_allow_http: bool) -> str:
    if not isinstance(url, str) or not _PLAIN_URL.fullmatch(url):
        raise ConfigError("A JWKS URL is plain ASCII, such as https://issuer/jwks.json")
    try:
        parts = urlsplit(url)
        is_sound = parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        raise ConfigError("A JWKS URL has a host, and a port from 1 on.") from None
    if not is_sound or "#" in url:
        raise ConfigError("A JWKS URL has a host, and no credentials or fragment.")
    if parts.scheme != "https" and not (parts.scheme == "http" and insecure_allow_http):
        raise ConfigError(
            "A JWKS URL is https: over http, anybody on the way could name the keys. "
            "insecure_allow_http=True is for tests on one machine."
        )
    return url


def _checked_algorithms(names: Iterable[str] | None) -> frozenset[str]:
    if isinstance(names, str):
        raise ConfigError('algorithms is a list, such as ["ES256"].')
    public = {name for name, row in ALGORITHMS.items() if row.size is None}
    chosen = frozenset(public if names is None else names)
    if not chosen or not chosen <= public:
        raise ConfigError(f"algorithms are some of {', '.join(sorted(public))}.")
    return chosen
