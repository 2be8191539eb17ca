"""An outage is met by a few, told once, and over for all as soon as it is for one."""

import asyncio
import contextlib
import gc
import os
import re
import signal
import socket
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, sessionmaker
from tests.stores.victims import PostgreSQL

from resilient_auth import (
    Backoff,
    BreakerCheck,
    CheckResult,
    CircuitOpen,
    Clock,
    ConfigError,
    Deadline,
    SqlCheck,
    Unavailable,
    arun_in_transaction,
    run_in_transaction,
)
from resilient_auth.errors import answer_for
from resilient_auth.events import (
    BreakerOpened,
    DatabaseLost,
    DatabaseReconnected,
    Event,
    TransactionRetried,
)
from resilient_auth.orm.connections import DatabaseAway, DatabaseGuard, guard_engine
from resilient_auth.testing import FrozenClock

#: What each driver is asked with, and whether it is awaited.
DRIVERS = {"psycopg": False, "psycopg_async": True, "asyncpg": True}
ONE = sa.text("SELECT 1")
#: What the drivers raise of a server that is away.
AWAY = (sa.exc.DBAPIError, OSError)


class Killable(PostgreSQL):
    """A PostgreSQL that can also be asked to go."""

    def stop(self) -> None:
        """Stop it in order, as an upgrade does: whoever is connected is told."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait()


class Told:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = threading.Condition()

    def __call__(self, event: Event) -> None:
        """Remember *event*."""
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    @property
    def names(self) -> list[str]:
        """Return the names of all events."""
        return [each.name for each in self.events]

    @property
    def outages(self) -> list[str]:
        """Return the names of those that tell of an outage."""
        return [each for each in self.names if each.startswith("database")]

    def wait_for(self, number: int) -> None:
        """Return once so many have told of an outage."""
        with self._news:
            self._news.wait_for(lambda: len(self.outages) >= number)


class Guarded:
    """A guarded engine of PostgreSQL by one driver, and how often it connects."""

    def __init__(self, server: Killable, driver: str, **options: Any) -> None:
        self.server = server
        self.told = Told()
        self.connects = 0
        self.driver = driver
        self._loop = asyncio.Runner()
        make = create_async_engine if DRIVERS[driver] else sa.create_engine
        url = sa.make_url(server.address).set(drivername=f"postgresql+{driver}")
        self.engine: sa.Engine | AsyncEngine = make(
            options.pop("url", url), **options.pop("engine", {"pool_pre_ping": True})
        )
        self._connect = self.engine.dialect.connect
        self.engine.dialect.connect = self._counted  # type: ignore[method-assign]
        self.guard = guard_engine(self.engine, listeners=[self.told], **options)

    def _counted(self, *args: Any, **named: Any) -> Any:
        self.connects += 1
        return self._connect(*args, **named)

    def ask(self, statement: sa.Executable = ONE) -> Any:
        """Return what *statement* finds, on a connection of the pool."""
        if isinstance(self.engine, sa.Engine):
            with self.engine.connect() as connection:
                return connection.scalar(statement)
        return self.run(self._ask(self.engine, statement))

    async def _ask(self, engine: AsyncEngine, statement: sa.Executable) -> Any:
        async with engine.connect() as connection:
            return await connection.scalar(statement)

    def run(self, awaitable: Any) -> Any:
        """Run something that is awaited, in the loop of this engine."""
        return self._loop.run(awaitable, context=copy_context())  # with its deadline

    def hold(self, number: int) -> list[Callable[[], Any]]:
        """Take *number* connections from the pool; return what asks each of them."""
        return [self._held() for _ in range(number)]

    def _held(self) -> Callable[[], Any]:
        if isinstance(self.engine, sa.Engine):
            plain = self.engine.connect()
            return lambda: self._ask_and_close(plain)
        connection = self.run(self.engine.connect().start())

        async def ask() -> Any:
            try:
                return await connection.scalar(ONE)
            finally:
                await connection.close()

        return lambda: self.run(ask())

    def _ask_and_close(self, connection: sa.Connection) -> Any:
        with connection:
            return connection.scalar(ONE)

    def save(self, **options: Any) -> Any:
        """Run a transaction."""
        options = {"listeners": [self.told], **options}
        if isinstance(self.engine, sa.Engine):

            def work(session: Session) -> Any:
                return session.scalar(ONE)

            return run_in_transaction(sessionmaker(self.engine), work, **options)

        async def awork(session: AsyncSession) -> Any:
            return await session.scalar(ONE)

        return self.run(
            arun_in_transaction(async_sessionmaker(self.engine), awork, **options)
        )

    def check(self) -> CheckResult:
        """Ask a health check."""
        return self.run(SqlCheck(self.engine, timeout=60).arun())

    def close(self) -> None:
        """Let go of all connections."""
        if isinstance(self.engine, sa.Engine):
            self.engine.dispose()
        else:
            self.run(self.engine.dispose())
        self._loop.close()


@pytest.fixture(scope="module")
def server(postgres_folder: Path) -> Iterator[Killable]:
    """Start the server that is killed here."""
    server = Killable(postgres_folder / "connections")
    yield server
    server.stop()


@pytest.fixture
def clock() -> FrozenClock:
    """Return a clock that stands still."""
    return FrozenClock()


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    """Return a driver."""
    return str(request.param)


@pytest.fixture
def guarded(server: Killable, driver: str, clock: FrozenClock) -> Iterator[Guarded]:
    """Return a guarded engine, whose time stands still."""
    guarded = Guarded(server, driver, clock=clock)
    yield guarded
    guarded.close()


@contextlib.contextmanager
def away(server: Killable, how: str = "kill") -> Iterator[None]:
    """Let the server be away meanwhile."""
    getattr(server, how)()
    try:
        yield
    finally:
        server.start()


def refused(ask: Callable[[], object], times: int) -> list[DatabaseAway]:
    """Return the refusals of the breaker that come when one asks so many *times*."""
    found = []
    for _ in range(times):
        with pytest.raises(DatabaseAway) as caught:
            ask()
        found.append(caught.value)
    return found


def fail(ask: Callable[[], object], times: int) -> list[BaseException]:
    """Return the driver's own errors that come when one asks so many *times*."""
    found: list[BaseException] = []
    for _ in range(times):
        with pytest.raises(AWAY) as caught:
            ask()
        found.append(caught.value)
    return found


