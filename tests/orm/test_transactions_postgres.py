"""
Transactions on a real PostgreSQL that is killed, restarted, and cut off mid-COMMIT.

Every row is there once, or was reported as unknown. `TRANSACTION_KILLS=200` asks the
last test more often.
"""

import asyncio
import logging
import os
import random
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.util import await_only
from tests.stores.victims import PostgreSQL

from resilient_auth import (
    Backoff,
    CommitOutcomeUnknown,
    ConfigError,
    Unavailable,
    arun_in_transaction,
    run_in_transaction,
)
from resilient_auth.events import Event, TransactionRetried

_log = logging.getLogger(__name__)

KILLS = int(os.environ.get("TRANSACTION_KILLS", "12"))
SOON = Backoff(first=0.001, cap=0.001)
#: Rows are looked at during COMMIT, which takes as long as the transaction said before
#: (``SET LOCAL tests.slow``), and fails while there is anything in ``doom``.
SCHEMA = """
DROP TABLE IF EXISTS rows, doom;
CREATE TABLE rows (name text, value integer NOT NULL DEFAULT 0);
CREATE TABLE doom (reason text);
CREATE OR REPLACE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM doom) THEN
        RAISE EXCEPTION 'doomed' USING ERRCODE = '40001';
    END IF;
    PERFORM pg_sleep(slow::float)
    FROM current_setting('tests.slow', true) AS slow WHERE slow <> '';
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON rows
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
"""
INSERT = sa.text("INSERT INTO rows (name) VALUES (:name)")
#: Fails at its fiftieth row.
MANY = sa.text("SELECT 1 / (50 - x) FROM generate_series(1, 100) x")
IN_COMMIT = sa.text(
    "SELECT pid FROM pg_stat_activity "
    "WHERE wait_event = 'PgSleep' AND query ILIKE 'commit%'"
)


