"""
What may be set for calls that go out? Values that refuse nonsense when built.

The numbers are starting points for chat volumes; where a bound is off it is ``None``.
"""

import math
from dataclasses import KW_ONLY, dataclass

from resilient_auth.core import arguments
from resilient_auth.core.arguments import is_awaited
from resilient_auth.errors import ConfigError
from resilient_auth.resilience.meter import ReadUsage
from resilient_auth.resilience.verdict import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """
    How long to wait after a failure when the server named no wait: full jitter.

    The wait is uniform between 0 and ``first * 2 ** (failures - 1)`` seconds, and that
    ceiling never passes *cap*. Full jitter spreads callers that failed together better
    than a half-random wait does (Brooker, "Exponential Backoff And Jitter", 2015).
    """

    first: float = 0.5
    cap: float = 8.0

    def __post_init__(self) -> None:
        arguments.seconds("Backoff.first", self.first)
        arguments.seconds("Backoff.cap", self.cap)
        if self.cap < self.first:
            raise ConfigError(
                f"Backoff.cap ({self.cap}) is below first ({self.first})."
            )

    def wait(self, failures: int, *, roll: float) -> float:
        """Return the seconds to wait after *failures* (1 …); *roll* is in [0, 1)."""
        return roll * min(self.cap, self.first * 2.0 ** min(failures - 1, 64))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudget:
    """
    How many retries one key may add to its calls, so that retries cannot pile up.

    A token bucket: every call earns *ratio* of a retry, every second *per_second* more.
    At most ten seconds and a hundred calls' worth is saved (`burst`).
    """

    ratio: float = 0.2
    per_second: float = 10.0

    def __post_init__(self) -> None:
        arguments.number("RetryBudget.ratio", self.ratio)
        arguments.number("RetryBudget.per_second", self.per_second)

    @property
    def burst(self) -> float:
        """Return the most retries that can be saved up; 0 when none are earned."""
        saved = 10.0 * self.per_second + 100.0 * self.ratio
        return max(1.0, saved) if saved else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """
    When the circuit opens: too many of the last *window* calls failed or were slow.

    Nothing is judged before *minimum* calls. A call is slow after *slow_after* seconds
    (a stream: until its first content); ``None`` means that no call is slow.
    """

    failure_rate: float = 0.5
    window: int = 100
    minimum: int = 20
    slow_after: float | None = 12.0
    slow_rate: float = 0.6

    def __post_init__(self) -> None:
        arguments.share("Trip.failure_rate", self.failure_rate)
        arguments.share("Trip.slow_rate", self.slow_rate)
        arguments.count("Trip.window", self.window)
        arguments.count("Trip.minimum", self.minimum)
        if self.slow_after is not None:
            arguments.seconds("Trip.slow_after", self.slow_after)
        if self.minimum > self.window:
            raise ConfigError(
                f"Trip.minimum ({self.minimum}) can never be reached in a window of "
                f"{self.window} calls; lower it too."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """
    How long a call may take, in seconds; each may be ``None``.

    *total* covers all attempts and the waits between them. *attempt* is one attempt at
    a plain call. *first_content* is the wait for a stream's first text (keep-alives do
    not count), *idle* the longest silence after it.
    """

    total: float | None = 20.0
    attempt: float | None = 15.0
    first_content: float | None = 8.0
    idle: float | None = 10.0

    def __post_init__(self) -> None:
        for name in ("total", "attempt", "first_content", "idle"):
            value = getattr(self, name)
            if value is not None:
                arguments.seconds(f"Timeouts.{name}", value)


@dataclass(frozen=True, slots=True)
class Bulkhead:
    """
    How many calls of one key run at once: *limit*, and *queue* more may wait.

    Nobody waits longer than *wait* seconds; who cannot wait gets `BulkheadFull`.
    """

    limit: int = 50
    _: KW_ONLY
    queue: int = 100
    wait: float = 0.5

    def __post_init__(self) -> None:
        arguments.count("Bulkhead.limit", self.limit)
        arguments.count("Bulkhead.queue", self.queue, least=0)
        arguments.number("Bulkhead.wait", self.wait)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All settings of one `Resilience`, checked together."""

    attempts: int
    backoff: Backoff
    retry_after_cap: float
    budget: RetryBudget | None
    trip: Trip | None
    open_for: float
    open_for_max: float
    probes: int
    timeouts: Timeouts
    bulkhead: Bulkhead | None
    classify: Rule | None = None
    usage: ReadUsage | None = None

    def __post_init__(self) -> None:
        arguments.instance("backoff", self.backoff, Backoff)
        arguments.instance("budget", self.budget, RetryBudget | None)
        arguments.instance("trip", self.trip, Trip | None)
        arguments.instance("timeouts", self.timeouts, Timeouts)
        arguments.instance("bulkhead", self.bulkhead, Bulkhead | None)
        for name in ("classify", "usage"):
            value = getattr(self, name)
            if value is not None and (not callable(value) or is_awaited(value)):
                raise ConfigError(f"{name} takes a plain function of one argument.")
        arguments.count("attempts", self.attempts)
        arguments.count("probes", self.probes)
        arguments.number("retry_after_cap", self.retry_after_cap)
        arguments.seconds("open_for", self.open_for)
        arguments.seconds("open_for_max", self.open_for_max)
        if self.open_for_max < self.open_for:
            raise ConfigError(
                f"open_for_max ({self.open_for_max}) is below open_for "
                f"({self.open_for})."
            )

    @property
    def bare(self) -> bool:
        """Say whether a plain call has no slot to wait for and no time limit."""
        limits = (self.bulkhead, self.timeouts.total, self.timeouts.attempt)
        return all(limit is None for limit in limits)

    @property
    def lease(self) -> float:
        """
        Return the seconds after which a silent probe loses its permit.

        Longer than a probe can live, so that only an abandoned one loses it.
        """
        spans = (self.timeouts.total, self.timeouts.attempt)
        return 2.0 * max((span for span in spans if span is not None), default=30.0)

    def fair_share(self, attempt: float | None) -> float:
        """
        Return how long an attempt must have run to be blamed when a deadline cuts it.

        A caller in a hurry proves nothing about the provider: half of the time that
        *attempt* and the total allow, or ``slow_after`` when they allow any.
        """
        spans = (attempt, self.timeouts.total)
        allowed = min((span for span in spans if span is not None), default=None)
        if allowed is not None:
            return allowed / 2.0
        slow_after = None if self.trip is None else self.trip.slow_after
        return math.inf if slow_after is None else slow_after
