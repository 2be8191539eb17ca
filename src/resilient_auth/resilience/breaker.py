"""
May this call go out, and what does its outcome change? The circuit breaker of one key.

Theory of operation
-------------------
pybreaker is the state machine: it decides closed → open → half-open → closed, counts
through a storage of ours, and tells a listener of ours. It never sees the guarded call,
for it would hold its lock meanwhile. A call is *admitted* and gets a ticket; it runs
outside every lock; then the ticket is given back exactly once, with the outcome, and an
outcome that matters is replayed into pybreaker.

::

              too many of the last calls failed or were slow;
              a verdict that opens; a told wait too long to sleep on
      CLOSED ──────────────────────────────────────────────────────► OPEN
         ▲                                                          │    ▲
         │ `probes` probes succeeded         the open time is over, │    │ a probe
         │                                         and a call comes ▼    │ failed
         └───────────────────────────────────────────────────── HALF-OPEN

* **Epoch.** Every transition starts a new one. The ticket of a closed circuit is its
  epoch; a result from another epoch is stale and moves nothing.
* **Permits.** Half-open lets ``probes`` calls through: those in flight and those that
  succeeded together. Everyone else is rejected at once.
* **Leases.** A probe that never reports loses its permit after ``lease`` seconds; when
  it reports after all, in the same epoch, it counts.
* **Riders.** What a probe itself calls with the same key goes through with it, and
  counts as nothing; otherwise the two would wait for each other for ever.
* **Neutral.** The caller's own mistake, a cancellation, a closed stream: the permit
  returns and the state stays.
* **Growth.** The open time doubles with each reopening, less up to a tenth so that
  processes do not probe in step, and is reset by closing. Where the server said when to
  come back, a circuit that was closed opens until then; a reopening is never shorter
  than its growth.

Our own slots mirror pybreaker's state, so that a success in a closed circuit takes no
lock and asks nobody. Events are told after the lock is released. The garbage collector
may close an abandoned stream while this thread holds the lock; what such a stream has
to report waits until the lock is let go (`Turn`).
"""

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

import pybreaker

from resilient_auth.clock import Clock
from resilient_auth.errors import CircuitOpen
from resilient_auth.events import (
    BreakerClosed,
    BreakerHalfOpened,
    BreakerOpened,
    Event,
    Listener,
    tell,
)
from resilient_auth.resilience.meter import NOTHING, Usage
from resilient_auth.resilience.policy import Policy, Trip
from resilient_auth.resilience.tally import Tally
from resilient_auth.resilience.turn import Turn
from resilient_auth.resilience.verdict import Verdict
from resilient_auth.resilience.window import Window

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"

#: "Until closed by hand", and pybreaker's own timeout, which must never end by itself;
#: an infinite one is an OverflowError there.
FOREVER = 100 * 365 * 86_400.0

_JITTER = 0.1
_NO_TRIP = Trip(slow_after=None)  # the circuit opens by hand alone
_SOON = 1.0  # what to tell who is rejected while probes are out


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """
    What one circuit looks like: ``closed``, ``open`` or ``half_open``.

    *calls* and *failure_rate* are those of the window, *retry_in* the seconds until an
    open circuit lets a probe through, *in_flight* the calls that have not come back.
    *used* is what its calls used so far, where `Resilience` was told how to read it.
    """

    state: str
    calls: int
    failure_rate: float
    retry_in: float
    in_flight: int
    used: Usage = NOTHING


class Probe:
    """The permit of one call through a half-open circuit, in one *epoch*."""

    __slots__ = ("epoch",)

    def __init__(self, epoch: int) -> None:
        self.epoch: int = epoch


#: What `Breaker.admit` hands out: the epoch of a closed circuit, or a probe's permit.
Ticket = int | Probe

_RIDER = -1  # the ticket of a call that a probe itself makes: of no epoch
#: The probes inside of which this context runs; they may be over already.
_riding: ContextVar[tuple[Probe, ...]] = ContextVar("resilient_auth_probes", default=())


