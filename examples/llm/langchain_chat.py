"""
How is a LangChain model guarded? Around ``ainvoke`` and ``astream``, its retries off.

``python -m examples.llm.langchain_chat "Why is the sky blue?"`` prints the answer while
it comes, and on stderr who gave it; ``--whole`` waits for all of it. It ends with 0
after a whole answer, 1 if it is missing or broke off, 2 if the key cannot work. Reads
``OPENAI_API_KEY`` and ``OPENAI_BASE_URL``.

Three things to know about LangChain. ``ChatOpenAI`` without ``max_retries=0`` lets the
SDK retry twice, which multiplies with our attempts; the guard says so at the first
failure, which is when it can see it. An answer that is none (no choices, an error, a
page of HTML) makes LangChain stumble with an IndexError or a ValueError, which looks
like a bug in the program and would neither be retried nor passed on to the next model.
And its streams end with a chunk "last" however they ended: only the finish reason tells
a whole answer from a torn one.
"""

import asyncio
import os
import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from typing import cast

from examples.llm.terminal import (
    ANSWERED,
    MISCONFIGURED,
    PROGRAM,
    SORRY,
    conclude,
    excuse,
    show,
)
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient
from pydantic import SecretStr

from resilient_auth import (
    Answer,
    AsyncAnswerStream,
    Backoff,
    ConfigError,
    Deadline,
    Ladder,
    Resilience,
    Timeouts,
    Verdict,
    check_api_key,
    rung,
    say,
    sdk_response,
)

FIRST, SECOND = "gpt-4o", "gpt-4o-mini"
PATIENCE = 60.0  # seconds that a question may take, whoever answers it
_WHOLE = ("", "stop", "tool_calls")


class Chat:
    """
    Asks the *models*, best first: for a whole message, or for a stream.

    Both ways to ask a model share its guard, and so its circuit.
    """

    def __init__(self, models: Iterable[ChatOpenAI]) -> None:
        models = list(models)
        guards = self.guards = [_guard(each.model_name) for each in models]
        invoking = [
            rung(_invokes(model, guard), name=guard.name)
            for model, guard in zip(models, guards, strict=True)
        ]
        streaming = [
            rung(_streams(model, guard), name=guard.name)
            for model, guard in zip(models, guards, strict=True)
        ]
        self._whole: Ladder[AIMessage] = Ladder(
            *invoking, say(AIMessage(content=SORRY), name=PROGRAM)
        )
        self._pieces: Ladder[AIMessageChunk] = Ladder(
            *streaming, say(AIMessageChunk(content=SORRY), name=PROGRAM)
        )

    async def message(self, question: str) -> Answer[AIMessage]:
        """Return a whole message, and where it comes from."""
        return await self._whole.arun(question)

    def pieces(self, question: str) -> AsyncAnswerStream[AIMessageChunk]:
        """Return the pieces of a message, and where they come from."""
        return self._pieces.astream(question)


def _guard(name: str) -> Resilience:
    return Resilience(
        name,
        backoff=Backoff(first=0.5, cap=4.0),
        retry_after_cap=5.0,
        timeouts=Timeouts(total=40.0, attempt=15.0, first_content=8.0, idle=10.0),
        check=spoken,
    )


def spoken(message: AIMessage | None) -> Verdict | None:
    """
    Return what is wrong with a *message* that says nothing and calls no tool.

    A model that spent all of its tokens on thinking is one way to get there.
    """
    empty = message is None or not (text_of(message) or message.tool_calls)
    return sdk_response(None if empty else message)


def text_of(message: AIMessage) -> str:
    """Return the text of a message, or of a piece of one; a refusal is text too."""
    return message.text or message.additional_kwargs.get("refusal") or ""


def end_of(message: AIMessage) -> str:
    """Return why the model stopped, nothing if it has not."""
    return message.response_metadata.get("finish_reason") or ""


def _invokes(
    model: ChatOpenAI, guard: Resilience
) -> Callable[[str], Awaitable[AIMessage | None]]:
    @guard
    async def invoke(question: str) -> AIMessage | None:
        try:
            return await model.ainvoke(question)
        except (IndexError, ValueError):
            return None  # LangChain could not read the answer: `spoken` judges it

    return invoke


def _streams(
    model: ChatOpenAI, guard: Resilience
) -> Callable[[str], AsyncGenerator[AIMessageChunk, None]]:
    @guard.stream(text=text_of, final=end_of)
    async def stream(question: str) -> AsyncIterator[AIMessageChunk]:
        try:
            # Typed as an iterator, it is a generator: closed, it frees the connection.
            asked = cast(
                "AsyncGenerator[AIMessageChunk, None]", model.astream(question)
            )
            async with aclosing(asked) as pieces:
                async for piece in pieces:
                    yield piece
        except ValueError:
            return  # an empty stream, or none: ended without the finish reason

    return stream


async def talk(chat: Chat, questions: Sequence[str], *, whole: bool = False) -> int:
    """Print an answer to each of the *questions*; return the exit status."""
    tell = _tell_whole if whole else _tell
    return max([await tell(chat, each) for each in questions], default=ANSWERED)


async def _tell(chat: Chat, question: str) -> int:
    said, end = "", ""
    try:
        with Deadline.after(PATIENCE):
            async with chat.pieces(question) as answer:
                async for piece in answer:
                    show(text_of(piece))
                    said += text_of(piece)
                    end = end_of(piece) or end
    except Exception as error:  # noqa: BLE001 - whatever it is, its kind is told
        return excuse(error)
    if not said:
        end = "nothing was said"  # LangChain drops a refusal from a stream
    return conclude(answer, end="" if end in _WHOLE else end)


async def _tell_whole(chat: Chat, question: str) -> int:
    try:
        with Deadline.after(PATIENCE):
            answer = await chat.message(question)
    except Exception as error:  # noqa: BLE001 - whatever it is, its kind is told
        return excuse(error)
    show(text_of(answer.value))
    end = end_of(answer.value)
    return conclude(answer, end="" if end in _WHOLE else end)


async def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Answer the questions among the *arguments* with what the environment names."""
    key, base_url = environ.get("OPENAI_API_KEY"), environ.get("OPENAI_BASE_URL")
    if base_url is None:
        try:
            check_api_key(key, "openai")
        except ConfigError as error:
            print(error, file=sys.stderr)
            return MISCONFIGURED
    questions = [each for each in arguments if each != "--whole"]
    # Left to itself, LangChain keeps its connections for the life of the process.
    async with DefaultAsyncHttpxClient() as http:
        models = [
            ChatOpenAI(
                model=name,
                api_key=SecretStr(key or "none"),
                base_url=base_url,
                max_retries=0,
                http_async_client=http,
            )
            for name in (FIRST, SECOND)
        ]
        return await talk(Chat(models), questions, whole="--whole" in arguments)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:], os.environ)))
