"""What the contract cannot ask of a store in memory: its room, and what it forgets."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import (
    Auth,
    ConfigError,
    Key,
    KeyRing,
    MemoryStore,
    Refused,
    TokenPolicy,
    Unavailable,
)
from resilient_auth.stores.endings import Endings
from resilient_auth.stores.subjects import Subjects
from resilient_auth.testing import FrozenClock
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


def test_making_room_forgets_no_revocation() -> None:
    """Others learn of it from the feed; its access tokens may live on for minutes."""
    store = MemoryStore(capacity=1)
    (ended,) = fill(store, 1)
    store.end(ended, now=NOW, reason="logout")
    store.open(a_session("x" * 32, auth_time=NOW + 1))

    assert store.find(ended) is None
    assert [ended] == store.ended_since(NOW)


def test_a_revoked_session_is_refused_by_others_though_it_made_room() -> None:
    """Two `Auth`s share the store, as the one for staff and the one for guests."""
    clock = FrozenClock()
    store = MemoryStore(capacity=1)
    ring = KeyRing([Key.generate("HS256", kid="k1")])
    policy = TokenPolicy(issuer="https://api.example.com", audience="api")
    here, there = (Auth(ring, policy, store=store, clock=clock) for _ in range(2))
    tokens = here.login("ann")
    here.logout(tokens.session.id)
    here.login("bob")

    with pytest.raises(Refused, match="session_revoked"):
        there.verify(tokens.access_token)


def test_one_dead_among_many_renewed_is_found() -> None:
    """Those that were renewed in time do not hide who was not."""
    store = MemoryStore(capacity=20_000)
    ids = fill(store, 20_000, idle_expires_at=NOW + 100)
    for each in ids[1:]:
        store.rotate(each, 0, kid="k", now=NOW + 99, idle=1000, grace=0)
    store.open(a_session("x" * 32, auth_time=NOW + 101))

    assert store.find(ids[0]) is None


def test_who_logs_in_and_out_leaves_nothing_for_long() -> None:
    """A day later, each new session lets go of two old ones."""
    store = MemoryStore()
    for n in range(200):
        store.open(a_session(f"{n:032}", auth_time=NOW + n * 900))
        store.end(f"{n:032}", now=NOW + n * 900, reason="logout")

    assert 105 >= len(store)
    assert 105 >= len(store._endings)
    assert 105 >= len(store._revoked)
    assert 0 == len(store._subjects)


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
    """A rotation moves it to the minute in which it ends now."""
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
            store._subjects,
            store._endings,
            store._revoked,
        )
    )


def test_one_time_tokens_are_forgotten_after_their_end() -> None:
    """Each use lets go of two old ones, so they cannot pile up."""
    store = MemoryStore()
    for n in range(500):
        assert store.consume(f"t{n}", expires_at=NOW + n + 1, now=NOW + n)

    assert 65 > len(store._consumed)
    assert len(store._uses) == len(store._consumed)


def test_used_tokens_make_room_as_soon_as_they_expired() -> None:
    """A full memory is one of tokens that could still be used again."""
    store = MemoryStore(capacity=1)

    assert [True, True] == [
        store.consume(f"t{n}", expires_at=NOW + n + 1, now=NOW + n) for n in range(2)
    ]


def test_a_store_full_of_unused_ends_refuses_tokens() -> None:
    """A token whose use cannot be remembered must not be taken for fresh."""
    store = MemoryStore(capacity=1)
    store.consume("one", expires_at=NOW + 100, now=NOW)

    with pytest.raises(Unavailable):
        store.consume("two", expires_at=NOW + 100, now=NOW)


@pytest.mark.parametrize("capacity", [0, -1, 1.5, True, "10", None])
def test_the_room_is_a_number(capacity: Any) -> None:
    """A mistake is told where it is made."""
    with pytest.raises(ConfigError, match="capacity"):
        MemoryStore(capacity)


names = st.sampled_from("abcdefgh")
moments = st.integers(0, 400)


@given(st.lists(st.tuples(names, moments | st.none())), moments)
def test_endings_are_a_sorted_dictionary(
    done: list[tuple[str, int | None]], before: int
) -> None:
    """Whatever came, went and moved: what is taken ended, and nothing else is left."""
    endings, model = Endings(), dict[str, int]()
    for name, at in done:
        if name in model and at is not None:
            endings.move(name, model[name], at)
        elif name in model:
            endings.remove(name, model.pop(name))
        elif at is not None:
            endings.put(name, at)
        if at is not None:
            model[name] = at
    taken = list(iter(lambda: endings.take(before), None))

    assert {name for name, at in model.items() if at < before} == set(taken)
    assert len(model) == len(taken) + len(endings)
    assert sorted(taken, key=lambda each: model[each] // 60) == taken


@given(st.lists(st.tuples(st.sampled_from("xy"), names)))
def test_subjects_keep_the_order_of_opening(toggled: list[tuple[str, str]]) -> None:
    """One session, several, one again, none."""
    subjects = Subjects()
    model: dict[str, dict[str, None]] = {"x": {}, "y": {}}
    for subject, name in toggled:
        if name in model[subject]:
            subjects.remove(subject, name)
            del model[subject][name]
        else:
            subjects.add(subject, name)
            model[subject][name] = None
        subjects.remove("nobody", name)

    assert [list(each) for each in model.values()] == [
        list(subjects.of(each)) for each in model
    ]
    assert sum(map(bool, model.values())) == len(subjects)
