"""
What if only one part is wanted? Retries alone, a breaker alone, and both stacked.

Stacked in either order they become one guard, for the order of their work is fixed: a
retry around a breaker would sleep on an open circuit, and a breaker around a retry
would count one failure where the provider was called three times.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, ParamSpec, TypeVar

from resilient_auth.clock import Clock
from resilient_auth.errors import ConfigError
from resilient_auth.events import Listener
from resilient_auth.resilience.attempt import Check
from resilient_auth.resilience.breaker import Circuit
from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.functions import mark, marked, name_of
from resilient_auth.resilience.policy import Backoff, RetryBudget, Trip
from resilient_auth.resilience.shared import SharedState

P = ParamSpec("P")
T = TypeVar("T")

_OFF: dict[str, Any] = {
    "attempts": 1,
    "budget": None,
    "trip": None,
    "timeouts": None,
    "bulkhead": None,
}


class Part:
    """One part of a `Resilience`, as a decorator; made by `retry` and `breaker`."""

    __slots__ = ("_title", "alone", "settings")

    def __init__(self, title: str, name: str, settings: dict[str, Any]) -> None:
        self._title = title
        self.settings: dict[str, Any] = settings
        #: The guard that this part is when nothing is stacked with it.
        self.alone: Resilience = Resilience(name, **_OFF | settings)

    def __call__(self, fn: Callable[P, T]) -> Callable[P, T]:
        """Guard *fn*, or join the part that guards it already to one guard."""
        inner = marked(fn)
        if inner is None:
            whole, wraps = self.guard_of(fn), fn
        elif isinstance(inner.part, Part) and inner.function is fn:
            whole, wraps = self._joined(inner.part, fn), inner.wraps
        else:
            whole, wraps = self.alone, fn  # which refuses it
        function = whole(wraps)
        mark(function, whole, wraps, part=None if inner else self)
        return function

    def __repr__(self) -> str:
        return f"<{self._title} {self.alone.name!r}>"

    def guard_of(self, fn: object) -> Resilience:  # noqa: ARG002 - for `RetryPart`
        """Return who guards *fn* on behalf of this part alone."""
        return self.alone

    def _joined(self, other: "Part", fn: object) -> Resilience:
        """Return one guard made of both parts."""
        if type(other) is type(self):
            raise ConfigError(f"{name_of(fn)} has a {self._title} already.")
        mine, theirs = self.settings, other.settings
        if mine["check"] and theirs["check"] and mine["check"] is not theirs["check"]:
            raise ConfigError(f"{name_of(fn)} has two checks; give it one.")
        both = _OFF | theirs | mine
        both["shared"] = None  # the circuits that are shared are the breaker's own
        both["check"] = mine["check"] or theirs["check"]
        both["listeners"] = (*theirs["listeners"], *mine["listeners"])
        circuits = self if isinstance(self, BreakerPart) else other
        whole = Resilience(circuits.alone.name, **both)
        whole.share_circuits(circuits.alone)
        return whole


class RetryPart(Part):
    """Retries alone: what `retry` returns."""

    __slots__ = ()

    def guard_of(self, fn: object) -> Resilience:
        """Return a guard with the name of *fn*, for there is no circuit to share."""
        return Resilience(name_of(fn), **_OFF | self.settings)


class BreakerPart(Part):
    """A breaker alone, which any number of functions may share: from `breaker`."""

    __slots__ = ()

    def snapshot(self) -> dict[str, Circuit]:
        """Return what each circuit looks like now, by key."""
        return self.alone.snapshot()

    def open(self, key: str | None = None, *, seconds: float | None = None) -> None:
        """Open the circuit of *key* by hand, for *seconds* or until `close`."""
        self.alone.open(key, seconds=seconds)

    def close(self, key: str | None = None) -> None:
        """Close the circuit of *key* by hand; its window starts afresh."""
        self.alone.close(key)

    def testing(
        self, *, sleep: bool = False, clock: Clock | None = None
    ) -> AbstractContextManager[Resilience]:
        """Run functions that have this part alone with fresh circuits and *clock*."""
        return self.alone.testing(sleep=sleep, clock=clock)


def retry(
    *,
    attempts: int = 3,
    backoff: Backoff = Backoff(),  # noqa: B008 - frozen
    retry_after_cap: float = 30.0,
    budget: RetryBudget | None = RetryBudget(),  # noqa: B008 - frozen
    check: Check | None = None,
    listeners: Iterable[Listener] = (),
) -> RetryPart:
    """
    Return a decorator that makes up to *attempts* calls, and nothing else.

    The settings are those of `Resilience`; what is retried is what `classify` says, and
    the context's `Deadline` is kept. With `breaker` on the same function, in either
    order, the two become one guard.

    >>> @retry(attempts=2)
    ... def call() -> str:
    ...     return "ok"
    >>> call()
    'ok'
    """
    settings = {
        "attempts": attempts,
        "backoff": backoff,
        "retry_after_cap": retry_after_cap,
        "budget": budget,
        "check": check,
        "listeners": tuple(listeners),
    }
    return RetryPart("retry", "retry", settings)


def breaker(
    name: str,
    *,
    trip: Trip = Trip(),  # noqa: B008 - frozen
    open_for: float = 15.0,
    open_for_max: float = 120.0,
    probes: int = 2,
    key: str | Callable[..., str] | None = None,
    max_keys: int = 10_000,
    check: Check | None = None,
    shared: SharedState | None = None,
    listeners: Iterable[Listener] = (),
) -> BreakerPart:
    """
    Return a decorator that refuses calls while the circuit is open, and nothing else.

    The settings are those of `Resilience`. Functions that are decorated with the same
    object share its circuits.
    """
    settings = {
        "trip": trip,
        "open_for": open_for,
        "open_for_max": open_for_max,
        "probes": probes,
        "key": key,
        "max_keys": max_keys,
        "check": check,
        "shared": shared,
        "listeners": tuple(listeners),
    }
    return BreakerPart("breaker", name, settings)
