"""
What is wrong in the application that an adapter is installed in? Findings.

An adapter says what it sees of its framework's application; what that means is said
here, once for all of them.
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from resilient_auth.core import arguments
from resilient_auth.core.deployment import Deployment
from resilient_auth.core.findings import Finding
from resilient_auth.core.view import SAFE_METHODS

#: The verbs of every adapter that say who calls.
_VERBS = frozenset({"principal", "optional", "required"})
_CORS = re.compile(r"CORS|Cors|(?:^|[._])cors(?:$|[._])")
_MARK = "__resilient_auth_guards__"


@dataclass(frozen=True, slots=True)
class Seen:
    """
    What stands in an application: *cors* are the names of what answers CORS itself.

    *open_routes* are method and path of every route without a guard to be seen.
    """

    is_wrapped: bool
    cors: tuple[str, ...]
    open_routes: tuple[tuple[str, str], ...]


def findings_of(
    seen: Seen, site: Deployment, *, public: Iterable[str]
) -> list[Finding]:
    """Return what is to be done in the application *seen*, and what *site* says."""
    allowed = frozenset(arguments.several("public", public))
    open_routes = [each for each in seen.open_routes if each[1] not in allowed]
    return [*_of_wrap(seen), *_of_routes(open_routes), *site.findings()]


def guard(function: Callable[..., Any]) -> None:
    """Mark *function* as one that asks who calls, before anything else."""
    setattr(function, _MARK, True)


def asks_who_calls(function: object) -> bool:
    """
    Say whether a guard is to be seen in *function*.

    It is one that was marked, also inside of decorators, or its code names a verb of
    the adapters. That is a reading, no proof: it helps to find what was forgotten.
    """
    for each in _inside(function):
        code = getattr(each, "__code__", None)
        if hasattr(each, _MARK) or (code and not _VERBS.isdisjoint(code.co_names)):
            return True
    return False


def answers_cors(layer: object) -> bool:
    """Say whether a middleware, or a function after the request, answers CORS."""
    module = getattr(layer, "__module__", "") or ""
    name = getattr(layer, "__qualname__", type(layer).__qualname__)
    return _CORS.search(f"{module}.{name}") is not None


def unsafe(methods: Iterable[str] | None) -> list[str]:
    """Return the methods that change something; ``*`` if a route takes any."""
    return ["*"] if methods is None else sorted(set(methods) - SAFE_METHODS)


def _inside(function: object) -> Iterator[object]:
    """Yield *function* and what it decorates."""
    seen: set[int] = set()
    while function is not None and id(function) not in seen:
        seen.add(id(function))
        yield function
        if isinstance(function, functools.partial):
            function = function.func
        else:
            function = getattr(function, "__wrapped__", None)


def _of_wrap(seen: Seen) -> Iterator[Finding]:
    if not seen.is_wrapped:
        yield Finding(
            "wrap_missing",
            "warning",
            "the application is not inside the wrap: its errors have no request id and "
            "no CORS headers, and preflights are not answered",
            "Serve what wrap() returns, or call install() or init_app().",
        )
    for name in seen.cors:
        yield Finding(
            "other_cors",
            "warning",
            f"{name} answers CORS too: what the two say contradicts each other",
            "Remove it: the deployment's apps are what it would be told again.",
        )


def _of_routes(open_routes: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    for method, path in open_routes:
        yield Finding(
            "unguarded_route",
            "warning",
            f"{method} {path}: nobody is seen to ask who calls",
            "Guard it with required(), or ask principal() in it; if it is for "
            f"everybody, say findings(…, public=[{path!r}]).",
        )
