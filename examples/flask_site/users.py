"""Who may log in? Whoever has a row and knows its password."""

from collections.abc import Mapping
from typing import Any

from examples.flask_site.lines import Base
from sqlalchemy import String
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from resilient_auth import PasswordHasher


class User(Base):
    """Someone who can log in."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(256), primary_key=True)
    password_hash: Mapped[str] = mapped_column(String(200))


class Users:
    """The users in the database; passwords are stored as argon2 hashes alone."""

    def __init__(self, rows: sessionmaker[Session]) -> None:
        self._rows = rows
        self._hasher = PasswordHasher(slots=2, queue=16)

    def check(self, credentials: Mapping[str, Any]) -> str | None:
        """Return whose the credentials are; as slow for an unknown user."""
        name: str = credentials["username"]
        with self._rows() as session:
            user = session.get(User, name)
        stored = None if user is None else user.password_hash
        return name if self._hasher.verify(stored, credentials["password"]) else None

    def ensure(self, name: str, password: str) -> None:
        """Add the user called *name* unless an earlier start did."""
        with self._rows.begin() as session:
            if session.get(User, name) is None:
                hashed = self._hasher.hash(password)
                session.add(User(name=name, password_hash=hashed))
