"""How is a model called? Two models, an earlier answer, a said text: a `Ladder`."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from resilient_auth import (
    AsyncAnswerStream,
    Backoff,
    Circuit,
    Ladder,
    MemoryAnswers,
    Resilience,
    Timeouts,
    Trip,
    cached,
    rung,
    say,
)
from resilient_auth.events import Listener

_INSTRUCTIONS = (
    "You are the chatbot of a demo about logins and calls that do not break. Be brief."
)
_SORRY = (
    "No language model can answer right now. This sentence comes from the chatbot "
    "itself. Your message is stored."
)
_HOUR = 3600.0

#: The rungs below the models.
EARLIER, SAID = "an earlier answer", "the chatbot itself"


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an answer; the *last* one says that it is whole."""

    text: str
    last: bool = False


class ChatModels:
    """
    The models of one provider, best first, and what is below them.

    Each has a circuit of its own, which opens and closes at a visible pace. The
    client's own retries are off: they would multiply.
    """

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        names: Sequence[str],
        listeners: Iterable[Listener] = (),
    ) -> None:
        listeners = tuple(listeners)
        self.names = tuple(names)
        self._client = client
        self.guards = tuple(_guard(name, listeners) for name in names)
        calls = [
            rung(self._guarded(name, guard), name=name)
            for name, guard in zip(self.names, self.guards, strict=True)
        ]
        self._ladder: Ladder[Piece] = Ladder(
            *calls,
            cached(MemoryAnswers(), max_age=_HOUR, name=EARLIER),
            say(Piece(_SORRY, last=True), name=SAID),
            listeners=listeners,
        )

    def circuits(self) -> Mapping[str, Circuit]:
        """Return what each model's circuit looks like now, the first choice first."""
        return {guard.name: guard.snapshot()[guard.name] for guard in self.guards}

    def stream(
        self, messages: Sequence[ChatCompletionMessageParam]
    ) -> AsyncAnswerStream[Piece]:
        """
        Return the pieces of the answer to *messages*, and where they come from.

        Raises while it is read: `StreamInterrupted` once a piece was handed on, or the
        provider's own error where no other rung could help.
        """
        return self._ladder.astream(list(messages))

    def _guarded(
        self, name: str, guard: Resilience
    ) -> Callable[[list[ChatCompletionMessageParam]], AsyncGenerator[Piece, None]]:
        @guard.stream(text=lambda piece: piece.text, final=lambda piece: piece.last)
        async def ask(
            messages: list[ChatCompletionMessageParam],
        ) -> AsyncGenerator[Piece, None]:
            stream = await self._client.chat.completions.create(
                model=name,
                messages=[{"role": "system", "content": _INSTRUCTIONS}, *messages],
                stream=True,
            )
            async with stream:
                async for chunk in stream:
                    yield _piece(chunk)

        return ask


def _guard(name: str, listeners: Iterable[Listener]) -> Resilience:
    return Resilience(
        name,
        attempts=3,
        backoff=Backoff(first=0.5, cap=4.0),
        retry_after_cap=5.0,
        trip=Trip(failure_rate=0.5, window=10, minimum=5),
        open_for=10.0,
        open_for_max=60.0,
        probes=1,
        timeouts=Timeouts(total=60.0, first_content=3.0, idle=5.0),
        listeners=listeners,
    )


def _piece(chunk: ChatCompletionChunk) -> Piece:
    if not chunk.choices:
        return Piece("")
    choice = chunk.choices[0]
    return Piece(choice.delta.content or "", last=choice.finish_reason is not None)
