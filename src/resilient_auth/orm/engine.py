"""
How is an engine set up so that its database may restart, hang or fill up?

`engine_settings` returns what ``create_engine`` is to be given, with a reason for each.
Times are told to whoever keeps them best: the server ends its statements itself, the
driver gives up a server that is silent, and the pool a caller that waits too long.

``pool_use_lifo`` is left as it is. Last in, first out lets the surplus of a peak lie
idle until the server closes it, which helps only where the server does; in turn, each
connection is used, and so asked whether it lives, before a firewall forgets it.
"""

import math
import os
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine.default import DefaultDialect

from resilient_auth.core import arguments
from resilient_auth.errors import ConfigError

#: The driver gives up this much later than the server should have: the server's own
#: word is better, for the connection stays usable.
_GRACE = 2.0
_WIDTH = 88
_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "hide_parameters": "What users wrote stands in no log and in no error.",
        "pool_pre_ping": (
            "A connection that died while it was idle, as all do when the database "
            "restarts, is replaced before a request gets it."
        ),
        "pool_recycle": (
            "A connection is replaced at this age, before a firewall or a proxy in "
            "between forgets it without a word."
        ),
        "pool_timeout": (
            "A request waits no longer for a free connection: a full pool is a 503 "
            "that the client still hears."
        ),
        "pool_size": "You said how many connections are kept.",
        "max_overflow": "You said how many more are opened in a peak.",
        "poolclass": "You said which pool it is.",
        "connect_timeout": (
            "A server that does not answer is given up while the client still waits."
        ),
        "statement_timeout": (
            "The server ends a statement that takes longer, so that it holds no "
            "connection and no lock for a client that is gone."
        ),
        "lock_timeout": (
            "Who waits longer for a lock gives up and may try again; else those who "
            "queue behind one lock take the whole pool."
        ),
        "idle_in_transaction_timeout": (
            "The server ends a transaction that nobody goes on with: a worker that "
            "hangs lets its locks go."
        ),
        "peer_timeout": (
            "A server that vanished without a word, as in a power cut, is given up; "
            "the system's own patience is two hours."
        ),
        "command_timeout": (
            "The driver gives up a server that should have ended a statement and is "
            "silent."
        ),
    }
)
#: Ours → PostgreSQL's own name, in milliseconds there.
_ON_THE_SERVER = {
    "statement_timeout": "statement_timeout",
    "lock_timeout": "lock_timeout",
    "idle_in_transaction_timeout": "idle_in_transaction_session_timeout",
}


class EngineSettings(Mapping[str, Any]):
    """
    Keyword arguments for ``create_engine`` and ``create_async_engine``, with reasons.

    Write ``create_engine(url, **settings)``. *reasons* holds a sentence for each
    setting, by its name; ``print(settings)`` shows them as a table. What you gave as
    *connect_args* is handed on and never shown.
    """

    __slots__ = ("_keywords", "_shown", "reasons")

    def __init__(
        self, keywords: Mapping[str, object], shown: Mapping[str, object]
    ) -> None:
        self._keywords: Mapping[str, Any] = MappingProxyType(dict(keywords))
        self._shown: Mapping[str, str] = MappingProxyType(
            {name: _told(name, value) for name, value in shown.items()}
        )
        self.reasons: Mapping[str, str] = MappingProxyType(
            {name: _REASONS[name] for name in shown}
        )

    def __getitem__(self, name: str) -> Any:
        return self._keywords[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keywords)

    def __len__(self) -> int:
        return len(self._keywords)

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value}" for name, value in self._shown.items())
        return f"<EngineSettings {said}>"

    def __str__(self) -> str:
        names = max(map(len, self._shown))
        values = max(map(len, self._shown.values()))
        lines: list[str] = []
        for name, value in self._shown.items():
            head = f"{name:<{names}}  {value:<{values}}  "
            lines += textwrap.wrap(
                self.reasons[name],
                max(_WIDTH, len(head) + 30),
                initial_indent=head,
                subsequent_indent=" " * len(head),
            )
        return "\n".join(lines)


