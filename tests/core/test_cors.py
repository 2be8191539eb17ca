"""
One exact list, judged by the browser's own algorithm.

Each row of the reference's table of CORS defects is a test, here where the policy
decides, in `resilient_auth.testing.wire` where an adapter does:

================================================  ==================================
``*``, one string, slash, no scheme, patterns     `test_a_policy_cannot_be_built_wrong`
``https://*.example.com``                         `test_a_preview_is_one_label`
exact Origin                                      `test_a_page_of_ours_reads_…`
port, dot, slash, case, list, ``null``, empty     `test_a_foreign_origin_gets_…`
no Origin, two of them, denied, crash             ``CorsContract``
denied preflight                                  `test_a_foreign_origin_gets_…`
unknown method or header, empty elements          `test_a_preflight_is_answered_…`
1.1 MB of header names                            `test_a_huge_list_of_headers_…`
private networks                                  `test_private_networks_are_…`
OPTIONS that are no preflight                     ``CorsContract``
WebSocket with a foreign Origin                   `test_a_handshake_is_judged_…`
================================================  ==================================
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.browsers.oracle import combined, may_read, may_send

from resilient_auth import ConfigError, CorsPolicy
from resilient_auth.core.cors import ALLOWED_HEADERS, EXPOSED_HEADERS, METHODS

APP = "https://app.example"
POLICY = CorsPolicy([APP, "http://localhost:3000"])
#: Origins that are not the policy's, however near (reference, CORS table).
FOREIGN = [
    "",
    "null",
    "*",
    "https://app.example:443",
    "https://app.example.",
    "https://app.example/",
    "https://app.example\t",
    " https://app.example",
    "http://app.example",
    "HTTPS://APP.EXAMPLE",
    "https://ann@app.example",
    "https://app.example.evil.com",
    "https://evilapp.example",
    "https://sub.app.example",
    "https://app.exampl",
    "https://app",
    "h",
    "https://app.example, https://evil.com",
    "https://app.example https://app.example",
    "https://xn--app-example",
    "https://\u0430pp.example",
    "http://localhost",
    "http://localhost:3001",
    "http://127.0.0.1:3000",
]

# ------------------------------------------------------------------ answers


def test_a_page_of_ours_reads_with_credentials() -> None:
    """Exactly its origin, the one word ``true``, and each exposed header by name."""
    assert (
        ("Access-Control-Allow-Origin", APP),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", ", ".join(EXPOSED_HEADERS)),
    ) == POLICY.actual(APP)
    assert may_read(POLICY.actual(APP), APP, credentials=True)


def test_without_credentials_no_word_of_them() -> None:
    """``Allow-Credentials`` has no value but true; it is there or it is not."""
    policy = CorsPolicy([APP], credentials=False)

    assert may_read(policy.actual(APP), APP, credentials=False)
    assert not may_read(policy.actual(APP), APP, credentials=True)
    assert combined(policy.actual(APP), "access-control-allow-credentials") is None


@pytest.mark.parametrize("origin", FOREIGN, ids=repr)
def test_a_foreign_origin_gets_no_header_at_all(origin: str) -> None:
    """Not even Allow-Credentials or the lists (encode/starlette#2560)."""
    answer = POLICY.preflight(origin, "POST", "content-type")

    assert not POLICY.allows(origin)
    assert () == POLICY.actual(origin)
    assert (False, (), "origin not allowed") == (
        answer.allowed,
        answer.headers,
        answer.reason,
    )


@given(
    st.text(st.characters(max_codepoint=255))
    | st.text("htps:/.apexmlocn0123 ,", max_size=40)
    | st.sampled_from([APP, "http://localhost:3000"])
    | st.tuples(st.sampled_from([APP]), st.text(max_size=3)).map("".join)
    | st.integers(0, len(APP)).map(lambda n: APP[:n])
)
def test_no_origin_outside_the_policy_yields_a_header(origin: str) -> None:
    """The browser's own check says yes for the list, and for nothing beside it."""
    intended = origin in {APP, "http://localhost:3000"}
    answer = POLICY.preflight(origin, "PUT", "X-CSRF-Token")

    assert intended == bool(POLICY.actual(origin))
    assert intended == may_read(POLICY.actual(origin), origin, credentials=True)
    assert intended == answer.allowed == bool(answer.headers)
    assert intended == may_send(answer.headers, origin, "PUT", ["x-csrf-token"])


def test_nobody_can_write_into_the_answers() -> None:
    """One request's extra header would go out with every later one."""
    assert isinstance(POLICY.actual(APP), tuple)
    assert isinstance(POLICY.preflight(APP, "GET").headers, tuple)
    with pytest.raises(AttributeError):
        POLICY.preflight(APP, "GET").allowed = False  # type: ignore[misc] - on purpose


# ------------------------------------------------------------------ preflights


@pytest.mark.parametrize(
    ("method", "headers", "reason"),
    [
        pytest.param("GET", "", "allowed", id="plain"),
        pytest.param("DELETE", "authorization", "allowed", id="delete"),
        pytest.param("POST", "CONTENT-TYPE,x-csrf-token", "allowed", id="any-case"),
        pytest.param(
            "POST", " X-CSRF-Token ,,\tx-csrf-token,", "allowed", id="empties"
        ),
        pytest.param("POST", ",,,", "allowed", id="only-empties"),
        pytest.param("TRACE", "", "method not allowed", id="trace"),
        pytest.param("CONNECT", "", "method not allowed", id="connect"),
        pytest.param("post", "", "method not allowed", id="methods-have-a-case"),
        pytest.param("", "", "method not allowed", id="no-method"),
        pytest.param("*", "", "method not allowed", id="star-method"),
        pytest.param("POST", "x-evil", "header not allowed", id="header"),
        pytest.param("POST", "content-type x-evil", "header not allowed", id="space"),
        pytest.param("POST", "*", "header not allowed", id="star-header"),
        pytest.param("POST", "content-type\x00", "header not allowed", id="nul"),
        pytest.param("POST", "content-type,x\xff", "header not allowed", id="latin-1"),
        pytest.param("TRACE", "x-evil", "method not allowed", id="method-first"),
    ],
)
def test_a_preflight_is_answered_with_the_true_lists(
    method: str, headers: str, reason: str
) -> None:
    """Our own page learns what is allowed, so the browser can name the culprit."""
    answer = POLICY.preflight(APP, method, headers)

    assert reason == answer.reason
    assert (reason == "allowed") == answer.allowed
    assert (
        ("Access-Control-Allow-Origin", APP),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Allow-Methods", ", ".join(METHODS)),
        ("Access-Control-Allow-Headers", ", ".join(ALLOWED_HEADERS)),
        ("Access-Control-Max-Age", "600"),
    ) == answer.headers


def test_a_policy_grants_its_own_lists() -> None:
    """In the developer's spelling and order, beside the five names of the standard."""
    policy = CorsPolicy(
        [APP], methods=["PUT", "GET"], headers=["X-One", "x-two"], expose=["A", "B"]
    )
    answer = policy.preflight(APP, "PUT", "X-TWO,x-one")

    assert answer.allowed
    assert (
        ("Access-Control-Allow-Origin", APP),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Allow-Methods", "PUT, GET"),
        ("Access-Control-Allow-Headers", "X-One, x-two"),
        ("Access-Control-Max-Age", "600"),
    ) == answer.headers
    assert (
        ("Access-Control-Allow-Origin", APP),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", "A, B"),
    ) == policy.actual(APP)


@pytest.mark.parametrize("age", [0, 1, 86_400])
def test_a_browser_remembers_a_preflight_as_long_as_said(age: int) -> None:
    """Not at all, where the lists still change; a day is Firefox's own limit."""
    answer = CorsPolicy([APP], max_age=age).preflight(APP, "GET")

    assert ("Access-Control-Max-Age", str(age)) in answer.headers


def test_a_policy_may_grant_no_header() -> None:
    """An API without a body to send needs none, and a plain preflight passes."""
    policy = CorsPolicy([APP], headers=[])

    assert policy.preflight(APP, "GET").allowed
    assert "header not allowed" == policy.preflight(APP, "GET", "x").reason


@given(
    st.sampled_from([*METHODS, "TRACE", "get", ""]),
    st.lists(st.sampled_from([*ALLOWED_HEADERS, "x-evil", "X-csrf-TOKEN"]), max_size=4),
)
def test_the_verdict_is_the_browsers(method: str, names: list[str]) -> None:
    """Where we say no, the lists make every browser say no, and the other way round."""
    answer = POLICY.preflight(APP, method, ", ".join(names))

    assert answer.allowed == may_send(answer.headers, APP, method, names)


def test_a_huge_list_of_headers_is_refused_unread() -> None:
    """1.1 MB of names cost Starlette 42 ms and Flask-CORS 371 ms."""
    fits = "x-csrf-token," * 315
    answer = POLICY.preflight(APP, "GET", fits + "x")

    assert len(fits) == 4095
    assert "header not allowed" == answer.reason
    for long in (fits + "xx", "x," * 600_000):
        refused = POLICY.preflight(APP, "GET", long)

        assert (False, (), "header list too long") == (
            refused.allowed,
            refused.headers,
            refused.reason,
        )


# ------------------------------------------------------------------ building


@pytest.mark.parametrize(
    ("origins", "options", "fault"),
    [
        pytest.param(APP, {}, "takes a list", id="one-string"),
        pytest.param(["*"], {}, "no exact origin", id="star"),
        pytest.param(["*"], {"credentials": False}, "no exact origin", id="star-alone"),
        pytest.param(["null"], {}, "no exact origin", id="null"),
        pytest.param([""], {}, "no exact origin", id="empty"),
        pytest.param([APP + "/"], {}, f"write {APP}.", id="slash"),
        pytest.param(["app.example"], {}, "no exact origin", id="no-scheme"),
        pytest.param(["https://*.co.uk"], {}, "public suffix", id="suffix"),
        pytest.param(["https://*example.com"], {}, "no exact origin", id="pattern"),
        pytest.param([r"https://.*\.example"], {}, "no exact origin", id="regex"),
        pytest.param([None], {}, "is text", id="none"),
        pytest.param([APP], {"methods": "GET"}, "a list", id="methods-one-string"),
        pytest.param([APP], {"headers": "X-A"}, "a list", id="headers-one-string"),
        pytest.param([APP], {"expose": "X-A"}, "a list", id="expose-one-string"),
        pytest.param([APP], {"methods": ["*"]}, "never", id="every-method"),
        pytest.param([APP], {"headers": ["*"]}, "never", id="every-header"),
        pytest.param([APP], {"expose": ["*"]}, "never", id="expose-everything"),
        pytest.param([APP], {"headers": ["a, b"]}, "never", id="two-in-one"),
        pytest.param([APP], {"expose": ["a\r\nb"]}, "never", id="injection"),
        pytest.param([APP], {"methods": [""]}, "never", id="no-method"),
        pytest.param([APP], {"max_age": -1}, "max_age", id="age-negative"),
        pytest.param([APP], {"max_age": 600.0}, "max_age", id="age-float"),
        pytest.param([APP], {"max_age": 86_401}, "max_age", id="age-long"),
    ],
)
def test_a_policy_cannot_be_built_wrong(
    origins: Any, options: dict[str, Any], fault: str
) -> None:
    """Elsewhere ``*`` reflects every origin, and one string is searched for parts."""
    with pytest.raises(ConfigError, match=fault):
        CorsPolicy(origins, **options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"origins": APP}, "origins takes a list, not one string: origins=[…]."),
        ({"methods": "GET"}, "methods takes a list, not one string: methods=[…]."),
        ({"headers": "X-A"}, "headers takes a list, not one string: headers=[…]."),
        ({"expose": "X-A"}, "expose takes a list, not one string: expose=[…]."),
        ({"headers": [None]}, "A method or header takes str, not None."),
        ({"headers": ["a b"]}, "'a b': name each method and header, never *."),
        ({"max_age": -1}, "max_age is 0 to 86,400 whole seconds."),
        (
            {"credentials": 1},
            "credentials is True or False, not an object of type int.",
        ),
    ],
    ids=repr,
)
def test_a_refusal_names_the_option(options: dict[str, Any], told: str) -> None:
    """Word by word: there are five lists, and somebody looks for the wrong one."""
    with pytest.raises(ConfigError) as caught:
        CorsPolicy(**({"origins": [APP]} | options))

    assert told == str(caught.value)


