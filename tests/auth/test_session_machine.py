"""
Any history of one store agrees with a model that fits on a page.

The model knows no MAC, no store and no cache: a session is a generation, three dates,
a role and a flag. Hypothesis logs in, refreshes with any token ever issued, revokes,
verifies, redeems tickets, changes roles, disables users, breaks the store, moves the
clock and lets time pass, in any order; each answer must be the model's.
"""

from collections.abc import Callable, Mapping
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

from resilient_auth import (
    Auth,
    Principal,
    Refused,
    Session,
    SessionPolicy,
    TokenPolicy,
    Unavailable,
)
from resilient_auth.testing import FrozenClock
from resilient_auth.testing.wire import BreakableStore

IDLE, ABSOLUTE, GRACE = 200, 500, 30
ACCESS, LEEWAY, POLL, MAX_STALE, MOST = 60, 10, 5, 60, 3
TICKET = 30
SUBJECTS = st.sampled_from(["ann", "bob"])
#: Seconds between a rotation and the next try, at the boundary of the grace.
WAITS = st.sampled_from([0, GRACE - 1, GRACE])
#: Seconds that land on and beside every boundary there is.
STEPS = st.sampled_from([1, POLL, GRACE - 1, GRACE, ACCESS, 70, IDLE - 1, IDLE])
#: What the calendar is set by, within what hosts may differ by, and far ahead.
JUMPS = st.sampled_from([-LEEWAY, -1, 1, LEEWAY, GRACE, ACCESS])
#: What the store does during one call: mostly nothing strange.
FAULTS = st.sampled_from(["", "", "", "", "is_down", "loses_answers"])
DOWN = "store_unavailable"


@dataclass(frozen=True)
class Row:
    """What the model knows of one session."""

    subject: str
    role: int
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
    issued_at: int
    access_end: int
    role: int


@dataclass(frozen=True)
class Ticket:
    """A ticket that went out."""

    text: str
    session_id: str
    end: int


def attempt(call: Callable[..., Any], *args: Any, **said: Any) -> Any:
    """Return what *call* returns, or the code by which it refuses."""
    try:
        return call(*args, **said)
    except (Refused, Unavailable) as error:
        return error.code


