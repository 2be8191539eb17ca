"""A transaction is run again while nothing of it can be saved, and only then."""

import asyncio
import contextvars
import gc
import random
import sqlite3
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.event import registry
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    scoped_session,
    sessionmaker,
)

from resilient_auth import (
    Backoff,
    CommitOutcomeUnknown,
    ConfigError,
    Deadline,
    DeadlineExceeded,
    Refused,
    Unavailable,
    arun_in_transaction,
    run_in_transaction,
)
from resilient_auth.events import Event, TransactionRetried
from resilient_auth.orm import watched
from resilient_auth.orm.outcomes import Standing, outcome_of
from resilient_auth.testing import FrozenClock

SOON = Backoff(first=0.001, cap=0.001)
SECRET = "hunter2"


class Base(DeclarativeBase):
    """The models of these tests."""


class Note(Base):
    """Something to save."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(unique=True)


class Database:
    """A SQLite file, and runs in it by one of the twins."""

    def __init__(self, path: Path, *, asynchronous: bool) -> None:
        self.path = path
        self.tries = 0
        self.told: list[Event] = []
        self.asynchronous = asynchronous
        self.engine = sa.create_engine(
            f"sqlite:///{path}", connect_args={"timeout": 0}, poolclass=sa.NullPool
        )
        Base.metadata.create_all(self.engine)

    def run(self, work: Callable[[Session], Any], **options: Any) -> Any:
        """Run *work*, which is given a plain session, by either twin."""
        options = {"backoff": SOON, "listeners": [self.told.append], **options}

        def counted(session: Session) -> Any:
            self.tries += 1
            return work(session)

        if not self.asynchronous:
            return run_in_transaction(sessionmaker(self.engine), counted, **options)
        url = self.engine.url.set(drivername="sqlite+aiosqlite")
        engine = create_async_engine(
            url, connect_args={"timeout": 0}, poolclass=sa.NullPool
        )

        async def awaited(session: AsyncSession) -> Any:
            return await session.run_sync(counted)

        return asyncio.run(
            arun_in_transaction(async_sessionmaker(engine), awaited, **options)
        )

    @property
    def reasons(self) -> list[str]:
        """Return why it was tried again."""
        return [e.reason for e in self.told if isinstance(e, TransactionRetried)]

    @property
    def saved(self) -> list[str]:
        """Return the texts of what is saved."""
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute("SELECT text FROM notes ORDER BY id")
            return [text for (text,) in rows]


@pytest.fixture(params=["sync", "async"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """Return an empty database, for each of the twins."""
    return Database(tmp_path / "notes.db", asynchronous=request.param == "async")


@pytest.fixture
def factory(tmp_path: Path) -> Iterator[sessionmaker[Session]]:
    """Return a maker of plain sessions over an empty database, with a pool of one."""
    engine = sa.create_engine(
        f"sqlite:///{tmp_path}/plain.db",
        connect_args={"timeout": 0},
        pool_size=1,
        max_overflow=0,
        pool_timeout=0.01,
    )
    Base.metadata.create_all(engine)
    yield sessionmaker(engine)
    engine.dispose()


@pytest.fixture
async def afactory(tmp_path: Path) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Return the same of asynchronous sessions."""
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{tmp_path}/awaited.db",
        pool_size=1,
        max_overflow=0,
        pool_timeout=0.01,
        poolclass=sa.AsyncAdaptedQueuePool,
    )
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield async_sessionmaker(engine)
    await engine.dispose()


def note(text: str) -> Callable[[Session], None]:
    """Return work that saves a note."""
    return lambda session: session.add(Note(text=text))


@contextmanager
def held(path: Path, *statements: str) -> Iterator[sqlite3.Connection]:
    """Open a second connection that has said *statements* and keeps its locks."""
    with closing(
        sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    ) as connection:
        for statement in statements:
            connection.execute(statement).fetchone()
        yield connection


# ------------------------------------------------------------------ trying again


def test_what_the_work_returns_comes_back_once_it_is_saved(database: Database) -> None:
    """The plain case: one try, one COMMIT."""

    def work(session: Session) -> int:
        session.add(Note(text="a"))
        session.flush()
        return session.scalars(sa.select(Note.id)).one()

    assert 1 == database.run(work)
    assert ["a"] == database.saved
    assert [] == database.told


