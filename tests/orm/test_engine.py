"""What an engine is recommended: its driver takes each setting, and it has effect."""

import asyncio
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, closing
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from resilient_auth.errors import ConfigError
from resilient_auth.orm.engine import EngineSettings, engine_settings

SLEEP = sa.text("SELECT pg_sleep(600)")
PID = sa.text("SELECT pg_backend_pid()")
#: What each driver is asked with, and whether it is awaited.
DRIVERS = {"psycopg": False, "psycopg_async": True, "asyncpg": True}


class Database:
    """A server, by one driver, with the settings that a test asks for."""

    def __init__(self, url: sa.URL, *, asynchronous: bool) -> None:
        self.url = url
        self._loop = asyncio.Runner()
        self._asynchronous = asynchronous
        self._engines: list[sa.Engine | AsyncEngine] = []

    def engine(self, **options: Any) -> sa.Engine | AsyncEngine:
        """Return an engine with the recommended settings, but for *options*."""
        url = options.pop("url", self.url)
        make = create_async_engine if self._asynchronous else sa.create_engine
        engine = make(url, **engine_settings(url, **options))
        self._engines.append(engine)
        return engine

    def run(
        self, engine: sa.Engine | AsyncEngine, work: Callable[[sa.Connection], Any]
    ) -> Any:
        """Return what *work* returns, which is given a plain connection."""
        if isinstance(engine, sa.Engine):
            with engine.connect() as connection:
                return work(connection)
        return self._loop.run(_awaited(engine, work))

    def open_at_once(self, engine: sa.Engine | AsyncEngine, number: int) -> int:
        """Take a *number* of connections from the pool, and return how many are out."""
        if isinstance(engine, AsyncEngine):
            return self._loop.run(_open_at_once(engine, number))
        with ExitStack() as stack:
            for _ in range(number):
                stack.enter_context(engine.connect())
            return _checked_out(engine)

    def close(self) -> None:
        """Let go of all connections."""
        for engine in self._engines:
            if isinstance(engine, sa.Engine):
                engine.dispose()
            else:
                self._loop.run(engine.dispose())
        self._loop.close()


async def _awaited(engine: AsyncEngine, work: Callable[[sa.Connection], Any]) -> Any:
    """Run *work* on a connection that is awaited."""
    connection: AsyncConnection
    async with engine.connect() as connection:
        return await connection.run_sync(work)


async def _open_at_once(engine: AsyncEngine, number: int) -> int:
    """Take a *number* of connections, awaited."""
    async with AsyncExitStack() as stack:
        for _ in range(number):
            await stack.enter_async_context(engine.connect())
        return _checked_out(engine.sync_engine)


def _checked_out(engine: sa.Engine) -> int:
    assert isinstance(engine.pool, sa.QueuePool)
    return engine.pool.checkedout()


@pytest.fixture(params=DRIVERS)
def database(request: pytest.FixtureRequest, postgres: sa.URL) -> Iterator[Database]:
    """Return PostgreSQL, by one driver."""
    url = postgres.set(drivername=f"postgresql+{request.param}")
    database = Database(url, asynchronous=DRIVERS[request.param])
    yield database
    database.close()


