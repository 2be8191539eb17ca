"""
How does a WSGI application without a framework use it? A guest book.

Everybody may read it, who is logged in may sign, and only with the password just typed
may it be emptied. ``gunicorn 'examples.plain_wsgi.app:create_app()'`` serves it; log in
with ``POST /api/auth/login``.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from resilient_auth import (
    Auth,
    Deployment,
    Key,
    KeyRing,
    PasswordHasher,
    Refused,
    TokenPolicy,
    WsgiAuth,
)

HOME = "http://localhost:8000"


def create_app() -> WSGIApplication:
    """Return the application inside the wrap, with the endpoints mounted."""
    policy = TokenPolicy(issuer=HOME, audience="guests")
    auth = Auth(KeyRing([Key.generate("HS256")]), policy)
    hasher = PasswordHasher()
    passwords = {"ann": hasher.hash("correct horse")}

    def check(credentials: Mapping[str, Any]) -> str | None:
        name: str = credentials["username"]
        known = hasher.verify(passwords.get(name), credentials["password"])
        return name if known else None

    web = WsgiAuth(auth, Deployment.insecure_localhost(HOME), authenticate=check)
    return web.wrap(guest_book(web), prefix="/api/auth")


def guest_book(web: WsgiAuth) -> WSGIApplication:
    """Return the application itself; what it refuses becomes a problem outside."""
    guests: list[str] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
            case "GET", "/":
                who = web.optional(environ)
                said = {"guests": guests, "you": who.subject if who else None}
            case "POST", "/":
                who = web.principal(environ)
                guests.append(who.subject)
                said = {"guests": guests, "you": who.subject}
            case "DELETE", "/":
                web.required(environ, recent=60)
                guests.clear()
                said = {"guests": guests}
            case _:
                raise Refused("not_found")
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(said).encode()]

    return app
