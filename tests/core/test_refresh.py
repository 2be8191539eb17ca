"""A refresh token has one spelling and one maker; its verdicts obey their theorem."""

import secrets
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import Key, KeyRing, Refused, Session
from resilient_auth.core.macs import Masters
from resilient_auth.core.refresh import (
    PURPOSE,
    Ended,
    Forged,
    Kept,
    Presented,
    Replayed,
    Reused,
    Verdict,
    judge,
    may_rotate,
    read_refresh,
    write_refresh,
)

SECRET = b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*"
OTHER = b"Zx0-Ui4+Ge7=Hs2~Jf5|Va8:Ob1;Yk3,"
RING = KeyRing([Key.from_secret(SECRET, kid="k1"), Key.from_secret(OTHER, kid="k-2_")])
MASTERS = RING.masters(PURPOSE)
SID = secrets.token_urlsafe(24)
WORD = string.ascii_letters + string.digits + "-_"
NOW = 1_800_000_000
GRACE = 30

PRESENTED = st.builds(
    Presented,
    st.sampled_from(MASTERS.kids),
    st.text(WORD, min_size=22, max_size=64),
    st.integers(0, 10**15 - 1),
)


def why(token: Any, masters: Any = MASTERS) -> str:
    """Return why *token* is refused, or nothing."""
    try:
        read_refresh(token, masters)
    except Refused as error:
        return error.reason if error.code == "refresh_invalid" else error.code
    return ""


# ------------------------------------------------------------------ the token


@given(PRESENTED)
def test_what_is_written_is_read(presented: Presented) -> None:
    """Every field comes back, and writing again gives the same token to the byte."""
    token = write_refresh(presented, MASTERS)

    assert presented == read_refresh(token, MASTERS)
    assert token == write_refresh(presented, MASTERS)


def test_any_single_character_change_is_refused() -> None:
    """All of them, at each place: replaced, inserted, taken away."""
    token = write_refresh(Presented("k1", SID, 12), MASTERS)
    accepted = []
    for place in range(len(token) + 1):
        before, after = token[:place], token[place:]
        for char in WORD + "=.+/ \n\t\x00~é\ud800\u0661":
            accepted += [before + char + after] * (not why(before + char + after))
            if after and after[0] != char:
                changed = before + char + after[1:]
                accepted += [changed] * (not why(changed))
        accepted += [before + after[1:]] * (bool(after) and not why(before + after[1:]))

    assert [] == accepted


@given(PRESENTED, PRESENTED)
def test_a_mac_belongs_to_all_the_fields_before_it(
    one: Presented, other: Presented
) -> None:
    """No part of a token can be moved to another session, generation or key."""
    said, _, _ = write_refresh(one, MASTERS).rpartition(".")
    _, _, mac = write_refresh(other, MASTERS).rpartition(".")

    assert (one == other) != bool(why(f"{said}.{mac}"))


@given(PRESENTED)
def test_another_master_or_purpose_signs_nothing(presented: Presented) -> None:
    """A CSRF secret, the key itself or another service's master makes no token."""
    stranger = KeyRing([Key.generate("HS256", kid=presented.kid)])
    for masters in (
        RING.masters("csrf"),
        Masters({"k1": SECRET, "k-2_": OTHER}),
        stranger.masters(PURPOSE),
    ):
        assert "MAC does not match" == why(write_refresh(presented, masters))


def test_a_master_that_left_the_ring_is_unknown() -> None:
    """Removing a compromised master ends its tokens without any store."""
    token = write_refresh(Presented("k1", SID, 0), MASTERS)

    assert "unknown kid" == why(token, KeyRing(RING.keys[1:]).masters(PURPOSE))
    assert "unknown kid" == why(token, Masters({}))


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        pytest.param(None, "not text, or too long", id="none"),
        pytest.param(b"rt1.k.s.0.m", "not text, or too long", id="bytes"),
        pytest.param(7, "not text, or too long", id="number"),
        pytest.param("r" * 200, "not of our form", id="200"),
        pytest.param("r" * 201, "not text, or too long", id="201"),
        pytest.param("r" * 1_000_000, "not text, or too long", id="a-million"),
        pytest.param("", "not of our form", id="empty"),
        pytest.param("....", "not of our form", id="dots"),
        pytest.param("a.b.c", "not of our form", id="access-token"),
        pytest.param(f"rt2.k1.{SID}.0.{'A' * 43}", "not of our form", id="version"),
        pytest.param(f"RT1.k1.{SID}.0.{'A' * 43}", "not of our form", id="case"),
        pytest.param(f"rt1.k1.{SID}.00.{'A' * 43}", "not of our form", id="zeros"),
        pytest.param(f"rt1.k1.{SID}.01.{'A' * 43}", "not of our form", id="octal"),
        pytest.param(f"rt1.k1.{SID}.-1.{'A' * 43}", "not of our form", id="negative"),
        pytest.param(f"rt1.k1.{SID}.+1.{'A' * 43}", "not of our form", id="plus"),
        pytest.param(f"rt1.k1.{SID}.1_0.{'A' * 43}", "not of our form", id="score"),
        pytest.param(f"rt1.k1.{SID}. 1.{'A' * 43}", "not of our form", id="space"),
        pytest.param(f"rt1.k1.{SID}.\u0661.{'A' * 43}", "not of our form", id="arabic"),
        pytest.param(f"rt1.k1.{SID}.{10**15}.{'A' * 43}", "not of our form", id="huge"),
        pytest.param(f"rt1..{SID}.0.{'A' * 43}", "not of our form", id="no-kid"),
        pytest.param(f"rt1.k1.{SID[:21]}.0.{'A' * 43}", "not of our form", id="short"),
        pytest.param(f"rt1.k1.{SID}.0.{'A' * 42}=", "not of our form", id="padded"),
        pytest.param(f"rt1.k1.{SID}.0.{'A' * 43}\n", "not of our form", id="newline"),
        pytest.param(f"rt1.k9.{SID}.0.{'A' * 43}", "unknown kid", id="kid"),
        pytest.param(f"rt1.k1.{SID}.0.{'A' * 43}", "MAC does not match", id="guess"),
    ],
)
def test_other_texts_are_refused(token: Any, expected: str) -> None:
    """Form first, then the key, then the MAC; all of it before any store access."""
    assert expected == why(token)


