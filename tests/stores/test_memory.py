"""What the contract cannot ask of a store in memory: its room, and what it forgets."""

from typing import Any

import pytest

from resilient_auth import MemoryStore, Unavailable
from resilient_auth.testing.stores import NOW, a_session


def fill(store: MemoryStore, count: int, **said: Any) -> list[str]:
    """Open *count* sessions and return their ids."""
    ids = [f"{said.get('auth_time', NOW)}-{n:020}" for n in range(count)]
    for each in ids:
        store.open(a_session(each, **said))
    return ids


def test_a_store_full_of_the_living_takes_no_more() -> None:
    """Evicting the living would log somebody out; a login can be tried again."""
    store = MemoryStore(capacity=3)
    ids = fill(store, 3)

    with pytest.raises(Unavailable):
        store.open(a_session("x" * 32))

    assert all(store.find(each) is not None for each in ids)


def test_the_revoked_make_room_at_once() -> None:
    """Why they ended is told for a day, but not at the cost of a login."""
    store = MemoryStore(capacity=3)
    first, second, third = fill(store, 3)
    store.end(second, now=NOW, reason="logout")
    store.open(a_session("x" * 32, auth_time=NOW + 1))

    assert store.find(second) is None
    assert None not in map(store.find, (first, third, "x" * 32))
    assert [] == store.ended_since(0)


def test_the_expired_make_room_at_once() -> None:
    """A night's worth of dead sessions must not refuse the morning's logins."""
    store = MemoryStore(capacity=3)
    fill(store, 3)
    later = a_session().expires_at + 1
    for n in range(3):
        store.open(
            a_session(
                f"{n:032}",
                auth_time=later,
                idle_expires_at=later + 9,
                expires_at=later + 9,
            )
        )

    assert 3 == len(store)


def test_a_renewed_session_outlives_its_first_end() -> None:
    """The calendar learns of a rotation late, and must look before it drops."""
    store = MemoryStore(capacity=2)
    renewed, idle = fill(store, 2, idle_expires_at=NOW + 100)
    store.rotate(renewed, 0, kid="k", now=NOW + 99, idle=1000, grace=0)
    store.open(a_session("x" * 32, auth_time=NOW + 101))

    assert store.find(renewed) is not None
    assert store.find(idle) is None


def test_a_clock_that_was_put_back_hides_no_revocation() -> None:
    """The feed is read from its newest end, so it must stay in order."""
    store = MemoryStore()
    early, late = fill(store, 2)
    store.end(late, now=NOW + 500, reason="logout")
    store.end(early, now=NOW + 100, reason="logout")

    assert {early, late} == set(store.ended_since(NOW + 400))


def test_what_is_gone_is_gone_from_every_index() -> None:
    """Otherwise the indexes would grow for as long as the process lives."""
    store = MemoryStore()
    ids = fill(store, 50)
    for each in ids[:25]:
        store.end(each, now=NOW, reason="logout")
    dropped = store.purge(a_session().expires_at + 1, limit=1000)

    assert (50, 0) == (dropped, len(store))
    assert not any(
        (
            store._sessions,
            store._of_subject,
            store._ended,
            store._calendar,
            store._seconds,
        )
    )


def test_one_time_tokens_are_forgotten_after_their_end() -> None:
    """Each use looks at two old ones, so they cannot pile up."""
    store = MemoryStore(capacity=10)
    for n in range(100):
        assert store.consume(f"t{n}", expires_at=NOW + n + 1, now=NOW + n)

    assert 10 > len(store._consumed)


def test_a_store_full_of_unused_ends_refuses_tokens() -> None:
    """A token whose use cannot be remembered must not be taken for fresh."""
    store = MemoryStore(capacity=1)
    store.consume("one", expires_at=NOW + 100, now=NOW)

    with pytest.raises(Unavailable):
        store.consume("two", expires_at=NOW + 100, now=NOW)
