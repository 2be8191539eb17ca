"""How long fetched keys are good for: the table of the module's head, and its edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import Key
from resilient_auth.core.freshness import (
    Bucket,
    KeySet,
    Step,
    fetched,
    fresh_seconds,
)

GOOD = fetched({}, asked_at=1000.0, fresh=100.0, max_stale=1000.0)
FAILED = GOOD.missed("x", now=1100.0, roll=0.0)  # may be asked again at 1100.5


@pytest.mark.parametrize(
    ("have", "now", "step"),
    [
        pytest.param(KeySet(), 0.0, Step.WAIT, id="nothing"),
        pytest.param(
            KeySet().missed("x", now=0.0, roll=0.9), 0.5, Step.GIVE_UP, id="pause"
        ),
        pytest.param(
            KeySet().missed("x", now=0.0, roll=0.9), 1.0, Step.WAIT, id="pause-over"
        ),
        pytest.param(GOOD, 1000.0, Step.USE, id="fresh"),
        pytest.param(GOOD, 1099.9, Step.USE, id="still-fresh"),
        pytest.param(GOOD, 1100.0, Step.USE_AND_ASK, id="stale"),
        pytest.param(GOOD, 1399.9, Step.USE_AND_ASK, id="still-stale"),
        pytest.param(GOOD, 1400.0, Step.WAIT, id="old"),
        pytest.param(GOOD, 2099.9, Step.WAIT, id="still-old"),
        pytest.param(GOOD, 2100.0, Step.WAIT, id="too-old"),
        pytest.param(FAILED, 1100.4, Step.USE, id="failed-just-now"),
        pytest.param(FAILED, 1100.5, Step.USE_AND_ASK, id="failed"),
        pytest.param(FAILED, 2099.9, Step.USE_AND_ASK, id="failed-and-old"),
        pytest.param(FAILED, 2100.0, Step.WAIT, id="failed-and-too-old"),
        pytest.param(
            FAILED.missed("x", now=2100.0, roll=0.0),
            2100.5,
            Step.GIVE_UP,
            id="failed-again",
        ),
    ],
)
def test_the_table(have: KeySet, now: float, step: Step) -> None:
    """Known keys wait for nobody, unless they are old and nobody asked yet."""
    assert step == have.next_step(now)


def test_a_set_is_dated_from_when_it_was_asked_for() -> None:
    """The answer was true when the issuer wrote it: the way back counts as age."""
    keys = {"k": Key.generate("EdDSA", kid="k")}
    have = fetched(keys, asked_at=1000.0, fresh=100.0, max_stale=1000.0)
    again = have.missed("x", now=1100.0, roll=0.0)
    keys.clear()

    assert (1000.0, 1100.0, 2100.0) == (
        have.asked_at,
        have.fresh_until,
        have.usable_until,
    )
    assert ["k"] == list(have.keys) == list(again.keys)
    assert Step.USE == have.next_step(1000.0)
    assert (1, "x") == (again.failures, again.reason)


def test_failures_are_followed_by_growing_pauses() -> None:
    """A dead issuer is asked once a minute, not once a request."""
    have, pauses = GOOD, []
    for _ in range(30):
        have = have.missed("x", now=1100.0, roll=0.999999)
        pauses.append(have.retry_at - 1100.0)

    assert [1, 2, 4, 8, 16, 32, 60, 60] == [round(pause) for pause in pauses[:8]]
    assert 60 == round(pauses[-1])
    assert (30, "x", GOOD.keys) == (have.failures, have.reason, have.keys)


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 40))
def test_a_pause_is_spread_over_its_second_half(roll: float, failures: int) -> None:
    """A hundred workers that failed together do not come back together."""
    have = GOOD
    for _ in range(failures):
        have = have.missed("x", now=0.0, roll=0.0)
    pause = have.missed("x", now=0.0, roll=roll).retry_at
    least = have.missed("x", now=0.0, roll=0.0).retry_at

    assert least <= pause <= 2 * least
    assert 0.5 <= pause <= 60


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 300),
        ({"cache-control": "max-age=600"}, 600),
        ({"cache-control": "public, MAX-AGE = 600 , must-revalidate"}, 600),
        ({"cache-control": 'max-age="600"'}, 600),
        ({"cache-control": "max-age=600", "age": "100"}, 500),
        ({"cache-control": "max-age=600", "age": "9999"}, 30),
        ({"cache-control": "max-age=600", "age": "-100"}, 600),
        ({"cache-control": "max-age=600", "age": "\u0661"}, 600),
        ({"cache-control": "max-age=600", "age": "1" * 9}, 30),
        ({"cache-control": "max-age=600", "age": "1" * 10}, 600),
        ({"cache-control": "max-age=600", "age": "1" * 5000}, 600),
        ({"cache-control": "max-age=0"}, 30),
        ({"cache-control": "max-age=99999999"}, 3600),
        ({"cache-control": "max-age=" + "9" * 5000}, 300),
        ({"cache-control": "max-age=-1"}, 300),
        ({"cache-control": "s-maxage=600"}, 300),
        ({"cache-control": "x-max-age=600"}, 300),
        ({"cache-control": "no-cache, max-age=600"}, 30),
        ({"cache-control": "max-age=600,no-store"}, 30),
        ({"cache-control": "no-cache=set-cookie, max-age=600"}, 30),
        ({"cache-control": "\x00\xff"}, 300),
    ],
)
def test_an_answer_says_how_long_it_is_fresh(
    headers: dict[str, str], seconds: int
) -> None:
    """Within bounds: nobody can have us ask each second, or not for a year."""
    assert seconds == fresh_seconds(headers, default=300, least=30, most=3600)


@given(st.text(), st.text())
def test_no_header_breaks_it(cache_control: str, age: str) -> None:
    """It is the other side's text."""
    said = {"cache-control": cache_control, "age": age}

    assert 30 <= fresh_seconds(said, default=300, least=30, most=3600) <= 3600


def test_a_bucket_gives_few_at_once_and_one_in_ten_seconds() -> None:
    """However many ask."""
    bucket, taken = Bucket(at=0.0), []
    for now in (0.0, 0.0, 0.0, 0.0, 9.9, 10.0, 10.0, 19.9, 20.0, 1000.0):
        after = bucket.take(now)
        taken.append(after is not None)
        bucket = after or bucket

    assert [True] * 3 + [False, False, True, False, False, True, True] == taken
    assert Bucket(at=1000.0).take(1000.0) == bucket