class Sessions(RuleBasedStateMachine):
    """`Auth` on a `MemoryStore`, twice: another process shares store and clock."""

    issued = Bundle("issued")
    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.clock = FrozenClock()
        self.latest = self.now
        self.store = BreakableStore()
        policy = TokenPolicy(issuer="i", audience="a", access_ttl=ACCESS, leeway=LEEWAY)
        lives = SessionPolicy(
            idle=IDLE,
            absolute=ABSOLUTE,
            grace=GRACE,
            max_per_subject=MOST,
            revocation_poll=POLL,
            revocation_max_stale=MAX_STALE,
        )
        self.here, self.there = (
            Auth(
                RING,
                policy,
                store=self.store,
                sessions=lives,
                clock=self.clock,
                on_refresh=self._on_refresh,
            )
            for _ in range(2)
        )
        self.roles = {"ann": 0, "bob": 0}
        self.disabled: set[str] = set()
        self.rows: dict[str, Row] = {}  # in the order of the logins
        self.ended_here: set[str] = set()
        self.ended_at: dict[str, float] = {}  # on the clock that never jumps
        self.refresh_tokens: dict[tuple[str, int], str] = {}
        self.used: set[str] = set()
        self.view_missed = False

    @property
    def now(self) -> int:
        """Return the Unix seconds at which the clock stands."""
        return int(self.clock.time())

    # -------------------------------------------------------------- what happens

    @rule(target=issued, subject=SUBJECTS)
    def login(self, subject: str) -> Issued:
        """Open a session; over the limit, the oldest living one ends."""
        tokens = self.here.login(subject, {"role": self.roles[subject]})
        for session_id in self._living(subject)[: 1 - MOST]:
            self._end(session_id, here=True)
        self.rows[tokens.session.id] = Row(
            subject=subject,
            role=self.roles[subject],
            generation=0,
            rotated_at=0,
            idle_end=self.now + IDLE,
            end=self.now + ABSOLUTE,
        )
        return self._note(tokens)

    @rule(subject=SUBJECTS)
    def login_in_vain(self, subject: str) -> None:
        """While the store is down nothing opens."""
        assert self._with("is_down", self.there.login, subject) == DOWN

    @rule(
        target=issued, tokens=issued, elsewhere=st.booleans(), wait=WAITS, fault=FAULTS
    )
    def refresh(self, tokens: Issued, elsewhere: bool, wait: int, fault: str) -> Any:  # noqa: FBT001 - drawn
        """Present any refresh token that ever went out, to either process."""
        self._pass(wait)
        row = self.rows[tokens.session_id]
        expected, after = self._judge(row, tokens.generation)
        auth = self.there if elsewhere else self.here
        answer = self._with(fault, auth.refresh, tokens.refresh)
        if fault:
            # Only what was the store's last step is done; the same token comes again.
            done = fault == "loses_answers" and expected in {"rotated", "user_disabled"}
            assert answer == DOWN
            self._become(tokens.session_id, after if done else row, here=False)
            return multiple()
        self._become(tokens.session_id, after, here=not elsewhere)
        if isinstance(answer, str):
            assert expected == answer
            return multiple()

        assert expected == answer.rotation
        return self._note(answer)

    @rule(tokens=issued, fault=FAULTS)
    def logout(self, tokens: Issued, fault: str) -> None:
        """End one session."""
        answer = self._with(fault, self.here.logout, tokens.session_id)

        assert answer == (DOWN if fault else None)
        if fault != "is_down":
            self._end(tokens.session_id, here=not fault)

    @rule(subject=SUBJECTS, tokens=issued)
    def end_all_but_one(self, subject: str, tokens: Issued) -> None:
        """End what lives of one subject; the kept one may be another's."""
        living = set(self._living(subject)) - {tokens.session_id}

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

    @rule(target=tickets, tokens=issued)
    def ticket(self, tokens: Issued) -> Ticket:
        """Make a ticket; no store is asked, so the session may be over."""
        who = Principal(
            subject=self.rows[tokens.session_id].subject,
            session_id=tokens.session_id,
            claims={},
            issued_at=tokens.issued_at,
            expires_at=tokens.access_end,
            auth_time=tokens.issued_at,
            amr=("pwd",),
        )
        text = self._with("is_down", self.there.ticket, who, "chat")
        return Ticket(text, tokens.session_id, self.now + TICKET)

    @rule(subject=SUBJECTS)
    def change_the_role(self, subject: str) -> None:
        """Take and give rights; tokens that are out keep what they say."""
        self.roles[subject] += 1

    @rule(subject=SUBJECTS, disabled=st.booleans())
    def disable(self, subject: str, disabled: bool) -> None:  # noqa: FBT001 - drawn
        """Disable a user, or take that back."""
        self.disabled -= {subject}
        self.disabled |= {subject} if disabled else set()

    @rule(seconds=STEPS)
    def pass_time(self, seconds: int) -> None:
        """Let time pass."""
        self._pass(seconds)

    @rule(seconds=JUMPS)
    def set_the_clock(self, seconds: int) -> None:
        """Set the calendar, as NTP does; never back by more than the leeway."""
        self.clock.jump(max(seconds, self.latest - LEEWAY - self.now))
        self.latest = max(self.latest, self.now)

    # -------------------------------------------------------------- what must hold

    @rule(tokens=issued, fault=FAULTS)
    def verify(self, tokens: Issued, fault: str) -> None:
        """A token passes while it lives, and never after its session was ended."""
        row = self.rows[tokens.session_id]
        dates = ""
        if tokens.issued_at - self.now > LEEWAY:
            dates = "token_not_yet_valid"
        elif self.now >= tokens.access_end + LEEWAY:
            dates = "token_expired"
        who = self._with(fault, self.here.verify, tokens.access)
        self.view_missed |= fault == "is_down"
        if isinstance(who, str):
            assert who == (dates or who)
            assert dates or who in {"session_revoked", DOWN}
            assert who != "session_revoked" or row.revoked_at is not None
            assert who != DOWN or self.view_missed
            return

        assert (row.subject, tokens.session_id) == (who.subject, who.session_id)
        assert {"role": tokens.role} == who.claims
        assert not dates
        # Only the other process may have ended it, and only within one poll.
        assert tokens.session_id not in self.ended_here
        since = self.clock.monotonic() - self.ended_at.get(tokens.session_id, 1e9)
        assert row.revoked_at is None or since < (
            MAX_STALE if self.view_missed else POLL
        )

    @rule(
        ticket=tickets,
        purpose=st.sampled_from(["chat", "chat", "chat", "feed"]),
        elsewhere=st.booleans(),
        fault=FAULTS,
    )
    def redeem(self, ticket: Ticket, purpose: str, elsewhere: bool, fault: str) -> None:  # noqa: FBT001 - drawn
        """Let in once, in time, for the purpose, while the session lives."""
        row = self.rows[ticket.session_id]
        auth = self.there if elsewhere else self.here
        who = self._with(fault, auth.redeem, ticket.text, purpose)
        if self.now >= ticket.end:
            expected = "token_expired"
        elif purpose != "chat":
            expected = "token_invalid"
        elif fault:
            expected = DOWN
            self.used |= {ticket.text} if fault == "loses_answers" else set()
        elif ticket.text in self.used:
            expected = "token_invalid"
        else:
            self.used.add(ticket.text)
            expected = row.verdict(self.now)
        if expected:
            assert expected == who
            return

        assert (row.subject, {"role": row.role}) == (who.subject, who.claims)
        assert min(self.now + ACCESS, row.idle_end, row.end) == who.expires_at

    @invariant()
    def the_living_are_listed(self) -> None:
        """Both processes see the same sessions as the model, newest first."""
        for subject in ("ann", "bob"):
            listed = self.here.sessions(subject)

            assert self._living(subject)[::-1] == [row.id for row in listed]
            assert len(listed) <= MOST
            assert listed == self.there.sessions(subject)

    @invariant()
    def the_store_agrees(self) -> None:
        """Generation, dates and end of every session are those of the model."""
        assert len(self.rows) == len(self.store)
        for session_id, row in self.rows.items():
            found = self.store.find(session_id)

            assert found is not None
            assert row == Row(
                subject=found.subject,
                role=found.claims["role"],
                generation=found.generation,
                rotated_at=found.rotated_at,
                idle_end=found.idle_expires_at,
                end=found.expires_at,
                revoked_at=found.revoked_at,
            )

    # -------------------------------------------------------------- the model

    def _on_refresh(self, session: Session) -> Mapping[str, object]:
        if session.subject in self.disabled:
            raise Refused("user_disabled")
        return {"role": self.roles[session.subject]}

    def _judge(self, row: Row, presented: int) -> tuple[str, Row]:
        """Return the verdict on a refresh, and the row after it."""
        ended = row.verdict(self.now)
        settled = row.rotated_at <= self.now - GRACE
        if ended:
            return ended, row
        if presented == row.generation and not settled:
            return "kept", row
        if presented == row.generation and row.subject in self.disabled:
            return "user_disabled", replace(row, revoked_at=self.now)
        if presented == row.generation:
            moved = replace(
                row,
                role=self.roles[row.subject],
                generation=presented + 1,
                rotated_at=self.now,
                idle_end=min(self.now + IDLE, row.end),
            )
            return "rotated", moved
        if presented == row.generation - 1 and not settled:
            return "replayed", row
        return "refresh_reused", replace(row, revoked_at=self.now)

    def _living(self, subject: str) -> list[str]:
        """Return the living sessions of *subject*, oldest first."""
        return [
            session_id
            for session_id, row in self.rows.items()
            if row.subject == subject and not row.verdict(self.now)
        ]

    def _end(self, session_id: str, *, here: bool) -> None:
        """Mark a row as revoked now; the first time stays."""
        row = self.rows[session_id]
        if row.revoked_at is None:
            self._become(session_id, replace(row, revoked_at=self.now), here=here)

    def _become(self, session_id: str, after: Row, *, here: bool) -> None:
        """Take the row *after* a step; note who ended it, and when."""
        if after.revoked_at is not None and self.rows[session_id].revoked_at is None:
            self.ended_here |= {session_id} if here else set()
            self.ended_at[session_id] = self.clock.monotonic()
        self.rows[session_id] = after

    def _pass(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.latest = max(self.latest, self.now)

    def _with(self, fault: str, call: Callable[..., Any], *args: Any) -> Any:
        """Return what *call* answers while the store has *fault*."""
        if not fault:
            return attempt(call, *args)
        setattr(self.store, fault, True)
        try:
            return attempt(call, *args)
        finally:
            setattr(self.store, fault, False)

    def _note(self, tokens: Any) -> Issued:
        """Keep what went out; one generation has one refresh token, always."""
        session = tokens.session
        key = (session.id, session.generation)

        assert tokens.refresh_token == self.refresh_tokens.setdefault(
            key, tokens.refresh_token
        )
        row = self.rows[session.id]
        end = min(row.idle_end, row.end)
        assert min(self.now + ACCESS, end) == tokens.access_expires_at
        return Issued(
            session_id=session.id,
            generation=session.generation,
            refresh=tokens.refresh_token,
            access=tokens.access_token,
            issued_at=self.now,
            access_end=tokens.access_expires_at,
            role=session.claims["role"],
        )


TestSessions = Sessions.TestCase
TestSessions.settings = settings(
    parent=settings.get_profile(settings.get_current_profile_name()),
    stateful_step_count=40,
)
