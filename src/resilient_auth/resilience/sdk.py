"""
Does the SDK retry by itself? Its attempts would multiply with ours: 6 times 3 are 18.

Two traces are read, both by shape, without importing an SDK: ``max_retries`` of a
client that the guarded function holds (bound to it, in its closure, or a global that it
names), and the count that the SDKs of openai and anthropic send with each request.
"""

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, FunctionType
from typing import Any

from resilient_auth.clock import Clock
from resilient_auth.events import Listener, SdkRetriesOn, tell

_log = logging.getLogger("resilient_auth")
_COUNT = "x-stainless-retry-count"
_MOST = 32  # objects looked at per function
#: What functions hold most of the time, and no client is; passed over without a look,
#: for every failing call pays for it.
_NO_CLIENT = (FunctionType, BuiltinFunctionType, str, bytes, int, float)


class SdkRetries:
    """Looks for an SDK that retries, and reports it once."""

    __slots__ = ("_key", "_listeners", "_reported")

    def __init__(self, key: str, listeners: tuple[Listener, ...]) -> None:
        self._key = key
        self._listeners = listeners
        self._reported = False

    def look(
        self,
        fn: Callable[..., object],
        clock: Clock,
        error: BaseException | None = None,
    ) -> None:
        """Report what *fn* holds, or what *error* shows; never raises."""
        if self._reported:
            return
        try:
            retries = _client_retries(fn) or _counted(error)
        except Exception:  # noqa: BLE001 - foreign objects may do anything
            return
        if not retries:
            return
        self._reported = True
        _log.warning(
            "The SDK behind %r retries by itself (%d times), which multiplies with our "
            "attempts: build its client with max_retries=0.",
            self._key,
            retries,
        )
        event = SdkRetriesOn(at=clock.time(), key=self._key, retries=retries)
        tell(self._listeners, event)


def _client_retries(fn: Callable[..., object]) -> int:
    """Return the largest ``max_retries`` of the clients that *fn* holds."""
    held = (each for each in _held(fn) if not isinstance(each, _NO_CLIENT))
    return max(map(_max_retries, held), default=0)


def _held(fn: Any) -> Iterator[object]:
    """Yield what *fn* is bound to, has in its closure, and names among its globals."""
    if isinstance(fn, functools.partial):
        yield from list(fn.args)[:_MOST]
        fn = fn.func
    bound = getattr(fn, "__self__", None)
    if bound is not None:
        yield bound
    fn = getattr(fn, "__func__", fn)
    code = getattr(fn, "__code__", None)
    if code is None:
        return
    for cell in (fn.__closure__ or ())[:_MOST]:
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue
    for name in code.co_names[:_MOST]:
        if name in fn.__globals__:
            yield fn.__globals__[name]


def _max_retries(held: object) -> int:
    """Return ``max_retries`` of a client, or of the client of one of its resources."""
    clients = ("_client", "root_client", "root_async_client")  # the latter: LangChain
    for candidate in (held, *(_static(held, name) for name in clients)):
        if candidate is None or isinstance(candidate, type):
            continue
        retries = _static(candidate, "max_retries")
        if type(retries) is int and _static(candidate, "_base_url") is not None:
            return retries
    return 0


def _static(holder: object, name: str) -> object:
    """Return an instance's own attribute; runs nobody's property."""
    try:
        return inspect.getattr_static(holder, name)
    except AttributeError:
        return None


def _counted(error: BaseException | None) -> int:
    """Return how often the SDK had repeated the request behind *error*."""
    request = getattr(error, "request", None)
    headers = getattr(request, "headers", None)
    count = "" if headers is None else headers.get(_COUNT, "")
    return int(count) if isinstance(count, str) and count.isdecimal() else 0
