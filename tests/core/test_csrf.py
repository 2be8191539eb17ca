"""The whole truth table: who asked, with which evidence, and what it earns."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import ConfigError, CsrfPolicy, Refused
from resilient_auth.core.view import RequestView

HOME, APP = "https://api.example.com", "https://app.example.com"
POLICY = CsrfPolicy([HOME, APP])

#: Column of the table to the header lines of a request.
SITES: dict[str, list[bytes]] = {
    "absent": [],
    "same-origin": [b"same-origin"],
    "same-site": [b"same-site"],
    "cross-site": [b"cross-site"],
    "none": [b"none"],
    "garbage": [b"\xff\x00"],
    "capitals": [b"Same-Origin"],
    "empty": [b""],
    "twice": [b"same-origin", b"same-origin"],
}
ORIGINS: dict[str, list[bytes]] = {
    "absent": [],
    "home": [HOME.encode()],
    "app": [APP.encode()],
    "foreign": [b"https://evil.example"],
    "null": [b"null"],
    "empty": [b""],
    "http": [b"http://app.example.com"],
    "slash": [b"https://app.example.com/"],
    "latin-1": [b"https://\xe4pp.example.com"],
    "twice": [APP.encode(), APP.encode()],
}
TOKENS: dict[str, list[bytes]] = {
    "absent": [],
    "good": [b"good"],
    "bad": [b"bad"],
    "empty": [b""],
    "latin-1": [b"\xe9\xff"],
    "twice": [b"good", b"good"],
}


def view(
    site: str = "absent", origin: str = "absent", token: str = "absent", **other: Any
) -> RequestView:
    """Return a request with one column of each."""
    headers = [
        *((b"sec-fetch-site", value) for value in SITES[site]),
        *((b"origin", value) for value in ORIGINS[origin]),
        *((b"x-csrf-token", value) for value in TOKENS[token]),
    ]
    return RequestView(**({"method": "POST", "path": "/", "headers": headers} | other))


def passes(request: RequestView, *, bound: bool = True) -> bool:
    """Say whether *request* is let through, and that nothing but its code comes out."""
    matches = "good".__eq__ if bound else None
    try:
        POLICY.check(request, matches=matches)
    except Refused as error:
        return {"csrf_failed": False}[error.code]
    return True


def intended(site: str, origin: str, token: str) -> bool:
    """Say it again in the words of the design, from the columns' names alone."""
    if origin not in {"absent", "home", "app"}:
        return False
    if site == "same-origin":
        return True
    if site == "same-site" and origin in {"home", "app"}:
        return True
    return token == "good"


TABLE = list(product(SITES, ORIGINS, TOKENS))


@pytest.mark.parametrize(("site", "origin", "token"), TABLE, ids=map("/".join, TABLE))
def test_the_truth_table(site: str, origin: str, token: str) -> None:
    """All 540 rows: no evidence is taken twice, misread, or preferred to a refusal."""
    request = view(site, origin, token)

    assert intended(site, origin, token) == passes(request)
    assert intended(site, origin, "absent") == passes(request, bound=False)


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "PATCH", "DELETE", "post", "get", ""]
)
def test_every_other_method_is_unsafe(method: str) -> None:
    """An unknown method may change something; methods have a case."""
    assert not passes(view(method=method))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_a_safe_method_needs_nothing(method: str) -> None:
    """It must change nothing (RFC 9110 §9.2.1); links from elsewhere stay links."""
    assert passes(view("cross-site", "foreign", method=method))


@pytest.mark.parametrize(
    "name", [b"x-http-method-override", b"x-method-override", b"x-http-method"]
)
def test_a_method_cannot_be_talked_down(name: bytes) -> None:
    """C7: the method that is judged is the one that came."""
    assert not passes(view(headers=[(name, b"GET"), (b"sec-fetch-site", b"none")]))


@pytest.mark.parametrize("origin", ORIGINS)
def test_checking_the_origin_alone(origin: str) -> None:
    """Login has no session yet: an Origin that comes must be ours, and is returned."""
    expected = {"absent": "", "home": HOME, "app": APP}.get(origin)
    try:
        found: str | None = POLICY.check_origin(view(origin=origin))
    except Refused:
        found = None

    assert expected == found


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_are_judged(site: bytes, origin: bytes, token: bytes) -> None:
    """C5, C6: garbage in any of the three headers is a refusal, never a 500."""
    headers = [
        (b"sec-fetch-site", site),
        (b"origin", origin),
        (b"x-csrf-token", token),
    ]

    assert not passes(view(headers=headers))


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        pytest.param(view(), "no token, Sec-Fetch-Site is ''", id="no-evidence"),
        pytest.param(
            view("cross-site"),
            "no token, Sec-Fetch-Site is 'cross-site'",
            id="cross-site",
        ),
        pytest.param(
            view(headers=[(b"sec-fetch-site", b"a" * 20 + b"b" * 5000)]),
            f"no token, Sec-Fetch-Site is '{'a' * 20}'",
            id="long",
        ),
        pytest.param(view(token="bad"), "the token is not of this session", id="bad"),
        pytest.param(
            view(origin="foreign"), "the Origin is not one of ours", id="foreign"
        ),
        pytest.param(view(origin="twice"), "the Origin is not one of ours", id="twice"),
    ],
)
def test_a_refusal_has_its_reason_for_the_log(
    request_: RequestView, reason: str
) -> None:
    """One public code, so no oracle; the log tells whose mistake it was."""
    with pytest.raises(Refused) as caught:
        POLICY.check(request_, matches="good".__eq__)

    assert ("csrf_failed", 403, "csrf", reason) == (
        caught.value.code,
        caught.value.status,
        caught.value.action,
        caught.value.reason,
    )


def test_a_missing_token_is_asked_for() -> None:
    """The page's developer sees in the answer which header was to be sent."""
    with pytest.raises(Refused) as caught:
        POLICY.check(view("cross-site"), matches="good".__eq__)

    assert "Send the csrf value of the session as X-CSRF-Token." == caught.value.detail


@pytest.mark.parametrize(
    "origins",
    [
        pytest.param(HOME, id="one-string"),
        pytest.param(["null"], id="null"),
        pytest.param(["*"], id="star"),
        pytest.param([""], id="empty"),
        pytest.param([APP + "/"], id="slash"),
    ],
)
def test_a_policy_cannot_be_built_wrong(origins: Any) -> None:
    """``null`` would let every sandboxed frame in; a slash would let nobody in."""
    with pytest.raises(ConfigError):
        CsrfPolicy(origins)


def test_origins_are_brought_to_the_browsers_spelling() -> None:
    """The same list as in CORS, so the same reading."""
    policy = CsrfPolicy(["HTTPS://App.Example.com:443"])

    assert APP == policy.check_origin(view(origin="app"))
