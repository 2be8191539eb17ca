"""What the browsers were measured to do, said by `predict`; browsers/ asks them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import ConfigError, CookiePolicy, Delivery, predict
from resilient_auth.core.predict import ENGINES

LAX = CookiePolicy("__Host-a")
STRICT = CookiePolicy("__Host-a", same_site="Strict")
NONE = CookiePolicy("__Host-a", same_site="None")
CHIPS = CookiePolicy("__Host-a", same_site="None", partitioned=True)
PLAIN = CookiePolicy("a", secure=False)
SHARED = CookiePolicy("a", domain="example.com")
API, APP, OTHER = "https://api.example.com", "https://app.example.com", "https://b.org"

ALL = ("chromium", "firefox", "webkit")
#: Cookie, page, API, and the engines in which it arrives (reference, table 1.1).
FETCHES = {
    "same-origin": (LAX, API, API, ALL),
    "same-site-lax": (LAX, APP, API, ALL),
    "same-site-strict": (STRICT, APP, API, ALL),
    "same-site-none": (NONE, APP, API, ALL),
    "same-site-partitioned": (CHIPS, APP, API, ALL),
    "cross-site-lax": (LAX, OTHER, API, ()),
    "cross-site-strict": (STRICT, OTHER, API, ()),
    "cross-site-none": (NONE, OTHER, API, ("firefox",)),
    "cross-site-partitioned": (CHIPS, OTHER, API, ("chromium", "firefox")),
    "suffix-neighbours": (LAX, "https://a.github.io", "https://b.github.io", ()),
    "http-page": (LAX, "http://app.example.com", API, ("firefox", "webkit")),
    "http-page-none": (NONE, "http://app.example.com", API, ("firefox", "webkit")),
    "mixed-content": (PLAIN, APP, "http://api.example.com", ()),
    "plain-http": (PLAIN, "http://app.example.com", "http://api.example.com", ALL),
    "secure-on-http": (LAX, "http://api.example.com", "http://api.example.com", ()),
    "localhost": (PLAIN, "http://localhost:3000", "http://localhost:8000", ALL),
    "secure-on-localhost": (
        LAX,
        "http://localhost:3000",
        "http://localhost:8000",
        ("chromium", "firefox"),
    ),
    "localhost-and-address": (
        PLAIN,
        "http://localhost:8080",
        "http://127.0.0.1:8080",
        (),
    ),
    "localhost-from-https": (
        PLAIN,
        "https://localhost:3000",
        "http://localhost:8000",
        ("firefox",),
    ),
    "domain-above": (SHARED, APP, API, ALL),
    "domain-itself": (SHARED, APP, "https://example.com", ALL),
    "domain-beside": (SHARED, "https://notexample.com", "https://notexample.com", ()),
}


@pytest.mark.parametrize("engine", ALL)
@pytest.mark.parametrize("name", FETCHES)
def test_a_fetch(name: str, engine: str) -> None:
    """Kept and sent go together: what is not kept cannot come again."""
    cookie, page, api, arrives = FETCHES[name]
    delivery = predict(cookie, page=page, api=api, engine=engine)

    assert (engine in arrives) == delivery.sent == delivery.stored
    assert (delivery.reason == "sent") == delivery.sent


@pytest.mark.parametrize("engine", ALL)
@pytest.mark.parametrize(
    ("cookie", "method", "sent"),
    [
        (LAX, "GET", True),
        (LAX, "HEAD", True),
        (LAX, "POST", False),
        (LAX, "DELETE", False),
        (STRICT, "GET", False),
        (STRICT, "POST", False),
        (NONE, "GET", True),
        (NONE, "POST", True),
        (CHIPS, "POST", True),
    ],
)
def test_a_link_from_another_site(
    engine: str, cookie: CookiePolicy, method: str, *, sent: bool
) -> None:
    """The visited site keeps its cookies; which it is sent depends on SameSite."""
    delivery = predict(
        cookie, page=OTHER, api=API, method=method, engine=engine, mode="navigate"
    )

    assert (True, sent) == (delivery.stored, delivery.sent)


@pytest.mark.parametrize("cookie", [LAX, STRICT, NONE, CHIPS])
def test_a_link_of_the_same_site_takes_all(cookie: CookiePolicy) -> None:
    """Also by POST."""
    delivery = predict(cookie, page=APP, api=API, method="POST", mode="navigate")

    assert Delivery(stored=True, sent=True, reason="sent") == delivery


@pytest.mark.parametrize(
    ("cookie", "page", "api", "engine", "reason"),
    [
        (LAX, OTHER, API, "webkit", "SameSite=Lax goes to no other site"),
        (
            STRICT,
            "http://app.example.com",
            API,
            "chromium",
            "http and https are two sites, and SameSite=Strict goes to no other site",
        ),
        (
            NONE,
            "http://app.example.com",
            API,
            "chromium",
            "http and https are two sites, and cookies of another site are blocked",
        ),
        (
            NONE,
            OTHER,
            API,
            "chromium",
            "cookies of another site are blocked, unless Partitioned",
        ),
        (CHIPS, OTHER, API, "webkit", "cookies of another site are blocked"),
        (LAX, APP, "http://api.example.com", "firefox", "may not call plain http"),
        (LAX, "http://b.org", "http://b.org", "firefox", "dropped on plain http"),
        (LAX, "http://[::1]", "http://[::1]", "webkit", "on localhost too"),
        (SHARED, OTHER, OTHER, "firefox", "Domain=example.com is not above b.org"),
    ],
)
def test_the_reason_names_the_rule(
    cookie: CookiePolicy, page: str, api: str, engine: str, reason: str
) -> None:
    """It stands in the message of `Deployment`, where somebody has to act on it."""
    assert reason in predict(cookie, page=page, api=api, engine=engine).reason


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"engine": "safari"}, "chromium, firefox, webkit"),
        ({"engine": ""}, "engine"),
        ({"mode": "navigation"}, "fetch or navigate"),
        ({"page": "null"}, "no exact origin"),
        ({"api": "https://*.example.com"}, "no exact origin"),
    ],
)
def test_a_wrong_question_is_refused(fields: dict[str, Any], fault: str) -> None:
    """An unknown engine must not look like one that delivers."""
    with pytest.raises(ConfigError, match=fault):
        predict(LAX, **({"page": APP, "api": API} | fields))


ORIGINS = st.sampled_from(
    [
        API,
        APP,
        OTHER,
        "https://example.com:8443",
        "http://api.example.com",
        "http://localhost:3000",
        "http://localhost",
        "http://127.0.0.1",
        "http://app.localhost",
        "https://localhost",
    ]
)
COOKIES = st.sampled_from([LAX, STRICT, NONE, CHIPS, PLAIN, SHARED])


@given(COOKIES, ORIGINS, ORIGINS, st.sampled_from(ALL), st.sampled_from(["GET", "PUT"]))
def test_nothing_is_sent_that_was_not_stored(
    cookie: CookiePolicy, page: str, api: str, engine: str, method: str
) -> None:
    """And who delivers across sites delivers at home."""
    for mode in ("fetch", "navigate"):
        delivery = predict(
            cookie,
            page=page,
            api=api,
            engine=engine,
            method=method,
            mode=mode,  # type: ignore[arg-type] - one of the two
        )
        at_home = predict(cookie, page=api, api=api, engine=engine)

        assert delivery.stored or not delivery.sent
        assert at_home.sent or not delivery.sent


@given(ORIGINS, ORIGINS, st.sampled_from(ALL))
def test_a_stricter_cookie_travels_no_further(page: str, api: str, engine: str) -> None:
    """Strict within Lax within None within Partitioned, in every engine."""
    sent = [
        predict(cookie, page=page, api=api, engine=engine).sent
        for cookie in (STRICT, LAX, NONE, CHIPS)
    ]

    assert sorted(sent) == sent


def test_the_engines_are_those_of_the_signature() -> None:
    """The three that were measured."""
    assert ALL == tuple(ENGINES)
