"""Hashing is bounded: a flood of logins gets its answer at once and no more memory."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from argon2 import PasswordHasher as Argon2

from resilient_auth import ConfigError, PasswordHasher, Unavailable


class Gate:
    """In place of argon2: counts, and waits until it may go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.entered = threading.Semaphore(0)
        self.running = 0
        self.most = 0
        self.seen: list[str] = []
        self._lock = threading.Lock()

    def hash(self, password: str) -> str:
        """Wait, then return *password* as its hash."""
        self._work(password)
        return password

    def verify(self, stored: str, password: str) -> bool:
        """Wait, then say that it matches."""
        self._work(stored)
        return True

    def _work(self, seen: str) -> None:
        with self._lock:
            self.seen.append(seen)
            self.running += 1
            self.most = max(self.most, self.running)
        self.entered.release()
        assert self.go_on.wait(60)
        with self._lock:
            self.running -= 1


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Yield a gate that is open in the end, so that no thread stays behind."""
    gate = Gate()
    yield gate
    gate.go_on.set()


class Places(threading.BoundedSemaphore):
    """Places that say when one is taken."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.taken = threading.Semaphore(0)

    def acquire(self, *args: Any, **said: Any) -> bool:
        """Take a place, and say so."""
        took = super().acquire(*args, **said)
        if took:
            self.taken.release()
        return took


def gated(gate: Gate, **bounds: int) -> PasswordHasher:
    """Return a hasher whose work stands at *gate*."""
    hasher = PasswordHasher(**bounds)
    hasher._argon2 = gate  # type: ignore[assignment]
    return hasher


@pytest.fixture(scope="module")
def hasher() -> PasswordHasher:
    """Return a hasher with the real argon2."""
    return PasswordHasher()


# ------------------------------------------------------------------ right and wrong


async def test_a_password_makes_its_hash(hasher: PasswordHasher) -> None:
    """The two colours agree; each hash has a salt of its own."""
    stored, again = hasher.hash("pässword"), await hasher.ahash("pässword")

    assert stored != again
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hasher.verify(again, "pässword")
    assert await hasher.averify(stored, "pässword")
    assert not hasher.verify(stored, "passwort")
    assert not await hasher.averify(stored, "")


def test_nothing_of_a_password_is_cut_or_changed(hasher: PasswordHasher) -> None:
    """Long ones, NUL and other forms of one letter are all told apart."""
    stored = hasher.hash("a" * 72 + "\x00é")

    for other in ("a" * 72, "a" * 72 + "\x00", "a" * 72 + "\x00e\u0301"):
        assert not hasher.verify(stored, other)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "",
        "x",
        "é",
        "pw",
        "$argon2id$",
        "$argon2id$garbage",
        "$argon2id$v=19$m=19456,t=2,p=1$abc",
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        "$argon2id$v=19$m=19456,t=2,p=1$\ud800$x",
    ],
    ids=repr,
)
@pytest.mark.parametrize("password", ["pw", "", "nobody's password", "\ud800", "x\x00"])
async def test_what_is_no_hash_matches_nothing(
    hasher: PasswordHasher, stored: str | None, password: str
) -> None:
    """An unknown user, a user without a password, a column that was cut off."""
    assert not hasher.verify(stored, password)
    assert not await hasher.averify(stored, password)


def test_a_surrogate_matches_nothing(hasher: PasswordHasher) -> None:
    """It has no bytes, so it made no hash; that is no error of ours."""
    assert not hasher.verify(hasher.hash("pw"), "\ud800")


def test_a_hash_of_other_parameters_is_verified(hasher: PasswordHasher) -> None:
    """Made by an older release: the text says how."""
    older = Argon2(time_cost=1, memory_cost=8, parallelism=1).hash("pw")

    assert hasher.verify(older, "pw")
    assert not hasher.verify(older, "wrong")


def test_an_old_hash_is_made_anew_at_the_login(hasher: PasswordHasher) -> None:
    """So that stronger parameters reach everybody who comes back."""
    old = Argon2(time_cost=1, memory_cost=8, parallelism=1).hash("pw")

    assert hasher.needs_rehash(old)
    assert hasher.needs_rehash("")
    assert hasher.needs_rehash("$2b$12$" + "x" * 53)
    assert not hasher.needs_rehash(hasher.hash("pw"))