# ------------------------------------------------------------------ an outage


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_an_outage_is_met_by_a_few_and_over_with_the_first(
    guarded: Guarded, clock: FrozenClock, how: str
) -> None:
    """The 200th request costs nothing, and the first after the wait finds it back."""
    guarded.ask()
    before = guarded.connects
    with away(guarded.server, how):
        fail(guarded.ask, 3)
        errors = refused(guarded.ask, 197)

        assert 3 == guarded.connects - before
        assert "open" == guarded.guard.state
    assert {("store_unavailable", 503, 1.0)} == {
        (each.code, each.status, each.retry_after) for each in errors
    }
    assert {"1"} == {each.headers()["Retry-After"] for each in errors}
    refused(guarded.ask, 1)
    clock.advance(1.0)

    assert [1, 1] == [guarded.ask(), guarded.ask()]
    assert 4 == guarded.connects - before
    assert "closed" == guarded.guard.state
    assert guarded.told.names == [
        "database_lost",
        "breaker_opened",
        "breaker_half_opened",
        "breaker_closed",
        "database_reconnected",
    ]
    assert 1.0 == guarded.told.events[-1].fields()["away"]


def test_a_server_that_stays_away_is_tried_by_one_at_a_time(
    guarded: Guarded, clock: FrozenClock
) -> None:
    """And told no more."""
    with away(guarded.server):
        fail(guarded.ask, 3)
        for number in range(1, 6):
            clock.advance(1.0)
            fail(guarded.ask, 1)
            refused(guarded.ask, 20)
            assert 3 + number == guarded.connects

    assert ["database_lost"] == guarded.told.outages
    clock.advance(1.0)
    guarded.ask()
    assert 6.0 == guarded.told.events[-1].fields()["away"]