class Killable(PostgreSQL):
    """A PostgreSQL that can also be asked to go."""

    def stop(self) -> None:
        """Stop it in order, as an upgrade does: whoever is connected is told."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait()


class Database:
    """The server, by one driver and the twin that goes with it."""

    def __init__(self, server: Killable, driver: str) -> None:
        self.server = server
        self.told: list[Event] = []
        self.owner = sa.create_engine(server.address, poolclass=sa.NullPool)
        self._loop = asyncio.Runner()
        self._asynchronous = driver != "psycopg"
        self._url = sa.make_url(server.address).set(drivername=f"postgresql+{driver}")
        self._engines: list[sa.Engine | AsyncEngine] = []
        self.engine = self.connected()
        self.say(SCHEMA)

    def say(self, statements: str) -> None:
        """Execute *statements* beside everything else."""
        with self.owner.begin() as connection:
            connection.exec_driver_sql(statements)

    def connected(self, **options: Any) -> sa.Engine | AsyncEngine:
        """Return an engine; *options* are those of its URL."""
        url = self._url.set(**options)
        if "port" in options:
            url = url.set(query={})
        make = create_async_engine if self._asynchronous else sa.create_engine
        engine = make(url)
        self._engines.append(engine)
        return engine

    def run(self, work: Callable[[Session], Any], **options: Any) -> Any:
        """Run *work*, which is given a plain session, by the twin of this driver."""
        engine = options.pop("engine", self.engine)
        options = {"backoff": SOON, "listeners": [self.told.append], **options}
        if isinstance(engine, sa.Engine):
            return run_in_transaction(sessionmaker(engine), work, **options)
        return self._loop.run(arun(engine, work, **options))

    @property
    def reasons(self) -> list[str]:
        """Return why it was tried again."""
        return [e.reason for e in self.told if isinstance(e, TransactionRetried)]

    @property
    def rows(self) -> list[str]:
        """Return the names of what is saved, once for each time."""
        with self.owner.connect() as connection:
            return list(connection.scalars(sa.text("SELECT name FROM rows")))

    def in_commit(self) -> int:
        """Return the process that is held up in a COMMIT, once there is one."""
        with self.owner.connect() as connection:
            while (pid := connection.scalar(IN_COMMIT)) is None:
                connection.rollback()  # a new look at the activity
            return int(pid)

    def close(self) -> None:
        """Let go of all connections."""
        for engine in self._engines:
            if isinstance(engine, sa.Engine):
                engine.dispose()
            else:
                self._loop.run(engine.dispose())
        self._loop.close()


def arun(engine: AsyncEngine, work: Callable[[Session], Any], **options: Any) -> Any:
    """Return the run of *work* by the asynchronous twin, to be awaited."""

    async def awaited(session: AsyncSession) -> Any:
        return await session.run_sync(work)

    return arun_in_transaction(async_sessionmaker(engine), awaited, **options)


@pytest.fixture(scope="module")
def server(postgres_folder: Path) -> Iterator[Killable]:
    """Start the server that is killed here."""
    server = Killable(postgres_folder / "transactions")
    yield server
    server.stop()


@pytest.fixture(params=["psycopg", "psycopg_async", "asyncpg"])
def database(request: pytest.FixtureRequest, server: Killable) -> Iterator[Database]:
    """Return an empty database."""
    database = Database(server, request.param)
    yield database
    database.close()


def insert(name: str = "a", *, slow: float = 0) -> Callable[[Session], None]:
    """Return work that saves one row, and whose COMMIT takes *slow* seconds."""

    def work(session: Session) -> None:
        if slow:
            session.execute(sa.text(f"SET LOCAL tests.slow = {slow}"))
        session.execute(INSERT, {"name": name})

    return work


def once(act: Callable[[], object]) -> Callable[..., None]:
    """Return what does *act* when it is called for the first time."""
    left = [act]

    def acting(*_: object) -> None:
        if left:
            left.pop()()

    return acting


# ------------------------------------------------------------------ races


def test_a_lost_race_is_run_again(database: Database) -> None:
    """The second try reads what the winner wrote."""
    database.say("INSERT INTO rows VALUES ('a', 1)")
    race = once(lambda: database.say("UPDATE rows SET value = value + 10"))

    def work(session: Session) -> None:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        value = session.scalar(sa.text("SELECT value FROM rows"))
        race()
        session.execute(sa.text("UPDATE rows SET value = :v"), {"v": value + 100})

    database.run(work)

    assert 111 == database.run(lambda s: s.scalar(sa.text("SELECT value FROM rows")))
    assert ["serialization"] == database.reasons


def test_a_race_that_is_lost_during_commit_is_run_again(database: Database) -> None:
    """The server's answer is known: it rolled back."""
    database.say("INSERT INTO doom VALUES ('here')")
    saved = once(lambda: database.say("DELETE FROM doom"))
    database.run(insert(), listeners=[database.told.append, saved])

    assert ["a"] == database.rows
    assert ["serialization"] == database.reasons


def test_a_lock_that_is_not_free_is_asked_for_again(database: Database) -> None:
    """``lock_timeout`` and NOWAIT end what would be a long wait."""
    with database.owner.connect() as holder:
        holder.exec_driver_sql("LOCK TABLE rows")

        def work(session: Session) -> None:
            session.execute(sa.text("LOCK TABLE rows NOWAIT"))
            insert()(session)

        let_go = once(holder.rollback)
        database.run(work, listeners=[database.told.append, let_go])

    assert ["a"] == database.rows
    assert ["locked"] == database.reasons


def test_both_of_a_deadlock_succeed(database: Database) -> None:
    """PostgreSQL ends one of them; it comes second."""
    database.say("INSERT INTO rows VALUES ('a', 0), ('b', 0)")
    meet = threading.Barrier(2)

    def crossing(*names: str) -> None:
        own = Database.__new__(Database)
        own.__dict__ |= database.__dict__ | {"_loop": asyncio.Runner()}
        met = once(meet.wait)

        def work(session: Session) -> None:
            session.execute(sa.text("SET LOCAL deadlock_timeout = '50ms'"))
            for name in names:
                update = sa.text("UPDATE rows SET value = value + 1 WHERE name = :n")
                session.execute(update, {"n": name})
                met()

        own._engines = []
        # Who was ended may be there again before the other has noticed.
        own.run(work, engine=own.connected(), attempts=99)
        own.close()

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(crossing, *pair) for pair in ("ab", "ba")]:
            each.result()

    with database.owner.connect() as connection:
        values = list(connection.scalars(sa.text("SELECT value FROM rows")))
    assert [2, 2] == values
    assert {"deadlock"} == set(database.reasons)


