"""
What happened? Frozen facts, told to listeners after they are true.

An event holds no secret: never a token, a cookie, a password or a prompt. It carries
the exact ``reason`` that the public code hides, and the id of the request in which it
happened, so that one id leads from a problem body to the log.
"""

import dataclasses
import logging
import re
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

_log = logging.getLogger("resilient_auth")

#: The id of the HTTP request being served, set by the web wrap; empty outside one.
request_id: ContextVar[str] = ContextVar("resilient_auth_request_id", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The root of all events; `at` is Unix seconds UTC."""

    at: float
    request_id: str = field(default_factory=request_id.get)

    @property
    def name(self) -> str:
        """Return the stable lower_snake name, such as ``session_opened``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    def fields(self) -> dict[str, object]:
        """Return name and fields as a flat mapping, ready for a log line."""
        said = {
            each.name: getattr(self, each.name) for each in dataclasses.fields(self)
        }
        return {"event": self.name, **said}


class Listener(Protocol):
    """
    A callable that takes one event.

    It is called in the thread or task in which the event happened, after the fact was
    stored, and must return soon. What it raises is logged and changes nothing.
    """

    def __call__(self, event: Event, /) -> object:
        """Take note of *event*."""
        ...


def tell(listeners: Iterable[Listener], event: Event) -> None:
    """Pass *event* to each listener; one that raises is logged and passed over."""
    for listener in listeners:
        try:
            listener(event)
        except Exception:  # noqa: BLE001 - a listener's failure is not ours
            _log.exception("A listener failed on %s", event.name)


# ------------------------------------------------------------------ sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened(Event):
    """Someone logged in; a new session id was made."""

    session_id: str
    subject: str
    device: str
    amr: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRotated(Event):
    """A refresh won: the session moved to *generation*."""

    session_id: str
    subject: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshReplayed(Event):
    """A refresh lost a race and was given the winner's token; nothing was written."""

    session_id: str
    subject: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshKept(Event):
    """The newest refresh token came again within the grace and stays valid."""

    session_id: str
    subject: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshReused(Event):
    """An old refresh token came back after the grace; the session was ended."""

    session_id: str
    subject: str
    presented: int
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshRefused(Event):
    """A refresh token earned nothing; *reason* is exact, *code* is public."""

    code: str
    reason: str
    session_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(Event):
    """A session was ended before its time, by *reason*."""

    session_id: str
    subject: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRefused(Event):
    """An access token was refused; *reason* is exact, *code* is public."""

    code: str
    reason: str


# ------------------------------------------------------------------ keys of others


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysFetched(Event):
    """The keys at *url* are known: *kids*, fresh for *fresh_for* seconds."""

    url: str
    kids: tuple[str, ...]
    fresh_for: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysFetchFailed(Event):
    """
    The keys at *url* could not be had, or were refused, for the *failures*-th time.

    The last good ones are used for *usable_for* seconds more; at 0, nobody is let in.
    """

    url: str
    reason: str
    failures: int
    usable_for: float


# ------------------------------------------------------------------ requests


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused(Event):
    """A request was answered with a problem body."""

    method: str
    path: str
    status: int
    code: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFailed(Event):
    """A handler raised what nobody handled; the client saw ``internal_error``."""

    method: str
    path: str
    error: str


# ------------------------------------------------------------------ calls that go out


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRetried(Event):
    """Attempt *attempt* of a call failed as *kind*; the next starts in *wait* s."""

    key: str
    attempt: int
    kind: str
    wait: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed(Event):
    """A call is given up after *attempts*; *why* says what ended the trying."""

    key: str
    attempts: int
    kind: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecovered(Event):
    """A call that had failed was answered, by attempt *attempts*."""

    key: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensUsed(Event):
    """An answer of *key* used tokens, at a *cost* in the caller's own unit."""

    key: str
    input_tokens: int
    output_tokens: int
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkRetriesOn(Event):
    """The SDK behind *key* retries by itself, up to or at least *retries* times."""

    key: str
    retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FellBack(Event):
    """A rung of a ladder was left for the next, because of *kind*."""

    rung: str
    to: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamResumed(Event):
    """A stream of *rung* broke after its first content; *by* goes on with it."""

    rung: str
    by: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudgetSpent(Event):
    """A retry was due, but too many calls are retries already."""

    key: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerOpened(Event):
    """Too much failed: calls of *key* are refused for *retry_in* seconds."""

    key: str
    kind: str
    retry_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerHalfOpened(Event):
    """The wait is over: a few probes of *key* go through."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerClosed(Event):
    """The probes succeeded: calls of *key* flow again."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamBroken(Event):
    """A stream of *key* stopped before its end, after *items* items."""

    key: str
    kind: str
    items: int


# ------------------------------------------------------------------ transactions


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRetried(Event):
    """
    Try *attempt* of a transaction failed for *reason*; the next starts in *wait* s.

    *reason* is ``serialization``, ``deadlock``, ``locked``, ``busy``, ``disconnected``,
    ``unreachable``, or ``commit_unknown`` if the work was said to be idempotent.
    """

    attempt: int
    reason: str
    wait: float


# ------------------------------------------------------------------ the database


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseLost(Event):
    """
    No connection to *database* could be made, or one broke; told once for an outage.

    *reason* is an SQLSTATE, the type of an exception, or ``pre_ping`` if the pool found
    a dead connection before it was used; nothing of a text.
    """

    database: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseReconnected(Event):
    """The first new connection to *database* is there, *away* s after it was lost."""

    database: str
    away: float


# ------------------------------------------------------------------ operations


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthChanged(Event):
    """
    Health check *check* changed its mind: ``pass``, ``warn`` or ``fail``.

    *previous* is ``starting`` for its first word; *reason* is exact and never public.
    """

    check: str
    critical: bool
    status: str
    previous: str
    reason: str
