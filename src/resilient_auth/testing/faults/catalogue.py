"""Which faults are there? Forty rows of what a provider, or the way to it, does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One fault of the catalogue.

    *row*: its number, 1 to 40, and 0 for the good answer ``ok``. *streaming*: it shows
    in a stream alone. *what* happens, in one sentence.
    """

    row: int
    name: str
    streaming: bool
    what: str


_WHOLE = """
0 ok: A good answer, whole or as a stream.
1 retry_after: Status 429 with retry-after: 2.
2 retry_after_ms: Status 429 with retry-after-ms: 350 beside retry-after: 9.
3 retry_after_date: Status 429 whose Retry-After is a date 30 s after its own Date.
4 retry_after_long: Status 429 with retry-after: 3600.
5 retry_after_nonsense: Status 429 with retry-after: -5 and retry-after-ms: nan.
6 ratelimit_reset_only: Status 429 that names only when the limit resets, in 6 minutes.
7 should_retry_false: Status 429 with x-should-retry: false.
8 insufficient_quota: The quota or the credit is used up.
9 usage_limits: Status 400 that says API usage limits, and the day on which they end.
9 credits_402: Status 402, no credits left.
10 bad_request_hint_true: Status 400 with x-should-retry: true.
11 server_error: Status 500.
12 bad_gateway_html: Status 502 with a page of HTML.
13 unavailable_retry_after: Status 503 with retry-after: 1.
14 gateway_timeout_html: Status 504 with a page of HTML.
15 overloaded_529: Status 529, overloaded.
16 request_timeout_408: Status 408.
16 conflict_409: Status 409.
17 invalid_key: Status 401, the key is not valid.
18 forbidden_region: Status 403, not in this region.
18 model_not_found: Status 404, no such model.
19 context_too_long: Status 400, the prompt does not fit the model.
20 content_filter: Status 400, the prompt was filtered.
21 too_large_413: Status 413, the request is too large.
21 unprocessable_422: Status 422.
22 connection_refused: Nobody listens at the address.
23 dns_failure: The name of the host does not resolve.
24 tls_self_signed: The certificate is signed by itself.
24 tls_plaintext: An https address whose server answers in plain text.
25 reset_before_headers: The connection is reset (RST) once the request was read.
25 close_before_headers: The connection is closed once the request was read.
25 garbage_status: A status line that is none.
26 slow_headers: Silence until the client leaves.
27 body_cut: The connection is closed in the middle of the body.
27 body_reset: The connection is reset (RST) in the middle of the body.
28 truncated_json: Half of the JSON, under a length that fits the half.
29 html_200: Status 200 with the page of a captive portal.
30 error_body_200: Status 200 with an error for a body.
30 empty_choices: Status 200 whose list of choices, or of content, is empty.
40 hang: No answer ever; the client is the one to go.
"""
_STREAMING = """
31 stream_stall_first: The opening without text, then silence.
32 stream_keepalives: The opening without text, then a keep-alive every 20 ms.
33 stream_stall_midway: Half of the text, then silence.
34 stream_reset_midway: Half of the text, then a reset (RST).
34 stream_cut_midway: Half of the text, then a close inside the transfer.
35 stream_no_marker: All of the text and a clean end, without the final marker.
36 stream_malformed: Half of the text, then an event that is no JSON.
37 stream_error_event: Half of the text, then an error event.
37 stream_error_event_first: An error event before anything else.
38 stream_length: All of the text, ended because the limit of tokens was reached.
38 stream_content_filter: Half of the text, ended by the provider's filter.
38 stream_refusal: The model refuses; openai tells it in a field of its own.
39 stream_empty: A stream without an event.
39 stream_json: A whole JSON answer where a stream was asked for.
39 stream_html: A page of HTML where a stream was asked for.
"""


def _parse(lines: str, *, streaming: bool) -> Iterator[tuple[str, Fault]]:
    for line in lines.strip().splitlines():
        label, _, what = line.partition(": ")
        row, name = label.split()
        yield name, Fault(int(row), name, streaming, what)


#: Every fault by its name, in the order of the rows but for the streams, which follow.
CATALOGUE: Mapping[str, Fault] = MappingProxyType(
    {
        **dict(_parse(_WHOLE, streaming=False)),
        **dict(_parse(_STREAMING, streaming=True)),
    }
)

#: The faults that happen before a request is sent: each has an address of its own.
UNREACHED = frozenset(
    {"connection_refused", "dns_failure", "tls_self_signed", "tls_plaintext"}
)


def named(fault: Fault | str) -> Fault:
    """
    Return the fault that is called, or is, *fault*.

    Raises: ValueError, which lists the names, if the catalogue has no such fault.
    """
    name = fault.name if isinstance(fault, Fault) else fault
    if name not in CATALOGUE:
        known = ", ".join(CATALOGUE)
        raise ValueError(f"There is no fault called {name!r}. Known are: {known}.")
    return CATALOGUE[name]
