"""
How does an ASGI application use it, of any framework or of none? By its scope.

The adapters of frameworks stand on this one: they say the same in the words of their
framework, and add no rule of their own.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from resilient_auth.auth.sessions import AsyncAuth
from resilient_auth.auth.shell import Principal
from resilient_auth.auth.throttle import LoginThrottle
from resilient_auth.core import arguments
from resilient_auth.core.deployment import Deployment
from resilient_auth.core.messages import Messages
from resilient_auth.core.view import Answer
from resilient_auth.errors import AnswerError, ConfigError, Refused
from resilient_auth.web.asgi import (
    App,
    Probe,
    Receive,
    Scope,
    Send,
    Wrap,
    read_bounded,
    send_answer,
    view_of,
)
from resilient_auth.web.credentials import Authenticate
from resilient_auth.web.endpoints import AsyncEndpoints
from resilient_auth.web.start import RequiredAtStart, checked
from resilient_auth.web.wire import needed_scopes


class ServesProbes(Protocol):
    """What the adapters need of ``Health``: its paths and their answers."""

    def routes(self) -> Mapping[str, Probe]:
        """Return path → coroutine function that gives the answer."""
        ...


class AsgiAuth:
    """
    Authentication for an ASGI application without a framework.

    ::

        web = AsgiAuth(auth, site, authenticate=check)
        app = web.wrap(app, prefix="/api/auth")

    and inside of *app*: ``who = await web.principal(scope)``.
    """

    def __init__(
        self,
        auth: AsyncAuth,
        site: Deployment,
        *,
        authenticate: Authenticate,
        throttle: LoginThrottle | None = None,
        messages: Messages | None = None,
        health: ServesProbes | None = None,
        models: RequiredAtStart | None = None,
    ) -> None:
        self.endpoints: AsyncEndpoints = AsyncEndpoints(
            auth, site, authenticate, throttle, messages
        )
        self.publishes_keys: bool = bool(auth.public_keys())
        self._site = site
        if health is not None:
            arguments.methods("health", health, "routes")
        self._probes = {} if health is None else dict(health.routes())
        self._models = checked(models)

    def wrap(self, app: App, *, prefix: str = "/api/auth") -> App:
        """
        Return *app* inside the wrap (id, errors, CORS), with the endpoints at *prefix*.

        What stands under the prefix never reaches *app*; a refusal that it raises is
        answered.
        """
        if not prefix.startswith("/") or prefix.endswith("/"):
            raise ConfigError('prefix is a path such as "/api/auth".')

        async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
            path = _below(scope, prefix) if scope["type"] == "http" else ""
            if path:
                await send_answer(await self.answer(scope, receive, path=path), send)
            else:
                await app(scope, receive, send)

        return self.around(mounted)

    async def principal(self, scope: Scope) -> Principal:
        """Return who calls; raises `Refused`, which becomes the right answer."""
        return await self.endpoints.principal(view_of(scope))

    async def optional(self, scope: Scope) -> Principal | None:
        """Return who calls, None if no credential came; a bad one raises `Refused`."""
        return await self.endpoints.optional(view_of(scope))

    async def required(
        self, scope: Scope, *, recent: int | None = None, scopes: Iterable[str] = ()
    ) -> Principal:
        """
        Return who calls, if they may.

        *recent* is the most seconds since they proved who they are (else
        ``step_up_required``); *scopes* must all stand in the claim ``scope``.
        """
        needed = needed_scopes(scopes)
        return await self.endpoints.principal(view_of(scope), recent, needed)

    # ------------------------------------------------------------------ for adapters

    def around(self, app: App) -> App:
        """Return *app* inside the wrap; its own router mounts the endpoints."""
        refusals = self.endpoints.refusals
        return Wrap(app, self._site, refusals, self._probes, self._models)

    async def answer(self, scope: Scope, receive: Receive, *, path: str) -> Answer:
        """Return the answer of the endpoint at *path* under the mount."""
        view = view_of(scope)
        if "\n" in view.path:
            # A router's ``$`` also matches before a last one, and drops it.
            lines = Refused("not_found", reason="a line break in the path")
            return self.refusal(scope, lines)
        try:
            body = b"" if view.is_safe else await read_bounded(receive)
        except AnswerError as error:
            return self.refusal(scope, error)
        return await self.endpoints.handle(view._replace(path=path, body=body))

    def refusal(self, scope: Scope, error: AnswerError) -> Answer:
        """Return the answer that tells *error*, and tell the listeners."""
        return self.endpoints.refusals.answer(view_of(scope), error)


class AsgiAdapter:
    """What the adapters of ASGI frameworks are built from: the same in each."""

    def __init__(
        self,
        auth: AsyncAuth,
        site: Deployment,
        *,
        authenticate: Authenticate,
        throttle: LoginThrottle | None = None,
        messages: Messages | None = None,
        health: ServesProbes | None = None,
        models: RequiredAtStart | None = None,
    ) -> None:
        self._web = AsgiAuth(
            auth,
            site,
            authenticate=authenticate,
            throttle=throttle,
            messages=messages,
            health=health,
            models=models,
        )
        self._site = site


def _below(scope: Scope, prefix: str) -> str:
    """Return the path under *prefix*, or nothing; a server's root path is no part."""
    root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
    if root and path.startswith(f"{root}/"):
        path = path.removeprefix(root)
    return path.removeprefix(prefix) if path.startswith(f"{prefix}/") else ""
