"""What others published about cookies, CORS and suffixes, where core decides."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from resilient_auth import ConfigError, CorsPolicy, Refused, read_cookies
from resilient_auth.core.cors import ALLOWED_HEADERS
from resilient_auth.core.origins import Origin, can_share_cookies
from resilient_auth.core.pages import Preview
from resilient_auth.core.view import RequestView
from resilient_auth.web.wire import read_body

FOLDER = Path(__file__).parents[3] / "shared" / "vectors"
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the public vectors (../shared/vectors) are not here"
)


def load(name: str) -> Any:
    """Return the vectors in *name*, nothing where the folder is absent."""
    path = FOLDER / name
    return json.loads(path.read_text("utf-8")) if path.is_file() else []


def on_the_wire(text: str) -> str:
    """Return *text* as a server sees it: UTF-8 bytes, read as latin-1."""
    return text.encode().decode("latin-1")


HTTP_STATE = [
    pytest.param(case["sent"], id=case["test"])
    for case in load("httpstate_parser.json")
]


@pytest.mark.parametrize("sent", HTTP_STATE)
def test_what_a_browser_sends_is_read(sent: list[dict[str, str]]) -> None:
    """Each http-state case ends in a Cookie header; a name that is no token is junk."""
    pairs = [(on_the_wire(each["name"]), on_the_wire(each["value"])) for each in sent]
    expected: dict[str, str] = {}
    for name, value in pairs:
        if TOKEN.fullmatch(name):
            expected.setdefault(name, value)

    assert expected == read_cookies("; ".join(map("=".join, pairs)))


INVALID_ATTRIBUTES = [
    pytest.param(case[1], id=case[1] or "none")
    for case in load("wpt_cookie_invalid_attributes.json")
]


@pytest.mark.parametrize("header", INVALID_ATTRIBUTES)
def test_what_became_of_bad_attributes_is_read(header: str) -> None:
    """Nameless pairs are passed over, the rest is found (web-platform-tests)."""
    pairs = [pair.partition("=") for pair in header.split("; ")]
    expected = {name: value for name, equals, value in pairs if equals}

    assert expected == read_cookies(header)


SUFFIXES = [
    pytest.param(case["host"], case["registrable"], id=case["host"])
    for case in load("psl_check_public_suffix.json")
    if case["host"] is not None
]


@pytest.mark.parametrize(("host", "registrable"), SUFFIXES)
def test_the_site_of_a_host(host: str, registrable: str | None) -> None:
    """A suffix has no registrable domain and stands for itself; IDN comes as ASCII."""
    if host.startswith(".") or not host.isascii():
        with pytest.raises(ConfigError, match="no exact origin"):
            Origin.parse(f"https://{host}")
        return
    site = Origin.parse(f"https://{host}").site()

    assert f"https://{registrable or host.lower()}" == site
    assert (registrable is not None) == can_share_cookies(host.lower())


@pytest.mark.parametrize(("host", "registrable"), SUFFIXES)
def test_previews_live_below_a_registrable_domain(
    host: str, registrable: str | None
) -> None:
    """A star over a suffix would let in everybody who can buy a name there."""
    below = host.isascii() and not host.startswith(".") and registrable is not None
    try:
        Preview.parse(f"https://*.{host}")
    except ConfigError:
        assert not below
    else:
        assert below


SAFELISTED = [
    pytest.param(
        case["header"], case["value"], id=f"{case['header']}:{case['value'][:30]!r}"
    )
    for case in load("wpt_cors_safelisted_request_header.json")
    if not case["preflight"]
]
ASKED = sorted(
    {
        case["header"]
        for case in load("wpt_cors_safelisted_request_header.json")
        if case["preflight"]
    }
)


@pytest.mark.parametrize(("header", "value"), SAFELISTED)
def test_what_comes_without_a_preflight_is_no_json(header: str, value: str) -> None:
    """C7: any page can send these, cookies included, without asking anybody."""
    view = RequestView(
        method="POST",
        path="/",
        headers=[(header.encode(), value.encode())],
        body=b"{}",
    )
    with pytest.raises(Refused, match="request_invalid"):
        read_body(view)


@pytest.mark.parametrize("header", ASKED)
def test_what_needs_a_preflight_is_granted_by_name(header: str) -> None:
    """Whatever made the browser ask, the answer depends on the name alone."""
    page = "https://app.example.com"
    answer = CorsPolicy([page]).preflight(page, "POST", header)

    assert (header in {each.lower() for each in ALLOWED_HEADERS}) == answer.allowed
