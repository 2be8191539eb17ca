"""One verdict for every library's way of failing (reference: the verdict rules)."""

import asyncio
import errno
import json
import socket
import ssl
from typing import Any

import httpx
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth.errors import (
    BulkheadFull,
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    Refused,
    StreamInterrupted,
    Unavailable,
    UnusableAnswer,
)
from resilient_auth.resilience.verdict import KINDS, Verdict, classify

DATE = "Sat, 07 Nov 2026 12:00:00 GMT"


def said(
    status: int,
    error: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Exception:
    """Return what openai raises for a response, built by the real SDK."""
    request = httpx2.Request("POST", "http://llm.test/v1/chat/completions")
    content = json.dumps({"error": error or {"message": "no"}}).encode()
    response = httpx2.Response(
        status, request=request, headers=headers, content=content
    )
    client = openai.AsyncOpenAI(api_key="unused", base_url="http://llm.test/v1")
    return client._make_status_error_from_response(response)


def in_stream(error: dict[str, Any]) -> Exception:
    """Return what openai raises for an error event inside a stream."""
    request = httpx2.Request("POST", "http://llm.test/v1/chat/completions")
    return openai.APIError("from the stream", request=request, body=error)


def named(name: str, base: type[Exception] = Exception, **members: Any) -> Exception:
    """Return an error of some other library, which we know by its class's name."""
    error = type(name, (base,), {})("text")
    for member, value in members.items():
        setattr(error, member, value)
    return error


def caused(error: Exception, *causes: Exception) -> Exception:
    """Return *error* raised from each of *causes* in turn."""
    outer = error
    for cause in causes:
        outer.__cause__ = cause
        outer = cause
    return error


def transport(*causes: Exception) -> Exception:
    """Return openai's connection error over *causes*."""
    request = httpx2.Request("POST", "http://llm.test/v1")
    return caused(openai.APIConnectionError(request=request), *causes)


QUOTA = {"message": "You exceeded your current quota.", "code": "insufficient_quota"}
LIMITS = {"message": "You have reached your specified API usage limits."}
YOUVE = {"message": "You've reached your specified API usage limits."}
LONG = {"message": "Too long.", "code": "context_length_exceeded"}
FILTER = {"message": "Blocked.", "code": "content_filter"}

STATUS = [
    pytest.param(said(401), "auth", id="401"),
    pytest.param(said(402), "quota", id="402"),
    pytest.param(said(403), "permission", id="403"),
    pytest.param(said(404), "not_found", id="404"),
    pytest.param(said(408), "timeout", id="408"),
    pytest.param(said(409), "conflict", id="409"),
    pytest.param(said(413), "bad_request", id="413"),
    pytest.param(said(422), "bad_request", id="422"),
    pytest.param(said(429), "rate_limit", id="429"),
    pytest.param(said(429, QUOTA), "quota", id="429 insufficient_quota"),
    pytest.param(said(400, LIMITS), "quota", id="400 usage limits"),
    pytest.param(said(400, YOUVE), "quota", id="400 with an apostrophe"),
    pytest.param(said(400, LONG), "context_length", id="400 too long, by code"),
    pytest.param(
        said(400, {"message": "prompt is too long: 9 > 8"}),
        "context_length",
        id="400 too long, by text",
    ),
    pytest.param(said(400, FILTER), "content_filter", id="400 filtered"),
    pytest.param(said(400), "bad_request", id="400"),
    pytest.param(said(500), "server", id="500"),
    pytest.param(said(502), "server", id="502"),
    pytest.param(said(503), "overloaded", id="503"),
    pytest.param(said(504), "timeout", id="504"),
    pytest.param(said(529), "overloaded", id="529"),
    pytest.param(named("APIError", code=503), "overloaded", id="google's code"),
    pytest.param(
        named("ClientResponseError", status=429), "rate_limit", id="aiohttp's status"
    ),
    pytest.param(
        httpx.HTTPStatusError(
            "no",
            request=httpx.Request("GET", "http://llm.test"),
            response=httpx.Response(429, json={"error": QUOTA}),
        ),
        "quota",
        id="httpx, whose body was read",
    ),
    pytest.param(
        caused(ValueError("wrapped"), said(500)), "server", id="as the cause of another"
    ),
    pytest.param(
        ExceptionGroup("several", [ValueError(), said(503)]),
        "overloaded",
        id="in an exception group",
    ),
]

IN_STREAM = [
    pytest.param({"type": "overloaded_error"}, "overloaded", id="overloaded_error"),
    pytest.param({"type": "rate_limit_error"}, "rate_limit", id="rate_limit_error"),
    pytest.param({"type": "server_error"}, "server", id="server_error"),
    pytest.param({"type": "authentication_error"}, "auth", id="authentication_error"),
    pytest.param({"type": "invalid_request_error"}, "bad_request", id="invalid"),
    pytest.param({"code": "insufficient_quota"}, "quota", id="insufficient_quota"),
    pytest.param({"message": "?"}, "server", id="an unknown type"),
]

OS_AND_LIBRARIES = [
    pytest.param(ConnectionRefusedError(), "refused", id="refused"),
    pytest.param(socket.gaierror(-2, "unknown"), "dns", id="dns"),
    pytest.param(ConnectionResetError(), "reset", id="reset"),
    pytest.param(BrokenPipeError(), "reset", id="broken pipe"),
    pytest.param(TimeoutError(), "timeout", id="timeout"),
    pytest.param(ConnectionError(), "connection", id="connection"),
    pytest.param(OSError(errno.ENETUNREACH, "no route"), "connection", id="no route"),
    pytest.param(OSError("All connection attempts failed"), "connection", id="several"),
    pytest.param(FileNotFoundError(errno.ENOENT, "no file"), "bug", id="no file"),
    pytest.param(ssl.SSLCertVerificationError("self-signed"), "tls", id="certificate"),
    pytest.param(ssl.SSLEOFError("cut"), "reset", id="cut inside TLS"),
    pytest.param(httpx.PoolTimeout("x"), "connect_timeout", id="httpx pool"),
    pytest.param(httpx2.ReadTimeout("x"), "timeout", id="httpx2 read timeout"),
    pytest.param(httpx2.RemoteProtocolError("x"), "reset", id="httpx2 cut"),
    pytest.param(json.JSONDecodeError("x", "", 0), "bad_payload", id="half a JSON"),
    pytest.param(transport(), "connection", id="openai, without a cause"),
    pytest.param(
        transport(httpx2.ConnectError("x"), ConnectionRefusedError()),
        "refused",
        id="openai over refused",
    ),
    pytest.param(
        transport(httpx2.ConnectError("x"), socket.gaierror()), "dns", id="openai, dns"
    ),
    pytest.param(
        transport(httpx2.ConnectError("x"), ssl.SSLError("plain text")),
        "tls",
        id="openai over tls",
    ),
    pytest.param(
        transport(httpx2.ConnectTimeout("x"), ssl.SSLWantReadError()),
        "connect_timeout",
        id="a handshake that never ends",
    ),
    pytest.param(
        transport(httpx2.ReadTimeout("x"), TimeoutError(), ValueError()),
        "timeout",
        id="openai over a timeout",
    ),
]

OURS = [
    pytest.param(CircuitOpen("k", 3.0), "circuit_open", id="an open circuit"),
    pytest.param(BulkheadFull("k"), "bulkhead_full", id="a full bulkhead"),
    pytest.param(DeadlineExceeded("total", 20.0), "deadline", id="the deadline"),
    pytest.param(DeadlineExceeded("attempt", 15.0), "timeout", id="an attempt's limit"),
    pytest.param(StreamInterrupted("Hel"), "interrupted", id="a broken stream"),
    pytest.param(Unavailable("store_unavailable"), "unavailable", id="a store"),
    pytest.param(Refused("token_expired"), "bug", id="our own 401 is no provider's"),
    pytest.param(ConfigError("no"), "bug", id="a wrong setting"),
    pytest.param(
        caused(ValueError(), CircuitOpen("k", 3.0)), "circuit_open", id="as a cause"
    ),
    pytest.param(TypeError("yours"), "bug", id="a bug"),
    pytest.param(KeyError("yours"), "bug", id="another bug"),
]


@pytest.mark.parametrize(("error", "kind"), STATUS + OS_AND_LIBRARIES + OURS)
def test_each_error_has_its_kind(error: Exception, kind: str) -> None:
    """Names, statuses and codes decide, so no SDK need be imported."""
    assert kind == classify(error).kind


@pytest.mark.parametrize(("error", "kind"), IN_STREAM)
def test_an_error_event_inside_a_stream_has_the_kind_of_its_type(
    error: dict[str, Any], kind: str
) -> None:
    """A stream that began with 200 has no other status to go by."""
    verdict = classify(in_stream(error))

    assert (kind, "in_stream") == (verdict.kind, verdict.where)


DECISIONS = {
    "quota": "tf",
    "content_filter": "",
    "context_length": "f",
    "auth": "tf",
    "permission": "tf",
    "not_found": "f",
    "rate_limit": "rtf",
    "timeout": "rtf",
    "conflict": "rf",
    "overloaded": "rtf",
    "server": "rtf",
    "bad_request": "",
    "tls": "tf",
    "dns": "rtf",
    "refused": "rtf",
    "connect_timeout": "rtf",
    "reset": "rtf",
    "connection": "rtf",
    "bad_payload": "rtf",
    "truncated": "rtf",
    "interrupted": "",
    "circuit_open": "f",
    "bulkhead_full": "f",
    "deadline": "f",
    "unavailable": "f",
    "cancelled": "",
    "bug": "",
}


def test_each_kind_has_its_decisions() -> None:
    """Retry, trip, fallback: the table that breaker, retry and ladder read."""
    told = {
        kind: "r" * each.retry + "t" * each.trips + "f" * each.fallback
        for kind, each in KINDS.items()
    }

    assert DECISIONS == told
    assert {"quota", "auth"} == {kind for kind, each in KINDS.items() if each.opens}
    assert all(not KINDS[kind].sent for kind in ("refused", "dns", "tls"))


CANCELLATIONS = [
    pytest.param(asyncio.CancelledError(), id="cancelled"),
    pytest.param(KeyboardInterrupt(), id="Ctrl-C"),
    pytest.param(SystemExit(1), id="exit"),
    pytest.param(GeneratorExit(), id="closed"),
    pytest.param(
        BaseExceptionGroup("both", [asyncio.CancelledError(), said(500)]),
        id="a group with a cancellation",
    ),
]


@pytest.mark.parametrize("error", CANCELLATIONS)
def test_only_the_error_itself_can_be_a_cancellation(error: BaseException) -> None:
    """It counts as nothing: neither retried nor held against anybody."""
    assert KINDS["cancelled"] == classify(error)


def test_a_cancellation_in_the_chain_is_how_timeouts_are_made() -> None:
    """A plain ReadTimeout carries one; it is still the provider's silence."""
    error = transport(httpx2.ReadTimeout("x"))
    error.__context__ = asyncio.CancelledError()

    assert classify(error).kind == "timeout"


def test_a_suppressed_context_is_read() -> None:
    """A ConnectError of httpcore is raised ``from None``, and hides "refused"."""
    error = named("ConnectError")
    error.__context__ = ConnectionRefusedError()
    error.__suppress_context__ = True

    assert classify(error).kind == "refused"


def test_a_mistake_while_handling_a_failure_is_a_mistake() -> None:
    """To try again would only repeat it."""
    error = KeyError("yours")
    error.__context__ = ConnectionResetError()

    assert classify(error).kind == "bug"
    assert classify(caused(error, ConnectionResetError())).kind == "reset"


QUOTED = [
    'Invalid value: "You exceeded your current quota"',
    "Unknown role 'insufficient credits'",
    "`credit balance is too low` is not a model",
    "No such tool: \u201cspecified API usage limits\u201d",
]


@pytest.mark.parametrize("message", QUOTED)
def test_a_quoted_prompt_cannot_shut_the_key(message: str) -> None:
    """A user who types the words of a quota error must not end the chat for all."""
    verdict = classify(said(400, {"message": message}))

    assert ("bad_request", False) == (verdict.kind, verdict.opens)


WAITS = [
    pytest.param(429, {"retry-after": "2"}, 2.0, id="seconds"),
    pytest.param(503, {"Retry-After": "1"}, 1.0, id="any case"),
    pytest.param(500, {"retry-after-ms": "350", "retry-after": "9"}, 0.35, id="ms win"),
    pytest.param(
        429,
        {"retry-after": "Sat, 07 Nov 2026 12:00:30 GMT", "date": DATE},
        30.0,
        id="a date, by the response's own",
    ),
    pytest.param(
        429, {"retry-after": "Sat, 07 Nov 2026 12:00:30 GMT"}, None, id="no Date header"
    ),
    pytest.param(
        429,
        {"retry-after": "Sat, 07 Nov 2026 11:00:00 GMT", "date": DATE},
        None,
        id="a date that is past",
    ),
    pytest.param(429, {"retry-after": "-5"}, None, id="negative"),
    pytest.param(429, {"retry-after": "nan"}, None, id="nan"),
    pytest.param(429, {"retry-after": "inf"}, None, id="inf"),
    pytest.param(429, {"retry-after": "1_0"}, None, id="a Python number"),
    pytest.param(429, {"retry-after": "soon"}, None, id="a word"),
    pytest.param(429, {"retry-after-ms": "x", "retry-after": "3"}, 3.0, id="next one"),
    pytest.param(429, {"retry-after": "99999999"}, 3600.0, id="clamped to an hour"),
    pytest.param(
        429, {"x-ratelimit-reset-requests": "6m0s"}, 360.0, id="a Go duration"
    ),
    pytest.param(
        429, {"x-ratelimit-reset-tokens": "1h2m3.5s"}, 3600.0, id="all its units"
    ),
    pytest.param(429, {"x-ratelimit-reset-tokens": "7"}, 7.0, id="a bare number"),
    pytest.param(429, {"x-ratelimit-reset-tokens": "20ms"}, 0.02, id="milliseconds"),
    pytest.param(429, {"x-ratelimit-reset-tokens": "6m0"}, None, id="half a duration"),
    pytest.param(
        429,
        {
            "x-ratelimit-reset-requests": "1s",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-tokens": "9s",
            "x-ratelimit-remaining-tokens": "17",
        },
        1.0,
        id="only the limit that is used up",
    ),
    pytest.param(
        429,
        {"x-ratelimit-reset-requests": "2s", "x-ratelimit-reset-tokens": "5s"},
        5.0,
        id="the larger of two",
    ),
    pytest.param(
        500, {"x-ratelimit-reset-requests": "6m0s"}, None, id="not for other failures"
    ),
    pytest.param(
        429,
        {
            "anthropic-ratelimit-tokens-reset": "2026-11-07T12:00:09Z",
            "anthropic-ratelimit-tokens-remaining": "0",
            "date": DATE,
        },
        9.0,
        id="RFC 3339",
    ),
    pytest.param(
        429,
        {"x-ratelimit-reset-requests": "1794052812", "date": DATE},
        12.0,
        id="a Unix time",
    ),
    pytest.param(
        429, {"x-ratelimit-reset-requests": "1794052812"}, None, id="a time, no Date"
    ),
    pytest.param(
        429,
        {"anthropic-ratelimit-tokens-reset": "2026-11-07T12:00:09Z"},
        None,
        id="a date, no Date",
    ),
    pytest.param(
        429,
        {"anthropic-ratelimit-tokens-reset": "tomorrow", "date": DATE},
        None,
        id="a word for a date",
    ),
    pytest.param(
        429,
        {f"x-{number}": "padding" for number in range(100)} | {"retry-after": "1"},
        None,
        id="more headers than are read",
    ),
    pytest.param(
        429,
        {"x-ratelimit-reset-requests": "1794052812000", "date": DATE},
        12.0,
        id="a Unix time in ms",
    ),
]


@pytest.mark.parametrize(("status", "headers", "wait"), WAITS)
def test_the_servers_wait_is_read_without_trust(
    status: int, headers: dict[str, str], wait: float | None
) -> None:
    """Malformed and hostile values are passed over, and none shuts a key for ever."""
    assert wait == pytest.approx(classify(said(status, headers=headers)).wait)


def test_a_quota_opens_until_the_date_in_its_text_at_most_a_day() -> None:
    """Anthropic names the end of a monthly limit in prose."""
    soon = (
        "You have reached your specified API usage limits. You will regain access on "
    )
    message = {"message": soon + "2026-11-07 at 18:00 UTC."}
    later = {"message": soon + "2026-12-01 at 00:00 UTC."}

    assert classify(said(400, message, {"date": DATE})).wait == 6 * 3600.0
    assert classify(said(400, later, {"date": DATE})).wait == 86_400.0


HINTS = [
    pytest.param(429, "false", False, id="a no is obeyed"),
    pytest.param(500, "FALSE", False, id="in any case"),
    pytest.param(500, "true", True, id="a yes changes nothing"),
    pytest.param(400, "true", False, id="a yes cannot make a 400 retryable"),
]


@pytest.mark.parametrize(("status", "hint", "retry"), HINTS)
def test_the_servers_hint_can_only_forbid(
    status: int,
    hint: str,
    retry: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """The openai SDK retries a 400 that says x-should-retry: true; we do not."""
    assert retry is classify(said(status, headers={"x-should-retry": hint})).retry


class Hostile(Exception):
    """An error whose every attribute raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Shy(Exception):
    """An error with a status and a property that raises."""

    status_code = 503

    @property
    def response(self) -> object:
        """Raise, as a response does whose body was not read."""
        raise RuntimeError("not read yet")


class Mute(Exception):
    """An error that cannot be printed, but has a status."""

    status_code = 503

    def __str__(self) -> str:
        raise RuntimeError("no text")


def looped() -> Exception:
    """Return an error that is its own cause's cause."""
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    return one


def deep() -> Exception:
    """Return an error with a very long chain, the telling link at its far end."""
    return caused(ValueError(), *[ValueError() for _ in range(5000)], said(500))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(Hostile(), "bug", id="attributes that raise"),
        pytest.param(Mute(), "overloaded", id="a text that raises"),
        pytest.param(Shy(), "overloaded", id="a property that raises"),
        pytest.param(
            named("E", status_code=503, headers="none"), "overloaded", id="odd headers"
        ),
        pytest.param(
            named("E", status_code=503, headers={"retry-after": 3, 4: "x"}),
            "overloaded",
            id="odd names and values",
        ),
        pytest.param(looped(), "bug", id="a loop"),
        pytest.param(deep(), "bug", id="an endless chain"),
        pytest.param(named("APIError", body=["no"], code="x"), "server", id="odd body"),
        pytest.param(named("E", status_code=True), "bug", id="a bool for a status"),
        pytest.param(named("E", status_code=200), "bug", id="a good status"),
        pytest.param(named("E", status_code=999), "bug", id="no status"),
        pytest.param(named("E", code=1006), "bug", id="a WebSocket's close code"),
    ],
)
def test_a_hostile_error_cannot_make_it_raise(error: Exception, kind: str) -> None:
    """It judges what strangers raise, in the middle of an outage."""
    assert kind == classify(error).kind


