"""Every form in which a server says how long to wait, and every nonsense."""

import pytest

from resilient_auth.resilience.told import told_in_text, told_wait

NOW = "Sat, 28 Nov 2026 12:00:00 GMT"
UNIX = 1_795_867_200  # the same


def wait(*, limited: bool = True, date: str = NOW, **headers: str) -> float | None:
    """Return the wait in *headers*, spelled with underscores."""
    said = {name.replace("_", "-"): text for name, text in headers.items()}
    return told_wait({"date": date} | said, limited=limited)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after_ms": "350", "retry_after": "9"}, 0.35),
        ({"retry_after_ms": "nan", "retry_after": "9"}, 9.0),
        ({"retry_after_ms": "", "retry_after": " 9.5 "}, 9.5),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "1_0"}, None),
        ({"retry_after": "1e3"}, None),
        ({"retry_after": "9" * 16}, None),
        ({"retry_after": "0x10"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "Sat, 28 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry_after": "Saturday, 28-Nov-26 12:00:30 GMT"}, 30.0),
        ({"retry_after": "Sat, 28 Nov 2026 12:00:30"}, 30.0),  # no zone: UTC
        ({"retry_after": "Sat, 28 Nov 2026 13:00:30 +0100"}, 30.0),
        ({"retry_after": "Sat, 28 Nov 2026 11:59:00 GMT"}, None),  # it is past
        ({"retry_after": "Sat, 28 Nov 2026 12:00:30 GMT", "date": ""}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """RFC 9110 §10.2.3, and milliseconds first."""
    assert wait(**headers) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("1h2m3s", 3723.0),
        ("20ms", 0.02),
        ("1.5s", 1.5),
        ("250us", 250e-6),
        ("250µs", 250e-6),
        ("250μs", 250e-6),
        ("7ns", 7e-9),
        (" 3s ", 3.0),
        ("3s and more", None),
        ("s", None),
        ("3 s", None),
        ("12", 12.0),
        ("12.5", 12.5),
        ("999999999", 999_999_999.0),  # still a wait
        (str(UNIX + 40), 40.0),
        (f"{UNIX + 40}000", 40.0),
        (str(UNIX - 40), None),
        ("2026-11-28T12:01:00Z", 60.0),
        ("2026-11-28T12:01:00", 60.0),
        ("2026-11-28T13:01:00+01:00", 60.0),
        ("2026-11-28T11:59:59Z", None),
        ("2026-11-28T12:00:00Z", 0.0),
        ("2026-13-28T12:00:00Z", None),
        ("", None),
    ],
)
def test_the_reset_of_a_limit(text: str, seconds: float | None) -> None:
    """Go durations, seconds, Unix times, RFC 3339."""
    assert wait(x_ratelimit_reset_requests=text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", [str(UNIX + 40), "2026-11-28T12:01:00Z"])
def test_a_moment_without_the_servers_date_says_nothing(text: str) -> None:
    """Our own clock is not asked: it may be wrong."""
    assert wait(date="", x_ratelimit_reset_requests=text) is None
    assert wait(date="", x_ratelimit_reset_requests="12") == 12.0


def test_only_a_limit_that_is_used_up_is_waited_for() -> None:
    """The longest of those; where nothing is said of what remains, it is."""
    both = {"x_ratelimit_reset_requests": "10s", "x_ratelimit_reset_tokens": "70s"}

    assert wait(**both) == 70.0
    assert wait(**both, x_ratelimit_remaining_tokens="5") == 10.0
    assert wait(**both, x_ratelimit_remaining_tokens=" 0 ") == 70.0
    assert wait(**both, limited=False) is None
    assert wait(**both, retry_after="2") == 2.0


@pytest.mark.parametrize(
    "kind", ["requests", "tokens", "input-tokens", "output-tokens"]
)
def test_the_limits_of_anthropic(kind: str) -> None:
    """Each has a reset and a remaining of its own."""
    headers = {
        "date": NOW,
        f"anthropic-ratelimit-{kind}-reset": "2026-11-28T12:00:45Z",
        f"anthropic-ratelimit-{kind}-remaining": "0",
    }
    assert told_wait(headers, limited=True) == 45.0
    headers[f"anthropic-ratelimit-{kind}-remaining"] = "1"
    assert told_wait(headers, limited=True) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("You will regain access on 2026-12-01 at 00:00 UTC.", 2.5 * 86_400),
        ("until 2026-11-28T13:30Z", 5_400.0),
        ("until 2026-11-27 at 00:00 UTC", None),
        ("until 2026-13-01 at 00:00 UTC", None),
        ("soon", None),
    ],
)
def test_a_day_in_the_text(text: str, seconds: float | None) -> None:
    """Anthropic names it in its message."""
    assert told_in_text(text, {"date": NOW}) == seconds
    assert told_in_text(text, {}) is None
