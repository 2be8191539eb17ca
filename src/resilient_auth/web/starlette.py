"""How does a Starlette application use it? The verbs of every adapter."""

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router

from resilient_auth.auth.shell import Principal
from resilient_auth.core.findings import Finding
from resilient_auth.core.view import Answer
from resilient_auth.errors import AnswerError, ConfigError
from resilient_auth.web import installed
from resilient_auth.web.asgi import (
    App,
    Receive,
    Scope,
    Send,
    Wrap,
    raw_headers,
    send_answer,
    view_of,
)
from resilient_auth.web.asgi_auth import AsgiAdapter, AsgiAuth
from resilient_auth.web.credentials import is_async
from resilient_auth.web.wire import needed_scopes

Endpoint = Callable[..., Any]

_VERBS = ("get", "head", "post", "put", "patch", "delete")  # of an HTTPEndpoint


class StarletteAuth(AsgiAdapter):
    """
    Authentication for a Starlette application.

    ::

        web = StarletteAuth(auth, site, authenticate=check)
        app = web.wrap(Starlette(routes=[Mount("/api/auth", routes=web.routes())]))
    """

    def routes(self) -> list[BaseRoute]:
        """Return the endpoints, to be mounted (usually at ``/api/auth``)."""
        return [catch_all(self._web)]

    def wrap(self, app: App) -> App:
        """Return *app* inside the wrap (id, errors, CORS): the outermost layer."""
        answer_refusals(app, self._web)
        return self._web.around(app)

    def findings(self, app: App, *, public: Iterable[str] = ()) -> list[Finding]:
        """
        Return what deserves a look in *app*, which is what you serve, and in the site.

        *public* are the paths of unsafe routes that are for everybody.
        """
        return installed.findings_of(seen_in(app), self._site, public=public)

    async def principal(self, connection: HTTPConnection) -> Principal:
        """Return who calls; raises `Refused`, which becomes the right answer."""
        return await self._web.principal(connection.scope)

    async def optional(self, connection: HTTPConnection) -> Principal | None:
        """Return who calls, None if no credential came; a bad one raises `Refused`."""
        return await self._web.optional(connection.scope)

    def required(
        self, *, recent: int | None = None, scopes: Iterable[str] = ()
    ) -> Callable[[Endpoint], Callable[[Request], Awaitable[Any]]]:
        """
        Let an endpoint be reached only by a principal, found in ``request.state``.

        *recent* is the most seconds since they proved who they are (else
        ``step_up_required``); *scopes* must all stand in the claim ``scope``.
        """
        needed = needed_scopes(scopes)
        return lambda endpoint: self._guarded(endpoint, recent, needed)

    def _guarded(
        self, endpoint: Endpoint, recent: int | None, scopes: frozenset[str]
    ) -> Callable[[Request], Awaitable[Any]]:
        if not _takes_a_request(endpoint):
            raise ConfigError(
                "required() guards functions of one argument, the request; in an "
                "HTTPEndpoint's method call `await web.principal(request)`."
            )
        awaited = is_async(endpoint)
        who_calls = self._web.endpoints.principal

        @functools.wraps(endpoint)
        async def guarded(request: Request) -> Any:
            request.state.principal = await who_calls(
                view_of(request.scope), recent, scopes
            )
            if awaited:
                return await endpoint(request)
            answer = await run_in_threadpool(endpoint, request)
            return await answer if inspect.isawaitable(answer) else answer

        installed.guard(guarded)
        return guarded


def catch_all(web: AsgiAuth) -> Route:
    """Return the route that serves every path under the mount, also the wrong ones."""
    return Route("/{path:path}", _Endpoints(web))


def answer_refusals(app: object, web: AsgiAuth) -> None:
    """
    Let *app*, and every application mounted in it, answer a refusal itself.

    So it does not pass the handlers that are meant for crashes.
    """

    async def on_refusal(request: Request, error: Exception) -> Response:
        if not isinstance(error, AnswerError) or request.scope["type"] != "http":
            raise error
        return response_of(web.refusal(request.scope, error))

    for each in _starlettes(app):
        each.add_exception_handler(AnswerError, on_refusal)


def seen_in(app: object) -> installed.Seen:
    """Return what there is in *app* and in all that is mounted in it."""
    layers, inside = _layers(app), list(_starlettes(app))
    added = [each.cls for starlette in inside for each in starlette.user_middleware]
    cors = [each for each in (*layers, *added) if installed.answers_cors(each)]
    return installed.Seen(
        is_wrapped=any(isinstance(each, Wrap) for each in layers),
        cors=tuple(getattr(each, "__name__", type(each).__name__) for each in cors),
        open_routes=tuple(_open_routes(layers[-1], "")),
    )


def response_of(answer: Answer) -> Response:
    """Return *answer* as a response of Starlette's."""
    response = Response(answer.body, answer.status)
    response.raw_headers = raw_headers(answer)
    return response


class _Endpoints:
    """The mounted endpoints as one ASGI application."""

    def __init__(self, web: AsgiAuth) -> None:
        self._web = web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = "/" + scope["path_params"]["path"]
        await send_answer(await self._web.answer(scope, receive, path=path), send)


def _takes_a_request(endpoint: object) -> bool:
    if inspect.isclass(endpoint) or not callable(endpoint):
        return False
    try:
        # A decorator may give what the function inside asks for beside the request.
        inspect.signature(endpoint, follow_wrapped=False).bind(None)
    except TypeError:
        return False
    except ValueError:
        return True  # what is not written in Python, or static, may hide its arguments
    return True


def _layers(app: object) -> list[object]:
    """Return *app* and what it wraps, down to the first that has routes."""
    layers = [app]
    while not isinstance(layers[-1], Starlette | Router):
        inner = getattr(layers[-1], "app", None)
        if inner is None:
            break
        layers.append(inner)
    return layers


def _open_routes(node: object, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield method and path of each unsafe route in which no guard is to be seen."""
    path = prefix + getattr(node, "path", "")
    if isinstance(node, Route):
        # What FastAPI makes is guarded by its dependencies, and known to its document.
        if not isinstance(node.endpoint, _Endpoints) and not hasattr(node, "dependant"):
            for method in installed.unsafe(_methods(node)):
                if not installed.asks_who_calls(_handler(node, method)):
                    yield method, path
        return
    for inner in getattr(node, "routes", None) or ():
        yield from _open_routes(inner, path)


def _methods(route: Route) -> Iterable[str] | None:
    """Return the methods of *route*; of a class, those that it has."""
    if inspect.isclass(route.endpoint):
        return [each.upper() for each in _VERBS if hasattr(route.endpoint, each)]
    return route.methods


def _handler(route: Route, method: str) -> object:
    return getattr(route.endpoint, method.lower(), route.endpoint)


def _starlettes(node: object) -> Iterator[Starlette]:
    """Yield *node* and every application mounted in it, also behind middleware."""
    if isinstance(node, Starlette):
        yield node
    if isinstance(node, Starlette | Router):
        for route in node.routes:
            yield from _starlettes(route)
    else:
        # `original_router` is where FastAPI keeps a router that was included.
        inner = getattr(node, "app", None) or getattr(node, "original_router", None)
        if inner is not None:
            yield from _starlettes(inner)