@given(
    status=st.integers(min_value=-1, max_value=1000),
    code=st.one_of(st.none(), st.text(), st.integers(), st.binary()),
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "date", "x-should-retry"]),
        st.text(max_size=40),
    ),
)
def test_it_never_raises(
    status: int, code: Any, body: Any, headers: dict[str, str]
) -> None:
    """Whatever the parts hold, there is a verdict, and its wait is sound."""
    response = type("Response", (), {"headers": headers, "status_code": status})()
    error = named("APIError", status_code=status, code=code, body=body)
    error.response = response  # type: ignore[attr-defined] # as the SDKs do
    verdict = classify(error)

    assert isinstance(verdict, Verdict)
    assert verdict.wait is None or 0 <= verdict.wait <= 86_400


class Spoken(Exception):
    """An error with what it is given."""

    def __init__(self, **said: Any) -> None:
        super().__init__("no")
        for name, value in said.items():
            setattr(self, name, value)


def test_what_each_library_calls_what_it_says() -> None:
    """Of aiohttp the headers, of google-genai the details, of others the response."""
    told = {"retry-after": "7"}
    aiohttp = Spoken(status=429, headers=told)
    google = Spoken(
        code=429, details={"error": {"code": 429, "message": QUOTA["message"]}}
    )
    httpx = Spoken(response=Spoken(status_code=503, headers=told))

    assert (classify(aiohttp).kind, classify(aiohttp).wait) == ("rate_limit", 7.0)
    assert classify(google).kind == "quota"
    assert (classify(httpx).kind, classify(httpx).wait) == ("overloaded", 7.0)


