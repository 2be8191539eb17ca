"""The secrets of a purpose sign, say their ids, and do not come out."""

import copy
import hmac
import pickle
from base64 import urlsafe_b64decode
from collections.abc import Callable

import pytest
from itsdangerous import BadSignature

from resilient_auth.core.macs import Masters

OLD = b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*"
NEW = b"Zx0-Ui4+Ge7=Hs2~Jf5|Va8:Ob1;Yk3,"
MASTERS = Masters({"old": OLD, "new": NEW})


def test_a_code_is_hmac_sha256_under_one_id() -> None:
    """By the standard library's own reckoning; an unknown id is an error."""
    assert hmac.digest(OLD, b"said", "sha256") == MASTERS.mac("old", b"said")
    assert hmac.digest(NEW, b"said", "sha256") == MASTERS.mac("new", b"said")
    with pytest.raises(KeyError):
        MASTERS.mac("other", b"said")


def test_the_newest_signs_and_each_opens() -> None:
    """So a rotation breaks no link that was sent before it."""
    before = Masters({"old": OLD}).signer(b"a").sign(b"said")
    now = MASTERS.signer(b"a").sign(b"said")

    assert Masters({"new": NEW}).signer(b"a").sign(b"said") == now
    assert b"said" == MASTERS.signer(b"a").unsign(before)
    with pytest.raises(BadSignature):
        Masters({"old": OLD}).signer(b"a").unsign(now)


def test_a_salt_is_a_purpose_of_its_own() -> None:
    """What was signed for one is no signature for another."""
    with pytest.raises(BadSignature):
        MASTERS.signer(b"b").unsign(MASTERS.signer(b"a").sign(b"said"))


def test_a_signature_is_hmac_sha256_under_a_derived_key() -> None:
    """Links outlive a release, so the bytes must not change with a default."""
    key = hmac.digest(NEW, b"a", "sha256")
    said, _, signature = MASTERS.signer(b"a").sign(b"said").rpartition(b".")

    assert b"said" == said
    assert MASTERS.signer(b"a").get_signature(b"said") == signature
    assert hmac.digest(key, b"said", "sha256") == urlsafe_b64decode(signature + b"=")


def test_ids_are_all_that_is_seen() -> None:
    """Newest last; a later change of what was given changes nothing."""
    given = {"old": OLD, "new": NEW}
    masters = Masters(given)
    given.clear()

    assert ("old", "new") == masters.kids
    assert "Masters(['old', 'new'])" == repr(masters)
    assert ("old" in masters, "other" in masters) == (True, False)


@pytest.mark.parametrize("out", [pickle.dumps, copy.copy, copy.deepcopy])
def test_masters_are_not_stored(out: Callable[[object], object]) -> None:
    """A cache or a queue would keep the secrets."""
    with pytest.raises(TypeError) as caught:
        out(MASTERS)

    assert "Masters are not pickled or copied; ask the ring again." == (
        str(caught.value)
    )
