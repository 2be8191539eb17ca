"""
Any history of one store agrees with a model that fits on a page.

The model knows no MAC, no store and no cache: a session is a generation, three dates
and a flag. Hypothesis logs in, refreshes with any token ever issued, revokes, verifies
and lets time pass, in any order; each answer must be the model's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
)
from tests.auth.conftest import RING

from resilient_auth import Auth, MemoryStore, Refused, SessionPolicy, TokenPolicy
from resilient_auth.testing import FrozenClock

IDLE, ABSOLUTE, GRACE = 200, 500, 30
ACCESS, LEEWAY, POLL = 60, 10, 5
SUBJECTS = st.sampled_from(["ann", "bob"])
#: Seconds between a rotation and the next try, at the boundary of the grace.
WAITS = st.sampled_from([0, GRACE - 1, GRACE])
#: Seconds that land on and beside every boundary there is.
STEPS = st.sampled_from([1, POLL, GRACE - 1, GRACE, ACCESS, 70, IDLE - 1, IDLE])


@dataclass(frozen=True)
class Row:
    """What the model knows of one session."""

    subject: str
    generation: int
    rotated_at: int
    idle_end: int
    end: int
    revoked_at: int | None = None

    def verdict(self, now: int) -> str:
        """Return how the session ended, or nothing."""
        if self.revoked_at is not None:
            return "session_revoked"
        if now >= self.end:
            return "session_expired"
        return "session_idle" if now >= self.idle_end else ""


@dataclass(frozen=True)
class Issued:
    """Tokens that went out, and what they say."""

    session_id: str
    generation: int
    refresh: str
    access: str
    access_end: int


def attempt(call: Callable[..., Any], *args: Any, **said: Any) -> Any:
    """Return what *call* returns, or the code by which it refuses."""
    try:
        return call(*args, **said)
    except Refused as refused:
        return refused.code


class Sessions(RuleBasedStateMachine):
    """`Auth` on a `MemoryStore`, twice: another process shares store and clock."""

    issued = Bundle("issued")

    def __init__(self) -> None:
        super().__init__()
        self.clock = FrozenClock()
        self.store = MemoryStore()
        policy = TokenPolicy(issuer="i", audience="a", access_ttl=ACCESS, leeway=LEEWAY)
        lives = SessionPolicy(
            idle=IDLE, absolute=ABSOLUTE, grace=GRACE, revocation_poll=POLL
        )
        self.here, self.there = (
            Auth(RING, policy, store=self.store, sessions=lives, clock=self.clock)
            for _ in range(2)
        )
        self.rows: dict[str, Row] = {}
        self.ended_here: set[str] = set()
        self.refresh_tokens: dict[tuple[str, int], str] = {}

    @property
    def now(self) -> int:
        """Return the Unix seconds at which the clock stands."""
        return int(self.clock.time())

    # -------------------------------------------------------------- what happens

    @rule(target=issued, subject=SUBJECTS)
    def login(self, subject: str) -> Issued:
        """Open a session."""
        tokens = self.here.login(subject)
        self.rows[tokens.session.id] = Row(
            subject=subject,
            generation=0,
            rotated_at=0,
            idle_end=self.now + IDLE,
            end=self.now + ABSOLUTE,
        )
        return self._note(tokens)

    @rule(target=issued, tokens=issued, elsewhere=st.booleans(), wait=WAITS)
    def refresh(self, tokens: Issued, elsewhere: bool, wait: int) -> Any:  # noqa: FBT001 - drawn
        """Present any refresh token that ever went out, to either process."""
        self.clock.advance(wait)
        row = self.rows[tokens.session_id]
        expected, after = self._judge(row, tokens.generation)
        auth = self.there if elsewhere else self.here
        answer = attempt(auth.refresh, tokens.refresh)
        self.rows[tokens.session_id] = after
        if expected == "refresh_reused" and not elsewhere:
            self.ended_here.add(tokens.session_id)
        if isinstance(answer, str):
            assert expected == answer
            return multiple()

        assert expected == answer.rotation
        return self._note(answer)

    @rule(tokens=issued)
    def logout(self, tokens: Issued) -> None:
        """End one session."""
        self.here.logout(tokens.session_id)
        self._end(tokens.session_id, here=True)

    @rule(subject=SUBJECTS, tokens=issued)
    def end_all_but_one(self, subject: str, tokens: Issued) -> None:
        """End what lives of one subject; the kept one may be another's."""
        living = self._living(subject) - {tokens.session_id}

        assert len(living) == self.there.revoke_all(subject, keep=tokens.session_id)
        for session_id in living:
            self._end(session_id, here=False)

    @rule(tokens=issued, subject=SUBJECTS)
    def end_as_a_user(self, tokens: Issued, subject: str) -> None:
        """Only the own sessions can be ended."""
        owns = self.rows[tokens.session_id].subject == subject
        code = attempt(self.here.revoke, tokens.session_id, subject=subject)
        if owns:
            self._end(tokens.session_id, here=True)

        assert (None if owns else "not_found") == code

    @rule(seconds=STEPS)
    def pass_time(self, seconds: int) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    # -------------------------------------------------------------- what must hold

    @rule(tokens=issued)
    def verify(self, tokens: Issued) -> None:
        """A token passes while it lives, and never after its session was ended."""
        row = self.rows[tokens.session_id]
        expired = self.now >= tokens.access_end + LEEWAY
        who = attempt(self.here.verify, tokens.access)
        if isinstance(who, str):
            assert who == ("token_expired" if expired else "session_revoked")
            assert expired or row.revoked_at is not None
            return

        assert (row.subject, tokens.session_id) == (who.subject, who.session_id)
        assert not expired
        # Only the other process may have ended it, and only within one poll.
        assert tokens.session_id not in self.ended_here
        assert row.revoked_at is None or self.now - row.revoked_at < POLL

    @invariant()
    def the_living_are_listed(self) -> None:
        """Both processes see the same sessions as the model, newest first."""
        for subject in ("ann", "bob"):
            listed = self.here.sessions(subject)

            assert self._living(subject) == {row.id for row in listed}
            assert listed == self.there.sessions(subject)

    @invariant()
    def the_store_agrees(self) -> None:
        """Generation, dates and end of every session are those of the model."""
        for session_id, row in self.rows.items():
            found = self.store.find(session_id)

            assert found is not None
            assert row == Row(
                subject=found.subject,
                generation=found.generation,
                rotated_at=found.rotated_at,
                idle_end=found.idle_expires_at,
                end=found.expires_at,
                revoked_at=found.revoked_at,
            )

    # -------------------------------------------------------------- the model

    def _judge(self, row: Row, presented: int) -> tuple[str, Row]:
        """Return the verdict on a refresh, and the row after it."""
        ended = row.verdict(self.now)
        settled = row.rotated_at <= self.now - GRACE
        if ended:
            return ended, row
        if presented == row.generation and not settled:
            return "kept", row
        if presented == row.generation:
            moved = replace(
                row,
                generation=presented + 1,
                rotated_at=self.now,
                idle_end=min(self.now + IDLE, row.end),
            )
            return "rotated", moved
        if presented == row.generation - 1 and not settled:
            return "replayed", row
        return "refresh_reused", replace(row, revoked_at=self.now)

    def _living(self, subject: str) -> set[str]:
        return {
            session_id
            for session_id, row in self.rows.items()
            if row.subject == subject and not row.verdict(self.now)
        }

    def _end(self, session_id: str, *, here: bool) -> None:
        """Mark a row as revoked now; the first time stays."""
        row = self.rows[session_id]
        if row.revoked_at is None:
            self.rows[session_id] = replace(row, revoked_at=self.now)
            self.ended_here |= {session_id} if here else set()

    def _note(self, tokens: Any) -> Issued:
        """Keep what went out; one generation has one refresh token, always."""
        session = tokens.session
        key = (session.id, session.generation)

        assert tokens.refresh_token == self.refresh_tokens.setdefault(
            key, tokens.refresh_token
        )
        row = self.rows.get(session.id)
        end = min(row.idle_end, row.end) if row else self.now + IDLE
        assert min(self.now + ACCESS, end) == tokens.access_expires_at
        return Issued(
            session_id=session.id,
            generation=session.generation,
            refresh=tokens.refresh_token,
            access=tokens.access_token,
            access_end=tokens.access_expires_at,
        )


TestSessions = Sessions.TestCase
TestSessions.settings = settings(
    parent=settings.get_profile(settings.get_current_profile_name()),
    stateful_step_count=30,
)
