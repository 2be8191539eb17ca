"""Answers that are none: the failures that raise nothing."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from openai._models import construct_type
from openai.types.chat import ChatCompletion

from resilient_auth.resilience.results import answered, sdk_response

GOOD: dict[str, Any] = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Hello"},
        }
    ],
}


def completion(body: dict[str, Any]) -> object:
    """Return what the openai SDK makes of *body* that came with status 200."""
    return construct_type(value=body, type_=ChatCompletion)


def message(**members: Any) -> object:
    """Return an object shaped like anthropic's Message."""
    return SimpleNamespace(**({"stop_reason": "end_turn"} | members))


FINE = [
    pytest.param("", id="an empty text is the user's business"),
    pytest.param("<html>", id="so is one that looks like a page"),
    pytest.param(None, id="nothing"),
    pytest.param(7, id="a number"),
    pytest.param({}, id="an empty dict"),
    pytest.param({"choices": []}, id="choices that are no SDK's"),
    pytest.param({"error": None}, id="an error member that is empty"),
    pytest.param({"error": "too late"}, id="an error that is no SDK's"),
    pytest.param(completion(GOOD), id="a completion"),
    pytest.param(GOOD, id="its JSON"),
    pytest.param(message(content=["text"]), id="a message"),
    pytest.param(message(content=[], stop_reason="refusal"), id="a refusal is one"),
    pytest.param(MagicMock(), id="a mock"),
]

WRONG = [
    pytest.param(completion({"error": {"message": "x"}}), "server", id="an error body"),
    pytest.param(
        completion({"error": {"message": "x", "type": "overloaded_error"}}),
        "overloaded",
        id="an error body with a type",
    ),
    pytest.param(
        {"error": {"message": "x", "code": 429}},
        "rate_limit",
        id="as JSON, with a code",
    ),
    pytest.param(
        {"error": {"message": "x", "code": "insufficient_quota"}}, "quota", id="quota"
    ),
    pytest.param(completion(GOOD | {"choices": []}), "bad_payload", id="no choices"),
    pytest.param(completion({}), "bad_payload", id="an empty body"),
    pytest.param(message(content=[]), "bad_payload", id="no content"),
    pytest.param(message(content=None), "bad_payload", id="content is null"),
]


@pytest.mark.parametrize("result", FINE)
def test_what_is_or_may_be_an_answer_passes(result: object) -> None:
    """A function may return anything; only what looks like an SDK's is judged."""
    assert answered(result) is None


@pytest.mark.parametrize(("result", "kind"), WRONG)
def test_what_is_no_answer_is_a_failure(result: object, kind: str) -> None:
    """The SDKs build an object from whatever JSON came with 200 and raise nothing."""
    verdict = answered(result)

    assert verdict is not None
    assert (kind, "result") == (verdict.kind, verdict.where)


@pytest.mark.parametrize("result", ["<html>Log in</html>", "", b"", None])
def test_a_page_is_no_answer_where_an_object_was_due(result: object) -> None:
    """A captive portal's HTML with status 200 comes out of the SDK as a str."""
    verdict = sdk_response(result)

    assert verdict is not None
    assert (verdict.kind, verdict.retry) == ("bad_payload", True)
    assert sdk_response(completion(GOOD)) is None


def test_no_property_of_a_stranger_is_run() -> None:
    """A result may be a lazy object, whose attributes cost or raise."""

    class Lazy:
        """An object whose properties must not be touched."""

        @property
        def choices(self) -> list[object]:
            """Fail the test."""
            raise AssertionError("touched")

        error = content = choices

    assert answered(Lazy()) is None
