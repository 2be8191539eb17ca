"""
What does a second ``User`` do? Three ways, in a process of its own.

Printed as JSON: what `GuardedRegistry` says when the class is defined; what an
application with a plain base says at its start, which it then refuses; and what plain
SQLAlchemy says at the first query, long after the start.
"""

import json

from examples.chatbot import models
from examples.duplicate_models import imported  # noqa: F401 - that is the mistake
from examples.duplicate_models.app import models as unsound
from examples.duplicate_models.models import Message
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from resilient_auth import ConfigError, DuplicateModelError


def at_definition() -> str:
    """Define a second ``User`` on the demo's own base; return what it says."""
    try:

        class User(models.Base):
            __tablename__ = "imported_users"
            id: Mapped[int] = mapped_column(primary_key=True)

    except DuplicateModelError as error:
        return str(error)
    return ""


def at_start() -> str:
    """Start the application of `examples.duplicate_models`; return what it says."""
    try:
        unsound.require()
    except ConfigError as error:
        return str(error)
    return ""


def at_the_first_query() -> str:
    """Ask for its messages all the same; return what SQLAlchemy says."""
    try:
        select(Message).compile()
    except SQLAlchemyError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    plain = at_the_first_query()  # before the start has asked, as if it never did
    said = {"guarded": at_definition(), "start": at_start(), "plain": plain}
    print(json.dumps(said))
