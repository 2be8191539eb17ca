"""
Is this exception an outage of something we depend on, or a bug?

An outage is answered with 503 and can be tried again; a bug is a 500 that a developer
must see. Drivers are recognised by the names they all share (PEP 249, the standard
library), so that no driver need be imported to tell.
"""

from collections.abc import Iterator

_OUTAGES = frozenset(
    {
        "OperationalError",  # PEP 249: the database's own trouble
        "InterfaceError",  # PEP 249: the driver lost its connection
        "InternalClientError",  # asyncpg: its connection died between two requests
        "DisconnectionError",  # SQLAlchemy: a pooled connection died
        "InvalidatePoolError",
        "PostgresConnectionError",  # asyncpg: SQLSTATE class 08
        "TransactionRollbackError",  # asyncpg: 40, a deadlock or a lost race
        "InsufficientResourcesError",  # asyncpg: 53, too many connections, disk full
        "LockNotAvailableError",  # asyncpg: 55P03, lock_timeout
        "OperatorInterventionError",  # asyncpg: 57, starting, stopping, cancelled
        "ConnectionError",  # standard library and redis-py
        "TimeoutError",  # standard library, SQLAlchemy's pool, redis-py
        "ReadOnlyError",  # redis-py: a replica, in a fail-over
        "OutOfMemoryError",  # redis-py: the server is full and evicts nothing
        "TryAgainError",  # redis-py: the slot is on its way to another node
        "ClusterError",  # redis-py: the cluster is down, or sent us in circles
        "RedisClusterException",  # redis-py: no node of the cluster answers
        "gaierror",
    }
)
_MAX_DEPTH = 8


#: Program limits and wrong order, which psycopg calls operational: our own mistakes.
_ASKED_TOO_MUCH = ("54", "55000")
_TOO_MANY_CONNECTIONS = "53300"
_TOO_MANY_WORDS = (
    "FATAL:  too many connections",
    "FATAL:  sorry, too many clients already",
    "FATAL:  remaining connection slots are reserved",
)
_SQLITE_ERROR = 1  # SQLite's code for what it has no other: no such table, bad SQL


def is_outage(error: BaseException) -> bool:
    """Say whether *error*, or what it was raised from, is an outage; never raises."""
    chain = tuple(causes(error))
    # SQLite calls a missing table operational too, as it does a lock.
    if any(getattr(each, "sqlite_errorcode", 0) == _SQLITE_ERROR for each in chain):
        return False
    if sqlstate_of(error).startswith(_ASKED_TOO_MUCH):
        return False
    return any(_is_named_so(each) for each in chain)


def is_out_of_connections(error: BaseException) -> bool:
    """
    Say whether PostgreSQL is there and takes no more connections; others go on.

    libpq hands on no SQLSTATE of a connect that failed, so there the words count, which
    only a server that speaks English says.
    """
    state = sqlstate_of(error)
    if state or not is_outage(error):
        return state == _TOO_MANY_CONNECTIONS
    said = str(error)
    return any(words in said for words in _TOO_MANY_WORDS)


def sqlstate_of(error: BaseException) -> str:
    """Return the five characters, under the names that drivers give them, or none."""
    for each in causes(error):
        for name in ("sqlstate", "pgcode"):
            state = getattr(each, name, None)
            if isinstance(state, str):
                return state
    return ""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and what it was raised from, to a depth of eight."""
    each: BaseException | None = error
    for _ in range(_MAX_DEPTH):
        if each is None:
            return
        yield each
        each = each.__cause__


def _is_named_so(error: BaseException) -> bool:
    # asyncio raises a bare OSError when each of several addresses refused.
    return (
        type(error) is OSError
        or _is_a_missing_socket(error)
        or any(kind.__name__ in _OUTAGES for kind in type(error).__mro__)
    )


def _is_a_missing_socket(error: BaseException) -> bool:
    """Say whether a server took its socket with it; only files are named in errors."""
    return (
        isinstance(error, FileNotFoundError)
        and error.errno is not None
        and error.filename is None
    )