def test_a_cancelled_statement_is_not_repeated(database: Database) -> None:
    """It took too long once."""

    def work(session: Session) -> None:
        session.execute(sa.text("SET LOCAL statement_timeout = 1"))
        session.execute(sa.text("SELECT pg_sleep(60)"))

    with pytest.raises(Unavailable, match="57014"):
        database.run(work)

    assert [] == database.told


def fails(session: Session) -> None:
    """Execute what fails."""
    session.execute(sa.text("SELECT 1 / 0"))


def test_a_failure_that_was_passed_over_is_no_success(database: Database) -> None:
    """PostgreSQL answers such a COMMIT with ROLLBACK, and the drivers say nothing."""

    def work(session: Session) -> None:
        insert()(session)
        with suppress(sa.exc.DBAPIError):
            fails(session)

    with pytest.raises(ConfigError, match="went on"):
        database.run(work)

    assert [] == database.rows


@pytest.mark.parametrize("database", ["psycopg"], indirect=True)
def test_a_result_that_failed_and_was_passed_over_is_no_success(
    database: Database,
) -> None:
    """The statement did not fail, and what it found did."""

    def work(session: Session) -> None:
        insert()(session)
        with suppress(sa.exc.DBAPIError):
            for _ in session.execute(MANY, execution_options={"yield_per": 1}):
                pass

    with pytest.raises(ConfigError, match="went on"):
        database.run(work)

    assert [] == database.rows


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg_async"])
async def test_a_stream_that_failed_and_was_passed_over_is_no_success(
    driver: str, server: Killable
) -> None:
    """Asyncpg raises an error of its own then, and tells of no failure."""
    url = sa.make_url(server.address).set(drivername=f"postgresql+{driver}")
    engine = create_async_engine(url)

    async def work(session: AsyncSession) -> None:
        with suppress(Exception):  # asyncpg's own
            many = await session.stream(MANY, execution_options={"yield_per": 1})
            async for _ in many:
                pass

    with pytest.raises(ConfigError, match="went on"):
        await arun_in_transaction(async_sessionmaker(engine), work)
    await engine.dispose()


def test_a_failure_on_one_of_two_connections_is_no_success(database: Database) -> None:
    """Neither saves anything, whatever the other was asked last."""
    other = database.connected()
    plain = other if isinstance(other, sa.Engine) else other.sync_engine

    def work(session: Session) -> None:
        insert()(session)
        with suppress(sa.exc.DBAPIError):
            fails(session)
        second = session.connection(bind_arguments={"bind": plain})
        second.execute(INSERT, {"name": "b"})

    with pytest.raises(ConfigError, match="went on"):
        database.run(work)

    assert [] == database.rows


def test_a_failure_that_a_hook_passed_over_is_no_success(database: Database) -> None:
    """A hook may come after the work has returned."""

    def work(session: Session) -> None:
        insert()(session)
        event.listen(session, "before_commit", passing_over)

    def passing_over(session: Session) -> None:
        with suppress(sa.exc.DBAPIError):
            fails(session)

    with pytest.raises(ConfigError, match="went on"):
        database.run(work)

    assert [] == database.rows


@pytest.mark.parametrize("then", [lambda _: None, insert("b")], ids=["end", "go-on"])
@pytest.mark.parametrize("ending", ["ROLLBACK", "COMMIT"])
def test_a_transaction_that_was_ended_in_sql_is_refused(
    ending: str, then: Callable[[Session], None], database: Database
) -> None:
    """Half of the work would be saved, or none."""

    def work(session: Session) -> None:
        insert()(session)
        with suppress(ConfigError):
            session.execute(sa.text(ending))
        then(session)

    with pytest.raises(ConfigError, match="ended its transaction"):
        database.run(work)

    assert "b" not in database.rows


