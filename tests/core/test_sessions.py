"""A session is born valid, and its ends are told in one order."""

import datetime as dt
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import ConfigError, Session, SessionPolicy
from resilient_auth.core.sessions import (
    MAX_DEVICE,
    end_of,
    is_session_id,
    new_session_id,
    open_session,
    superfluous,
)

NOW = 1_800_000_000
POLICY = SessionPolicy(idle=100, absolute=1000)


def opened(**changes: Any) -> Session:
    """Open a session of the usual kind, with *changes*."""
    asked: dict[str, Any] = {
        "subject": "ann",
        "claims": None,
        "policy": POLICY,
        "new_id": "s" * 32,
        "kid": "k1",
        "now": NOW,
        "device": "Firefox",
        "amr": ("pwd",),
        "remember": True,
    } | changes
    return open_session(asked.pop("subject"), asked.pop("claims"), **asked)


@pytest.mark.parametrize(
    "fields",
    [
        {"idle": 0},
        {"idle": -1},
        {"idle": 2_592_001},
        {"idle": 7.0 * 86_400},
        {"idle": dt.timedelta(days=7)},
        {"idle": None},
        {"absolute": 604_799},
        {"absolute": float("inf")},
        {"grace": -1},
        {"grace": 301},
        {"grace": 0.5},
        {"grace": True},
        {"max_per_subject": 0},
        {"max_per_subject": -1},
        {"max_per_subject": True},
        {"max_per_subject": 1.0},
        {"revocation_poll": 0},
        {"revocation_poll": 61},
        {"revocation_max_stale": 4},
    ],
    ids=repr,
)
def test_a_policy_cannot_be_built_wrong(fields: dict[str, Any]) -> None:
    """Both ends are always set, and a float end would make floats of every exp."""
    with pytest.raises(ConfigError):
        SessionPolicy(**fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"idle": 2_592_001}, "idle must be positive and at most absolute."),
        ({"grace": 301}, "grace is 0 to 300 seconds (RFC 9700 §4.14.2)."),
        ({"idle": 30}, "grace must be shorter than idle."),
        (
            {"max_per_subject": 0},
            "max_per_subject is a whole number from 1, or None.",
        ),
        (
            {"revocation_poll": 61},
            "revocation_poll must be positive and at most revocation_max_stale.",
        ),
        *(
            ({name: None}, name)
            for name in (
                "idle",
                "absolute",
                "grace",
                "revocation_poll",
                "revocation_max_stale",
            )
        ),
    ],
    ids=repr,
)
def test_a_wrong_policy_is_told_what_is_right(
    fields: dict[str, Any], said: str
) -> None:
    """The message, or at least the name in it, is all that the developer has."""
    with pytest.raises(ConfigError) as caught:
        SessionPolicy(**fields)

    told = str(caught.value)
    assert said == (told if said.endswith(".") else told.split(maxsplit=1)[0])


@pytest.mark.parametrize(
    "fields",
    [
        {"idle": 1, "absolute": 1, "grace": 0},
        {"idle": 1, "absolute": 2, "grace": 0},
        {"idle": 31},
        {"max_per_subject": 1},
        {"revocation_poll": 0.5},
        {"grace": 0},
        {"grace": 300},
        {"revocation_poll": 1, "revocation_max_stale": 1},
    ],
    ids=repr,
)
def test_the_bounds_of_a_policy_are_in(fields: dict[str, Any]) -> None:
    """What the docstring calls the limit is allowed."""
    SessionPolicy(**fields)


def test_a_new_session_is_at_its_beginning() -> None:
    """Generation 0, never rotated, both ends counted from the login."""
    assert Session(
        id="s" * 32,
        subject="ann",
        claims={"role": "admin"},
        device="Firefox",
        amr=("pwd", "otp"),
        remember=False,
        generation=0,
        kid="k1",
        auth_time=NOW,
        rotated_at=0,
        idle_expires_at=NOW + 100,
        expires_at=NOW + 1000,
        revoked_at=None,
        revoked_reason="",
    ) == opened(claims={"role": "admin"}, amr=("pwd", "otp"), remember=False)


def test_claims_are_the_sessions_own() -> None:
    """What the caller changes later is in no token of the session."""
    claims = {"roles": ["a"]}
    session = opened(claims=claims)
    claims["roles"].append("admin")

    assert {"roles": ("a",)} == session.claims
    assert isinstance(session.claims, MappingProxyType)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"subject": ""}, ValueError),
        ({"subject": None}, ValueError),
        ({"subject": 7}, ValueError),
        ({"subject": "a" * 257}, ValueError),
        ({"subject": "ann\n"}, ValueError),
        ({"subject": "\ud800"}, ValueError),
        ({"amr": ()}, ValueError),
        ({"amr": ("",)}, ValueError),
        ({"amr": ("pwd", 1)}, ValueError),
        ({"amr": "pwd"}, ValueError),
        ({"amr": None}, ValueError),
        ({"claims": {"sub": "root"}}, ValueError),
        ({"claims": {"at": dt.datetime(2026, 1, 1)}}, TypeError),  # noqa: DTZ001 - the mistake itself
    ],
    ids=repr,
)
def test_what_no_token_could_carry_opens_no_session(
    changes: dict[str, Any], error: type[Exception]
) -> None:
    """``amr=("pwd")`` lacks a comma: as letters it would be p, w and d."""
    with pytest.raises(error):
        opened(**changes)


