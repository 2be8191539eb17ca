"""What is kept for one key? Its circuit, its slots and its retry budget."""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn, final

from resilient_auth.clock import Clock
from resilient_auth.errors import AnswerError, Unavailable, UnusableAnswer, answer_with
from resilient_auth.events import CallFailed, Listener, tell
from resilient_auth.resilience.breaker import Breaker, Circuit, Ticket
from resilient_auth.resilience.budget import Budget
from resilient_auth.resilience.bulkhead import Slots
from resilient_auth.resilience.deadline import Deadline, reading
from resilient_auth.resilience.forks import watch
from resilient_auth.resilience.meter import NOTHING, Meter
from resilient_auth.resilience.policy import Policy
from resilient_auth.resilience.verdict import Judge, Verdict, judging

_CHANCES = 64


@final
class Failure:
    """How an attempt failed: the error to raise in the end, and what it means."""

    __slots__ = ("error", "verdict")

    def __init__(self, error: Exception, verdict: Verdict) -> None:
        self.error: Exception = error
        self.verdict: Verdict = verdict

    def throw(self) -> NoReturn:
        """
        Raise the error, and let go of it.

        Frames of its traceback may still know this failure. Were the error in it, the
        two would be a cycle, and a whole prompt would live until the next collection.
        """
        error = self.error
        self.let_go()
        try:
            raise error
        finally:
            del error

    def let_go(self) -> None:
        """Forget the error, for the same reason, since nobody will raise it."""
        del self.error


class Lane:
    """One key's own; may be used from any thread."""

    __slots__ = (
        "breaker",
        "budget",
        "clock",
        "fair_share",
        "fair_stream_share",
        "judge",
        "key",
        "listeners",
        "meter",
        "now",
        "policy",
        "seen",
        "slots",
        "slow_after",
    )

    def __init__(
        self,
        key: str,
        policy: Policy,
        clock: Clock,
        listeners: tuple[Listener, ...],
        *,
        breaker: Breaker | None = None,
    ) -> None:
        self.key: str = key
        self.policy: Policy = policy
        self.clock: Clock = clock
        self.now: Callable[[], float] = reading(clock)
        self.listeners: tuple[Listener, ...] = listeners
        if breaker is None:
            breaker = Breaker(key, policy, clock, listeners)
        self.breaker: Breaker = breaker
        self.judge: Judge = judging(policy.classify)
        self.meter: Meter | None = None
        if policy.usage is not None:
            self.meter = Meter(key, policy.usage, clock, listeners)
        slots, budget = policy.bulkhead, policy.budget
        self.slots: Slots | None = None if slots is None else Slots(key, slots)
        self.budget: Budget | None = (
            None if budget is None else Budget(budget, now=self.now())
        )
        slow_after = None if policy.trip is None else policy.trip.slow_after
        self.slow_after: float = math.inf if slow_after is None else slow_after
        self.fair_share: float = policy.fair_share(policy.timeouts.attempt)
        self.fair_stream_share: float = policy.fair_share(policy.timeouts.first_content)
        #: How many calls it had admitted when `Lanes` last looked for room.
        self.seen: int = -1

    def take(self) -> bool:
        """
        Take a slot of the bulkhead if one is free, and say whether it did.

        Raises `CircuitOpen` first, so that nobody queues before a closed door.
        """
        self.breaker.require()
        return self.slots is None or self.slots.take()

    def acquire(self, deadline: Deadline | None) -> None:
        """Take a slot, or wait for one; raises `BulkheadFull`, or as `take` does."""
        if not self.take() and self.slots is not None:
            self.slots.acquire(left=_left(deadline))

    async def aacquire(self, deadline: Deadline | None) -> None:
        """Do the same as a task."""
        if not self.take() and self.slots is not None:
            await self.slots.aacquire(left=_left(deadline))

    def release(self) -> None:
        """Give the slot of the bulkhead back."""
        if self.slots is not None:
            self.slots.release()

    def fail(
        self,
        ticket: Ticket,
        failure: Failure,
        *,
        elapsed: float,
        fair_share: float,
        deadline: Deadline | None,
    ) -> Failure:
        """
        Take *ticket* back for *failure* after *elapsed* seconds; judge it in context.

        An attempt that a deadline cut short is the provider's fault only if it had its
        *fair_share* of time. A wait that the server told, but that nobody will sleep
        through because it fits neither cap nor deadline, opens the circuit until then.
        """
        verdict = failure.verdict
        if verdict.kind == "deadline" and elapsed >= fair_share:
            verdict = replace(verdict, trips=True)
            failure.verdict = verdict
        open_for = self._open_for(verdict, deadline)
        self.breaker.fail(ticket, verdict, open_for=open_for)
        return failure

    def _open_for(self, verdict: Verdict, deadline: Deadline | None) -> float | None:
        wait = verdict.wait
        if not wait or not verdict.trips:
            return None
        left = math.inf if deadline is None else deadline.remaining()
        sleepable = min(self.policy.retry_after_cap, left)
        return wait if verdict.opens or wait > sleepable else None

    def give_up(self, failure: Failure, *, attempts: int, why: str) -> None:
        """
        Tell that a call is given up after *attempts*, and *why*.

        On an error of the provider's is noted what our own client is to be told.
        """
        verdict = failure.verdict
        if isinstance(failure.error, UnusableAnswer):
            failure.error.given_up = True
        if verdict.blames and not isinstance(failure.error, AnswerError):
            retry_in = self.breaker.view().retry_in or verdict.wait or 1.0
            reason = f"the call of {self.key!r} failed: {verdict.kind}"
            refusal = Unavailable(
                "llm_unavailable", retry_after=retry_in, reason=reason
            )
            answer_with(failure.error, refusal)
        event = CallFailed(
            at=self.clock.time(),
            key=self.key,
            attempts=attempts,
            kind=verdict.kind,
            why=why,
        )
        tell(self.listeners, event)

    def view(self) -> Circuit:
        """Return what the circuit looks like now, and what its calls used."""
        used = NOTHING if self.meter is None else self.meter.total
        return self.breaker.view(used)

    def may_retry(self) -> bool:
        """Spend one retry of the budget, if there is one."""
        return self.budget is None or self.budget.take(
            attempts=self.breaker.admitted, now=self.now()
        )


