"""
The fault server against the real SDKs: every row of the catalogue, on the wire.

The outcomes are those of openai 3.54 and anthropic 2.14, without retries of their own.
"""

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import anthropic
import httpx2
import openai
import pytest

from resilient_auth.resilience.told import told_in_text, told_wait
from resilient_auth.testing import plugin
from resilient_auth.testing.clock import FrozenClock
from resilient_auth.testing.faults import (
    CATALOGUE,
    Fault,
    FaultServer,
    Seen,
    Speaks,
    loop,
)
from resilient_auth.testing.faults.plays import PLAYS

PROTOCOLS: tuple[Speaks, ...] = ("openai", "anthropic")
SDKS: dict[Speaks, Any] = {"openai": openai, "anthropic": anthropic}
ASKED = b'{"model": "m", "messages": []}'

both = pytest.mark.parametrize("protocol", PROTOCOLS)


#: The plugin's own fixtures, by shorter names and whether or not it is installed.
server, clock = plugin.fault_server, plugin.frozen_clock


@dataclass(frozen=True)
class Outcome:
    """What an SDK made of an answer: the text, the reason at its end, and the error."""

    text: str | None
    reason: str | None
    error: Exception | None

    @property
    def chain(self) -> list[str]:
        """Return the names of the classes of the error and of what caused it."""
        link: BaseException | None = self.error
        names = []
        while link is not None:
            names.append(type(link).__name__)
            link = link.__cause__ or link.__context__
        return names


@contextmanager
def client(
    server: FaultServer,
    protocol: Speaks,
    *,
    timeout: float = 30.0,
    fault: str | None = None,
) -> Iterator[Any]:
    """Return the SDK's client; *fault* goes to its address, whatever is played."""
    sdk = SDKS[protocol]
    make = sdk.OpenAI if protocol == "openai" else sdk.Anthropic
    url = server.url(protocol) if fault is None else server.url_for(fault, protocol)
    with make(
        base_url=url,
        api_key="sk-very-secret",
        max_retries=0,
        timeout=timeout,
        http_client=sdk.DefaultHttpxClient(trust_env=False),
    ) as made:
        yield made