@given(st.text() | st.text(WORD + ".", max_size=220) | st.from_regex(r"rt1(\..*){4}"))
def test_any_text_is_refused_and_raises_nothing_else(text: str) -> None:
    """A forged token costs no query and no 500."""
    assert why(text)


def test_the_longest_possible_token_is_read() -> None:
    """The bound on length leaves room for every legal field at its largest."""
    kid = "k" * 64
    masters = KeyRing([Key.from_secret(SECRET, kid=kid)]).masters(PURPOSE)
    presented = Presented(kid, "s" * 64, 10**15 - 1)

    assert presented == read_refresh(write_refresh(presented, masters), masters)


# ------------------------------------------------------------------ the verdicts


def a_session(**changes: Any) -> Session:
    """Return a session of generation 5, rotated ten seconds ago, with *changes*."""
    fields: dict[str, Any] = {
        "id": SID,
        "subject": "ann",
        "claims": {},
        "device": "",
        "amr": ("pwd",),
        "remember": True,
        "generation": 5,
        "kid": "k1",
        "auth_time": NOW - 1000,
        "rotated_at": NOW - 10,
        "idle_expires_at": NOW + 1000,
        "expires_at": NOW + 5000,
    }
    return Session(**(fields | changes))


@pytest.mark.parametrize(
    ("row", "presented", "expected"),
    [
        pytest.param(None, 5, Ended("session_revoked"), id="absent"),
        pytest.param({"revoked_at": 0}, 5, Ended("session_revoked"), id="revoked-at-0"),
        pytest.param({"revoked_at": NOW}, 5, Ended("session_revoked"), id="revoked"),
        pytest.param({"expires_at": NOW}, 5, Ended("session_expired"), id="absolute"),
        pytest.param({"idle_expires_at": NOW}, 5, Ended("session_idle"), id="idle"),
        pytest.param(
            {"revoked_at": NOW}, 1, Ended("session_revoked"), id="ended-first"
        ),
        pytest.param({"expires_at": NOW}, 9, Ended("session_expired"), id="not-forged"),
        pytest.param(
            {"expires_at": NOW, "idle_expires_at": NOW},
            5,
            Ended("session_expired"),
            id="both-ends",
        ),
        pytest.param({"expires_at": NOW + 1}, 5, Kept(), id="last-second"),
        pytest.param({}, 6, Forged(), id="never-issued"),
        pytest.param({}, 10**15, Forged(), id="far-future"),
        pytest.param({}, 5, Kept(), id="newest"),
        pytest.param({}, 4, Replayed(), id="lost-the-race"),
        pytest.param(
            {"rotated_at": NOW - 29}, 4, Replayed(), id="last-second-of-grace"
        ),
        pytest.param({"rotated_at": NOW - 30}, 4, Reused(), id="grace-is-over"),
        pytest.param({"rotated_at": NOW + 3600}, 4, Replayed(), id="clock-went-back"),
        pytest.param({}, 3, Reused(), id="two-behind"),
        pytest.param({}, 0, Reused(), id="the-first"),
    ],
)
def test_the_table_of_verdicts(
    row: dict[str, int] | None, presented: int, expected: Verdict
) -> None:
    """Reference §3.1, row by row, with both sides of every boundary."""
    session = None if row is None else a_session(**row)

    assert expected == judge(session, presented, now=NOW, grace=GRACE)


