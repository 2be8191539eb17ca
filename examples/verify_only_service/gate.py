"""Who calls? By the token alone: no session store, and no call to the issuer."""

import time
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from resilient_auth import Claims, Refused, TokenVerifier, Unavailable

#: Without a Bearer token it gives None, so that the refusal is ours.
Bearer = Annotated[
    HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))
]


class Gate:
    """A dependency: what the caller's token claims, once it is verified."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    async def __call__(self, bearer: Bearer) -> Claims:
        """Return the claims; `Refused` without a good token."""
        if bearer is None:
            raise Refused("token_missing")
        return await self._verifier.averify(bearer.credentials)

    def holding(self, scope: str) -> "Gate":
        """Return the gate that also asks for a word of the claim ``scope``."""
        return _ScopedGate(self._verifier, scope)

    def install(self, app: FastAPI) -> None:
        """Let *app* answer both refusals: 401 or 403, and 503 in an outage."""
        for kind in (Refused, Unavailable):
            app.add_exception_handler(kind, _refusal)


class _ScopedGate(Gate):
    def __init__(self, verifier: TokenVerifier, scope: str) -> None:
        super().__init__(verifier)
        self._scope = scope

    async def __call__(self, bearer: Bearer) -> Claims:
        claims = await super().__call__(bearer)
        if self._scope not in claims.extra.get("scope", "").split():
            raise Refused("permission_denied", f"This needs the scope {self._scope}.")
        return claims


async def _refusal(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, Refused | Unavailable):
        raise error
    return JSONResponse(
        error.problem(server_time=time.time()),
        error.status,
        error.headers(),
        "application/problem+json",
    )
