"""
The proof of the refresh protocol: every schedule of two and three parties.

The real `AsyncAuth` is driven by hand; each store operation suspends once before it
acts. What holds here holds in every order in which real requests can meet.
"""

from collections import Counter
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from resilient_auth import (
    AsyncAuth,
    Key,
    KeyRing,
    MemoryStore,
    Refused,
    SessionPolicy,
    TokenPolicy,
    Tokens,
)
from resilient_auth.testing import FrozenClock, Outcome, SteppingStore, explore

RING = KeyRing([Key.generate("HS256", kid="k1")])
POLICY = TokenPolicy(issuer="https://api.example.com", audience="api")
Task = Coroutine[Any, Any, Any]


class World:
    """One fresh session, and the tasks that will race for it."""

    def __init__(self, **policy: int) -> None:
        self.rows = MemoryStore()
        self.store = SteppingStore(self.rows)
        self.auth = AsyncAuth(
            RING,
            POLICY,
            store=self.store,
            sessions=SessionPolicy(**policy),
            clock=FrozenClock(),
        )
        self.first: Tokens = finish(self.auth.login("ann"))

    def alive(self) -> bool:
        """Say whether the session survived."""
        row = self.rows.find(self.first.session.id)
        return row is not None and row.revoked_at is None

    async def chain(self) -> list[Tokens]:
        """Refresh, and at once refresh the successor, as an eager tab does."""
        once = await self.auth.refresh(self.first.refresh_token)
        return [once, await self.auth.refresh(once.refresh_token)]


def finish(task: Task) -> Any:
    """Run *task* to its end alone."""
    while True:
        try:
            task.send(None)
        except StopIteration as stop:
            return stop.value


def schedules(*tasks: str, **policy: int) -> Iterator[tuple[World, list[Outcome]]]:
    """Yield the world after each schedule of *tasks* (``refresh chain logout``)."""
    worlds: list[World] = []

    def scenario() -> list[Task]:
        world = World(**policy)
        worlds.append(world)
        start = {
            "refresh": lambda: world.auth.refresh(world.first.refresh_token),
            "chain": world.chain,
            "logout": lambda: world.auth.logout(world.first.session.id),
        }
        return [start[each]() for each in tasks]

    for outcomes in explore(scenario):
        yield worlds[-1], outcomes


@pytest.mark.parametrize("parties", [2, 3])
def test_one_write_one_token_and_the_session_lives(parties: int) -> None:
    """The naive protocol kills the session in all of these schedules."""
    seen = 0
    for world, outcomes in schedules(*["refresh"] * parties):
        seen += 1
        tokens = [outcome.value for outcome in outcomes]

        assert {"rotated": 1, "replayed": parties - 1} == Counter(
            each.rotation for each in tokens
        )
        assert len({each.refresh_token for each in tokens}) == 1
        assert world.store.writes == 1
        assert world.alive()

    assert seen == {2: 6, 3: 288}[parties]


@pytest.mark.parametrize(
    ("tabs", "count"),
    [(("chain", "refresh"), 25), (("chain", "refresh", "refresh"), 2456)],
    ids=["two-tabs", "three-tabs"],
)
def test_an_eager_tab_does_not_betray_a_slow_one(
    tabs: tuple[str, ...], count: int
) -> None:
    """The chain race: without ``kept`` a slow tab's token would look stolen."""
    seen = 0
    for world, outcomes in schedules(*tabs):
        seen += 1

        assert [None] * len(tabs) == [outcome.error for outcome in outcomes]
        assert world.store.writes == 1
        assert world.alive()

    assert seen == count


def test_without_a_grace_the_chain_race_kills() -> None:
    """The test can fail: with grace 0 some schedules end in ``refresh_reused``."""
    dead = [
        world
        for world, _ in schedules("chain", "refresh", grace=0)
        if not world.alive()
    ]

    assert dead


@pytest.mark.parametrize("parties", [1, 2])
def test_after_a_logout_the_session_is_dead(parties: int) -> None:
    """No refresh that races with a logout brings the session back."""
    for world, outcomes in schedules(*["refresh"] * parties, "logout"):
        assert not world.alive()
        for outcome in outcomes[:-1]:
            refused = isinstance(outcome.error, Refused)
            assert refused or outcome.value.rotation in {"rotated", "replayed"}
        with pytest.raises(Refused) as caught:
            finish(world.auth.refresh(world.first.refresh_token))

        assert caught.value.code == "session_revoked"
