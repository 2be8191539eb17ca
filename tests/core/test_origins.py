"""An origin has one spelling, the browser's; what is more or less is an error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import ConfigError
from resilient_auth.core.origins import Origin, can_share_cookies


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("HTTPS://App.Example.COM", "https://app.example.com"),
        ("  https://app.example.com\n", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("https://app.example.com:0443", "https://app.example.com"),
        ("https://app.example.com:80", "https://app.example.com:80"),
        ("http://app.example.com:80", "http://app.example.com"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:65535", "http://127.0.0.1:65535"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ("https://[2001:DB8::0:1]", "https://[2001:db8::1]"),
        ("https://xn--mnchen-3ya.de", "https://xn--mnchen-3ya.de"),
        ("https://my_app.example.com", "https://my_app.example.com"),
        ("https://1password.com", "https://1password.com"),
    ],
)
def test_the_browsers_spelling_comes_out(text: str, expected: str) -> None:
    """Requests are compared by bytes, so the configuration is brought to theirs."""
    assert expected == str(Origin.parse(text))
    assert Origin.parse(expected) == Origin.parse(text)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("https://app.example.com/", "write https://app.example.com."),
        ("https://app.example.com/login?x#y", "write https://app.example.com."),
        ("https://app.example.com?", "write https://app.example.com."),
        ("https://app.example.com#", "write https://app.example.com."),
        ("https://App.example.com:443/", "write https://app.example.com."),
        ("http://[::1]:80/", r"write http://\[::1\]."),
        ("https://ann@app.example.com", "write https://app.example.com."),
        (
            "https://ann:pass@app.example.com:8443/",
            "write https://app.example.com:8443.",
        ),
    ],
)
def test_what_is_more_than_an_origin_is_shown_corrected(text: str, fix: str) -> None:
    """Starlette and Flask-CORS take these, and then never match, in silence."""
    with pytest.raises(ConfigError, match=fix) as caught:
        Origin.parse(text)

    assert "ann" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "*",
        "null",
        "app.example.com",
        "//app.example.com",
        "https:",
        "https://",
        "https:app.example.com",
        "https:/app.example.com",
        "https:///app.example.com",
        "ftp://app.example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "httpsx://app.example.com",
        "https://*.example.com",
        "https://*",
        "https://app.example.com.",
        "https://.example.com",
        "https://app..example.com",
        "https://app.example.com:",
        "https://app.example.com:x",
        "https://app.example.com:-1",
        "https://app.example.com:0",
        "https://app.example.com:65536",
        "https://app.example.com:99999",
        "https://app.example.com:\u0668\u0660",
        "https://app.example.com,https://b.example.com",
        "https://app.example.com https://b.example.com",
        "https://app.example.com;https://b.example.com",
        "https://exa mple.com",
        "https://app.exa\tmple.com",
        "https://app.example\n.com",
        "https://app.example.com\x00",
        "https://app.example.com\\.evil.example",
        "https://%61pp.example.com",
        "https://m\u00fcnchen.de",
        "https://ex\u2100mple.com",
        "https://app\u3002example.com",
        "https://[::1",
        "https://::1",
        "https://[bad]",
        "https://[1::2::3]",
        "https://[fe80::1%25eth0]",
        "https://[127.0.0.1]",
        "https://127.1",
        "https://127.0.0.01",
        "https://256.0.0.1",
        "https://0x7f.0.0.1",
        "https://2130706433",
        "https://app.example.0x",
    ],
)
def test_what_no_browser_sends_is_refused(text: str) -> None:
    """Else the entry would never match, or match what nobody meant."""
    with pytest.raises(ConfigError):
        Origin.parse(text)


@pytest.mark.parametrize(
    "value", [None, b"https://a.example", 7, ["https://a.example"]]
)
def test_a_missing_setting_is_a_config_error(value: Any) -> None:
    """``os.environ.get`` gives None, and an AttributeError explains nothing."""
    with pytest.raises(ConfigError, match="An origin is text"):
        Origin.parse(value)


@pytest.mark.parametrize(
    "text", ["https://ann:pass@exa mple.com", "https://ann:pass@[::1", "ann:pass@host"]
)
def test_a_password_in_an_address_is_not_repeated(text: str) -> None:
    """The message goes to a log."""
    with pytest.raises(ConfigError) as caught:
        Origin.parse(text)

    assert "pass" not in str(caught.value)


@given(st.text() | st.text("htps:/.a1[]@*?# ", max_size=25).map("https://{}".format))
def test_any_text_is_an_origin_or_a_config_error(text: str) -> None:
    """No ValueError of a parser below, and what comes out parses to itself."""
    try:
        origin = Origin.parse(text)
    except ConfigError:
        return

    assert origin == Origin.parse(str(origin))
    assert str(origin).isascii()
    assert str(origin) == str(origin).lower().strip()


# ------------------------------------------------------------------ sites


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.com", "https://example.com"),
        ("https://app.example.com:8443", "https://example.com"),
        ("http://app.example.com", "http://example.com"),
        ("https://a.b.example.co.uk", "https://example.co.uk"),
        ("https://co.uk", "https://co.uk"),
        ("https://ann.github.io", "https://ann.github.io"),
        ("https://x.ann.github.io", "https://ann.github.io"),
        ("https://github.io", "https://github.io"),
        ("http://localhost:8000", "http://localhost"),
        ("http://app.localhost:8000", "http://app.localhost"),
        ("http://intranet", "http://intranet"),
        ("http://127.0.0.1:8000", "http://127.0.0.1"),
        ("http://10.0.0.1", "http://10.0.0.1"),
        ("http://[::1]:8000", "http://[::1]"),
        ("https://shop.unknown-tld", "https://shop.unknown-tld"),
        ("https://a.shop.unknown-tld", "https://shop.unknown-tld"),
    ],
)
def test_the_site_is_scheme_and_registrable_domain(text: str, expected: str) -> None:
    """Neighbours on a shared host are strangers; addresses are asked of no list."""
    assert expected == Origin.parse(text).site()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://localhost:8000", True),
        ("https://LOCALHOST", True),
        ("http://127.0.0.1", True),
        ("http://127.9.9.9:1", True),
        ("http://[::1]", True),
        ("http://localhost.example.com", False),
        ("http://app.localhost", False),
        ("http://128.0.0.1", False),
        ("http://0.0.0.0", False),
        ("http://[::2]", False),
        ("http://10.0.0.1", False),
    ],
)
def test_the_loopback_is_this_machine_alone(text: str, *, expected: bool) -> None:
    """The loud ``insecure_localhost`` must not spread to a host that others reach."""
    assert expected == Origin.parse(text).is_loopback()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("example.com", True),
        ("app.example.com", True),
        ("ann.github.io", True),
        ("com", False),
        ("co.uk", False),
        ("github.io", False),
        ("localhost", False),
        ("127.0.0.1", False),
        ("1.2", False),
        ("", False),
    ],
)
def test_a_cookie_is_shared_below_a_registrable_domain(
    host: str, *, expected: bool
) -> None:
    """A browser refuses ``Domain`` for a suffix: all its customers would share it."""
    assert expected == can_share_cookies(host)
