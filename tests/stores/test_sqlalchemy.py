"""What SQL alone must keep: the user's engine, locks, indexes and clear refusals."""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from resilient_auth import AsyncSQLAlchemyStore, ConfigError, SQLAlchemyStore
from resilient_auth.stores import sqlalchemy_statements
from resilient_auth.stores.sqlalchemy import consumed, metadata, sessions
from resilient_auth.stores.sqlalchemy_statements import (
    PURGE_ENDED,
    ROTATE_AND_CLAIM,
    Driver,
    opening,
    rotation,
)
from resilient_auth.testing.stores import NOW, a_session

ASK = {"kid": "k", "now": NOW, "idle": 10, "grace": 0}


@pytest.fixture
def engine(postgres: sa.URL) -> Iterator[sa.Engine]:
    """Return an engine of one connection over an empty PostgreSQL."""
    url = postgres.set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, pool_size=1, max_overflow=0)
    metadata.drop_all(engine)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


# ------------------------------------------------------------------ the user's engine


def test_psycopg_goes_back_as_the_user_set_it_up(postgres: sa.URL) -> None:
    """Their next transaction on our connection can be rolled back."""
    url = postgres.set(drivername="postgresql+psycopg")
    engine = sa.create_engine(
        url, pool_size=1, max_overflow=0, isolation_level="REPEATABLE READ"
    )
    store = SQLAlchemyStore(engine)
    store.create_schema()
    store.find("nobody")
    with engine.connect() as connection:
        level = connection.get_isolation_level()
        connection.execute(sa.text("CREATE TABLE ra_undone (id int)"))
        connection.rollback()

    assert level == "REPEATABLE READ"
    assert not sa.inspect(engine).has_table("ra_undone")
    engine.dispose()


async def test_asyncpg_goes_back_as_the_user_set_it_up(postgres: sa.URL) -> None:
    """The same for the other driver."""
    url = postgres.set(drivername="postgresql+asyncpg")
    engine = create_async_engine(
        url, pool_size=1, max_overflow=0, isolation_level="REPEATABLE READ"
    )
    store = AsyncSQLAlchemyStore(engine)
    await store.create_schema()
    await store.find("nobody")
    async with engine.connect() as connection:
        level = await connection.get_isolation_level()
        await connection.execute(sa.text("CREATE TABLE ra_undone (id int)"))
        await connection.rollback()
        kept = await connection.scalar(sa.text("SELECT to_regclass('ra_undone')"))

    assert level == "REPEATABLE READ"
    assert kept is None
    await engine.dispose()


@pytest.mark.parametrize("event", ["before_cursor_execute", "after_cursor_execute"])
def test_who_listens_to_the_engine_hears_each_statement(
    event: str, engine: sa.Engine
) -> None:
    """The driver's own cursor is for those whom nobody traces."""
    heard: list[str] = []
    store = SQLAlchemyStore(engine)
    sa.event.listen(engine, event, lambda *said: heard.append(said[2]))
    store.open(a_session())
    store.rotate("s" * 32, 0, **ASK)

    assert ["INSERT", "UPDATE"] == [each.split()[0] for each in heard]


def test_who_listens_to_errors_hears_them(engine: sa.Engine) -> None:
    """They count the outages of their database by it."""
    heard: list[BaseException] = []
    metadata.drop_all(engine)
    sa.event.listen(
        engine, "handle_error", lambda said: heard.append(said.sqlalchemy_exception)
    )
    with pytest.raises(sa.exc.ProgrammingError):
        SQLAlchemyStore(engine).find("nobody")

    assert [sa.exc.ProgrammingError] == [type(each) for each in heard]


def test_an_echo_shows_each_statement(caplog: pytest.LogCaptureFixture) -> None:
    """`create_engine(echo=True)` hides none."""
    caplog.set_level("INFO", "sqlalchemy.engine")
    store = SQLAlchemyStore(sa.create_engine("sqlite://"))
    store.create_schema()
    store.find("nobody")

    assert "FROM ra_sessions" in caplog.text


def test_a_strict_isolation_level_makes_no_loser_wait(postgres: sa.URL) -> None:
    """Under SERIALIZABLE the loser of a race would be told 503 instead of its token."""
    url = postgres.set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="SERIALIZABLE")
    metadata.drop_all(engine)
    store = SQLAlchemyStore(engine)
    store.create_schema()
    store.open(a_session())

    assert store.rotate("s" * 32, 0, **ASK) is not None
    assert store.rotate("s" * 32, 0, **ASK) is None
    engine.dispose()


