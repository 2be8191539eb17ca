"""What a token may say: issuing refuses what judging would, and judging is exact."""

import datetime as dt
import enum
import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import Claims, ConfigError, Refused, TokenPolicy
from resilient_auth.core.claims import (
    RESERVED,
    checked_extra,
    compose,
    judge_dates,
    read_claims,
)
from resilient_auth.core.text import write_object

NOW = 1_800_000_000
POLICY = TokenPolicy(issuer="https://api.example.com", audience="api")
SAID: dict[str, Any] = {
    "iss": "https://api.example.com",
    "sub": "ann",
    "aud": "api",
    "iat": NOW,
    "exp": NOW + 600,
    "jti": "t1",
}


def why(payload: dict[str, Any] | bytes) -> str:
    """Return why *payload* is refused, or nothing."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    try:
        read_claims(raw, policy=POLICY)
    except Refused as error:
        return error.reason if error.code == "token_invalid" else error.code
    return ""


# ------------------------------------------------------------------ the policy


NAMES = (
    "TokenPolicy needs issuer and audience: 1 to 256 plain characters, "
    'such as issuer="https://api.example.com".'
)
LIFE = "access_ttl must be positive and at most max_ttl."
LEEWAY = "leeway is 0 to 300 seconds; beyond that, fix the clock."
LONGEST = "max_token_bytes is 512 to 65,536."
LONGEST_ISSUED = "max_issued_bytes is 256 to 65,536."


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"issuer": ""}, NAMES),
        ({"issuer": None}, NAMES),
        ({"issuer": ["https://api.example.com"]}, NAMES),
        ({"issuer": "https://api.example.com\n"}, NAMES),
        ({"audience": ""}, NAMES),
        ({"audience": ["api"]}, NAMES),
        ({"audience": "a" * 257}, NAMES),
        ({"access_ttl": 0}, LIFE),
        ({"access_ttl": -1}, LIFE),
        ({"access_ttl": 86_401}, LIFE),
        ({"max_ttl": 599}, LIFE),
        ({"leeway": -1}, LEEWAY),
        ({"leeway": 301}, LEEWAY),
        ({"max_token_bytes": 511}, LONGEST),
        ({"max_token_bytes": 65_537}, LONGEST),
        ({"max_issued_bytes": 255}, LONGEST_ISSUED),
        ({"max_issued_bytes": 65_537}, LONGEST_ISSUED),
        ({"access_ttl": 600.0}, "access_ttl is a whole number."),
        ({"access_ttl": True}, "access_ttl is a whole number."),
        ({"access_ttl": "600"}, "access_ttl is a whole number."),
        ({"access_ttl": dt.timedelta(minutes=10)}, "access_ttl is a whole number."),
        ({"max_ttl": float("inf")}, "max_ttl is a whole number."),
        ({"leeway": float("nan")}, "leeway is a whole number."),
        ({"leeway": None}, "leeway is a whole number."),
        ({"max_token_bytes": 1e4}, "max_token_bytes is a whole number."),
        ({"max_issued_bytes": 1e3}, "max_issued_bytes is a whole number."),
    ],
    ids=repr,
)
def test_a_policy_cannot_be_built_wrong(fields: dict[str, Any], expected: str) -> None:
    """A float lifetime alone would make every token one that nobody accepts."""
    with pytest.raises(ConfigError) as caught:
        TokenPolicy(**({"issuer": "i", "audience": "a"} | fields))

    assert expected == str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"access_ttl": 1, "max_ttl": 1},
        {"leeway": 0},
        {"leeway": 300},
        {"max_token_bytes": 512},
        {"max_token_bytes": 65_536},
        {"max_issued_bytes": 256},
        {"max_issued_bytes": 65_536},
    ],
    ids=repr,
)
def test_the_bounds_of_a_policy_are_in(fields: dict[str, Any]) -> None:
    """What the docstring calls the limit is allowed."""
    TokenPolicy(issuer="i" * 256, audience="a", **fields)


# ------------------------------------------------------------------ issuing


class Colour(enum.Enum):
    """Something that JSON has no form for."""

    RED = 1


NAME = "A claim's name is 1 to 256 plain characters."
INSIDE = "Names inside a claim are text; JSON has no others."
MAPPING = "Claims are a mapping from their names to their values."
UNWRITABLE = "A claim cannot be written as JSON: "


@pytest.mark.parametrize(
    ("claims", "error", "expected"),
    [
        *(
            pytest.param(
                {name: 1},
                ValueError,
                f"The claim '{name}' is reserved; rename yours.",
                id=name,
            )
            for name in sorted(RESERVED)
        ),
        pytest.param({"": 1}, ValueError, NAME, id="no-name"),
        pytest.param({"a\x00": 1}, ValueError, NAME, id="nul-in-name"),
        pytest.param({"a" * 257: 1}, ValueError, NAME, id="long-name"),
        pytest.param({"\ud800": 1}, ValueError, NAME, id="surrogate-in-name"),
        pytest.param({1: 1}, ValueError, NAME, id="number-as-name"),
        pytest.param({"a": {1: "x"}}, ValueError, INSIDE, id="number-as-name-inside"),
        pytest.param({"a": [{None: "x"}]}, ValueError, INSIDE, id="none-inside"),
        pytest.param({"a": ({True: "x"},)}, ValueError, INSIDE, id="bool-inside"),
        pytest.param(
            {"a": {1: "x", "1": "y"}},
            ValueError,
            UNWRITABLE + "duplicate member",
            id="names-that-collide",
        ),
        pytest.param({"a": {("b",): 1}}, TypeError, UNWRITABLE, id="tuple-as-name"),
        pytest.param({"a": float("nan")}, ValueError, UNWRITABLE, id="nan"),
        pytest.param({"a": [float("-inf")]}, ValueError, UNWRITABLE, id="infinity"),
        pytest.param({"a": "\udc00"}, ValueError, UNWRITABLE, id="surrogate"),
        pytest.param(
            {"a": dt.datetime(2026, 1, 1)},  # noqa: DTZ001 - the mistake itself
            TypeError,
            UNWRITABLE + "datetime has no JSON form.",
            id="naive-datetime",
        ),
        pytest.param(
            {"a": {1, 2}}, TypeError, UNWRITABLE + "set has no JSON form.", id="set"
        ),
        pytest.param({"a": b"x"}, TypeError, UNWRITABLE, id="bytes"),
        pytest.param({"a": Colour.RED}, TypeError, UNWRITABLE, id="enum"),
        pytest.param({"a": object()}, TypeError, UNWRITABLE, id="object"),
        pytest.param("abc", TypeError, MAPPING, id="text"),
        pytest.param(["abc"], TypeError, MAPPING, id="list"),
        pytest.param(7, TypeError, MAPPING, id="number"),
    ],
)
def test_claims_that_no_token_can_carry_are_refused(
    claims: Any, error: type[Exception], expected: str
) -> None:
    """AuthX lets extra claims overwrite sub and exp; JSON turns 1 into "1"."""
    with pytest.raises(error) as caught:
        checked_extra(claims)

    # What follows "as JSON: " is partly json's own text, and is compared where ours.
    assert str(caught.value).startswith(expected)
    assert expected in {UNWRITABLE, str(caught.value)}


@pytest.mark.parametrize("depth", [64, 600, 50_000])
def test_claims_too_deep_are_a_value_error(depth: int) -> None:
    """No RecursionError, however deep the caller already stands."""
    deep: Any = 1
    for _ in range(depth):
        deep = [deep]

    with pytest.raises(ValueError, match="deeply"):
        checked_extra({"deep": deep})


@pytest.mark.parametrize("nothing", [None, {}, MappingProxyType({})], ids=repr)
def test_no_claims_are_no_claims(nothing: Any) -> None:
    """Nothing given, nothing said, and still nothing to change."""
    extra = checked_extra(nothing)

    assert {} == extra
    assert isinstance(extra, MappingProxyType)


def test_claims_are_copied_and_frozen() -> None:
    """The caller keeps their own, and a later change of it changes no token."""
    given_ = {"roles": ["a"], "team": {"id": 1}}
    extra = checked_extra(given_)
    given_["roles"].append("admin")  # type: ignore[attr-defined] - a list by now

    assert {"roles": ("a",), "team": {"id": 1}} == extra
    assert {"roles": ["a", "admin"], "team": {"id": 1}} == given_
    assert extra == checked_extra(extra)


SUBJECT = "subject is 1 to 256 plain characters (RFC 7519 §4.1.2)."
UNTIL = "A token's life is positive and at most max_ttl."
WHOLE = "A token's life is a whole number of seconds."


@pytest.mark.parametrize(
    ("changes", "error", "expected"),
    [
        ({"subject": ""}, ValueError, SUBJECT),
        ({"subject": None}, ValueError, SUBJECT),
        ({"subject": 7}, ValueError, SUBJECT),
        ({"subject": b"ann"}, ValueError, SUBJECT),
        ({"subject": "ann\n"}, ValueError, SUBJECT),
        ({"subject": "a" * 257}, ValueError, SUBJECT),
        ({"expires_at": NOW}, ValueError, UNTIL),
        ({"expires_at": NOW - 1}, ValueError, UNTIL),
        ({"expires_at": NOW + 86_401}, ValueError, UNTIL),
        ({"expires_at": NOW + 60.0}, TypeError, WHOLE),
        ({"expires_at": float("nan")}, TypeError, WHOLE),
        ({"expires_at": dt.datetime(2026, 1, 1)}, TypeError, WHOLE),  # noqa: DTZ001 - the mistake itself
        ({"expires_at": None}, TypeError, WHOLE),
    ],
    ids=repr,
)
def test_composing_refuses_what_judging_would(
    changes: dict[str, Any], error: type[Exception], expected: str
) -> None:
    """A bad lifetime shows where it was written, not as a 401 somewhere else."""
    arguments = {"subject": "ann", "expires_at": NOW + 600} | changes
    subject, expires_at = arguments["subject"], arguments["expires_at"]

    with pytest.raises(error) as caught:
        compose(
            subject, {}, policy=POLICY, now=NOW, expires_at=expires_at, token_id="t"
        )

    assert expected == str(caught.value)


def test_a_life_may_be_a_second_or_all_of_max_ttl() -> None:
    """Both ends of the range are in, and the claims are the arguments."""
    for life in (1, POLICY.max_ttl):
        said = compose(
            "ann", {}, policy=POLICY, now=NOW, expires_at=NOW + life, token_id="t1"
        )

        assert SAID | {"exp": NOW + life} == said


PLAIN = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-9, 9) | PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN, inner),
    max_leaves=6,
)
EXTRA = st.dictionaries(PLAIN.filter(lambda name: name not in RESERVED), VALUES)


@given(PLAIN, EXTRA, st.integers(0, 2**50), st.integers(1, 86_400))
def test_what_is_composed_is_read(
    subject: str, extra: dict[str, Any], now: int, ttl: int
) -> None:
    """Whatever issuing lets through, judging accepts, and says the same."""
    said = compose(
        subject,
        checked_extra(extra),
        policy=POLICY,
        now=now,
        expires_at=now + ttl,
        token_id="t",
    )
    claims = read_claims(write_object(said), policy=POLICY)
    judge_dates(claims, leeway=0, now=now)

    assert (subject, now, now + ttl) == (
        claims.subject,
        claims.issued_at,
        claims.expires_at,
    )
    assert checked_extra(extra) == claims.extra


@given(EXTRA)
def test_no_extra_claim_reaches_a_reserved_name(extra: dict[str, Any]) -> None:
    """Even claims that were never checked cannot overwrite what the library says."""
    said = compose(
        "ann",
        extra | {"sub": "root", "exp": 2**52, "iss": "evil"},
        policy=POLICY,
        now=NOW,
        expires_at=NOW + 1,
        token_id="t",
    )

    assert ("ann", NOW + 1, POLICY.issuer) == (said["sub"], said["exp"], said["iss"])


# ------------------------------------------------------------------ reading


def test_a_whole_payload_is_read() -> None:
    """Every claim comes to its field, and only the application's own are extra."""
    said = SAID | {
        "nbf": NOW + 1,
        "sid": "s1",
        "gen": 4,
        "auth_time": NOW - 9,
        "amr": ["pwd", "otp"],
        "cnf": {"jkt": "x"},
        "client_id": "web",
        "role": ["admin", {"of": "x"}],
    }

    assert Claims(
        issuer="https://api.example.com",
        subject="ann",
        audience="api",
        issued_at=NOW,
        not_before=NOW + 1,
        expires_at=NOW + 600,
        token_id="t1",
        session_id="s1",
        generation=4,
        auth_time=NOW - 9,
        amr=("pwd", "otp"),
        extra={"role": ("admin", {"of": "x"})},
    ) == read_claims(json.dumps(said).encode(), policy=POLICY)


