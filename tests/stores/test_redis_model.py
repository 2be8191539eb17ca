"""
Any history of a Redis store is that of a dictionary.

`MemoryStore` is the model: one lock and no step that could be cut off. Hypothesis asks
both the same, with clocks that jump; every answer must be the same. In two places a
store may err on the safe side: after a clock was put back the feed may name too many,
and a session whose end was moved nearer may be purged later.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resilient_auth import MemoryStore, RedisStore
from resilient_auth.core.sessions import Session
from resilient_auth.testing.stores import NOW, a_session

SIDS = st.sampled_from(["a" * 32, "b" * 32, "c" * 32, "d" * 32])
SUBJECTS = st.sampled_from(["ann", "bob"])
#: Within the reach of the sessions below, and on each of their boundaries.
TIMES = st.integers(NOW, NOW + 60)
LONG_AFTER = NOW + 100
OPENED = st.fixed_dictionaries(
    {
        "subject": SUBJECTS,
        "idle_expires_at": TIMES,
        "expires_at": TIMES,
        "auth_time": st.just(NOW),
    }
)
ROTATED = st.fixed_dictionaries(
    {
        "kid": st.sampled_from(["k1", "ключ"]),
        "now": TIMES,
        "idle": st.integers(1, 40),
        "grace": st.integers(0, 10),
        "claims": st.none() | st.just({"role": "user"}),
    }
)
ENDED = st.fixed_dictionaries({"now": TIMES, "reason": st.sampled_from(["x", "ÿ"])})
ASKED = st.one_of(
    st.tuples(st.just("find"), st.tuples(SIDS), st.just({})),
    st.tuples(st.just("rotate"), st.tuples(SIDS, st.integers(0, 3)), ROTATED),
    st.tuples(st.just("end"), st.tuples(SIDS), ENDED),
    st.tuples(
        st.just("end_all"),
        st.tuples(SUBJECTS),
        st.builds(lambda said, keep: said | {"keep": keep}, ENDED, st.none() | SIDS),
    ),
    st.tuples(st.just("of_subject"), st.tuples(SUBJECTS), st.builds(dict, now=TIMES)),
    st.tuples(st.just("ended_since"), st.tuples(TIMES), st.just({})),
    st.tuples(
        st.just("consume"),
        st.tuples(SIDS),
        st.builds(dict, now=TIMES, expires_at=st.just(NOW + 61)),
    ),
)


@pytest.fixture(scope="module")
def client(valkey: str) -> Iterator[redis.Redis]:
    """Return a client of the Valkey that the examples share."""
    with redis.Redis.from_url(valkey) as client:
        yield client


def answer(store: MemoryStore | RedisStore, verb: str, *args: Any, **said: Any) -> Any:
    """Return what *store* says, without an order that nobody promises."""
    said_back = getattr(store, verb)(*args, **said)
    if not isinstance(said_back, list):
        return said_back
    return sorted(said_back, key=lambda each: getattr(each, "id", each))


def rows(store: MemoryStore | RedisStore) -> list[Session]:
    """Return all that *store* has."""
    found = [store.find(sid * 32) for sid in "abcd"]
    return [row for row in found if row is not None]


def revoked_since(model: MemoryStore, moment: int) -> set[str]:
    """Return the ids of those that say themselves that they were revoked since."""
    return {
        row.id
        for row in rows(model)
        if row.revoked_at is not None and row.revoked_at >= moment
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    opened=st.lists(OPENED, min_size=1, max_size=4),
    asked=st.lists(ASKED, max_size=25),
    purged=TIMES,
)
def test_any_history_is_that_of_a_dictionary(
    client: redis.Redis,
    opened: list[dict[str, Any]],
    asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]],
    purged: int,
) -> None:
    """A rule of Lua that differed from Python's by one second would be found."""
    client.flushdb()
    model, store = MemoryStore(), RedisStore(client)
    for sid, changes in zip("abcd", opened, strict=False):
        model.open(a_session(sid * 32, **changes))
        store.open(a_session(sid * 32, **changes))

    for verb, args, said in asked:
        expected = answer(model, verb, *args, **said)
        actual = answer(store, verb, *args, **said)
        if verb == "ended_since":
            assert set(actual) == revoked_since(model, *args) <= set(expected)
        else:
            assert actual == expected

    at_once, later = model.purge(purged, limit=10), store.purge(purged, limit=10)
    for row in rows(model):
        assert store.find(row.id) == row
    at_once += model.purge(LONG_AFTER, limit=10)
    later += store.purge(LONG_AFTER, limit=10)
    assert at_once == later == len(opened)
    assert rows(model) == rows(store) == []
