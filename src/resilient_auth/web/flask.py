"""How does a Flask application use it? As an extension, with decorated views."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, Response, current_app, g, got_request_exception, request
from werkzeug.exceptions import InternalServerError

from resilient_auth.auth.sessions import Auth
from resilient_auth.auth.shell import Principal
from resilient_auth.auth.throttle import LoginThrottle
from resilient_auth.core.deployment import Deployment
from resilient_auth.core.findings import Finding
from resilient_auth.core.messages import Messages
from resilient_auth.core.view import Answer
from resilient_auth.errors import AnswerError, ConfigError
from resilient_auth.web import installed
from resilient_auth.web.credentials import PlainAuthenticate, is_async
from resilient_auth.web.start import RequiredAtStart
from resilient_auth.web.wire import needed_scopes
from resilient_auth.web.wsgi import headers_of, respond
from resilient_auth.web.wsgi_auth import WsgiAuth, below, require_prefix

View = TypeVar("View", bound=Callable[..., Any])

_NAME = "resilient_auth"  # in app.extensions
_FAILED = "resilient_auth.failed"  # in the environ: the answer to a crash


class FlaskAuth:
    """
    Authentication for a Flask application.

    ::

        web = FlaskAuth(auth, site, authenticate=check)
        web.init_app(app)

        @app.get("/me")
        @web.required()
        def me():
            return g.principal.subject

    *prefix* is where the endpoints stand. They are answered around the application,
    inside a request context: *authenticate* may use ``request`` and your database, and
    no ``before_request`` of yours runs.
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
        prefix: str = "/api/auth",
    ) -> None:
        require_prefix(prefix)
        self._web = WsgiAuth(
            auth,
            site,
            authenticate=authenticate,
            throttle=throttle,
            messages=messages,
            models=models,
        )
        self._prefix = prefix
        self._site = site

    def init_app(self, app: Flask) -> None:
        """
        Put the endpoints and the wrap (id, errors, CORS) around *app*; once.

        Raises `ConfigError` the second time, and unless the *models* are sound.
        """
        if _NAME in app.extensions:
            raise ConfigError("This application has a FlaskAuth already.")
        wrapped = self._web.around(_Mounted(app, self._web, self._prefix))
        app.extensions[_NAME] = self
        app.register_error_handler(AnswerError, self._refused)
        if not _handles_crashes(app):
            app.register_error_handler(InternalServerError, self._crashed)
        got_request_exception.connect(self._tell_crash, app)
        app.wsgi_app = wrapped  # type: ignore[assignment, method-assign]  # as Flask documents

    def findings(self, app: Flask, *, public: Iterable[str] = ()) -> list[Finding]:
        """
        Return what deserves a look in *app* and in the site.

        *public* are the rules of unsafe routes that are for everybody.
        """
        seen = installed.Seen(
            is_wrapped=app.extensions.get(_NAME) is self,
            cors=tuple(_cors_of(app)),
            open_routes=tuple(_open_routes(app)),
        )
        return installed.findings_of(seen, self._site, public=public)

    def principal(self) -> Principal:
        """Return who calls; raises `Refused`, which becomes the right answer."""
        return self._web.principal(request.environ)

    def optional(self) -> Principal | None:
        """Return who calls, None if no credential came; a bad one raises `Refused`."""
        return self._web.optional(request.environ)

    def required(
        self, *, recent: int | None = None, scopes: Iterable[str] = ()
    ) -> Callable[[View], View]:
        """
        Let a view be reached only by a principal, found in ``g.principal``.

        *recent* is the most seconds since they proved who they are (else
        ``step_up_required``); *scopes* must all stand in the claim ``scope``. The
        decorator stands under the one of the route.
        """
        needed = needed_scopes(scopes)

        def guard(view: View) -> View:
            if not callable(view):
                raise ConfigError("Write @web.required(), with parentheses.")

            awaited = is_async(view)

            @functools.wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                environ = request.environ
                g.principal = self._web.required(environ, recent=recent, scopes=needed)
                called = current_app.ensure_sync(view) if awaited else view
                return called(*args, **kwargs)

            installed.guard(guarded)
            return guarded  # type: ignore[return-value]  # a view like the one given

        return guard

    def _refused(self, error: AnswerError) -> Response:
        return response_of(self._web.refusal(request.environ, error))

    def _crashed(self, error: InternalServerError) -> Response:
        """Answer a crash, or ``abort(500)``, which is one that was seen coming."""
        answer = request.environ.get(_FAILED)
        return response_of(answer or self._web.failure(request.environ, error))

    def _tell_crash(self, app: Flask, exception: Exception, **_: object) -> None:
        """Tell the listeners of a crash that Flask answers; the others we answer."""
        if not _passes_on(app):
            environ = request.environ
            environ[_FAILED] = self._web.failure(environ, exception)


class _Mounted:
    """The application with the endpoints before it."""

    def __init__(self, app: Flask, web: WsgiAuth, prefix: str) -> None:
        self._app = app
        self._inner = app.wsgi_app
        self._web = web
        self._prefix = prefix

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        path = below(environ, self._prefix)
        if not path:
            return self._inner(environ, start_response)
        with self._app.request_context(environ):
            answer = self._web.answer(environ, path=path)
        return respond(answer, start_response)


def response_of(answer: Answer) -> Response:
    """Return *answer* as a response of Flask's."""
    return Response(answer.body, answer.status, headers_of(answer))


def _cors_of(app: Flask) -> Iterator[str]:
    """Yield what answers CORS after the requests of *app* and of its blueprints."""
    for functions in app.after_request_funcs.values():
        for function in filter(installed.answers_cors, functions):
            yield f"{function.__module__}.{function.__qualname__}"


def _open_routes(app: Flask) -> Iterator[tuple[str, str]]:
    """Yield method and rule of each unsafe route in which no guard is to be seen."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if any(map(installed.asks_who_calls, _before(app, rule.endpoint))):
            continue
        for method in installed.unsafe(rule.methods):
            handlers = (
                view,
                getattr(getattr(view, "view_class", None), method.lower(), None),
            )
            if not any(map(installed.asks_who_calls, handlers)):
                yield method, rule.rule


def _before(app: Flask, endpoint: str) -> Iterator[object]:
    """Yield what runs before the view at *endpoint*, its blueprints' functions too."""
    yield from app.before_request_funcs.get(None, ())
    names = endpoint.split(".")[:-1]
    for depth in range(len(names)):
        name = ".".join(names[: depth + 1])
        yield from app.before_request_funcs.get(name, ())


def _passes_on(app: Flask) -> bool:
    """Say whether *app* lets exceptions out, as for a debugger or a test."""
    said = app.config["PROPAGATE_EXCEPTIONS"]
    return bool(app.testing or app.debug) if said is None else bool(said)


def _handles_crashes(app: Flask) -> bool:
    """Say whether *app* has a page of its own for crashes."""
    handlers = app.error_handler_spec[None]
    return bool(handlers[500]) or Exception in handlers[None]