def test_it_is_back_by_itself(server: Killable, driver: str) -> None:
    """By the clock on the wall."""
    guarded = Guarded(server, driver, open_for=0.05)
    with away(server):
        fail(guarded.ask, 3)
    answers = []
    while not answers:
        with contextlib.suppress(DatabaseAway):
            answers.append(guarded.ask())
    guarded.close()

    assert ["database_lost", "database_reconnected"] == guarded.told.outages


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_restart_that_nobody_felt_is_told(guarded: Guarded, how: str) -> None:
    """The pre-ping replaced what died; no circuit opened."""
    for ask in guarded.hold(3):
        ask()
    with away(guarded.server, how):
        pass
    assert [1, 1, 1] == [ask() for ask in guarded.hold(3)]

    assert ["database_lost", "database_reconnected"] == guarded.told.names
    lost = guarded.told.events[0]
    assert isinstance(lost, DatabaseLost)
    assert "database" == lost.database
    assert "pre_ping" == lost.reason


def test_connections_that_die_of_an_old_outage_tell_nothing(guarded: Guarded) -> None:
    """Some sit in long transactions, and are used again after the first are back."""
    first, *others = guarded.hold(4)
    with away(guarded.server):
        pass
    fail(first, 1)
    lost = guarded.told.events[0]
    assert isinstance(lost, DatabaseLost)
    assert re.fullmatch(r"57P01|08\w{3}|\w+Error", lost.reason)
    guarded.ask()
    for ask in others:
        fail(ask, 1)

    assert ["database_lost", "database_reconnected"] == guarded.told.names
    late = guarded.hold(2)
    with away(guarded.server):
        pass
    for ask in late:
        fail(ask, 1)
    guarded.ask()

    assert ["database_lost", "database_reconnected"] * 2 == guarded.told.names


def test_two_outages_are_told_twice(guarded: Guarded, clock: FrozenClock) -> None:
    """Each with its own length."""
    for seconds in (5, 7):
        with away(guarded.server):
            fail(guarded.ask, 1)
            clock.advance(seconds)
        guarded.ask()

    found = [
        each.away
        for each in guarded.told.events
        if isinstance(each, DatabaseReconnected)
    ]
    assert [5, 7] == found


def test_nothing_of_the_address_is_told(guarded: Guarded) -> None:
    """Events go to logs, errors to whoever asks."""
    with away(guarded.server):
        errors = [*fail(guarded.ask, 3), *refused(guarded.ask, 1)]
    said = " ".join(map(repr, [*guarded.told.events, errors[-1], guarded.guard]))
    answers = [answer_for(each) for each in errors]

    assert "connections" not in said
    assert "postgres" not in said
    assert ["store_unavailable"] * 4 == [each.code for each in answers if each]
    assert "connections" not in str([each.problem() for each in answers if each])


# ------------------------------------------------------------------ many at once


def hammer(guarded: Guarded, kills: int) -> list[object]:
    """Kill the server again and again under users; return what they were raised."""
    over = threading.Event()

    def use() -> list[object]:
        raised: list[object] = []
        while not over.is_set():
            try:
                guarded.ask()
            except (*AWAY, DatabaseAway) as error:
                raised.append(type(error))
        return raised

    async def ause() -> list[object]:
        raised: list[object] = []
        engine = guarded.engine
        assert isinstance(engine, AsyncEngine)
        while not over.is_set():
            try:
                await guarded._ask(engine, ONE)
            except (*AWAY, DatabaseAway) as error:
                raised.append(type(error))
            await asyncio.sleep(0)
        return raised

    async def all_users() -> list[object]:
        raised = await asyncio.gather(*(ause() for _ in range(8)))
        return [each for user in raised for each in user]

    with ThreadPoolExecutor(8) as pool:
        if DRIVERS[guarded.driver]:
            users = [pool.submit(guarded.run, all_users())]
        else:
            users = [pool.submit(use) for _ in range(8)]
        for number in range(kills):
            with away(guarded.server):
                guarded.told.wait_for(2 * number + 1)
            guarded.told.wait_for(2 * number + 2)
        over.set()
        return [each for user in users for each in user.result()]


