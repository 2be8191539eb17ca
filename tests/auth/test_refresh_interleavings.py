"""
The proof of the refresh protocol: every schedule of two and three parties.

The real `AsyncAuth` is driven by hand; each store operation suspends once before it
acts. What holds here holds in every order in which real requests can meet, also if the
store fails before or after it acted, or a process dies, at any one step.
"""

from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any

import pytest

from resilient_auth import (
    AsyncAuth,
    Key,
    KeyRing,
    MemoryStore,
    Principal,
    Refused,
    Session,
    SessionPolicy,
    TokenPolicy,
    Tokens,
    Unavailable,
)
from resilient_auth.testing import FrozenClock, Outcome, SteppingStore, explore

RING = KeyRing([Key.generate("HS256", kid="k1")])
POLICY = TokenPolicy(issuer="https://api.example.com", audience="api")
GRACE = 30
Task = Coroutine[Any, Any, Any]


class World:
    """One fresh session, and the tasks that will race for it."""

    def __init__(
        self, *, on_refresh: Any = None, apart: int = 0, **policy: int
    ) -> None:
        self.rows = MemoryStore()
        self.store = SteppingStore(self.rows)
        self.clock = FrozenClock()
        self.asked = 0
        self.auth, self.ahead = (
            AsyncAuth(
                RING,
                POLICY,
                store=self.store,
                sessions=SessionPolicy(**policy),
                on_refresh=on_refresh and (lambda session: on_refresh(self, session)),
                clock=clock,
            )
            for clock in (self.clock, FrozenClock(self.clock.time() + apart))
        )
        self.first: Tokens = finish(self.auth.login("ann"))
        session = self.first.session
        self.who = Principal(
            subject=session.subject,
            session_id=session.id,
            claims=session.claims,
            issued_at=session.auth_time,
            expires_at=self.first.access_expires_at,
            auth_time=session.auth_time,
            amr=session.amr,
        )
        self.ticket = self.auth.ticket(self.who, "chat")

    def row(self) -> Session:
        """Return the session as it is stored."""
        row = self.rows.find(self.first.session.id)
        assert row is not None
        return row

    def alive(self) -> bool:
        """Say whether the session survived."""
        return self.row().revoked_at is None

    def refresh(self) -> Task:
        """Refresh with the first token, as every tab does that slept."""
        return self.auth.refresh(self.first.refresh_token)

    async def chain(self) -> list[Tokens]:
        """Refresh, and at once refresh the successor, as an eager tab does."""
        once = await self.refresh()
        return [once, await self.auth.refresh(once.refresh_token)]

    def refresh_ahead(self) -> Task:
        """Refresh at a host whose clock is ahead."""
        return self.ahead.refresh(self.first.refresh_token)

    async def chain_ahead(self) -> list[Tokens]:
        """Refresh, and at once the successor at the host whose clock is ahead."""
        once = await self.refresh()
        return [once, await self.ahead.refresh(once.refresh_token)]

    async def stubborn(self) -> Tokens:
        """Refresh, and try again with the same token after a failure."""
        try:
            return await self.refresh()
        except Unavailable:
            return await self.refresh()

    def logout(self) -> Task:
        """End the session."""
        return self.auth.logout(self.first.session.id)

    def revoke_all(self) -> Task:
        """End every session of its user."""
        return self.auth.revoke_all("ann")

    def login(self) -> Task:
        """Log the same user in on another device."""
        return self.auth.login("ann")

    def redeem(self) -> Task:
        """Redeem the one ticket."""
        return self.auth.redeem(self.ticket, "chat")

    def answer(self, token: str) -> str:
        """Refresh with *token* alone; return the rotation, or the code."""
        try:
            return str(finish(self.auth.refresh(token)).rotation)
        except Refused as refused:
            return refused.code


def finish(task: Task) -> Any:
    """Run *task* to its end alone."""
    while True:
        try:
            task.send(None)
        except StopIteration as stop:
            return stop.value


def schedules(
    *tasks: str,
    faults: int = 0,
    started: bool = False,
    on_refresh: Any = None,
    apart: int = 0,
    **policy: int,
) -> Iterator[tuple[World, list[Outcome]]]:
    """Yield the world after each schedule of *tasks*, which are methods of `World`."""
    worlds: list[World] = []

    def scenario() -> list[Task]:
        world = World(on_refresh=on_refresh, apart=apart, **policy)
        worlds[:] = [world]
        return [getattr(world, each)() for each in tasks]

    for outcomes in explore(scenario, faults=faults, started=started):
        yield worlds[0], outcomes


