"""How is the model called? The real SDK, its own retries off, behind `Resilience`."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from resilient_auth import Backoff, Circuit, Resilience, Timeouts, Trip
from resilient_auth.events import Listener

_INSTRUCTIONS = (
    "You are the chatbot of a demo about logins and calls that do not break. Be brief."
)
_CIRCUIT = "llm"


class ChatModel:
    """One model of one provider; its circuit opens and closes at a visible pace."""

    def __init__(
        self, client: AsyncOpenAI, *, name: str, listeners: Iterable[Listener] = ()
    ) -> None:
        self.name = name
        self._client = client
        self._guard = Resilience(
            _CIRCUIT,
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
        self._ask = self._guard.stream(text=_text, final=_is_final)(self._call)

    @property
    def guard(self) -> Resilience:
        """Return what stands around the calls, for the health check."""
        return self._guard

    def circuit(self) -> Circuit:
        """Return what the circuit looks like now."""
        return self._guard.snapshot()[_CIRCUIT]

    async def stream(
        self, messages: Sequence[ChatCompletionMessageParam]
    ) -> AsyncGenerator[str, None]:
        """
        Yield the answer to *messages* in pieces, up to its end marker.

        Raises `Unavailable` (`StreamInterrupted` once something was yielded), or the
        provider's own error when the attempts are spent.
        """
        async for chunk in self._ask(messages):
            if text := _text(chunk):
                yield text

    async def _call(
        self, messages: Sequence[ChatCompletionMessageParam]
    ) -> AsyncIterator[ChatCompletionChunk]:
        stream = await self._client.chat.completions.create(
            model=self.name,
            messages=[{"role": "system", "content": _INSTRUCTIONS}, *messages],
            stream=True,
        )
        async with stream:
            async for chunk in stream:
                yield chunk


def _text(chunk: ChatCompletionChunk) -> str:
    return (chunk.choices[0].delta.content or "") if chunk.choices else ""


def _is_final(chunk: ChatCompletionChunk) -> bool:
    return bool(chunk.choices) and chunk.choices[0].finish_reason is not None
