"""A revocation made elsewhere is learnt in time, and nobody pays twice for asking."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.auth.conftest import POLICY, RING, Build, World

from resilient_auth import (
    AsyncAuth,
    Auth,
    MemoryStore,
    Refused,
    SessionPolicy,
    Unavailable,
)
from resilient_auth.auth import revocation
from resilient_auth.auth.revocation import Revocations
from resilient_auth.stores.memory import AsyncMemoryStore
from resilient_auth.testing import FrozenClock
from resilient_auth.testing.wire import BreakableStore

POLL, STALE = 5, 60


class Counted(BreakableStore):
    """Counts how often it is asked what was ended."""

    questions = 0

    def ended_since(self, moment: int) -> list[str]:
        """Count, then answer or fail."""
        self.questions += 1
        return super().ended_since(moment)


@pytest.fixture
def two(build: Build) -> tuple[World, World]:
    """Return two processes, as it were, over one store and one clock."""
    one = build(store=Counted())
    return one, build(store=one.store, clock=one.clock)


def outcome(world: World, token: str) -> str:
    """Return ``ok`` or the code by which *token* is not let in."""
    try:
        world.auth.verify(token)
    except (Refused, Unavailable) as error:
        return error.code
    return "ok"


# ------------------------------------------------------------------ learning


def test_a_revocation_elsewhere_is_known_after_the_poll(
    two: tuple[World, World],
) -> None:
    """Until then the token passes: that staleness is the price of asking no store."""
    here, there = two
    tokens = here.auth.login("ann")
    before = outcome(here, tokens.access_token)
    there.auth.logout(tokens.session.id)
    here.clock.advance(POLL - 0.1)
    within = outcome(here, tokens.access_token)
    here.clock.advance(0.1)

    assert ("ok", "ok") == (before, within)
    assert "session_revoked" == outcome(here, tokens.access_token)


def test_what_this_process_ended_is_known_at_once(two: tuple[World, World]) -> None:
    """Also while the store is down, and however stale the view is."""
    here, _ = two
    tokens = here.auth.login("ann")
    here.auth.logout(tokens.session.id)
    here.store.is_down = True
    at_once = outcome(here, tokens.access_token)
    here.clock.advance(STALE * 2)

    assert "session_revoked" == at_once
    assert "session_revoked" == outcome(here, tokens.access_token)


def test_both_learn_from_each_other(two: tuple[World, World]) -> None:
    """A reuse seen by one worker ends the session for the other."""
    here, there = two
    first = here.auth.login("ann")
    second = there.auth.refresh(first.refresh_token)
    here.clock.advance(30)
    with pytest.raises(Refused, match="refresh_reused"):
        here.auth.refresh(first.refresh_token)

    assert "session_revoked" == outcome(there, second.access_token)
    assert "session_revoked" == outcome(here, second.access_token)


@pytest.mark.parametrize("after", [0, 1, 300, 629])
def test_a_revocation_is_known_as_long_as_a_token_lives(
    two: tuple[World, World], after: int
) -> None:
    """Each question reaches back over the whole life of a token and its leeway."""
    here, there = two
    tokens = here.auth.login("ann")
    there.auth.logout(tokens.session.id)
    here.clock.advance(after)
    # A new process that has never asked before.
    assert "session_revoked" == outcome(here, tokens.access_token)
    here.clock.advance(630 - after)
    assert "token_expired" == outcome(here, tokens.access_token)


def test_a_login_elsewhere_needs_no_news(two: tuple[World, World]) -> None:
    """The view holds what ended, not what lives."""
    here, there = two

    assert "ok" == outcome(here, there.auth.login("ann").access_token)


def test_old_revocations_are_forgotten() -> None:
    """The view grows with what ended within the life of a token, and no further."""
    clock = FrozenClock()
    known = Revocations(POLICY, SessionPolicy(), clock)
    known.add(f"s{n}" for n in range(100))
    clock.advance(600 + 30 + 60)
    known.learn([], asked_at=known.now())
    assert 100 == len(known._own)
    clock.advance(1)
    known.learn([], asked_at=known.now())

    assert 0 == len(known._own)


def test_an_answer_that_was_under_way_forgets_nothing() -> None:
    """It was given before this process ended the session."""
    known = Revocations(POLICY, SessionPolicy(), FrozenClock())
    asked_at = known.now()
    known.add(["s"])
    known.learn([], asked_at=asked_at)

    with pytest.raises(Refused, match="session_revoked"):
        known.judge("s")


def test_an_answer_is_as_old_as_its_question() -> None:
    """Time spent waiting for it counts as staleness."""
    clock = FrozenClock()
    known = Revocations(POLICY, SessionPolicy(), clock)
    asked_at = known.now()
    clock.advance(STALE)
    known.learn([], asked_at=asked_at)

    with pytest.raises(Unavailable):
        known.judge("s")


# ------------------------------------------------------------------ asking


def test_the_store_is_asked_once_a_poll(two: tuple[World, World]) -> None:
    """However many tokens come; verifying is offline."""
    here, _ = two
    tokens = here.auth.login("ann")
    for _ in range(100):
        assert "ok" == outcome(here, tokens.access_token)
        here.clock.advance(POLL / 50)

    assert 2 == here.store.questions


def test_a_store_that_fails_is_asked_once_a_second(two: tuple[World, World]) -> None:
    """What is known serves on; past the bound it is 503, and the store comes back."""
    here, _ = two
    token = here.auth.login("ann").access_token
    outcome(here, token)
    here.store.is_down = True
    seen = []
    for _ in range(STALE * 10 + 50):
        here.clock.advance(0.1)
        seen.append(outcome(here, token))
    asked = here.store.questions
    here.store.is_down = False
    here.clock.advance(1)

    assert {"ok", "store_unavailable"} == set(seen)
    assert STALE * 10 - 1 <= seen.count("ok") <= STALE * 10
    assert asked <= STALE + 5
    assert "ok" == outcome(here, token)


def test_a_process_that_never_asked_lets_nobody_in(two: tuple[World, World]) -> None:
    """Never a silent pass (S11), and never a 401: it is our turn."""
    here, _ = two
    token = here.auth.login("ann").access_token
    here.store.is_down = True

    assert "store_unavailable" == outcome(here, token)


def test_a_bug_in_the_store_is_not_hidden(two: tuple[World, World]) -> None:
    """A missing table is no outage: the developer must see it."""
    here, _ = two
    token = here.auth.login("ann").access_token
    here.store.ended_since = lambda _: 1 / 0  # type: ignore[method-assign]

    with pytest.raises(ZeroDivisionError):
        here.auth.verify(token)
    del here.store.ended_since
    assert "ok" == outcome(here, token)


# ------------------------------------------------------------------ threads


class Gate(MemoryStore):
    """Answers what was ended when it is told to; counts the questions."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.answers = threading.Event()
        self.questions = 0

    def ended_since(self, moment: int) -> list[str]:
        """Wait, then answer."""
        self.questions += 1
        self.entered.set()
        assert self.answers.wait(60)
        return super().ended_since(moment)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Yield eight threads."""
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_stale_threads_wait_for_one_question(pool: ThreadPoolExecutor) -> None:
    """A start under load is one query, not one for each request."""
    store = Gate()
    auth = Auth(RING, POLICY, store=store, clock=FrozenClock())
    token = auth.login("ann").access_token
    barrier = threading.Barrier(8)

    def verify() -> str:
        barrier.wait(60)
        return auth.verify(token).subject

    futures = [pool.submit(verify) for _ in range(8)]
    assert store.entered.wait(60)
    store.answers.set()

    assert ["ann"] * 8 == [each.result(60) for each in futures]
    assert 1 == store.questions


def test_while_one_thread_asks_the_others_go_on(pool: ThreadPoolExecutor) -> None:
    """The store answers only after all of them: if one waited, none would return."""
    store, clock = Gate(), FrozenClock()
    auth = Auth(RING, POLICY, store=store, clock=clock)
    token = auth.login("ann").access_token
    store.answers.set()
    auth.verify(token)
    store.answers.clear()
    clock.advance(POLL)
    barrier = threading.Barrier(8)
    passed = threading.Semaphore(0)

    def verify() -> None:
        barrier.wait(60)
        auth.verify(token)
        passed.release()

    futures = [pool.submit(verify) for _ in range(8)]
    went_on = [passed.acquire(timeout=60) for _ in range(7)]
    store.answers.set()

    assert [True] * 7 == went_on
    assert [None] * 8 == [each.result(60) for each in futures]
    assert 2 == store.questions


# ------------------------------------------------------------------ tasks


class AsyncGate(AsyncMemoryStore):
    """The same for tasks."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.entered = asyncio.Event()
        self.answers = asyncio.Event()
        self.questions = 0

    async def ended_since(self, moment: int) -> list[str]:
        """Wait, then answer."""
        self.questions += 1
        self.entered.set()
        await self.answers.wait()
        return await super().ended_since(moment)