def test_what_may_be_missing_has_its_plain_default() -> None:
    """An issuer that stands alone knows no session."""
    claims = read_claims(json.dumps(SAID).encode(), policy=POLICY)

    assert ("", 0, 0, 0, (), {}) == (
        claims.session_id,
        claims.generation,
        claims.not_before,
        claims.auth_time,
        claims.amr,
        claims.extra,
    )


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "jti", "exp", "iat"])
def test_required_claims_are_required(name: str) -> None:
    """PyJWT requires none unless told; an immortal token follows."""
    said = {each: value for each, value in SAID.items() if each != name}

    assert why(said).startswith(f"{name} is missing")


NO_TEXT = ["", None, 1, True, [], ["ann"], {}, {"a": 1}, "a" * 257, "a\x00", "a\u202eb"]
NO_DATE = ["1", " 9_9 ", 1.0, 1e300, -1, 2**53, True, None, [], {}, 10**4299]


@pytest.mark.parametrize("value", NO_TEXT, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("name", ["iss", "sub", "aud", "jti", "sid"])
def test_texts_are_plain_texts(name: str, value: object) -> None:
    """No list, no number, no control character where a name is due."""
    assert why(SAID | {name: value}).startswith(f"{name} is")


@pytest.mark.parametrize("value", NO_DATE, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "gen", "auth_time"])
def test_dates_are_whole_numbers(name: str, value: object) -> None:
    """PyJWT reads ``int(value)``: texts, floats and booleans pass there."""
    assert why(SAID | {name: value}).startswith(f"{name} is")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(b"", "payload: not JSON", id="empty"),
        pytest.param(b"[]", "payload: not a JSON object", id="array"),
        pytest.param(b"1", "payload: not a JSON object", id="scalar"),
        pytest.param(b'{"a":NaN}', "payload: NaN or Infinity", id="nan"),
        pytest.param(b'{"a":1e400}', "payload: number too large", id="1e400"),
        pytest.param(b'{"sub":"u","sub":"v"}', "payload: duplicate member", id="twice"),
        pytest.param(
            SAID | {"iss": "https://api.example.com.evil.example"},
            "iss is another issuer",
            id="prefix",
        ),
        pytest.param(
            SAID | {"iss": "api.example.com"}, "iss is another issuer", id="substring"
        ),
        pytest.param(SAID | {"aud": "api2"}, "aud is another audience", id="audience"),
        pytest.param(
            SAID | {"exp": NOW}, "exp - iat is not within max_ttl", id="no-life"
        ),
        pytest.param(
            SAID | {"exp": NOW - 1}, "exp - iat is not within max_ttl", id="backwards"
        ),
        pytest.param(
            SAID | {"exp": NOW + 86_401}, "exp - iat is not within max_ttl", id="long"
        ),
        pytest.param(
            SAID | {"amr": "pwd"}, "amr is not a list of plain texts", id="amr-text"
        ),
        pytest.param(
            SAID | {"amr": [1]}, "amr is not a list of plain texts", id="amr-number"
        ),
        pytest.param(
            SAID | {"amr": None}, "amr is not a list of plain texts", id="amr-null"
        ),
        pytest.param(SAID | {"exp": NOW + 86_400}, "", id="max-ttl-is-in"),
    ],
)
def test_other_payloads_are_refused(
    payload: dict[str, Any] | bytes, expected: str
) -> None:
    """One issuer, one audience, a bounded life, and one reading of the text."""
    assert expected == why(payload)