def test_many_users_hear_of_each_outage_once(server: Killable, driver: str) -> None:
    """Whoever loses a connection first tells of it, and nobody after that."""
    options = {"pool_pre_ping": True, "pool_size": 8}
    guarded = Guarded(server, driver, engine=options, open_for=0.02)
    for ask in guarded.hold(8):
        ask()
    raised = hammer(guarded, 5)
    guarded.close()

    assert ["database_lost", "database_reconnected"] * 5 == guarded.told.outages
    assert DatabaseAway in raised
    assert 0 == guarded.guard.snapshot()["database"].in_flight


# ------------------------------------------------------------------ a silent server


class Silent:
    """A server that takes connections and says nothing, or hangs up at once."""

    def __init__(self) -> None:
        self.hangs_up = True
        self.taken: list[socket.socket] = []
        self._news = threading.Condition()
        self._listening = socket.create_server(("127.0.0.1", 0))
        port = self._listening.getsockname()[1]
        self.url = sa.URL.create("postgresql", "u", "hunter2", "127.0.0.1", port, "db")
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client = self._listening.accept()[0]
                with self._news:
                    if self.hangs_up:
                        client.close()
                    self.taken.append(client)
                    self._news.notify_all()

    def wait_for(self, number: int) -> None:
        """Return once so many connections were taken."""
        with self._news:
            self._news.wait_for(lambda: len(self.taken) >= number)

    def close(self) -> None:
        """Hang up, and take no more connections."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for each in (self._listening, *self.taken):
            each.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    """Return a server that says nothing."""
    silent = Silent()
    yield silent
    silent.close()


@pytest.mark.parametrize("driver", ["psycopg_async", "asyncpg"])
async def test_a_task_that_is_cancelled_in_connect_takes_no_permit_along(
    silent: Silent, driver: str, clock: FrozenClock
) -> None:
    """Else nobody would find out for a minute that the database is back."""
    engine = create_async_engine(silent.url.set(drivername=f"postgresql+{driver}"))
    guard = guard_engine(engine, clock=clock)

    async def ask() -> None:
        async with engine.connect():
            pass

    for _ in range(3):
        with pytest.raises(AWAY):
            await ask()
    taken = len(silent.taken)
    silent.hangs_up = False
    clock.advance(1.0)
    for number in range(1, 4):
        probe = asyncio.create_task(ask())
        await asyncio.to_thread(silent.wait_for, taken + number)  # the loop runs on
        with pytest.raises(DatabaseAway):
            await ask()
        assert ("half_open", 1) == (guard.state, guard.snapshot()["database"].in_flight)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert ("half_open", 0) == (guard.state, guard.snapshot()["database"].in_flight)

    await engine.dispose()


# ------------------------------------------------------------------ without a server


class Scripted:
    """A guarded engine of SQLite, each of whose connects does what a test says."""

    def __init__(self, connect: Callable[[], object], **options: Any) -> None:
        self.told = Told()
        self.engine = sa.create_engine("sqlite://", poolclass=sa.NullPool)
        self.does = connect
        self.engine.dialect.connect = lambda *_, **__: self.does()  # type: ignore[method-assign,return-value]
        self.guard = guard_engine(self.engine, listeners=[self.told], **options)

    def ask(self) -> Any:
        """Return what the database answers."""
        with self.engine.connect() as connection:
            return connection.scalar(ONE)


def works() -> object:
    """Connect."""
    return sqlite3.connect(":memory:", check_same_thread=False)


def breaks() -> object:
    """Find nobody there."""
    raise sqlite3.OperationalError("secret:5432 is away")


def bugs() -> object:
    """Be called wrongly."""
    raise ValueError("no such argument")


def test_a_bug_is_no_outage(clock: FrozenClock) -> None:
    """It is not mended by waiting, and 503 would hide it."""
    scripted = Scripted(bugs, clock=clock)
    for _ in range(10):
        with pytest.raises(ValueError, match="argument") as caught:
            scripted.ask()
        assert answer_for(caught.value) is None

    assert "closed" == scripted.guard.state
    assert [] == scripted.told.events


def test_failures_that_are_not_in_a_row_open_nothing(clock: FrozenClock) -> None:
    """A busy server refuses one and takes the next."""
    scripted = Scripted(breaks, clock=clock)
    for _ in range(5):
        scripted.does = breaks
        fail(scripted.ask, 2)
        scripted.does = works
        scripted.ask()

    assert "closed" == scripted.guard.state
    assert "breaker_opened" not in scripted.told.names


def test_only_one_tries_at_a_time(clock: FrozenClock) -> None:
    """The others are refused at once, and all go through when it came back."""
    scripted = Scripted(breaks, clock=clock, name="chat", failures=1, open_for=9)
    fail(scripted.ask, 1)
    clock.advance(9)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> object:
        begun.set()
        go_on.wait()
        return works()

    scripted.does = slow
    with ThreadPoolExecutor(1) as pool:
        probe = pool.submit(scripted.ask)
        begun.wait()
        errors = refused(scripted.ask, 50)
        go_on.set()

        assert 1 == probe.result()
    assert {"chat"} == {each.key for each in errors}
    assert {1.0} == {each.retry_after for each in errors}
    scripted.does = works
    assert [1] * 8 == [scripted.ask() for _ in range(8)]
    assert ["chat"] == list(scripted.guard.snapshot())


def test_a_forked_child_has_permits_of_its_own(clock: FrozenClock) -> None:
    """The one that its parent took never comes back in the child."""
    scripted = Scripted(breaks, clock=clock)
    fail(scripted.ask, 3)
    clock.advance(1.0)

    def fork_in_connect() -> object:
        scripted.does = works
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                os._exit(0 if scripted.ask() == 1 else 1)
            os._exit(2)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return works()

    scripted.does = fork_in_connect

    assert 1 == scripted.ask()
    assert "closed" == scripted.guard.state


@pytest.mark.parametrize("lives", [True, False])
def test_a_connect_that_was_begun_before_the_outage_is_asked(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, *, lives: bool
) -> None:
    """It came through just before the end, or is the first of the new time."""
    scripted = Scripted(breaks, clock=clock)

    def ping(connection: Any) -> bool:
        if not lives:
            raise sqlite3.OperationalError("gone")
        return True

    monkeypatch.setattr(scripted.engine.dialect, "do_ping", ping)

    def outrun() -> object:
        scripted.does = breaks
        fail(scripted.ask, 1)
        return works()

    scripted.does = outrun
    scripted.ask()

    back = ["database_reconnected"] if lives else []
    assert ["database_lost", *back] == scripted.told.names


def test_two_that_come_back_at_once_tell_it_once(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that is asked whether it lives is overtaken."""
    scripted = Scripted(works, clock=clock)
    scripted.ask()  # the first connect of an engine lets no other by

    def ping(connection: Any) -> bool:
        scripted.does = works
        scripted.ask()
        return True

    monkeypatch.setattr(scripted.engine.dialect, "do_ping", ping)

    def outrun() -> object:
        scripted.does = breaks
        fail(scripted.ask, 1)
        return works()

    scripted.does = outrun
    scripted.ask()

    assert ["database_lost", "database_reconnected"] == scripted.told.names


