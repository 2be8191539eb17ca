"""
What a careless hand gives to a constructor is a `ConfigError` there and then.

Every parameter in the table is given everything that is wrong for it: a value that
exists is valid, and whoever made the mistake is told at the line where it was made.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from resilient_auth import (
    AsyncAuth,
    Auth,
    Backoff,
    BreakerCheck,
    Bulkhead,
    CheckResult,
    ConfigError,
    CookiePolicy,
    CorsPolicy,
    Deployment,
    GuardedRegistry,
    Health,
    Key,
    KeyRing,
    MemoryStore,
    ModelCheck,
    PasswordHasher,
    Resilience,
    RetryBudget,
    SessionPolicy,
    SqlCheck,
    StarletteAuth,
    Timeouts,
    TokenPolicy,
    Trip,
    TrustedProxies,
)
from resilient_auth.testing import FrozenClock

RING = KeyRing([Key.generate("HS256", kid="k1")])
POLICY = TokenPolicy(issuer="https://api.example.com", audience="api")
SITE = Deployment.insecure_localhost(
    api="http://localhost:8000", apps=["http://localhost:8000"]
)
AUTH = {"ring": RING, "policy": POLICY}


def function(*_: object) -> None:
    """Stand for a callback; gives nothing."""


async def awaited(*_: object) -> None:
    """Stand for a callback that has to be awaited."""


SECRET = "hunter2"
#: Everything that somebody might give; most of it is wrong everywhere.
EVERYTHING: tuple[Any, ...] = (
    *(None, SECRET, "", b"x", 5, 0, -1, 1.5, math.nan, math.inf, True),
    *(
        [],
        {},
        [5],
        [SECRET],
        [None],
        (),
        object(),
        function,
        awaited,
        type,
        FrozenClock,
    ),
)
NUMBERS = (5, 0, 1.5)
PLAIN = (function, type, FrozenClock)
CALLABLES = (*PLAIN, awaited)

#: Constructor, what it needs, then each parameter with what is right among the above.
TABLE: tuple[tuple[Callable[..., object], dict[str, Any], dict[str, Any]], ...] = (
    *(
        (
            kind,
            AUTH,
            {
                "ring": (),
                "policy": (),
                "store": (None,),
                "sessions": (None,),
                "listeners": ([], {}, ()),
                "on_refresh": (None, *plain),
                "clock": (None,),
            },
        )
        for kind, plain in ((Auth, PLAIN), (AsyncAuth, CALLABLES))
    ),
    (
        TokenPolicy,
        {"issuer": "https://api.example.com", "audience": "api"},
        {
            "issuer": (SECRET,),
            "audience": (SECRET,),
            "access_ttl": (5,),
            "max_ttl": (),
            "leeway": (5, 0),
            "max_token_bytes": (),
        },
    ),
    (
        SessionPolicy,
        {},
        {
            "idle": (),
            "absolute": (),
            "grace": (5, 0),
            "max_per_subject": (None, 5),
            "revocation_poll": (5, 1.5),
            "revocation_max_stale": (5,),
        },
    ),
    (MemoryStore, {}, {"capacity": (5,)}),
    (PasswordHasher, {}, {"slots": (5,), "queue": (5, 0)}),
    (
        StarletteAuth,
        {"auth": AsyncAuth(RING, POLICY), "site": SITE, "authenticate": function},
        {"auth": (), "site": (), "authenticate": CALLABLES, "health": (None,)},
    ),
    (
        SqlCheck,
        {"engine": sa.create_engine("sqlite://")},
        {"engine": (), "name": (SECRET,), "critical": (True,), "timeout": (5, 1.5)},
    ),
    (
        BreakerCheck,
        {"breakers": Resilience("openai")},
        {"breakers": (), "name": (SECRET,)},
    ),
    (
        Health,
        {"checks": []},
        {
            "checks": ([], {}, ()),
            "refresh": (5, 1.5),
            "fail_after": (5,),
            "listeners": ([], {}, ()),
            "clock": (None,),
        },
    ),
    (CheckResult, {"status": "pass"}, {"status": ()}),
    (
        GuardedRegistry,
        {},
        {
            "on_duplicate": (),
            "allow": ([], {}, (), [SECRET]),
            "metadata": (None,),
            "type_annotation_map": (None, {}),
        },
    ),
    (
        ModelCheck,
        {"base": type},
        {
            "base": (type, FrozenClock),
            "packages": ([], {}, (), [SECRET]),
            "name": (SECRET,),
            "timeout": (5, 1.5),
        },
    ),
    (
        CookiePolicy,
        {"name": "a"},
        {
            "name": (SECRET,),
            "same_site": (),
            "secure": (True,),
            "http_only": (True,),
            "partitioned": (True,),
            "domain": (None,),
            "path": (),
            "max_age": (None, 5, 0, -1),
        },
    ),
    (
        CorsPolicy,
        {"origins": ["https://a.example.com"]},
        {
            "origins": ([], {}, ()),
            "credentials": (True,),
            "methods": ([], {}, (), [SECRET]),
            "headers": ([], {}, (), [SECRET]),
            "expose": ([], {}, (), [SECRET]),
            "max_age": (5, 0),
        },
    ),
    (
        Deployment,
        {"api": "https://a.example.com", "apps": []},
        {"api": (), "apps": ([], {}, ()), "profile": (None,), "proxies": (None,)},
    ),
    (TrustedProxies, {}, {"networks": ([], {}, ()), "header": ()}),
    (
        Resilience,
        {"name": "openai"},
        {
            "name": (SECRET,),
            "attempts": (5,),
            "backoff": (),
            "retry_after_cap": NUMBERS,
            "budget": (None,),
            "trip": (None,),
            "open_for": (5, 1.5),
            "probes": (5,),
            "timeouts": (None,),
            "bulkhead": (None,),
            "key": (None, SECRET, *CALLABLES),
            "max_keys": (5,),
            "check": (None, *CALLABLES),
            "listeners": ([], {}, ()),
        },
    ),
    (Backoff, {}, {"first": (5, 1.5), "cap": (5, 1.5)}),
    (RetryBudget, {}, {"ratio": NUMBERS, "per_second": NUMBERS}),
    (Trip, {}, {"failure_rate": (), "window": (), "minimum": (5,), "slow_rate": ()}),
    (Timeouts, {}, {"total": (None, 5, 1.5), "attempt": (None, 5, 1.5)}),
    (Bulkhead, {"limit": 5}, {"limit": (5,), "queue": (5, 0), "wait": NUMBERS}),
)


def is_among(value: object, right: tuple[object, ...]) -> bool:
    """Say whether *value* is one of *right*; True is not 1."""
    return any(type(value) is type(each) and value == each for each in right)


@pytest.mark.parametrize(
    ("build", "needed", "name", "right"),
    [
        pytest.param(build, needed, name, right, id=f"{build.__name__}-{name}")
        for build, needed, parameters in TABLE
        for name, right in parameters.items()
    ],
)
def test_what_is_wrong_is_refused_where_it_is_given(
    build: Callable[..., object],
    needed: dict[str, Any],
    name: str,
    right: tuple[object, ...],
) -> None:
    """Never a `TypeError` from inside, never an object that fails at a request."""
    for value in EVERYTHING:
        given = {**needed, name: value}
        if is_among(value, right):
            assert build(**given) is not None
            continue
        with pytest.raises(ConfigError) as caught:
            pytest.fail(f"{value!r} was taken: {build(**given)!r}")
        assert str(caught.value)


@pytest.mark.parametrize(
    ("build", "fix"),
    [
        pytest.param(lambda: Auth(SECRET, POLICY), "KeyRing", id="secret"),  # type: ignore[arg-type] - a likely mistake
        pytest.param(lambda: SqlCheck(f"db://u:{SECRET}@h"), "Engine", id="dsn"),  # type: ignore[arg-type] - a likely mistake
        pytest.param(
            lambda: Auth(RING, POLICY, store=MemoryStore),  # type: ignore[arg-type] - a likely mistake
            r"MemoryStore\(…\)",
            id="class-of-store",
        ),
        pytest.param(
            lambda: Auth(RING, POLICY, listeners=function),  # type: ignore[arg-type] - a likely mistake
            "list",
            id="one-listener",
        ),
        pytest.param(
            lambda: Auth(RING, POLICY, listeners=[awaited]),
            "plain def",
            id="awaited-listener",
        ),
        pytest.param(
            lambda: StarletteAuth(Auth(RING, POLICY), SITE, authenticate=function),  # type: ignore[arg-type] - a likely mistake
            "AsyncAuth",
            id="sync-auth",
        ),
        pytest.param(lambda: SessionPolicy(idle=30, grace=30), "shorter", id="grace"),
        pytest.param(lambda: SessionPolicy(idle=9, absolute=8), "absolute", id="idle"),
    ],
)
def test_the_message_says_the_way_out(build: Callable[[], object], fix: str) -> None:
    """And never what was given, which may be a secret."""
    with pytest.raises(ConfigError, match=fix) as caught:
        build()

    assert SECRET not in str(caught.value)


def test_a_check_that_finds_nothing_has_failed() -> None:
    """A probe is answered whatever a user's check returns."""

    class Careless:
        name, critical, timeout = "mine", True, 1.0

        async def arun(self) -> Any:
            return "pass"

    answer = asyncio.run(Health([Careless()]).ready())

    assert 503 == answer.status


@pytest.mark.parametrize("kind", [Auth, AsyncAuth])
def test_a_session_does_not_hand_out_tokens_that_outlive_its_revocation(
    kind: Any,
) -> None:
    """Stores remember for a day that a session ended, and no longer."""
    week = TokenPolicy(issuer="i", audience="a", access_ttl=604_800, max_ttl=604_800)

    with pytest.raises(ConfigError, match="at most a day"):
        kind(RING, week)
