"""
What kind of function is this, and is it guarded already?

Guarding a guarded function would multiply its retries, so that what guards a function
is written on it.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from resilient_auth.core.arguments import described, is_awaited
from resilient_auth.errors import ConfigError

Kind = Literal["call", "async call", "stream", "async stream"]

_MARK = "__resilience__"
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Guarded:
    """
    What is written on a guarded function: *by* whom, and what it *wraps*.

    *part* is the `Part` that alone guards it, and may be joined with another.
    """

    function: Callable[..., object]
    by: Any
    wraps: Callable[..., Any]
    part: object = None


def kind_of(fn: object) -> Kind:
    """Return what calling *fn* gives; raises `ConfigError` for what is no function."""
    if isinstance(fn, classmethod | staticmethod):
        raise ConfigError(f"Guard the function below @{type(fn).__name__}, not above.")
    if isinstance(fn, type) or not callable(fn):
        raise ConfigError(f"A function is guarded, not {described(fn)}.")
    inner: Any = fn
    while isinstance(inner, functools.partial):
        inner = inner.func
    inner = getattr(inner, "__func__", inner)
    found = getattr(inner, _MARK, None)
    if isinstance(found, Guarded) and found.function is inner:
        return kind_of(found.wraps)
    called = getattr(fn, "__call__", fn)  # noqa: B004 - an object may be one by it
    if inspect.isasyncgenfunction(fn) or inspect.isasyncgenfunction(called):
        return "async stream"
    if inspect.isgeneratorfunction(fn) or inspect.isgeneratorfunction(called):
        return "stream"
    return "async call" if is_awaited(fn) or _is_of_async_sdk(fn) else "call"


def _is_of_async_sdk(fn: Any) -> bool:
    """
    Say whether *fn* is a method of an async SDK.

    They wrap an ``async def`` in a plain function, and so does who runs one to its end;
    only the name of their class tells that they do not.
    """
    while isinstance(fn, functools.partial):
        fn = fn.func
    return (
        inspect.ismethod(fn)
        and type(fn.__self__).__name__.startswith("Async")
        and is_awaited(inspect.unwrap(fn))
    )


def mark(
    function: Callable[..., object],
    by: object,
    wraps: Callable[..., Any],
    *,
    part: object = None,
) -> None:
    """Write on *function* that it guards *wraps* on behalf of *by*."""
    setattr(function, _MARK, Guarded(function, by, wraps, part))


def marked(fn: object) -> Guarded | None:
    """
    Return what guards *fn*, or the function inside of it, or None.

    Looked through are partials, bound methods, and decorators that tell what they wrap.
    These copy the mark with all the rest, so that it names its function.
    """
    for _ in range(_DEEPEST):
        found = getattr(fn, _MARK, None)
        inner = getattr(fn, "__func__", fn)
        if isinstance(found, Guarded) and found.function is inner:
            return found
        if isinstance(fn, functools.partial):
            fn = fn.func
        else:
            fn = getattr(inner, "__wrapped__", None)
        if fn is None:
            return None
    return None


def name_of(fn: object) -> str:
    """Return what to call *fn* in a message: of a partial, the function inside."""
    fn = getattr(fn, "func", fn)
    return getattr(fn, "__qualname__", None) or type(fn).__qualname__
