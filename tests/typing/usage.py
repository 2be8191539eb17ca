"""What a user's type checker must see; checked by mypy and pyright, never executed."""

from collections.abc import Mapping
from typing import Annotated, Any, assert_type

from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from resilient_auth import (
    AsgiAuth,
    AsyncAuth,
    Auth,
    Claims,
    Delivery,
    Deployment,
    FastAPIAuth,
    Fetched,
    Finding,
    Identity,
    Key,
    KeyRing,
    MemoryStore,
    PasswordHasher,
    Principal,
    Refused,
    RemoteKeys,
    Session,
    SessionPolicy,
    StarletteAuth,
    TokenIssuer,
    TokenPolicy,
    Tokens,
    TokenVerifier,
    TrustedProxies,
    predict,
)
from resilient_auth.events import Event

ring = KeyRing([Key.generate("EdDSA")], refresh_secrets={"a": b"-".ljust(32, b"x")})
policy = TokenPolicy(issuer="https://api.example.com", audience="api")


def tokens_are_typed() -> None:
    """The issuer gives text, the verifier gives claims."""
    assert_type(TokenIssuer(ring, policy).issue("ann", {"role": "x"}, ttl=60), str)
    assert_type(TokenVerifier(ring, policy).verify("…"), Claims)


async def remote_keys_are_keys() -> None:
    """A verifier takes them like a ring, and a fetch is any such callable."""

    def fetch(url: str, *, timeout: float, max_bytes: int) -> Fetched:
        return Fetched(200, {}, b"")

    keys = RemoteKeys("https://issuer.example.com/jwks.json", fetch=fetch)
    assert_type(keys.find("a"), Key | None)
    assert_type(await keys.afind("a"), Key | None)
    assert_type(await TokenVerifier(keys, policy, cache=False).averify("…"), Claims)


def sync_sessions_are_typed(listener: list[Event]) -> None:
    """A list's append is a listener."""
    auth = Auth(
        ring,
        policy,
        store=MemoryStore(),
        sessions=SessionPolicy(grace=10),
        listeners=[listener.append],
    )
    assert_type(auth.login("ann"), Tokens)
    assert_type(auth.verify("…"), Principal)
    assert_type(auth.sessions("ann"), list[Session])
    assert_type(auth.revoke_all("ann"), int)


async def async_sessions_are_typed() -> None:
    """The same verbs, awaited."""
    auth = AsyncAuth(ring, policy)
    assert_type(await auth.refresh("…"), Tokens)
    assert_type(await auth.verify("…"), Principal)
    await auth.logout("…")


async def check(credentials: Mapping[str, Any]) -> Identity | None:
    """Judge credentials as an application would."""
    hasher = PasswordHasher()
    if await hasher.averify(None, credentials["password"]):
        return Identity(subject="ann")
    return None


def check_without_waiting(credentials: Mapping[str, Any]) -> str | None:
    """Judge credentials in a plain function."""
    return credentials.get("username")


site = Deployment(
    "https://api.example.com",
    apps=["https://app.example.com"],
    proxies=TrustedProxies(["10.0.0.0/8"]),
)


def deployments_are_typed() -> None:
    """What a browser would do, and what deserves a look."""
    cookie = site.cookies.access
    delivery = predict(cookie, page=site.apps[0], api=site.api, mode="navigate")
    assert_type(delivery, Delivery)
    assert_type(site.findings(), list[Finding])


web = StarletteAuth(AsyncAuth(ring, policy), site, authenticate=check)
plain = StarletteAuth(AsyncAuth(ring, policy), site, authenticate=check_without_waiting)


@web.required(scopes=["chat"])
async def endpoint(request: Request) -> Response:
    """Answer a principal, as a Starlette endpoint does."""
    assert_type(await web.principal(request), Principal)
    assert_type(await web.optional(request), Principal | None)
    raise Refused("permission_denied", reason="never executed")


app = web.wrap(Starlette(routes=[Mount("/api/auth", routes=web.routes())]))


api = FastAPIAuth(AsyncAuth(ring, policy), site, authenticate=check)
fast = FastAPI()
api.install(fast)
fast.include_router(api.router(), prefix="/api/auth")


@fast.get("/me")
async def me(
    who: Annotated[Principal, Depends(api.principal)],
    maybe: Annotated[Principal | None, Depends(api.optional)],
    admin: Annotated[Principal, Depends(api.required(recent=60, scopes=["admin"]))],
) -> str:
    """Answer a principal, as a FastAPI endpoint does."""
    return who.subject


async def called_by_hand(request: Request) -> None:
    """A dependency is a function too; without a framework the scope is given."""
    assert_type(await api.principal(request), Principal)
    assert_type(await api.optional(request), Principal | None)
    bare = AsgiAuth(AsyncAuth(ring, policy), site, authenticate=check)
    assert_type(await bare.required(request.scope, recent=60), Principal)
    bare.wrap(app, prefix="/auth")
