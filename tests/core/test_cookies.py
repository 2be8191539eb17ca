"""What can be built, a browser keeps; and no header hides one of our cookies."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import ConfigError, CookiePolicy, Refused, read_cookies

TOKEN = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1)
OCTETS = "".join(map(chr, range(0x21, 0x7F)))
OURS = ("__Host-ra_access", "__Host-ra_refresh")

# ------------------------------------------------------------------ building


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"name": ""}, "token"),
        ({"name": "a b"}, "token"),
        ({"name": "a=b"}, "token"),
        ({"name": "a;b"}, "token"),
        ({"name": "a\n"}, "token"),
        ({"name": "ä"}, "token"),
        ({"path": ""}, "path"),
        ({"path": "deep"}, "path"),
        ({"path": "/a;Domain=evil"}, "path"),
        ({"path": "/a\r\nSet-Cookie: x"}, "path"),
        ({"path": "/a b"}, "path"),
        ({"path": "/\x00"}, "path"),
        ({"path": "/ä"}, "path"),
        ({"path": "/" + "a" * 1024}, "path"),
        ({"domain": ""}, "Domain"),
        ({"domain": "."}, "Domain"),
        ({"domain": ".example.com"}, "Domain"),
        ({"domain": "example.com."}, "Domain"),
        ({"domain": "example..com"}, "Domain"),
        ({"domain": "Example.com"}, "Domain"),
        ({"domain": "https://example.com"}, "Domain"),
        ({"domain": "example.com:443"}, "Domain"),
        ({"domain": "example.com; Path=/x"}, "Domain"),
        ({"domain": "example.com\n"}, "Domain"),
        ({"domain": "m\u00fcnchen.de"}, "Domain"),
        ({"domain": "com"}, "Domain"),
        ({"domain": "co.uk"}, "Domain"),
        ({"domain": "github.io"}, "Domain"),
        ({"domain": "vercel.app"}, "Domain"),
        ({"domain": "localhost"}, "Domain"),
        ({"domain": "127.0.0.1"}, "Domain"),
        ({"domain": "10.1"}, "Domain"),
        ({"domain": "[::1]"}, "Domain"),
        ({"same_site": "lax"}, "same_site"),
        ({"same_site": ""}, "same_site"),
        ({"same_site": None}, "same_site"),
        ({"same_site": "Lax; Secure"}, "same_site"),
        ({"same_site": "None", "secure": False}, "SameSite=None"),
        ({"partitioned": True, "secure": False}, "Partitioned needs Secure"),
        ({"name": "__Host-a", "secure": False}, "needs Secure"),
        ({"name": "__Host-a", "path": "/deep"}, "Path=/"),
        ({"name": "__Host-a", "domain": "example.com"}, "no Domain"),
        ({"name": "__Secure-a", "secure": False}, "needs Secure"),
        ({"name": "__Http-a", "secure": False}, "needs Secure"),
        ({"name": "__Http-a", "http_only": False}, "needs HttpOnly"),
        ({"name": "__Host-Http-a", "http_only": False}, "needs HttpOnly"),
        ({"name": "__Host-Http-a", "path": "/deep"}, "Path=/"),
        ({"name": "__host-a"}, "prefix"),
        ({"name": "__HOST-a", "secure": False}, "prefix"),
        ({"name": "__secure-a"}, "prefix"),
        ({"name": "__http-a"}, "prefix"),
        ({"max_age": 1.5}, "max_age"),
        ({"max_age": float("nan")}, "max_age"),
        ({"max_age": "60"}, "max_age"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_a_contradiction_cannot_be_built(fields: dict[str, Any], fault: str) -> None:
    """C1: a browser drops such a cookie without a word, and the user is logged out."""
    with pytest.raises(ConfigError, match=fault):
        CookiePolicy(**({"name": "a"} | fields))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param(
            CookiePolicy("__Host-ra_access"),
            "__Host-ra_access=v; Path=/; SameSite=Lax; HttpOnly; Secure",
            id="default",
        ),
        pytest.param(
            CookiePolicy("a", secure=False, http_only=False, same_site="Strict"),
            "a=v; Path=/; SameSite=Strict",
            id="bare",
        ),
        pytest.param(
            CookiePolicy("__Secure-a", domain="example.com", path="/x"),
            "__Secure-a=v; Path=/x; Domain=example.com; SameSite=Lax; HttpOnly; Secure",
            id="shared",
        ),
        pytest.param(
            CookiePolicy("a", domain="a.b.example.co.uk", same_site="None"),
            "a=v; Path=/; Domain=a.b.example.co.uk; SameSite=None; HttpOnly; Secure",
            id="deep-domain",
        ),
        pytest.param(
            CookiePolicy("__Host-a", same_site="None", partitioned=True),
            "__Host-a=v; Path=/; SameSite=None; HttpOnly; Secure; Partitioned",
            id="partitioned",
        ),
        pytest.param(
            CookiePolicy("__Host-Http-a", max_age=60),
            "__Host-Http-a=v; Max-Age=60; Path=/; SameSite=Lax; HttpOnly; Secure",
            id="http-prefix",
        ),
        pytest.param(
            CookiePolicy("a", max_age=-5),
            "a=v; Max-Age=0; Path=/; SameSite=Lax; HttpOnly; Secure",
            id="past",
        ),
    ],
)
def test_every_attribute_is_written_out(policy: CookiePolicy, expected: str) -> None:
    """What a browser assumes where one is missing differs by engine."""
    assert expected == policy.set("v")


def test_a_call_may_set_another_age() -> None:
    """A cookie lives until the session's idle end, which moves."""
    policy = CookiePolicy("a", max_age=60)

    assert "; Max-Age=5;" in policy.set("v", max_age=5)
    assert "; Max-Age=0;" in policy.set("v", max_age=0)
    assert "; Max-Age=60;" in policy.set("v")
    assert "Max-Age" not in CookiePolicy("a").set("v")