def test_a_busy_database_is_asked_again(database: Database) -> None:
    """SQLite lets one write at a time, and the other will be done in a moment."""
    with held(database.path, "BEGIN IMMEDIATE") as holder:
        database.run(
            note("a"),
            listeners=[database.told.append, lambda _: holder.execute("ROLLBACK")],
        )

    assert ["a"] == database.saved
    assert ["busy"] == database.reasons


def test_objects_of_the_first_try_are_inserted_by_the_second(
    database: Database,
) -> None:
    """They were flushed and not saved; as if in the database, they would be lost."""
    kept = Note(text="a")
    with held(database.path, "BEGIN", "SELECT * FROM sqlite_master") as reader:
        # A reader is in the way of the COMMIT alone.
        database.run(
            lambda session: session.add(kept),
            listeners=[database.told.append, lambda _: reader.execute("ROLLBACK")],
        )

    assert ["a"] == database.saved
    assert ["busy"] == database.reasons


def test_an_outage_that_lasts_is_unavailable(database: Database) -> None:
    """503 with Retry-After, the database's error as its cause, and no parameter."""
    with (
        held(database.path, "BEGIN IMMEDIATE"),
        pytest.raises(Unavailable) as caught,
    ):
        database.run(note(SECRET))

    error = caught.value
    assert isinstance(error.__cause__, sa.exc.OperationalError)
    assert "store_unavailable" == error.code
    assert "1" == error.headers()["Retry-After"]
    assert 3 == database.tries
    assert [1, 2] == [e.attempt for e in database.told]  # type: ignore[attr-defined]
    said = f"{error!r} {error.problem()} {error.__cause__} {database.told}"
    assert SECRET not in said


def test_the_wait_is_jittered_and_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All who failed together must not come back together."""
    rolls = iter((0.5, 0.25))
    monkeypatch.setattr(random, "random", lambda: next(rolls, 0.0))
    with held(database.path, "BEGIN IMMEDIATE"), pytest.raises(Unavailable):
        database.run(note("a"), backoff=Backoff(first=0.002, cap=1.0))

    assert [0.001, 0.001] == [e.wait for e in database.told]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "error",
    [
        ValueError("mine"),
        Refused("permission_denied"),
        ConnectionError("of another service"),
        TimeoutError("of another service"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_work_undoes_it_and_comes_out(
    database: Database, error: Exception
) -> None:
    """It is not the database's, so trying again would not help."""

    def work(session: Session) -> None:
        session.execute(sa.insert(Note).values(text="a"))
        raise error

    with pytest.raises(type(error)) as caught:
        database.run(work)

    assert error is caught.value
    assert 1 == database.tries
    assert [] == database.saved


def test_a_violated_constraint_comes_out_as_it_is(database: Database) -> None:
    """It is found while the objects are sent, after the work has returned."""
    database.run(note("a"))
    with pytest.raises(sa.exc.IntegrityError):
        database.run(note("a"))

    assert 2 == database.tries


def test_an_error_with_an_outage_as_its_cause_is_the_works_own(
    database: Database,
) -> None:
    """Whoever translated it has decided what it means."""

    def work(session: Session) -> None:
        try:
            session.execute(sa.insert(Note).values(text="a"))
        except sa.exc.OperationalError as error:
            raise LookupError from error

    with held(database.path, "BEGIN IMMEDIATE"), pytest.raises(LookupError):
        database.run(work)

    assert 1 == database.tries


def test_a_savepoint_that_fails_is_the_works_own_business(database: Database) -> None:
    """What it undid is undone, the rest is saved."""

    def work(session: Session) -> None:
        session.add(Note(text="a"))
        session.flush()
        with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
            session.add(Note(text="a"))
        session.add(Note(text="b"))

    database.run(work)

    assert ["a", "b"] == database.saved


# ------------------------------------------------------------------ time


def test_no_try_begins_when_the_time_is_over(database: Database) -> None:
    """The caller has been told something else already."""
    clock = FrozenClock()
    with Deadline.after(1, clock=clock):
        clock.advance(2)
        with pytest.raises(DeadlineExceeded) as caught:
            database.run(note("a"))

    assert "store_unavailable" == caught.value.code
    assert 0 == database.tries


