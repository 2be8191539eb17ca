"""A CSRF token belongs to one session and has one spelling."""

import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from resilient_auth import Key, KeyRing
from resilient_auth.core.keys import derive
from resilient_auth.core.signing import PURPOSE, CsrfTokens

SECRET = b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*"
OTHER = b"Zx0-Ui4+Ge7=Hs2~Jf5|Va8:Ob1;Yk3,"
MASTERS = KeyRing([Key.from_secret(SECRET, kid="a")]).masters(PURPOSE)
MASTER = derive(SECRET, PURPOSE)
TOKENS = CsrfTokens(MASTERS)
SID = "s" * 32
WORD = string.ascii_letters + string.digits + "-_"


def test_a_token_is_of_its_session_alone() -> None:
    """The value of another session, however it was come by, proves nothing."""
    token = TOKENS.issue(SID)

    assert TOKENS.matches(SID, token)
    assert not TOKENS.matches("t" * 32, token)
    assert not TOKENS.matches("", TOKENS.issue(""))


def test_a_token_is_the_same_as_long_as_the_secret_is() -> None:
    """It survives rotation, reload and restart, and needs no store."""
    assert TOKENS.issue(SID) == CsrfTokens(MASTERS).issue(SID)


def test_a_token_of_the_last_release_is_good() -> None:
    """A page that was loaded before a deployment still posts its form after it."""
    said = "2soIxiRof5SQHUFzLPSwpdHBTd_C2MoVvzH41tdPfXo"

    assert said == CsrfTokens(MASTERS).issue(SID)
    assert CsrfTokens(MASTERS).matches(SID, said)


def test_the_holder_of_secrets_does_not_travel() -> None:
    """A pickle of it would carry them."""
    with pytest.raises(TypeError) as caught:
        TOKENS.__reduce__()

    assert "CsrfTokens are not pickled or copied; build them anew." == str(caught.value)


def test_any_single_character_change_is_refused() -> None:
    """By itself itsdangerous takes four spellings of the last character."""
    token = TOKENS.issue(SID)
    accepted = []
    for place in range(len(token) + 1):
        before, after = token[:place], token[place:]
        for char in WORD + "=.+/ \n\x00é\ud800":
            changed = [before + char + after]
            if after and after[0] != char:
                changed.append(before + char + after[1:])
            accepted += [each for each in changed if TOKENS.matches(SID, each)]
        accepted += [
            each for each in [before + after[1:]] if after and TOKENS.matches(SID, each)
        ]

    assert [] == accepted


@given(st.text(st.characters()), st.text(st.characters()))
def test_any_text_is_wrong_and_no_more(session_id: str, token: str) -> None:
    """Other libraries answer a non-ASCII header with a 500."""
    assert not TOKENS.matches(SID, token)
    assert not TOKENS.matches(session_id, token)


@given(st.text(WORD, min_size=22, max_size=64), st.text(WORD, min_size=22, max_size=64))
def test_tokens_of_two_sessions_differ(one: str, other: str) -> None:
    """One MAC, one session."""
    assert (one == other) == TOKENS.matches(other, TOKENS.issue(one))


def test_a_new_secret_signs_and_an_old_one_checks() -> None:
    """A rotation of keys breaks no open page; a removal does."""
    old, new = Key.from_secret(SECRET, kid="a"), Key.from_secret(OTHER, kid="b")
    both = CsrfTokens(KeyRing([old, new]).masters(PURPOSE))
    only_new = CsrfTokens(KeyRing([new]).masters(PURPOSE))

    assert both.matches(SID, TOKENS.issue(SID))
    assert only_new.matches(SID, both.issue(SID))
    assert not only_new.matches(SID, TOKENS.issue(SID))


@pytest.mark.parametrize(
    "signer",
    [
        pytest.param(Signer(MASTER), id="defaults"),
        pytest.param(Signer(MASTER, digest_method=hashlib.sha256), id="salt"),
        pytest.param(
            Signer(MASTER, salt=b"itsdangerous.Signer", key_derivation="hmac"),
            id="starlette-session",
        ),
        pytest.param(
            Signer(
                MASTER,
                salt=b"resilient-auth csrf v1",
                key_derivation="none",
                digest_method=hashlib.sha256,
            ),
            id="underived",
        ),
    ],
)
def test_no_other_signer_of_the_same_secret_makes_one(signer: Signer) -> None:
    """The default salt is shared by every signer that names none."""
    assert not TOKENS.matches(SID, signer.get_signature(SID).decode())
