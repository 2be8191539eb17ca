"""Which secrets master refresh tokens: strong ones, each for nothing else."""

from types import MappingProxyType
from typing import Any

import pytest

from resilient_auth import ConfigError, Key, KeyRing
from resilient_auth.core.entries import ANNOUNCED, SIGNING, VERIFY_ONLY, Entry

ED = Key.generate("EdDSA", kid="ed")
SECRET = b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*"
OTHER = b"Zx0-Ui4+Ge7=Hs2~Jf5|Va8:Ob1;Yk3,"
HMAC = Key.from_secret(SECRET, kid="hs")


def secrets(*states: str) -> KeyRing:
    """Return a ring of HMAC keys in *states*, called by their place."""
    return KeyRing(
        Entry(Key.generate("HS256", kid=f"s{n}"), state)
        for n, state in enumerate(states)
    )


@pytest.mark.parametrize(
    ("states", "kids"),
    [
        ([SIGNING], ("s0",)),
        ([VERIFY_ONLY, SIGNING, ANNOUNCED], ("s0", "s2", "s1")),
        ([SIGNING, VERIFY_ONLY, ANNOUNCED], ("s1", "s2", "s0")),
    ],
    ids="-".join,
)
def test_the_one_that_signs_is_the_newest(
    states: list[str], kids: tuple[str, ...]
) -> None:
    """An announced one is known to few: what it seals others could not read."""
    assert kids == secrets(*states).masters("p").kids


def test_given_masters_are_taken_in_their_order() -> None:
    """Any mapping will do, and a later change of it changes no ring."""
    given = {"m": OTHER, "n": OTHER[::-1]}
    ring = KeyRing([ED], MappingProxyType(given))
    given.clear()

    assert ("m", "n") == ring.masters("p").kids


@pytest.mark.parametrize("nothing", [None, {}])
def test_without_given_ones_the_ring_has_its_own(nothing: Any) -> None:
    """An HMAC key masters too, unless there are secrets for it."""
    assert ("hs",) == KeyRing([HMAC], nothing).masters("p").kids


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        pytest.param(["m"], "refresh_secrets maps a kid to bytes.", id="list"),
        pytest.param(OTHER, "refresh_secrets maps a kid to bytes.", id="bytes"),
        pytest.param(
            {"m.n": OTHER},
            "A secret's kid is 1 to 64 characters of A-Z a-z 0-9 _ and -.",
            id="kid",
        ),
        pytest.param(
            {"m": OTHER.decode()}, "refresh_secrets['m'] is not bytes.", id="text"
        ),
        pytest.param(
            {"m": OTHER[:-1]},
            "The secret is shorter than 32 bytes (RFC 7518 §3.2). Make one with: "
            "python -c 'import secrets; print(secrets.token_hex(32))'",
            id="short",
        ),
        pytest.param(
            {"m": OTHER, "n": SECRET},
            "refresh_secrets['n'] is also a signing secret; use one for each.",
            id="two-uses",
        ),
        pytest.param(
            {"m": OTHER, "n": OTHER},
            "Two refresh_secrets are the same; give each its own.",
            id="twice",
        ),
    ],
)
def test_unfit_masters_are_refused(given: Any, fault: str) -> None:
    """One weak or shared secret opens every session; none is quoted."""
    with pytest.raises(ConfigError) as caught:
        KeyRing([HMAC], given)

    assert fault == str(caught.value)
