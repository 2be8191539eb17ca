"""An SDK that retries by itself is found, and reported once."""

import functools
import logging
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.policy import Backoff

SOON = Backoff(first=1e-6, cap=1e-6)
retrying = openai.OpenAI(api_key="sk-x", max_retries=2)
quiet = openai.OpenAI(api_key="sk-x", max_retries=0)


def reports(heard: list[Any]) -> list[int]:
    """Return what was reported."""
    return [each.retries for each in heard if each.name == "sdk_retries_on"]


def guarded(fn: Any, heard: list[Any]) -> Any:
    """Guard *fn*."""
    return Resilience("llm", backoff=SOON, listeners=[heard.append])(fn)


def test_a_client_in_a_closure_is_found_at_once(
    heard: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Before the first outage multiplies the calls; said once for one guard."""
    client = anthropic.Anthropic(api_key="sk-ant-x", max_retries=5)
    llm = Resilience("llm", listeners=[heard.append])
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            llm(lambda: client.messages)

    assert reports(heard) == [5]
    assert caplog.text.count("max_retries=0") == 1


def test_a_global_client_and_a_bound_method_are_found(heard: list[Any]) -> None:
    """The two other places where a client is held."""
    guarded(lambda: retrying.models, heard)
    guarded(retrying.chat.completions.create, heard)
    guarded(functools.partial(str, retrying), heard)

    assert reports(heard) == [2, 2, 2]


def test_a_client_that_does_not_retry_is_no_news(heard: list[Any]) -> None:
    """Nor is a stranger with a member of that name."""

    class Stranger:
        """No client: it has no address."""

        max_retries = 7

    stranger = Stranger()
    guarded(lambda: quiet.models, heard)
    guarded(lambda: stranger, heard)
    guarded(len, heard)

    assert reports(heard) == []


def test_the_count_of_a_repeated_request_is_evidence(heard: list[Any]) -> None:
    """Wherever the client is hidden: its failed request says how often it was sent."""
    headers = {"x-stainless-retry-count": "2"}
    request = httpx2.Request("POST", "http://127.0.0.1/", headers=headers)

    def call() -> None:
        """Fail as the SDK does in the end."""
        raise openai.APIConnectionError(request=request)

    with pytest.raises(openai.APIConnectionError):
        guarded(call, heard)()
    assert reports(heard) == [2]


def test_foreign_objects_may_do_anything(heard: list[Any]) -> None:
    """Looking for a client breaks no call."""

    class Trap:
        """Raises at every look."""

        def __getattribute__(self, name: str) -> Any:
            """Raise."""
            raise RuntimeError

    trap = Trap()
    assert guarded(lambda: id(trap) > 0, heard)()
