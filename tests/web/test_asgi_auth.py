"""The adapter without a framework: where it is mounted, and what it lets through."""

from typing import Any

import pytest

from resilient_auth import AsgiAuth, AsyncAuth, ConfigError
from resilient_auth.testing import WireResponse, WireSetup
from resilient_auth.testing.asgi import exchange
from resilient_auth.testing.exchange import WireRequest
from resilient_auth.web.asgi import Receive, Scope, Send


def web_of(setup: WireSetup) -> AsgiAuth:
    """Return the adapter that *setup* asks for."""
    auth = AsyncAuth(setup.ring, setup.policy, store=setup.store)
    return AsgiAuth(
        auth, setup.site, authenticate=setup.authenticate, messages=setup.messages
    )


async def inner(scope: Scope, _: Receive, send: Send) -> None:
    """Answer every request with 418, so that it is known whose answer came."""
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


async def get(path: str, *, prefix: str = "/api/auth", root: str = "") -> WireResponse:
    """Return the answer to a request for *path* from a server with a *root* path."""
    app = web_of(WireSetup()).wrap(inner, prefix=prefix)

    async def below(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "root_path": root}, receive, send)

    return await exchange(below, WireRequest(target=path))


@pytest.mark.parametrize(
    ("path", "prefix", "root"),
    [
        ("/api/auth/session", "/api/auth", ""),
        ("/a/session", "/a", ""),
        ("/v1/api/auth/session", "/api/auth", "/v1"),
        ("/v1/api/auth/session", "/api/auth", "/v1/"),
        ("/api/auth/session", "/api/auth", "/v1"),
    ],
)
async def test_the_endpoints_stand_at_their_prefix(
    path: str, prefix: str, root: str
) -> None:
    """A server's root path may stand in the path, or not (proxies differ)."""
    assert 200 == (await get(path, prefix=prefix, root=root)).status


@pytest.mark.parametrize(
    "path", ["/", "/api/auth", "/api/authx/session", "/x/api/auth/session", "/api"]
)
async def test_every_other_path_is_the_applications(path: str) -> None:
    """With the wrap around it all the same."""
    response = await get(path)

    assert (418, path.encode()) == (response.status, response.body)
    assert response.value("x-request-id")


async def test_a_root_path_is_taken_off_whole() -> None:
    """Half of a word is no root path."""
    assert 418 == (await get("/v1x/api/auth/session", root="/v1")).status


@pytest.mark.parametrize("prefix", ["", "/", "api/auth", "/api/auth/"])
def test_a_prefix_is_a_path(prefix: str) -> None:
    """With it no endpoint would ever be found, or all of the application hidden."""
    with pytest.raises(ConfigError, match="prefix is a path"):
        web_of(WireSetup()).wrap(inner, prefix=prefix)