def granted(outcomes: list[Outcome]) -> list[Tokens]:
    """Return all tokens that went out, in the order of the tasks."""
    values = [outcome.value for outcome in outcomes]
    lists = [value if isinstance(value, list) else [value] for value in values]
    return [each for one in lists for each in one if isinstance(each, Tokens)]


def of_first(world: World, outcomes: list[Outcome]) -> list[Tokens]:
    """Return the tokens that went out for the session that was there before."""
    sid = world.first.session.id
    return [each for each in granted(outcomes) if each.session.id == sid]


def assert_one_of_each(world: World, outcomes: list[Outcome]) -> None:
    """One winner per generation, one text per generation, one write per grace."""
    tokens = of_first(world, outcomes)
    texts = {(each.session.generation, each.refresh_token) for each in tokens}
    won = Counter(
        each.session.generation for each in tokens if each.rotation == "rotated"
    )

    assert len(texts) == len({generation for generation, _ in texts})
    assert set(won.values()) <= {1}
    assert world.store.writes <= 1
    assert world.row().generation == world.store.writes


def assert_nobody_is_out(world: World, outcomes: list[Outcome]) -> None:
    """Whoever failed, died or lost: the session lives, and its tokens earn more."""
    assert world.alive()
    assert not [each for each in outcomes if isinstance(each.error, Refused)]
    moved = world.store.writes == 1
    tokens = of_first(world, outcomes)
    again: Tokens = finish(world.refresh())

    assert ("replayed" if moved else "rotated") == again.rotation
    assert {again.refresh_token} >= {each.refresh_token for each in tokens}
    assert "kept" == world.answer(again.refresh_token)


def assert_theft_ends_it(world: World, *, late: bool) -> None:
    """No old token lives past the grace; its return ends the family."""
    successor = finish(world.refresh())
    world.clock.advance(GRACE)
    newest = successor.refresh_token
    if late:
        assert "rotated" == world.answer(newest)
        assert "replayed" == world.answer(newest)

    assert "refresh_reused" == world.answer(world.first.refresh_token)
    assert "session_revoked" == world.answer(newest)
    assert "session_revoked" == world.answer(world.first.refresh_token)


# ------------------------------------------------------------------ nothing fails


@pytest.mark.parametrize("parties", [2, 3])
def test_one_write_one_token_and_the_session_lives(parties: int) -> None:
    """The naive protocol kills the session in all of these schedules."""
    seen = 0
    for world, outcomes in schedules(*["refresh"] * parties):
        seen += 1
        tokens = [outcome.value for outcome in outcomes]

        assert {"rotated": 1, "replayed": parties - 1} == Counter(
            each.rotation for each in tokens
        )
        assert len({each.refresh_token for each in tokens}) == 1
        assert world.store.writes == 1
        assert world.alive()

    assert seen == {2: 6, 3: 288}[parties]


@pytest.mark.parametrize(
    ("tabs", "count"),
    [(("chain", "refresh"), 25), (("chain", "refresh", "refresh"), 2456)],
    ids=["two-tabs", "three-tabs"],
)
def test_an_eager_tab_does_not_betray_a_slow_one(
    tabs: tuple[str, ...], count: int
) -> None:
    """The chain race: without ``kept`` a slow tab's token would look stolen."""
    seen = 0
    for world, outcomes in schedules(*tabs):
        seen += 1

        assert [None] * len(tabs) == [outcome.error for outcome in outcomes]
        assert world.store.writes == 1
        assert world.alive()

    assert seen == count


def test_without_a_grace_the_chain_race_kills() -> None:
    """The test can fail: with grace 0 some schedules end in ``refresh_reused``."""
    dead = [
        world
        for world, _ in schedules("chain", "refresh", grace=0)
        if not world.alive()
    ]

    assert dead


@pytest.mark.parametrize(("parties", "count"), [(1, 6), (2, 192)])
def test_after_a_logout_the_session_is_dead(parties: int, count: int) -> None:
    """No refresh that races with a logout brings the session back."""
    seen = 0
    for world, outcomes in schedules(*["refresh"] * parties, "logout"):
        seen += 1
        assert not world.alive()
        for outcome in outcomes[:-1]:
            refused = isinstance(outcome.error, Refused)
            assert refused or outcome.value.rotation in {"rotated", "replayed"}

        assert "session_revoked" == world.answer(world.first.refresh_token)

    assert seen == count


