"""
F6: the LLM provider fails. The chat degrades, stops asking, and recovers by itself.

Only public names are used: this is what an app does, and what it sees.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from resilient_auth import (
    CircuitOpen,
    Resilience,
    StreamInterrupted,
    Trip,
    Unavailable,
    classify,
)
from resilient_auth.testing.clock import FrozenClock

SORRY = "The assistant is resting; please try again in a moment."


class ServerError(Exception):
    """What every SDK raises for a 5xx: an error with a status."""

    status_code = 500


class Provider:
    """A language model that an operator of the test can break."""

    def __init__(self) -> None:
        self.fault = ""
        self.requests = 0

    async def stream(self) -> AsyncIterator[str]:
        """Answer, unless broken."""
        self.requests += 1
        if self.fault == "down":
            raise ServerError
        yield "Hello"
        if self.fault == "cut":
            return
        yield " there"
        yield "<end>"


class Chat:
    """The handler of an app: it shows tokens, and degrades instead of failing."""

    def __init__(self, provider: Provider) -> None:
        self.events: list[str] = []
        self.llm = Resilience(
            "llm",
            attempts=2,
            trip=Trip(window=10, minimum=4),
            probes=1,
            listeners=[lambda event: self.events.append(event.name)],
        )

        @self.llm.stream(
            text=lambda token: token != "<end>" and token,
            final=lambda token: token == "<end>",
        )
        async def tokens() -> AsyncIterator[str]:
            """Pass the model's tokens on."""
            async for token in provider.stream():
                yield token

        self.tokens = tokens

    async def reply(self) -> str:
        """Return what the user reads in the end."""
        shown: list[str] = []
        try:
            async for token in self.tokens():
                shown += [token] if token != "<end>" else []
        except StreamInterrupted as error:
            return f"{error.partial} … (the answer was cut off)"
        except Unavailable:
            return SORRY
        except Exception as error:
            if not classify(error).fallback:
                raise
            return SORRY
        return "".join(shown)

    def state(self) -> str:
        """Return the state of the circuit."""
        return self.llm.snapshot()["llm"].state


@pytest.fixture
def provider() -> Provider:
    """Return a healthy provider."""
    return Provider()


@pytest.fixture
def clock() -> FrozenClock:
    """Return a clock that moves only when told."""
    return FrozenClock()


async def test_an_outage_degrades_opens_and_recovers(
    provider: Provider, clock: FrozenClock
) -> None:
    """Users always get a sentence, and the provider is left alone till it is well."""
    chat = Chat(provider)
    with chat.llm.testing(clock=clock):
        before = await chat.reply()
        provider.fault = "down"
        during = [await chat.reply() for _ in range(10)]
        asked = provider.requests
        open_state = chat.state()
        provider.fault = ""
        still = await chat.reply()
        clock.advance(chat.llm.snapshot()["llm"].retry_in)
        after = await chat.reply()

    assert ("Hello there", "Hello there") == (before, after)
    assert [SORRY] * 10 == during
    assert (SORRY, "open") == (still, open_state)
    assert asked <= 1 + 4  # ten users in an outage cost the provider four requests
    assert ["breaker_opened", "breaker_half_opened", "breaker_closed"] == [
        name for name in chat.events if name.startswith("breaker")
    ]


async def test_the_users_own_status_is_503_with_a_retry_after(
    provider: Provider,
) -> None:
    """A provider's 401 or 500 is none of the browser's; a time to come back is."""
    chat = Chat(provider)
    chat.llm.open(seconds=30)
    with pytest.raises(CircuitOpen) as caught:
        async for _ in chat.tokens():
            pass
    problem: dict[str, Any] = caught.value.problem()

    assert ("llm_unavailable", 503, "retry") == (
        problem["code"],
        problem["status"],
        problem["action"],
    )
    assert caught.value.headers() == {"Retry-After": "30"}
    assert provider.requests == 0


async def test_a_cut_answer_keeps_what_was_shown(provider: Provider) -> None:
    """The text that the user has read already must not vanish, or come twice."""
    chat = Chat(provider)
    provider.fault = "cut"

    assert await chat.reply() == "Hello … (the answer was cut off)"
    assert provider.requests == 1
    assert ["stream_broken"] == chat.events
