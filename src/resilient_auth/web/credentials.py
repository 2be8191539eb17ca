"""How is the application asked who logs in? By its function, plain or awaited."""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from resilient_auth.core.outage import is_outage
from resilient_auth.errors import AnswerError, ConfigError, Refused, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who proved to be whom: what ``authenticate`` returns for good credentials."""

    subject: str
    claims: Mapping[str, object] | None = None
    amr: tuple[str, ...] = ("pwd",)


Credentials = Mapping[str, Any]
Verdict = Identity | str | None
#: What is given as ``authenticate`` to an adapter that awaits.
Authenticate = Callable[[Credentials], Verdict | Awaitable[Verdict]]
#: What is given to one that does not.
PlainAuthenticate = Callable[[Credentials], Verdict]
Ask = Callable[[Credentials], Awaitable[Verdict]]


async def identified(ask: Ask, credentials: Credentials) -> Identity:
    """
    Return whose *credentials* these are.

    Raises `Refused` ``credentials_invalid`` if nobody's, and `Unavailable` if the
    application could not look, since its database is down.
    """
    try:
        verdict = await ask(credentials)
    except AnswerError:
        raise
    except Exception as error:
        if not is_outage(error):
            raise
        raise Unavailable(reason=f"authenticate: {type(error).__name__}") from error
    if verdict is None:
        raise Refused("credentials_invalid")
    return Identity(subject=verdict) if isinstance(verdict, str) else verdict


def awaited(authenticate: Authenticate) -> Ask:
    """Await a coroutine function; run a plain one in the loop's bounded threads."""
    _require_function(authenticate)
    if is_async(authenticate):
        return authenticate  # type: ignore[return-value]  # is_async tells

    async def ask(credentials: Credentials) -> Verdict:
        result = await asyncio.to_thread(_in_thread, authenticate, credentials)
        return await result if inspect.isawaitable(result) else result

    return ask


def at_once(authenticate: PlainAuthenticate) -> Ask:
    """Call a plain function, here and now; `ConfigError` for a coroutine function."""
    _require_function(authenticate)
    if is_async(authenticate):
        raise ConfigError("authenticate is asynchronous, and this adapter is not.")

    async def ask(credentials: Credentials) -> Verdict:
        return authenticate(credentials)

    return ask


def is_async(function: Callable[..., object]) -> bool:
    """Say whether calling *function*, a partial or an object gives an awaitable."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        type(function).__call__
    )


def _require_function(given: object) -> None:
    if not callable(given):
        raise ConfigError("authenticate is a function of the login's credentials.")


def _in_thread(
    authenticate: Authenticate, credentials: Credentials
) -> Verdict | Awaitable[Verdict]:
    """Call *authenticate*; a bare ``next()`` in it must not hang the request."""
    try:
        return authenticate(credentials)
    except StopIteration as error:
        # A future cannot carry it, so who waits for the thread would wait for ever.
        raise RuntimeError("authenticate raised StopIteration") from error
