"""What is sent, and who sends it? One request in each protocol, without a server."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from io import BytesIO
from typing import Any

import jwt

from resilient_auth import AsyncAuth, Auth, Deployment, Key, KeyRing, TokenPolicy

SECRET = secrets.token_bytes(32)
POLICY = TokenPolicy(issuer="https://api.example.com", audience="api")
ORIGIN = "https://app.example.com"
SITE = Deployment("https://api.example.com", apps=[ORIGIN])
Call = Callable[[], Awaitable[object]]


def uncached() -> KeyRing:
    """Return a ring whose tokens are verified at each request."""
    return KeyRing([Key.from_secret(SECRET, kid="a")])


def cached() -> KeyRing:
    """Return a ring whose tokens are verified once."""
    masters = {"a": secrets.token_bytes(32)}
    return KeyRing([Key.generate("EdDSA", kid="a")], refresh_secrets=masters)


def async_auth(ring: KeyRing) -> tuple[AsyncAuth, str]:
    """Return an `AsyncAuth`, and a token of ann's."""
    auth = AsyncAuth(ring, POLICY)
    return auth, asyncio.run(auth.login("ann")).access_token


def plain_auth(ring: KeyRing) -> tuple[Auth, str]:
    """Return an `Auth`, and a token of ann's."""
    auth = Auth(ring, POLICY)
    return auth, auth.login("ann").access_token


def pyjwt_claims(token: str) -> dict[str, Any]:
    """Return what PyJWT finds in *token*, as its documentation says."""
    said: dict[str, Any] = jwt.decode(
        token,
        SECRET,
        algorithms=["HS256"],
        issuer=POLICY.issuer,
        audience=POLICY.audience,
    )
    return said


def asgi(app: Any, token: str, origin: str = "") -> Call:
    """Return a request to an ASGI application; `AssertionError` unless it is 200."""
    headers = [(b"host", b"api"), (b"authorization", f"Bearer {token}".encode())]
    headers += [(b"origin", origin.encode())] if origin else []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start" and message["status"] != 200:
            raise AssertionError(f"answered {message['status']}")

    async def once() -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "raw_path": b"/",
            "root_path": "",
            "query_string": b"",
            "headers": headers,
        }
        await app(scope, receive, send)

    return once


def wsgi(app: Any, token: str, origin: str = "") -> Callable[[], object]:
    """Return a request to a WSGI application; `AssertionError` unless it is 200."""
    said = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "api",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "HTTP_HOST": "api",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
    }
    if origin:
        said["HTTP_ORIGIN"] = origin

    def start(status: str, *_: object) -> Callable[[bytes], object]:
        if not status.startswith("200"):
            raise AssertionError(f"answered {status}")
        return bytes

    def once() -> bytes:
        answer: Iterable[bytes] = app({**said, "wsgi.input": BytesIO()}, start)
        body = b"".join(answer)
        close = getattr(answer, "close", None)
        if close is not None:
            close()
        return body

    return once
