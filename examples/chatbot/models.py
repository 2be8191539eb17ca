"""What is stored? Users, conversations and messages, on a guarded registry."""

import time

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from resilient_auth import GuardedRegistry

#: How an answer stands. Only a complete one is shown to the model again.
STREAMING, COMPLETE, INTERRUPTED, DEGRADED = (
    "streaming",
    "complete",
    "interrupted",  # the model stopped midway; what came is kept
    "degraded",  # an earlier answer, or said by the chatbot itself: no model spoke
)


def _now() -> float:
    return time.time()


class Base(DeclarativeBase):
    """The one base; a second class of a name is refused when it is defined."""

    registry = GuardedRegistry()


class User(Base):
    """Someone who can log in; *name* is the session's subject."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(32), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[float] = mapped_column(default=_now)
    conversations: Mapped[list["Conversation"]] = relationship(back_populates="user")


class Conversation(Base):
    """A row of messages; its *id* is chosen by the page, so that creating repeats."""

    __tablename__ = "conversations"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    title: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[float] = mapped_column(default=_now)
    user: Mapped["User"] = relationship(back_populates="conversations")
    messages: Mapped[list["Message"]] = relationship(
        back_populates="conversation", order_by="Message.id"
    )


class Message(Base):
    """
    What a user said, or the answer to it: both carry the *key* that the page chose.

    The constraint makes sending again harmless: one message, one answer, per key.
    """

    __tablename__ = "messages"
    __table_args__ = (UniqueConstraint("conversation_id", "key", "role"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    key: Mapped[str] = mapped_column(String(36))
    role: Mapped[str] = mapped_column(String(9))
    text: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(11), default=COMPLETE)
    created_at: Mapped[float] = mapped_column(default=_now)
    conversation: Mapped["Conversation"] = relationship(back_populates="messages")
