"""
Is this exception an outage of something we depend on, or a bug?

An outage is answered with 503 and can be tried again; a bug is a 500 that a developer
must see. Drivers are recognised by the names they all share (PEP 249, the standard
library), so that no driver need be imported to tell.
"""

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
        "gaierror",
    }
)
_MAX_DEPTH = 8


def is_outage(error: BaseException) -> bool:
    """Say whether *error*, or what it was raised from, is an outage; never raises."""
    each: BaseException | None = error
    for _ in range(_MAX_DEPTH):
        if each is None:
            return False
        # asyncio raises a bare OSError when each of several addresses refused.
        if type(each) is OSError:
            return True
        if any(kind.__name__ in _OUTAGES for kind in type(each).__mro__):
            return True
        each = each.__cause__
    return False
