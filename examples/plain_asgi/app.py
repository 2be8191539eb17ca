"""
How does an ASGI application without a framework use it? A guest book.

Everybody may read it, who is logged in may sign, and only with the password just typed
may it be emptied. ``uvicorn --factory examples.plain_asgi.app:create_app`` serves it;
log in with ``POST /api/auth/login``.
"""

import json
from collections.abc import Mapping
from typing import Any

from resilient_auth import (
    AsgiAuth,
    AsyncAuth,
    Deployment,
    Key,
    KeyRing,
    PasswordHasher,
    Refused,
    TokenPolicy,
)

HOME = "http://localhost:8000"


def create_app() -> Any:
    """Return the application inside the wrap, with the endpoints mounted."""
    policy = TokenPolicy(issuer=HOME, audience="guests")
    auth = AsyncAuth(KeyRing([Key.generate("HS256")]), policy)
    hasher = PasswordHasher()
    passwords = {"ann": hasher.hash("correct horse")}

    async def check(credentials: Mapping[str, Any]) -> str | None:
        name: str = credentials["username"]
        known = await hasher.averify(passwords.get(name), credentials["password"])
        return name if known else None

    web = AsgiAuth(auth, Deployment.insecure_localhost(HOME), authenticate=check)
    return web.wrap(guest_book(web), prefix="/api/auth")


def guest_book(web: AsgiAuth) -> Any:
    """Return the application itself; what it refuses becomes a problem outside."""
    guests: list[str] = []

    async def app(scope: Any, _: Any, send: Any) -> None:
        match scope.get("method"), scope.get("path"):
            case "GET", "/":
                who = await web.optional(scope)
                await _answer(send, guests=guests, you=who.subject if who else None)
            case "POST", "/":
                who = await web.principal(scope)
                guests.append(who.subject)
                await _answer(send, guests=guests, you=who.subject)
            case "DELETE", "/":
                await web.required(scope, recent=60)
                guests.clear()
                await _answer(send, guests=guests)
            case _:
                raise Refused("not_found")

    return app


async def _answer(send: Any, **said: object) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(said).encode()})
