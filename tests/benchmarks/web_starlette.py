"""What authentication, the wrap and an Origin add to a request on bare Starlette."""

from collections.abc import Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route

from resilient_auth import StarletteAuth
from tests.benchmarks import requests
from tests.benchmarks.measure import Row, arace
from tests.benchmarks.requests import Call, asgi


def rows() -> Iterator[Row]:
    """Yield each addition beside a peer's."""
    bare = Starlette(routes=[Route("/", _hello)])
    alone, whole = _ours(requests.uncached())
    alone_cached, whole_cached = _ours(requests.cached())
    _, token = requests.async_auth(requests.uncached())
    minimal = asgi(_with_pyjwt(bare), token)
    middleware = AuthenticationMiddleware(bare, backend=_PyJwtBackend())
    none, *rest = arace(
        asgi(bare, token),
        *(alone, whole, alone_cached, whole_cached, minimal, asgi(middleware, token)),
    )
    first, all_first, hit, all_hit, pyjwt, theirs = (each - none for each in rest)
    name, other = "PyJWT, minimal ASGI", "AuthenticationMiddleware"
    yield Row("authentication alone, uncached", first, name, pyjwt, 1 / 6)
    yield Row("authentication alone, cached", hit, name, pyjwt, 1 / 20)
    yield Row("authentication alone, cached", hit, other, theirs)
    yield Row("the whole wrap, uncached", all_first, name, pyjwt)
    yield Row("the whole wrap, cached", all_hit, name, pyjwt, 1 / 12)
    yield Row("the whole wrap, cached", all_hit, other, theirs)
    yield from _origin_rows(bare, token)


def _ours(ring: Any) -> tuple[Call, Call]:
    """Return a request that is authenticated, and one inside the wrap as well."""
    auth, token = requests.async_auth(ring)
    web = StarletteAuth(auth, requests.SITE, authenticate=lambda _: None)
    alone, inside = (
        Starlette(routes=[Route("/", web.required()(_hello))]) for _ in range(2)
    )
    return asgi(alone, token), asgi(web.wrap(inside), token)


def _origin_rows(bare: Starlette, token: str) -> Iterator[Row]:
    auth, _ = requests.async_auth(requests.uncached())
    web = StarletteAuth(auth, requests.SITE, authenticate=lambda _: None)
    wrapped = web.wrap(Starlette(routes=[Route("/", _hello)]))
    cors = CORSMiddleware(bare, [requests.ORIGIN], allow_credentials=True)
    none, ours, ours_origin, theirs_origin = arace(
        asgi(bare, token, requests.ORIGIN),
        asgi(wrapped, token),
        asgi(wrapped, token, requests.ORIGIN),
        asgi(cors, token, requests.ORIGIN),
    )
    peer = theirs_origin - none
    yield Row("an Origin header", ours_origin - ours, "CORSMiddleware", peer, 1 / 2)


async def _hello(_: Request) -> Response:
    return Response(b"hello")


def _with_pyjwt(app: Any) -> Any:
    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        token = dict(scope["headers"])[b"authorization"][7:]
        scope["user"] = requests.pyjwt_claims(token)
        await app(scope, receive, send)

    return middleware


class _PyJwtBackend(AuthenticationBackend):
    """As Starlette's documentation does it."""

    async def authenticate(
        self, conn: HTTPConnection
    ) -> tuple[AuthCredentials, SimpleUser]:
        token = conn.headers["Authorization"].partition(" ")[2]
        claims = requests.pyjwt_claims(token)
        return AuthCredentials(["authenticated"]), SimpleUser(claims["sub"])
