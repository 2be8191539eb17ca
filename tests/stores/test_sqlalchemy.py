"""What SQL alone must keep: the user's engine, locks, indexes and clear refusals."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from resilient_auth import AsyncSQLAlchemyStore, ConfigError, SQLAlchemyStore
from resilient_auth.stores.sqlalchemy import consumed, metadata, sessions
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
        assert store.purge(NOW + 11, limit=9) == 1

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
        deleted = store._steps.purge(cleaner, NOW, 100)
        rotated = store.rotate("s" * 32, 0, **ASK)
        store.open(a_session("n" * 32))

    assert deleted == 1
    assert rotated is not None
    impatient.dispose()


def test_every_question_has_its_index(engine: sa.Engine) -> None:
    """A scan of the table would get slower with each user, and the clean-up too."""
    store = SQLAlchemyStore(engine)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO ra_sessions SELECT md5(n::text), 'user-' || n, '{}', '',"
                " '[]', true, 0, 'k', :now, 0, :now + n, :now + n + 1,"
                " CASE n % 100 WHEN 0 THEN :now + n END, ''"
                " FROM generate_series(1, 20000) n"
            ),
            {"now": NOW},
        )
        connection.execute(
            sa.text(
                "INSERT INTO ra_consumed SELECT n::text, :now + n"
                " FROM generate_series(1, 20000) n"
            ),
            {"now": NOW},
        )
        connection.execute(sa.text("ANALYZE ra_sessions, ra_consumed"))
    plans: list[str] = []

    @sa.event.listens_for(engine, "before_cursor_execute", retval=True)
    def explain(
        connection: sa.Connection,
        cursor: Any,
        statement: str,
        said: Any,
        *_: object,
    ) -> tuple[str, Any]:
        cursor.execute(f"EXPLAIN {statement}", said)
        plans.append("\n".join(line for (line,) in cursor.fetchall()))
        return statement, said

    store.find("x")
    store.rotate("x", 0, **ASK)
    store.end("x", now=NOW, reason="x")
    store.of_subject("user-7", now=NOW)
    store.end_all("user-7", keep=None, now=NOW, reason="x")
    store.ended_since(NOW + 19_900)
    store.consume("x", expires_at=NOW, now=NOW)
    store.purge(NOW + 300, limit=10)  # small beside the table, as in life

    assert [] == [plan for plan in plans if "Seq Scan on ra_" in plan]
    indexes = {
        "ra_sessions_pkey",
        "ra_sessions_subject",
        "ra_sessions_revoked_at",
        "ra_sessions_idle_expires_at",
        "ra_consumed_expires_at",
    }
    assert indexes == {name for name in indexes if any(name in each for each in plans)}


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
