"""
What was said, and by whom? The conversations in the database.

The page chooses the ids of conversations and the keys of messages, so that whatever is
sent again, after a refresh, a login or a lost connection, is stored once.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from examples.chatbot.models import (
    COMPLETE,
    INTERRUPTED,
    STREAMING,
    Conversation,
    Message,
    User,
)
from openai.types.chat import ChatCompletionMessageParam
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from resilient_auth import Refused, arun_in_transaction
from resilient_auth.events import Listener

R = TypeVar("R")

_REMEMBERED = 20  # messages that the model is shown
_TITLE = 60
_CONSTRAINTS = 2  # each may be lost once: the conversation's id, the message's key


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A user's message that is stored and waits for its answer."""

    conversation_id: str
    key: str
    history: Sequence[ChatCompletionMessageParam]


class Conversations:
    """
    The verbs; every one of them is told whose conversation it must be.

    Each is a transaction that is run again when the database restarts under it, and
    raises `Unavailable` when that does not help.
    """

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        *,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._sessions = sessions
        self._listeners = listeners

    async def of(self, subject: str) -> list[dict[str, object]]:
        """Return the conversations of *subject*, the last used first."""
        last = func.max(Message.id)
        asked = (
            select(Conversation.id, Conversation.title)
            .join(Conversation.user)
            .join(Conversation.messages)
            .where(User.name == subject)
            .group_by(Conversation.id, Conversation.title)
            .order_by(last.desc())
        )

        async def find(session: AsyncSession) -> list[dict[str, object]]:
            found = await session.execute(asked)
            return [{"id": row.id, "title": row.title} for row in found]

        return await self._run(find)

    async def read(self, subject: str, conversation_id: str) -> dict[str, object]:
        """Return one conversation with its messages; `Refused` ``not_found``."""

        async def find(
            session: AsyncSession,
        ) -> tuple[Conversation, Sequence[Message]]:
            found = await _owned(session, subject, conversation_id)
            if found is None:
                raise Refused("not_found")
            return found, await _messages(session, conversation_id)

        found, rows = await self._run(find)
        said = [
            {"key": row.key, "role": row.role, "text": row.text, "status": row.status}
            for row in rows
        ]
        return {"id": found.id, "title": found.title, "messages": said}

    async def say(
        self, subject: str, conversation_id: str, *, key: str, text: str
    ) -> Question:
        """Store what *subject* says; said again with the same *key*, it is there."""
        for lost in range(_CONSTRAINTS + 1):
            try:
                rows = await self._store_question(subject, conversation_id, key, text)
                break
            except IntegrityError:  # another request was faster: look again
                if lost == _CONSTRAINTS:
                    raise
        asked = next(row for row in rows if row.key == key and row.role == "user")
        return Question(
            conversation_id=conversation_id,
            key=key,
            history=_history(row for row in rows if row.id <= asked.id),
        )

    async def answer_to(self, question: Question) -> tuple[str, str] | None:
        """Return text and status of the answer to *question*, None if there is none."""
        asked = select(Message.text, Message.status).where(*_is_answer(question))

        async def find(session: AsyncSession) -> tuple[str, str] | None:
            row = (await session.execute(asked)).one_or_none()
            return None if row is None else (row.text, row.status)

        return await self._run(find)

    async def write_answer(
        self, question: Question, text: str, status: str, *, attempts: int = 3
    ) -> None:
        """Store the answer to *question* as far as it is known, in place of before."""

        async def write(session: AsyncSession) -> None:
            row = await session.scalar(select(Message).where(*_is_answer(question)))
            if row is None:
                row = Message(
                    conversation_id=question.conversation_id,
                    key=question.key,
                    role="assistant",
                )
                session.add(row)
            row.text, row.status = text, status

        await self._run(write, attempts=attempts)

    async def close_unfinished(self) -> None:
        """Mark the answers that a stopped server left behind as interrupted."""
        left = update(Message).where(Message.status == STREAMING)

        async def close(session: AsyncSession) -> None:
            await session.execute(left.values(status=INTERRUPTED))

        await self._run(close)

    async def _run(
        self, work: Callable[[AsyncSession], Awaitable[R]], *, attempts: int = 3
    ) -> R:
        """Run *work*; done twice it is done once, since the page chose the keys."""
        return await arun_in_transaction(
            self._sessions,
            work,
            attempts=attempts,
            idempotent=True,
            listeners=self._listeners,
        )

    async def _store_question(
        self, subject: str, conversation_id: str, key: str, text: str
    ) -> Sequence[Message]:
        """Store it, unless it is there, and return all of the conversation."""

        async def store(session: AsyncSession) -> Sequence[Message]:
            if await _owned(session, subject, conversation_id) is None:
                session.add(await _opened(session, subject, conversation_id, text))
                await session.flush()
            stored = await session.scalar(
                select(Message.id).where(
                    Message.conversation_id == conversation_id,
                    Message.key == key,
                    Message.role == "user",
                )
            )
            if stored is None:
                session.add(
                    Message(
                        conversation_id=conversation_id,
                        key=key,
                        role="user",
                        text=text,
                    )
                )
            return await _messages(session, conversation_id)

        return await self._run(store)


async def _owned(
    session: AsyncSession, subject: str, conversation_id: str
) -> Conversation | None:
    """Return the conversation, None if there is none; `Refused` for another's."""
    asked = (
        select(Conversation, User.name)
        .join(Conversation.user)
        .where(Conversation.id == conversation_id)
    )
    row = (await session.execute(asked)).one_or_none()
    if row is not None and row.name != subject:
        raise Refused("not_found", reason="the conversation is another user's")
    return None if row is None else row.Conversation


async def _opened(
    session: AsyncSession, subject: str, conversation_id: str, text: str
) -> Conversation:
    user = await session.scalar(select(User).where(User.name == subject))
    if user is None:
        raise Refused("user_disabled", reason="the user is gone from the database")
    title = " ".join(text.split())
    if len(title) > _TITLE:
        title = f"{title[: _TITLE - 1]}…"
    return Conversation(id=conversation_id, user_id=user.id, title=title)


async def _messages(session: AsyncSession, conversation_id: str) -> Sequence[Message]:
    found = await session.scalars(
        select(Message)
        .where(Message.conversation_id == conversation_id)
        .order_by(Message.id)
    )
    return found.all()


def _history(rows: Iterable[Message]) -> list[ChatCompletionMessageParam]:
    """Return the end of *rows* as a provider reads it: what was really said."""
    said = [row for row in rows if row.status == COMPLETE][-_REMEMBERED:]
    return [
        {"role": "user", "content": row.text}
        if row.role == "user"
        else {"role": "assistant", "content": row.text}
        for row in said
    ]


def _is_answer(question: Question) -> tuple[ColumnElement[bool], ...]:
    return (
        Message.conversation_id == question.conversation_id,
        Message.key == question.key,
        Message.role == "assistant",
    )