def engine_settings(
    url: str | sa.URL,
    *,
    connect_timeout: float = 3.0,
    statement_timeout: float | None = 10.0,
    lock_timeout: float | None = 3.0,
    idle_in_transaction_timeout: float | None = 30.0,
    peer_timeout: float | None = 30.0,
    pool_timeout: float = 5.0,
    pool_recycle: float = 1800.0,
    pool_size: int | None = None,
    max_overflow: int | None = None,
    poolclass: type[sa.Pool] | None = None,
    connect_args: Mapping[str, object] | None = None,
) -> EngineSettings:
    """
    Return what to give to ``create_engine``, or its async twin, for the database *url*.

    Times are seconds; None leaves one to the database. Known are PostgreSQL by psycopg
    and asyncpg, where the server keeps the times of statements, locks and transactions,
    and SQLite by pysqlite and aiosqlite, where *lock_timeout* is how long to wait for a
    writer. Any other database gets what concerns its pool alone. *pool_size* and
    *max_overflow* are SQLAlchemy's own unless given. What the URL says itself, and what
    is in *connect_args*, is yours and stays as it is; with psycopg so is what is in
    ``PGOPTIONS``, and a ``service`` keeps the server's times to itself. Connects to
    nothing.

    >>> settings = engine_settings("sqlite:///rows.db")
    >>> settings["connect_args"], settings["pool_timeout"]
    ({'timeout': 3.0}, 5.0)

    Raises: `ConfigError` for what makes no sense, such as a *lock_timeout* that a
    shorter *statement_timeout* never lets happen.
    """
    times = _checked(
        connect_timeout=connect_timeout,
        statement_timeout=statement_timeout,
        lock_timeout=lock_timeout,
        idle_in_transaction_timeout=idle_in_transaction_timeout,
        peer_timeout=peer_timeout,
        pool_timeout=pool_timeout,
        pool_recycle=pool_recycle,
    )
    arguments.instance("connect_args", connect_args, Mapping | None)
    parsed, pool = _understood(url, poolclass)
    keywords: dict[str, object] = {"hide_parameters": True}
    if poolclass is not None:
        keywords["poolclass"] = poolclass
    if issubclass(pool, sa.QueuePool):
        keywords |= _of_a_queue(times, is_server=parsed.get_backend_name() != "sqlite")
        keywords |= _limits(pool_size, max_overflow)
    for_driver, shown = _connect_args(parsed, times, connect_args or {})
    shown = keywords | shown
    if for_driver:
        keywords["connect_args"] = for_driver
    return EngineSettings(keywords, shown)


def _checked(**times: float | None) -> dict[str, float]:
    """Return the *times* that are set, once they make sense."""
    for name in ("connect_timeout", "pool_timeout", "pool_recycle"):
        if times[name] is None:
            raise ConfigError(f"{name} is a number of seconds, not None.")
    used = {name: time for name, time in times.items() if time is not None}
    for name, time in used.items():
        arguments.seconds(name, time)
    if used.get("lock_timeout", 0.0) >= used.get("statement_timeout", math.inf):
        raise ConfigError(
            f"lock_timeout ({used['lock_timeout']}) is never reached: a statement that "
            f"waits for a lock is ended by statement_timeout "
            f"({used['statement_timeout']}). Make it shorter, or None."
        )
    return used


def _understood(
    url: str | sa.URL, poolclass: type[sa.Pool] | None
) -> tuple[sa.URL, type[sa.Pool]]:
    """Return *url*, taken apart, and the kind of pool that its engine will have."""
    arguments.instance("url", url, str | sa.URL)
    if poolclass is not None and not (
        isinstance(poolclass, type) and issubclass(poolclass, sa.Pool)
    ):
        raise ConfigError(
            "poolclass is a class of SQLAlchemy's pools, such as NullPool."
        )
    try:
        parsed = sa.make_url(url)
        dialect = parsed.get_dialect()
    except exc.ArgumentError:
        # Not from it: it may quote the URL, password and all.
        raise ConfigError(
            "url is no database URL that SQLAlchemy understands, or its dialect is "
            "not installed; such as postgresql+psycopg://user@host/name."
        ) from None
    if poolclass is None and issubclass(dialect, DefaultDialect):
        poolclass = dialect.get_pool_class(parsed)
    return parsed, poolclass or sa.QueuePool


def _of_a_queue(times: Mapping[str, float], *, is_server: bool) -> dict[str, object]:
    """Return what a pool that hands out connections in turn is given."""
    always: dict[str, object] = {"pool_timeout": times["pool_timeout"]}
    if not is_server:  # a file neither restarts nor is forgotten
        return always
    return {"pool_pre_ping": True, "pool_recycle": times["pool_recycle"], **always}


