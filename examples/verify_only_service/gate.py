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
    """
    A dependency: what the caller's token claims, once it is verified.

    *scope* is a word that the claim ``scope`` must hold (RFC 8693 §4.2).
    """

    def __init__(self, verifier: TokenVerifier, *, scope: str = "") -> None:
        self._verifier = verifier
        self._scope = scope

    async def __call__(self, bearer: Bearer) -> Claims:
        """Return the claims; `Refused` without a good token, or without the scope."""
        if bearer is None:
            raise Refused("token_missing")
        claims = await self._verifier.averify(bearer.credentials)
        held = claims.extra.get("scope")
        if self._scope and (
            not isinstance(held, str) or self._scope not in held.split()
        ):
            raise Refused("permission_denied", f"This needs the scope {self._scope}.")
        return claims


def answer_refusals(app: FastAPI) -> None:
    """Let *app* answer both: 401 or 403, and 503 while the issuer is out of reach."""
    for kind in (Refused, Unavailable):
        app.add_exception_handler(kind, _refusal)


async def _refusal(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, Refused | Unavailable):
        raise error
    return JSONResponse(
        error.problem(server_time=time.time()),
        error.status,
        error.headers(),
        "application/problem+json",
    )
