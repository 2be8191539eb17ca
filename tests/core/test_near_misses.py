"""Whoever looks for his origin reads why it is denied, and what would change that."""

import pytest

from resilient_auth.core.near_misses import explain
from resilient_auth.core.pages import Pages

APP = "https://app.example"
LOCAL = "http://localhost:3000"
PREVIEW = "https://*.x.example.com"
PAGES = Pages([APP, LOCAL, PREVIEW])
#: What an origin is told that could be added to the list.
ADD = "If the page is yours, add it to apps=[…]."


@pytest.mark.parametrize(
    ("origin", "why"),
    [
        ("https://app.example/", f"browsers write {APP}; this was not sent by one."),
        ("HTTPS://APP.EXAMPLE", f"browsers write {APP}; this was not sent by one."),
        ("https://app.example:443", f"browsers write {APP}; this was not sent by one."),
        ("https://app.example.", f"browsers write {APP}; this was not sent by one."),
        (
            "HTTPS://EVIL.EXAMPLE",
            "no browser sends this; https://evil.example is not on the list either.",
        ),
        (
            "https://app.exampleX",
            "no browser sends this; https://app.examplex is not on the list either.",
        ),
        ("http://app.example", f"it differs from {APP} in its scheme. {ADD}"),
        ("https://app.example:8443", f"it differs from {APP} in its port. {ADD}"),
        ("http://localhost:3001", f"it differs from {LOCAL} in its port. {ADD}"),
        (
            "https://www.app.example",
            f"it is of the site of {APP}, and still another origin. {ADD}",
        ),
        (
            "https://www.example.com",
            f"it is of the site of {PREVIEW}, and still another origin. {ADD}",
        ),
        (
            "https://a.b.x.example.com",
            f"{PREVIEW} stands for exactly one label, the same scheme and port. {ADD}",
        ),
        (
            "https://x.example.com",
            f"{PREVIEW} stands for exactly one label, the same scheme and port. {ADD}",
        ),
        ("https://evil.org", f"it is none of: {APP}, {LOCAL}, {PREVIEW}. {ADD}"),
        (
            "null",
            (
                "sandboxed frames, files and some redirects send null. It can be "
                "anybody, so it cannot be allowed; serve the page from an origin of "
                "its own."
            ),
        ),
        ("https://ann:pass@app.example", "no browser sends this."),
        ("https://\u0430pp.example", "no browser sends this."),
        ("\r\n\x1b[31m", "no browser sends this."),
    ],
)
def test_a_denial_is_explained(origin: str, why: str) -> None:
    """The nearest page and the difference, and no advice that would not help."""
    assert f"{origin!a} is denied: {why}" == explain(origin, PAGES)


@pytest.mark.parametrize(
    ("origin", "entry"), [(APP, "it"), ("https://pr-7.x.example.com", PREVIEW)]
)
def test_an_origin_that_is_allowed_is_told_by_which_entry(
    origin: str, entry: str
) -> None:
    """Somebody wants to know why a page can do more than it should."""
    assert f"'{origin}' is allowed: {entry} is on the list." == explain(origin, PAGES)


def test_a_request_without_an_origin_is_no_denial() -> None:
    """A missing CORS header is right there, and often taken for the fault."""
    assert (
        "No Origin came, so no CORS header is due: no browser, or our own page."
    ) == explain("", PAGES)


@pytest.mark.parametrize("length", [80, 81, 100_000])
def test_a_long_origin_is_shown_cut(length: int) -> None:
    """It is anybody's text, and it goes to a log."""
    assert f"'{'x' * 80}' is denied: no browser sends this." == explain(
        "x" * length, PAGES
    )


def test_no_more_is_read_than_an_origin_can_have() -> None:
    """Scheme, 253 characters of a host, and a port; then it is nobody's slip."""
    at_most = APP.ljust(300, "/")

    assert f"browsers write {APP}" in explain(at_most, PAGES)
    assert explain(f"{at_most}/", PAGES).endswith("denied: no browser sends this.")