@pytest.fixture(params=["pysqlite", "aiosqlite"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Return a file of SQLite, by one driver."""
    url = sa.make_url(f"sqlite+{request.param}:///{tmp_path}/rows.db")
    database = Database(url, asynchronous=request.param == "aiosqlite")
    yield database
    database.close()


@pytest.fixture
def owner(postgres: sa.URL) -> Iterator[sa.Engine]:
    """Return a way to PostgreSQL beside everything else."""
    engine = sa.create_engine(
        postgres.set(drivername="postgresql+psycopg"), poolclass=sa.NullPool
    )
    yield engine
    engine.dispose()


def asking(statement: sa.Executable) -> Callable[[sa.Connection], Any]:
    """Return what executes *statement* and returns the value that it finds."""
    return lambda connection: connection.scalar(statement)


def shown(database: Database, name: str, **options: Any) -> Any:
    """Return what the server says of its setting *name*."""
    engine = database.engine(**options)
    return database.run(engine, asking(sa.text(f"SHOW {name}")))


def state_of(error: sa.exc.DBAPIError) -> str | None:
    """Return the SQLSTATE of *error*."""
    state: str | None = getattr(error.orig, "sqlstate", None)
    return state


# ------------------------------------------------------------------ PostgreSQL


def test_a_statement_that_takes_too_long_is_ended(database: Database) -> None:
    """By the server, so that nothing goes on for a client that has gone."""
    engine = database.engine(statement_timeout=0.05, lock_timeout=None)
    with pytest.raises(sa.exc.DBAPIError) as caught:
        database.run(engine, asking(SLEEP))

    assert "57014" == state_of(caught.value)
    assert database.run(engine, asking(sa.text("SELECT 1")))


def test_a_lock_is_not_waited_for_longer(database: Database, owner: sa.Engine) -> None:
    """The one who holds it may hang, and the whole pool would queue behind it."""
    engine = database.engine(lock_timeout=0.05)
    lock = "SELECT pg_advisory_xact_lock(1)"
    with owner.begin() as holder:
        holder.exec_driver_sql(lock)
        with pytest.raises(sa.exc.DBAPIError) as caught:
            database.run(engine, asking(sa.text(lock)))

    assert "55P03" == state_of(caught.value)


def test_a_transaction_that_nobody_goes_on_with_is_ended(
    database: Database, owner: sa.Engine
) -> None:
    """A worker that hangs lets its locks go."""
    engine = database.engine(idle_in_transaction_timeout=0.05)
    alive = sa.text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")

    def hang(connection: sa.Connection) -> None:
        pid = connection.scalar(PID)
        with owner.connect() as looking:
            while looking.scalar(alive, {"pid": pid}):
                looking.rollback()
        connection.scalar(PID)

    with pytest.raises(sa.exc.DBAPIError) as caught:
        database.run(engine, hang)

    assert caught.value.connection_invalidated
    assert database.run(engine, asking(PID))


def test_a_time_that_is_off_is_left_to_the_server(database: Database) -> None:
    """Migrations may take their time, on an engine of their own."""
    off = {"statement_timeout": None, "lock_timeout": None}

    assert "0" == shown(database, "statement_timeout", **off)
    assert "0" == shown(database, "lock_timeout", **off)
    assert "30s" == shown(database, "idle_in_transaction_session_timeout", **off)


def test_a_restart_while_idle_costs_no_request(
    database: Database, owner: sa.Engine
) -> None:
    """What died in the pool is replaced before it is handed out."""
    engine = database.engine()
    pid = database.run(engine, asking(PID))
    kill = sa.text("SELECT pg_terminate_backend(:pid, 10000)")
    with owner.connect() as killing:
        killing.execute(kill, {"pid": pid})

    assert pid != database.run(engine, asking(PID))


def test_a_connection_has_an_age(database: Database) -> None:
    """Before a firewall forgets it, it is replaced."""
    engine = database.engine(pool_recycle=0.001)
    pid = database.run(engine, asking(PID))

    while pid == database.run(engine, asking(PID)):
        pass


def test_a_full_pool_is_not_waited_for_longer(database: Database) -> None:
    """A request that hangs is worse than a 503; the limits are those that were said."""
    engine = database.engine(pool_timeout=0.01, pool_size=1, max_overflow=1)

    assert 1 == database.open_at_once(engine, 1)
    assert 2 == database.open_at_once(engine, 2)
    with pytest.raises(sa.exc.TimeoutError):
        database.open_at_once(engine, 3)


def test_what_users_wrote_is_in_no_error(database: Database) -> None:
    """Errors are logged."""
    statement = sa.text("SELECT CAST(:said AS integer) / 0").bindparams(said=424242)
    with pytest.raises(sa.exc.DBAPIError) as caught:
        database.run(database.engine(), asking(statement))

    assert "424242" not in str(caught.value)


def test_a_server_that_does_not_answer_is_given_up(database: Database) -> None:
    """It took the connection, and is silent."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        url = database.url.set(host="127.0.0.1", port=port, query={})
        engine = database.engine(url=url, connect_timeout=0.1)
        with pytest.raises(
            (sa.exc.OperationalError, TimeoutError), match=r"timeout|^$"
        ):
            database.run(engine, asking(PID))


@pytest.mark.parametrize("database", ["asyncpg"], indirect=True)
def test_a_server_that_ends_nothing_is_given_up(database: Database) -> None:
    """The driver watches its commands itself; libpq leaves that to TCP."""
    engine = database.engine(statement_timeout=0.01, lock_timeout=None)

    def hang(connection: sa.Connection) -> None:
        connection.execute(sa.text("SET statement_timeout = 0"))
        connection.execute(SLEEP)

    with pytest.raises(TimeoutError):
        database.run(engine, hang)

    assert database.run(engine, asking(PID))


class Passing:
    """A way to a server's socket by TCP."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._threads = [Thread(target=self._serve)]
        self._threads[0].start()

    def close(self) -> None:
        """Wait for the connection that there was to end."""
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def _serve(self) -> None:
        client = self._listening.accept()[0]
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._path)
            back = Thread(target=self._pass, args=(server, client))
            back.start()
            self._pass(client, server)
            back.join()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        while said := source.recv(65536):
            target.sendall(said)
        target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg_async"])
def test_a_server_that_vanished_is_noticed_by_the_system(
    postgres: sa.URL, driver: str
) -> None:
    """A power cut says nothing; only TCP's own questions find out."""
    passing = Passing(f"{postgres.query['host']}/.s.PGSQL.5432")
    url = postgres.set(
        drivername=f"postgresql+{driver}",
        host="127.0.0.1",
        port=passing.port,
        query={"sslmode": "disable", "gssencmode": "disable"},
    )
    database = Database(url, asynchronous=DRIVERS[driver])
    options = ["TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT"]

    def look(connection: sa.Connection) -> list[int]:
        driver_connection: Any = connection.connection.driver_connection
        with socket.socket(fileno=os.dup(driver_connection.fileno())) as used:
            assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            return [
                used.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
                for name in options
            ]

    found = database.run(database.engine(peer_timeout=12), look)
    database.close()
    passing.close()

    assert [6, 2, 3, 12_000] == found


def test_what_the_url_says_stays(postgres: sa.URL) -> None:
    """Whoever wrote it there knows this database."""
    url = postgres.set(drivername="postgresql+psycopg").update_query_dict(
        {
            "options": "-c lock_timeout=7000 -c search_path=pg_catalog",
            "connect_timeout": "9",
            "application_name": "chat",
        }
    )
    database = Database(url, asynchronous=False)
    said = {
        name: shown(database, name)
        for name in (
            "lock_timeout",
            "search_path",
            "application_name",
            "statement_timeout",
        )
    }
    database.close()
    settings = engine_settings(url)

    assert said == {
        "lock_timeout": "7s",
        "search_path": "pg_catalog",
        "application_name": "chat",
        "statement_timeout": "10s",
    }
    assert "connect_timeout" not in settings.reasons
    assert "lock_timeout" not in settings.reasons


def test_arguments_of_ones_own_stand_beside(postgres: sa.URL) -> None:
    """The driver takes its settings in one mapping, and so do we."""
    url = postgres.set(drivername="postgresql+asyncpg")
    database = Database(url, asynchronous=True)
    mine = {
        "server_settings": {"application_name": "chat", "lock_timeout": "7000"},
        "command_timeout": 99.0,
    }
    names = ("application_name", "lock_timeout", "statement_timeout")
    said = [shown(database, name, connect_args=mine) for name in names]
    database.close()

    assert ["chat", "7s", "10s"] == said
    settings = engine_settings(url, connect_args=mine)
    assert 99.0 == settings["connect_args"]["command_timeout"]
    assert {"lock_timeout", "command_timeout"}.isdisjoint(settings.reasons)
    assert mine["server_settings"] == {
        "application_name": "chat",
        "lock_timeout": "7000",
    }


def test_ones_own_time_of_a_statement_is_the_drivers_too(postgres: sa.URL) -> None:
    """It would else give up what may still go on for a minute."""
    url = postgres.set(drivername="postgresql+asyncpg")
    mine = {"server_settings": {"statement_timeout": "60000"}}
    settings = engine_settings(url, statement_timeout=5.0, connect_args=mine)

    assert "command_timeout" not in settings["connect_args"]
    assert "60000" == settings["connect_args"]["server_settings"]["statement_timeout"]


@pytest.mark.parametrize(
    ("options", "lock_timeout"),
    [
        ("-c search_path=pg_catalog", "3s"),
        ("-csearch_path=pg_catalog -c deadlock_timeout=2s", "3s"),
        ("--search-path=pg_catalog --lock-timeout=7s", "7s"),
        ("-csearch_path=pg_catalog -clock_timeout=7s", "7s"),
        ("-c search_path=pg_catalog -c LOCK_TIMEOUT=7s", "7s"),
    ],
)
def test_what_the_environment_says_stays(
    options: str, lock_timeout: str, postgres: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options given to libpq replace those of ``PGOPTIONS``, so they go together."""
    monkeypatch.setenv("PGOPTIONS", options)
    url = postgres.set(drivername="postgresql+psycopg")
    database = Database(url, asynchronous=False)
    names = ("search_path", "lock_timeout", "statement_timeout")
    said = [shown(database, name) for name in names]
    database.close()

    assert ["pg_catalog", lock_timeout, "10s"] == said


@pytest.mark.parametrize("source", ["url", "environment"])
def test_a_service_may_have_options_of_its_own(
    source: str, postgres: sa.URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is libpq's to read; what stands there is not replaced."""
    file = tmp_path / "pg_service.conf"
    file.write_text("[app]\noptions=-c search_path=pg_catalog\n", encoding="utf-8")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    url = postgres.set(drivername="postgresql+psycopg")
    if source == "url":
        url = url.update_query_dict({"service": "app"})
    else:
        monkeypatch.setenv("PGSERVICE", "app")
    database = Database(url, asynchronous=False)
    said = [shown(database, name) for name in ("search_path", "lock_timeout")]
    database.close()

    assert ["pg_catalog", "0"] == said
    assert "lock_timeout" not in engine_settings(url).reasons


# ------------------------------------------------------------------ SQLite


def test_a_writer_is_not_waited_for_longer(file: Database) -> None:
    """SQLite has one writer at a time."""
    with closing(sqlite3.connect(str(file.url.database))) as holder:
        holder.execute("CREATE TABLE taken (id INTEGER)")
        holder.execute("BEGIN EXCLUSIVE")
        engine = file.engine(lock_timeout=0.01)
        with pytest.raises(sa.exc.OperationalError, match="locked"):
            file.run(engine, asking(sa.text("SELECT count(*) FROM taken")))


@pytest.mark.parametrize("driver", ["pysqlite", "aiosqlite"])
def test_a_database_in_memory_has_no_queue(driver: str) -> None:
    """Its pool would refuse a time to wait for."""
    url = f"sqlite+{driver}://"
    database = Database(sa.make_url(url), asynchronous=driver == "aiosqlite")
    engine = database.engine(pool_size=3, max_overflow=0)

    assert 1 == database.run(engine, asking(sa.text("SELECT 1")))
    assert {"hide_parameters", "connect_args"} == set(engine_settings(url))
    database.close()


def test_a_file_is_not_asked_whether_it_lives(file: Database) -> None:
    """It does not restart."""
    assert {"hide_parameters", "pool_timeout", "connect_args"} == set(
        engine_settings(file.url)
    )


# ------------------------------------------------------------------ anything else


@pytest.mark.parametrize(
    "url", ["mysql+pymysql://u@h/db", "postgresql+psycopg2://u@h/db", "oracle://u@h"]
)
def test_other_databases_get_what_concerns_the_pool(url: str) -> None:
    """Nothing is given to a driver that nobody has tried."""
    expected = {
        "hide_parameters": True,
        "pool_pre_ping": True,
        "pool_recycle": 1800.0,
        "pool_timeout": 5.0,
    }

    assert expected == dict(engine_settings(url))


@pytest.mark.parametrize("poolclass", [sa.NullPool, sa.StaticPool])
def test_a_pool_of_ones_own_gets_what_it_takes(
    database: Database, poolclass: type[sa.Pool]
) -> None:
    """`create_engine` refuses what a pool does not know."""
    engine = database.engine(poolclass=poolclass, pool_size=3)

    assert isinstance(engine.pool, poolclass)
    assert database.run(engine, asking(PID))


def test_each_setting_has_a_reason() -> None:
    """A setting that nobody can explain is removed at the next incident."""
    url = "postgresql+asyncpg://user:hunter2@db.internal/chat"
    settings = engine_settings(
        url,
        poolclass=sa.AsyncAdaptedQueuePool,
        pool_size=3,
        max_overflow=2,
        connect_args={"password": "hunter2"},
    )
    table = str(settings)

    assert isinstance(settings, EngineSettings)
    assert set(settings) - {"connect_args"} < set(settings.reasons)
    for name, reason in settings.reasons.items():
        assert name in table
        assert reason.split()[0] in table
        assert reason.endswith(".")
    assert max(map(len, table.splitlines())) <= 88
    for said in (table, repr(settings)):
        assert "hunter2" not in said
        assert "db.internal" not in said


@pytest.mark.parametrize(
    ("url", "options"),
    [
        pytest.param("nothing:hunter2", {}, id="url"),
        pytest.param("nothing://u:hunter2@h", {}, id="dialect"),
        pytest.param(7, {}, id="number"),
        *(
            pytest.param("sqlite://", {name: value}, id=f"{name}={value}")
            for name, value in [
                ("connect_timeout", 0),
                ("connect_timeout", None),
                ("pool_timeout", None),
                ("pool_timeout", float("nan")),
                ("pool_recycle", -1),
                ("statement_timeout", "10"),
                ("lock_timeout", True),
                ("lock_timeout", 10.0),
                ("peer_timeout", 0.0),
                ("idle_in_transaction_timeout", float("inf")),
                ("connect_args", [("timeout", 3)]),
                ("poolclass", "NullPool"),
                ("poolclass", sa.NullPool("sqlite")),  # type: ignore[arg-type] - an instance
            ]
        ),
        pytest.param("sqlite:///f", {"pool_size": 0}, id="pool_size"),
        pytest.param("sqlite:///f", {"max_overflow": -1}, id="max_overflow"),
    ],
)
def test_what_makes_no_sense_is_refused(url: Any, options: dict[str, Any]) -> None:
    """Here, and without a word of the URL."""
    with pytest.raises(ConfigError) as caught:
        engine_settings(url, **options)

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
