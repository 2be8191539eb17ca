"""
The real race: threads, tasks and processes on each real store, all let go at once.

The exhaustive interleavings prove the protocol; this proves that each database does
what the protocol asks of it.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa
from tests.stores.racers import (
    GRACE,
    MAX_PER_SUBJECT,
    Crowd,
    Place,
    Processes,
    Tasks,
    Threads,
)

from resilient_auth.stores.sqlalchemy import metadata

ROUNDS = 5
SYNC = ["sqlite", "postgresql+psycopg", "valkey"]
ASYNC = ["sqlite+aiosqlite", "postgresql+asyncpg", "async valkey"]
RACES = [
    *(("threads", each) for each in ["memory", *SYNC]),
    *(("tasks", each) for each in ["memory", *ASYNC]),
    *(("processes", each) for each in [*SYNC, *ASYNC]),
]


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    """Start eight processes once; they can meet at many places."""
    started = Processes()
    yield started
    started.end()


@pytest.fixture
def place(
    request: pytest.FixtureRequest, store: str, tmp_path: Path
) -> Callable[[], Place]:
    """Return where the racers meet: an empty store of the kind."""
    address, empty = store, None
    if store == "memory":
        address = ""
    elif "valkey" in store:
        address = request.getfixturevalue("valkey")
        with redis.Redis.from_url(address) as client:
            client.flushdb()
    elif "sqlite" in store:
        address = f"{store}:///{tmp_path}/sessions.db?timeout=60"
        empty = sa.create_engine(f"sqlite:///{tmp_path}/sessions.db")
        with empty.connect() as connection:
            connection.execute(sa.text("PRAGMA journal_mode=WAL"))
    else:
        url = request.getfixturevalue("postgres")
        address = url.set(drivername=store).render_as_string(hide_password=False)
        empty = sa.create_engine(url.set(drivername="postgresql+psycopg"))
    if empty is not None:
        metadata.drop_all(empty)
        metadata.create_all(empty)
        empty.dispose()
    return Place(address, secrets.token_bytes(32), awaited=store in ASYNC)


@pytest.fixture
def crowd(request: pytest.FixtureRequest, racers: str, place: Place) -> Iterator[Crowd]:
    """Return the racers, met at the place."""
    if racers == "processes":
        crowd = request.getfixturevalue("processes")
        crowd.meet(place)
    else:
        crowd = {"threads": Threads, "tasks": Tasks}[racers](place)
    with closing(crowd):
        yield crowd


pytestmark = pytest.mark.parametrize(
    ("racers", "store"), RACES, ids=[f"{who} on {what}" for who, what in RACES]
)


def test_each_generation_has_one_winner_and_one_successor(crowd: Crowd) -> None:
    """
    Nobody is logged out, whoever comes first and however eager.

    Everybody presents the current token, and at once what was earned with it, so that
    the eager use the successor while the slow still present its predecessor.
    """
    token = crowd.one("login", "ann")
    for generation in range(1, ROUNDS + 1):
        earned = crowd.all("refresh", token)
        firsts, seconds = zip(*earned, strict=True)
        losers = crowd.size - 1

        assert ["replayed"] * losers + ["rotated"] == sorted(each[0] for each in firsts)
        assert {"kept"} == {each[0] for each in seconds}
        (successor,) = {each[1:] for each in firsts + seconds}
        assert generation == successor[0]
        assert token != successor[1]
        token = successor[1]
        crowd.wait(GRACE)

    assert crowd.one("living", "ann") == 1


def test_a_one_time_token_lets_one_in(crowd: Crowd) -> None:
    """A ticket that leaks is worth nothing to the second who has it."""
    for n in range(ROUNDS):
        let_in = crowd.all("consume", f"ticket-{n}")

        assert [False] * (crowd.size - 1) + [True] == sorted(let_in)


def test_racing_logins_come_down_to_the_limit(crowd: Crowd) -> None:
    """
    No two logins of one moment end each other, so some may be too many for a while.

    The next login ends what is too much, and lives itself.
    """
    crowd.all("login", "bob")
    crowd.wait(1)

    assert crowd.one("living", "bob") >= MAX_PER_SUBJECT
    (rotated, _) = crowd.one("refresh", crowd.one("login", "bob"))
    assert rotated[0] == "rotated"
    assert MAX_PER_SUBJECT == crowd.one("living", "bob")