def test_the_tables_may_live_in_a_schema_of_their_own(tmp_path: Path) -> None:
    """SQLAlchemy's own ``schema_translate_map`` says which."""
    with SQLAlchemyIn(tmp_path, "auth") as (engine, store):
        store.create_schema()
        store.open(a_session())
        assert store.rotate("s" * 32, 0, **ASK) is not None
        assert store.consume("t", expires_at=NOW, now=NOW)
        assert store.purge(NOW + 1_001, limit=9) == 1

        assert sa.inspect(engine).get_table_names() == []
        assert {"ra_sessions", "ra_consumed"} == set(
            sa.inspect(engine).get_table_names(schema="auth")
        )


class SQLAlchemyIn:
    """A store in the *schema* of a SQLite database, which is another file."""

    def __init__(self, folder: Path, schema: str) -> None:
        self._engine = sa.create_engine(f"sqlite:///{folder}/main.db")

        @sa.event.listens_for(self._engine, "connect")
        def attach(connection: Any, _record: object) -> None:
            connection.execute(f"ATTACH '{folder}/{schema}.db' AS {schema}")

        self._schemas = {None: schema}

    def __enter__(self) -> tuple[sa.Engine, SQLAlchemyStore]:
        """Return the engine and the store."""
        mapped = self._engine.execution_options(schema_translate_map=self._schemas)
        return self._engine, SQLAlchemyStore(mapped)

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        self._engine.dispose()


# ------------------------------------------------------------------ the clean-up


def test_purging_waits_for_nobody(postgres: sa.URL, engine: sa.Engine) -> None:
    """A row that a request holds is left for the next batch, and so is its request."""
    url = postgres.set(drivername="postgresql+psycopg")
    impatient = sa.create_engine(url, connect_args={"options": "-c lock_timeout=100"})
    store = SQLAlchemyStore(impatient)
    for n in range(4):
        store.open(a_session(f"{n:032}", idle_expires_at=NOW - 50))
    store.end(f"{3:032}", now=NOW - 50, reason="x")
    store.consume("t", expires_at=NOW - 50, now=NOW - 60)
    with engine.begin() as holder:
        holder.execute(sa.update(consumed).values(expires_at=NOW))
        for held in (0, 3):
            holder.execute(
                sa.update(sessions)
                .where(sessions.c.id == f"{held:032}")
                .values(idle_expires_at=NOW + 50, revoked_at=None)
            )
        deleted = store.purge(NOW, limit=100)

    assert deleted == 2
    assert store.purge(NOW, limit=100) == 0
    assert store.find(f"{0:032}") is not None
    assert store.find(f"{3:032}") is not None
    impatient.dispose()


def test_a_refresh_does_not_wait_for_a_clean_up(
    postgres: sa.URL, engine: sa.Engine
) -> None:
    """A purge that is not committed yet holds dead rows and nothing else."""
    url = postgres.set(drivername="postgresql+psycopg")
    impatient = sa.create_engine(url, connect_args={"options": "-c lock_timeout=100"})
    store = SQLAlchemyStore(impatient)
    store.open(a_session())
    store.open(a_session("d" * 32, idle_expires_at=NOW - 50))
    with engine.begin() as cleaner:
        said = {"at": NOW, "most": 100}
        deleted = store._driver.run(cleaner, PURGE_ENDED, said)
        rotated = store.rotate("s" * 32, 0, **ASK)
        store.open(a_session("n" * 32))

    assert [("d" * 32,)] == deleted
    assert rotated is not None
    impatient.dispose()


QUESTIONS = {
    "FIND": "ra_sessions_pkey",
    "ROTATE": "ra_sessions_pkey",
    "ROTATE_AND_CLAIM": "ra_sessions_pkey",
    "END": "ra_sessions_pkey",
    "OF_SUBJECT": "ra_sessions_subject",
    "END_ALL": "ra_sessions_subject",
    "ENDED_SINCE": "ra_sessions_revoked_at",
    "LOOK_AGAIN": "ra_sessions_due_at",
    "PURGE_ENDED": "ra_sessions_due_at",
    "PURGE_REVOKED": "ra_sessions_revoked_at",
    "FORGET_CONSUMED": "ra_consumed_expires_at",
}


