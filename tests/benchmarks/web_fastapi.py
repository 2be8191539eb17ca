"""What a dependency and the wrap add to a request on bare FastAPI, and on Litestar."""

import asyncio
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from authx import AuthX, AuthXConfig, TokenPayload
from fastapi import Depends, FastAPI, Security
from fastapi.responses import Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_users import BaseUserManager, FastAPIUsers
from fastapi_users.authentication import (
    AuthenticationBackend,
    BearerTransport,
    JWTStrategy,
)
from litestar import Litestar, get
from litestar.security.jwt import JWTAuth

from resilient_auth import FastAPIAuth, Principal
from tests.benchmarks import requests
from tests.benchmarks.measure import Row, arace
from tests.benchmarks.requests import Call, asgi

PEERS = ("PyJWT, HTTPBearer", "fastapi-users", "authx", "Litestar JWTAuth")


def rows() -> Iterator[Row]:
    """Yield each addition beside each peer's."""
    bare = FastAPI()

    @bare.get("/")
    async def hello() -> Response:
        return Response(b"hello")

    first, _ = _ours(requests.uncached())
    hit, whole = _ours(requests.cached())
    none, *ours_and_theirs, none_of_litestar, litestar = arace(
        asgi(bare, ""),
        *(first, hit, whole, _pyjwt(), _fastapi_users(), _authx()),
        asgi(Litestar([_hello], openapi_config=None), ""),
        _litestar(),
    )
    once, again, all_of_it, *others = (each - none for each in ours_and_theirs)
    for peer, theirs in zip(PEERS, (*others, litestar - none_of_litestar), strict=True):
        yield Row("the dependency, uncached", once, peer, theirs)
        yield Row("the dependency, cached", again, peer, theirs)
        target = 1 / 25 if peer == "fastapi-users" else None
        yield Row("the whole wrap, cached", all_of_it, peer, theirs, target)


def _ours(ring: Any) -> tuple[Call, Call]:
    """Return a request that is authenticated, and one inside the wrap as well."""
    auth, token = requests.async_auth(ring)
    api = FastAPIAuth(auth, requests.SITE, authenticate=lambda _: None)
    plain, wrapped = FastAPI(), FastAPI()
    api.install(wrapped)

    @plain.get("/")
    @wrapped.get("/")
    async def ours(who: Annotated[Principal, Depends(api.principal)]) -> Response:
        return Response(who.subject.encode())

    return asgi(plain, token), asgi(wrapped, token)


def _pyjwt() -> Call:
    app, header = FastAPI(), Security(HTTPBearer())
    _, token = requests.async_auth(requests.uncached())

    @app.get("/")
    async def pyjwt(sent: Annotated[HTTPAuthorizationCredentials, header]) -> Response:
        claims = requests.pyjwt_claims(sent.credentials)
        return Response(claims["sub"].encode())

    return asgi(app, token)


@dataclass
class _User:
    id: str
    is_active: bool = True
    is_verified: bool = True
    is_superuser: bool = False


class _Manager(BaseUserManager[Any, str]):
    """Users without a database: what it would ask is not counted."""

    def __init__(self) -> None:
        self._ann = _User("ann")

    def parse_id(self, value: str) -> str:
        return value

    async def get(self, _: str) -> _User:
        return self._ann


def _fastapi_users() -> Call:
    app, manager = FastAPI(), _Manager()
    strategy: JWTStrategy[Any, str] = JWTStrategy(secrets.token_hex(32), 3600)
    backend: AuthenticationBackend[Any, str] = AuthenticationBackend(
        "jwt", BearerTransport("login"), lambda: strategy
    )
    users = FastAPIUsers(lambda: manager, [backend])
    token = asyncio.run(strategy.write_token(_User("ann")))

    @app.get("/")
    async def theirs(
        user: Annotated[_User, Depends(users.current_user(active=True))],
    ) -> Response:
        return Response(user.id.encode())

    return asgi(app, token)


def _authx() -> Call:
    app = FastAPI()
    config = AuthXConfig(
        JWT_SECRET_KEY=secrets.token_hex(32), JWT_TOKEN_LOCATION=["headers"]
    )
    auth: AuthX[Any] = AuthX(config=config)

    @app.get("/")
    async def theirs(
        said: Annotated[TokenPayload, Depends(auth.access_token_required)],
    ) -> Response:
        return Response(said.sub.encode())

    return asgi(app, auth.create_access_token("ann"))


@get("/")
async def _hello() -> str:
    return "hello"


def _litestar() -> Call:
    async def user(token: Any, _: Any) -> str:
        name: str = token.sub
        return name

    auth = JWTAuth[str](retrieve_user_handler=user, token_secret=secrets.token_hex(32))
    app = Litestar([_hello], on_app_init=[auth.on_app_init], openapi_config=None)
    return asgi(app, auth.create_token("ann"))
