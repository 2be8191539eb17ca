"""How do the parts fit together? One function, which tests call too."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from examples.fastapi_api.notes import notes_router
from examples.fastapi_api.users import Base, Users
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from resilient_auth import (
    AsyncAuth,
    AsyncSQLAlchemyStore,
    Deployment,
    FastAPIAuth,
    Health,
    Key,
    KeyRing,
    Messages,
    ModelCheck,
    SqlCheck,
    TokenPolicy,
    engine_settings,
)

#: For who asks with ``Accept-Language: de``; all else is told in English.
GERMAN = Messages(
    {
        "de": {
            "credentials_invalid": "Name oder Passwort ist falsch.",
            "token_missing": "Sie sind nicht angemeldet.",
            "step_up_required": "Bitte melden Sie sich dafür noch einmal an.",
        }
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the API stands, and where it keeps its rows."""

    port: int = 8000
    database: str = "sqlite+aiosqlite:///notes.db"

    @classmethod
    def from_env(cls) -> "Settings":
        """Return what ``PORT`` and ``DATABASE_URL`` say."""
        return cls(
            port=int(os.environ.get("PORT", cls.port)),
            database=os.environ.get("DATABASE_URL", cls.database),
        )

    @property
    def address(self) -> str:
        """Return the API's origin, which is its pages' too."""
        return f"http://localhost:{self.port}"


def create_app(settings: Settings) -> FastAPI:
    """Return the application; its tables are made when it starts."""
    engine = create_async_engine(
        settings.database, **engine_settings(settings.database)
    )
    models = ModelCheck(Base, packages=["examples.fastapi_api"])
    rows = async_sessionmaker(engine, expire_on_commit=False)
    store, users = AsyncSQLAlchemyStore(engine), Users(rows)
    auth = AsyncAuth(
        _ring(), TokenPolicy(issuer=settings.address, audience="notes"), store=store
    )
    api = FastAPIAuth(
        auth,
        Deployment.insecure_localhost(settings.address),
        authenticate=users.check,
        messages=GERMAN,
        health=Health([models, SqlCheck(engine)]),
        models=models,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        await store.create_schema()
        await users.ensure("ann", "correct horse", scope="notes:write")
        await users.ensure("bob", "correct horse", scope="")
        yield
        await engine.dispose()

    app = FastAPI(title="Notes", lifespan=lifespan)
    api.install(app)
    app.include_router(api.router(), prefix="/api/auth", tags=["login"])
    app.include_router(notes_router(api, rows), prefix="/api/notes", tags=["notes"])
    return app


def _ring() -> KeyRing:
    """Return the ring in ``AUTH_KEYS``, or one that ends with the process."""
    if "AUTH_KEYS" in os.environ:
        return KeyRing.from_env("AUTH_KEYS")
    return KeyRing([Key.generate("HS256")])