@given(
    st.binary() | EXTRA.map(lambda said: json.dumps(SAID | said).encode()), st.data()
)
def test_any_payload_is_read_or_refused(payload: bytes, data: st.DataObject) -> None:
    """The payload may be signed by a partner: still nothing but `Refused`."""
    damaged = bytearray(payload or b"{")
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(
        st.integers(0, 255)
    )

    for each in (payload, bytes(damaged)):
        assert isinstance(why(each), str)


@given(st.sampled_from(sorted(RESERVED - {"cnf", "client_id"})), VALUES)
def test_any_value_of_any_claim_is_read_or_refused(name: str, value: Any) -> None:
    """What is accepted under a reserved name has the type of its field."""
    if why(SAID | {name: value}) == "":
        assert isinstance(value, {"amr": list}.get(name, str | int))
        assert not isinstance(value, bool)


# ------------------------------------------------------------------ dates


@pytest.mark.parametrize(
    ("at", "nbf", "leeway", "expected"),
    [
        pytest.param(NOW, 0, 0, "", id="iat-now"),
        pytest.param(NOW - 1, 0, 0, "token_not_yet_valid", id="iat-ahead"),
        pytest.param(NOW - 30, 0, 30, "", id="iat-ahead-by-the-leeway"),
        pytest.param(NOW - 31, 0, 30, "token_not_yet_valid", id="iat-ahead-beyond"),
        pytest.param(NOW - 30.5, 0, 30, "token_not_yet_valid", id="half-a-second"),
        pytest.param(NOW, NOW + 30, 30, "", id="nbf-by-the-leeway"),
        pytest.param(NOW, NOW + 31, 30, "token_not_yet_valid", id="nbf-beyond"),
        pytest.param(NOW + 599.9, 0, 0, "", id="just-before-exp"),
        pytest.param(NOW + 600, 0, 0, "token_expired", id="exp-is-out"),
        pytest.param(NOW + 629, 0, 30, "", id="last-second-of-the-leeway"),
        pytest.param(NOW + 630, 0, 30, "token_expired", id="leeway-is-over"),
        pytest.param(NOW + 1, NOW + 700, 0, "token_not_yet_valid", id="nbf-after-exp"),
    ],
)
def test_the_boundaries_of_time(
    at: float, nbf: int, leeway: int, expected: str
) -> None:
    """From ``iat - leeway`` on, while ``now < exp + leeway``: one documented second."""
    claims = read_claims(json.dumps(SAID | {"nbf": nbf}).encode(), policy=POLICY)
    code = ""
    try:
        judge_dates(claims, leeway=leeway, now=at)
    except Refused as error:
        code = error.code

    assert expected == code