def test_clearing_names_the_same_cookie() -> None:
    """Another path, domain or jar would leave the old cookie where it is."""
    policy = CookiePolicy("__Secure-a", domain="example.com", path="/api")
    partitioned = CookiePolicy("__Host-a", same_site="None", partitioned=True)

    assert (
        "__Secure-a=; Max-Age=0; Path=/api; Domain=example.com; SameSite=Lax; "
        "HttpOnly; Secure"
    ) == policy.clear()
    assert partitioned.clear().endswith(
        "; SameSite=None; HttpOnly; Secure; Partitioned"
    )


@pytest.mark.parametrize("char", [*map(chr, range(0x21)), *'";,\\\x7f\x80\u20ac\ud800'])
def test_a_value_with_an_unfit_character_is_refused(char: str) -> None:
    """Header injection, and what parsers read in two ways (RFC 6265 §4.1.1)."""
    with pytest.raises(ConfigError) as caught:
        CookiePolicy("a").set(f"private{char}value")

    assert "private" not in str(caught.value)


def test_the_limit_of_a_cookie_counts_name_and_value() -> None:
    """4,096 bytes are stored, 4,097 dropped silently (measured in three engines)."""
    policy = CookiePolicy("name")

    assert policy.set("x" * 4092)
    with pytest.raises(ConfigError, match="4096") as caught:
        policy.set("x" * 4093)

    assert "xxx" not in str(caught.value)


# ------------------------------------------------------------------ beside a browser

PREFIX_RULES = {
    "__secure-": ("secure",),
    "__host-": ("secure", "host"),
    "__http-": ("secure", "httponly"),
    "__host-http-": ("secure", "httponly", "host"),
}