def request(made: Any, protocol: Speaks, **options: Any) -> Any:
    """Ask for a chat's answer."""
    options |= {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    if protocol == "openai":
        return made.chat.completions.create(**options)
    return made.messages.create(max_tokens=9, **options)


def whole_answer(
    server: FaultServer, protocol: Speaks, *, timeout: float = 30.0
) -> Outcome:
    """Ask without a stream."""
    with client(server, protocol, timeout=timeout) as made:
        try:
            answer = request(made, protocol)
        except Exception as error:  # noqa: BLE001 - that is what is asked for
            return Outcome(None, None, error)
    if isinstance(answer, str):
        return Outcome(answer, None, None)
    results = answer.choices if protocol == "openai" else answer.content
    if not results:
        return Outcome(None, None, None)
    if protocol == "openai":
        return Outcome(results[0].message.content, results[0].finish_reason, None)
    return Outcome(results[0].text, answer.stop_reason, None)


def streamed(
    server: FaultServer, protocol: Speaks, *, timeout: float = 30.0
) -> Outcome:
    """Ask for a stream, and read it."""
    text, reason = "", None
    with client(server, protocol, timeout=timeout) as made:
        try:
            for item in request(made, protocol, stream=True):
                piece, reason = read(item, protocol, reason)
                text += piece
        except Exception as error:  # noqa: BLE001 - that is what is asked for
            return Outcome(text, reason, error)
    return Outcome(text, reason, None)


def read(item: Any, protocol: Speaks, reason: str | None) -> tuple[str, str | None]:
    """Return the text of an item, and the reason so far."""
    if protocol == "openai":
        if not item.choices:
            return "", reason
        choice = item.choices[0]
        return choice.delta.content or "", choice.finish_reason or reason
    if item.type == "message_delta":
        return "", item.delta.stop_reason
    return item.delta.text if item.type == "content_block_delta" else "", reason


def talk(server: FaultServer, *sent: bytes, half_close: bool = False) -> bytes:
    """Send bytes to the server; return all that it answers until it closes."""
    address = server.url("anthropic").rpartition(":")
    with socket.create_connection(("127.0.0.1", int(address[2])), 30) as raw:
        for each in sent:
            raw.sendall(each)
        if half_close:
            raw.shutdown(socket.SHUT_WR)
        received = b""
        while piece := raw.recv(65_536):
            received += piece
    return received


def is_over(raw: socket.socket) -> bool:
    """Read until the server has closed; a timeout is an error."""
    try:
        while raw.recv(65_536):
            pass
    except ConnectionError:
        return True
    return True


def posted(body: bytes, *, path: str = "/v1/messages", more: str = "") -> bytes:
    """Return a POST as bytes; *more* are header lines, each with its line end."""
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\n{more}content-length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


# --------------------------------------------------------------------- the catalogue


def test_every_row_is_there() -> None:
    """Forty rows, each with a sentence, and each is played or has an address."""
    assert set(range(41)) == {each.row for each in CATALOGUE.values()}
    assert list(CATALOGUE) == [each.name for each in CATALOGUE.values()]
    assert all(each.what.endswith(".") for each in CATALOGUE.values())
    assert set(CATALOGUE) == {
        *PLAYS,
        "connection_refused",
        "dns_failure",
        "tls_self_signed",
        "tls_plaintext",
    }


def test_every_fault_has_its_outcome_below() -> None:
    """A new fault without a test is found here."""
    tested = {*STATUSES, *BROKEN, *SILENT, *STREAMS, "ok", "stream_keepalives"}

    assert set(CATALOGUE) == tested


#: Fault: the class that openai raises, and that of anthropic.
STATUSES = {
    "retry_after": ("RateLimitError", "RateLimitError"),
    "retry_after_ms": ("RateLimitError", "RateLimitError"),
    "retry_after_date": ("RateLimitError", "RateLimitError"),
    "retry_after_long": ("RateLimitError", "RateLimitError"),
    "retry_after_nonsense": ("RateLimitError", "RateLimitError"),
    "ratelimit_reset_only": ("RateLimitError", "RateLimitError"),
    "should_retry_false": ("RateLimitError", "RateLimitError"),
    "insufficient_quota": ("RateLimitError", "BadRequestError"),
    "usage_limits": ("BadRequestError", "BadRequestError"),
    "credits_402": ("APIStatusError", "PaymentRequiredError"),
    "bad_request_hint_true": ("BadRequestError", "BadRequestError"),
    "server_error": ("InternalServerError", "InternalServerError"),
    "bad_gateway_html": ("InternalServerError", "InternalServerError"),
    "unavailable_retry_after": ("InternalServerError", "ServiceUnavailableError"),
    "gateway_timeout_html": ("InternalServerError", "GatewayTimeoutError"),
    "overloaded_529": ("InternalServerError", "OverloadedError"),
    "request_timeout_408": ("APIStatusError", "RequestTimeoutError"),
    "conflict_409": ("ConflictError", "ConflictError"),
    "invalid_key": ("AuthenticationError", "AuthenticationError"),
    "forbidden_region": ("PermissionDeniedError", "PermissionDeniedError"),
    "model_not_found": ("NotFoundError", "NotFoundError"),
    "context_too_long": ("BadRequestError", "BadRequestError"),
    "content_filter": ("BadRequestError", "BadRequestError"),
    "too_large_413": ("APIStatusError", "ContentTooLargeError"),
    "unprocessable_422": ("UnprocessableEntityError", "UnprocessableEntityError"),
}


@both
@pytest.mark.parametrize("name", STATUSES)
def test_a_status_is_the_same_for_whole_answers_and_streams(
    server: FaultServer, name: str, protocol: Speaks
) -> None:
    """A provider refuses before it knows whether it would stream."""
    server.play(name)
    expected = STATUSES[name][PROTOCOLS.index(protocol)]
    outcomes = [whole_answer(server, protocol), streamed(server, protocol)]

    assert [expected] * 2 == [each.chain[0] for each in outcomes]
    assert [None, ""] == [each.text for each in outcomes]
    assert 2 == len(server.requests)


#: Fault: the class whose name stands in the chain behind the SDK's own.
BROKEN = {
    "connection_refused": "ConnectionRefusedError",
    "dns_failure": "gaierror",
    "tls_self_signed": "SSLCertVerificationError",
    "tls_plaintext": "SSLError",
    "reset_before_headers": "ConnectionResetError",
    "close_before_headers": "RemoteProtocolError",
    "garbage_status": "RemoteProtocolError",
    "slow_headers": "ReadTimeout",
    "hang": "ReadTimeout",
    "body_cut": "RemoteProtocolError",
    "body_reset": "ConnectionResetError",
}


@both
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_connection_is_the_sdks_connection_error(
    server: FaultServer, name: str, protocol: Speaks
) -> None:
    """What really happened stands in the chain alone."""
    server.play(name)
    stalls = BROKEN[name] == "ReadTimeout"
    outcome = whole_answer(server, protocol, timeout=0.2 if stalls else 30.0)

    assert ("APITimeoutError" if stalls else "APIConnectionError") == outcome.chain[0]
    assert BROKEN[name] in outcome.chain
    server.wait_gone()


#: Fault: nothing is raised, or the name of what is, and the text of openai's answer.
SILENT = {
    "truncated_json": ("JSONDecodeError", None),
    "html_200": (None, "<!doctype html>"),
    "error_body_200": (None, None),
    "empty_choices": (None, None),
}


@both
@pytest.mark.parametrize("name", SILENT)
def test_what_the_sdk_takes_for_an_answer(
    server: FaultServer, name: str, protocol: Speaks
) -> None:
    """Status 200 and nothing to show; as a stream it has no event at all."""
    server.play(name)
    raised, text = SILENT[name]
    outcome = whole_answer(server, protocol)

    assert ([raised] if raised else []) == outcome.chain
    assert (outcome.text or "").startswith(text or "")
    assert (text is None) == (outcome.text is None)
    assert Outcome("", None, None) == streamed(server, protocol)


#: Fault: the text that comes before, what openai and anthropic raise, their reasons.
STREAMS: dict[str, tuple[str, tuple[str, str] | None, tuple[str, str] | None]] = {
    "stream_stall_first": ("", ("APITimeoutError", "ReadTimeout"), None),
    "stream_stall_midway": ("Hel", ("APITimeoutError", "ReadTimeout"), None),
    "stream_reset_midway": ("Hel", ("APIConnectionError", "ReadError"), None),
    "stream_cut_midway": ("Hel", ("APIConnectionError", "RemoteProtocolError"), None),
    "stream_no_marker": ("Hello", None, None),
    "stream_malformed": ("Hel", ("JSONDecodeError", "JSONDecodeError"), None),
    "stream_error_event": ("Hel", ("APIError", "APIStatusError"), None),
    "stream_error_event_first": ("", ("APIError", "APIStatusError"), None),
    "stream_length": ("Hello", None, ("length", "max_tokens")),
    "stream_content_filter": ("Hel", None, ("content_filter", "refusal")),
    "stream_refusal": ("", None, ("stop", "refusal")),
    "stream_empty": ("", None, None),
    "stream_json": ("", None, None),
    "stream_html": ("", None, None),
}


@both
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_breaks_where_it_should(
    server: FaultServer, name: str, protocol: Speaks
) -> None:
    """With the text so far, and the error or the reason of each SDK."""
    server.play(name)
    text, raised, reasons = STREAMS[name]
    which = PROTOCOLS.index(protocol)
    # Long enough for the beginning to arrive on a busy machine.
    outcome = streamed(server, protocol, timeout=1.0 if "stall" in name else 30.0)

    assert text == outcome.text
    assert (raised[which] if raised else None) == next(iter(outcome.chain), None)
    assert (reasons[which] if reasons else None) == outcome.reason
    server.wait_gone()


@both
async def test_keep_alives_yield_nothing_and_do_not_end(
    server: FaultServer, protocol: Speaks
) -> None:
    """As long as another client counts ten of them, the SDK's stream says nothing."""
    server.play("stream_keepalives")
    sdk = SDKS[protocol]
    make = sdk.AsyncOpenAI if protocol == "openai" else sdk.AsyncAnthropic
    path, beat = (
        ("/chat/completions", ": keep-alive")
        if protocol == "openai"
        else ("/v1/messages", "event: ping")
    )
    url = server.url(protocol)
    async with (
        make(
            base_url=url,
            api_key="any",
            max_retries=0,
            http_client=sdk.DefaultAsyncHttpxClient(trust_env=False),
        ) as made,
        httpx2.AsyncClient(trust_env=False) as http,
    ):
        stream = await request(made, protocol, stream=True)
        for _ in range(1 if protocol == "openai" else 2):
            await anext(stream)  # the opening
        waiting = asyncio.ensure_future(anext(stream))
        async with http.stream("POST", url + path, json={"stream": True}) as response:
            beats = 0
            async for line in response.aiter_lines():
                beats += line == beat
                if beats == 10:
                    break

        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.to_thread(server.wait_gone)


# -------------------------------------------------------------------- good answers


@both
def test_a_good_answer_is_understood(server: FaultServer, protocol: Speaks) -> None:
    """Whole and streamed, with the reason that each provider gives."""
    expected = Outcome("Hello", ("stop", "end_turn")[PROTOCOLS.index(protocol)], None)

    assert expected == whole_answer(server, protocol)
    assert expected == streamed(server, protocol)


@both
def test_the_text_can_be_set(server: FaultServer, protocol: Speaks) -> None:
    """Also to one that no JSON holds as it is, to none, and to a large one."""
    for text in ('Grüße, \N{ROBOT FACE} "and"\n\x00', "", "x" * 1_000_000):
        server.text = text

        assert text == whole_answer(server, protocol).text
        assert text == streamed(server, protocol).text


@both
def test_a_reset_loses_nothing_that_was_sent(
    server: FaultServer, protocol: Speaks
) -> None:
    """Half of a page is on its way, and arrives in front of the RST."""
    server.text = "x" * 20_000
    server.play("stream_reset_midway")
    outcome = streamed(server, protocol)

    assert "x" * 10_000 == outcome.text
    assert "ConnectionResetError" in outcome.chain


def test_usage_comes_to_who_asks(server: FaultServer) -> None:
    """OpenAI's last chunk then has no choices, which is where clients stumble."""
    with client(server, "openai") as made:
        without = list(request(made, "openai", stream=True))
        options = {"include_usage": True}
        chunks = list(request(made, "openai", stream=True, stream_options=options))

    assert [None] * 4 == [each.usage for each in without]
    assert [1, 1, 1, 1, 0] == [len(each.choices) for each in chunks]
    assert 11 == chunks[-1].usage.total_tokens


@both
def test_the_models_are_listed(server: FaultServer, protocol: Speaks) -> None:
    """One path for both protocols; the header tells them apart."""
    server.play("ok", "server_error", "stream_empty")
    with client(server, protocol) as made:
        models = made.models.list()

        assert ["test-model"] == [each.id for each in models]
        with pytest.raises(SDKS[protocol].InternalServerError):
            made.models.list()
        with pytest.raises(SDKS[protocol].BadRequestError, match="stream"):
            made.models.list()


@both
async def test_an_asynchronous_client_is_served_too(
    server: FaultServer, protocol: Speaks
) -> None:
    """The loop of the test is not the server's, so neither waits for the other."""
    sdk = SDKS[protocol]
    make = sdk.AsyncOpenAI if protocol == "openai" else sdk.AsyncAnthropic
    text = ""
    async with make(
        base_url=server.url(protocol),
        api_key="any",
        max_retries=0,
        http_client=sdk.DefaultAsyncHttpxClient(trust_env=False),
    ) as made:
        async for item in await request(made, protocol, stream=True):
            text += read(item, protocol, None)[0]

    assert "Hello" == text


# ------------------------------------------------------------------ headers and dates


WAITS = {
    "retry_after": 2.0,
    "retry_after_ms": 0.35,
    "retry_after_date": 30.0,
    "retry_after_long": 3600.0,
    "retry_after_nonsense": None,
    "ratelimit_reset_only": 360.0,
    "should_retry_false": None,
    "unavailable_retry_after": 1.0,
}


@both
@pytest.mark.parametrize("name", WAITS)
def test_a_wait_is_told(protocol: Speaks, name: str, clock: FrozenClock) -> None:
    """In each form that providers use; dates are 30 s and 6 min from their own Date."""
    with FaultServer(clock=clock) as server:
        server.play(name)
        error = whole_answer(server, protocol).error
    assert isinstance(error, openai.APIStatusError | anthropic.APIStatusError)
    headers = {key.lower(): value for key, value in error.response.headers.items()}

    assert "Fri, 15 Jan 2027 08:00:00 GMT" == headers["date"]
    assert WAITS[name] == told_wait(headers, limited=True)


@both
def test_the_end_of_a_quota_is_told_in_the_text(
    protocol: Speaks, clock: FrozenClock
) -> None:
    """It is the first of the next month, seen from the response's own date."""
    with FaultServer(clock=clock) as server:
        server.play("usage_limits")
        error = whole_answer(server, protocol).error
    assert isinstance(error, openai.APIStatusError | anthropic.APIStatusError)

    assert "2027-02-01 at 00:00 UTC" in str(error)
    days = 16.0 + 16 / 24
    assert days * 86_400 == told_in_text(str(error), error.response.headers)


def test_the_errors_are_in_the_providers_own_form(server: FaultServer) -> None:
    """The code for one, the type and the request's id for the other."""
    server.play("context_too_long")
    ours = cast("openai.APIError", whole_answer(server, "openai").error)
    theirs = cast("anthropic.APIStatusError", whole_answer(server, "anthropic").error)

    assert "context_length_exceeded" == ours.code
    assert {"message", "type", "param", "code"} == set(
        cast("dict[str, str]", ours.body)
    )
    body = cast("dict[str, Any]", theirs.body)
    assert ("error", "invalid_request_error") == (body["type"], body["error"]["type"])
    assert body["request_id"] == theirs.request_id


@both
def test_an_error_event_names_its_type(server: FaultServer, protocol: Speaks) -> None:
    """By which a guard finds the status that the error would have had."""
    server.play("stream_error_event")
    error: Any = streamed(server, protocol).error
    body = error.body if protocol == "openai" else error.body["error"]

    assert {"openai": "server_error", "anthropic": "overloaded_error"}[
        protocol
    ] == body["type"]


# ------------------------------------------------------------------------- scripts


def test_a_script_moves_on_with_each_request(server: FaultServer) -> None:
    """One entry each, the last for ever; a fault may be named or given."""
    server.play("server_error", CATALOGUE["retry_after"], "ok")
    asked = [whole_answer(server, "openai") for _ in range(4)]

    assert [["InternalServerError"], ["RateLimitError"], [], []] == [
        each.chain[:1] for each in asked
    ]
    assert 4 == len(server.requests)


def test_playing_begins_anew(server: FaultServer) -> None:
    """The place in the script and the requests are forgotten."""
    server.play("ok", "server_error")
    whole_answer(server, "openai")
    server.play("ok", "server_error")
    again = [whole_answer(server, "openai") for _ in range(2)]

    assert ["Hello", None] == [each.text for each in again]
    assert 2 == len(server.requests)


@pytest.mark.parametrize(
    "fault", ["ratelimit", "", Fault(row=1, name="mine", streaming=False, what="?")]
)
def test_an_unknown_fault_is_told_with_the_known(
    server: FaultServer, fault: Fault | str
) -> None:
    """A typo that played the good answer would make any test pass."""
    with pytest.raises(ValueError, match="retry_after, retry_after_ms"):
        server.play("ok", fault)
    with pytest.raises(ValueError, match="retry_after, retry_after_ms"):
        server.url_for(fault, "openai")
    with pytest.raises(ValueError, match="at least"):
        server.play()
    with pytest.raises(ValueError, match="openai and anthropic"):
        server.url(cast("Speaks", "google"))

    assert "Hello" == whole_answer(server, "openai").text


@both
def test_a_fault_of_streams_tells_who_did_not_ask_for_one(
    server: FaultServer, protocol: Speaks
) -> None:
    """A test that forgot to stream learns it from the message."""
    server.play("stream_cut_midway")
    error = whole_answer(server, protocol).error

    assert isinstance(error, SDKS[protocol].BadRequestError)
    assert '"stream": true' in error.message.replace("\\", "")


@both
@pytest.mark.parametrize(
    "name", ["connection_refused", "dns_failure", "tls_self_signed", "tls_plaintext"]
)
def test_a_fault_with_an_address_tells_who_has_another(
    server: FaultServer, protocol: Speaks, name: str
) -> None:
    """A client made before `play` does not go where the fault is."""
    server.play(name)
    with (
        client(server, protocol, fault="ok") as made,
        pytest.raises(SDKS[protocol].BadRequestError, match="url_for"),
    ):
        request(made, protocol)


def test_an_address_needs_no_script(server: FaultServer) -> None:
    """So one client is refused while another is answered, as in a fall-back."""
    with client(server, "openai", fault="connection_refused") as refused:
        with pytest.raises(openai.APIConnectionError):
            request(refused, "openai")
        assert server.url("openai") == server.url_for("hang", "openai")
        assert "Hello" == whole_answer(server, "openai").text


def test_who_trusts_the_certificate_is_answered(server: FaultServer) -> None:
    """Turning the check off is how people "fix" it; then the script is played there."""
    url = server.url_for("tls_self_signed", "anthropic") + "/v1/messages"
    server.play("tls_self_signed", "server_error", "close_before_headers")
    with httpx2.Client(verify=False, trust_env=False) as http:
        statuses = [http.post(url, json={}).status_code for _ in range(2)]
        with pytest.raises(httpx2.RemoteProtocolError):
            http.post(url, json={})

    assert [200, 500] == statuses
    assert url == server.url_for("tls_self_signed", "anthropic") + "/v1/messages"


# ------------------------------------------------------------------- what was seen


def test_requests_are_shown_without_their_keys(server: FaultServer) -> None:
    """A failed assertion prints them, and logs are kept."""
    for protocol in PROTOCOLS:
        whole_answer(server, protocol)
    ours, theirs = server.requests

    assert ("POST", "/v1/chat/completions") == (ours.method, ours.path)
    assert "m" == (ours.body or {})["model"]
    assert "Bearer sk-very-secret" == ours.headers["authorization"]
    assert "Bearer sk-very-secret" == theirs.headers["authorization"]
    assert "secret" not in repr(server.requests)
    assert "'authorization': '...'" in repr(ours)
    assert "secret" not in repr(Seen("GET", "/", {"x-api-key": "sk-secret"}))


def test_the_list_of_requests_is_a_copy(server: FaultServer) -> None:
    """What a test does to it is no news to the server."""
    whole_answer(server, "openai")
    server.requests.clear()

    assert 1 == len(server.requests)


def test_what_neither_protocol_has_is_not_found(server: FaultServer) -> None:
    """It is seen, for a wrong base URL is a usual mistake, but moves no script."""
    server.play("server_error", "ok")
    received = talk(server, posted(ASKED, path="/v2/x", more="connection: close\r\n"))

    assert received.startswith(b"HTTP/1.1 404 ")
    assert b"There is no POST /v2/x here." in received
    assert ["/v2/x"] == [each.path for each in server.requests]
    assert ["InternalServerError"] == whole_answer(server, "openai").chain[:1]


# --------------------------------------------------------------------- connections


def test_a_client_that_leaves_frees_its_connection(server: FaultServer) -> None:
    """Row 40, and what a test of early closing looks at."""
    server.play("stream_stall_midway")
    with client(server, "openai") as made:
        stream = request(made, "openai", stream=True)
        next(stream)
        assert 1 == server.connections
        with pytest.raises(TimeoutError, match="1 connections"):
            server.wait_gone(timeout=0)
        stream.close()
        server.wait_gone()

        assert 0 == server.connections


async def test_a_task_that_is_cancelled_frees_its_connection(
    server: FaultServer,
) -> None:
    """The browser went away while the model was thinking."""
    server.play("hang")
    async with openai.AsyncOpenAI(
        base_url=server.url("openai"),
        api_key="any",
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
    ) as made:
        asking = asyncio.ensure_future(request(made, "openai"))
        await asyncio.to_thread(server.wait_requests)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.to_thread(server.wait_gone)

        assert 1 == len(server.requests)


def test_waiting_for_a_request_is_bounded(server: FaultServer) -> None:
    """A test of a client that never asks ends, and says so."""
    with pytest.raises(TimeoutError, match="0 of 1"):
        server.wait_requests(timeout=0)


def test_a_connection_is_used_again(server: FaultServer) -> None:
    """As in production: a pool is where a fault of one call meets the next."""
    with client(server, "openai") as made:
        for _ in range(3):
            request(made, "openai")

        assert 1 == server.connections


def test_requests_that_come_together_are_answered_in_turn(server: FaultServer) -> None:
    """No client of ours pipelines, but whoever does is not misread."""
    server.play("server_error", "ok")
    last = posted(ASKED, more="Connection: close\r\n")
    received = talk(server, posted(ASKED) + last)

    assert received.startswith(b"HTTP/1.1 500 ")
    assert 1 == received.count(b"HTTP/1.1 200 OK")


def test_who_half_closes_is_still_answered(server: FaultServer) -> None:
    """As ``nc`` does at the end of its input."""
    received = talk(server, posted(ASKED), half_close=True)

    assert received.startswith(b"HTTP/1.1 200 ")


# ------------------------------------------------------------------ hostile clients

BAD = {
    "no-length": (b"POST /v1/messages HTTP/1.1\r\n\r\n", 400),
    "a-megabyte-of-headers": (
        b"GET /v1/models HTTP/1.1\r\n" + b"x-long: y\r\n" * 100_000,
        400,
    ),
    "one-long-header": (b"GET /v1/models HTTP/1.1\r\nx: " + b"y" * 1_000_000, 400),
    "no-json": (posted(b"{nonsense"), 400),
    "no-object": (posted(b"[]"), 400),
    "no-body": (posted(b""), 400),
    "no-text": (posted(b'{"a": "\xff"}'), 400),
    "a-deep-body": (posted(b"[" * 1_000_000), 400),
    "a-long-number": (posted(b'{"a": ' + b"9" * 100_000 + b"}"), 400),
    "chunked": (
        b"POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "a-negative-length": (
        b"POST /v1/messages HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        400,
    ),
    "two-lengths": (posted(b"{}", more="content-length: 2\r\n"), 400),
    "a-length-in-arabic": (
        b"POST /v1/messages HTTP/1.1\r\ncontent-length: \xd9\xa1\r\n\r\n",
        400,
    ),
    "too-large": (
        b"POST /v1/messages HTTP/1.1\r\ncontent-length: 10000001\r\n\r\n",
        413,
    ),
    "much-too-large": (
        b"POST /v1/messages HTTP/1.1\r\ncontent-length: %s\r\n\r\n" % (b"9" * 9_999),
        413,
    ),
    "no-header": (b"GET /v1/models HTTP/1.1\r\nnonsense\r\n\r\n", 400),
    "a-folded-header": (b"GET /v1/models HTTP/1.1\r\na: b\r\n c\r\n\r\n", 400),
    "no-request-line": (b"nonsense\r\n\r\n", 400),
    "another-protocol": (b"GET /v1/models SPDY/3\r\n\r\n", 400),
    "an-empty-line": (b"\r\n\r\n", 400),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00", 400),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_request_is_turned_away(server: FaultServer, name: str) -> None:
    """With a status, in front of the close; and the next client is served."""
    server.play("server_error", "ok")
    sent, status = BAD[name]
    received = talk(server, sent)

    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\ndate: " in received
    assert [] == server.requests
    assert ["InternalServerError"] == whole_answer(server, "openai").chain[:1]
    server.wait_gone()


@pytest.mark.parametrize(
    "sent",
    [b"", b"P", b"POST /v1/messages HTTP/1.1\r\n", posted(b'{"a": 1}')[:-1]],
    ids=["nothing", "a-letter", "a-line", "almost-all"],
)
def test_who_leaves_within_a_request_is_forgotten(
    server: FaultServer, sent: bytes
) -> None:
    """Half a request is none."""
    assert b"" == talk(server, sent, half_close=True)
    server.wait_gone()
    assert [] == server.requests


@pytest.mark.parametrize(
    "body",
    [
        {"model": 5, "stream": "yes"},
        {"stream": True, "stream_options": [1]},
        {"model": "\ud800\r\n", "stream": 1},
    ],
    ids=json.dumps,
)
@both
def test_a_strange_body_is_answered(
    server: FaultServer, body: dict[str, Any], protocol: Speaks
) -> None:
    """A provider would refuse it; here the script decides, and nothing breaks."""
    path = "/v1/messages" if protocol == "anthropic" else "/v1/chat/completions"
    content = json.dumps(body).encode()
    received = talk(server, posted(content, path=path, more="connection: close\r\n"))

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")


def test_what_is_no_request_is_turned_away_over_tls_too(server: FaultServer) -> None:
    """TLS has no half-close, so the answer is sent and the connection closed."""
    port = int(server.url_for("tls_self_signed", "anthropic").rpartition(":")[2])
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 30) as raw,
        trusting.wrap_socket(raw) as wrapped,
    ):
        wrapped.sendall(b"nonsense\r\n\r\n")
        received = wrapped.recv(65_536)

    assert received.startswith(b"HTTP/1.1 400 ")