@pytest.mark.parametrize("database", ["psycopg"], indirect=True)
def test_what_the_drivers_own_cursor_did_is_seen(database: Database) -> None:
    """As COPY needs it; psycopg tells how its connection stands."""

    def failing(session: Session) -> None:
        insert()(session)
        cursor = session.connection().connection.cursor()
        with suppress(Exception):
            cursor.execute("SELECT 1 / 0")

    def ending(session: Session) -> None:
        insert()(session)
        session.connection().connection.rollback()

    def ending_and_going_on(session: Session) -> None:
        ending(session)
        insert()(session)

    for work, said in (
        (failing, "went on"),
        (ending, "ended its"),
        (ending_and_going_on, "ended its"),
    ):
        with pytest.raises(ConfigError, match=said):
            database.run(work)

    assert [] == database.rows


def test_two_phases_are_refused(database: Database) -> None:
    """A PREPARE whose answer is lost may be committed by somebody else."""
    with pytest.raises(ConfigError, match="two phases"):
        run_in_transaction(lambda: Session(twophase=True), insert())

    assert [] == database.rows


def test_an_error_that_a_hook_made_of_a_lost_commit_is_unknown(
    database: Database,
) -> None:
    """Whatever it is called, nobody knows what was saved."""

    class OurError(Exception):
        """What the application knows errors as."""

    def translate(context: sa.ExceptionContext) -> None:
        raise OurError from context.original_exception

    engine = database.connected()
    plain = engine if isinstance(engine, sa.Engine) else engine.sync_engine
    event.listen(plain, "handle_error", translate)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(database.run, insert(slow=60), engine=engine)
        database.say(f"SELECT pg_terminate_backend({database.in_commit()})")
        with pytest.raises(CommitOutcomeUnknown) as caught:
            running.result()
    database.say("INSERT INTO doom VALUES ('here')")
    # The server said that it was rolled back; asyncpg's own error shows through.
    with pytest.raises(Unavailable if plain.dialect.is_async else OurError):
        database.run(insert(), engine=engine)

    assert isinstance(caught.value.__cause__, OurError)
    assert [] == database.rows


def test_a_transaction_that_idled_too_long_is_not_unknown(database: Database) -> None:
    """No COMMIT was sent, or the server answered it."""

    def work(session: Session) -> None:
        session.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 50"))
        insert()(session)
        pid = session.scalar(sa.text("SELECT pg_backend_pid()"))
        alive = f"SELECT FROM pg_stat_activity WHERE pid = {pid}"
        with database.owner.connect() as looking:
            while looking.exec_driver_sql(alive).all():
                looking.rollback()
        driver: Any = session.connection().connection.driver_connection
        while isinstance(driver, asyncpg.Connection) and not driver.is_closed():
            await_only(asyncio.sleep(0.001))  # its loop hears that it is over

    with pytest.raises(Unavailable) as caught:
        database.run(work, attempts=2)

    assert not isinstance(caught.value, CommitOutcomeUnknown)
    assert [] == database.rows


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("SELECT currval('numbers')", "55000"),
        ("SELECT deeper(1)", "54001"),
    ],
)
def test_a_mistake_that_a_driver_calls_operational_is_raised_as_it_is(
    statement: str, state: str, database: Database
) -> None:
    """Trying again would not help."""
    database.say(
        "CREATE SEQUENCE IF NOT EXISTS numbers;"
        "CREATE OR REPLACE FUNCTION deeper(i int) RETURNS int LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN deeper(i + 1); END $$"
    )
    with pytest.raises(sa.exc.DBAPIError) as caught:
        database.run(lambda session: session.execute(sa.text(statement)))

    assert state == getattr(caught.value.orig, "sqlstate", None)


def test_a_failure_that_was_undone_is_none(database: Database) -> None:
    """A SAVEPOINT is what it is for."""

    def work(session: Session) -> None:
        insert()(session)
        with suppress(sa.exc.DBAPIError), session.begin_nested():
            session.execute(sa.text("SELECT 1 / 0"))

    database.run(work)

    assert ["a"] == database.rows


