"""
What does a failure mean? One verdict, read by retry, breaker, ladder and answer alike.

Pure: reads no clock and imports no SDK. Statuses, codes and types come first, for they
are what the provider said; class names along the whole chain come second, most specific
first, for libraries disagree about which link carries the news. Nothing fits: it is a
bug, which is neither retried nor held against the provider.
"""

import errno
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

from resilient_auth.errors import (
    BulkheadFull,
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    ResilientAuthError,
    StreamInterrupted,
    Unavailable,
    UnusableAnswer,
)
from resilient_auth.resilience.evidence import (
    Evidence,
    chain,
    names,
    read,
    read_body,
    status_of,
)
from resilient_auth.resilience.told import told_in_text, told_wait


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What to do about one failure.

    *kind*: a stable lower_snake word. *retry*: the same call may succeed soon. *trips*:
    the provider is to blame, so the breaker counts it. *fallback*: another key or model
    may do better. *wait*: the seconds the server asked for, clamped to one hour (quota:
    one day). *where* it was seen: ``status``, ``in_stream``, ``transport``, ``result``
    or ``local``. *sent*: the request may have reached the model, and be billed.
    *opens*: more calls with this key are pointless, so its circuit opens at once.
    *once*: one more attempt at most, for it seldom helps, or may be billed again.
    """

    kind: str
    _: KW_ONLY
    retry: bool = False
    trips: bool = False
    fallback: bool = False
    wait: float | None = None
    where: str = "transport"
    sent: bool = True
    opens: bool = False
    once: bool = False

    @staticmethod
    def of(kind: str) -> "Verdict":
        """
        Return the usual verdict of *kind*, for a rule of one's own.

        >>> Verdict.of("overloaded").retry
        True

        Raises `ConfigError` for a kind that does not exist.
        """
        if kind not in KINDS:
            raise ConfigError(f"kind is one of {', '.join(KINDS)}, not {kind!r}.")
        return KINDS[kind]

    @property
    def blames(self) -> bool:
        """Say whether the provider, or our account there, is the trouble."""
        return self.fallback and self.kind != "context_length"


_log = logging.getLogger("resilient_auth")


def _passing(kind: str, **more: Any) -> Verdict:
    """Return the verdict on trouble of the provider's that may pass."""
    return Verdict(kind, retry=True, trips=True, fallback=True, **more)


_ALL = (
    Verdict("quota", trips=True, fallback=True, opens=True),
    Verdict("content_filter"),
    Verdict("context_length", fallback=True),
    Verdict("auth", trips=True, fallback=True, opens=True),
    Verdict("permission", trips=True, fallback=True),
    Verdict("not_found", fallback=True),
    _passing("rate_limit"),
    Verdict("conflict", retry=True, fallback=True),
    _passing("overloaded"),
    _passing("server"),
    _passing("timeout"),
    Verdict("bad_request"),
    Verdict("tls", trips=True, fallback=True, sent=False),
    _passing("dns", sent=False, once=True),
    _passing("refused", sent=False),
    _passing("connect_timeout", sent=False),
    _passing("reset"),
    _passing("connection"),
    _passing("bad_payload", once=True),
    _passing("truncated", where="in_stream"),
    Verdict("interrupted", where="in_stream"),
    Verdict("circuit_open", fallback=True, where="local", sent=False),
    Verdict("bulkhead_full", fallback=True, where="local", sent=False),
    Verdict("deadline", fallback=True, where="local"),
    Verdict("unavailable", fallback=True, where="local"),
    Verdict("cancelled", where="local"),
    Verdict("bug", where="local"),
)
#: A rule of one's own: returns what an error means, None if it does not know.
Rule = Callable[[Exception], Verdict | None]

#: The verdict of each kind, before a response adds its own wait and hints.
KINDS: Mapping[str, Verdict] = MappingProxyType({each.kind: each for each in _ALL})

_REFUSED = frozenset({400, 413, 422})
_GATEWAY_TIMEOUT = 504  # the model may have worked all that time, for money
_LONGEST_WAIT = 3600.0
_LONGEST_QUOTA = 86_400.0