def test_what_failed_before_the_last_outage_is_of_that(clock: FrozenClock) -> None:
    """Its connect took long to fail."""
    scripted = Scripted(breaks, clock=clock)

    def outrun() -> object:
        scripted.does = breaks
        fail(scripted.ask, 1)
        scripted.does = works
        scripted.ask()
        return breaks()

    scripted.does = outrun
    fail(scripted.ask, 1)

    assert ["database_lost", "database_reconnected"] == scripted.told.names


def test_ones_own_arguments_are_used(clock: FrozenClock) -> None:
    """A password that changes is set in the same event, before ours."""
    engine = sa.create_engine("sqlite://", poolclass=sa.NullPool)

    @sa.event.listens_for(engine, "do_connect")
    def renew(dialect: Any, record: Any, cargs: Any, cparams: Any) -> None:
        cargs[0] = "file:own?mode=memory"
        cparams["uri"] = True

    guard_engine(engine, clock=clock)
    with engine.connect() as connection:
        files = connection.exec_driver_sql("PRAGMA database_list").all()

    assert 1 == len(files)


def test_an_engine_with_a_creator_tells_its_outages(clock: FrozenClock) -> None:
    """Its connects go past the breaker, for SQLAlchemy asks nobody."""
    told = Told()
    does: list[Any] = [works]

    def create() -> Any:
        return does[0]()

    engine = sa.create_engine("sqlite://", creator=create)
    guard = guard_engine(engine, listeners=[told], clock=clock)
    with engine.connect() as connection:
        connection.invalidate(
            sqlite3.ProgrammingError("Cannot operate on a closed database.")
        )
    with engine.connect() as connection:
        assert 1 == connection.scalar(ONE)
    does[0] = breaks
    engine.dispose()
    fail(engine.connect, 5)

    assert ["database_lost", "database_reconnected"] == told.names
    assert "closed" == guard.state