def _limits(pool_size: int | None, max_overflow: int | None) -> dict[str, object]:
    found: dict[str, object] = {}
    if pool_size is not None:
        arguments.count("pool_size", pool_size)
        found["pool_size"] = pool_size
    if max_overflow is not None:
        arguments.count("max_overflow", max_overflow, least=0)
        found["max_overflow"] = max_overflow
    return found


# ------------------------------------------------------------------ drivers
#
# Each yields what its ``connect`` is to be given: setting, argument, value. *said* is
# what the user says already, in the URL or beside it.

#: What libpq's ``options`` set: ``-c name=…``, ``-cname=…``, ``--name=…``.
_NAMED = re.compile(r"(?:^|(?<=\s)|(?<=-c))(?:--)?([A-Za-z_][\w-]*)(?=\s*=)")

_Rows = Iterator[tuple[str, str, object]]


def _psycopg(times: Mapping[str, float], said: Mapping[str, Any]) -> _Rows:
    """Speak libpq's words: whole seconds, and at least two to connect."""
    yield "connect_timeout", "connect_timeout", max(2, _whole(times["connect_timeout"]))
    if "peer_timeout" in times:
        peer = times["peer_timeout"]
        yield "peer_timeout", "tcp_user_timeout", _milliseconds(peer)
        yield "peer_timeout", "keepalives_idle", _whole(peer / 2)
        yield "peer_timeout", "keepalives_interval", _whole(peer / 6)
        yield "peer_timeout", "keepalives_count", 3
    if "service" in said or "PGSERVICE" in os.environ:
        return  # its file may have options, and libpq takes one source alone
    theirs = str(said.get("options", os.environ.get("PGOPTIONS", "")))
    named = {each.replace("-", "_").lower() for each in _NAMED.findall(theirs)}
    ours: list[str] = []
    for name, parameter in _ON_THE_SERVER.items():
        if name in times and parameter not in named:
            ours.append(f"-c {parameter}={_milliseconds(times[name])}")
            yield name, "options", " ".join([*ours, theirs]).strip()


def _asyncpg(times: Mapping[str, float], said: Mapping[str, Any]) -> _Rows:
    """Speak asyncpg's words; of TCP it has none, so that it watches each command."""
    yield "connect_timeout", "timeout", times["connect_timeout"]
    theirs = said.get("server_settings", {})
    settings = dict(theirs)
    for name, parameter in _ON_THE_SERVER.items():
        if name in times and parameter not in settings:
            settings = settings | {parameter: str(_milliseconds(times[name]))}
            yield name, "server_settings", settings
    if "statement_timeout" in times and "statement_timeout" not in theirs:
        patience = times["statement_timeout"] + _GRACE
        yield "command_timeout", "command_timeout", patience


def _sqlite(times: Mapping[str, float], _: Mapping[str, Any]) -> _Rows:
    """Speak the words of Python's ``sqlite3``."""
    if "lock_timeout" in times:
        yield "lock_timeout", "timeout", times["lock_timeout"]


_DRIVERS: Mapping[
    tuple[str, str], Callable[[Mapping[str, float], Mapping[str, Any]], _Rows]
] = MappingProxyType(
    {
        ("postgresql", "psycopg"): _psycopg,
        ("postgresql", "psycopg_async"): _psycopg,
        ("postgresql", "asyncpg"): _asyncpg,
        ("sqlite", "pysqlite"): _sqlite,
        ("sqlite", "aiosqlite"): _sqlite,
    }
)
#: Arguments of drivers in which ours stand beside the user's.
_SHARED = ("options", "server_settings")


def _connect_args(
    url: sa.URL, times: Mapping[str, float], given: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, object]]:
    """Return what to give to the driver of *url*, and what of it to show."""
    known = _DRIVERS.get((url.get_backend_name(), url.get_driver_name()))
    found, shown = dict(given), dict[str, object]()
    if known is not None:
        said = {**url.query, **given}
        for name, argument, value in known(times, said):
            if argument in _SHARED or argument not in said:
                found[argument] = value
                # What a time is rounded to, is what it is.
                shown[name] = value if name == argument else times[name]
    return found, shown


def _whole(seconds: float) -> int:
    return max(1, math.ceil(seconds))


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))


def _told(name: str, value: object) -> str:
    if name.endswith(("_timeout", "_recycle")):
        return f"{value:g} s"
    return value.__name__ if isinstance(value, type) else str(value)
