"""The providers that the chats in ``examples/llm`` talk to."""

from collections.abc import Iterator

import pytest
from tests.examples.talks import ANSWER, SECOND

from resilient_auth.testing import FaultServer


@pytest.fixture
def first() -> Iterator[FaultServer]:
    """Run the provider of the first model."""
    with FaultServer(ANSWER) as server:
        yield server


@pytest.fixture
def second() -> Iterator[FaultServer]:
    """Run the provider of the second model."""
    with FaultServer(SECOND) as server:
        yield server