@given(st.text(st.characters()))
def test_a_device_is_short_and_safe_to_show(device: str) -> None:
    """It is a User-Agent, so an attacker's text: no control, no bidi, no surrogate."""
    kept = opened(device=device).device

    assert kept.isprintable()
    assert len(kept) <= MAX_DEVICE
    assert isinstance(kept.encode(), bytes)
    assert kept == opened(device=kept).device


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("", ""),
        ("Mozilla/5.0 (X11)", "Mozilla/5.0 (X11)"),
        ("a\r\nSet-Cookie: x", "a  Set-Cookie: x"),
        ("\x1b[31mred", "[31mred"),
        ("x" * 500, "x" * 200),
        ("日本", "日本"),
    ],
    ids=repr,
)
def test_the_plain_part_of_a_device_stays(device: str, expected: str) -> None:
    """A user must recognise their own laptop in the list."""
    assert expected == opened(device=device).device


@pytest.mark.parametrize(
    ("changes", "now", "expected"),
    [
        pytest.param(None, NOW, "session_revoked", id="absent"),
        pytest.param({}, NOW, "", id="alive"),
        pytest.param({}, NOW + 99, "", id="last-second"),
        pytest.param({}, NOW + 100, "session_idle", id="idle"),
        pytest.param({}, NOW + 1000, "session_expired", id="absolute-is-told-first"),
        pytest.param({"revoked_at": NOW}, NOW, "session_revoked", id="revoked"),
        pytest.param({"revoked_at": 0}, NOW, "session_revoked", id="revoked-at-0"),
        pytest.param({"revoked_at": NOW}, NOW + 2000, "session_revoked", id="first"),
        pytest.param({}, 0, "", id="clock-went-back"),
    ],
)
def test_how_a_session_ended(
    changes: dict[str, int] | None, now: int, expected: str
) -> None:
    """The strongest reason is told: ended by somebody, by age, by rest."""
    row = None if changes is None else replace(opened(), **changes)

    assert expected == end_of(row, now=now)


def test_a_session_ends_at_its_nearer_end() -> None:
    """An access token may not outlive it."""
    session = opened()

    assert NOW + 100 == session.ends_at()
    assert NOW + 50 == replace(session, expires_at=NOW + 50).ends_at()


@pytest.mark.parametrize(
    ("living", "most", "expected"),
    [
        pytest.param("n", 1, "", id="alone"),
        pytest.param("nab", None, "", id="no-limit"),
        pytest.param("nab", 3, "", id="room"),
        pytest.param("nab", 2, "b", id="oldest"),
        pytest.param("nabc", 1, "abc", id="all-others"),
        pytest.param("anb", 2, "b", id="a-later-login-counts"),
        pytest.param("anb", 1, "b", id="a-later-login-is-not-ended"),
        pytest.param("abn", 1, "", id="nothing-behind"),
        pytest.param("ab", 1, "", id="ended-by-a-later-login"),
        pytest.param("", 1, "", id="nobody"),
    ],
)
def test_a_login_ends_what_stands_behind_it(
    living: str, most: int | None, expected: str
) -> None:
    """Two logins at once would each end the other, and both users were out."""
    policy = SessionPolicy(max_per_subject=most)
    rows = [opened(new_id=each) for each in living]
    doomed = superfluous(rows, opened(new_id="n"), policy=policy)

    assert list(expected) == [row.id for row in doomed]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("s" * 32, True),
        ("a-Z_9", True),
        ("s" * 64, True),
        ("s" * 65, False),
        ("", False),
        ("a.b", False),
        ("a\n", False),
        ("é", False),
        (None, False),
        (b"s" * 32, False),
        (7, False),
    ],
    ids=repr,
)
def test_what_can_be_the_id_of_a_session(value: Any, expected: bool) -> None:  # noqa: FBT001 - a table
    """A token has dots, and is longer; so it is never taken for one."""
    assert expected == is_session_id(value)


def test_the_ids_of_one_second_sort_by_their_time() -> None:
    """So of two logins of one second one is the older, in every store."""
    moments = [0, 0.000_001, 0.5, 0.999_999]
    ids = [new_session_id(NOW + each, "z" * 26) for each in moments]

    assert sorted(ids) == ids
    assert {"000000" + "z" * 26, "800000" + "z" * 26} <= set(ids)
    assert [is_session_id(each) for each in ids] == [True] * 4