def filled(engine: sa.Engine, many: int) -> None:
    """Store so *many* sessions and tokens: half are due, a tenth is revoked."""
    rows = [
        opening(
            a_session(
                f"{n:032}",
                subject=f"user-{n}",
                idle_expires_at=NOW + n - many // 2,
                expires_at=NOW + many,
                revoked_at=NOW - n if n % 10 == 0 else None,
            )
        )
        for n in range(many)
    ]
    used = [{"id": str(n), "expires_at": NOW + n - many // 2} for n in range(many)]
    with engine.begin() as connection:
        connection.execute(sa.insert(sessions), rows)
        connection.execute(sa.insert(consumed), used)


def all_said() -> dict[str, Any]:
    """Return what is enough for each question."""
    said = rotation("x", 0, claims={}, **ASK)
    return said | {"whose": "user-7", "keep": "", "reason": "x", "most": 1_000}


def test_every_question_has_its_index_in_postgresql(engine: sa.Engine) -> None:
    """A scan of the table would get slower with each user, however much is due."""
    filled(engine, 20_000)
    driver = Driver(engine.dialect, None)
    found = {}
    with engine.connect() as connection:
        connection.execute(sa.text("ANALYZE ra_sessions, ra_consumed"))
        for question in QUESTIONS:
            phrase = driver.phrase(getattr(sqlalchemy_statements, question))
            plan = connection.exec_driver_sql(
                f"EXPLAIN {phrase.text}", phrase.values(all_said())
            )
            found[question] = "\n".join(line for (line,) in plan)

    assert {} == {each: plan for each, plan in found.items() if "Seq Scan" in plan}
    assert QUESTIONS == {
        each: index for each, index in QUESTIONS.items() if index in found[each]
    }


def test_every_question_has_its_index_in_sqlite(tmp_path: Path) -> None:
    """The same, by its own planner; a scan of an index would be one of the table."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/sessions.db")
    SQLAlchemyStore(engine).create_schema()
    filled(engine, 1_000)
    driver = Driver(engine.dialect, None)
    found = {}
    with engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        for question in QUESTIONS:
            phrase = driver.phrase(getattr(sqlalchemy_statements, question))
            values = phrase.values(all_said())
            plan = connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {phrase.text}", values
            )
            found[question] = "\n".join(row[3] for row in plan)
    engine.dispose()

    assert {} == {each: plan for each, plan in found.items() if "SCAN" in plan}
    named = {each: i for each, i in QUESTIONS.items() if not i.endswith("_pkey")}
    assert named == {each: i for each, i in named.items() if i in found[each]}


def test_a_rotation_changes_no_indexed_column() -> None:
    """PostgreSQL then writes the row in place and touches no index (a HOT update)."""
    text = ROTATE_AND_CLAIM.compile().string
    changed = set(re.findall(r"(\w+)=", text.partition(" WHERE ")[0]))
    indexed = {column.name for index in sessions.indexes for column in index.columns}

    assert {"generation", "rotated_at", "idle_expires_at"} <= changed
    assert changed & (indexed | {"id"}) == set()


def test_purging_looks_at_the_living_once(engine: sa.Engine) -> None:
    """What lived on is entered under its new end, however much of it there is."""
    filled(engine, 3_000)
    with engine.begin() as connection:
        connection.execute(
            sa.update(sessions).values(idle_expires_at=NOW + 100, revoked_at=None)
        )
    store = SQLAlchemyStore(engine)
    due = sa.select(sa.func.count()).where(sessions.c.due_at < NOW)

    assert store.purge(NOW, limit=10) == 0
    with engine.connect() as connection:
        assert connection.scalar(due) == 0


async def test_so_does_the_asynchronous_twin(tmp_path: Path) -> None:
    """In batches too, each of which it waits for."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/sessions.db")
    store = AsyncSQLAlchemyStore(engine)
    await store.create_schema()
    rows = [
        opening(a_session(f"{n:032}", idle_expires_at=NOW + 100)) | {"due_at": NOW - 1}
        for n in range(1_001)
    ]
    due = sa.select(sa.func.count()).where(sessions.c.due_at < NOW)
    async with engine.begin() as connection:
        await connection.execute(sa.insert(sessions), rows)

    assert await store.purge(NOW, limit=10) == 0
    async with engine.connect() as connection:
        assert await connection.scalar(due) == 0
    await engine.dispose()


def test_the_long_revoked_go_though_their_end_is_far(engine: sa.Engine) -> None:
    """A user who logs out daily would leave a month of rows behind."""
    store = SQLAlchemyStore(engine)
    for n in range(3):
        store.open(a_session(f"{n:032}", idle_expires_at=NOW + 10**6))
        store.end(f"{n:032}", now=NOW - 50, reason="logout")
    store.open(a_session("f" * 32, idle_expires_at=NOW - 50))

    assert [2, 2, 0] == [store.purge(NOW, limit=2) for _ in range(3)]


# ------------------------------------------------------------------ unfit engines


def sqlite() -> sa.Engine:
    """Return a synchronous engine."""
    return sa.create_engine("sqlite://")


def asyncpg() -> sa.Engine:
    """Return a synchronous engine over an asynchronous driver."""
    return sa.create_engine("postgresql+asyncpg://u:s3cret@127.0.0.1/db")


def mysql() -> sa.Engine:
    """Return an engine for MySQL, whose driver is not needed to refuse it."""
    driver = SimpleNamespace(paramstyle="format", version_info=(2, 0, 0))
    return sa.create_engine("mysql+mysqldb://u:s3cret@127.0.0.1/db", module=driver)


@pytest.mark.parametrize(
    ("kind", "make", "told"),
    [
        (SQLAlchemyStore, lambda: "sqlite://", "an Engine .* not a str"),
        (SQLAlchemyStore, lambda: None, "an Engine .* not a NoneType"),
        (
            SQLAlchemyStore,
            lambda: create_async_engine("sqlite+aiosqlite://"),
            "use AsyncSQLAlchemyStore",
        ),
        (SQLAlchemyStore, asyncpg, "asyncpg is asynchronous"),
        (SQLAlchemyStore, mysql, "postgresql or sqlite, not in mysql"),
        (AsyncSQLAlchemyStore, sqlite, "use SQLAlchemyStore"),
        (AsyncSQLAlchemyStore, asyncpg, "asyncpg is asynchronous"),
        (AsyncSQLAlchemyStore, lambda: 5, "an AsyncEngine .* not a int"),
    ],
)
def test_an_unfit_engine_is_refused(
    kind: type, make: Callable[[], Any], told: str
) -> None:
    """At start and by name, not at the first login; a password is not repeated."""
    with pytest.raises(ConfigError, match=told) as caught:
        kind(make())

    assert "s3cret" not in str(caught.value)


def test_an_old_sqlite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no RETURNING; found at start, not at the first refresh."""
    engine = sa.create_engine("sqlite://")
    monkeypatch.setattr(engine.dialect.dbapi, "sqlite_version_info", (3, 34, 1))

    with pytest.raises(ConfigError, match=r"3\.35 or newer .* 3\.34\.1"):
        SQLAlchemyStore(engine)


# ------------------------------------------------------------------ schema, stopping


def test_the_how_to_names_every_column() -> None:
    """Who writes the migration by hand, or reads the database, looks there."""
    text = (Path(__file__).parents[2] / "docs" / "how-to" / "sql.md").read_text("utf-8")
    for table in (sessions, consumed):
        _, _, rows = text.partition(f"| `{table.name}` | |\n|---|---|\n")
        first = [row.split("|")[1] for row in rows.partition("\n\n")[0].splitlines()]
        named = re.findall(r"`(\w+)`", "".join(first))

        assert sorted(table.columns.keys()) == sorted(named)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_many_may_create_the_schema_at_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The workers of a server start together."""
    url = sa.make_url(f"sqlite:///{tmp_path}/sessions.db")
    if kind == "postgresql":
        url = request.getfixturevalue("postgres").set(drivername="postgresql+psycopg")
    engines = [sa.create_engine(url, poolclass=sa.NullPool) for _ in range(8)]
    barrier = threading.Barrier(8)

    def create(engine: sa.Engine) -> None:
        barrier.wait()
        SQLAlchemyStore(engine).create_schema()

    for _ in range(5):
        metadata.drop_all(engines[0])
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(create, engines))

    found = sa.inspect(engines[0])
    for table in (sessions, consumed):
        expected = {index.name for index in table.indexes}
        assert expected == {each["name"] for each in found.get_indexes(table.name)}
        columns = [each["name"] for each in found.get_columns(table.name)]
        assert list(table.columns.keys()) == columns


async def test_a_cancelled_question_spoils_no_connection(postgres: sa.URL) -> None:
    """The client went away while we waited for a lock; the answer is nobody's."""
    url = postgres.set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, pool_size=1, max_overflow=0)
    holder = create_async_engine(url)
    async with holder.begin() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
    dropped: list[BaseException] = []
    sa.event.listen(engine.sync_engine, "invalidate", lambda *e: dropped.append(e[2]))
    store = AsyncSQLAlchemyStore(engine)
    await store.open(a_session())
    async with holder.begin() as connection:
        await connection.execute(sa.text("LOCK TABLE ra_sessions"))
        task = asyncio.create_task(store.find("s" * 32))
        waiting = sa.text("SELECT 1 FROM pg_locks WHERE NOT granted")
        while (await connection.execute(waiting)).first() is None:
            pass
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert [asyncio.CancelledError] == [type(each) for each in dropped]
    assert await store.find("s" * 32) == a_session()
    await engine.dispose()
    await holder.dispose()