@pytest.mark.parametrize(
    ("row", "presented", "expected"),
    [
        pytest.param(None, 5, False, id="absent"),
        pytest.param({"rotated_at": NOW - 30}, 5, True, id="grace-is-over"),
        pytest.param({"rotated_at": NOW - 29}, 5, False, id="last-second-of-grace"),
        pytest.param({"rotated_at": 0}, 5, True, id="never-rotated"),
        pytest.param({"rotated_at": NOW + 9}, 5, False, id="clock-went-back"),
        pytest.param({"rotated_at": 0}, 4, False, id="old"),
        pytest.param({"rotated_at": 0}, 6, False, id="never-issued"),
        pytest.param({"rotated_at": 0, "revoked_at": 0}, 5, False, id="revoked"),
        pytest.param({"rotated_at": 0, "expires_at": NOW}, 5, False, id="expired"),
        pytest.param({"rotated_at": 0, "idle_expires_at": NOW}, 5, False, id="idle"),
    ],
)
def test_who_is_asked_about_before_a_rotation(
    row: dict[str, int] | None,
    presented: int,
    expected: bool,  # noqa: FBT001 - a table
) -> None:
    """The same conditions as the update's, or ``on_refresh`` is asked in vain."""
    session = None if row is None else a_session(**row)

    assert expected is may_rotate(session, presented, now=NOW, grace=GRACE)


def test_without_grace_an_old_token_is_theft_at_once() -> None:
    """``grace=0`` is strict rotation, for those who want it."""
    row = a_session(rotated_at=NOW)

    assert Reused() == judge(row, 4, now=NOW, grace=0)
    assert Kept() == judge(row, 5, now=NOW, grace=0)


# ------------------------------------------------------------------ the theorem


class History:
    """
    An independent model: when each generation was the newest, written down.

    The rotation is the one UPDATE of the theory at the head of ``core/refresh.py``.
    """

    def __init__(self) -> None:
        self.now = NOW
        self.row = a_session(generation=0, rotated_at=0, expires_at=NOW + 10**6)
        self.row = replace(self.row, idle_expires_at=self.row.expires_at)
        self.replaced_at: list[int] = []

    def present(self, generation: int) -> str:
        """Do what the shell does with a token whose MAC holds; return what it earns."""
        row = self.row
        if row.generation == generation and row.rotated_at <= self.now - GRACE:
            self.replaced_at.append(self.now)
            self.row = replace(row, generation=generation + 1, rotated_at=self.now)
            return "Rotated"
        return type(judge(row, generation, now=self.now, grace=GRACE)).__name__

    def expected(self, generation: int) -> set[str]:
        """Say from the history alone what *generation* may earn."""
        newest = len(self.replaced_at)
        if generation > newest:
            return {"Forged"}
        if generation == newest:
            return {"Rotated", "Kept"}
        if self.now - self.replaced_at[generation] < GRACE:
            return {"Replayed"}
        return {"Reused"}


@given(st.lists(st.tuples(st.integers(0, 45), st.integers(-1, 4)), max_size=40))
def test_a_token_newest_within_the_grace_is_never_theft(
    steps: list[tuple[int, int]],
) -> None:
    """Whatever tabs do, only a token that was replaced long ago is reuse."""
    history = History()
    for passed, behind in steps:
        history.now += passed
        generation = max(0, history.row.generation - behind)
        allowed = history.expected(generation)

        assert history.present(generation) in allowed


@given(st.lists(st.integers(0, 45), max_size=60))
def test_one_session_rotates_once_a_grace(waits: list[int]) -> None:
    """That is what makes two generations behind the same as too late."""
    history = History()
    for wait in waits:
        history.now += wait
        history.present(history.row.generation)
    gaps = [
        after - before
        for before, after in zip(
            history.replaced_at, history.replaced_at[1:], strict=False
        )
    ]

    assert all(gap >= GRACE for gap in gaps)


@given(
    st.none() | st.integers(NOW - 5, NOW + 5),
    st.integers(NOW - 3, NOW + 3),
    st.integers(NOW - 3, NOW + 3),
    st.integers(NOW - 33, NOW + 3),
    st.integers(0, 5),
    st.integers(0, 6),
)
def test_judging_against_a_model_of_sets(
    revoked: int | None, expires: int, idle: int, rotated: int, newest: int, shown: int
) -> None:
    """The verdicts as predicates without an order: exactly one must hold."""
    row = a_session(
        revoked_at=revoked,
        expires_at=expires,
        idle_expires_at=idle,
        rotated_at=rotated,
        generation=newest,
    )
    alive = revoked is None and NOW < expires and NOW < idle
    fresh = NOW - rotated < GRACE
    holds = {
        Ended("session_revoked"): revoked is not None,
        Ended("session_expired"): revoked is None and expires <= NOW,
        Ended("session_idle"): revoked is None and idle <= NOW < expires,
        Forged(): alive and shown > newest,
        Kept(): alive and shown == newest,
        Replayed(): alive and shown + 1 == newest and fresh,
        Reused(): alive and (shown + 1 < newest or (shown + 1 == newest and not fresh)),
    }

    assert [judge(row, shown, now=NOW, grace=GRACE)] == [
        verdict for verdict, true in holds.items() if true
    ]
