"""
Which fixtures does pytest offer once resilient-auth is installed?

Loaded by every pytest that finds the package, so it imports nothing until a test asks.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from resilient_auth.testing.clock import FrozenClock
    from resilient_auth.testing.faults import FaultServer


@pytest.fixture
def fault_server() -> "Iterator[FaultServer]":
    """Run a provider that misbehaves on demand; it is closed after the test."""
    from resilient_auth.testing.faults import FaultServer

    with FaultServer() as server:
        yield server


@pytest.fixture
def frozen_clock() -> "FrozenClock":
    """Return a clock that moves only when told."""
    from resilient_auth.testing.clock import FrozenClock

    return FrozenClock()
