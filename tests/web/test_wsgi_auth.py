"""The adapter for WSGI without a framework keeps the wire's promises."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from resilient_auth import Auth, Principal, Unavailable, WsgiAuth
from resilient_auth.testing import WireContract, WireSetup, WsgiTransport
from resilient_auth.testing.wire.setup import RECENT


def web_of(setup: WireSetup) -> WsgiAuth:
    """Return the adapter that *setup* asks for."""
    auth = Auth(
        setup.ring,
        setup.policy,
        store=setup.store,
        sessions=setup.sessions,
        clock=setup.clock,
        listeners=[setup.told.append],
    )
    return WsgiAuth(
        auth, setup.site, authenticate=setup.authenticate, messages=setup.messages
    )


def application(web: WsgiAuth) -> WSGIApplication:
    """Return the application of the contract."""
    routes = {
        ("GET", "/me"): lambda env: web.principal(env).subject,
        ("GET", "/maybe"): lambda env: _name(web.optional(env)),
        ("POST", "/change"): lambda environ: (
            f"changed by {_name(web.required(environ))}"
        ),
        ("GET", "/write"): lambda env: _name(web.required(env, scopes=["write"])),
        ("GET", "/recent"): lambda env: _name(web.required(env, recent=RECENT)),
        ("GET", "/busy"): _busy,
        ("GET", "/crash"): _crash,
    }

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if asked == ("GET", "/stream"):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return iter([b"one ", b"two ", b"three"])
        if asked == ("GET", "/own-500"):
            return _say("500 Internal Server Error", "my own page", start_response)
        if asked not in routes:
            return _say("404 Not Found", "nothing here", start_response)
        return _say("200 OK", routes[asked](environ), start_response)

    return app


def _name(who: Principal | None) -> str:
    return who.subject if who else "nobody"


def _busy(_: WSGIEnvironment) -> str:
    raise Unavailable("overloaded", retry_after=7)


def _crash(_: WSGIEnvironment) -> str:
    raise RuntimeError("secret-of-the-crash")


def _say(status: str, text: str, start_response: StartResponse) -> list[bytes]:
    body = text.encode()
    length = ("Content-Length", str(len(body)))
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), length])
    return [body]


class TestWsgi(WireContract):
    """The adapter in process, every byte of it."""

    def build(self, setup: WireSetup) -> WsgiTransport:
        """Serve an application of the routes that the contract asks for."""
        web = web_of(setup)
        scheme = setup.site.api.partition(":")[0]
        return WsgiTransport(web.wrap(application(web)), scheme=scheme)