class Lanes:
    """
    The lanes of one `Resilience`, at most *most* of them.

    Where room is needed, a lane that was not used since it was last looked at goes, and
    one with an open circuit or a call in flight stays while there is another: a flood
    of new keys cannot make us forget an outage.
    """

    __slots__ = ("__weakref__", "_added", "_build", "_lanes", "_lock", "_most", "own")

    def __init__(
        self,
        build: Callable[[str], Lane],
        *,
        most: int,
        added: Callable[[Lane], None] | None = None,
    ) -> None:
        self._build = build
        self._added = added
        self._most = most
        self._lock = threading.Lock()
        self._lanes: OrderedDict[str, Lane] = OrderedDict()
        watch(self)
        #: The lane of all calls that name no key, where the owner put one here: it
        #: need not be looked up. None again when it is dropped.
        self.own: Lane | None = None

    def get(self, key: str) -> Lane:
        """Return the lane of *key*, a new one if there is none."""
        lane = self._lanes.get(key)
        return self._add(key) if lane is None else lane

    def begin_in_child(self) -> None:
        """Give a forked child its slots: the calls of its parent are not its own."""
        self._lock = threading.Lock()
        for lane in list(self._lanes.values()):
            lane.breaker.forget_calls()
            if lane.slots is not None:
                lane.slots.reset()

    def find(self, key: str) -> Lane | None:
        """Return the lane of *key*, or None."""
        return self._lanes.get(key)

    def circuits(self) -> dict[str, Circuit]:
        """Return what each circuit looks like now."""
        return {key: lane.view() for key, lane in list(self._lanes.items())}

    def _add(self, key: str) -> Lane:
        with self._lock:
            lane = self._lanes.get(key)
            if lane is not None:
                return lane
            if len(self._lanes) >= self._most:
                self._make_room()
            lane = self._lanes[key] = self._build(key)
        if self._added is not None:  # it may tell listeners, who may come back here
            self._added(lane)
        return lane

    def _make_room(self) -> None:
        """Drop one lane: the first that is idle and untouched, in turn."""
        for _ in range(_CHANCES):
            key, lane = self._lanes.popitem(last=False)
            admitted = lane.breaker.admitted
            if lane.seen == admitted and lane.breaker.idle:
                break
            lane.seen = admitted
            self._lanes[key] = lane
        else:
            # All are in use: one whose circuit is closed goes, if there is one.
            key = next(
                (key for key, each in self._lanes.items() if each.breaker.idle),
                next(iter(self._lanes)),
            )
            lane = self._lanes.pop(key)
        if lane is self.own:
            self.own = None


def _left(deadline: Deadline | None) -> float | None:
    return None if deadline is None else deadline.remaining()
