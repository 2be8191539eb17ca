"""
What guarding models costs beside bare SQLAlchemy, and transactions that are retried.

Classes are made by `type`, so a guard finds no statement that defines them near by and
looks through the whole stack. The ratio is to the same work without us: 1/1.00 is free.
"""

import gc
import itertools
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session, registry, sessionmaker
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from resilient_auth import (
    GuardedRegistry,
    check_models,
    check_source,
    guard_models,
    run_in_transaction,
)
from tests.benchmarks.measure import Row, race

CLASSES = 400
ROUNDS = 7


def rows() -> Iterator[Row | str]:
    """Yield definitions, requests, the checks and transactions."""
    observed = _base(registry())
    free = _base(registry())
    yield from _definitions(free, observed)
    yield from _requests(free, observed)
    yield from _checks()
    yield from _transactions()


def _base(owner: registry) -> type[DeclarativeBase]:
    return type("Base", (DeclarativeBase,), {"registry": owner})


_numbers = itertools.count()


def _define(base: type[DeclarativeBase]) -> type:
    """Define a class of its own name."""
    name = f"Model{next(_numbers)}"
    said = {
        "__module__": __name__,
        "__tablename__": name.lower(),
        "id": sa.Column(sa.Integer, primary_key=True),
        "text": sa.Column(sa.String),
    }
    return type(name, (base,), said)


def _defined(base: type[DeclarativeBase]) -> float:
    """Return the seconds for one class; they are dropped again."""
    gc.collect()
    start = time.perf_counter()
    kept = [_define(base) for _ in range(CLASSES)]
    spent = (time.perf_counter() - start) / len(kept)
    base.registry.dispose()
    base.metadata.clear()
    return spent


def _best(*contestants: Callable[[], float]) -> list[float]:
    rounds = [[each() for each in contestants] for _ in range(ROUNDS)]
    return [min(each) for each in zip(*rounds, strict=True)]


def _definitions(
    free: type[DeclarativeBase], observed: type[DeclarativeBase]
) -> Iterator[Row]:
    guarded = _base(GuardedRegistry())
    # Before the observer is installed, which hears of every mapper of the process.
    bare, ours = _best(lambda: _defined(free), lambda: _defined(guarded))
    yield Row("one mapped class, GuardedRegistry", ours, "bare SQLAlchemy", bare)
    guard_models(observed)
    bare, ours = _best(lambda: _defined(free), lambda: _defined(observed))
    yield Row("one mapped class, guard_models", ours, "a base without", bare)


def _requests(
    free: type[DeclarativeBase], observed: type[DeclarativeBase]
) -> Iterator[Row]:
    asks = []
    for base in (_base(GuardedRegistry()), observed, free):
        cls = _define(base)
        engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
        base.metadata.create_all(engine)
        with Session(engine) as session, session.begin():
            session.add_all(cls(id=n, text="text") for n in range(20))
        asks.append(_asking(engine, cls))
    guarded, watched, bare = race(*asks)
    yield Row("one query, GuardedRegistry", guarded, "bare SQLAlchemy", bare)
    yield Row("one query, guard_models", watched, "bare SQLAlchemy", bare)


def _asking(engine: sa.Engine, cls: type) -> Callable[[], object]:
    wanted: sa.Select[Any] = sa.select(cls)

    def ask() -> object:
        """Load twenty rows in a session of their own."""
        with Session(engine) as session:
            return session.scalars(wanted).all()

    return ask


def _checks() -> Iterator[Row | str]:
    each: list[float] = []
    for ask in (check_models, lambda base: base.registry.configure()):
        base = _base(GuardedRegistry())
        kept = [_define(base) for _ in range(CLASSES)]
        gc.collect()
        start = time.perf_counter()
        ask(base)
        each.append((time.perf_counter() - start) / len(kept))
    yield Row("check_models at start, for one model", each[0], "configure()", each[1])
    site = Path(sysconfig.get_path("purelib"))
    files = sum(1 for _ in site.rglob("*.py"))
    start = time.perf_counter()
    check_source([site])
    spent = time.perf_counter() - start
    yield f"check_source of {files} installed files: {spent:.1f} s   ≤ 10 s"


def _transactions() -> Iterator[Row]:
    with TemporaryDirectory() as folder:
        engine = sa.create_engine(f"sqlite:///{folder}/bench.db")
        table = sa.Table("t", sa.MetaData(), sa.Column("n", sa.Integer))
        table.create(engine)
        sessions = sessionmaker(engine)
        read = sa.select(table.c.n)

        def work(session: Session) -> object:
            """Read what is there."""
            return session.execute(read).all()

        def ours() -> object:
            """Read in a transaction that would be tried again."""
            return run_in_transaction(sessions, work)

        def bare() -> object:
            """Read in a transaction."""
            with sessions.begin() as session:
                return work(session)

        tenacious = retry(
            stop=stop_after_attempt(3), retry=retry_if_exception_type(DBAPIError)
        )(bare)
        mine, theirs, without = race(ours, tenacious, bare)
        yield Row(
            "one transaction, run_in_transaction", mine, "tenacity around it", theirs
        )
        yield Row(
            "one transaction, run_in_transaction", mine, "session.begin()", without
        )
        engine.dispose()
