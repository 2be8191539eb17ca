"""What every test of `resilient_auth.resilience` starts from."""

from collections.abc import Callable
from typing import Any

import pytest

from resilient_auth.resilience.policy import (
    Backoff,
    Bulkhead,
    Policy,
    RetryBudget,
    Timeouts,
    Trip,
)
from resilient_auth.testing.clock import FrozenClock


@pytest.fixture
def clock() -> FrozenClock:
    """Return a clock that moves only when told."""
    return FrozenClock()


@pytest.fixture
def heard() -> list[Any]:
    """The events that were told; its `append` is the listener."""
    return []


@pytest.fixture
def make_policy() -> Callable[..., Policy]:
    """Build a policy from the defaults and the changes named."""

    def make(**changes: Any) -> Policy:
        """Build it."""
        settings: dict[str, Any] = {
            "attempts": 3,
            "backoff": Backoff(),
            "retry_after_cap": 30.0,
            "budget": RetryBudget(),
            "trip": Trip(),
            "open_for": 15.0,
            "open_for_max": 120.0,
            "probes": 2,
            "timeouts": Timeouts(),
            "bulkhead": Bulkhead(),
        }
        return Policy(**(settings | changes))

    return make
