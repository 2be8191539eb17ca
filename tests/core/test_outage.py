"""An outage is told from a bug by names, without importing any driver."""

import asyncio
import contextlib
import socket
import sqlite3
import ssl

import asyncpg
import psycopg
import pytest
import redis
import sqlalchemy.exc
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth.core.outage import is_outage


def caused(error: BaseException, *causes: BaseException) -> BaseException:
    """Return *error*, raised from the first cause, which was raised from the next."""
    each = error
    for cause in causes:
        each.__cause__ = cause
        each = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ConnectionRefusedError(), id="refused"),
        pytest.param(ConnectionResetError(), id="reset"),
        pytest.param(BrokenPipeError(), id="pipe"),
        pytest.param(FileNotFoundError(2, "No such file"), id="missing-socket"),
        pytest.param(TimeoutError(), id="timeout"),
        pytest.param(asyncio.TimeoutError(), id="asyncio-timeout"),  # noqa: UP041 - the alias is what is tested
        pytest.param(socket.gaierror(-2, "no such host"), id="dns"),
        pytest.param(OSError("Multiple exceptions"), id="several-addresses"),
        pytest.param(sqlite3.OperationalError("database is locked"), id="sqlite"),
        pytest.param(psycopg.OperationalError(), id="psycopg"),
        pytest.param(psycopg.InterfaceError(), id="psycopg-interface"),
        pytest.param(asyncpg.CannotConnectNowError(), id="asyncpg-starting"),
        pytest.param(asyncpg.TooManyConnectionsError(), id="asyncpg-full"),
        pytest.param(asyncpg.DeadlockDetectedError(), id="asyncpg-deadlock"),
        pytest.param(sqlalchemy.exc.TimeoutError(), id="pool-timeout"),
        pytest.param(redis.exceptions.BusyLoadingError(), id="redis-starting"),
        pytest.param(redis.exceptions.ReadOnlyError(), id="redis-replica"),
        pytest.param(redis.exceptions.OutOfMemoryError(), id="redis-full"),
        pytest.param(redis.exceptions.ClusterDownError("down"), id="redis-cluster"),
        pytest.param(redis.exceptions.SlotNotCoveredError(), id="redis-slot"),
        pytest.param(redis.exceptions.TryAgainError(), id="redis-moving"),
        pytest.param(sqlalchemy.exc.DisconnectionError(), id="pool-disconnect"),
        pytest.param(
            sqlalchemy.exc.OperationalError("", {}, Exception()), id="sqlalchemy"
        ),
        pytest.param(
            caused(
                sqlalchemy.exc.DBAPIError("", {}, Exception()), ConnectionResetError()
            ),
            id="wrapped",
        ),
        pytest.param(
            caused(ValueError(), KeyError(), TimeoutError()), id="wrapped-twice"
        ),
    ],
)
def test_an_outage_is_recognised(error: BaseException) -> None:
    """The user is answered 503 and may try again; nobody is told to log in."""
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ValueError(), id="value"),
        pytest.param(AttributeError("'NoneType' has no attribute 'id'"), id="bug"),
        pytest.param(FileNotFoundError(), id="file"),
        pytest.param(FileNotFoundError(2, "No such file", "a.toml"), id="named-file"),
        pytest.param(PermissionError(), id="permission"),
        pytest.param(ssl.SSLCertVerificationError(), id="certificate"),
        pytest.param(sqlite3.IntegrityError(), id="sqlite-integrity"),
        pytest.param(sqlite3.ProgrammingError(), id="sqlite-programming"),
        pytest.param(psycopg.errors.UndefinedTable(), id="psycopg-table"),
        pytest.param(asyncpg.UniqueViolationError(), id="asyncpg-unique"),
        pytest.param(
            sqlalchemy.exc.IntegrityError("", {}, Exception()), id="sqlalchemy"
        ),
        pytest.param(caused(KeyError(), ValueError()), id="wrapped-bug"),
        pytest.param(KeyboardInterrupt(), id="interrupt"),
        pytest.param(asyncio.CancelledError(), id="cancelled"),
    ],
)
def test_a_bug_stays_a_bug(error: BaseException) -> None:
    """A developer must see it; a 503 would be tried again for ever."""
    assert not is_outage(error)


def test_a_missing_table_is_a_bug_though_sqlite_calls_it_operational() -> None:
    """A migration was forgotten: waiting and trying again will not create it."""
    with (
        contextlib.closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(sqlite3.OperationalError) as caught,
    ):
        connection.execute("SELECT 1 FROM missing")
    wrapped = sqlalchemy.exc.OperationalError("", {}, caught.value)

    assert not is_outage(caught.value)
    assert not is_outage(caused(wrapped, caught.value))


def test_what_was_handled_meanwhile_is_no_cause() -> None:
    """A bug in the handler of an outage is a bug, though Python keeps the context."""
    error = KeyError()
    error.__context__ = TimeoutError()

    assert not is_outage(error)


def test_a_circle_of_causes_ends() -> None:
    """Nothing forbids an exception to be its own cause's cause."""
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one

    assert not is_outage(one)


@given(st.integers(0, 30))
def test_only_near_causes_count(depth: int) -> None:
    """The look back is bounded."""
    error = caused(ValueError(), *(KeyError() for _ in range(depth)), TimeoutError())

    assert (depth <= 6) == is_outage(error)