# ----------------------------------------------------------------- start and close


def test_close_ends_all_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Stalls, keep-alives, half requests and TLS greetings; no thread is left."""
    before = threading.enumerate()
    server = FaultServer()
    server.start()
    server.start()
    server.play("stream_stall_midway", "stream_keepalives", "hang")
    port = int(server.url("anthropic").rpartition(":")[2])
    tls = int(server.url_for("tls_self_signed", "anthropic").rpartition(":")[2])
    sent = [posted(b'{"stream": true}')] * 3 + [b"POST", b"", b"\x16\x03"]
    raws = [socket.create_connection(("127.0.0.1", port), 30) for _ in sent]
    raws.append(socket.create_connection(("127.0.0.1", tls), 30))
    for raw, each in zip(raws, sent, strict=False):
        raw.sendall(each)
    server.wait_requests(3)
    server.close()
    server.close()

    assert before == threading.enumerate()
    assert 0 == server.connections
    for raw in raws:
        with raw:
            assert is_over(raw)
    assert ("", "") == capfd.readouterr()


def test_a_closed_server_has_no_address_and_may_start_again() -> None:
    """Neither before the start nor after the end, but after another start."""
    server = FaultServer()
    server.close()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="start it first"):
            server.url("openai")
        with server:
            assert "Hello" == whole_answer(server, "openai").text


class StuckClock(FrozenClock):
    """A clock that does not answer until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may = threading.Event(), threading.Event()

    def time(self) -> float:
        """Block, once somebody asks."""
        self.asked.set()
        self.may.wait()
        return super().time()


