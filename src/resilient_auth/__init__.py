"""
The door: every public name, imported on first use (PEP 562).

``import resilient_auth`` loads no third party; ``resilient_auth.Auth`` loads what
`Auth` needs and nothing else. A name whose driver is not installed raises
`MissingDependency`, which names the extra.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resilient_auth.auth.fetch import Fetch as Fetch
    from resilient_auth.auth.fetch import Fetched as Fetched
    from resilient_auth.auth.fetch import HttpFetch as HttpFetch
    from resilient_auth.auth.passwords import PasswordHasher as PasswordHasher
    from resilient_auth.auth.remote import RemoteKeys as RemoteKeys
    from resilient_auth.auth.sessions import AsyncAuth as AsyncAuth
    from resilient_auth.auth.sessions import Auth as Auth
    from resilient_auth.auth.shell import Principal as Principal
    from resilient_auth.auth.shell import Tokens as Tokens
    from resilient_auth.auth.signer import Signer as Signer
    from resilient_auth.auth.throttle import LoginThrottle as LoginThrottle
    from resilient_auth.auth.tokens import TokenIssuer as TokenIssuer
    from resilient_auth.auth.tokens import TokenVerifier as TokenVerifier
    from resilient_auth.clock import Clock as Clock
    from resilient_auth.clock import SystemClock as SystemClock
    from resilient_auth.core.checks import CheckResult as CheckResult
    from resilient_auth.core.claims import Claims as Claims
    from resilient_auth.core.claims import TokenPolicy as TokenPolicy
    from resilient_auth.core.cookies import CookiePolicy as CookiePolicy
    from resilient_auth.core.cookies import read_cookies as read_cookies
    from resilient_auth.core.cors import CorsAnswer as CorsAnswer
    from resilient_auth.core.cors import CorsPolicy as CorsPolicy
    from resilient_auth.core.csrf import CsrfPolicy as CsrfPolicy
    from resilient_auth.core.deployment import Deployment as Deployment
    from resilient_auth.core.findings import Finding as Finding
    from resilient_auth.core.keys import Key as Key
    from resilient_auth.core.messages import Messages as Messages
    from resilient_auth.core.predict import Delivery as Delivery
    from resilient_auth.core.predict import predict as predict
    from resilient_auth.core.proxies import TrustedProxies as TrustedProxies
    from resilient_auth.core.ring import KeyRing as KeyRing
    from resilient_auth.core.sessions import Session as Session
    from resilient_auth.core.sessions import SessionPolicy as SessionPolicy
    from resilient_auth.core.stays import Stays as Stays
    from resilient_auth.core.throttle import Pace as Pace
    from resilient_auth.errors import BulkheadFull as BulkheadFull
    from resilient_auth.errors import CircuitOpen as CircuitOpen
    from resilient_auth.errors import CommitOutcomeUnknown as CommitOutcomeUnknown
    from resilient_auth.errors import ConfigError as ConfigError
    from resilient_auth.errors import DeadlineExceeded as DeadlineExceeded
    from resilient_auth.errors import DuplicateModelError as DuplicateModelError
    from resilient_auth.errors import DuplicateModelWarning as DuplicateModelWarning
    from resilient_auth.errors import InternalError as InternalError
    from resilient_auth.errors import MissingDependency as MissingDependency
    from resilient_auth.errors import Refused as Refused
    from resilient_auth.errors import ResilientAuthError as ResilientAuthError
    from resilient_auth.errors import StreamInterrupted as StreamInterrupted
    from resilient_auth.errors import Unavailable as Unavailable
    from resilient_auth.errors import UnusableAnswer as UnusableAnswer
    from resilient_auth.ops.health import BreakerCheck as BreakerCheck
    from resilient_auth.ops.health import Health as Health
    from resilient_auth.ops.llm import KeyCheck as KeyCheck
    from resilient_auth.ops.sql import SqlCheck as SqlCheck
    from resilient_auth.orm.check import ModelCheck as ModelCheck
    from resilient_auth.orm.connections import DatabaseGuard as DatabaseGuard
    from resilient_auth.orm.connections import guard_engine as guard_engine
    from resilient_auth.orm.engine import EngineSettings as EngineSettings
    from resilient_auth.orm.engine import engine_settings as engine_settings
    from resilient_auth.orm.guard import GuardedRegistry as GuardedRegistry
    from resilient_auth.orm.observer import guard_models as guard_models
    from resilient_auth.orm.report import ModelReport as ModelReport
    from resilient_auth.orm.startup import check_models as check_models
    from resilient_auth.orm.static import check_source as check_source
    from resilient_auth.orm.transactions import (
        arun_in_transaction as arun_in_transaction,
    )
    from resilient_auth.orm.transactions import run_in_transaction as run_in_transaction
    from resilient_auth.resilience.answer import Answer as Answer
    from resilient_auth.resilience.answer import AnswerStream as AnswerStream
    from resilient_auth.resilience.answer import AsyncAnswerStream as AsyncAnswerStream
    from resilient_auth.resilience.breaker import Circuit as Circuit
    from resilient_auth.resilience.calls import Resilience as Resilience
    from resilient_auth.resilience.deadline import Deadline as Deadline
    from resilient_auth.resilience.keys import check_api_key as check_api_key
    from resilient_auth.resilience.ladder import Ladder as Ladder
    from resilient_auth.resilience.meter import Usage as Usage
    from resilient_auth.resilience.parts import breaker as breaker
    from resilient_auth.resilience.parts import retry as retry
    from resilient_auth.resilience.policy import Backoff as Backoff
    from resilient_auth.resilience.policy import Bulkhead as Bulkhead
    from resilient_auth.resilience.policy import RetryBudget as RetryBudget
    from resilient_auth.resilience.policy import Timeouts as Timeouts
    from resilient_auth.resilience.policy import Trip as Trip
    from resilient_auth.resilience.results import sdk_response as sdk_response
    from resilient_auth.resilience.rungs import AnswerStore as AnswerStore
    from resilient_auth.resilience.rungs import Kept as Kept
    from resilient_auth.resilience.rungs import MemoryAnswers as MemoryAnswers
    from resilient_auth.resilience.rungs import cached as cached
    from resilient_auth.resilience.rungs import rung as rung
    from resilient_auth.resilience.rungs import say as say
    from resilient_auth.resilience.shared import SharedState as SharedState
    from resilient_auth.resilience.verdict import Verdict as Verdict
    from resilient_auth.resilience.verdict import classify as classify
    from resilient_auth.stores.base import AsyncSessionStore as AsyncSessionStore
    from resilient_auth.stores.base import SessionStore as SessionStore
    from resilient_auth.stores.memory import MemoryStore as MemoryStore
    from resilient_auth.stores.redis import AsyncRedisStore as AsyncRedisStore
    from resilient_auth.stores.redis import RedisStore as RedisStore
    from resilient_auth.stores.sqlalchemy import (
        AsyncSQLAlchemyStore as AsyncSQLAlchemyStore,
    )
    from resilient_auth.stores.sqlalchemy import SQLAlchemyStore as SQLAlchemyStore
    from resilient_auth.web.asgi_auth import AsgiAuth as AsgiAuth
    from resilient_auth.web.credentials import Identity as Identity
    from resilient_auth.web.fastapi import FastAPIAuth as FastAPIAuth
    from resilient_auth.web.flask import FlaskAuth as FlaskAuth
    from resilient_auth.web.starlette import StarletteAuth as StarletteAuth
    from resilient_auth.web.wsgi_auth import WsgiAuth as WsgiAuth

#: Public name → the module that is its home.
_HOMES = {
    "Answer": "resilience.answer",
    "AnswerStore": "resilience.rungs",
    "AnswerStream": "resilience.answer",
    "AsgiAuth": "web.asgi_auth",
    "AsyncAnswerStream": "resilience.answer",
    "AsyncAuth": "auth.sessions",
    "AsyncRedisStore": "stores.redis",
    "AsyncSQLAlchemyStore": "stores.sqlalchemy",
    "AsyncSessionStore": "stores.base",
    "Auth": "auth.sessions",
    "Backoff": "resilience.policy",
    "BreakerCheck": "ops.health",
    "Bulkhead": "resilience.policy",
    "BulkheadFull": "errors",
    "CheckResult": "core.checks",
    "Circuit": "resilience.breaker",
    "CircuitOpen": "errors",
    "Claims": "core.claims",
    "Clock": "clock",
    "CommitOutcomeUnknown": "errors",
    "ConfigError": "errors",
    "CookiePolicy": "core.cookies",
    "CorsAnswer": "core.cors",
    "CorsPolicy": "core.cors",
    "CsrfPolicy": "core.csrf",
    "DatabaseGuard": "orm.connections",
    "Deadline": "resilience.deadline",
    "DeadlineExceeded": "errors",
    "Delivery": "core.predict",
    "Deployment": "core.deployment",
    "DuplicateModelError": "errors",
    "DuplicateModelWarning": "errors",
    "EngineSettings": "orm.engine",
    "FastAPIAuth": "web.fastapi",
    "Fetch": "auth.fetch",
    "Fetched": "auth.fetch",
    "Finding": "core.findings",
    "FlaskAuth": "web.flask",
    "GuardedRegistry": "orm.guard",
    "Health": "ops.health",
    "HttpFetch": "auth.fetch",
    "Identity": "web.credentials",
    "InternalError": "errors",
    "Kept": "resilience.rungs",
    "Key": "core.keys",
    "KeyCheck": "ops.llm",
    "KeyRing": "core.ring",
    "Ladder": "resilience.ladder",
    "LoginThrottle": "auth.throttle",
    "MemoryAnswers": "resilience.rungs",
    "MemoryStore": "stores.memory",
    "Messages": "core.messages",
    "MissingDependency": "errors",
    "ModelCheck": "orm.check",
    "ModelReport": "orm.report",
    "Pace": "core.throttle",
    "PasswordHasher": "auth.passwords",
    "Principal": "auth.shell",
    "RedisStore": "stores.redis",
    "Refused": "errors",
    "RemoteKeys": "auth.remote",
    "Resilience": "resilience.calls",
    "ResilientAuthError": "errors",
    "RetryBudget": "resilience.policy",
    "SQLAlchemyStore": "stores.sqlalchemy",
    "Session": "core.sessions",
    "SessionPolicy": "core.sessions",
    "SessionStore": "stores.base",
    "SharedState": "resilience.shared",
    "Signer": "auth.signer",
    "SqlCheck": "ops.sql",
    "StarletteAuth": "web.starlette",
    "Stays": "core.stays",
    "StreamInterrupted": "errors",
    "SystemClock": "clock",
    "Timeouts": "resilience.policy",
    "TokenIssuer": "auth.tokens",
    "TokenPolicy": "core.claims",
    "TokenVerifier": "auth.tokens",
    "Tokens": "auth.shell",
    "Trip": "resilience.policy",
    "TrustedProxies": "core.proxies",
    "Unavailable": "errors",
    "UnusableAnswer": "errors",
    "Usage": "resilience.meter",
    "Verdict": "resilience.verdict",
    "WsgiAuth": "web.wsgi_auth",
    "arun_in_transaction": "orm.transactions",
    "breaker": "resilience.parts",
    "cached": "resilience.rungs",
    "check_api_key": "resilience.keys",
    "check_models": "orm.startup",
    "check_source": "orm.static",
    "classify": "resilience.verdict",
    "engine_settings": "orm.engine",
    "guard_engine": "orm.connections",
    "guard_models": "orm.observer",
    "predict": "core.predict",
    "read_cookies": "core.cookies",
    "retry": "resilience.parts",
    "run_in_transaction": "orm.transactions",
    "rung": "resilience.rungs",
    "say": "resilience.rungs",
    "sdk_response": "resilience.results",
}
#: A driver's module → the extra that installs it.
_EXTRAS = {
    "argon2": "passwords",
    "fastapi": "fastapi",
    "flask": "flask",
    "redis": "redis",
    "sqlalchemy": "sqlalchemy",
    "starlette": "starlette",
    "werkzeug": "flask",
}

__all__ = [
    "Answer",
    "AnswerStore",
    "AnswerStream",
    "AsgiAuth",
    "AsyncAnswerStream",
    "AsyncAuth",
    "AsyncRedisStore",
    "AsyncSQLAlchemyStore",
    "AsyncSessionStore",
    "Auth",
    "Backoff",
    "BreakerCheck",
    "Bulkhead",
    "BulkheadFull",
    "CheckResult",
    "Circuit",
    "CircuitOpen",
    "Claims",
    "Clock",
    "CommitOutcomeUnknown",
    "ConfigError",
    "CookiePolicy",
    "CorsAnswer",
    "CorsPolicy",
    "CsrfPolicy",
    "DatabaseGuard",
    "Deadline",
    "DeadlineExceeded",
    "Delivery",
    "Deployment",
    "DuplicateModelError",
    "DuplicateModelWarning",
    "EngineSettings",
    "FastAPIAuth",
    "Fetch",
    "Fetched",
    "Finding",
    "FlaskAuth",
    "GuardedRegistry",
    "Health",
    "HttpFetch",
    "Identity",
    "InternalError",
    "Kept",
    "Key",
    "KeyCheck",
    "KeyRing",
    "Ladder",
    "LoginThrottle",
    "MemoryAnswers",
    "MemoryStore",
    "Messages",
    "MissingDependency",
    "ModelCheck",
    "ModelReport",
    "Pace",
    "PasswordHasher",
    "Principal",
    "RedisStore",
    "Refused",
    "RemoteKeys",
    "Resilience",
    "ResilientAuthError",
    "RetryBudget",
    "SQLAlchemyStore",
    "Session",
    "SessionPolicy",
    "SessionStore",
    "SharedState",
    "Signer",
    "SqlCheck",
    "StarletteAuth",
    "Stays",
    "StreamInterrupted",
    "SystemClock",
    "Timeouts",
    "TokenIssuer",
    "TokenPolicy",
    "TokenVerifier",
    "Tokens",
    "Trip",
    "TrustedProxies",
    "Unavailable",
    "UnusableAnswer",
    "Usage",
    "Verdict",
    "WsgiAuth",
    "arun_in_transaction",
    "breaker",
    "cached",
    "check_api_key",
    "check_models",
    "check_source",
    "classify",
    "engine_settings",
    "guard_engine",
    "guard_models",
    "predict",
    "read_cookies",
    "retry",
    "run_in_transaction",
    "rung",
    "say",
    "sdk_response",
]


def __getattr__(name: str) -> object:
    """Import *name* from its home and keep it, so that the next access is plain."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        from resilient_auth.errors import MissingDependency

        raise MissingDependency(error.name or extra, extra=extra) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *_HOMES})