def test_a_connection_that_its_user_gives_up_is_not_lost(clock: FrozenClock) -> None:
    """Neither is one that is thrown away for some other trouble."""
    scripted = Scripted(works, clock=clock)
    for error in (None, ValueError("mine"), sqlite3.IntegrityError("twice")):
        with scripted.engine.connect() as connection:
            connection.invalidate(error)

    assert [] == scripted.told.events


@pytest.mark.parametrize(
    ("state", "told"), [("25P03", 0), ("25P04", 0), ("57P05", 0), ("57P01", 1)]
)
def test_a_connection_that_the_server_ended_alone_is_not_lost(
    clock: FrozenClock, state: str, told: int
) -> None:
    """It was idle for too long, and the server said so; the database is well."""

    class Ended(sqlite3.ProgrammingError):
        """A broken connection, in SQLite's words, with a reason in PostgreSQL's."""

        sqlstate = state

    scripted = Scripted(works, clock=clock)
    with scripted.engine.connect() as connection:
        connection.invalidate(Ended("Cannot operate on a closed database."))

    assert told == len(scripted.told.events)


def test_an_engine_goes_when_nobody_needs_it(clock: FrozenClock) -> None:
    """Tests and tenants make many; neither they nor their guards pile up."""
    scripted = Scripted(works, clock=clock)
    scripted.ask()
    left = [weakref.ref(scripted.engine.dialect), weakref.ref(scripted.guard)]
    del scripted
    gc.collect()

    assert [None, None] == [each() for each in left]


# ------------------------------------------------------------------ transactions


def test_a_transaction_waits_for_the_circuit(server: Killable, driver: str) -> None:
    """It is tried again when somebody may connect, and not before."""
    guarded = Guarded(server, driver, open_for=0.05)
    with away(server):
        fail(guarded.ask, 3)

    assert 1 == guarded.save(attempts=1000)
    retries = [e for e in guarded.told.events if isinstance(e, TransactionRetried)]
    assert {"unreachable"} >= {each.reason for each in retries}
    guarded.close()


def test_a_transaction_does_not_wait_past_its_deadline(
    guarded: Guarded, clock: FrozenClock
) -> None:
    """It would only find that the time is up."""
    with away(guarded.server):
        fail(guarded.ask, 3)
    with Deadline.after(0.9), pytest.raises(Unavailable) as caught:
        guarded.save(attempts=1000)

    assert ("store_unavailable", 1.0) == (caught.value.code, caught.value.retry_after)
    assert isinstance(caught.value.__cause__, DatabaseAway)
    assert "transaction_retried" not in guarded.told.names


def test_a_transaction_waits_no_longer_than_its_backoff(
    guarded: Guarded, clock: FrozenClock
) -> None:
    """A thread that sleeps through an outage is one less for everyone."""
    with away(guarded.server):
        fail(guarded.ask, 3)
    with pytest.raises(Unavailable, match="unreachable") as caught:
        guarded.save(backoff=Backoff(first=0.1, cap=0.9))

    assert "1" == caught.value.headers()["Retry-After"]
    assert "transaction_retried" not in guarded.told.names


