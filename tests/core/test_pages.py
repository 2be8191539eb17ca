"""A star is one label of a domain of our own, and nothing else."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import ConfigError
from resilient_auth.core.origins import Origin
from resilient_auth.core.pages import Pages, Preview

PREVIEW = "https://*.preview.example.com"
APP = "https://app.example.com"


@pytest.mark.parametrize(
    "origin",
    [
        "https://a.preview.example.com",
        "https://pr-7.preview.example.com",
        "https://7.preview.example.com",
        "https://xn--mnchen-3ya.preview.example.com",
        f"https://{'a' * 63}.preview.example.com",
    ],
)
def test_one_label_is_covered(origin: str) -> None:
    """Letters, digits and inner hyphens, as host names are (RFC 1123 §2.1)."""
    assert Preview.parse(PREVIEW).covers(origin)
    assert origin in Pages([PREVIEW])


NOT_COVERED = [
    "https://preview.example.com",
    "https://.preview.example.com",
    "https://a.b.preview.example.com",
    "https://apreview.example.com",
    "https://a.preview.example.com.evil.example",
    "https://a.preview.example.com:443",
    "https://a.preview.example.com:8443",
    "https://a.preview.example.com/",
    "https://a.preview.example.com.",
    "https://a.preview.example.co",
    "https://a.preview.example.comm",
    "http://a.preview.example.com",
    "wss://a.preview.example.com",
    "HTTPS://a.preview.example.com",
    "https://A.preview.example.com",
    "https://a.Preview.example.com",
    "https://-a.preview.example.com",
    "https://a-.preview.example.com",
    "https://a_b.preview.example.com",
    "https://*.preview.example.com",
    "https://u@a.preview.example.com",
    "https://evil.example/.preview.example.com",
    "https://evil.example?.preview.example.com",
    "https://evil.example#.preview.example.com",
    "https://evil.example\\.preview.example.com",
    "https://evil:80.preview.example.com",
    "https://a\t.preview.example.com",
    "https://a\n.preview.example.com",
    "https://a.preview.example.com\n",
    " https://a.preview.example.com",
    "https://\xe4.preview.example.com",
    "https://\u0661.preview.example.com",
    "https://https://a.preview.example.com",
    f"https://{'a' * 64}.preview.example.com",
    f"https://{'a' * 1_000_000}.preview.example.com",
    "https://a, https://b.preview.example.com",
    "https://",
    "null",
    "",
]


@pytest.mark.parametrize("origin", NOT_COVERED, ids=lambda text: repr(text)[:50])
def test_nothing_else_is_covered(origin: str) -> None:
    """An unescaped dot, an open end, a second label: each was somebody's CVE."""
    assert not Preview.parse(PREVIEW).covers(origin)
    assert origin not in Pages([PREVIEW, APP])


LABEL = set(string.ascii_lowercase + string.digits + "-")


@given(
    st.text("abz019-._*:/@ A\t\n\xe4", max_size=8)
    | st.text(max_size=8)
    | st.sampled_from(["a" * 63, "a" * 64])
)
def test_a_label_is_a_label(label: str) -> None:
    """Said again in other words: every character, both ends, and the length."""
    intended = (
        0 < len(label) <= 63 and set(label) <= LABEL and label.strip("-") == label
    )

    assert intended == (f"https://{label}.preview.example.com" in Pages([PREVIEW]))


