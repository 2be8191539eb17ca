"""
Does a session store keep its promises? One inherited suite for ours and yours.

::

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self):
            return MyStore(...)          # empty, and closed again afterwards

An asynchronous store is put behind `BlockingStore`, so there is one suite, not two.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from resilient_auth.core.claims import checked_extra
from resilient_auth.core.sessions import Session
from resilient_auth.stores.base import AsyncSessionStore, SessionStore

T = TypeVar("T")
NOW = 1_800_000_000
GRACE = 30
IDLE = 1_000


def a_session(session_id: str = "s" * 32, **changes: Any) -> Session:
    """Return a session that is alive at `NOW`, with *changes*."""
    session = Session(
        id=session_id,
        subject="ann",
        claims=checked_extra(
            {"role": "admin", "teams": [1, {"näme": "日本"}], "x": None}
        ),
        device="Firefox",
        amr=("pwd", "otp"),
        remember=True,
        generation=0,
        kid="k1",
        auth_time=NOW,
        rotated_at=0,
        idle_expires_at=NOW + IDLE,
        expires_at=NOW + 5_000,
    )
    return replace(session, **changes)


class StoreContract:
    """The promises of `SessionStore`; give it a fixture ``store``."""

    def rotate(self, store: SessionStore, **changes: Any) -> Session | None:
        """Ask for the usual rotation, with *changes*."""
        asked: dict[str, Any] = {
            "session_id": "s" * 32,
            "generation": 0,
            "kid": "k2",
            "now": NOW + 100,
            "idle": IDLE,
            "grace": GRACE,
        } | changes
        return store.rotate(asked.pop("session_id"), asked.pop("generation"), **asked)

    def test_what_was_stored_is_found(self, store: SessionStore) -> None:
        """Every field comes back equal, nested claims and other scripts included."""
        store.open(a_session())

        assert a_session() == store.find("s" * 32)

    def test_the_unknown_is_none(self, store: SessionStore) -> None:
        """No verb invents a session or fails on one that is not there."""
        assert store.find("nobody") is None
        assert self.rotate(store, session_id="nobody") is None
        assert store.end("nobody", now=NOW, reason="x") is None
        assert store.of_subject("nobody", now=NOW) == []
        assert store.end_all("nobody", keep=None, now=NOW, reason="x") == []

    def test_a_rotation_moves_one_generation(self, store: SessionStore) -> None:
        """The new row is returned and stored: generation, key, time, idle end."""
        store.open(a_session())

        expected = a_session(
            generation=1,
            kid="k2",
            rotated_at=NOW + 100,
            idle_expires_at=NOW + 100 + IDLE,
        )
        assert expected == self.rotate(store)
        assert expected == store.find("s" * 32)

    def test_the_idle_end_never_passes_the_absolute_end(
        self, store: SessionStore
    ) -> None:
        """Else a busy session would live for ever."""
        store.open(a_session())

        row = self.rotate(store, idle=1_000_000)

        assert row is not None
        assert row.expires_at == row.idle_expires_at

    def test_a_rotation_may_change_the_claims(self, store: SessionStore) -> None:
        """Who lost a role loses it at the next refresh, for the losers of it too."""
        store.open(a_session())
        claims = checked_extra({"role": "user", "näme": ["日本"]})

        row = self.rotate(store, claims=claims)
        lost = self.rotate(store, claims=checked_extra({"role": "intruder"}))

        assert row is not None
        assert claims == row.claims
        assert lost is None
        assert row == store.find("s" * 32)

    def test_a_second_rotation_of_one_generation_loses(
        self, store: SessionStore
    ) -> None:
        """This is the race: the loser changes nothing."""
        store.open(a_session())
        won = self.rotate(store)

        assert self.rotate(store) is None
        assert won == store.find("s" * 32)

    def test_no_rotation_of_another_generation(self, store: SessionStore) -> None:
        """A token of the past or the future moves nothing."""
        store.open(a_session(generation=5))

        assert self.rotate(store, generation=4) is None
        assert self.rotate(store, generation=6) is None

    def test_no_rotation_within_the_grace(self, store: SessionStore) -> None:
        """One rotation a grace closes the chain race; its end is a boundary."""
        store.open(a_session())
        self.rotate(store)

        soon = self.rotate(store, generation=1, now=NOW + 100 + GRACE - 1)
        later = self.rotate(store, generation=1, now=NOW + 100 + GRACE)

        assert soon is None
        assert later is not None

    def test_no_rotation_of_the_dead(self, store: SessionStore) -> None:
        """Idle and absolute end count from their own second; revoked is revoked."""
        store.open(a_session("idle" * 8, idle_expires_at=NOW + 100))
        store.open(a_session("absolute" * 4, expires_at=NOW + 100))
        store.open(a_session("revoked!" * 4))
        store.end("revoked!" * 4, now=NOW, reason="logout")

        assert self.rotate(store, session_id="idle" * 8) is None
        assert self.rotate(store, session_id="absolute" * 4) is None
        assert self.rotate(store, session_id="revoked!" * 4) is None
        assert self.rotate(store, session_id="idle" * 8, now=NOW + 99) is not None

    def test_the_first_end_wins(self, store: SessionStore) -> None:
        """Ending is idempotent: first reason and time stay, one caller is told."""
        store.open(a_session())

        expected = a_session(revoked_at=NOW + 1, revoked_reason="logout")
        assert expected == store.end("s" * 32, now=NOW + 1, reason="logout")
        assert store.end("s" * 32, now=NOW + 2, reason="other") is None
        assert expected == store.find("s" * 32)

    def test_the_living_of_a_subject_newest_first(self, store: SessionStore) -> None:
        """A user's list shows neither the ended nor anybody else's."""
        store.open(a_session("first!" * 5, auth_time=NOW - 10))
        store.open(a_session("second" * 5))
        store.open(a_session("idle" * 8, idle_expires_at=NOW))
        store.open(a_session("other" * 6, subject="bob"))
        store.open(a_session("ended" * 6))
        store.end("ended" * 6, now=NOW, reason="logout")

        listed = store.of_subject("ann", now=NOW)

        assert ["second" * 5, "first!" * 5] == [row.id for row in listed]

    def test_of_one_second_the_greater_id_is_newer(self, store: SessionStore) -> None:
        """Ids begin with their fraction of the second; a limit ends the oldest."""
        for each in ("a", "b", "c"):
            store.open(a_session(each * 32))

        listed = store.of_subject("ann", now=NOW)

        assert ["c" * 32, "b" * 32, "a" * 32] == [row.id for row in listed]

    def test_all_of_a_subject_end_but_one(self, store: SessionStore) -> None:
        """A changed password ends the other devices, and is told which."""
        for each in ("a", "b", "c"):
            store.open(a_session(each * 32))
        store.open(a_session("z" * 32, subject="bob"))
        store.end("c" * 32, now=NOW, reason="logout")

        ended = store.end_all("ann", keep="b" * 32, now=NOW + 1, reason="password")

        assert [("a" * 32, NOW + 1, "password")] == [
            (row.id, row.revoked_at, row.revoked_reason) for row in ended
        ]
        assert len(store.of_subject("ann", now=NOW + 1)) == 1
        assert len(store.of_subject("bob", now=NOW + 1)) == 1

    def test_the_ended_since_a_moment(self, store: SessionStore) -> None:
        """Other workers learn of a revocation here; the moment itself counts."""
        store.open(a_session("a" * 32))
        store.open(a_session("b" * 32))
        store.open(a_session("c" * 32))
        store.end("a" * 32, now=NOW + 1, reason="x")
        store.end("b" * 32, now=NOW + 2, reason="x")

        assert ["b" * 32] == store.ended_since(NOW + 2)
        assert {"a" * 32, "b" * 32} == set(store.ended_since(NOW))
        assert store.ended_since(NOW + 3) == []

    def test_a_one_time_token_is_used_once(self, store: SessionStore) -> None:
        """The second caller is told so, whatever it says about the expiry."""
        first = store.consume("t" * 32, expires_at=NOW + 30, now=NOW)
        again = store.consume("t" * 32, expires_at=NOW + 60, now=NOW + 29)
        other = store.consume("u" * 32, expires_at=NOW + 30, now=NOW)

        assert [True, False, True] == [first, again, other]

    def test_one_of_many_uses_of_a_token_wins(self, store: SessionStore) -> None:
        """Eight real threads at one barrier: one is let in."""
        barrier = threading.Barrier(8)

        def compete() -> bool:
            barrier.wait()
            return store.consume("t" * 32, expires_at=NOW + 30, now=NOW)

        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(compete) for _ in range(8)]

        assert [False] * 7 + [True] == sorted(each.result() for each in futures)

    def test_purging_takes_the_long_ended_alone(self, store: SessionStore) -> None:
        """The living and the lately ended stay, whatever the limit."""
        store.open(a_session("alive" * 6))
        store.open(a_session("late" * 8, idle_expires_at=NOW - 5))
        store.open(a_session("idle" * 8, idle_expires_at=NOW - 50))
        store.open(a_session("revoked!" * 4))
        store.end("revoked!" * 4, now=NOW - 50, reason="x")

        assert store.purge(NOW - 10, limit=100) == 2
        assert store.find("alive" * 6) is not None
        assert store.find("late" * 8) is not None
        assert store.find("idle" * 8) is None
        assert store.find("revoked!" * 4) is None
        assert store.ended_since(0) == []

    def test_purging_spares_who_lived_on(self, store: SessionStore) -> None:
        """An index that knows the first end alone would log out the busy."""
        store.open(a_session())
        row = self.rotate(store, now=NOW + IDLE - 1)

        assert row is not None
        assert store.purge(NOW + IDLE + 1, limit=100) == 0
        assert row == store.find("s" * 32)
        assert store.purge(row.idle_expires_at + 1, limit=100) == 1
        assert store.find("s" * 32) is None

    def test_a_revoked_session_stays_from_its_revocation_on(
        self, store: SessionStore
    ) -> None:
        """Ended late, it can still say why for as long as any other."""
        store.open(a_session(idle_expires_at=NOW - 50))
        store.end("s" * 32, now=NOW, reason="logout")

        assert store.purge(NOW - 10, limit=100) == 0
        assert store.ended_since(NOW) == ["s" * 32]
        assert store.purge(NOW + 1, limit=100) == 1
        assert store.find("s" * 32) is None

    def test_purging_is_bounded(self, store: SessionStore) -> None:
        """A big clean-up is many small ones, so that no table is locked for long."""
        for n in range(7):
            store.open(a_session(f"{n:032}", idle_expires_at=NOW - 50))

        assert [3, 3, 1, 0] == [store.purge(NOW, limit=3) for _ in range(4)]

    def test_one_of_many_rotations_wins(self, store: SessionStore) -> None:
        """Eight real threads at one barrier: one winner, and all agree on the row."""
        store.open(a_session())
        barrier = threading.Barrier(8)

        def compete() -> Session | None:
            barrier.wait()
            return self.rotate(store)

        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(compete) for _ in range(8)]
        won = [row for row in (each.result() for each in futures) if row is not None]

        assert [store.find("s" * 32)] == won


class BlockingStore:
    """
    An asynchronous store with synchronous verbs: its loop runs in a thread.

    *make* is called in that loop and *close* closes what it made.
    """

    def __init__(
        self,
        make: Callable[[], Coroutine[Any, Any, AsyncSessionStore]],
        close: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._store = self._wait(make())
        self._close = close

    def close(self) -> None:
        """Close the store, its loop and its thread."""
        self._wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open(self, session: Session) -> None:
        """Store a new *session*."""
        self._wait(self._store.open(session))

    def find(self, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        return self._wait(self._store.find(session_id))

    def rotate(
        self,
        session_id: str,
        generation: int,
        *,
        kid: str,
        now: int,
        idle: int,
        grace: int,
        claims: Mapping[str, Any] | None = None,
    ) -> Session | None:
        """Move a session from *generation* to the next, if nobody else did."""
        return self._wait(
            self._store.rotate(
                session_id,
                generation,
                kid=kid,
                now=now,
                idle=idle,
                grace=grace,
                claims=claims,
            )
        )

    def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Revoke a session; the first reason and time win."""
        return self._wait(self._store.end(session_id, now=now, reason=reason))

    def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """Return the sessions of *subject* that are alive at *now*, newest first."""
        return self._wait(self._store.of_subject(subject, now=now))

    def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        return self._wait(
            self._store.end_all(subject, keep=keep, now=now, reason=reason)
        )

    def ended_since(self, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        return self._wait(self._store.ended_since(moment))

    def consume(self, token_id: str, *, expires_at: int, now: int) -> bool:
        """Use up a one-time token; True for the first caller alone."""
        return self._wait(self._store.consume(token_id, expires_at=expires_at, now=now))

    def purge(self, before: int, *, limit: int) -> int:
        """Delete at most *limit* sessions that ended before *before*."""
        return self._wait(self._store.purge(before, limit=limit))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)
