"""How does a Starlette application use it? The verbs of every adapter."""

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router

from resilient_auth.auth.sessions import AsyncAuth
from resilient_auth.auth.shell import Principal
from resilient_auth.core import arguments
from resilient_auth.core.deployment import Deployment
from resilient_auth.core.view import Answer
from resilient_auth.errors import AnswerError, ConfigError
from resilient_auth.web.asgi import (
    App,
    Probe,
    Receive,
    Scope,
    Send,
    Wrap,
    read_bounded,
    view_of,
)
from resilient_auth.web.endpoints import AsyncEndpoints, Authenticate, is_async
from resilient_auth.web.wire import require_scopes

Endpoint = Callable[..., Any]


class ServesProbes(Protocol):
    """What the adapter needs of ``Health``: its paths and their answers."""

    def routes(self) -> Mapping[str, Probe]:
        """Return path → coroutine function that gives the answer."""
        ...


class StarletteAuth:
    """
    Authentication for a Starlette application.

    ::

        web = StarletteAuth(auth, site, authenticate=check)
        app = web.wrap(Starlette(routes=[Mount("/api/auth", routes=web.routes())]))
    """

    def __init__(
        self,
        auth: AsyncAuth,
        site: Deployment,
        *,
        authenticate: Authenticate,
        health: ServesProbes | None = None,
    ) -> None:
        self._auth = auth
        self._endpoints = AsyncEndpoints(auth, site, authenticate)
        self._site = site
        if health is not None:
            arguments.methods("health", health, "routes")
        self._probes = {} if health is None else dict(health.routes())

    def routes(self) -> list[BaseRoute]:
        """Return the endpoints, to be mounted (usually at ``/api/auth``)."""
        return [Route("/{path:path}", _Endpoints(self._endpoints))]

    def wrap(self, app: App) -> App:
        """Return *app* inside the wrap (id, errors, CORS): the outermost layer."""
        for each in _starlettes(app):
            # Answered here, a refusal does not pass the handlers meant for crashes.
            each.add_exception_handler(AnswerError, self._on_refusal)
        return Wrap(app, self._site, self._endpoints.refusals, self._probes)

    async def principal(self, connection: HTTPConnection) -> Principal:
        """Return who calls; raises `Refused`, which becomes the right answer."""
        return await self._endpoints.principal(view_of(connection.scope))

    async def optional(self, connection: HTTPConnection) -> Principal | None:
        """Return who calls, None if no credential came; a bad one raises `Refused`."""
        return await self._endpoints.optional(view_of(connection.scope))

    def required(
        self, *, recent: int | None = None, scopes: Iterable[str] = ()
    ) -> Callable[[Endpoint], Callable[[Request], Awaitable[Any]]]:
        """
        Let an endpoint be reached only by a principal, found in ``request.state``.

        *recent* is the most seconds since they proved who they are (else
        ``step_up_required``); *scopes* must all stand in the claim ``scope``.
        """
        if isinstance(scopes, str):
            raise ConfigError("scopes is a list; one string would be its letters.")
        needed = frozenset(scopes)
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

        @functools.wraps(endpoint)
        async def guarded(request: Request) -> Any:
            who = await self.principal(request)
            require_scopes(who, scopes)
            if recent is not None:
                self._auth.require_recent(who, max_age=recent)
            request.state.principal = who
            if awaited:
                return await endpoint(request)
            answer = await run_in_threadpool(endpoint, request)
            return await answer if inspect.isawaitable(answer) else answer

        return guarded

    async def _on_refusal(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, AnswerError) or request.scope["type"] != "http":
            raise error
        return _response(self._endpoints.refusals.answer(view_of(request.scope), error))


class _Endpoints:
    """The mounted endpoints as one ASGI application."""

    def __init__(self, endpoints: AsyncEndpoints) -> None:
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        view = view_of(scope)
        path = "/" + scope["path_params"]["path"]
        try:
            body = b"" if view.is_safe else await read_bounded(receive)
            answer = await self._endpoints.handle(replace(view, path=path, body=body))
        except AnswerError as error:
            answer = self._endpoints.refusals.answer(view, error)
        await _response(answer)(scope, receive, send)


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


def _starlettes(node: object) -> Iterator[Starlette]:
    """Yield *node* and every application mounted in it, also behind middleware."""
    if isinstance(node, Starlette):
        yield node
    if isinstance(node, Starlette | Router):
        for route in node.routes:
            yield from _starlettes(route)
    else:
        inner = getattr(node, "app", None)
        if inner is not None:
            yield from _starlettes(inner)


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)
    for name, value in answer.headers:
        response.headers.append(name, value)
    return response
