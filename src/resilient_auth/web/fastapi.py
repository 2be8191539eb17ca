"""How does a FastAPI application use it? As dependencies that document themselves."""

from collections.abc import Awaitable, Callable, Iterable
from functools import cached_property
from typing import Any, Generic, TypeVar

from fastapi import APIRouter, FastAPI
from fastapi.openapi.models import HTTPBearer
from fastapi.openapi.models import SecurityBase as SecurityScheme
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from resilient_auth.auth.shell import Principal
from resilient_auth.core.deployment import Deployment
from resilient_auth.core.findings import Finding
from resilient_auth.errors import ConfigError
from resilient_auth.web import installed, openapi, operations
from resilient_auth.web.asgi import Scope, view_of
from resilient_auth.web.asgi_auth import AsgiAdapter, AsgiAuth
from resilient_auth.web.starlette import (
    answer_refusals,
    catch_all,
    response_of,
    seen_in,
)
from resilient_auth.web.wire import needed_scopes

T = TypeVar("T")


class Dependency(SecurityBase, Generic[T]):
    """What ``Depends(…)`` is given; *mark* is how it stands in the document."""

    def __init__(self, find: Callable[[Scope], Awaitable[T]], mark: str) -> None:
        self.model: SecurityScheme = HTTPBearer()
        self.scheme_name: str = mark
        self._find = find

    async def __call__(self, connection: HTTPConnection) -> T:
        """Return who sent the request of *connection*, or raise `Refused`."""
        return await self._find(connection.scope)


class FastAPIAuth(AsgiAdapter):
    """
    Authentication for a FastAPI application.

    ::

        api = FastAPIAuth(auth, site, authenticate=check)
        api.install(app)
        app.include_router(api.router(), prefix="/api/auth")

        @app.get("/me")
        async def me(who: Annotated[Principal, Depends(api.principal)]): ...
    """

    @cached_property
    def principal(self) -> Dependency[Principal]:
        """Who calls; a dependency, whose refusal becomes the right answer."""
        return Dependency(self._web.principal, openapi.marker())

    @cached_property
    def optional(self) -> Dependency[Principal | None]:
        """Who calls, None if no credential came; a bad one is refused."""
        return Dependency(self._web.optional, openapi.marker(anonymous=True))

    def required(
        self, *, recent: int | None = None, scopes: Iterable[str] = ()
    ) -> Dependency[Principal]:
        """
        Return a dependency: who calls, if they may.

        *recent* is the most seconds since they proved who they are (else
        ``step_up_required``); *scopes* must all stand in the claim ``scope``.
        """
        needed = needed_scopes(scopes)
        who_calls = self._web.endpoints.principal

        async def find(scope: Scope) -> Principal:
            return await who_calls(view_of(scope), recent, needed)

        return Dependency(find, openapi.marker(scopes=needed))

    def install(self, app: FastAPI) -> None:
        """
        Put *app* into the wrap (id, errors, CORS), and our part into its document.

        Call it once, before the application serves. Raises `ConfigError` otherwise.
        """
        if isinstance(app.build_middleware_stack, _WrappedStack):
            raise ConfigError("This application has its wrap already: install once.")
        if app.middleware_stack is not None:
            raise ConfigError("install() comes before the application's first request.")
        stack = _WrappedStack(app, self._web)
        app.build_middleware_stack = stack  # type: ignore[method-assign]  # on this one
        document = _Document(app.openapi, self._site)
        app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way

    def findings(self, app: FastAPI, *, public: Iterable[str] = ()) -> list[Finding]:
        """
        Return what deserves a look in *app* and in the site.

        An operation is guarded if its document says how. One that is for everybody
        says so there (``openapi_extra={"security": []}``) or its path is in *public*.
        """
        seen = installed.Seen(
            is_wrapped=isinstance(app.build_middleware_stack, _WrappedStack),
            cors=seen_in(app).cors,
            open_routes=tuple(openapi.unsecured(_document_of(app))),
        )
        return installed.findings_of(seen, self._site, public=public)

    def router(self) -> APIRouter:
        """Return the endpoints, to be included (usually at ``/api/auth``)."""
        router = APIRouter()
        keys = (operations.KEYS,) if self._web.publishes_keys else ()
        for each in (*operations.OPERATIONS, *keys):
            router.add_api_route(
                each.path,
                self._endpoint(each.path),
                methods=[each.method],
                summary=each.summary,
                status_code=next(iter(each.answers)),
                response_class=Response,
                responses=each.responses(),
                openapi_extra=each.details(self._site),
            )
        router.routes.append(catch_all(self._web))
        return router

    def _endpoint(self, path: str) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            asked = path.format_map(request.path_params)
            answer = await self._web.answer(request.scope, request.receive, path=asked)
            return response_of(answer)

        return endpoint


def _document_of(app: FastAPI) -> dict[str, Any]:
    """Return the document of *app* as of now; routes may be added later."""
    kept, app.openapi_schema = app.openapi_schema, None
    try:
        return app.openapi()
    finally:
        app.openapi_schema = kept


class _WrappedStack:
    """
    Builds the middleware of an application inside the wrap.

    FastAPI does it at the first message, so by then all routes are known, and
    everything stays what it was to servers and test clients: the application itself.
    """

    def __init__(self, app: FastAPI, web: AsgiAuth) -> None:
        self._app = app
        self._build = app.build_middleware_stack
        self._web = web

    def __call__(self) -> ASGIApp:
        answer_refusals(self._app, self._web)
        return self._web.around(self._build())


class _Document:
    """The OpenAPI document of an application, completed by ours."""

    def __init__(self, make: Callable[[], dict[str, Any]], site: Deployment) -> None:
        self._make = make
        self._site = site

    def __call__(self) -> dict[str, Any]:
        document = self._make()
        openapi.complete(document, self._site)
        return document
