"""An authenticated request beside minimal PyJWT, over bare Starlette and FastAPI."""

import secrets
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resilient_auth import (
    AsyncAuth,
    Deployment,
    FastAPIAuth,
    Key,
    KeyRing,
    Principal,
    StarletteAuth,
    TokenPolicy,
)
from tests.benchmarks.measure import Row, arace

SECRET = secrets.token_bytes(32)
POLICY = TokenPolicy(issuer="https://api.example.com", audience="api")
ORIGIN = b"https://app.example.com"
App = Callable[..., Awaitable[None]]


def rows() -> Iterator[Row]:
    """Yield what authentication, the wrap and an Origin add to a bare request."""
    auth = AsyncAuth(KeyRing([Key.from_secret(SECRET, kid="a")]), POLICY)
    site = Deployment("https://api.example.com", apps=[ORIGIN.decode()])
    web = StarletteAuth(auth, site, authenticate=lambda _: None)
    token = _run(auth.login("ann")).access_token
    bare = Starlette(routes=[Route("/", _hello)])
    plain = Starlette(routes=[Route("/", web.required()(_hello))])
    wrapped = web.wrap(Starlette(routes=[Route("/", web.required()(_hello))]))
    pyjwt = _with_pyjwt(Starlette(routes=[Route("/", _hello)]))
    cors = CORSMiddleware(bare, [ORIGIN.decode()], allow_credentials=True)
    only_wrap = web.wrap(Starlette(routes=[Route("/", _hello)]))

    none, own, whole, theirs = arace(
        *(_request(app, token) for app in (bare, plain, wrapped, pyjwt))
    )
    peer = theirs - none
    yield Row("authentication alone, uncached", own - none, "PyJWT ASGI", peer, 1 / 6)
    yield Row("the whole wrap, uncached", whole - none, "PyJWT ASGI", peer)
    none, ours, ours_origin, theirs_origin = arace(
        _request(bare, token, ORIGIN),
        _request(only_wrap, token),
        _request(only_wrap, token, ORIGIN),
        _request(cors, token, ORIGIN),
    )
    yield Row(
        "an Origin header",
        ours_origin - ours,
        "CORSMiddleware",
        theirs_origin - none,
        1 / 2,
    )
    yield from _fastapi_rows(auth, site, token)


def _fastapi_rows(auth: AsyncAuth, site: Deployment, token: str) -> Iterator[Row]:
    """Yield what a dependency and the wrap add to a bare FastAPI request."""
    api = FastAPIAuth(auth, site, authenticate=lambda _: None)
    bare, plain, wrapped, theirs = (FastAPI() for _ in range(4))
    api.install(wrapped)
    header = Security(HTTPBearer())

    @bare.get("/")
    async def hello() -> Response:
        return Response(b"hello")

    @plain.get("/")
    @wrapped.get("/")
    async def ours(who: Annotated[Principal, Depends(api.principal)]) -> Response:
        return Response(who.subject.encode())

    @theirs.get("/")
    async def pyjwt(
        sent: Annotated[HTTPAuthorizationCredentials, header],
    ) -> Response:
        return Response(_claims(sent.credentials)["sub"].encode())

    none, own, whole, peer = arace(
        *(_request(app, token) for app in (bare, plain, wrapped, theirs))
    )
    peer -= none
    yield Row(
        "FastAPI: the dependency, uncached", own - none, "PyJWT, HTTPBearer", peer
    )
    yield Row("FastAPI: the whole wrap", whole - none, "PyJWT, HTTPBearer", peer)


def _claims(token: str) -> dict[str, Any]:
    said: dict[str, Any] = jwt.decode(
        token,
        SECRET,
        algorithms=["HS256"],
        issuer=POLICY.issuer,
        audience=POLICY.audience,
    )
    return said


async def _hello(_: Request) -> Response:
    return Response(b"hello")


def _with_pyjwt(app: App) -> App:
    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        token = dict(scope["headers"])[b"authorization"][7:]
        scope["user"] = _claims(token)
        await app(scope, receive, send)

    return middleware


def _request(
    app: App, token: str, origin: bytes = b""
) -> Callable[[], Awaitable[object]]:
    headers = [(b"host", b"api"), (b"authorization", b"Bearer " + token.encode())]
    headers += [(b"origin", origin)] if origin else []

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
            "root_path": "",
            "query_string": b"",
            "headers": headers,
        }
        await app(scope, receive, send)

    return once


def _run(coroutine: Any) -> Any:
    import asyncio

    return asyncio.run(coroutine)