def test_a_quota_waits_as_the_header_says() -> None:
    """Before any day that its text names."""
    error = Spoken(
        status_code=400,
        body={
            "error": {"message": f"{QUOTA['message']} Again on 2026-12-01 at 00:00 UTC"}
        },
        headers={"date": "Sat, 28 Nov 2026 12:00:00 GMT"},
    )
    assert classify(error).wait == 86_400.0
    error.headers["retry-after"] = "60"  # type: ignore[attr-defined]
    assert classify(error).wait == 60.0


def test_which_errors_of_the_system_are_of_the_network() -> None:
    """No route, and several addresses tried in vain; no file that is missing."""

    class Own(OSError):
        """An error of somebody's own."""

    assert classify(OSError(errno.ENETUNREACH, "no route")).kind == "connection"
    assert classify(OSError("all addresses failed")).kind == "connection"
    assert classify(OSError(errno.EACCES, "no")).kind == "bug"
    assert classify(Own("no")).kind == "bug"


def test_every_kind_can_be_asked_for() -> None:
    """And an answer that was none says where it was seen."""
    for kind, verdict in KINDS.items():
        assert Verdict.of(kind) is verdict
    unusable = classify(UnusableAnswer("overloaded"))
    assert (unusable.where, unusable.retry, unusable.trips) == ("result", True, True)
