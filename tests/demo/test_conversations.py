"""Many who speak at once, on both databases that the demo takes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from examples.chatbot.conversations import Conversations
from examples.chatbot.database import create_tables, open_engine
from examples.chatbot.models import Base, Message, User
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture(params=["sqlite", "postgresql"])
async def sessions(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Sessions]:
    """Yield sessions on an empty database in which ann has an account."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'chatbot.db'}"
    if request.param == "postgresql":
        server: sa.URL = request.getfixturevalue("postgres")
        asked = server.set(drivername="postgresql+asyncpg")
        url = asked.render_as_string(hide_password=False)
    engine = open_engine(url)
    await create_tables(engine)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    async with sessions.begin() as session:
        session.add(User(name="ann", password_hash="x"))
    yield sessions
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
    await engine.dispose()


async def test_many_speak_in_a_new_conversation(sessions: Sessions) -> None:
    """Each may lose the race for the conversation, and then for the message."""
    conversations = Conversations(sessions)
    asked = await asyncio.gather(
        *(
            conversations.say("ann", "c" * 8, key=f"key-{n // 4:04}", text="hello")
            for n in range(40)
        )
    )
    stored = await conversations.read("ann", "c" * 8)

    assert [f"key-{n // 4:04}" for n in range(40)] == [each.key for each in asked]
    assert isinstance(stored["messages"], list)
    assert {f"key-{n:04}" for n in range(10)} == {
        each["key"] for each in stored["messages"]
    }
    assert 10 == len(stored["messages"])


async def test_an_error_does_not_say_what_was_said(sessions: Sessions) -> None:
    """It ends in the log, and what people tell the chatbot is theirs."""
    conversations = Conversations(sessions)
    await conversations.say("ann", "c" * 8, key="key-0001", text="hello")
    again = Message(
        conversation_id="c" * 8, key="key-0001", role="user", text="my secret"
    )
    with pytest.raises(IntegrityError) as caught:
        async with sessions.begin() as session:
            session.add(again)

    assert "secret" not in str(caught.value)