def stored(line: str) -> dict[str, str]:
    """
    Return the cookie that a browser makes of a ``Set-Cookie`` value.

    RFC 6265bis §5.6 and §5.7 written down again, with every reason to drop a cookie or
    to ignore an attribute as an error.
    """
    assert not any(ord(char) < 0x20 or ord(char) == 0x7F for char in line)
    pair, *rest = line.split(";")
    name, equals, value = pair.partition("=")
    name, value = name.strip(" \t"), value.strip(" \t")
    attributes = {}
    for each in rest:
        key, _, said = (part.strip(" \t") for part in each.partition("="))
        assert len(said) <= 1024, "the attribute is ignored"
        assert key.lower() not in attributes, "the last one wins"
        attributes[key.lower()] = said
    assert equals
    assert name
    assert len(name) + len(value) <= 4096
    assert_kept(name.lower(), attributes)
    return {"name": name, "value": value} | attributes


def assert_kept(name: str, attributes: dict[str, str]) -> None:
    """Apply the rules that drop a cookie for its attributes."""
    assert attributes["samesite"] in {"Lax", "Strict", "None"}
    assert attributes["samesite"] != "None" or "secure" in attributes
    assert "partitioned" not in attributes or "secure" in attributes
    assert attributes["path"].startswith("/")
    assert attributes.get("max-age", "0").isdigit()
    for prefix, rules in PREFIX_RULES.items():
        if name.startswith(prefix):
            assert "secure" in attributes
            assert "httponly" not in rules or "httponly" in attributes
            assert "host" not in rules or attributes["path"] == "/"
            assert "host" not in rules or "domain" not in attributes


POLICIES = st.fixed_dictionaries(
    {
        "name": TOKEN
        | st.builds(
            "{}{}".format,
            st.sampled_from(
                [
                    "__Host-",
                    "__host-",
                    "__HTTP-",
                    "__Host-Http-",
                    "__Secure-",
                    "__Http-",
                ]
            ),
            TOKEN,
        )
    },
    optional={
        "same_site": st.sampled_from(["Lax", "Strict", "None", "lax", ""]),
        "secure": st.booleans(),
        "http_only": st.booleans(),
        "partitioned": st.booleans(),
        "domain": st.sampled_from(
            ["example.com", "co.uk", "127.0.0.1", ".", "a b", None]
        ),
        "path": st.sampled_from(["/", "/api", "/a;b", "x", "/" * 1025])
        | st.text(max_size=9),
        "max_age": st.none() | st.integers(-10, 10**12) | st.floats(),
    },
)


@given(POLICIES, st.text(OCTETS, max_size=50) | st.text(max_size=20))
def test_what_is_emitted_a_browser_keeps_as_meant(
    fields: dict[str, Any], value: str
) -> None:
    """Whatever can be set is stored, with exactly the attributes asked for."""
    try:
        policy = CookiePolicy(**fields)
        line = policy.set(value)
    except ConfigError:
        return
    for kept in (stored(line), stored(policy.clear())):
        assert policy.name == kept["name"]
        assert policy.path == kept["path"]
        assert policy.domain == kept.get("domain")
        assert policy.same_site == kept["samesite"]
        assert (policy.secure, policy.http_only, policy.partitioned) == (
            "secure" in kept,
            "httponly" in kept,
            "partitioned" in kept,
        )

    assert value == stored(line)["value"]
    assert {policy.name: value} == read_cookies(line.partition(";")[0])


