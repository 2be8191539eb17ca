"""
Is the transaction of this connection still the one that was begun?

SQLAlchemy goes by what was asked of it; the driver knows what came of that. PostgreSQL
answers the COMMIT of a transaction in which a statement failed with ROLLBACK and no
error, SQLite may roll back all by itself, and whoever takes the driver's own cursor can
end anything. So the driver is asked, before each statement and before COMMIT, which
costs no round trip. asyncpg does not tell of a failure: there the server is asked, and
only if the last statement failed or was read in parts.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from sqlalchemy import Connection, exc

State = Literal["none", "open", "failed", "closed"]

#: What libpq says of a transaction, by its number.
_LIBPQ: dict[int, State] = {0: "none", 1: "open", 2: "open", 3: "failed", 4: "closed"}

PASSED_OVER = (
    "A statement failed and the work went on, so that nothing would be saved. Let "
    "errors of the database out of the work, or wrap what may fail in "
    "`with session.begin_nested():`."
)
ENDED = (
    "The work ended its transaction by itself. Leave commit, rollback and close to "
    "run_in_transaction; to undo a part, use begin_nested()."
)


class Watched:
    """
    One *connection* of a transaction, from its beginning to COMMIT.

    `ask`, `answer` and `settle` return what is wrong, to be refused, or nothing.
    """

    def __init__(self, connection: Connection) -> None:
        driver = connection.connection.driver_connection
        is_postgresql = connection.dialect.name == "postgresql"
        self._connection = connection
        self._state: Callable[[], State] | None = _teller(driver)
        self._tells_no_failure = is_postgresql and not hasattr(driver, "info")
        self._is_inside = False
        self._is_in_doubt = False

    @property
    def is_closed(self) -> bool:
        """Say whether the driver knows already that the connection is gone."""
        return self._now() == "closed"

    def ask(self) -> str:
        """Hear that a statement is about to be sent."""
        wrong = self._what_became_of_it()
        self._is_in_doubt = True
        return wrong

    def answer(self, statement: str, *, in_parts: bool) -> str:
        """Hear that a *statement* did not fail; one read *in_parts* may do so yet."""
        was_inside, self._is_inside = self._is_inside, self._now() == "open"
        self._is_in_doubt = in_parts
        # Python's sqlite3 begins no transaction for SAVEPOINT; then RELEASE ends it.
        is_release = statement.lstrip()[:7].upper() == "RELEASE"
        return ENDED if was_inside and not self._is_inside and not is_release else ""

    def settle(self) -> str:
        """Hear that COMMIT is about to be sent; may ask the server."""
        wrong = self._what_became_of_it()
        if wrong or self._now() == "failed":
            return wrong or PASSED_OVER
        if self._is_in_doubt and self._tells_no_failure:
            try:
                self._connection.exec_driver_sql("SELECT 1")
            except exc.DBAPIError as error:
                if error.connection_invalidated:
                    raise
                return PASSED_OVER
        return ""

    def _what_became_of_it(self) -> str:
        if self._is_inside and self._now() == "none":
            return PASSED_OVER if self._is_in_doubt else ENDED
        return ""

    def _now(self) -> State | None:
        """Return how the driver says the transaction stands; None if it does not."""
        if self._state is not None:
            with suppress(Exception):  # one that is closed may refuse to tell
                return self._state()
        return None


def saves_each_statement(connection: Connection) -> bool:
    """Say whether *connection*, whose transaction has begun, is in AUTOCOMMIT."""
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return True
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        # None is also how many have SQLAlchemy alone say BEGIN; then it has said so.
        is_off = getattr(driver, "isolation_level", "") is None
        return is_off and not getattr(driver, "in_transaction", True)
    if isinstance(getattr(driver, "autocommit", None), bool):
        return bool(driver.autocommit)
    with suppress(AttributeError, NotImplementedError):  # SQLAlchemy before 2.0.43
        dbapi_connection = connection.connection.dbapi_connection
        return bool(connection.dialect.detect_autocommit_setting(dbapi_connection))  # type: ignore[arg-type]
    return False


def _teller(driver: Any) -> Callable[[], State] | None:
    """Return what tells how the transaction of *driver*'s connection stands."""
    if hasattr(driver, "info"):  # psycopg, psycopg2
        return lambda: _LIBPQ[int(driver.info.transaction_status)]
    if hasattr(driver, "is_in_transaction"):  # asyncpg
        return lambda: _open(driver.is_in_transaction(), gone=driver.is_closed())
    if hasattr(driver, "in_transaction"):  # sqlite3, aiosqlite
        return lambda: _open(driver.in_transaction)
    return None


def _open(is_inside: object, *, gone: bool = False) -> State:
    if gone:
        return "closed"
    return "open" if is_inside else "none"
