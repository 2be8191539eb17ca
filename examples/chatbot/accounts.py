"""Who may log in? Sign-up, and the check of a password."""

import re
from collections.abc import Mapping
from typing import Any

from examples.chatbot.models import User
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from resilient_auth import Identity, PasswordHasher, Refused, arun_in_transaction

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,31}")


class Accounts:
    """The users in the database; passwords are stored as argon2 hashes alone."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions
        self._hasher = PasswordHasher(slots=2, queue=16)

    async def authenticate(self, credentials: Mapping[str, Any]) -> Identity | None:
        """Return who the credentials belong to; as slow for an unknown user."""
        user = await self._find(credentials["username"])
        stored = None if user is None else user.password_hash
        if not await self._hasher.averify(stored, credentials["password"]):
            return None
        return Identity(subject=credentials["username"])

    async def sign_up(self, name: object, password: object) -> None:
        """Add a user; raises `Refused` for a name that is taken, or unfit input."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise _invalid("A name is 2 to 32 letters, digits, dots, dashes or _.")
        if not isinstance(password, str) or not 8 <= len(password) <= 256:
            raise _invalid("A password is 8 to 256 characters.")
        hashed = await self._hasher.ahash(password)

        async def add(session: AsyncSession) -> None:
            session.add(User(name=name, password_hash=hashed))

        try:
            await arun_in_transaction(self._sessions, add)
        except IntegrityError:
            raise _invalid("This name is taken.") from None

    async def ensure(self, name: str, password: str) -> None:
        """Add the user called *name* unless an earlier start did."""
        if await self._find(name) is None:
            await self.sign_up(name, password)

    async def _find(self, name: str) -> User | None:
        async with self._sessions() as session:
            return await session.scalar(select(User).where(User.name == name))


def _invalid(detail: str) -> Refused:
    return Refused("request_invalid", detail)