def test_autocommit_is_refused(database: Database) -> None:
    """Half of the work would stay."""
    engine = database.connected()
    engine = engine.execution_options(isolation_level="AUTOCOMMIT")
    with pytest.raises(ConfigError, match="AUTOCOMMIT"):
        database.run(insert(), engine=engine)

    assert [] == database.rows


# ------------------------------------------------------------------ outages


def restarted(server: Killable, how: str) -> Callable[[], None]:
    """Return what restarts *server*: it is killed, or stopped."""

    def restart() -> None:
        getattr(server, how)()
        server.start()

    return restart


@pytest.fixture(params=["kill", "stop"])
def restart(request: pytest.FixtureRequest, server: Killable) -> Callable[[], None]:
    """Return what restarts the server, in either way."""
    return restarted(server, request.param)


def test_a_restart_while_idle_costs_no_request(
    database: Database, restart: Callable[[], None]
) -> None:
    """Every connection in the pool is dead, and only the first one is asked."""
    database.run(lambda session: [session.connection(), insert("warm")(session)])
    restart()
    database.run(insert())

    assert ["warm", "a"] == database.rows
    assert ["disconnected"] == database.reasons


def test_a_restart_in_the_work_is_run_again(
    database: Database, restart: Callable[[], None]
) -> None:
    """What it wrote before is gone, and is written again."""
    restart = once(restart)

    def work(session: Session) -> None:
        insert("a")(session)
        restart()
        insert("b")(session)

    database.run(work)

    assert ["a", "b"] == database.rows
    assert ["disconnected"] == database.reasons


def test_a_restart_that_the_work_passed_over_is_run_again(
    database: Database, restart: Callable[[], None]
) -> None:
    """Nothing was sent after it, so nothing can have been saved."""
    restart = once(restart)

    def work(session: Session) -> None:
        insert("a")(session)
        restart()
        with suppress(sa.exc.DBAPIError):
            session.execute(sa.text("SELECT 1"))

    database.run(work)

    assert ["a"] == database.rows
    assert ["disconnected"] == database.reasons


@pytest.mark.parametrize("database", ["asyncpg"], indirect=True)
def test_a_restart_before_a_failure_was_asked_about_is_run_again(
    database: Database, restart: Callable[[], None]
) -> None:
    """The question that asyncpg needs, whether it would be saved, has no answer."""

    def fail_and_restart(session: Session) -> None:
        with suppress(sa.exc.DBAPIError):
            session.execute(sa.text("SELECT 1 / 0"))
        restart()

    sessions: list[Session] = []

    def work(session: Session) -> None:
        insert("a")(session)
        sessions.append(session)
        if len(sessions) == 1:
            fail_and_restart(session)

    database.run(work)

    assert ["a"] == database.rows
    assert ["disconnected"] == database.reasons


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_server_that_comes_back_meanwhile(
    database: Database, server: Killable, how: str
) -> None:
    """The first try finds nobody, or no socket even; the second does."""
    getattr(server, how)()
    started = once(server.start)
    try:
        database.run(insert(), listeners=[database.told.append, started])
    finally:
        started()

    assert ["a"] == database.rows
    assert ["unreachable"] == database.reasons


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_server_that_stays_away_is_unavailable(
    database: Database, server: Killable, how: str
) -> None:
    """503, and nothing of the address or the row in what is said."""
    getattr(server, how)()
    try:
        with pytest.raises(Unavailable) as caught:
            database.run(insert("hunter2"))
    finally:
        server.start()

    assert not isinstance(caught.value, CommitOutcomeUnknown)
    assert caught.value.__cause__ is not None
    said = f"{caught.value!r} {caught.value.problem()} {database.told}"
    assert "hunter2" not in said
    assert "transactions" not in said
    assert ["unreachable"] * 2 == database.reasons
    assert [] == database.rows


# ------------------------------------------------------------------ COMMIT


