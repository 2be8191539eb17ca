"""What does the service do? It counts words, for whom the notes API logged in."""

import os
from dataclasses import dataclass
from typing import Annotated

from examples.verify_only_service.gate import Gate, answer_refusals
from fastapi import Body, Depends, FastAPI

from resilient_auth import Claims, RemoteKeys, TokenPolicy, TokenVerifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Who issues the tokens that count here, and where the service stands."""

    issuer: str = "http://localhost:8000"
    port: int = 8001

    @classmethod
    def from_env(cls) -> "Settings":
        """Return what ``ISSUER`` and ``PORT`` say."""
        return cls(
            issuer=os.environ.get("ISSUER", cls.issuer),
            port=int(os.environ.get("PORT", cls.port)),
        )


def create_app(settings: Settings) -> FastAPI:
    """Return the service; it asks for the issuer's keys when the first token comes."""
    keys = RemoteKeys(
        f"{settings.issuer}/api/auth/jwks.json",
        algorithms=["EdDSA"],
        # On one machine only: over http, anybody on the way could name the keys.
        insecure_allow_http=settings.issuer.startswith("http://localhost:"),
    )
    policy = TokenPolicy(issuer=settings.issuer, audience="notes")
    verifier = TokenVerifier(keys, policy)
    anybody, writer = Gate(verifier), Gate(verifier, scope="notes:write")
    app = FastAPI(title="Words")
    answer_refusals(app)

    @app.post("/count")
    async def count(
        who: Annotated[Claims, Depends(anybody)],
        text: Annotated[str, Body(embed=True, max_length=100_000)],
    ) -> dict[str, str | int]:
        return {"words": len(text.split()), "asked_by": who.subject}

    @app.get("/keys")
    async def explain(_: Annotated[Claims, Depends(writer)]) -> str:
        """Say what is known of the issuer's keys; for whoever may write notes."""
        return keys.explain()

    return app
