"""The breaker against a model that is too simple to be wrong."""

from collections import deque
from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from resilient_auth.errors import CircuitOpen
from resilient_auth.resilience.breaker import Breaker, Ticket
from resilient_auth.resilience.policy import (
    Backoff,
    Policy,
    RetryBudget,
    Timeouts,
    Trip,
)
from resilient_auth.resilience.verdict import KINDS
from resilient_auth.testing.clock import FrozenClock

SIZE, MINIMUM, PROBES, OPEN_FOR, OPEN_MAX, LEASE = 6, 3, 2, 8.0, 32.0, 20.0
TICKETS = st.integers(min_value=0, max_value=7)


@dataclass
class Model:
    """What the breaker promises, in lists and numbers."""

    state: str = "closed"
    epoch: int = 0
    until: float = 0.0
    openings: int = 0
    wins: int = 0
    window: deque[str] = field(default_factory=lambda: deque(maxlen=SIZE))
    leases: dict[int, float] = field(default_factory=dict)

    def move(self, state: str) -> None:
        """Begin a new epoch."""
        self.state, self.epoch, self.wins = state, self.epoch + 1, 0
        self.leases = {}
        if state == "closed":
            self.openings = 0
            self.window.clear()

    def grown(self) -> float:
        """Return the next open time by the rule of growth."""
        return min(OPEN_MAX, OPEN_FOR * 2**self.openings)

    def open(self, now: float, seconds: float) -> None:
        """Open, or set a new end."""
        self.until = now + seconds
        if self.state != "open":
            self.move("open")
            self.openings += 1

    def bad(self) -> bool:
        """Say whether the window is reason enough to open."""
        count = len(self.window)
        failed, slow = self.window.count("failed"), self.window.count("slow")
        return count >= MINIMUM and (failed >= 0.5 * count or slow >= 0.6 * count)

    def admits(self, now: float) -> bool:
        """Say whether a call may go out, which may half-open it."""
        if self.state == "open" and now >= self.until:
            self.move("half_open")
        if self.state == "half_open":
            self.leases = {n: end for n, end in self.leases.items() if end > now}
            return len(self.leases) + self.wins < PROBES
        return self.state == "closed"

    def current(self, number: int, epoch: int) -> bool:
        """Say whether a ticket still counts; its permit returns."""
        self.leases.pop(number, None)
        return epoch == self.epoch

    def succeed(self, now: float, *, slow: bool) -> None:
        """Count a success."""
        if self.state == "half_open" and not slow:
            self.wins += 1
            if self.wins == PROBES:
                self.move("closed")
            return
        if self.state == "closed":
            self.window.append("slow" if slow else "good")
        if slow and (self.state == "half_open" or self.bad()):
            self.open(now, self.grown())

    def fail(self, now: float) -> None:
        """Count a failure."""
        if self.state == "closed":
            self.window.append("failed")
        if self.state == "half_open" or self.bad():
            self.open(now, self.grown())


class BreakerMachine(RuleBasedStateMachine):
    """Any order of calls, results, time and operators."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FrozenClock()
        policy = Policy(
            attempts=1,
            backoff=Backoff(),
            retry_after_cap=30.0,
            budget=RetryBudget(),
            trip=Trip(window=SIZE, minimum=MINIMUM),
            open_for=OPEN_FOR,
            open_for_max=OPEN_MAX,
            probes=PROBES,
            timeouts=Timeouts(total=LEASE / 2, attempt=None),
            bulkhead=None,
        )
        self.breaker = Breaker("k", policy, self.clock, roll=lambda: 0.0)
        self.model = Model()
        self.out: list[tuple[int, int, Ticket]] = []
        self.calls = 0

    @property
    def now(self) -> float:
        """Return the frozen clock's reading."""
        return self.clock.monotonic()

    def take(self, index: int) -> tuple[bool, Ticket]:
        """Return whether the model takes the ticket for current, and the ticket."""
        number, epoch, ticket = self.out.pop(index % len(self.out))
        return self.model.current(number, epoch), ticket

    @rule()
    def admit(self) -> None:
        """A call asks to go out."""
        if not self.model.admits(self.now):
            with pytest.raises(CircuitOpen):
                self.breaker.admit()
            return
        self.calls += 1
        self.out.append((self.calls, self.model.epoch, self.breaker.admit()))
        if self.model.state == "half_open":
            self.model.leases[self.calls] = self.now + LEASE

    @precondition(lambda self: self.out)
    @rule(index=TICKETS, slow=st.booleans())
    def succeed(self, index: int, slow: bool) -> None:  # noqa: FBT001 - drawn
        """Any call comes back well."""
        current, ticket = self.take(index)
        if current:
            self.model.succeed(self.now, slow=slow)
        self.breaker.succeed(ticket, slow=slow)

    @precondition(lambda self: self.out)
    @rule(index=TICKETS)
    def fail(self, index: int) -> None:
        """Any call comes back failed."""
        current, ticket = self.take(index)
        if current:
            self.model.fail(self.now)
        self.breaker.fail(ticket, KINDS["server"])

    @precondition(lambda self: self.out)
    @rule(index=TICKETS, kind=st.sampled_from(["bug", "cancelled", "bad_request"]))
    def come_to_nothing(self, index: int, kind: str) -> None:
        """Any call ends in a way that blames nobody."""
        _, ticket = self.take(index)
        self.breaker.fail(ticket, KINDS[kind])

    @precondition(lambda self: self.out)
    @rule(index=TICKETS, told=st.sampled_from([None, 1.0, 100.0]))
    def fail_for_good(self, index: int, told: float | None) -> None:
        """Any call learns that its key is shut."""
        current, ticket = self.take(index)
        model = self.model
        if current:
            seconds = model.grown() if told is None else told
            if model.openings:
                seconds = max(seconds, model.grown())
            if model.state == "closed":
                model.window.append("failed")
            model.open(self.now, seconds)
        elif told is not None and model.state == "open":
            model.until = max(model.until, self.now + told)
        self.breaker.fail(ticket, KINDS["quota"], open_for=told)

    @rule(seconds=st.sampled_from([0.5, 7.5, 8.0, 20.0, 33.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([5.0, 1000.0]))
    def operator_opens(self, seconds: float) -> None:
        """Somebody opens it by hand."""
        self.model.open(self.now, seconds)
        self.breaker.open(seconds)

    @rule()
    def operator_closes(self) -> None:
        """Somebody closes it by hand."""
        if self.model.state != "closed":
            self.model.move("closed")
        self.breaker.close()

    @invariant()
    def it_looks_like_the_model(self) -> None:
        """At every step, everything that can be seen agrees."""
        seen, model = self.breaker.view(), self.model
        left = max(0.0, model.until - self.now) if model.state == "open" else 0.0

        assert model.state == seen.state
        assert left == pytest.approx(seen.retry_in)
        assert len(self.out) == seen.in_flight
        if model.state == "closed":
            assert len(model.window) == seen.calls
            assert model.window.count("failed") == self.breaker._window._failed
            assert model.window.count("slow") == self.breaker._window._slow

    @invariant()
    def permits_are_never_exceeded(self) -> None:
        """The one promise that an outage depends on."""
        assert len(self.breaker._leases) <= PROBES


TestBreakerMachine = BreakerMachine.TestCase
