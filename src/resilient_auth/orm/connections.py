"""
Is the database there? Asked by whoever connects, so that an outage is met once.

`guard_engine` puts a breaker around the engine's connect, and tells when the database
was lost and when it is back. Theory of operation:

* **Connect.** SQLAlchemy's public event ``do_connect`` lets us connect in its place,
  with a ticket of the breaker. After a few failures in a row the others are refused at
  once; one of them is let through every so often, and when it succeeds, all are. What
  was never an outage (a wrong password that asyncpg names) and what was cancelled count
  as nothing. It runs in the caller's thread, or in SQLAlchemy's greenlet within the
  caller's task, and holds no lock meanwhile.
* **Outages.** They are numbered. A connection knows the number under which it was begun
  (in its record's ``info``), so that those which die of an outage that was told before,
  some of them long after the database is back, tell nothing again.
* **Lost.** A connect that fails, or a connection that the driver calls broken: the
  pool's event ``invalidate`` hears of it from statements, pre-pings and resets alike.
  We do not listen to ``handle_error``, which would make each statement dearer.
* **Back.** The first connection that was begun after that. One that was begun before
  and came through is asked once more whether it lives.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

from resilient_auth.clock import Clock, SystemClock
from resilient_auth.core import arguments
from resilient_auth.core.outage import is_out_of_connections, is_outage, sqlstate_of
from resilient_auth.errors import CircuitOpen, ConfigError, Unavailable, answer_with
from resilient_auth.events import DatabaseLost, DatabaseReconnected, Listener, tell
from resilient_auth.orm.outcomes import TOO_SLOW
from resilient_auth.resilience.asking import is_asking
from resilient_auth.resilience.breaker import Breaker, Circuit, Ticket
from resilient_auth.resilience.forks import watch
from resilient_auth.resilience.policy import Backoff, Policy, Timeouts, Trip
from resilient_auth.resilience.verdict import KINDS

_OUTAGE = "resilient_auth_outage"
#: The server ended one connection, since it was idle for too long, or what
#: `outcomes` calls too slow: nothing is lost.
_ENDED_ALONE = TOO_SLOW | {"57P05"}

_guarded: WeakSet[Dialect] = WeakSet()


class DatabaseAway(CircuitOpen):
    """The database *key* is away: nobody connects for *retry_in* seconds more."""

    code: str = "store_unavailable"
    detail: str = "The database is not available right now."


class DatabaseGuard:
    """
    The breaker around an engine's connect, and the memory of outages: `guard_engine`.

    May be used from any thread. `BreakerCheck` takes it.
    """

    def __init__(
        self,
        dialect: Dialect,
        name: str,
        policy: Policy,
        listeners: tuple[Listener, ...],
        clock: Clock,
    ) -> None:
        self.name: str = name
        self._dialect = dialect
        self._listeners = listeners
        self._clock = clock
        self._breaker = Breaker(name, policy, clock, listeners)
        # A connection that is collected while we hold it may come back in here.
        self._lock = threading.RLock()
        self._outages = 0
        self._lost_at: float | None = None
        watch(self)

    @property
    def state(self) -> str:
        """Return ``closed``, ``open`` or ``half_open``."""
        return self._breaker.view().state

    def snapshot(self) -> dict[str, Circuit]:
        """Return what the circuit looks like now, by the database's name."""
        return {self.name: self._breaker.view()}

    def begin_in_child(self) -> None:
        """Let a forked child have locks and permits of its own."""
        self._lock = threading.RLock()
        self._breaker.forget_calls()

    def listen(self, engine: sa.Engine) -> None:
        """Hear of what happens to the connections of *engine*."""
        handlers: Mapping[str, Callable[..., Any]] = {
            "do_connect": self._connect,
            "connect": self._on_connect,
            "invalidate": self._on_invalidate,
        }
        for name, handler in handlers.items():
            event.listen(engine, name, handler)

    def __repr__(self) -> str:
        return f"<DatabaseGuard {self.name!r}: {self.state}>"

    # ------------------------------------------------------------ connecting

    def _connect(
        self,
        dialect: Dialect,
        record: ConnectionPoolEntry,
        cargs: Iterable[Any],
        cparams: Mapping[str, Any],
    ) -> DBAPIConnection:
        """Connect in place of SQLAlchemy, if the breaker lets us."""
        outages = self._outages
        record.info[_OUTAGE] = outages
        ticket = None if is_asking() else self._admit()
        try:
            connection = dialect.connect(*cargs, **cparams)
        except Exception as error:
            is_away = is_outage(error)
            if is_away and not is_out_of_connections(error):
                self._lost(_reason_of(error), outages)
            self._give_back(ticket, "connection" if is_away else "bug")
            if is_away:
                answer_with(error, self._refusal(error))
            raise
        except BaseException:
            self._give_back(ticket, "cancelled")
            raise
        if ticket is None:  # it answers a health check, so the next caller may try
            self._breaker.end_wait()
        else:
            self._breaker.succeed(ticket)
        return connection

    def _admit(self) -> Ticket:
        try:
            return self._breaker.admit()
        except CircuitOpen as error:
            raise DatabaseAway(self.name, error.retry_in) from None

    def _give_back(self, ticket: Ticket | None, kind: str) -> None:
        if ticket is not None:
            self._breaker.fail(ticket, KINDS[kind])

    def _refusal(self, error: Exception) -> Unavailable:
        """Return what a client is to be told of a connect that failed."""
        retry_in = self._breaker.view().retry_in or None
        reason = f"database {self.name!r}: {_reason_of(error)}"
        return Unavailable("store_unavailable", retry_after=retry_in, reason=reason)

    # ------------------------------------------------------------ outages

    def _on_connect(self, made: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        """Hear of a new connection, set up and ready."""
        outages = self._outages
        begun = record.info.setdefault(_OUTAGE, -1 if self._is_lost else outages)
        if not self._is_lost:
            return
        if begun != outages:
            if not self._lives(made):
                return
            record.info[_OUTAGE] = outages
        self._found(outages)

    def _on_invalidate(
        self,
        broken: DBAPIConnection,
        record: ConnectionPoolEntry,
        error: BaseException | None,
    ) -> None:
        """Hear of a connection that is thrown away; not of every one it was lost."""
        if error is None or not self._is_loss(error, broken):
            return
        reason = _reason_of(error)
        if reason not in _ENDED_ALONE:
            self._lost(reason, record.info.get(_OUTAGE, 0))

    def _is_loss(self, error: BaseException, connection: DBAPIConnection) -> bool:
        """Say whether *error* means that *connection* is dead; else it was unwanted."""
        if isinstance(error, exc.DisconnectionError):
            return True
        return isinstance(
            error, self._dialect.loaded_dbapi.Error
        ) and self._dialect.is_disconnect(error, connection, None)

    def _lives(self, connection: DBAPIConnection) -> bool:
        try:
            self._dialect.do_ping(connection)
            connection.rollback()
        except self._dialect.loaded_dbapi.Error:
            return False
        return True

    @property
    def _is_lost(self) -> bool:
        return self._lost_at is not None

    def _lost(self, reason: str, begun: int) -> None:
        """Tell of a new outage; what was *begun* before the last one is of that."""
        with self._lock:
            if self._is_lost or begun < self._outages:
                return
            self._outages += 1
            self._lost_at = self._clock.monotonic()
        lost = DatabaseLost(at=self._clock.time(), database=self.name, reason=reason)
        tell(self._listeners, lost)

    def _found(self, outages: int) -> None:
        """Tell that outage number *outages* is over, if it is not."""
        with self._lock:
            if self._lost_at is None or outages != self._outages:
                return
            away = self._clock.monotonic() - self._lost_at
            self._lost_at = None
        found = DatabaseReconnected(
            at=self._clock.time(), database=self.name, away=away
        )
        tell(self._listeners, found)


def guard_engine(
    engine: sa.Engine | AsyncEngine,
    *,
    name: str = "database",
    failures: int = 3,
    open_for: float = 1.0,
    listeners: Iterable[Listener] = (),
    clock: Clock | None = None,
) -> DatabaseGuard:
    """
    Put a breaker around the connects of *engine*, and tell when its database is lost.

    After *failures* connects in a row that failed, the others are `Unavailable` at once
    (503 ``store_unavailable`` with ``Retry-After``), and every *open_for* seconds one
    of them tries; as soon as it succeeds, all go through. Connections that live are
    used as ever. *listeners* are told `DatabaseLost` and `DatabaseReconnected`, once
    for each outage, and what the breaker does. They are called in the middle of a
    connect, so they do not use this engine; *name* is what they call the database, and
    no event holds its address, a statement or a parameter.

    Call it once, after listeners to ``do_connect`` of your own (for a password that
    changes, say): SQLAlchemy asks no more of them once a connection is made. An engine
    with a ``creator`` connects past the breaker, and only its outages are told.

    Raises: `ConfigError` for an engine that is guarded already, or is none.
    """
    if not isinstance(engine, sa.Engine | AsyncEngine):
        raise ConfigError("guard_engine takes an Engine or an AsyncEngine.")
    arguments.text("name", name)
    arguments.count("failures", failures)
    arguments.seconds("open_for", open_for)
    if clock is not None:
        arguments.methods("clock", clock, "time", "monotonic")
    told = arguments.listeners_of(listeners)
    plain = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    if plain.dialect in _guarded:
        raise ConfigError(
            "This engine is guarded already, be it under another set of options: call "
            "guard_engine once, where the engine is made."
        )
    guard = DatabaseGuard(
        plain.dialect,
        name,
        _policy(failures, open_for),
        told,
        SystemClock() if clock is None else clock,
    )
    _guarded.add(plain.dialect)
    guard.listen(plain)
    return guard


def _policy(failures: int, open_for: float) -> Policy:
    """Return the policy of a breaker alone, which opens after *failures* in a row."""
    return Policy(
        attempts=1,
        backoff=Backoff(),
        retry_after_cap=0.0,
        budget=None,
        trip=Trip(failure_rate=1.0, window=failures, minimum=failures, slow_after=None),
        open_for=open_for,
        open_for_max=open_for,
        probes=1,
        timeouts=Timeouts(total=None, attempt=None, first_content=None, idle=None),
        bulkhead=None,
    )


def _reason_of(error: BaseException) -> str:
    """Return why, in one word that holds nothing of the database or its users."""
    if isinstance(error, exc.InvalidatePoolError):
        return "pre_ping"  # the pool does not say what that met
    return sqlstate_of(error) or type(error).__name__