def test_attempts_are_counted_before_an_open_circuit_too(
    server: Killable, driver: str
) -> None:
    """It gives up in the end."""
    guarded = Guarded(server, driver, open_for=0.01)
    soon = Backoff(first=0.001, cap=1.0)
    with away(server), pytest.raises(Unavailable, match=r"try 9\)"):
        guarded.save(attempts=9, backoff=soon)
    guarded.close()

    assert 8 == guarded.told.names.count("transaction_retried")
    assert guarded.connects < 9 + 1


def test_the_circuit_of_something_else_is_raised_as_it_is() -> None:
    """The work asked a model, and that is away."""
    sessions = sessionmaker(sa.create_engine("sqlite://"))

    def work(_: Session) -> None:
        raise CircuitOpen("openai", 0.01)

    with pytest.raises(CircuitOpen) as caught:
        run_in_transaction(sessions, work)

    assert "llm_unavailable" == caught.value.code


# ------------------------------------------------------------------ health


def test_a_check_asks_the_database_and_not_the_circuit(
    guarded: Guarded, clock: FrozenClock
) -> None:
    """It says that the database is back before anybody may try, and lets one try."""
    with away(guarded.server):
        fail(guarded.ask, 3)
        fail(guarded.check, 5)
        refused(guarded.ask, 1)

    assert CheckResult("pass") == guarded.check()
    assert "open" == guarded.guard.state
    assert ["database_lost", "database_reconnected"] == guarded.told.outages
    assert 1 == guarded.ask()
    assert "closed" == guarded.guard.state


def test_a_check_that_fails_opens_nothing(guarded: Guarded) -> None:
    """It asks beside the pool; and it may be the first to notice."""
    with away(guarded.server):
        fail(guarded.check, 10)

    assert "closed" == guarded.guard.state
    assert ["database_lost"] == guarded.told.names
    assert 1 == guarded.ask()
    assert ["database_lost", "database_reconnected"] == guarded.told.names


async def test_a_circuit_that_is_open_warns(clock: FrozenClock) -> None:
    """The service serves on, with the connections that it has."""
    scripted = Scripted(breaks, clock=clock, name="chat", failures=1)
    check = BreakerCheck(scripted.guard, name="database")

    assert CheckResult("pass") == await check.arun()
    fail(scripted.ask, 1)
    assert CheckResult("warn", "not closed: chat") == await check.arun()
    opened = [e for e in scripted.told.events if isinstance(e, BreakerOpened)]
    assert [("chat", "connection")] == [(each.key, each.kind) for each in opened]


# ------------------------------------------------------------------ misuse


@pytest.mark.parametrize("make", [sa.create_engine, create_async_engine])
def test_an_engine_is_guarded_once(make: Callable[[str], Any]) -> None:
    """Two breakers would count each failure twice."""
    name = "sqlite://" if make is sa.create_engine else "sqlite+aiosqlite://"
    engine = make(name)
    guard = guard_engine(engine)
    again = [engine, engine.execution_options(isolation_level="AUTOCOMMIT")]
    if isinstance(engine, AsyncEngine):
        again.append(engine.sync_engine)

    assert isinstance(guard, DatabaseGuard)
    for each in again:
        with pytest.raises(ConfigError, match="already"):
            guard_engine(each)
    assert isinstance(guard_engine(make(name)), DatabaseGuard)


async def awaited(event: Event) -> None:
    """Stand for a listener that has to be awaited."""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("engine", "sqlite://"),
        ("name", ""),
        ("failures", 0),
        ("failures", 1.5),
        ("open_for", 0),
        ("open_for", float("inf")),
        ("open_for", None),
        ("listeners", [awaited]),
        ("listeners", print),
        ("clock", Clock),
    ],
)
def test_a_guard_cannot_be_built_wrong(name: str, value: object) -> None:
    """And an engine that was refused is not guarded."""
    engine = sa.create_engine("sqlite://")
    with pytest.raises(ConfigError) as caught:
        guard_engine(**({"engine": engine} | {name: value}))  # type: ignore[arg-type]

    assert "already" not in str(caught.value)
    assert isinstance(guard_engine(engine), DatabaseGuard)