@pytest.mark.parametrize("stored", [None, ""])
def test_an_unknown_user_takes_the_same_path(gate: Gate, stored: str | None) -> None:
    """A whole hash of the current parameters is computed, and then it is False."""
    hasher = gated(gate)
    gate.go_on.set()

    assert not hasher.verify(stored, "pw")
    assert [hasher._nobody] == gate.seen
    assert hasher._nobody.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


# ------------------------------------------------------------------ slots and queue


@pytest.mark.parametrize("bounds", [{"slots": 0}, {"slots": -1}, {"queue": -1}])
def test_bounds_that_make_no_sense(bounds: dict[str, int]) -> None:
    """Without a slot nobody could ever log in."""
    with pytest.raises(ConfigError, match="is a whole number from"):
        PasswordHasher(**bounds)


def test_only_so_many_run_and_wait(gate: Gate) -> None:
    """Two run, three wait, and the sixth is told at once."""
    hasher = gated(gate, slots=2, queue=3)
    hasher._places = places = Places(5)
    with ThreadPoolExecutor(5) as pool:
        futures = [pool.submit(hasher.hash, "pw") for _ in range(5)]
        for _ in range(5):
            assert places.taken.acquire(timeout=60)
        for call in (hasher.hash, lambda _: hasher.verify(None, "pw")):
            with pytest.raises(Unavailable) as caught:
                call("pw")
            assert ("overloaded", 503) == (caught.value.code, caught.value.status)
            assert caught.value.retry_after is not None
        gate.go_on.set()

        assert ["pw"] * 5 == [each.result(60) for each in futures]
    assert 2 == gate.most
    assert hasher.hash("pw")


async def test_both_colours_share_the_slots(gate: Gate) -> None:
    """The host has one memory, whoever calls."""
    hasher = gated(gate, slots=1, queue=1)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(hasher.hash, "sync")
        assert await asyncio.to_thread(gate.entered.acquire, timeout=60)
        waiting = asyncio.create_task(hasher.ahash("async"))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await hasher.averify(None, "pw")
        gate.go_on.set()

        assert ("sync", "async") == (running.result(60), await waiting)
    assert 1 == gate.most


async def test_the_loop_does_not_wait(gate: Gate) -> None:
    """It goes on while the hash is computed."""
    hasher = gated(gate)
    task = asyncio.create_task(hasher.ahash("pw"))
    assert await asyncio.to_thread(gate.entered.acquire, timeout=60)

    assert not task.done()
    gate.go_on.set()
    assert "pw" == await task


async def test_a_cancelled_task_keeps_its_place_until_it_is_done(gate: Gate) -> None:
    """A thread cannot be stopped: counting it out would let work pile up."""
    hasher = gated(gate, slots=1, queue=0)
    task = asyncio.create_task(hasher.ahash("pw"))
    assert await asyncio.to_thread(gate.entered.acquire, timeout=60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    with pytest.raises(Unavailable):
        await hasher.ahash("pw")
    gate.go_on.set()
    await asyncio.to_thread(until_free, hasher)
    assert "pw" == await hasher.ahash("pw")


async def test_a_cancelled_task_in_the_queue_gives_its_place_back(gate: Gate) -> None:
    """It had not begun, so nothing has to end."""
    hasher = gated(gate, slots=1, queue=1)
    running = asyncio.create_task(hasher.ahash("one"))
    assert await asyncio.to_thread(gate.entered.acquire, timeout=60)
    waiting = asyncio.create_task(hasher.ahash("two"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    instead = asyncio.create_task(hasher.ahash("three"))
    await asyncio.sleep(0)
    gate.go_on.set()

    assert ("one", "three") == (await running, await instead)
    assert ["one", "three"] == gate.seen


def until_free(hasher: PasswordHasher) -> None:
    """Wait until a place is free, and leave it so."""
    assert hasher._places.acquire(timeout=60)
    hasher._places.release()


async def test_a_failure_gives_its_place_back(hasher: PasswordHasher) -> None:
    """A password that has no bytes is the developer's to check, and costs no slot."""
    narrow = PasswordHasher(slots=1, queue=0)
    for _ in range(3):
        with pytest.raises(ValueError, match="surrogates"):
            narrow.hash("\ud800")
        with pytest.raises(ValueError, match="surrogates"):
            await narrow.ahash("\ud800")

    assert narrow.verify(narrow.hash("pw"), "pw")