#: What an error inside a 200 stream or body would have had for a status.
_STATUS_OF = {
    "overloaded_error": 529,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "invalid_request_error": 400,
    "billing_error": 402,
    "request_too_large": 413,
    "insufficient_quota": 429,
    "content_filter": 400,
    "context_length_exceeded": 400,
}
_QUOTA_WORDS = {
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "billing_error",
    "quota_exceeded",
}
# A provider may quote the prompt in its message, and a prompt may hold these words: in
# a provider's own message, nothing before them may be a quotation mark.
_QUOTA = (
    "exceeded your current quota|specified API usage limits|"
    "credit balance is too low|insufficient credits"
)
_QUOTA_ANYWHERE = re.compile(_QUOTA, re.IGNORECASE)
_QUOTA_UNQUOTED = re.compile(
    rf"(?:[^\"'`\u2018\u201c]|(?<=\w)'(?=\w))*?(?:{_QUOTA})", re.IGNORECASE
)
_CONTEXT = re.compile(
    "maximum context length|prompt is too long|context window", re.IGNORECASE
)
_FILTER = re.compile("content filter", re.IGNORECASE)
_BY_STATUS = {
    401: "auth",
    403: "permission",
    404: "not_found",
    408: "timeout",
    409: "conflict",
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}

# Class names, most specific first; a row is tried on the whole chain before the next.
_BY_NAME: Sequence[tuple[str, frozenset[str]]] = tuple(
    (kind, frozenset(classes.split()))
    for kind, classes in (
        ("reset", "SSLEOFError SSLZeroReturnError"),
        ("tls", "SSLError ClientConnectorCertificateError ClientConnectorSSLError"),
        ("dns", "gaierror ClientConnectorDNSError"),
        ("refused", "ConnectionRefusedError"),
        ("connect_timeout", "ConnectTimeout PoolTimeout ConnectionTimeoutError"),
        ("timeout", "ReadTimeout WriteTimeout"),
        (
            "reset",
            """
            RemoteProtocolError ReadError WriteError ConnectionResetError
            ConnectionAbortedError BrokenPipeError ServerDisconnectedError
            ClientPayloadError ChunkedEncodingError IncompleteRead IncompleteReadError
            ProtocolError
            """,
        ),
        (
            "bad_payload",
            "JSONDecodeError APIResponseValidationError ContentTypeError DecodingError",
        ),
        ("timeout", "APITimeoutError TimeoutException TimeoutError Timeout"),
        ("connection", "ConnectError APIConnectionError ConnectionError"),
    )
)
_API_ERRORS = {"APIError", "APIStatusError"}
_TLS_STILL_TALKING = {"SSLWantReadError", "SSLWantWriteError"}
_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}


def classify(error: BaseException, *, handling: BaseException | None = None) -> Verdict:
    """
    Return the `Verdict` on *error*; never raises, reads no clock, imports no SDK.

    *handling* is the exception that was being handled when the call was made, if any:
    it is no cause of *error*, though it stands in its context.

    Understands the errors of openai, anthropic, google-genai, litellm, httpx, requests
    and aiohttp, of the operating system, and our own, also as the cause of another.
    Only *error* itself can be a cancellation: a timeout carries one in its chain.

    >>> classify(ConnectionRefusedError()).kind, classify(KeyError("x")).kind
    ('refused', 'bug')
    """
    if not isinstance(error, Exception):
        return KINDS["cancelled"]
    try:
        return _judge(chain(error, handling))
    except Exception:  # noqa: BLE001 - a foreign object may do anything
        return KINDS["bug"]


def classify_body(body: Mapping[str, Any]) -> Verdict:
    """Return the verdict on an error object that came with status 200."""
    evidence = read_body(body)
    status = evidence.status or _named_status(evidence.words) or 500
    return _by_status(replace(evidence, status=status), where="result")


def _judge(links: list[BaseException]) -> Verdict:
    for link in links:
        if isinstance(link, ResilientAuthError):
            return _own(link)
        verdict = _spoken(link)
        if verdict is not None:
            return verdict
    return _by_name(links) or _in_stream(links) or KINDS["bug"]


def _own(error: ResilientAuthError) -> Verdict:
    """Judge an error of this library: whoever raised it has tried already."""
    match error:
        case CircuitOpen():
            return KINDS["circuit_open"]
        case BulkheadFull():
            return KINDS["bulkhead_full"]
        case StreamInterrupted():
            return KINDS["interrupted"]
        case DeadlineExceeded():
            return KINDS["deadline" if error.what == "total" else "timeout"]
        case UnusableAnswer():
            return _unusable(error)
        case Unavailable():
            return KINDS["unavailable"]
        case _:
            return KINDS["bug"]


def _unusable(error: UnusableAnswer) -> Verdict:
    """Judge what came as an answer and was none; a guard that gave up has tried."""
    verdict = replace(KINDS.get(error.kind, KINDS["bad_payload"]), where="result")
    return replace(verdict, retry=False, trips=False) if error.given_up else verdict


class Judge(Protocol):
    """What says what an error means: `classify`, or what `judging` returns."""

    def __call__(
        self, error: BaseException, *, handling: BaseException | None = None
    ) -> Verdict:
        """Return the verdict on *error*."""
        ...