def test_a_listener_that_takes_its_time_ends_the_trying(database: Database) -> None:
    """No try begins when the time is over."""
    clock = FrozenClock()
    with (
        held(database.path, "BEGIN IMMEDIATE"),
        Deadline.after(1, clock=clock),
        pytest.raises(DeadlineExceeded),
    ):
        database.run(note("a"), listeners=[lambda _: clock.advance(2)])

    assert 1 == database.tries


def test_no_wait_outlasts_the_deadline(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait that ends after it is not begun."""
    monkeypatch.setattr(random, "random", lambda: 0.9)
    with (
        held(database.path, "BEGIN IMMEDIATE"),
        Deadline.after(5, clock=FrozenClock()),
        pytest.raises(Unavailable),
    ):
        database.run(note("a"), backoff=Backoff(first=6, cap=6))

    assert 1 == database.tries


def test_an_exhausted_pool_is_not_waited_for_twice(
    factory: sessionmaker[Session],
) -> None:
    """Whoever waits again makes the queue longer."""
    told: list[Event] = []
    with factory() as other:
        other.connection()
        with pytest.raises(Unavailable, match="pool_exhausted") as caught:
            run_in_transaction(factory, note("a"), listeners=[told.append])

    assert isinstance(caught.value.__cause__, sa.exc.TimeoutError)
    assert [] == told


async def test_an_exhausted_pool_is_not_awaited_twice(
    afactory: async_sessionmaker[AsyncSession],
) -> None:
    """The same of the other twin."""

    async def work(session: AsyncSession) -> None:
        await session.execute(sa.select(1))

    async with afactory() as other:
        await other.connection()
        with pytest.raises(Unavailable, match="pool_exhausted"):
            await arun_in_transaction(afactory, work)


# ------------------------------------------------------------------ interrupted


def test_an_interrupt_rolls_back_and_passes(factory: sessionmaker[Session]) -> None:
    """Ctrl-C is no error of the database."""

    def work(session: Session) -> None:
        session.execute(sa.insert(Note).values(text="a"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in_transaction(factory, work)

    # The pool has one connection: it came back.
    assert 0 == run_in_transaction(factory, count)


def count(session: Session) -> int:
    """Return how many notes there are."""
    return session.scalars(sa.select(sa.func.count(Note.id))).one()


async def test_a_cancelled_task_rolls_back_and_passes(
    afactory: async_sessionmaker[AsyncSession],
) -> None:
    """A client that went away must not cost a connection."""
    inside = asyncio.Event()

    async def work(session: AsyncSession) -> None:
        await session.execute(sa.insert(Note).values(text="a"))
        inside.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(arun_in_transaction(afactory, work))
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async def counted(session: AsyncSession) -> int:
        return await session.run_sync(count)

    assert 0 == await arun_in_transaction(afactory, counted)


@pytest.mark.parametrize("invalidates", [True, False])
def test_a_session_that_cannot_even_be_closed_hides_nothing(
    *, invalidates: bool
) -> None:
    """What the work raised says more than that."""
    asked: list[str] = []

    class Stubborn(Session):
        """Fails to end."""

        def close(self) -> None:
            """Fail."""
            asked.append("close")
            raise OSError

        def invalidate(self) -> None:
            """Close at last, or fail too."""
            asked.append("invalidate")
            if not invalidates:
                raise OSError
            super().invalidate()

    with pytest.raises(ZeroDivisionError):
        run_in_transaction(sessionmaker(class_=Stubborn), lambda _: 1 / 0)

    assert ["close", "invalidate"] == asked


# ------------------------------------------------------------------ misuse


def passed_over(session: Session) -> None:
    """Catch the error of a flush and go on."""
    session.add(Note(text="a"))
    session.flush()
    session.add(Note(text="a"))
    with pytest.raises(sa.exc.IntegrityError):
        session.flush()


def commits_and_hides_it(session: Session) -> None:
    """Pass over the refusal of a COMMIT."""
    session.execute(sa.insert(Note).values(text="a"))
    with pytest.raises(ConfigError):
        session.connection().commit()


def saving(then: Callable[[Session], object]) -> Callable[[Session], object]:
    """Return work that saves a note and *then* does something else."""

    def work(session: Session) -> object:
        session.execute(sa.insert(Note).values(text="a"))
        return then(session)

    return work


async def nothing() -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("work", "said"),
    [
        pytest.param(saving(Session.commit), "commits by itself", id="commit"),
        pytest.param(
            saving(lambda session: session.connection().commit()),
            "commits by itself",
            id="commit-of-the-connection",
        ),
        pytest.param(commits_and_hides_it, "commits by itself", id="hidden-commit"),
        pytest.param(saving(Session.rollback), "ended its", id="rollback"),
        pytest.param(saving(Session.close), "ended its", id="close"),
        pytest.param(
            lambda session: [session.commit(), session.add(Note(text="a"))],
            "ended its",
            id="empty-commit",
        ),
        pytest.param(passed_over, "went on", id="failed-flush"),
        pytest.param(
            saving(lambda _: (each for each in "a")), "generator", id="generator"
        ),
        pytest.param(saving(lambda _: nothing()), "async def", id="coroutine"),
        pytest.param(saving(lambda session: session), "values", id="session"),
        pytest.param(
            saving(lambda session: session.execute(sa.select(Note))),
            r"\.all\(\)",
            id="result",
        ),
        pytest.param(
            saving(lambda session: session.scalars(sa.select(Note))),
            r"\.all\(\)",
            id="scalars",
        ),
        pytest.param(
            lambda session: session.connection(
                execution_options={"isolation_level": "AUTOCOMMIT"}
            ).execute(sa.insert(Note).values(text="a")),
            "AUTOCOMMIT",
            id="autocommit",
        ),
        pytest.param(
            saving(lambda session: run_in_transaction(lambda: session, count)),
            "inside the work of another",
            id="nested",
        ),
    ],
)
def test_a_session_is_used_as_it_was_lent(
    database: Database, work: Callable[[Session], object], said: str
) -> None:
    """Each is refused before anything is saved."""
    with pytest.raises(ConfigError, match=said):
        database.run(work)

    assert [] == database.saved
    assert 1 == database.tries


async def plain(_: AsyncSession) -> None:
    """Stand for work that is awaited."""


def used() -> Session:
    """Return a session that holds something already."""
    session = Session()
    session.add(Note(text="a"))
    return session


FACTORY = sessionmaker(sa.create_engine("sqlite://"))


@pytest.mark.parametrize(
    ("given", "work", "said"),
    [
        pytest.param(None, count, "None", id="none"),
        pytest.param(FACTORY(), count, "type Session", id="a-session"),
        pytest.param(sa.create_engine("sqlite://"), count, "Engine", id="an-engine"),
        pytest.param(scoped_session(FACTORY), count, "shared", id="scoped"),
        pytest.param(dict, count, "a Session, not an object of type dict", id="dict"),
        pytest.param(nothing, count, "coroutine", id="async-def"),
        pytest.param(AsyncSession, count, "; arun_in_transaction", id="asynchronous"),
        pytest.param(used, count, "in use", id="used"),
        pytest.param(FACTORY, plain, "arun_in_transaction", id="async-work"),
        pytest.param(FACTORY, None, "callable", id="no-work"),
    ],
)
def test_a_factory_makes_plain_sessions(given: Any, work: Any, said: str) -> None:
    """And what it makes is new each time."""
    with pytest.raises(ConfigError, match=said):
        run_in_transaction(given, work)


@pytest.mark.parametrize(
    ("given", "work", "said"),
    [
        pytest.param(FACTORY(), plain, "async_sessionmaker", id="a-session"),
        pytest.param(FACTORY, plain, "; run_in_transaction takes", id="plain"),
        pytest.param(
            async_scoped_session(async_sessionmaker(), lambda: 1),
            plain,
            "shared",
            id="scoped",
        ),
        pytest.param(AsyncSession, lambda _: 1, "async def", id="plain-work"),
        pytest.param(AsyncSession, None, "callable", id="no-work"),
    ],
)
async def test_a_factory_makes_asynchronous_sessions(
    given: Any, work: Any, said: str
) -> None:
    """The same of the other twin."""
    with pytest.raises(ConfigError, match=said):
        await arun_in_transaction(given, work)


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0},
        {"attempts": True},
        {"idempotent": 1},
        {"backoff": 0.5},
        {"listeners": print},
    ],
    ids=lambda options: next(iter(options)),
)
def test_nonsense_is_refused_before_a_session_is_made(options: Any) -> None:
    """Told where it is given."""
    with pytest.raises(ConfigError):
        run_in_transaction(pytest.fail, count, **options)


def test_an_older_sqlalchemy_tells_less_of_autocommit() -> None:
    """Before 2.0.43, what the engine was made with could not be asked."""
    driver = SimpleNamespace(driver_connection=None, dbapi_connection=None)
    connection: Any = SimpleNamespace(
        get_execution_options=dict,
        dialect=SimpleNamespace(name="postgresql"),
        connection=driver,
    )

    assert not watched.saves_each_statement(connection)


def test_an_engine_that_is_made_in_autocommit_is_refused(tmp_path: Path) -> None:
    """SQLite's is one whose driver says no BEGIN, and nobody else does."""
    url = f"sqlite:///{tmp_path}/rows.db"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    Base.metadata.create_all(engine)
    with pytest.raises(ConfigError, match="AUTOCOMMIT"):
        run_in_transaction(sessionmaker(engine), note("a"))

    assert 0 == run_in_transaction(sessionmaker(sa.create_engine(url)), count)


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_transaction_that_sqlite_rolled_back_is_no_success(
    goes_on: bool,  # noqa: FBT001 - a case
    database: Database,
) -> None:
    """``OR ROLLBACK`` and a full disk undo everything, not the statement alone."""

    def work(session: Session) -> None:
        session.execute(sa.insert(Note).values(text="a"))
        with suppress(sa.exc.DBAPIError):
            session.execute(
                sa.text("INSERT OR ROLLBACK INTO notes (text) VALUES ('a')")
            )
        if goes_on:
            session.execute(sa.insert(Note).values(text="b"))

    with pytest.raises(ConfigError, match="went on"):
        database.run(work)

    assert [] == database.saved


def test_a_savepoint_that_comes_first_is_fine(database: Database) -> None:
    """Python's sqlite3 begins no transaction for it, so that RELEASE ends it."""

    def work(session: Session) -> None:
        with session.begin_nested():
            session.execute(sa.text("SELECT 1"))
        session.execute(sa.insert(Note).values(text="a"))

    database.run(work)

    assert ["a"] == database.saved


def test_one_session_for_all_tries_is_refused(tmp_path: Path) -> None:
    """The second try would begin with what the first one left."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/a.db", poolclass=sa.NullPool)
    one = Session(engine)
    run_in_transaction(lambda: one, lambda session: session.execute(sa.select(1)).all())
    with pytest.raises(ConfigError, match="has ended"):
        run_in_transaction(lambda: one, count)


def test_a_session_that_was_kept_says_so(database: Database) -> None:
    """It would open a transaction that nobody ends; and again, and again."""
    kept: list[Session] = []
    database.run(kept.append)

    for _ in range(2):
        with pytest.raises(ConfigError, match="has ended"):
            kept[0].scalars(sa.select(Note)).all()
        with pytest.raises(ConfigError, match="has ended"):
            kept[0].add(Note(text="a"))
    assert not kept[0].in_transaction()


async def test_a_task_that_outlives_its_run_may_run_its_own(
    afactory: async_sessionmaker[AsyncSession],
) -> None:
    """It has inherited the context, in which the run is over."""
    over = asyncio.Event()

    async def later() -> None:
        await over.wait()
        await arun_in_transaction(afactory, plain)

    async def starts(_: AsyncSession) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(later())]

    (task,) = await arun_in_transaction(afactory, starts)
    over.set()
    await task


def test_a_run_leaves_its_context_as_it_was(database: Database) -> None:
    """After a failure too, the next one is no nested one."""
    before = contextvars.copy_context()
    with pytest.raises(ZeroDivisionError):
        database.run(lambda _: 1 / 0)

    assert dict(before) == dict(contextvars.copy_context())
    database.run(note("a"))


# ------------------------------------------------------------------ COMMIT


def of_two(tmp_path: Path) -> Callable[[], Session]:
    """Return a maker of sessions over two databases."""
    engines = [
        sa.create_engine(f"sqlite:///{tmp_path}/{name}.db", connect_args={"timeout": 0})
        for name in ("one", "two")
    ]
    for engine in engines:
        Base.metadata.create_all(engine)

    class Routed(Session):
        """Asks the first or the second, as the statement says."""

        def get_bind(self, *_: Any, clause: Any = None, **__: Any) -> Any:
            options = {} if clause is None else clause.get_execution_options()
            return engines[options.get("database", 0)]

    return sessionmaker(class_=Routed)


def test_two_databases_of_which_one_has_saved_are_unknown(tmp_path: Path) -> None:
    """Tried again, the one that saved would save twice."""
    tries = []

    def work(session: Session) -> None:
        tries.append(session)
        for number in (0, 1):
            insert = sa.insert(Note).values(text="a")
            session.execute(insert.execution_options(database=number))

    factory = of_two(tmp_path)
    # SQLAlchemy commits them in no certain order, so both have a reader in the way
    # until the first has been asked.
    with (
        held(tmp_path / "two.db", "BEGIN", "SELECT * FROM sqlite_master") as reader,
        held(tmp_path / "one.db", "BEGIN", "SELECT * FROM sqlite_master") as other,
    ):
        first: list[sa.Connection] = []

        def let_go(connection: sa.Connection) -> None:
            if not first:
                first.append(connection)
                named = str(connection.engine.url)
                (reader if named.endswith("two.db") else other).execute("ROLLBACK")

        event.listen(sa.Engine, "commit", let_go)
        try:
            with pytest.raises(CommitOutcomeUnknown):
                run_in_transaction(factory, work, backoff=SOON)
        finally:
            event.remove(sa.Engine, "commit", let_go)

    assert 1 == len(tries)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ValueError, ValueError),
        (sa.exc.OperationalError("", {}, Exception()), CommitOutcomeUnknown),
    ],
    ids=["bug", "outage"],
)
def test_what_fails_after_the_commit_is_not_tried_again(
    factory: sessionmaker[Session], error: Any, raised: type[Exception]
) -> None:
    """A hook that fails then has nothing to undo."""

    def fail(_: Session) -> None:
        raise error

    event.listen(factory, "after_commit", fail)
    with pytest.raises(raised):
        run_in_transaction(factory, note("a"))
    event.remove(factory, "after_commit", fail)

    assert 1 == run_in_transaction(factory, count)


def test_an_unknown_outcome_asks_nobody_to_try_again() -> None:
    """A client that repeats it by itself would be the blind second try."""
    error = CommitOutcomeUnknown("transfer", 2)

    assert (503, "store_unavailable") == (error.status, error.code)
    assert "give_up" == error.problem()["action"]
    assert {} == error.headers()
    assert "may or may not have been saved" in str(error)
    assert "may or may not have been saved" in error.detail
    assert ("transfer", 2) == (error.operation, error.attempt)


class DriverError(Exception):
    """Stands for what a driver raises."""

    def __init__(self, *args: object, **said: object) -> None:
        super().__init__(*args)
        self.__dict__.update(said)


def wrapped(
    *args: object,
    kind: type[sa.exc.DBAPIError] = sa.exc.OperationalError,
    lost: bool = False,
    cause: Exception | None = None,
    **said: object,
) -> sa.exc.DBAPIError:
    """Return what SQLAlchemy makes of it."""
    cause = cause or DriverError(*args, **said)
    error = kind("INSERT", {}, cause, connection_invalidated=lost)
    error.__cause__ = cause
    return error


BUG = sa.exc.IntegrityError


@pytest.mark.parametrize(
    ("error", "before", "during"),
    [
        pytest.param(wrapped(sqlstate="40001"), "retry", "retry", id="serialization"),
        pytest.param(wrapped(pgcode="40P01"), "retry", "retry", id="deadlock"),
        pytest.param(wrapped(sqlstate="55P03"), "retry", "retry", id="lock"),
        pytest.param(wrapped(1213, "…"), "retry", "retry", id="mysql-deadlock"),
        pytest.param(wrapped(1205, "…"), "retry", "retry", id="mysql-lock"),
        pytest.param(wrapped(sqlite_errorcode=5), "retry", "retry", id="busy"),
        pytest.param(wrapped(sqlite_errorcode=517), "retry", "retry", id="snapshot"),
        pytest.param(wrapped(sqlstate="57P01"), "retry", "unknown", id="shutdown"),
        pytest.param(wrapped(sqlstate="57P02"), "retry", "unknown", id="crash"),
        pytest.param(wrapped(sqlstate="08006"), "retry", "unknown", id="08006"),
        pytest.param(
            wrapped(lost=True, kind=sa.exc.InterfaceError),
            "retry",
            "unknown",
            id="lost",
        ),
        pytest.param(
            wrapped(lost=True, sqlstate="40001"), "retry", "unknown", id="lost-race"
        ),
        pytest.param(
            wrapped(cause=asyncpg.InternalClientError(), kind=sa.exc.DBAPIError),
            "retry",
            "unknown",
            id="asyncpg-died",
        ),
        pytest.param(wrapped("no server"), "retry", "unknown", id="unreachable"),
        pytest.param(sa.exc.DisconnectionError(), "retry", "unknown", id="pool"),
        pytest.param(
            sa.exc.PendingRollbackError(code="8s2b"), "retry", "retry", id="went-on"
        ),
        pytest.param(
            sa.exc.PendingRollbackError(code="7s2a"), "raise", "raise", id="flush"
        ),
        pytest.param(
            wrapped(sqlstate="57014"), "unavailable", "unavailable", id="cancelled"
        ),
        pytest.param(
            wrapped(sqlstate="53300"), "unavailable", "unavailable", id="too-many"
        ),
        pytest.param(wrapped(sqlstate="40003"), "unavailable", "unknown", id="unsure"),
        pytest.param(
            wrapped(sqlite_errorcode=13), "unavailable", "unavailable", id="disk-full"
        ),
        pytest.param(
            wrapped(sqlite_errorcode=10), "unavailable", "unknown", id="sqlite-io"
        ),
        pytest.param(
            wrapped(kind=sa.exc.InterfaceError), "unavailable", "unknown", id="misuse"
        ),
        pytest.param(sa.exc.TimeoutError(), "unavailable", "unknown", id="exhausted"),
        pytest.param(wrapped(kind=BUG, sqlstate="23505"), "raise", "raise", id="twice"),
        pytest.param(wrapped(sqlite_errorcode=1), "raise", "raise", id="no-table"),
        pytest.param(sa.exc.InvalidRequestError(), "raise", "raise", id="bug"),
        pytest.param(ConnectionError(), "raise", "unknown", id="of-others"),
    ],
)
def test_what_follows_from_an_error(error: Exception, before: str, during: str) -> None:
    """The error and how far COMMIT came, and nothing else, decide."""
    standings: tuple[Standing, ...] = ("open", "committing", "saved", "partly")
    after = "raise" if before == "raise" else "unknown"

    assert [before, during, after, "unknown"] == [
        outcome_of(error, standing).fate for standing in standings
    ]


# ------------------------------------------------------------------ nothing is left


def test_nothing_is_left_of_a_session(factory: sessionmaker[Session]) -> None:
    """The listeners on it go with it."""

    def work(session: Session) -> "weakref.ref[Session]":
        session.add(Note())
        session.expunge_all()
        session.execute(sa.select(1)).all()
        return weakref.ref(session)

    run_in_transaction(factory, work)
    gc.collect()
    before = len(registry._key_to_collection)
    ends = [run_in_transaction(factory, work) for _ in range(20)]
    gc.collect()

    assert [None] * 20 == [end() for end in ends]
    assert before == len(registry._key_to_collection)


def test_a_connection_of_the_users_is_left_as_it_was(tmp_path: Path) -> None:
    """Tests run each in a transaction of their own, on one connection."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/a.db", poolclass=sa.NullPool)
    with engine.connect() as connection:
        Base.metadata.create_all(connection)
        factory = sessionmaker(connection, join_transaction_mode="create_savepoint")
        for text in ("a", "b"):
            run_in_transaction(factory, note(text))
        with Session(connection) as session:
            assert 2 == count(session)
        connection.commit()
        connection.execute(sa.select(1)).all()
        connection.commit()
