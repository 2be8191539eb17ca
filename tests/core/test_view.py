"""A request as a value: repeated headers are not one header, and nothing is decoded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth.core.view import RequestView

HEADERS = [
    (b"origin", b"https://a.example"),
    (b"cookie", b"a=1"),
    (b"cookie", b"b=\xff"),
    (b"x-empty", b""),
]
VIEW = RequestView(method="GET", path="/", headers=HEADERS)


def test_a_view_shows_no_secret() -> None:
    """It stands in tracebacks and logs, and its headers are credentials."""
    view = VIEW._replace(query=b"ticket=secret", body=b"secret")

    assert "RequestView('GET', '/')" == repr(view)


def test_values_come_in_order() -> None:
    """HTTP/2 may split a Cookie header; its parts are all there (RFC 9113 §8.2.3)."""
    assert ["a=1", "b=\xff"] == VIEW.values(b"cookie")
    assert [] == VIEW.values(b"x-none")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"origin", "https://a.example"),
        (b"cookie", ""),
        (b"x-empty", ""),
        (b"x-none", ""),
        (b"Origin", ""),
    ],
)
def test_a_repeated_header_has_no_value(name: bytes, expected: str) -> None:
    """Taking the first or the last of two lets an attacker choose which one counts."""
    assert expected == VIEW.value(name)


@given(st.binary())
def test_any_bytes_are_text(value: bytes) -> None:
    """Latin-1 maps every byte, so no header is a UnicodeDecodeError."""
    view = RequestView(method="GET", path="/", headers=[(b"x", value)])

    assert value == view.value(b"x").encode("latin-1")


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("GET", True),
        ("HEAD", True),
        ("OPTIONS", True),
        ("TRACE", True),
        ("POST", False),
        ("get", False),
        ("CONNECT", False),
        ("", False),
    ],
)
def test_safe_methods_are_the_rfcs(method: str, *, expected: bool) -> None:
    """RFC 9110 §9.2.1; everything else may change something."""
    assert expected == RequestView(method=method, path="/", headers=[]).is_safe