def ending(database: Database, how: str) -> Callable[[], None]:
    """Return what ends a connection: the server's SIGKILL, its stop, or its order."""
    if how != "terminate":
        return restarted(database.server, how)

    def terminate() -> None:
        database.say(f"SELECT pg_terminate_backend({database.in_commit()})")

    return terminate


def during_commit(database: Database, act: Callable[[], None]) -> "Future[None]":
    """Do *act*, in another thread, as soon as a COMMIT is held up."""
    done: Future[None] = Future()

    def acting() -> None:
        try:
            database.in_commit()
            act()
            done.set_result(None)
        except Exception as error:  # noqa: BLE001 - told where the test waits
            done.set_exception(error)

    threading.Thread(target=acting, daemon=True).start()
    return done


@pytest.mark.parametrize("how", ["kill", "stop", "terminate"])
def test_a_connection_lost_during_commit_is_unknown(
    database: Database, how: str
) -> None:
    """Here nothing was saved, but the client cannot know."""
    done = during_commit(database, ending(database, how))
    with pytest.raises(CommitOutcomeUnknown) as caught:
        database.run(insert("hunter2", slow=600))
    done.result()

    assert 1 == caught.value.attempt
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__}"
    assert [] == database.rows
    assert [] == database.told


def test_idempotent_work_that_fails_after_a_lost_commit_is_unknown(
    database: Database,
) -> None:
    """The second try may fail on what the first one saved."""
    tries: list[Session] = []

    def work(session: Session) -> None:
        tries.append(session)
        if len(tries) == 2:
            raise ValueError
        insert(slow=60)(session)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(database.run, work, idempotent=True)
        database.say(f"SELECT pg_terminate_backend({database.in_commit()})")
        with pytest.raises(CommitOutcomeUnknown) as caught:
            running.result()

    assert isinstance(caught.value.__cause__, ValueError)


def test_idempotent_work_is_run_again(database: Database) -> None:
    """Its author said that two runs write what one does."""
    done = during_commit(database, restarted(database.server, "kill"))
    slow = [600.0]

    def work(session: Session) -> None:
        insert(slow=slow.pop() if slow else 0)(session)

    patient = Backoff(first=0.01, cap=0.1)
    database.run(work, idempotent=True, attempts=999, backoff=patient)
    done.result()

    assert ["a"] == database.rows
    assert "commit_unknown" == database.reasons[0]


def test_what_one_try_left_unknown_no_later_one_denies(database: Database) -> None:
    """The server went for good; a plain 503 would say that nothing was saved."""
    done = during_commit(database, database.server.kill)
    try:
        with pytest.raises(CommitOutcomeUnknown) as caught:
            database.run(insert(slow=600), idempotent=True)
        done.result()
    finally:
        database.server.start()

    assert 3 == caught.value.attempt
    assert ["commit_unknown", "unreachable"] == database.reasons