def test_a_preview_keeps_its_port() -> None:
    """The default port is left out, as browsers leave it out."""
    assert "https://a.x.example.com:8443" in Pages(["https://*.x.example.com:8443"])
    assert "https://a.x.example.com" not in Pages(["https://*.x.example.com:8443"])
    assert "https://a.x.example.com" in Pages(["HTTPS://*.X.example.com:443 "])


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "*.example.com",
        "https://*",
        "https://*.",
        "https://*.*.example.com",
        "https://**.example.com",
        "https://a.*.example.com",
        "https://a*.example.com",
        "https://*a.example.com",
        "https://example.*",
        "https://*.example.com/",
        "https://*.example.com/*",
        "https://*.example.com.",
        "https://*.example..com",
        "https://*.example.com:*",
        "https://*.example.com:0",
        "https://*@example.com",
        "https://ann:pass@*.example.com",
        "http://*.example.com",
        "*://app.example.com",
        "https://*.m\u00fcnchen.de",
        "https://*,https://a.example.com",
    ],
)
def test_a_star_anywhere_else_is_refused(text: str) -> None:
    """With the one good form in the message, and no password in it."""
    with pytest.raises(ConfigError, match=r"https://\*\.preview\.example\.com") as told:
        Pages([text])

    assert "pass" not in str(told.value)


@pytest.mark.parametrize(
    "host",
    [
        "com",
        "co.uk",
        "github.io",
        "up.railway.app",
        "vercel.app",
        "ck",
        "anything.ck",
        "compute.estate",
        "localhost",
        "intranet",
        "127.0.0.1",
        "[::1]",
        "0.0.1",
    ],
)
def test_a_star_over_a_public_suffix_is_refused(host: str) -> None:
    """Everybody can have a page there, and it would act with our users' sessions."""
    with pytest.raises(ConfigError, match=r"public suffix|no preview"):
        Pages([f"https://*.{host}"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            "https://a*.example.com",
            "'https://a*.example.com' is no exact origin and no preview: write "
            "https://*.preview.example.com, one star for one label, and nothing "
            "behind the host but a port.",
            id="star",
        ),
        pytest.param(
            "https://ann:pass@*.example.com",
            "That is no exact origin and no preview: write "
            "https://*.preview.example.com, one star for one label, and nothing "
            "behind the host but a port.",
            id="password",
        ),
        pytest.param(
            " https://*.co.uk",
            "' https://*.co.uk' covers a public suffix, below which anybody can have a "
            "page. Put previews under a domain of your own.",
            id="suffix",
        ),
    ],
)
def test_a_refused_star_is_shown_as_it_was_written(text: str, told: str) -> None:
    """To be found again in a settings file; only a password is left out."""
    with pytest.raises(ConfigError) as caught:
        Preview.parse(text)

    assert told == str(caught.value)


@pytest.mark.parametrize("text", ["", APP, "preview.example.com"])
def test_a_preview_has_a_star(text: str) -> None:
    """One host taken for all below it would let in more than was written."""
    with pytest.raises(ConfigError, match="one star"):
        Preview.parse(text)


def test_each_entry_has_an_example() -> None:
    """What browsers do with the entry is asked of it; an entry keeps its spelling."""
    pages = Pages([PREVIEW, "HTTPS://App.example.com:443", "https://*.x.org:8443"])

    assert (Origin.parse(APP),) == pages.exact
    assert {
        APP: Origin("https", "app.example.com", 443),
        PREVIEW: Origin("https", "any.preview.example.com", 443),
        "https://*.x.org:8443": Origin("https", "any.x.org", 8443),
    } == pages.examples()


@pytest.mark.parametrize("host", ["example.com", "example.co.uk", "ann.github.io"])
def test_a_star_over_a_domain_of_ones_own_is_built(host: str) -> None:
    """The registrable domain and what is below it are one owner's."""
    preview = Preview.parse(f"https://*.{host}")

    assert f"https://*.{host}" == str(preview)
    assert preview.covers(str(preview.example()))
    assert host == preview.example().domain()


@pytest.mark.parametrize("origins", [APP, None, [None], [b"https://*.example.com"], 7])
def test_what_is_no_list_of_texts_is_refused(origins: Any) -> None:
    """One string would be read letter by letter."""
    with pytest.raises((ConfigError, TypeError)):
        Pages(origins)


def test_one_string_is_told_to_be_no_list() -> None:
    """The mistake is easy: a setting for one page."""
    with pytest.raises(ConfigError) as caught:
        Pages(APP)

    assert "Give a list of origins; one string would be letters." == str(caught.value)
