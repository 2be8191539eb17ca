"""
Is the session used as it was lent?

`run_in_transaction` lends a session to the work and wants it back in the transaction
that was begun, neither committed nor rolled back. SQLAlchemy's public events tell what
is done with it, so that a COMMIT of the work's own is refused before it is sent. They
also tell what no exception does: whether *our* COMMIT was sent.

PostgreSQL answers the COMMIT of a transaction in which a statement failed with ROLLBACK
and no error. Work that passed over such a failure would be reported as saved; it is
asked before, and only if the last statement failed.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Result, ScalarResult, event, exc
from sqlalchemy.engine import MappingResult
from sqlalchemy.ext.asyncio import (
    AsyncMappingResult,
    AsyncResult,
    AsyncScalarResult,
    AsyncSession,
    async_scoped_session,
)
from sqlalchemy.orm import Session, scoped_session

from resilient_auth.core import arguments
from resilient_auth.errors import ConfigError
from resilient_auth.orm.outcomes import Standing

#: What is of no use once the session is closed → what to return instead.
_LEFTOVERS: tuple[tuple[tuple[type, ...], str], ...] = (
    ((Session, AsyncSession), "the session, which is closed afterwards; return values"),
    (
        (
            *(Result, ScalarResult, MappingResult),
            *(AsyncResult, AsyncScalarResult, AsyncMappingResult),
        ),
        "a result that is read from the session; call .all() or .one() on it",
    ),
)


class Lent:
    """A fresh *session*, begun and watched until `end`."""

    def __init__(self, session: Session) -> None:
        if session.in_transaction() or len(session.identity_map) or session.new:
            raise ConfigError(
                "session_factory gave a session that is in use; it makes a new one for "
                "each try, as sessionmaker(engine) does."
            )
        self._connections: list[Connection] = []
        self._committed: list[Connection] = []
        self._committing = False
        self._over = False
        self._unanswered: Connection | None = None
        self._misuse: ConfigError | None = None
        self._in_two_phases = session.twophase
        event.listen(session, "after_transaction_create", self._on_create)
        event.listen(session, "after_begin", self._on_begin)
        self._root = session.begin()

    @property
    def standing(self) -> Standing:
        """Say how far COMMIT came, for `outcome_of`."""
        open_still = [each.get_transaction() is not None for each in self._committed]
        if not open_still:
            return "open"
        if not any(open_still):
            return "saved"
        return "committing" if len(open_still) == 1 else "partly"

    def commit(self, session: Session) -> None:
        """Send what is left, and COMMIT; refuse a *session* that is not as it was."""
        self._settle(session)
        self._committing = True
        session.commit()

    def end(self) -> None:
        """Take the session back: whoever kept it can do nothing more with it."""
        self._over = True
        # The session's own connections are gone; one that was the user's is not.
        for connection in self._connections:
            if not connection.closed:
                for name, listener in self._listeners(connection):
                    event.remove(connection, name, listener)

    def _settle(self, session: Session) -> None:
        if self._misuse is not None:
            raise self._misuse
        if session.get_transaction() is not self._root:
            raise ConfigError(
                "The work ended its transaction by itself. Leave commit, rollback and "
                "close to run_in_transaction; to undo a part, use begin_nested()."
            )
        if not session.is_active:
            raise _passed_over()
        session.flush()
        connection = self._unanswered
        if connection is not None:
            try:
                connection.exec_driver_sql("SELECT 1")
            except exc.DBAPIError as error:
                if error.connection_invalidated:
                    raise
                raise _passed_over() from None

    def _listeners(
        self, connection: Connection
    ) -> Iterator[tuple[str, Callable[..., None]]]:
        """Yield what is to be heard of *connection*; each costs microseconds."""
        yield "commit_twophase" if self._in_two_phases else "commit", self._on_commit
        if connection.dialect.name == "postgresql":
            yield "before_cursor_execute", self._on_ask
            yield "after_cursor_execute", self._on_answer

    def _on_create(self, session: Session, _: object) -> None:
        """Refuse a transaction after the end."""
        if self._over:
            session.close()
            raise ConfigError(
                "This session belongs to a run_in_transaction that has ended; use it "
                "inside the work alone, and return values."
            )

    def _on_begin(self, _: Session, __: object, connection: Connection) -> None:
        """Watch a *connection* that joins; SAVEPOINTs tell of it again."""
        if connection in self._connections:
            return
        if _saves_each_statement(connection):
            self._refuse(
                "The engine is in AUTOCOMMIT, where each statement is saved at once "
                "and nothing can be rolled back or tried again; give the session an "
                "engine with another isolation_level."
            )
        self._connections.append(connection)
        for name, listener in self._listeners(connection):
            event.listen(connection, name, listener)

    def _on_commit(self, connection: Connection, *_: Any) -> None:
        """Refuse a COMMIT that is not ours; remember that ours is sent."""
        if not self._committing:
            self._refuse(
                "The work commits by itself; run_in_transaction does, once the work "
                "has returned. Leave session.commit() out."
            )
        self._committed.append(connection)

    def _on_ask(self, connection: Connection, *_: Any) -> None:
        self._unanswered = connection

    def _on_answer(self, *_: Any) -> None:
        self._unanswered = None

    def _refuse(self, message: str) -> None:
        """Raise, and again before COMMIT if that was passed over."""
        self._misuse = ConfigError(message)
        raise self._misuse


def refuse_factory(session_factory: object, *, asynchronous: bool) -> None:
    """Refuse what cannot make sessions, before it is called."""
    maker = "async_sessionmaker(engine)" if asynchronous else "sessionmaker(engine)"
    shared = isinstance(session_factory, scoped_session | async_scoped_session)
    if shared or not callable(session_factory):
        given = "a scoped session, which is shared: give its session_factory"
        raise ConfigError(
            f"session_factory makes a new session each time it is called, as {maker} "
            f"does, and this is "
            f"{given if shared else arguments.described(session_factory)}."
        )


def refuse_session(made: object, *, asynchronous: bool) -> None:
    """Refuse what a factory *made*, if it is not the session of this form."""
    wanted, other = (Session, AsyncSession)[:: -1 if asynchronous else 1]
    if isinstance(made, wanted):
        return
    _discard(made)
    form = "run_in_transaction" if asynchronous else "arun_in_transaction"
    way_out = f"; {form} takes it" if isinstance(made, other) else ""
    raise ConfigError(
        f"session_factory is to make a {wanted.__name__}, not "
        f"{arguments.described(made)}{way_out}."
    )


def refuse_result(result: object) -> None:
    """Refuse what can only be used while the session is open, or is no result yet."""
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise ConfigError(
            "The work is a generator, which would run after the COMMIT; return a list."
        )
    if inspect.isawaitable(result):
        _discard(result)
        raise ConfigError(
            "The work returned something to await. Await it inside the work, and give "
            "work that is an async def to arun_in_transaction."
        )
    for kinds, said in _LEFTOVERS:
        if isinstance(result, kinds):
            raise ConfigError(f"The work returned {said}.")


def _discard(unused: object) -> None:
    """Close a coroutine that nobody will await, so that Python does not complain."""
    if inspect.iscoroutine(unused):
        unused.close()


def _passed_over() -> ConfigError:
    return ConfigError(
        "A statement failed and the work went on, so that nothing would be saved. Let "
        "errors of the database out of the work, or wrap what may fail in "
        "`with session.begin_nested():`."
    )


def _saves_each_statement(connection: Connection) -> bool:
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return True
    # On SQLite it is how many have SQLAlchemy alone say BEGIN, and no AUTOCOMMIT.
    if connection.dialect.name == "sqlite":
        return False
    with suppress(AttributeError, NotImplementedError):  # SQLAlchemy before 2.0.43
        dbapi_connection = connection.connection.dbapi_connection
        return bool(connection.dialect.detect_autocommit_setting(dbapi_connection))  # type: ignore[arg-type]
    return False
