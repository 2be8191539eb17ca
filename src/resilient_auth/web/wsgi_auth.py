"""
How does a WSGI application use it, of any framework or of none? By its environ.

The same verbs as in ``asgi_auth``, without waiting.
"""

from collections.abc import Iterable
from io import BytesIO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from resilient_auth.auth.sessions import Auth
from resilient_auth.auth.shell import Principal
from resilient_auth.auth.throttle import LoginThrottle
from resilient_auth.core.deployment import Deployment
from resilient_auth.core.messages import Messages
from resilient_auth.core.view import Answer
from resilient_auth.errors import AnswerError, ConfigError, Refused
from resilient_auth.web.credentials import PlainAuthenticate
from resilient_auth.web.start import RequiredAtStart, checked
from resilient_auth.web.sync_endpoints import SyncEndpoints
from resilient_auth.web.wire import needed_scopes
from resilient_auth.web.wsgi import (
    Wrap,
    path_of,
    read_bounded,
    respond,
    view_of,
)


class WsgiAuth:
    """
    Authentication for a WSGI application without a framework.

    ::

        web = WsgiAuth(auth, site, authenticate=check)
        app = web.wrap(app, prefix="/api/auth")

    and inside of *app*: ``who = web.principal(environ)``.
    """

    def __init__(
        self,
        auth: Auth,
        site: Deployment,
        *,
        authenticate: PlainAuthenticate,
        throttle: LoginThrottle | None = None,
        messages: Messages | None = None,
        models: RequiredAtStart | None = None,
    ) -> None:
        self._endpoints = SyncEndpoints(auth, site, authenticate, throttle, messages)
        self._site = site
        self._models = checked(models)

    def wrap(
        self, app: WSGIApplication, *, prefix: str = "/api/auth"
    ) -> WSGIApplication:
        """
        Return *app* inside the wrap (id, errors, CORS), with the endpoints at *prefix*.

        What stands under the prefix never reaches *app*; a refusal that it raises is
        answered.
        """
        require_prefix(prefix)

        def mounted(
            environ: WSGIEnvironment, start_response: StartResponse
        ) -> Iterable[bytes]:
            path = below(environ, prefix)
            if not path:
                return app(environ, start_response)
            return respond(self.answer(environ, path=path), start_response)

        return self.around(mounted)

    def principal(self, environ: WSGIEnvironment) -> Principal:
        """Return who calls; raises `Refused`, which becomes the right answer."""
        return self._endpoints.principal(view_of(environ))

    def optional(self, environ: WSGIEnvironment) -> Principal | None:
        """Return who calls, None if no credential came; a bad one raises `Refused`."""
        return self._endpoints.optional(view_of(environ))

    def required(
        self,
        environ: WSGIEnvironment,
        *,
        recent: int | None = None,
        scopes: Iterable[str] = (),
    ) -> Principal:
        """
        Return who calls, if they may.

        *recent* is the most seconds since they proved who they are (else
        ``step_up_required``); *scopes* must all stand in the claim ``scope``.
        """
        needed = needed_scopes(scopes)
        return self._endpoints.principal(view_of(environ), recent, needed)

    # ------------------------------------------------------------------ for adapters

    def around(self, app: WSGIApplication) -> WSGIApplication:
        """
        Return *app*, which mounts the endpoints itself, inside the wrap.

        Raises `ConfigError` unless the models are sound.
        """
        if self._models is not None:
            self._models.require()
        return Wrap(app, self._site, self._endpoints.refusals)

    def answer(self, environ: WSGIEnvironment, *, path: str) -> Answer:
        """
        Return the answer of the endpoint at *path* under the mount.

        The body is read, and stands in *environ* for whoever reads it again.
        """
        view = view_of(environ)
        if "\n" in view.path:
            lines = Refused("not_found", reason="a line break in the path")
            return self.refusal(environ, lines)
        try:
            body = b"" if view.is_safe else read_bounded(environ)
        except AnswerError as error:
            return self.refusal(environ, error)
        environ["wsgi.input"] = BytesIO(body)
        return self._endpoints.handle(view._replace(path=path, body=body))

    def refusal(self, environ: WSGIEnvironment, error: AnswerError) -> Answer:
        """Return the answer that tells *error*, and tell the listeners."""
        return self._endpoints.refusals.answer(view_of(environ), error)

    def failure(self, environ: WSGIEnvironment, error: Exception) -> Answer:
        """Return the answer to a request that failed with the bug *error*."""
        return self._endpoints.refusals.failure(view_of(environ), error)


def require_prefix(prefix: str) -> None:
    """Raise `ConfigError` unless endpoints can be found under *prefix*."""
    if not prefix.startswith("/") or prefix.endswith("/"):
        raise ConfigError('prefix is a path such as "/api/auth".')


def below(environ: WSGIEnvironment, prefix: str) -> str:
    """Return the path under *prefix*, or nothing."""
    path = path_of(environ.get("PATH_INFO", ""))
    return path.removeprefix(prefix) if path.startswith(f"{prefix}/") else ""
