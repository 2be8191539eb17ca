"""What is special about Redis: crashes between steps, lost answers, keys that go."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from resilient_auth import AsyncRedisStore, ConfigError, RedisStore, Unavailable
from resilient_auth.testing.stores import NOW, a_session

ASK = {"kid": "k2", "now": NOW, "idle": 1_000, "grace": 0}
DAY = 86_400
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "redis.md"
SIDS = [each * 32 for each in "abc"]


@pytest.fixture
def client(valkey: str) -> Iterator[redis.Redis]:
    """Return a client of an empty Valkey."""
    with redis.Redis.from_url(valkey, decode_responses=True) as client:
        client.flushdb()
        yield client


@pytest.fixture
def store(client: redis.Redis) -> RedisStore:
    """Return an empty store."""
    return RedisStore(client)


class Dying(redis.Redis):
    """A client that loses its connection for good after *left* commands."""

    left = 0

    def evalsha(self, *said: object) -> object:
        """Send the command, or fail."""
        if self.left == 0:
            raise redis.ConnectionError("gone")
        self.left -= 1
        return super().evalsha(*said)


# ------------------------------------------------------------------ cut off

Verb = Callable[[RedisStore], object]
NEW = a_session("n" * 32)
VERBS: dict[str, Verb] = {
    "open": lambda store: store.open(NEW),
    "open-ended": lambda store: store.open(
        a_session("n" * 32, revoked_at=NOW, revoked_reason="moved")
    ),
    "rotate": lambda store: store.rotate(SIDS[0], 0, **ASK),
    "end": lambda store: store.end(SIDS[0], now=NOW + 1, reason="logout"),
    "end_all": lambda store: store.end_all(
        "ann", keep=SIDS[1], now=NOW + 1, reason="password"
    ),
    "purge-nobody": lambda store: store.purge(NOW - 1, limit=10),
    "purge-all": lambda store: store.purge(NOW + DAY, limit=10),
    "consume": lambda store: store.consume("t" * 32, expires_at=NOW + 30, now=NOW),
}


def cut_off(valkey: str, verb: Verb) -> Iterator[RedisStore]:
    """Yield the store after *verb* died at each of its steps, and after none."""
    with redis.Redis.from_url(valkey) as client, Dying.from_url(valkey) as dying:
        store, dying_store, survived = RedisStore(client), RedisStore(dying), 0
        done = False
        while not done:
            client.flushdb()
            for each in SIDS:
                store.open(a_session(each))
            dying.left = survived
            try:
                verb(dying_store)
                done = True
            except Unavailable:
                survived += 1
            yield store
        assert survived > 0


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_verb_that_is_cut_off_errs_on_the_safe_side(valkey: str, verb: Verb) -> None:
    """Nobody is revoked without the feed telling, and nobody lives unlisted."""
    for store in cut_off(valkey, verb):
        told = store.ended_since(0)
        listed = [row.id for row in store.of_subject("ann", now=NOW)]
        rows = [row for each in [*SIDS, NEW.id] if (row := store.find(each))]

        assert [
            r.id for r in rows if r.revoked_at is not None and r.id not in told
        ] == []
        assert [r.id for r in rows if r.revoked_at is None and r.id not in listed] == []


@pytest.mark.parametrize("verb", ["open", "end", "end_all", "purge-all"])
def test_a_verb_that_is_cut_off_can_be_repeated(valkey: str, verb: str) -> None:
    """The second try ends where an unbroken first one would have."""
    ends = []
    for store in cut_off(valkey, VERBS[verb]):
        VERBS[verb](store)
        ends.append(
            (
                [store.find(each) for each in [*SIDS, NEW.id]],
                sorted(row.id for row in store.of_subject("ann", now=NOW)),
                sorted(store.ended_since(0)),
            )
        )

    assert [ends[-1]] * len(ends) == ends


def test_the_feed_outlives_an_announcement_that_came_to_nothing(
    store: RedisStore, valkey: str
) -> None:
    """
    Ended an hour after a try that died halfway, a session is told from then on.

    The feed is asked for the life of an access token; the older time would hide it.
    """
    store.open(a_session())
    with Dying.from_url(valkey) as dying:
        dying.left = 2
        with pytest.raises(Unavailable):
            RedisStore(dying).end("s" * 32, now=NOW, reason="logout")
    assert store.ended_since(0) == ["s" * 32]

    store.end("s" * 32, now=NOW + 900, reason="logout")

    assert store.ended_since(NOW + 900) == ["s" * 32]


def test_a_feed_that_was_lost_is_told_again(
    store: RedisStore, client: redis.Redis
) -> None:
    """A fail-over may lose one key and keep another; ending again repairs it."""
    store.open(a_session())
    store.end("s" * 32, now=NOW, reason="logout")
    client.delete("ra:revoked")

    assert store.end("s" * 32, now=NOW + 9, reason="again") is None
    assert store.ended_since(NOW) == ["s" * 32]
    assert store.ended_since(NOW + 1) == []


# ------------------------------------------------------------------ said twice


class Delaying(redis.Redis):
    """A client whose first answer to a command is lost, and *meanwhile* … happens."""

    meanwhile: Callable[[], object]

    def execute_command(self, *said: object, **options: object) -> object:
        """Send, let others act, and send again."""
        super().execute_command(*said, **options)
        self.meanwhile()
        return super().execute_command(*said, **options)


@pytest.fixture
def delaying(valkey: str) -> Iterator[Delaying]:
    """Return such a client."""
    with Delaying.from_url(valkey) as client:
        yield client


def test_a_late_repetition_moves_nothing(store: RedisStore, delaying: Delaying) -> None:
    """Another rotation came between: then this one is judged like any loser."""
    store.open(a_session())
    delaying.meanwhile = lambda: store.rotate("s" * 32, 1, **ASK)

    assert RedisStore(delaying).rotate("s" * 32, 0, **ASK) is None
    assert store.find("s" * 32).generation == 2


def test_a_late_repetition_brings_nobody_back(
    store: RedisStore, delaying: Delaying
) -> None:
    """Ended between a login and its repetition, a session stays ended."""
    delaying.meanwhile = lambda: store.end("s" * 32, now=NOW, reason="logout")
    RedisStore(delaying).open(a_session())

    assert store.find("s" * 32).revoked_reason == "logout"


def test_a_used_ticket_admits_the_repetition_alone(
    store: RedisStore, delaying: Delaying
) -> None:
    """The one call hears yes twice; the thief in between and after hears no."""
    heard = []
    delaying.meanwhile = lambda: heard.append(
        store.consume("t" * 32, expires_at=NOW + 30, now=NOW)
    )
    mine = RedisStore(delaying).consume("t" * 32, expires_at=NOW + 30, now=NOW)
    late = store.consume("t" * 32, expires_at=NOW + 30, now=NOW)

    assert [True, False, False] == [mine, *heard, late]


# ------------------------------------------------------------------ what is kept


def test_every_key_goes_by_itself(store: RedisStore, client: redis.Redis) -> None:
    """Without a purge nothing stays for ever; what ended can say why for a day."""
    store.open(a_session("a" * 32))
    store.open(a_session("b" * 32))
    store.end("b" * 32, now=NOW, reason="logout")
    store.consume("t" * 32, expires_at=NOW + 7_200, now=NOW)
    lives = {key: client.ttl(key) for key in client.scan_iter()}

    assert set(lives) == {
        f"ra:session:{{{'a' * 32}}}",
        f"ra:session:{{{'b' * 32}}}",
        "ra:subject:{ann}",
        "ra:revoked",
        "ra:ends",
        f"ra:used:{{{'t' * 32}}}",
    }
    assert 7_200 < lives.pop(f"ra:used:{{{'t' * 32}}}") < DAY
    assert lives[f"ra:session:{{{'b' * 32}}}"] <= 2 * DAY  # it ended just now
    assert {True} == {DAY + 1_000 < each < 3 * DAY for each in lives.values()}


def test_a_row_outlives_the_idle_end_that_a_rotation_moved(
    store: RedisStore, client: redis.Redis
) -> None:
    """By half a day at least: not every rotation writes the new date."""
    store.open(a_session(expires_at=NOW + 90 * DAY))
    for generation, idle in enumerate([2 * DAY, 9 * DAY, 9 * DAY + 10]):
        store.rotate("s" * 32, generation, **(ASK | {"idle": idle}))

        assert idle + DAY < client.ttl(f"ra:session:{{{'s' * 32}}}") < 12 * DAY


def test_an_index_lives_as_long_as_its_longest_session(
    store: RedisStore, client: redis.Redis
) -> None:
    """A short session that is opened last must not take the list away."""
    store.open(a_session("a" * 32, expires_at=NOW + 30 * DAY))
    store.open(a_session("b" * 32, expires_at=NOW + 10))

    assert client.ttl("ra:subject:{ann}") > 30 * DAY


@pytest.mark.parametrize("now", [1_000, 9_000_000_000], ids=["1970", "2255"])
def test_the_servers_clock_decides_nothing(store: RedisStore, now: int) -> None:
    """A caller whose clock is centuries off is served; it would be, by SQL."""
    store.open(
        a_session(auth_time=now, idle_expires_at=now + 100, expires_at=now + 500)
    )
    row = store.rotate("s" * 32, 0, **(ASK | {"now": now + 99}))

    assert row is not None
    assert [row] == store.of_subject("ann", now=now + 99)
    assert store.rotate("s" * 32, 1, **(ASK | {"now": now + 500})) is None


def test_a_purge_leaves_nothing(store: RedisStore, client: redis.Redis) -> None:
    """Rows, lists and feed go together, also of those who ended twice over."""
    for each in SIDS:
        store.open(a_session(each))
    store.end(SIDS[0], now=NOW, reason="logout")
    store.end(SIDS[1], now=NOW + 1_001, reason="after its idle end")

    assert store.purge(NOW + 1, limit=10) == 1
    assert client.zrange("ra:ends", 0, -1) == SIDS[1:]
    assert store.purge(NOW + 1_001, limit=10) == 1
    assert store.purge(NOW + 1_002, limit=10) == 1
    assert list(client.scan_iter()) == []


def test_a_purge_looks_at_no_more_than_its_limit(store: RedisStore) -> None:
    """Of the revoked and of those who ended by themselves together."""
    for each in SIDS:
        store.open(a_session(each))
    store.end(SIDS[2], now=NOW, reason="logout")

    assert [2, 1, 0] == [store.purge(NOW + DAY, limit=2) for _ in range(3)]


def test_a_purge_forgets_the_rows_that_redis_dropped(
    store: RedisStore, client: redis.Redis
) -> None:
    """They are not counted; somebody else deleted them."""
    store.open(a_session())
    store.end("s" * 32, now=NOW, reason="logout")
    client.delete(f"ra:session:{{{'s' * 32}}}")

    assert store.purge(NOW + 10_000, limit=10) == 0
    assert list(client.scan_iter()) == []


def test_a_login_forgets_what_ended_long_ago(
    store: RedisStore, client: redis.Redis
) -> None:
    """Who never lists and never purges does not fill the memory with indexes."""
    now, later = 1_000_000, 1_000_000 + 10 * DAY
    for sid, end in (("a" * 32, now + DAY), ("b" * 32, later + DAY)):
        store.open(
            a_session(sid, auth_time=now, idle_expires_at=now + 10, expires_at=end)
        )
    store.open(
        a_session(
            "c" * 32,
            auth_time=later,
            idle_expires_at=later + 10,
            expires_at=later + DAY,
        )
    )

    assert client.zrange("ra:subject:{ann}", 0, -1) == ["b" * 32, "c" * 32]
    assert client.zrange("ra:ends", 0, -1) == ["c" * 32]


def test_a_clock_that_is_days_ahead_makes_nobody_forget(
    store: RedisStore, client: redis.Redis
) -> None:
    """One bad host must not empty the feed and the lists of all the others."""
    now, ahead = client.time()[0], client.time()[0] + 300 * DAY
    for each in SIDS[:2]:
        store.open(
            a_session(
                each, auth_time=now, idle_expires_at=now + 10, expires_at=now + 10
            )
        )
    store.end(SIDS[0], now=now, reason="logout")
    store.open(a_session(SIDS[2], auth_time=ahead, expires_at=ahead + 10))
    store.end(SIDS[2], now=ahead, reason="logout")

    assert SIDS[0] in store.ended_since(now)
    assert [SIDS[1]] == [row.id for row in store.of_subject("ann", now=now)]


def test_an_ended_session_can_move_in(store: RedisStore) -> None:
    """Copied from another store it stays ended, and the feed tells it."""
    ended = a_session(revoked_at=NOW, revoked_reason="logout")
    store.open(ended)

    assert ended == store.find("s" * 32)
    assert store.ended_since(NOW) == ["s" * 32]
    assert store.rotate("s" * 32, 0, **ASK) is None


def test_an_id_is_given_once(store: RedisStore) -> None:
    """Two machines with the same random numbers would share a session."""
    store.open(a_session())
    with pytest.raises(ValueError, match="Another session has this id"):
        store.open(a_session(subject="bob"))

    assert a_session() == store.find("s" * 32)


async def test_the_asynchronous_twin_does_so_too(
    valkey: str, store: RedisStore
) -> None:
    """The ended move in, an id is given once, and a purge spares the living."""
    ended = a_session(revoked_at=NOW, revoked_reason="logout")
    async with redis.asyncio.Redis.from_url(valkey) as client:
        twin = AsyncRedisStore(client)
        await twin.open(ended)
        with pytest.raises(ValueError, match="Another session has this id"):
            await twin.open(a_session(subject="bob"))
        store.open(a_session("a" * 32))
        store.end("a" * 32, now=NOW, reason="logout")
        store._client.delete(f"ra:session:{{{'a' * 32}}}")

        assert await twin.purge(NOW + 10_000, limit=10) == 1
    assert store.ended_since(0) == []


@pytest.mark.parametrize("odd", ["}{", "a}b{c", "\ud800", "", "x" * 10_000, "日本"])
def test_an_odd_id_is_not_found(store: RedisStore, odd: str) -> None:
    """Whatever a client asks for by name, the answer is no such session."""
    assert store.find(odd) is None
    assert store.end(odd, now=NOW, reason="x") is None
    assert store.of_subject(odd, now=NOW) == []


def test_two_prefixes_are_two_stores(client: redis.Redis) -> None:
    """Staging and production in one Redis do not see each other."""
    one, other = RedisStore(client, prefix="one"), RedisStore(client, prefix="other")
    one.open(a_session())
    one.end("s" * 32, now=NOW, reason="logout")

    assert other.find("s" * 32) is None
    assert other.ended_since(0) == []


def test_the_documented_rights_are_enough(valkey: str, client: redis.Redis) -> None:
    """Every verb, as a user that may do what docs/how-to/redis.md says and no more."""
    rights = re.search(r"ACL SETUSER app on >… (.*)", PAGE.read_text("utf-8"))[1]
    client.execute_command("ACL", "SETUSER", "app", "on", ">secret", *rights.split())
    try:
        with redis.Redis.from_url(valkey, username="app", password="secret") as app:
            store = RedisStore(app)
            for each in SIDS:
                store.open(a_session(each))
            for verb in VERBS.values():
                verb(store)
            store.of_subject("ann", now=NOW)
            store.ended_since(NOW)
            with pytest.raises(redis.exceptions.NoPermissionError):
                RedisStore(app, prefix="other").find("s" * 32)
    finally:
        client.execute_command("ACL", "DELUSER", "app")


# ------------------------------------------------------------------ the client


@pytest.mark.parametrize(
    ("kind", "client"),
    [
        pytest.param(RedisStore, redis.asyncio.Redis(), id="async-to-sync"),
        pytest.param(AsyncRedisStore, redis.Redis(), id="sync-to-async"),
        pytest.param(RedisStore, "redis://localhost", id="address"),
        pytest.param(RedisStore, redis.ConnectionPool(), id="pool"),
    ],
)
def test_the_wrong_client_is_refused_at_once(kind: type, client: object) -> None:
    """The first login would fail with something about coroutines."""
    with pytest.raises(ConfigError, match=r"redis\.asyncio"):
        kind(client)


@pytest.mark.parametrize("kind", [RedisStore, AsyncRedisStore])
def test_a_client_that_misreads_text_is_refused(kind: type) -> None:
    """Claims in other scripts would come back as noise."""
    module = redis if kind is RedisStore else redis.asyncio
    with pytest.raises(ConfigError, match="UTF-8"):
        kind(module.Redis(encoding="latin-1"))

    assert kind(module.Redis(decode_responses=True, encoding="UTF8"))


@pytest.mark.parametrize("prefix", ["", "a{b", "}", "a\n", None, b"ra"])
def test_a_prefix_is_plain(prefix: object) -> None:
    """A brace would put all sessions on one node of a cluster."""
    with pytest.raises(ConfigError, match="prefix"):
        RedisStore(redis.Redis(), prefix=prefix)