@contextmanager
def riding(ticket: Ticket) -> Iterator[None]:
    """Let what is called inside ride on *ticket*, if that is a probe's."""
    if not isinstance(ticket, Probe):
        yield
        return
    outer = _riding.set((*_riding.get(), ticket))
    try:
        yield
    finally:
        _riding.reset(outer)


class Breaker:
    """The circuit of one key; may be used from any thread."""

    __slots__ = (
        "_admitted",
        "_clock",
        "_epoch",
        "_key",
        "_kind",
        "_leases",
        "_listeners",
        "_lock",
        "_machine",
        "_openings",
        "_policy",
        "_returned",
        "_roll",
        "_seconds",
        "_state",
        "_storage",
        "_trip",
        "_until",
        "_untold",
        "_window",
    )

    def __init__(
        self,
        key: str,
        policy: Policy,
        clock: Clock,
        listeners: Sequence[Listener] = (),
        *,
        roll: Callable[[], float] = random.random,
    ) -> None:
        self._key = key
        self._policy = policy
        self._clock = clock
        self._listeners = listeners
        self._roll = roll
        self._lock = Turn()
        self._trip = policy.trip or _NO_TRIP
        self._window = Window(self._trip)
        self._storage = _Storage(self._window)
        self._machine = pybreaker.CircuitBreaker(
            fail_max=1,  # `_Storage.counter` is 1 when the window is bad
            reset_timeout=FOREVER,
            success_threshold=policy.probes,
            state_storage=self._storage,
            throw_new_error_on_trip=False,
        )
        self._machine.add_listener(_Mirror(self._moved))
        self._state = CLOSED
        self._epoch = self._openings = 0
        self._until = 0.0
        self._kind, self._seconds = "", 0.0  # of the next opening
        self._leases: dict[Probe, float] = {}
        self._untold: deque[Event] = deque()
        self._admitted, self._returned = Tally(), Tally()

    def admit(self) -> Ticket:
        """
        Let a call out and return its ticket, to be given back exactly once.

        Raises `CircuitOpen` at once when the circuit lets nobody through now.
        """
        ticket: Ticket = self._epoch
        if self._state is not CLOSED:
            self.require()  # most are rejected without the lock
            ticket = self._admit_with_care()
        self._admitted.step()
        return ticket

    def succeed(self, ticket: Ticket, *, slow: bool = False) -> None:
        """Take a ticket back: the call went well, if perhaps slowly."""
        self._returned.step()
        window = self._window
        good = ticket == self._epoch and not slow
        if good and (window.spotless or window.step()):
            return
        settle = partial(self._succeeded, ticket, slow=slow)
        with self._lock as nested:
            if nested:
                self._lock.later(settle)
                return
            settle()
        self._tell()

    def fail(
        self,
        ticket: Ticket,
        verdict: Verdict,
        *,
        open_for: float | None = None,
    ) -> None:
        """
        Take a ticket back: the call failed. A *verdict* that does not trip is neutral.

        With *open_for*, or when the verdict opens, the circuit opens at once, for that
        long or for the usual time.
        """
        self._returned.step()
        settle = partial(self._failed, ticket, verdict, open_for)
        with self._lock as nested:
            if nested:
                self._lock.later(settle)
                return
            settle()
        self._tell()

    def open(self, seconds: float | None = None) -> None:
        """Open by hand for *seconds*, or until `close`."""
        with self._lock:
            self._open("operator", FOREVER if seconds is None else seconds)
        self._tell()

    def close(self) -> None:
        """Close by hand; the window starts afresh."""
        with self._lock:
            if self._state is not CLOSED:
                self._machine.close()
        self._tell()

    def require(self) -> None:
        """Raise `CircuitOpen` if a call would be rejected now; takes no permit."""
        if self._state is OPEN:
            left = self._until - self._clock.monotonic()
            if left > 0:
                raise CircuitOpen(self._key, left)

    def open_elsewhere(self, kind: str, seconds: float) -> None:
        """
        Open for *seconds*, since another process did.

        A circuit that is open already stays so for longer, if that is longer, and
        nothing is told.
        """
        with self._lock:
            if self._state is OPEN:
                until = self._clock.monotonic() + seconds
                self._until = max(self._until, until)
            else:
                self._open(kind, seconds)
        self._tell()

    def end_wait(self) -> None:
        """Let the next call of an open circuit be a probe, which decides."""
        with self._lock:
            if self._state is OPEN:
                self._until = min(self._until, self._clock.monotonic())
        self._tell()

    def forget_calls(self) -> None:
        """Take no call for a probe that is out; for a process that was forked."""
        self._lock = Turn()  # another thread of the parent may have held it
        self._leases.clear()

    @property
    def refusing(self) -> bool:
        """Say whether the circuit is open and would reject a call now."""
        return self._state is OPEN and self._clock.monotonic() < self._until

    @property
    def idle(self) -> bool:
        """Say whether nothing would be lost with this circuit but its window."""
        return self._state is CLOSED and not self._in_flight()

    @property
    def admitted(self) -> int:
        """Return how many calls were ever let out."""
        return self._admitted.value

    def view(self, used: Usage = NOTHING) -> Circuit:
        """Return what this circuit looks like now, its calls having *used* that."""
        with self._lock:
            left = self._until - self._clock.monotonic() if self._state is OPEN else 0.0
            circuit = Circuit(
                state=self._state,
                calls=self._window.calls,
                failure_rate=self._window.failure_rate,
                retry_in=max(0.0, left),
                in_flight=self._in_flight(),
                used=used,
            )
        self._tell()
        return circuit

    def _admit_with_care(self) -> Ticket:
        """Admit where a look without the lock found the circuit not closed."""
        with self._lock:
            ticket = self._epoch if self._state is CLOSED else self._probe()
        self._tell()
        return ticket

    def _in_flight(self) -> int:
        # What came back is read first: what left meanwhile must not look like less.
        returned = self._returned.value
        return self._admitted.value - returned

    # ------------------------------------------------------- with the lock held

    def _probe(self) -> Ticket:
        """Return a permit of the half-open circuit, or reject the call."""
        now = self._clock.monotonic()
        if self._state is OPEN:
            if now < self._until:
                raise CircuitOpen(self._key, self._until - now)
            self._machine.half_open()
        if any(probe in self._leases for probe in _riding.get()):
            return _RIDER
        for probe in [probe for probe, end in self._leases.items() if end <= now]:
            del self._leases[probe]
        if len(self._leases) + self._storage.success_counter >= self._policy.probes:
            soonest = min(self._leases.values(), default=now) - now
            raise CircuitOpen(self._key, min(_SOON, soonest))
        probe = Probe(self._epoch)
        self._leases[probe] = now + self._policy.lease
        return probe

    def _succeeded(self, ticket: Ticket, *, slow: bool) -> None:
        if self._take_back(ticket):
            self._count_success(slow=slow)

    def _failed(self, ticket: Ticket, verdict: Verdict, open_for: float | None) -> None:
        if self._take_back(ticket):
            self._count_failure(verdict, open_for=open_for)
        elif open_for is not None and self._state is OPEN:
            # A stale result moves nothing, but what the server told is news.
            self._until = max(self._until, self._clock.monotonic() + open_for)

    def _take_back(self, ticket: Ticket) -> bool:
        """Say whether *ticket* is of this epoch; a probe's permit is free again."""
        if isinstance(ticket, Probe):
            self._leases.pop(ticket, None)
            return ticket.epoch == self._epoch
        return ticket == self._epoch

    def _count_success(self, *, slow: bool) -> None:
        """Count a success of this epoch; a slow one may open, and never closes."""
        if self._state is HALF_OPEN and not slow:
            self._replay(_nothing)
            return
        self._window.put(0, int(slow))
        if slow and (self._state is HALF_OPEN or self._window.bad):
            self._open("slow", self._grown())

    def _count_failure(self, verdict: Verdict, *, open_for: float | None) -> None:
        """Count a failure of this epoch, if it trips at all."""
        if self._trip is _NO_TRIP:
            return
        if verdict.opens or open_for is not None:
            self._window.put(1, 0)
            self._open(verdict.kind, self._told(open_for))
        elif verdict.trips:
            self._kind = verdict.kind
            self._seconds = max(self._grown(), verdict.wait or 0.0)
            self._replay(_fail)

    def _open(self, kind: str, seconds: float) -> None:
        self._kind, self._seconds = kind, seconds
        if self._state is OPEN:
            self._until = self._clock.monotonic() + seconds
        else:
            self._machine.open()

    def _replay(self, outcome: Callable[[], None]) -> None:
        """Show pybreaker an outcome, so that it decides what changes."""
        try:
            self._machine.call(outcome)
        except _Replayed as replayed:
            # pybreaker's frames know it, and through them it would keep its traceback,
            # every frame above and so the caller's prompt alive until a collection.
            replayed.__traceback__ = None

    def _moved(self, state: str) -> None:
        """Follow pybreaker into *state*; called by it, inside our lock."""
        # The state first: `admit` reads the epoch first, and so never takes an old
        # state for one of the new epoch.
        self._state = {"closed": CLOSED, "open": OPEN}.get(state, HALF_OPEN)
        self._epoch += 1
        self._leases.clear()
        event: Event
        if self._state is OPEN:
            self._until = self._clock.monotonic() + self._seconds
            self._openings += 1
            event = BreakerOpened(
                at=self._clock.time(),
                key=self._key,
                kind=self._kind,
                retry_in=self._seconds,
            )
        elif self._state is CLOSED:
            self._openings = 0
            self._window = self._storage.window = Window(self._trip)
            event = BreakerClosed(at=self._clock.time(), key=self._key)
        else:
            event = BreakerHalfOpened(at=self._clock.time(), key=self._key)
        self._untold.append(event)

    def _told(self, seconds: float | None) -> float:
        """Return for how long to open when the server said *seconds*, if it did."""
        if seconds is None:
            return self._grown()
        return max(seconds, self._grown()) if self._openings else seconds

    def _grown(self) -> float:
        """Return for how long to open by our own rule."""
        policy = self._policy
        seconds = policy.open_for * 2.0 ** min(self._openings, 32)
        if not self._openings:
            return seconds
        return min(policy.open_for_max, seconds) * (1.0 - _JITTER * self._roll())

    # ------------------------------------------------------------ without the lock

    def _tell(self) -> None:
        while True:
            try:
                event = self._untold.popleft()
            except IndexError:
                return
            tell(self._listeners, event)


class _Storage(pybreaker.CircuitMemoryStorage):
    """Shows pybreaker a rate window as if it were its failure counter."""

    def __init__(self, window: Window) -> None:
        super().__init__(pybreaker.STATE_CLOSED)
        self.window = window

    @property
    def counter(self) -> int:
        return int(self.window.bad)

    def increment_counter(self) -> None:
        self.window.put(1, 0)

    def reset_counter(self) -> None:
        """Do nothing: successes are put into the window directly."""


class _Mirror(pybreaker.CircuitBreakerListener):
    """Passes the name of each new state on."""

    def __init__(self, moved: Callable[[str], None]) -> None:
        self._moved = moved

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:  # noqa: ARG002 - pybreaker's own signature
        # `cb.current_state` still shows the old state here.
        self._moved(new_state.name)


class _Replayed(Exception):
    """A failure as pybreaker is shown it; holds nothing of the call."""


def _nothing() -> None:
    """Succeed, in pybreaker's eyes."""


def _fail() -> None:
    """Fail, in pybreaker's eyes."""
    raise _Replayed
