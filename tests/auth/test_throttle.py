"""Guessing is slowed, and nobody can lock out another."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import ConfigError, LoginThrottle, Pace, Refused, Unavailable
from resilient_auth.testing import FrozenClock

HOME, OFFICE = "203.0.113.7", "198.51.100.0"


def refuse() -> None:
    """Say that a password was wrong."""
    raise Refused("credentials_invalid")


class Door:
    """A login that knows one password, behind a throttle."""

    def __init__(self, **said: int) -> None:
        self.clock = FrozenClock(0)
        self.throttle = LoginThrottle(clock=self.clock, **said)  # type: ignore[arg-type]

    def answer(
        self, account: str = "ann", address: str | None = HOME, *, right: bool = False
    ) -> int:
        """Try once; return the seconds to wait, or 0 if the password was looked at."""
        try:
            with self.throttle.attempt(account, address):
                if not right:
                    refuse()
        except Refused as error:
            return int(error.retry_after or 0)
        return 0

    def answers(self, count: int, **said: str) -> list[int]:
        """Try several times with wrong passwords."""
        return [self.answer(**said) for _ in range(count)]


def test_each_failure_after_the_free_ones_makes_the_next_wait() -> None:
    """Five mistakes are human."""
    door = Door()
    assert [0, 0, 0, 0, 0, 1] == door.answers(6)

    door.clock.advance(1)
    assert [0, 2] == door.answers(2)


def test_a_refused_try_does_not_make_the_pause_longer() -> None:
    """Whoever presses the button again and again waits no longer for it."""
    door = Door()
    door.answers(200)
    door.clock.advance(1)

    assert 0 == door.answer(right=True)


def test_success_ends_the_pauses_of_the_account_at_the_address() -> None:
    """Who proved to know the password is no guesser."""
    door = Door()
    door.answers(5)
    door.clock.advance(1)
    door.answer(right=True)

    assert [0, 0, 0, 0, 0, 1] == door.answers(6)


def test_success_at_their_own_account_gives_an_attacker_nothing() -> None:
    """Between two guesses they could log in as themselves."""
    door = Door()
    for _ in range(5):
        assert 0 == door.answer()
        assert 0 == door.answer("mallory", right=True)

    assert 1 == door.answer()


def test_an_address_that_tries_many_accounts_waits() -> None:
    """One password for every account never fails twice at the same one."""
    door = Door()
    tried = [door.answer(f"user{each}") for each in range(51)]

    assert [0] * 50 + [1] == tried


def test_an_account_under_attack_gives_each_address_one_free_try() -> None:
    """A thousand machines have a thousand guesses, not five thousand."""
    door = Door()
    for each in range(20):
        door.answer(address=f"10.0.0.{each}")

    assert [0, 1] == door.answers(2, address=OFFICE)


@given(
    tries=st.lists(
        st.tuples(
            st.sampled_from(["ann", "Ann ", "bob"]),
            st.sampled_from([OFFICE, "unknown", "2001:db8::/64"]),
            st.booleans(),
            st.integers(0, 100),
        ),
        max_size=200,
    )
)
def test_no_stranger_makes_anybody_wait(
    tries: list[tuple[str, str, bool, int]],
) -> None:
    """Whatever they do from elsewhere, the right password comes through at once."""
    door = Door()
    for account, address, right, seconds in tries:
        door.answer(account, address, right=right)
        door.clock.advance(seconds)

    assert 0 == door.answer(right=True)


def test_many_tries_at_once_are_as_many() -> None:
    """They would all have been looked at before the first had failed."""
    door, barrier, looked_at = Door(), threading.Barrier(40), []

    def guess(number: int) -> None:
        barrier.wait()
        with suppress(Refused), door.throttle.attempt("ann", HOME):
            looked_at.append(number)
            refuse()

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(guess, range(40)))

    assert 5 == len(looked_at)


@pytest.mark.parametrize("error", [Unavailable("store_unavailable"), KeyError("bug")])
def test_an_outage_is_nobodys_guess(error: Exception) -> None:
    """Else a database that was down would have everybody wait when it is back."""
    door = Door()
    for _ in range(100):
        with pytest.raises(type(error)), door.throttle.attempt("ann", HOME):
            raise error

    assert [0, 0, 0, 0, 0, 1] == door.answers(6)


async def test_who_hangs_up_has_guessed() -> None:
    """Else a guess would be free for those who do not wait for a slow refusal."""
    door = Door()
    for _ in range(5):
        with pytest.raises(asyncio.CancelledError), door.throttle.attempt("ann", HOME):
            raise asyncio.CancelledError

    assert 1 == door.answer()


def test_spellings_of_an_account_are_one() -> None:
    """Databases that fold case would let each spelling be guessed at."""
    door = Door()
    spelled = ["ann", "ANN", " ann", "\uff41nn", "Ann"]

    assert [0] * 5 == [door.answer(each) for each in spelled]
    assert 1 == door.answer()


def test_unknown_clients_share_no_address() -> None:
    """All the world's logins would wait for each other; the account alone is paced."""
    door = Door()
    assert [0] * 60 == [door.answer(f"user{n}", None) for n in range(60)]
    assert [0, 0, 0, 0, 0, 1] == [door.answer("ann", None) for _ in range(6)]


def test_what_is_remembered_is_bounded() -> None:
    """The quietest are forgotten, not the busiest."""
    door = Door(capacity=10)
    for each in range(1_000):
        door.answer("ann")
        door.answer(f"user{each}", f"10.0.{each // 256}.{each % 256}")

    counters = vars(door.throttle)
    assert 10 == len(counters["_pairs"]) == len(counters["_addresses"])
    assert 0 < door.answer("ann")


def test_no_account_can_be_read_in_memory() -> None:
    """A dump of this process names nobody who mistyped."""
    door = Door()
    door.answers(3, account="ann@example.com")

    assert "ann@example.com" not in repr(vars(vars(door.throttle)["_pairs"]))


@pytest.mark.parametrize(
    "said",
    [{"by_account": 5}, {"by_address": None}, {"under_attack": 0}, {"capacity": 0}],
    ids=str,
)
def test_what_makes_no_sense_is_refused(said: dict[str, int]) -> None:
    """It would be noticed under attack only."""
    with pytest.raises(ConfigError):
        LoginThrottle(**said)  # type: ignore[arg-type]


def test_a_pace_of_ones_own_is_kept() -> None:
    """An intranet may be stricter."""
    clock = FrozenClock(0)
    throttle = LoginThrottle(by_account=Pace(free=1, first=30), clock=clock)
    with pytest.raises(Refused), throttle.attempt("ann", HOME):
        refuse()
    with pytest.raises(Refused) as caught, throttle.attempt("ann", HOME):
        pass

    assert ("rate_limited", 30) == (caught.value.code, caught.value.retry_after)
