"""
How long did the server ask us to wait? Response headers, read without trust.

The order: ``retry-after-ms``; ``retry-after`` as seconds, then as a date; the resets of
OpenAI's and Anthropic's rate limits. A value that is not finite, negative or malformed
is passed over. A date is compared with the response's own ``Date``, so our clock is not
asked and may be wrong. Sources: RFC 9110 §10.2.3; the providers' header references.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")
_GO_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(h|ms|us|µs|μs|ns|m|s)")
_GO = re.compile(rf"(?:{_GO_PART.pattern})+")
_UNITS = {
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ns": 1e-9,
}
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?: at |T)([0-9]{2}:[0-9]{2})")
_EPOCH = 1e9  # a bare number this large is a Unix time, not a wait
_EPOCH_MS = 1e12
_RESETS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    (
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ),
    (
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ),
)


def told_wait(headers: Mapping[str, str], *, limited: bool) -> float | None:
    """
    Return the seconds that *headers* (lower-case names) ask for, or None.

    The rate-limit resets are read only when the answer was about a limit (*limited*):
    OpenAI sends them with every response.
    """
    sent_at = _date(headers.get("date", ""))
    waits = _retry_after(headers, sent_at)
    wait = next((each for each in waits if each is not None and each >= 0), None)
    if wait is not None or not limited:
        return wait
    return _reset(headers, sent_at)


def told_in_text(text: str, headers: Mapping[str, str]) -> float | None:
    """Return the seconds until a time named like "2026-12-01 at 00:00 UTC", or None."""
    found = _DAY.search(text)
    sent_at = _date(headers.get("date", ""))
    if found is None or sent_at is None:
        return None
    return _until(f"{found[1]}T{found[2]}:00+00:00", sent_at)


def _retry_after(
    headers: Mapping[str, str], sent_at: datetime | None
) -> Iterator[float | None]:
    """Yield what each form of Retry-After says, the most exact first."""
    millis = _number(headers.get("retry-after-ms", ""))
    yield None if millis is None else millis / 1000.0
    text = headers.get("retry-after", "")
    yield _number(text)
    named = _date(text)
    if named is not None and sent_at is not None:
        yield (named - sent_at).total_seconds()


def _reset(headers: Mapping[str, str], sent_at: datetime | None) -> float | None:
    """Return the longest wait until a limit that is used up is reset, or None."""
    waits = [
        _moment(headers.get(reset, ""), sent_at)
        for remaining, reset in _RESETS
        if headers.get(remaining, "0").strip() == "0"
    ]
    return max((wait for wait in waits if wait is not None and wait >= 0), default=None)


def _moment(text: str, sent_at: datetime | None) -> float | None:
    """Read a Go duration, seconds, a Unix time or an RFC 3339 date as a wait."""
    text = text.strip()
    if _GO.fullmatch(text) is not None:
        parts = _GO_PART.findall(text)
        return sum(float(amount) * _UNITS[unit] for amount, unit in parts)
    number = _number(text)
    if number is None:
        return None if sent_at is None else _until(text, sent_at)
    if number < _EPOCH:
        return number
    if sent_at is None:
        return None
    return number / (1000.0 if number >= _EPOCH_MS else 1.0) - sent_at.timestamp()


def _number(text: str) -> float | None:
    """Read plain decimal digits; float() alone would take "nan", "inf" and "1_0"."""
    text = text.strip()
    return float(text) if _SECONDS.fullmatch(text) is not None else None


def _date(text: str) -> datetime | None:
    """Read an HTTP date (RFC 9110 §5.6.7)."""
    try:
        return _aware(parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _until(text: str, sent_at: datetime) -> float | None:
    """Return the seconds from *sent_at* to the RFC 3339 time *text*, None if past."""
    try:
        seconds = (_aware(datetime.fromisoformat(text)) - sent_at).total_seconds()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds >= 0 else None


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