def judging(rule: Rule | None) -> Judge:
    """
    Return what asks *rule* first, and then `classify`.

    A rule that raises is logged and passed over; it is not asked of cancellations.
    """
    if rule is None:
        return classify

    def judge(
        error: BaseException, *, handling: BaseException | None = None
    ) -> Verdict:
        verdict = _ruled(rule, error) if isinstance(error, Exception) else None
        return verdict or classify(error, handling=handling)

    return judge


def _ruled(rule: Rule, error: Exception) -> Verdict | None:
    """Return the verdict by a rule of the caller's, made fit to be obeyed."""
    try:
        verdict = rule(error)
    except Exception as failure:  # noqa: BLE001 - it is somebody else's
        # Without its text: it may quote the error, and that a prompt or a key.
        _log.error("A rule for verdicts failed with %s", type(failure).__name__)
        return None
    if not isinstance(verdict, Verdict):
        return None
    wait = verdict.wait
    if wait is not None and not 0 <= wait < math.inf:
        return replace(verdict, wait=None)
    return verdict


def _spoken(link: BaseException) -> Verdict | None:
    """Judge what the provider said in *link*, None if it said nothing."""
    if status_of(link):
        return _by_status(read(link))
    if names(link).isdisjoint(_API_ERRORS):
        return None
    evidence = read(link)
    status = _named_status(evidence.words)
    if not status:
        return None
    return _by_status(replace(evidence, status=status), where="in_stream")


def _named_status(words: frozenset[str]) -> int:
    return next((_STATUS_OF[word] for word in sorted(words & _STATUS_OF.keys())), 0)


def _by_status(evidence: Evidence, *, where: str = "status") -> Verdict:
    verdict = KINDS[_kind(evidence)]
    # A "true" is obeyed only where we would retry anyway.
    refused = evidence.headers.get("x-should-retry", "").strip().lower() == "false"
    retry = verdict.retry and not refused
    wait = _told(verdict.kind, evidence) if retry or verdict.trips else None
    once = verdict.once or evidence.status == _GATEWAY_TIMEOUT
    return replace(verdict, where=where, retry=retry, wait=wait, once=once)


def _told(kind: str, evidence: Evidence) -> float | None:
    """Return the seconds that the server asked to wait, clamped, or None."""
    quota = kind == "quota"
    wait = told_wait(evidence.headers, limited=quota or kind == "rate_limit")
    if wait is None and quota:
        wait = told_in_text(evidence.message, evidence.headers)
    if wait is None:
        return None
    return min(wait, _LONGEST_QUOTA if quota else _LONGEST_WAIT)


def _kind(evidence: Evidence) -> str:
    """Name the first row that fits a status from 400 up."""
    status, message = evidence.status, evidence.message
    if status == 402 or evidence.words & _QUOTA_WORDS or _says_quota(evidence):
        return "quota"
    # Words are believed only of a request that was refused: an outage whose message
    # speaks of the filter, or quotes a prompt that does, is an outage.
    refused = status in _REFUSED
    if "content_filter" in evidence.words or (refused and _FILTER.search(message)):
        return "content_filter"
    if "context_length_exceeded" in evidence.words or (
        refused and _CONTEXT.search(message)
    ):
        return "context_length"
    return _BY_STATUS.get(status, "server" if status >= 500 else "bad_request")


def _says_quota(evidence: Evidence) -> bool:
    if evidence.structured:
        return _QUOTA_UNQUOTED.match(evidence.message) is not None
    return _QUOTA_ANYWHERE.search(evidence.message) is not None


def _by_name(links: list[BaseException]) -> Verdict | None:
    every = [names(link) for link in links]
    for kind, classes in _BY_NAME:
        for found in every:
            if found.isdisjoint(classes):
                continue
            if kind != "tls" or found.isdisjoint(_TLS_STILL_TALKING):
                return KINDS[kind]
    if any(_unreachable(link) for link in links):
        return KINDS["connection"]
    return None


def _unreachable(link: BaseException) -> bool:
    """Recognise a plain OSError: no route, or several addresses tried in vain."""
    return isinstance(link, OSError) and (
        link.errno in _UNREACHABLE or (type(link) is OSError and link.errno is None)
    )


def _in_stream(links: list[BaseException]) -> Verdict | None:
    """Judge an error event without a known type: the SDKs raise a bare APIError."""
    for link in links:
        if type(link).__name__ == "APIError":
            evidence = replace(read(link), status=500)
            return _by_status(evidence, where="in_stream")
    return None
