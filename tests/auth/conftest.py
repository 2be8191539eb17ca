"""Both shells through one harness: the asynchronous one is run to its end."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from resilient_auth import (
    AsyncAuth,
    Auth,
    Key,
    KeyRing,
    Refused,
    SessionPolicy,
    TokenPolicy,
)
from resilient_auth.events import Event
from resilient_auth.testing import FrozenClock
from resilient_auth.testing.wire import BreakableStore

RING = KeyRing([Key.generate("HS256", kid="k1")])
POLICY = TokenPolicy(issuer="https://api.example.com", audience="api")


class Awaited:
    """An object whose coroutine methods are run to their end."""

    def __init__(self, awaited: object, runner: asyncio.Runner) -> None:
        self._awaited = awaited
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        """Return the attribute *name*; a coroutine function becomes a plain one."""
        value = getattr(self._awaited, name)
        if not inspect.iscoroutinefunction(value):
            return value
        return lambda *args, **said: self._runner.run(value(*args, **said))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One shell, and all that it was given."""

    auth: Any
    clock: FrozenClock
    store: BreakableStore
    told: list[Event] = field(default_factory=list)

    def names(self) -> list[str]:
        """Return the names of the events, in order."""
        return [event.name for event in self.told]


Build = Callable[..., World]


@pytest.fixture(params=["Auth", "AsyncAuth"])
def build(request: pytest.FixtureRequest) -> Iterator[Build]:
    """Return a function that builds a world around either shell."""
    with asyncio.Runner() as runner:

        def make(
            *,
            clock: FrozenClock | None = None,
            store: BreakableStore | None = None,
            ring: KeyRing = RING,
            policy: TokenPolicy = POLICY,
            on_refresh: Any = None,
            **lives: int,
        ) -> World:
            clock = clock or FrozenClock()
            # An empty store has length 0: `or` would replace the one that was given.
            store = BreakableStore() if store is None else store
            told: list[Event] = []
            given: Any = {
                "store": store,
                "sessions": SessionPolicy(**lives),
                "clock": clock,
                "on_refresh": on_refresh,
                "listeners": [told.append],
            }
            if request.param == "Auth":
                auth: Any = Auth(ring, policy, **given)
            else:
                auth = Awaited(AsyncAuth(ring, policy, **given), runner)
            return World(auth=auth, clock=clock, store=store, told=told)

        yield make


def refusal(call: Any, *args: Any, **said: Any) -> str:
    """Return the code by which *call* refuses."""
    with pytest.raises(Refused) as caught:
        call(*args, **said)
    return caught.value.code


@pytest.fixture
def world(build: Build) -> World:
    """Return a world with the usual policies."""
    return build()