def test_close_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's own clock that blocks the loop is told, and not waited for."""
    stuck = StuckClock()
    server = FaultServer(clock=stuck)
    server.start()
    port = int(server.url("anthropic").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 30) as raw:
        raw.sendall(posted(ASKED))
        assert stuck.asked.wait(30)
        monkeypatch.setattr(loop, "_PATIENCE", 0.01)
        with pytest.raises(TimeoutError, match="runs on"):
            server.close()
        stuck.may.set()
        assert is_over(raw)
    for each in threading.enumerate():
        if each.name == "fault-server":
            each.join(30)


# ---------------------------------------------------------------------- the plugin


def test_importing_the_plugin_imports_nothing_but_pytest() -> None:
    """Every pytest in the environment does it, also where no test of ours runs."""
    code = (
        "import sys, pytest, importlib.util as u; before = set(sys.modules);"
        "spec = u.spec_from_file_location('plugin', sys.argv[1]);"
        "spec.loader.exec_module(u.module_from_spec(spec));"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, plugin.__file__],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "[]" == done.stdout.strip()


def test_the_fixtures_are_there(tmp_path: Path) -> None:
    """A started server, which the next test does not share, and a frozen clock."""
    (tmp_path / "test_it.py").write_text(
        "def test_it(fault_server, frozen_clock):\n"
        "    frozen_clock.advance(1)\n"
        "    assert frozen_clock.monotonic() == 1\n"
        "    assert fault_server.url('openai').endswith('/v1')\n"
        "    assert fault_server.requests == []\n",
        "utf-8",
    )
    settings = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "resilient_auth.testing.plugin"],
        cwd=tmp_path,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stdout
    assert "1 passed" in done.stdout


def test_a_request_that_was_seen_can_be_made_by_hand() -> None:
    """For a test of what looks at requests."""
    assert {} == Seen("GET", "/v1/models").headers
