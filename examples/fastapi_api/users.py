"""Who may log in, and to do what? Users and their scopes."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import String
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from resilient_auth import GuardedRegistry, Identity, PasswordHasher


class Base(DeclarativeBase):
    """The one base; a second class of a name is refused when it is defined."""

    registry = GuardedRegistry()


class User(Base):
    """Someone who can log in; *scope* is what their tokens will say."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(256), primary_key=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    scope: Mapped[str] = mapped_column(String(200))


class Users:
    """The users in the database; passwords are stored as argon2 hashes alone."""

    def __init__(self, rows: async_sessionmaker[AsyncSession]) -> None:
        self._rows = rows
        self._hasher = PasswordHasher(slots=2, queue=16)

    async def check(self, credentials: Mapping[str, Any]) -> Identity | None:
        """Return who the credentials belong to; as slow for an unknown user."""
        async with self._rows() as session:
            user = await session.get(User, credentials["username"])
        stored = None if user is None else user.password_hash
        if not await self._hasher.averify(stored, credentials["password"]):
            return None
        scope = "" if user is None else user.scope
        return Identity(subject=credentials["username"], claims={"scope": scope})

    async def ensure(self, name: str, password: str, *, scope: str) -> None:
        """Add the user called *name* unless an earlier start did."""
        async with self._rows.begin() as session:
            if await session.get(User, name) is None:
                hashed = await self._hasher.ahash(password)
                session.add(User(name=name, password_hash=hashed, scope=scope))