# ------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("", {}, id="empty"),
        pytest.param(";;; ;", {}, id="semicolons"),
        pytest.param("a=1", {"a": "1"}, id="one"),
        pytest.param("a=1; b=2", {"a": "1", "b": "2"}, id="two"),
        pytest.param("a=1;b=2;\tc=3", {"a": "1", "b": "2", "c": "3"}, id="spacing"),
        pytest.param("a=", {"a": ""}, id="empty-value"),
        pytest.param("a=b=c==", {"a": "b=c=="}, id="equals-in-value"),
        pytest.param('a="x y"', {"a": '"x y"'}, id="quotes-are-kept"),
        pytest.param('a="x; b=2"', {"a": '"x', "b": '2"'}, id="quotes-hide-nothing"),
        pytest.param("a=1, b=2", {"a": "1, b=2"}, id="comma-parts-nothing"),
        pytest.param("junk; a=1", {"a": "1"}, id="junk-before"),
        pytest.param("{x]=y; a=1", {"a": "1"}, id="bad-name-before"),
        pytest.param("a b=1; c=2", {"c": "2"}, id="space-in-name"),
        pytest.param("a =1; c=2", {"c": "2"}, id="space-after-name"),
        pytest.param("=1; a=2", {"a": "2"}, id="no-name"),
        pytest.param("=__Host-ra_access=evil", {}, id="nameless-with-prefix"),
        pytest.param("\x00__Host-ra_access=evil; a=1", {"a": "1"}, id="nul-before"),
        pytest.param("a=\xff\x80", {"a": "\xff\x80"}, id="latin-1"),
        pytest.param("a=1; a=2; A=3", {"a": "1", "A": "3"}, id="foreign-twice"),
        pytest.param("$Version=1; a=1", {"$Version": "1", "a": "1"}, id="rfc-2109"),
    ],
)
def test_a_header_is_read(header: str, expected: dict[str, str]) -> None:
    """SimpleCookie drops everything after a bad pair; here junk harms only itself."""
    assert expected == read_cookies(header, ours=OURS)


@pytest.mark.parametrize(
    "header",
    [
        "__Host-ra_access=a; __Host-ra_access=b",
        "__Host-ra_access=a; __Host-ra_access=a",
        "__Host-ra_access=; __Host-ra_access=b",
        "__Host-ra_access=a; x=y;__Host-ra_access=b",
        "__Host-ra_refresh=a; __Host-ra_access=b; __Host-ra_refresh=c",
    ],
)
def test_one_of_ours_twice_is_refused(header: str) -> None:
    """C2: Starlette takes the last, Werkzeug the first; one of them is not ours."""
    with pytest.raises(Refused) as caught:
        read_cookies(header, ours=OURS)

    assert "cookie_duplicate" == caught.value.code


@pytest.mark.parametrize(
    "name",
    ["__host-ra_access", "__HOST-RA_ACCESS", "ra_access", "__Host-ra_access2", "\xa0a"],
)
def test_a_name_beside_ours_is_not_ours(name: str) -> None:
    """C3: case variants and look-alikes neither replace our cookie nor double it."""
    found = read_cookies(f"{name}=evil; __Host-ra_access=good", ours=OURS)

    assert "good" == found["__Host-ra_access"]


def test_a_huge_header_is_refused_unread() -> None:
    """16 kB is more than browsers send to an honest site."""
    assert {"a": "x" * 16_382} == read_cookies("a=" + "x" * 16_382)
    with pytest.raises(Refused) as caught:
        read_cookies("a=" + "x" * 16_383)

    assert "headers_too_large" == caught.value.code
    assert 431 == caught.value.status


@given(st.text(st.characters(max_codepoint=255)) | st.text('ab=; \t,"\\'))
def test_any_header_is_read_or_refused(header: str) -> None:
    """No input is a 500, and what is found stands in the header as it is."""
    try:
        found = read_cookies(header, ours=["a", "b"])
    except Refused as error:
        assert error.code == "cookie_duplicate"  # noqa: PT017 - one of two good ends
        return

    assert all(f"{name}={value}" in header for name, value in found.items())


@given(
    st.dictionaries(TOKEN, st.text(OCTETS.replace(";", ""), max_size=20), max_size=5),
    st.lists(st.sampled_from(["", " ", "junk", "=", "{=}", '"', "\x00=1"]), max_size=5),
    st.randoms(),
)
def test_ours_are_found_between_any_junk(
    cookies: dict[str, str], junk: list[str], order: Any
) -> None:
    """A sibling site can add cookies to the header, and cannot hide ours by them."""
    pairs = [f"{name}={value}" for name, value in cookies.items()] + junk
    order.shuffle(pairs)

    assert cookies == read_cookies("; ".join(pairs), ours=list(cookies))
