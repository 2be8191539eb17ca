"""
What does an error say about the transaction that met it?

The error alone does not tell: a connection that is lost in the work and one that is
lost during COMMIT look the same, and only the first may simply be tried again. So the
question has two parts, the error and how the transaction stood.

::

    how it stood      what the error is             what follows
    open              a lost race, a lock           retry
    open              the connection is lost        retry
    open              the engine's circuit is open  retry
    open              other trouble of the server   unavailable
    committing        the server's own answer       as if open: it was rolled back
    committing        anything else                 unknown
    saved, partly     trouble                       unknown
    (any)             everything else               raise

Drivers are recognised by what they share (SQLSTATE, PEP 249), and an outage is what
`core.outage` says it is.
"""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import exc

from resilient_auth.core.outage import causes, is_outage, sqlstate_of
from resilient_auth.errors import CircuitOpen

Standing = Literal["open", "committing", "saved", "partly"]
Fate = Literal["retry", "unknown", "unavailable", "raise"]

#: SQLSTATE → why another try may succeed.
_RETRIED = {"40001": "serialization", "40P01": "deadlock", "55P03": "locked"}
#: What a server says before it goes, or while it comes; class 08 besides.
_GONE = frozenset({"57P01", "57P02", "57P03"})
#: What asyncpg says of a connection that died between two requests.
_DIED = "InternalClientError"
#: The server ended the connection of a transaction that took, or idled, too long; the
#: next one would as well.
TOO_SLOW = frozenset({"25P03", "25P04"})
#: A server may say of a COMMIT itself that it does not know (SQL:2016, CockroachDB).
_UNSURE = frozenset({"40003", "08007"})
#: Primary result codes of SQLite.
_SQLITE_RETRIED = {5: "busy", 6: "locked"}
_SQLITE_IO = 10
#: Error numbers of MySQL and MariaDB, whose drivers tell no SQLSTATE.
_NUMBERS = {1213: "deadlock", 1205: "locked"}
#: SQLAlchemy's code for going on after a lost connection was passed over.
_WENT_ON = "8s2b"
#: Where a driver is called, and no code of the user's is.
_DRIVER_CALLS = ("sqlalchemy.pool.", "sqlalchemy.dialects.", "sqlalchemy.connectors.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What follows from an error, and in a word why.

    *answered* says that it came from a server, or a file, that had understood us.
    """

    fate: Fate
    reason: str = ""
    answered: bool = False


def outcome_of(error: Exception, standing: Standing) -> Outcome:
    """Return what follows from *error* for a transaction that stood so."""
    if standing == "partly":
        return Outcome("unknown", "partly_saved")
    if _is_away(error) and standing == "open":
        return Outcome("retry", "unreachable")
    found = _found(error) if _is_of_the_database(error) else Outcome("raise")
    if standing == "open":
        return found
    is_known = found.fate == "raise"
    if standing == "committing":
        # What is nobody's we know may be a hook's translation of an answer, or of none.
        is_answer = is_known and _is_an_answer(sqlstate_of(error))
        is_known = found.answered or is_answer
    return found if is_known else Outcome("unknown", "commit_unknown")


def hide_parameters(error: BaseException) -> None:
    """Let *error*, and what it was raised from, be shown without its parameters."""
    for each in causes(error):
        if isinstance(each, exc.StatementError):
            each.hide_parameters = True


def _found(error: Exception) -> Outcome:
    """Return what *error* of the database says while nothing was committed."""
    if isinstance(error, exc.TimeoutError):
        # Whoever waits for a connection again only adds to the queue.
        return Outcome("unavailable", "pool_exhausted")
    if isinstance(error, exc.PendingRollbackError) and error.code == _WENT_ON:
        return Outcome("retry", "disconnected", answered=True)
    state = sqlstate_of(error)
    if _is_lost(error, state):
        return Outcome("retry", "disconnected")
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return Outcome("retry", "unreachable")  # one that the driver let through
    reason = _reason_to_retry(error, state)
    if reason:
        return Outcome("retry", reason, answered=True)
    if not is_outage(error) and state not in TOO_SLOW:
        return Outcome("raise", answered=True)
    if state:
        return Outcome("unavailable", state, answered=state not in _UNSURE)
    sqlite = _sqlite_code(error)
    if sqlite:
        return Outcome("unavailable", f"sqlite_{sqlite}", answered=sqlite != _SQLITE_IO)
    if isinstance(error, exc.OperationalError):
        return Outcome("retry", "unreachable")
    return Outcome("unavailable", type(error).__name__)


def _is_away(error: Exception) -> bool:
    """Say whether nobody even tried to connect: the breaker of the engine is open."""
    return isinstance(error, CircuitOpen) and error.code == "store_unavailable"


def _is_of_the_database(error: Exception) -> bool:
    """
    Say whether *error* is SQLAlchemy's own, or a driver's that it let through.

    asyncpg's failures to connect are let through, and look like those of any client
    that the work may have called; where they were raised tells them apart.
    """
    if isinstance(error, exc.SQLAlchemyError):
        return True
    step = error.__traceback__
    while step is not None:
        if str(step.tb_frame.f_globals.get("__name__")).startswith(_DRIVER_CALLS):
            return True
        step = step.tb_next
    return False


def _is_an_answer(state: str) -> bool:
    return bool(state) and not _says_gone(state) and state not in _UNSURE


def _says_gone(state: str) -> bool:
    return state in _GONE or state.startswith("08")


def _is_lost(error: Exception, state: str) -> bool:
    if state in TOO_SLOW:
        return False
    if _says_gone(state):
        return True
    if any(type(each).__name__ == _DIED for each in causes(error)):
        return True
    if isinstance(error, exc.DBAPIError):
        return error.connection_invalidated
    return isinstance(error, exc.DisconnectionError)


def _reason_to_retry(error: Exception, state: str) -> str:
    if state:
        return _RETRIED.get(state, "")
    sqlite = _sqlite_code(error)
    if sqlite:
        return _SQLITE_RETRIED.get(sqlite, "")
    said = getattr(getattr(error, "orig", None), "args", ())
    number = said[0] if said else None
    return _NUMBERS.get(number, "") if type(number) is int else ""


def _sqlite_code(error: Exception) -> int:
    """Return SQLite's primary result code; 0 of another database."""
    codes = (getattr(each, "sqlite_errorcode", 0) for each in causes(error))
    return next((code & 0xFF for code in codes if isinstance(code, int) and code), 0)