class Cutting:
    """A way to the server that is cut when the answer to a COMMIT comes by."""

    ANSWER = b"COMMIT\x00"

    def __init__(self, address: str) -> None:
        self.cuts = 1
        self._folder = sa.make_url(address).query["host"]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def close(self) -> None:
        """Take no more connections, and wait for those that are there to end."""
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept()
        while self._threads:
            self._threads.pop(0).join()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client = self._listener.accept()[0]
                thread = threading.Thread(target=self._connect, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _connect(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(f"{self._folder}/.s.PGSQL.5432")
            asking = threading.Thread(target=self._pass, args=(client, server, b""))
            asking.start()
            self._pass(server, client, self.ANSWER)
            asking.join()

    def _pass(self, source: socket.socket, target: socket.socket, cut: bytes) -> None:
        """Pass on what *source* says, until it says *cut* or goes."""
        with suppress(OSError):
            while said := source.recv(65536):
                if cut and cut in said and self.cuts:
                    self.cuts -= 1
                    break
                target.sendall(said)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def cutting(server: Killable) -> Iterator[Cutting]:
    """Return a way to the server that loses one answer."""
    cutting = Cutting(server.address)
    yield cutting
    cutting.close()


def test_an_answer_that_is_lost_makes_no_second_row(
    cutting: Cutting, database: Database
) -> None:
    """The server saved it; a blind second try would have saved it twice."""
    engine = database.connected(host="127.0.0.1", port=cutting.port)
    with pytest.raises(CommitOutcomeUnknown):
        database.run(insert(), engine=engine)

    assert ["a"] == database.rows
    assert 0 == cutting.cuts


def test_an_upsert_may_be_sent_again(cutting: Cutting, database: Database) -> None:
    """With a key, the second try writes what is there already."""
    database.say("CREATE UNIQUE INDEX ON rows (name)")
    engine = database.connected(host="127.0.0.1", port=cutting.port)

    def work(session: Session) -> None:
        upsert = "INSERT INTO rows (name) VALUES ('a') ON CONFLICT DO NOTHING"
        session.execute(sa.text(upsert))

    database.run(work, engine=engine, idempotent=True)

    assert ["a"] == database.rows
    assert ["commit_unknown"] == database.reasons


# ------------------------------------------------------------------ many kills


class Writers:
    """Writers that save one row after the other and note what they were told."""

    PATIENT: dict[str, Any] = {  # noqa: RUF012 - a constant
        "attempts": 1000,
        "backoff": Backoff(first=0.005, cap=0.05),
    }

    def __init__(self, database: Database, *, number: int = 2) -> None:
        self.told: dict[str, str] = {}
        self.retried: Counter[str] = Counter()
        self._database = database
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(number)
        self._writing = [self._pool.submit(self._write, n) for n in range(number)]

    def await_more(self, rows: int) -> None:
        """Return when so many *rows* more were reported."""
        due = len(self.told) + rows
        while len(self.told) < due and not any(w.done() for w in self._writing):
            self._stop.wait(0.001)

    def stop(self) -> None:
        """Wait for the writers, and raise what one of them raised."""
        self._stop.set()
        for writing in self._writing:
            writing.result()
        self._pool.shutdown()

    def _write(self, writer: int) -> None:
        url = self._database.engine.url
        if isinstance(self._database.engine, sa.Engine):
            engine = sa.create_engine(url)
            self._write_rows(writer, engine, run)
            engine.dispose()
            return
        with asyncio.Runner() as loop:
            aengine = create_async_engine(url)
            self._write_rows(writer, aengine, lambda *a, **o: loop.run(arun(*a, **o)))
            loop.run(aengine.dispose())

    def _write_rows(self, writer: int, engine: Any, run: Callable[..., Any]) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            name = f"{writer}-{number}"
            try:
                work = insert(name, slow=0.005)
                run(engine, work, listeners=[self._count], **self.PATIENT)
            except CommitOutcomeUnknown:
                self.told[name] = "unknown"
            else:
                self.told[name] = "saved"

    def _count(self, event: Event) -> None:
        if isinstance(event, TransactionRetried):
            self.retried[event.reason] += 1


def run(engine: sa.Engine, work: Callable[[Session], Any], **options: Any) -> Any:
    """Run *work* by the plain twin."""
    return run_in_transaction(sessionmaker(engine), work, **options)


@pytest.mark.timeout(60 + 10 * KILLS)
def test_no_row_is_lost_or_doubled_by_many_kills(
    database: Database, server: Killable
) -> None:
    """What was reported as saved is there once; what is unknown, at most once."""
    roll = random.Random(KILLS)  # noqa: S311 - when to kill
    writers = Writers(database)
    for number in range(KILLS):
        writers.await_more(roll.randint(1, 20))
        restarted(server, "stop" if number % 4 == 3 else "kill")()
    writers.await_more(1)
    writers.stop()

    found = Counter(database.rows)
    told = Counter(writers.told.values())
    _log.info("%s kills: told %s, retried %s", KILLS, told, writers.retried)
    lost = [n for n, said in writers.told.items() if said == "saved" and not found[n]]
    doubled = [name for name, times in found.items() if times > 1]
    assert ([], []) == (lost, doubled)
    assert set(found) <= set(writers.told)
    assert told["saved"] > KILLS
    assert writers.retried