async def test_stale_tasks_wait_for_one_question() -> None:
    """A start under load is one query, not one for each request."""
    store = AsyncGate()
    auth = AsyncAuth(RING, POLICY, store=store, clock=FrozenClock())
    token = (await auth.login("ann")).access_token
    tasks = [asyncio.create_task(auth.verify(token)) for _ in range(50)]
    await store.entered.wait()
    store.answers.set()
    found = await asyncio.gather(*tasks)

    assert {"ann"} == {who.subject for who in found}
    assert 1 == store.questions


async def test_while_one_task_asks_the_others_go_on() -> None:
    """Seven finish although the store has not answered the eighth."""
    store, clock = AsyncGate(), FrozenClock()
    auth = AsyncAuth(RING, POLICY, store=store, clock=clock)
    token = (await auth.login("ann")).access_token
    store.answers.set()
    await auth.verify(token)
    store.answers.clear()
    clock.advance(POLL)
    asking = asyncio.create_task(auth.verify(token))
    await asyncio.sleep(0)
    for _ in range(7):
        await auth.verify(token)
    store.answers.set()

    assert "ann" == (await asking).subject
    assert 2 == store.questions


async def test_a_cancelled_question_is_asked_again() -> None:
    """The client went away in the middle; the next caller starts anew."""
    store = AsyncGate()
    auth = AsyncAuth(RING, POLICY, store=store, clock=FrozenClock())
    token = (await auth.login("ann")).access_token
    first = asyncio.create_task(auth.verify(token))
    second = asyncio.create_task(auth.verify(token))
    await store.entered.wait()
    first.cancel()
    store.answers.set()

    with pytest.raises(asyncio.CancelledError):
        await first
    assert "ann" == (await second).subject
    assert 2 == store.questions


async def test_a_store_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second in real life: an answer that never comes is no answer."""
    monkeypatch.setattr(revocation, "_PATIENCE", 0.001)
    store = AsyncGate()
    auth = AsyncAuth(RING, POLICY, store=store, clock=FrozenClock())
    token = (await auth.login("ann")).access_token

    for _ in range(3):
        with pytest.raises(Unavailable):
            await auth.verify(token)
    assert 1 == store.questions