def test_the_configuration_is_brought_to_the_browsers_spelling() -> None:
    """What the developer wrote in capitals and with a port matches what is sent."""
    policy = CorsPolicy(["HTTPS://App.Example:443", APP])

    assert policy.allows(APP)
    assert not policy.allows("HTTPS://App.Example:443")


def test_a_preview_is_one_label() -> None:
    """Judged by the browser's own check, and named exactly in the answer."""
    policy = CorsPolicy(["https://*.preview.example.com"])
    good, deep = "https://a.preview.example.com", "https://a.b.preview.example.com"

    assert may_read(policy.actual(good), good, credentials=True)
    assert may_send(policy.preflight(good, "PUT").headers, good, "PUT", [])
    assert () == policy.actual(deep) == policy.preflight(deep, "PUT").headers


@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        ([APP], True),
        ([], True),
        ([""], False),
        (["null"], False),
        (["https://evil.example"], False),
        ([APP, APP], False),
        ([APP, "https://evil.example"], False),
    ],
    ids=repr,
)
def test_a_handshake_is_judged_by_the_same_list(
    origins: list[str], *, expected: bool
) -> None:
    """No CORS exists for WebSockets, and browsers send cookies along (CSWSH)."""
    assert expected == POLICY.allows_socket(origins)


@given(st.text() | st.sampled_from(FOREIGN) | st.just(APP))
def test_an_explanation_agrees_with_the_verdict(origin: str) -> None:
    """Anybody's text can be explained, and never gets into a log unescaped."""
    said = POLICY.explain(origin)

    assert POLICY.allows(origin) == (" is allowed: " in said)
    assert said.isprintable()


def test_a_policy_for_nobody_allows_nobody() -> None:
    """An empty list is a legal answer: same origin only."""
    assert () == CorsPolicy([]).actual(APP)


def test_private_networks_are_never_opened() -> None:
    """No answer carries ``Access-Control-Allow-Private-Network``."""
    said = [*POLICY.actual(APP), *POLICY.preflight(APP, "GET").headers]

    assert not any("private" in name.lower() for name, _ in said)
    assert not any(value == "*" for _, value in said)
