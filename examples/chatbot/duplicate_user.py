"""
What does a second ``User`` do at start? Both ways, in a process of its own.

Printed as JSON: what `GuardedRegistry` says when the class is defined, and what plain
SQLAlchemy says at the first query, long after the start.
"""

import json

from examples.chatbot import models
from sqlalchemy import ForeignKey, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from resilient_auth import DuplicateModelError


def with_the_guard() -> str:
    """Define a second ``User`` on the demo's own base; return what it says."""
    try:

        class User(models.Base):
            __tablename__ = "imported_users"
            id: Mapped[int] = mapped_column(primary_key=True)

    except DuplicateModelError as error:
        return str(error)
    return ""


def without_it() -> str:
    """Do the same on a plain base; return what its first query says."""

    class Base(DeclarativeBase):
        pass

    class Message(Base):
        __tablename__ = "messages"
        id: Mapped[int] = mapped_column(primary_key=True)
        user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
        user = relationship("User")

    for module, table in (("app.models", "users"), ("app.legacy", "imported_users")):
        said = {
            "__module__": module,
            "__tablename__": table,
            "id": mapped_column(primary_key=True),
            "__annotations__": {"id": Mapped[int]},
        }
        type("User", (Base,), said)
    try:
        select(Message).compile()
    except SQLAlchemyError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    print(json.dumps({"guarded": with_the_guard(), "plain": without_it()}))