@pytest.mark.parametrize(
    "tabs",
    [
        ("refresh", "refresh_ahead", "refresh"),
        ("chain", "refresh_ahead"),
        ("chain_ahead", "refresh_ahead"),
        ("chain_ahead", "refresh"),
    ],
    ids="-".join,
)
def test_hosts_may_differ_by_less_than_the_grace(tabs: tuple[str, ...]) -> None:
    """S12: 29 s apart nobody is out; 30 s, which is the grace, look like a theft."""
    for world, outcomes in schedules(*tabs, apart=GRACE - 1):
        assert [None] * len(tabs) == [outcome.error for outcome in outcomes]
        assert_one_of_each(world, outcomes)
        assert world.alive()
    too_far = [world.alive() for world, _ in schedules(*tabs, apart=GRACE)]

    assert not all(too_far)


# ------------------------------------------------------------------ faults


@pytest.mark.parametrize(
    ("tabs", "faults", "count"),
    [
        (("refresh", "refresh"), 1, 22),
        (("refresh", "refresh"), 2, 62),
        (("refresh", "refresh", "refresh"), 1, 210),
        (("refresh", "refresh", "refresh"), 2, 930),
        (("chain", "refresh"), 1, 75),
        (("chain", "refresh"), 2, 243),
        (("chain", "refresh", "refresh"), 1, 1412),
        (("stubborn", "stubborn"), 2, 284),
        (("stubborn", "refresh", "refresh"), 1, 356),
        (("stubborn", "stubborn", "stubborn"), 1, 648),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else str(value),
)
def test_a_failure_at_any_step_costs_no_session(
    tabs: tuple[str, ...], faults: int, count: int
) -> None:
    """S11: the store fails, or the process dies, before or after it acted."""
    seen = 0
    for world, outcomes in schedules(*tabs, faults=faults, started=True):
        seen += 1
        failed = sum(each.died or each.error is not None for each in outcomes)

        assert failed <= faults
        assert_one_of_each(world, outcomes)
        assert_nobody_is_out(world, outcomes)
        assert_theft_ends_it(world, late=bool(seen % 2))

    assert seen == count


@pytest.mark.parametrize("end", ["logout", "revoke_all"])
@pytest.mark.parametrize(
    ("tabs", "faults"),
    [(1, 1), (1, 2), (2, 1)],
    ids=["one-tab", "one-tab-two-faults", "two-tabs"],
)
def test_an_end_that_was_answered_is_an_end(tabs: int, faults: int, end: str) -> None:
    """One that failed may be repeated; then nothing lives, whoever raced with it."""
    for world, outcomes in schedules(
        *["refresh"] * tabs, end, faults=faults, started=True
    ):
        assert_one_of_each(world, outcomes)
        for outcome in outcomes[:-1]:
            refused = isinstance(outcome.error, Refused)
            assert not refused or not world.alive()
        if outcomes[-1].error is None and not outcomes[-1].died:
            assert not world.alive()
        finish(getattr(world, end)())

        assert not world.alive()
        for each in [world.first, *granted(outcomes)]:
            assert "session_revoked" == world.answer(each.refresh_token)


# ------------------------------------------------------------------ logins


@pytest.mark.parametrize(("logins", "most"), [(2, 1), (2, 2), (3, 1), (3, 2)])
def test_logins_at_once_leave_the_limit(logins: int, most: int) -> None:
    """Not fewer: each of two would else end the other, and both users are out."""
    for world, outcomes in schedules(
        *["login"] * logins, started=True, max_per_subject=most
    ):
        opened = {each.session.id for each in granted(outcomes)}
        living = {row.id for row in world.rows.of_subject("ann", now=0)}

        assert logins == len(opened)
        assert most == len(living)
        assert living <= opened  # the session from before was the oldest


@pytest.mark.parametrize(
    ("tasks", "faults"),
    [
        (("login", "login"), 1),
        (("login", "login"), 2),
        (("login", "refresh"), 2),
        (("login", "login", "refresh"), 1),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else str(value),
)
def test_a_failing_login_ends_nobody_newer(tasks: tuple[str, ...], faults: int) -> None:
    """The limit may be passed until the next login; nobody is left without any."""
    for world, outcomes in schedules(
        *tasks, faults=faults, started=True, max_per_subject=1
    ):
        assert_one_of_each(world, outcomes)
        living = [row.id for row in world.rows.of_subject("ann", now=0)]
        assert living
        if world.alive():  # nobody's login got as far as to end it
            assert [each for each in outcomes if each.died or each.error is not None]
        newest = finish(world.login())

        assert [newest.session.id] == [
            row.id for row in world.rows.of_subject("ann", now=0)
        ]


# ------------------------------------------------------------------ tickets


@pytest.mark.parametrize(
    ("parties", "faults"), [(2, 0), (3, 0), (2, 1), (3, 1), (2, 2)]
)
def test_one_ticket_opens_one_socket(parties: int, faults: int) -> None:
    """Never two, whatever fails; exactly one if nothing does."""
    for world, outcomes in schedules(
        *["redeem"] * parties, faults=faults, started=True
    ):
        let_in = [each for each in outcomes if isinstance(each.value, Principal)]
        refused = [each for each in outcomes if isinstance(each.error, Refused)]

        assert len(let_in) <= 1
        assert faults or len(let_in) == 1
        assert {"token_invalid"} >= {each.error.code for each in refused}
        if let_in or refused:
            with pytest.raises(Refused, match="used before"):
                finish(world.redeem())


@pytest.mark.parametrize("faults", [0, 1])
@pytest.mark.parametrize(
    "tasks", [("redeem", "refresh"), ("redeem", "refresh", "redeem")]
)
def test_a_ticket_and_a_refresh_do_not_disturb_each_other(
    tasks: tuple[str, ...], faults: int
) -> None:
    """The socket opens while the page refreshes."""
    for world, outcomes in schedules(*tasks, faults=faults, started=True):
        refreshes = [
            each
            for name, each in zip(tasks, outcomes, strict=False)
            if name == "refresh"
        ]

        assert_one_of_each(world, outcomes)
        assert_nobody_is_out(world, refreshes)


def test_no_ticket_opens_after_a_logout() -> None:
    """A socket that opened before is the lease's business, not the ticket's."""
    for world, outcomes in schedules("redeem", "redeem", "logout", started=True):
        assert not world.alive()
        errors = [each.error for each in outcomes[:-1]]
        assert {"session_revoked", "token_invalid"} >= {
            each.code for each in errors if isinstance(each, Refused)
        }
        fresh = world.auth.ticket(world.who, "chat")
        with pytest.raises(Refused, match="session_revoked"):
            finish(world.auth.redeem(fresh, "chat"))


# ------------------------------------------------------------------ claims


def counted(world: World, _: Session) -> Mapping[str, object]:
    """Give each asking its own claims, so that it shows whose were stored."""
    world.asked += 1
    return {"asked": world.asked}


@pytest.mark.parametrize(
    ("parties", "faults"), [(2, 0), (3, 0), (2, 1), (3, 1), (2, 2)]
)
def test_the_winners_claims_are_everybodys(parties: int, faults: int) -> None:
    """A loser of the race has asked too, and its answer is dropped."""
    every = schedules(
        *["refresh"] * parties, faults=faults, started=True, on_refresh=counted
    )
    for seen, (world, outcomes) in enumerate(every):
        claims = {each.session.claims["asked"] for each in granted(outcomes)}
        assert_one_of_each(world, outcomes)
        if world.store.writes:
            assert {world.row().claims["asked"]} >= claims

        assert_nobody_is_out(world, outcomes)
        assert_theft_ends_it(world, late=bool(seen % 2))


def refuses_the_second(world: World, _: Session) -> Mapping[str, object]:
    """Disable the user between two askings."""
    world.asked += 1
    if world.asked > 1:
        raise Refused("user_disabled")
    return {}


@pytest.mark.parametrize(
    ("parties", "faults"), [(2, 0), (3, 0), (2, 1), (3, 1), (2, 2)]
)
def test_who_is_disabled_in_a_race_is_out(parties: int, faults: int) -> None:
    """Also if another tab had asked before; a failure only delays it."""
    for world, outcomes in schedules(
        *["refresh"] * parties,
        faults=faults,
        started=True,
        on_refresh=refuses_the_second,
    ):
        codes = [
            each.error.code for each in outcomes if isinstance(each.error, Refused)
        ]

        assert set(codes) <= {"user_disabled", "session_revoked"}
        assert not codes or not world.alive()
        if world.asked > 1 and not faults:
            assert not world.alive()
        world.clock.advance(GRACE)
        world.asked += 1
        newest = [*granted(outcomes), world.first][0]
        assert world.answer(newest.refresh_token) in {
            "user_disabled",
            "session_revoked",
            "refresh_reused",
        }
        assert not world.alive()
