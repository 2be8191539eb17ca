"""
Is the session used as it was lent?

`run_in_transaction` lends a session to the work and wants it back in the transaction
that was begun, neither committed nor rolled back. SQLAlchemy's public events tell what
is done with it, so that a COMMIT of the work's own is refused before it is sent. They
also tell what no exception does: whether *our* COMMIT was sent. How each connection
stands is the question of `watched`.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, Result, ScalarResult, event
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
from resilient_auth.orm.watched import (
    ENDED,
    PASSED_OVER,
    Watched,
    saves_each_statement,
)

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
        if session.twophase:
            raise ConfigError(
                "The session commits in two phases (twophase=True), of which the "
                "second may be left to a coordinator; this is for one phase."
            )
        self._watched: dict[Connection, Watched] = {}
        self._committed: list[Connection] = []
        self._committing = False
        self._over = False
        self._misuse: ConfigError | None = None
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
        if self._misuse is not None:
            raise self._misuse
        if session.get_transaction() is not self._root:
            raise ConfigError(ENDED)
        if not session.is_active:
            raise ConfigError(PASSED_OVER)
        self._committing = True
        session.commit()

    def end(self) -> None:
        """Take the session back: whoever kept it can do nothing more with it."""
        self._over = True
        # The session's own connections are gone; one that was the user's is not.
        for connection in self._watched:
            if not connection.closed:
                for name, listener in self._listeners():
                    event.remove(connection, name, listener)

    def _listeners(self) -> Iterator[tuple[str, Callable[..., None]]]:
        """Yield what is to be heard of a connection; each costs microseconds."""
        yield "commit", self._on_commit
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
        if connection in self._watched:
            return
        if saves_each_statement(connection):
            self._refuse(
                "The engine is in AUTOCOMMIT, where each statement is saved at once "
                "and nothing can be rolled back or tried again; give the session an "
                "engine with another isolation_level."
            )
        self._watched[connection] = Watched(connection)
        for name, listener in self._listeners():
            event.listen(connection, name, listener)

    def _on_commit(self, connection: Connection, *_: Any) -> None:
        """Refuse a COMMIT that is not ours; remember that ours is sent."""
        if not self._committing:
            self._refuse(
                "The work commits by itself; run_in_transaction does, once the work "
                "has returned. Leave session.commit() out."
            )
        if not self._committed:  # before the first of several is saved
            if self._misuse is not None:
                raise self._misuse
            for each in self._watched.values():
                self._refuse(each.settle())
        if not self._watched[connection].is_closed:
            self._committed.append(connection)

    def _on_ask(self, connection: Connection, *_: Any) -> None:
        if self._misuse is not None:  # asyncpg would save it at once
            raise self._misuse
        self._refuse(self._watched[connection].ask())

    def _on_answer(self, connection: Connection, *told: Any) -> None:
        _, statement, _, context, _ = told  # as SQLAlchemy's event gives them
        in_parts = context is not None and context.execution_options.get(
            "stream_results", False
        )
        self._refuse(self._watched[connection].answer(statement, in_parts=in_parts))

    def _refuse(self, wrong: str) -> None:
        """Raise what is *wrong*, if anything; and again if that is passed over."""
        if wrong:
            self._misuse = ConfigError(wrong)
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
