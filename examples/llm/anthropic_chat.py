"""
How does a program without asyncio talk to Anthropic? Plain generators over raw events.

``python -m examples.llm.anthropic_chat "Why is the sky blue?"`` prints the answer while
it comes, and on stderr who gave it and why not the first choice. It ends with 0 after a
whole answer, 1 if it is missing or broke off, 2 if the key cannot work. Reads
``ANTHROPIC_API_KEY`` and ``ANTHROPIC_BASE_URL``.

A thread that waits for bytes cannot be interrupted. So the SDK is told how long it may
wait: what is left of the question's `Deadline`, and never longer than *silence*.
"""

import os
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

from anthropic import Anthropic
from anthropic.types import RawMessageStreamEvent
from examples.llm.terminal import (
    ANSWERED,
    MISCONFIGURED,
    PROGRAM,
    SORRY,
    conclude,
    excuse,
    show,
)

from resilient_auth import (
    AnswerStream,
    Backoff,
    ConfigError,
    Deadline,
    Ladder,
    Resilience,
    Timeouts,
    check_api_key,
    rung,
    say,
)

FIRST, SECOND = "claude-sonnet-5-5", "claude-haiku-5-5"
PATIENCE = 60.0  # seconds that a question may take, whoever answers it
_WHOLE = ("", "end_turn", "stop_sequence", "tool_use")

#: What a stream yields: the events of the SDK, or the text of the last rung.
Event = RawMessageStreamEvent | str


class Chat:
    """
    Asks the models, best first: each a name and the client that knows it.

    *silence* is the longest wait in seconds for the next bytes of an answer.
    """

    def __init__(
        self,
        models: Iterable[tuple[str, Anthropic]],
        *,
        silence: float = 10.0,
    ) -> None:
        models = list(models)
        self.guards = [_guard(name) for name, _ in models]
        calls = [
            rung(_asks(name, client, guard, silence), name=name)
            for (name, client), guard in zip(models, self.guards, strict=True)
        ]
        self._ladder: Ladder[Event] = Ladder(*calls, say(SORRY, name=PROGRAM))

    def answer(self, question: str) -> AnswerStream[Event]:
        """Return the events of an answer, and where they come from."""
        return self._ladder.stream(question)


def _guard(name: str) -> Resilience:
    return Resilience(
        name,
        backoff=Backoff(first=0.5, cap=4.0),
        retry_after_cap=5.0,
        timeouts=Timeouts(total=40.0, first_content=8.0),
    )


def _asks(
    name: str, client: Anthropic, guard: Resilience, silence: float
) -> Callable[[str], Generator[Event, None, None]]:
    @guard.stream(text=text_of, final=_is_last)
    def ask(question: str) -> Generator[Event, None, None]:
        left = Deadline.left()
        with client.messages.create(
            model=name,
            max_tokens=1024,
            messages=[{"role": "user", "content": question}],
            stream=True,
            timeout=silence if left is None else min(left, silence),
        ) as events:
            yield from events

    return ask


def text_of(event: Event) -> str:
    """Return the text in an event, none for most of them."""
    if isinstance(event, str):
        return event
    if event.type == "content_block_delta" and event.delta.type == "text_delta":
        return event.delta.text
    return ""


def _is_last(event: Event) -> bool:
    return not isinstance(event, str) and event.type == "message_stop"


def _why_ended(event: Event) -> str:
    if isinstance(event, str) or event.type != "message_delta":
        return ""
    return event.delta.stop_reason or ""


def talk(chat: Chat, questions: Sequence[str]) -> int:
    """Print an answer to each of the *questions*; return the exit status."""
    return max([_tell(chat, each) for each in questions], default=ANSWERED)


def _tell(chat: Chat, question: str) -> int:
    end = ""
    try:
        with Deadline.after(PATIENCE), chat.answer(question) as answer:
            for event in answer:
                show(text_of(event))
                end = _why_ended(event) or end
    except Exception as error:  # noqa: BLE001 - whatever it is, its kind is told
        return excuse(error)
    return conclude(answer, end="" if end in _WHOLE else end)


def main(questions: Sequence[str], environ: Mapping[str, str]) -> int:
    """Answer the *questions* with what the environment names."""
    key, base_url = environ.get("ANTHROPIC_API_KEY"), environ.get("ANTHROPIC_BASE_URL")
    if base_url is None:
        try:
            check_api_key(key, "anthropic")
        except ConfigError as error:
            print(error, file=sys.stderr)
            return MISCONFIGURED
    # The SDK's own retries would multiply with ours.
    with Anthropic(api_key=key or "none", base_url=base_url, max_retries=0) as client:
        return talk(Chat([(FIRST, client), (SECOND, client)]), questions)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
