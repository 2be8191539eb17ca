"""Each public code is a full row, and an error tells the public no more than it."""

import copy
import http
import json
import pickle
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import (
    BulkheadFull,
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    DuplicateModelError,
    InternalError,
    MissingDependency,
    Refused,
    ResilientAuthError,
    StreamInterrupted,
    Unavailable,
)
from resilient_auth.errors import PROBLEMS, AnswerError, UnusableAnswer

ACTIONS = {"refresh", "login", "step_up", "wait", "retry", "csrf", "give_up"}
REFUSED = [code for code, row in PROBLEMS.items() if 400 <= row.status < 500]
UNAVAILABLE = [code for code, row in PROBLEMS.items() if row.status == 503]


def test_every_code_is_of_one_kind() -> None:
    """4xx is the client's turn, 503 nobody's, and 500 is one code alone."""
    assert {*REFUSED, *UNAVAILABLE, "internal_error"} == set(PROBLEMS)
    assert not any(code in UNAVAILABLE for code in REFUSED)


@pytest.mark.parametrize("code", PROBLEMS)
def test_a_row_can_be_acted_on(code: str) -> None:
    """Clients switch on the action; the code is stable, the title fit for a header."""
    row = PROBLEMS[code]

    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert row.action in ACTIONS
    assert http.HTTPStatus(row.status)
    assert row.title.endswith(".")
    assert row.title.isascii()
    assert '"' not in row.title
    assert not row.oauth_error or row.status in {401, 403}


@pytest.mark.parametrize("code", REFUSED)
def test_a_refusal_answers_with_its_row(code: str) -> None:
    """RFC 9457's members, ours beside them, and never the private reason."""
    error = Refused(code, reason="the private part")
    error.request_id = "r1"
    row = PROBLEMS[code]

    assert {
        "type": f"urn:resilient-auth:problem:{code}",
        "title": row.title,
        "status": row.status,
        "detail": row.title,
        "code": code,
        "action": row.action,
        "request_id": "r1",
        "retry_after": None,
        "server_time": 5.5,
    } == error.problem(server_time=5.5)
    assert "private" not in json.dumps([error.problem(), error.headers()])
    assert f"{code}: the private part" == str(error)
    assert (row.status == 401) == ("WWW-Authenticate" in error.headers())


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("token_missing", "Bearer"),
        ("refresh_missing", "Bearer"),
        (
            "token_expired",
            'Bearer error="invalid_token", error_description="The token has expired."',
        ),
        (
            "step_up_required",
            (
                'Bearer error="insufficient_user_authentication", '
                'error_description="Please confirm who you are."'
            ),
        ),
    ],
)
def test_a_401_carries_its_challenge(code: str, expected: str) -> None:
    """RFC 6750 §3.1: the bare scheme where no credential came."""
    assert expected == Refused(code).headers()["WWW-Authenticate"]


@pytest.mark.parametrize("detail", ["\ud800", 7, None, b"x"])
def test_any_detail_can_be_answered(detail: Any) -> None:
    """It often quotes what a client sent; answering must not fail in its turn."""
    error = Refused("request_invalid", detail)
    body = json.dumps(error.problem(), ensure_ascii=False)

    assert body.encode("utf-8")
    assert isinstance(error.detail, str)


@pytest.mark.parametrize("detail", ["", None])
def test_no_detail_is_the_title(detail: Any) -> None:
    """The member is never empty, and never says ``None`` to a user."""
    assert PROBLEMS["not_found"].title == Refused("not_found", detail).detail


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: Refused("nope"), id="code"),
        pytest.param(lambda: Refused(None), id="no-code"),  # type: ignore[arg-type] - a mistake
        pytest.param(lambda: Refused([]), id="list"),  # type: ignore[arg-type] - a mistake
        pytest.param(lambda: Refused("not_found", action="relogin"), id="action"),
        pytest.param(
            lambda: Refused("rate_limited", retry_after="soon"),  # type: ignore[arg-type] - a mistake
            id="wait",
        ),
    ],
)
def test_an_error_cannot_be_built_wrong(build: Any) -> None:
    """A typing mistake is told where it is made, with what would be right."""
    with pytest.raises(ConfigError):
        build()


def test_detail_and_action_may_be_the_callers() -> None:
    """What to do can depend on what else came; the code stays."""
    error = Refused("token_missing", "Send a token.", action="refresh")

    assert ("Send a token.", "refresh", "token_missing") == (
        error.detail,
        error.action,
        error.reason,
    )


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0"),
        (0.1, "1"),
        (1, "1"),
        (1.5, "2"),
        (-3, "0"),
        (1e9, "86400"),
        (float("inf"), "86400"),
        (float("-inf"), "0"),
        (float("nan"), "0"),
    ],
)
def test_waiting_is_a_whole_number_of_seconds(seconds: float, expected: str) -> None:
    """RFC 9110 §10.2.3; a wait may come from another server's header."""
    error = Unavailable("store_unavailable", retry_after=seconds)

    assert expected == error.headers()["Retry-After"]
    assert int(expected) == error.problem()["retry_after"]


@given(st.floats() | st.none())
def test_any_wait_can_be_answered(seconds: float | None) -> None:
    """An answer about an outage must not be an outage of its own."""
    error = Unavailable(retry_after=seconds)

    assert (seconds is None) == ("Retry-After" not in error.headers())
    assert json.dumps(error.problem(), allow_nan=False)


def an_error_of_each_kind() -> list[ResilientAuthError]:
    """Return one of each, every field set to something of its own."""
    refused = Refused("token_expired", "Again.", 2.5, reason="old", action="retry")
    refused.request_id = "r1"
    return [
        refused,
        Unavailable("store_unavailable", reason="down"),
        InternalError(),
        CircuitOpen("openai", 3.0),
        BulkheadFull("openai"),
        DeadlineExceeded("answer", 20.0),
        StreamInterrupted("half a sen", kind="reset"),
        UnusableAnswer("html"),
        DuplicateModelError(
            "Rename one.", name="User", kind="duplicate", classes=("a", "b"), places=()
        ),
        ConfigError("Do it otherwise."),
        MissingDependency("redis", extra="redis"),
    ]


@pytest.mark.parametrize(
    "error", an_error_of_each_kind(), ids=lambda e: type(e).__name__
)
@pytest.mark.parametrize(
    "carry",
    [
        pytest.param(lambda error: pickle.loads(pickle.dumps(error)), id="pickle"),  # noqa: S301 - our own bytes
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
    ],
)
def test_an_error_survives_the_way_to_another_process(error: Any, carry: Any) -> None:
    """A worker's error that cannot be unpickled hangs or breaks the pool."""
    other = carry(error)

    assert type(error) is type(other)
    assert (str(error), vars(error)) == (str(other), vars(other))


def test_who_catches_what() -> None:
    """One root; whose turn it is; and the standard kinds that others expect."""
    assert all(isinstance(each, ResilientAuthError) for each in an_error_of_each_kind())
    assert issubclass(MissingDependency, ImportError)
    assert issubclass(CircuitOpen, Unavailable)
    assert not issubclass(Refused, Unavailable)
    assert issubclass(Refused, AnswerError)
    assert not issubclass(ConfigError, AnswerError)