def test_an_early_token_says_when_to_come_again() -> None:
    """The skew is the evidence, and the wait is what is left beyond the leeway."""
    claims = read_claims(json.dumps(SAID | {"nbf": NOW + 90}).encode(), policy=POLICY)
    with pytest.raises(Refused) as caught:
        judge_dates(claims, leeway=30, now=NOW)

    assert 60 == caught.value.retry_after
    assert "valid in 90 s: the clocks differ" == caught.value.reason
    assert "retry" == caught.value.action


def test_an_expired_token_says_for_how_long() -> None:
    """The log tells a page that slept from a clock that is wrong."""
    claims = read_claims(json.dumps(SAID).encode(), policy=POLICY)
    with pytest.raises(Refused) as caught:
        judge_dates(claims, leeway=30, now=NOW + 700)

    assert "expired 100 s ago" == caught.value.reason


def test_a_date_at_the_end_of_time_is_answered() -> None:
    """``nbf`` may be 2**53 - 1; the header's wait stays a day."""
    claims = read_claims(json.dumps(SAID | {"nbf": 2**53 - 1}).encode(), policy=POLICY)
    with pytest.raises(Refused) as caught:
        judge_dates(claims, leeway=0, now=NOW)

    assert "86400" == caught.value.headers()["Retry-After"]
