"""Only entries that can stand together make a ring; each mistake has its words."""

from typing import Any

import pytest

from resilient_auth import ConfigError, Key, KeyRing
from resilient_auth.core.entries import ANNOUNCED, SIGNING, VERIFY_ONLY, Entry

OLD, NEW = (Key.generate("EdDSA", kid=kid) for kid in ("old", "new"))
LAST = 99_999_999_999  # of the year 5138: a second more would be milliseconds
DATE = "since is a whole number of Unix seconds."
STATE = "An entry is a Key and one of announced, signing, verify_only."
ONE = "Exactly one key of a ring is signing."


@pytest.mark.parametrize(
    ("key", "state", "since", "fault"),
    [
        (OLD, SIGNING, None, ""),
        (OLD, ANNOUNCED, 0, ""),
        (OLD, VERIFY_ONLY, LAST, ""),
        ("old", SIGNING, None, STATE),
        (None, SIGNING, None, STATE),
        (OLD, "retired", None, STATE),
        (OLD, "", None, STATE),
        (OLD, None, None, STATE),
        (OLD, SIGNING, -1, DATE),
        (OLD, SIGNING, LAST + 1, DATE),
        (OLD, SIGNING, 1.5, DATE),
        (OLD, SIGNING, True, DATE),
        (OLD, SIGNING, "0", DATE),
    ],
)
def test_an_entry_is_a_key_with_a_state_and_a_date(
    key: Any, state: Any, since: Any, fault: str
) -> None:
    """Milliseconds are told from seconds, and no date from the first of them."""
    said = ""
    try:
        Entry(key, state, since)
    except ConfigError as error:
        said = str(error)

    assert fault == said


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        pytest.param(
            OLD, "A KeyRing takes a list of keys, [key], not one key.", id="key"
        ),
        pytest.param(7, "A KeyRing takes a list of keys.", id="number"),
        pytest.param(None, "A KeyRing takes a list of keys.", id="none"),
        pytest.param([], "A key ring needs at least one key.", id="empty"),
        pytest.param(
            ["old"], "A KeyRing takes keys alone, or entries alone.", id="kid"
        ),
        pytest.param(
            [OLD, Entry(NEW, SIGNING)],
            "A KeyRing takes keys alone, or entries alone.",
            id="both",
        ),
        pytest.param([Entry(OLD, ANNOUNCED)], ONE, id="none-signs"),
        pytest.param([Entry(OLD, SIGNING), Entry(NEW, SIGNING)], ONE, id="two-sign"),
    ],
)
def test_what_makes_no_ring_is_refused(given: Any, fault: str) -> None:
    """The developer reads what to give instead."""
    with pytest.raises(ConfigError) as caught:
        KeyRing(given)

    assert fault == str(caught.value)


def test_of_plain_keys_the_last_signs() -> None:
    """A list is the short form of entries, and nobody knows since when."""
    assert (Entry(OLD, VERIFY_ONLY), Entry(NEW, SIGNING)) == KeyRing([OLD, NEW]).entries


def test_entries_stay_as_they_are() -> None:
    """The order is the file's; the one that signs need not be the last."""
    given = (Entry(OLD, SIGNING, 1), Entry(NEW, ANNOUNCED, 2))
    ring = KeyRing(iter(given))

    assert given == ring.entries
    assert OLD is ring.signing
