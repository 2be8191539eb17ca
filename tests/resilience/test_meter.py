"""Tokens and cost are summed up and told, where the caller says how to read them."""

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from resilient_auth.errors import ConfigError, StreamInterrupted
from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.meter import Usage
from resilient_auth.resilience.policy import Backoff

SOON = Backoff(first=1e-6, cap=1e-6)


def read(said: Any) -> Usage | None:
    """Read the usage that stands in *said*."""
    return said if isinstance(said, Usage) else None


def used(heard: list[Any]) -> list[tuple[int, int, float]]:
    """Return what was told of tokens."""
    return [
        (each.input_tokens, each.output_tokens, each.cost)
        for each in heard
        if each.name == "tokens_used"
    ]


def metered(heard: list[Any], **more: Any) -> Resilience:
    """Return a guard that reads usage."""
    return Resilience("llm", usage=read, backoff=SOON, listeners=[heard.append], **more)


async def test_calls_are_summed_up(heard: list[Any]) -> None:
    """Per key, sync and async; a call that says nothing costs nothing."""
    llm = metered(heard)

    @llm
    async def call(said: Any) -> Any:
        """Answer with it."""
        return said

    llm(lambda: Usage(input_tokens=3, output_tokens=5, cost=0.5))()
    await call(Usage(output_tokens=1))
    await call("nothing")

    assert used(heard) == [(3, 5, 0.5), (0, 1, 0.0)]
    assert llm.snapshot()["llm"].used == Usage(
        input_tokens=3, output_tokens=6, cost=0.5
    )


async def test_a_stream_tells_once_also_after_its_marker(heard: list[Any]) -> None:
    """OpenAI sends its usage behind the end, Anthropic a part at each end."""
    llm = metered(heard)
    items = [Usage(input_tokens=7), "Hel", "<end>", Usage(output_tokens=2)]

    def text(item: Any) -> object:
        """Return the text."""
        return isinstance(item, str) and item

    @llm.stream(text=text, final=lambda item: item == "<end>")
    def tokens() -> Iterator[Any]:
        """Yield the items."""
        yield from items

    @llm.stream(text=text, final=lambda item: item == "<end>")
    async def atokens() -> AsyncIterator[Any]:
        """Yield the items."""
        for item in items:
            yield item

    list(tokens())
    assert [item async for item in atokens()] == items
    assert used(heard) == [(7, 2, 0.0)] * 2


def test_what_broke_was_billed_too(heard: list[Any]) -> None:
    """Before its content and after it."""
    llm = metered(heard)
    scripts: list[list[Any]] = [
        [Usage(input_tokens=7), ConnectionResetError()],
        [Usage(input_tokens=7), "Hel", ConnectionResetError()],
    ]

    @llm.stream(text=lambda item: isinstance(item, str), final=lambda _: False)
    def tokens() -> Iterator[Any]:
        """Break."""
        for item in scripts.pop(0):
            if isinstance(item, Exception):
                raise item
            yield item

    with pytest.raises(StreamInterrupted):
        list(tokens())
    assert used(heard) == [(7, 0, 0.0)] * 2


def test_a_reader_that_fails_costs_no_answer(
    heard: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged."""

    def fail(_: Any) -> Usage:
        """Fail."""
        raise AttributeError

    llm = Resilience("llm", usage=fail, listeners=[heard.append])
    with caplog.at_level(logging.ERROR):
        assert llm(lambda: "ok")() == "ok"
    assert "could not be read" in caplog.text
    assert heard == []


@pytest.mark.parametrize("nonsense", ["tokens", 5])
def test_nonsense_is_refused(nonsense: Any) -> None:
    """When it is built."""
    with pytest.raises(ConfigError, match="usage takes"):
        Resilience("llm", usage=nonsense)
