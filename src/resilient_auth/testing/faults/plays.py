"""Which play shows which fault? A table, and who is told that it cannot be shown."""

from collections.abc import Mapping
from types import MappingProxyType

from resilient_auth.testing.faults import answers, streams
from resilient_auth.testing.faults.bodies import Dialect, Said
from resilient_auth.testing.faults.catalogue import UNREACHED, Fault
from resilient_auth.testing.faults.performance import Ending, Performance, Play


def perform(fault: Fault, dialect: Dialect, *, tls: bool) -> Performance:
    """
    Return what answers a request while *fault* is played.

    A request that cannot show the fault is told so, with status 400. One over *tls*
    came from a client that trusts the self-signed certificate.
    """
    if tls and fault.name == "tls_self_signed":
        return _ok(dialect)
    if fault.name in UNREACHED:
        return _refuse(dialect, f"the address of url_for({fault.name!r}, ...)")
    if fault.streaming and not dialect.scene.streams:
        return _refuse(dialect, 'a request with "stream": true')
    return PLAYS[fault.name](dialect)


def _refuse(dialect: Dialect, needed: str) -> Performance:
    said = Said(400, "invalid_request_error", f"The fault being played needs {needed}.")
    return answers.fail(dialect, said, {})


def _ok(dialect: Dialect) -> Performance:
    if dialect.scene.streams:
        return streams.finished(streams.told, "ok")(dialect)
    return answers.complete(dialect)


def _worded() -> dict[str, Play]:
    """Return the plays that are a status in the provider's words, and no more."""
    names = """
        insufficient_quota usage_limits credits_402 server_error overloaded_529
        request_timeout_408 conflict_409 invalid_key forbidden_region model_not_found
        context_too_long content_filter too_large_413 unprocessable_422
    """
    return {name: answers.status(name) for name in names.split()}


PLAYS: Mapping[str, Play] = MappingProxyType(
    {
        **_worded(),
        "ok": _ok,
        "retry_after": answers.status("retry_after", retry_after="2"),
        "retry_after_ms": answers.status(
            "retry_after_ms", retry_after_ms="350", retry_after="9"
        ),
        "retry_after_date": answers.dated,
        "retry_after_long": answers.status("retry_after_long", retry_after="3600"),
        "retry_after_nonsense": answers.status(
            "retry_after_nonsense", retry_after_ms="nan", retry_after="-5"
        ),
        "ratelimit_reset_only": answers.limited,
        "should_retry_false": answers.status(
            "should_retry_false", x_should_retry="false"
        ),
        "bad_request_hint_true": answers.status(
            "bad_request_hint_true", x_should_retry="true"
        ),
        "bad_gateway_html": answers.gateway(502, "Bad Gateway"),
        "unavailable_retry_after": answers.status(
            "unavailable_retry_after", retry_after="1"
        ),
        "gateway_timeout_html": answers.gateway(504, "Gateway Time-out"),
        "reset_before_headers": answers.bare(Ending.RESET),
        "close_before_headers": answers.bare(Ending.CLOSE),
        "garbage_status": answers.bare(Ending.CLOSE, b"\x00\xffnonsense\r\n\r\n"),
        "slow_headers": answers.bare(Ending.SILENCE),
        "body_cut": answers.halved(Ending.CLOSE),
        "body_reset": answers.halved(Ending.RESET),
        "truncated_json": answers.truncated,
        "html_200": answers.portal,
        "error_body_200": answers.error_body,
        "empty_choices": answers.empty,
        "hang": answers.bare(Ending.SILENCE),
        "stream_stall_first": streams.broken(streams.opened, Ending.SILENCE),
        "stream_keepalives": streams.pulsing,
        "stream_stall_midway": streams.broken(streams.midway, Ending.SILENCE),
        "stream_reset_midway": streams.broken(streams.midway, Ending.RESET),
        "stream_cut_midway": streams.broken(streams.midway, Ending.CLOSE),
        "stream_no_marker": streams.broken(streams.told, Ending.NEXT),
        "stream_malformed": streams.malformed,
        "stream_error_event": streams.failing(streams.midway, "stream_error_event"),
        "stream_error_event_first": streams.failing(
            streams.nothing, "stream_error_event_first"
        ),
        "stream_length": streams.finished(streams.told, "stream_length"),
        "stream_content_filter": streams.finished(
            streams.midway, "stream_content_filter"
        ),
        "stream_refusal": streams.finished(streams.refused, "stream_refusal"),
        "stream_empty": streams.broken(streams.nothing, Ending.NEXT),
        "stream_json": answers.complete,
        "stream_html": answers.portal,
    }
)
