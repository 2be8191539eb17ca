"""
How does a program talk to OpenAI? Streams of two models, an earlier answer, said text.

``python -m examples.llm.openai_chat "Why is the sky blue?"`` prints the answer while it
comes, and on stderr who gave it and why not the first choice; further questions are
answered in turn. It ends with 0 after whole answers, 1 if one is missing or broke off,
2 if the key cannot work. Reads ``OPENAI_API_KEY`` and ``OPENAI_BASE_URL``.
"""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass

from examples.llm.terminal import (
    ANSWERED,
    EARLIER,
    MISCONFIGURED,
    PROGRAM,
    SORRY,
    conclude,
    excuse,
    show,
)
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

from resilient_auth import (
    AsyncAnswerStream,
    Backoff,
    ConfigError,
    Deadline,
    Ladder,
    MemoryAnswers,
    Resilience,
    Timeouts,
    Trip,
    cached,
    check_api_key,
    rung,
    say,
)

FIRST, SECOND = "gpt-4o", "gpt-4o-mini"
PATIENCE = 60.0  # seconds that a question may take, whoever answers it
_HOUR = 3600.0
_WHOLE = ("", "stop", "tool_calls")


@dataclass(frozen=True, slots=True)
class Model:
    """A model, and a client for each account: each has an API key of its own."""

    name: str
    clients: Mapping[str, AsyncOpenAI]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an answer; the last one says why the model stopped (*end*)."""

    text: str
    end: str = ""


class Chat:
    """
    Asks the *models*, best first, on behalf of an account.

    Each model has a circuit per account: where one has spent its quota, or its key is
    revoked, the others go on. Answers are kept per account too, since the account is
    an argument of the call.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self.guards = [_guard(model) for model in models]
        calls = [
            rung(_asks(model, guard), name=model.name)
            for model, guard in zip(models, self.guards, strict=True)
        ]
        self._ladder: Ladder[Piece] = Ladder(
            *calls,
            cached(MemoryAnswers(), _HOUR, name=EARLIER),
            say(Piece(SORRY, end="stop"), name=PROGRAM),
        )

    def answer(self, account: str, question: str) -> AsyncAnswerStream[Piece]:
        """Return the pieces of an answer, and where they come from."""
        return self._ladder.astream(account, question)


def _guard(model: Model) -> Resilience:
    return Resilience(
        model.name,
        # Events name this key, so it is a name, and never the API key itself.
        key=lambda account, _: f"{model.name} of {account}",
        backoff=Backoff(first=0.5, cap=4.0),
        retry_after_cap=5.0,
        trip=Trip(window=20, minimum=5),
        timeouts=Timeouts(total=40.0, first_content=8.0, idle=10.0),
    )


def _asks(
    model: Model, guard: Resilience
) -> Callable[[str, str], AsyncGenerator[Piece, None]]:
    @guard.stream(text=lambda piece: piece.text, final=lambda piece: piece.end)
    async def ask(account: str, question: str) -> AsyncGenerator[Piece, None]:
        stream = await model.clients[account].chat.completions.create(
            model=model.name,
            messages=[{"role": "user", "content": question}],
            stream=True,
        )
        async with stream:
            async for chunk in stream:
                yield _piece(chunk)

    return ask


def _piece(chunk: ChatCompletionChunk) -> Piece:
    if not chunk.choices:
        return Piece("")
    choice = chunk.choices[0]
    text = choice.delta.content or choice.delta.refusal or ""
    return Piece(text, end=choice.finish_reason or "")


async def talk(chat: Chat, account: str, questions: Sequence[str]) -> int:
    """Print an answer to each of the *questions*; return the exit status."""
    return max([await _tell(chat, account, each) for each in questions], default=0)


async def _tell(chat: Chat, account: str, question: str) -> int:
    end = ""
    try:
        with Deadline.after(PATIENCE):
            async with chat.answer(account, question) as answer:
                async for piece in answer:
                    show(piece.text)
                    end = piece.end or end
    except Exception as error:  # noqa: BLE001 - whatever it is, its kind is told
        return excuse(error)
    return conclude(answer, end="" if end in _WHOLE else end)


async def main(questions: Sequence[str], environ: Mapping[str, str]) -> int:
    """Answer the *questions* with what the environment names."""
    key, base_url = environ.get("OPENAI_API_KEY"), environ.get("OPENAI_BASE_URL")
    if base_url is None:  # who speaks like OpenAI elsewhere has keys of another shape
        try:
            check_api_key(key, "openai")
        except ConfigError as error:
            print(error, file=sys.stderr)
            return MISCONFIGURED
    # The SDK's own retries would multiply with ours.
    async with AsyncOpenAI(
        api_key=key or "none", base_url=base_url, max_retries=0
    ) as client:
        models = [Model(name, {"you": client}) for name in (FIRST, SECOND)]
        return await talk(Chat(models), "you", questions) if questions else ANSWERED


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:], os.environ)))
