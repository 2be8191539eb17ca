"""What a session is given, and each way in which it ends, in both shells."""

import secrets
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from tests.auth.conftest import POLICY, RING, Build, World, refusal

from resilient_auth import (
    AsyncAuth,
    Auth,
    ConfigError,
    Key,
    KeyRing,
    MemoryStore,
    SessionPolicy,
    SQLAlchemyStore,
    TokenIssuer,
    TokenPolicy,
    Tokens,
    Unavailable,
)
from resilient_auth.events import (
    RefreshRefused,
    RefreshReused,
    SessionEnded,
    SessionOpened,
    TokenRefused,
)
from resilient_auth.stores.base import VERBS
from resilient_auth.stores.memory import AsyncMemoryStore
from resilient_auth.testing import FrozenClock
from resilient_auth.testing.wire import BreakableStore

#: Everything that asks the store, ``verify`` for what was revoked.
NEED_THE_STORE: dict[str, Callable[[Any, Tokens], object]] = {
    "login": lambda auth, _: auth.login("ann"),
    "refresh": lambda auth, tokens: auth.refresh(tokens.refresh_token),
    "session": lambda auth, tokens: auth.session(tokens.session.id),
    "sessions": lambda auth, _: auth.sessions("ann"),
    "revoke": lambda auth, tokens: auth.revoke(tokens.session.id),
    "own": lambda auth, tokens: auth.revoke(tokens.session.id, subject="ann"),
    "logout": lambda auth, tokens: auth.logout(tokens.session.id),
    "revoke-all": lambda auth, _: auth.revoke_all("ann"),
    "purge": lambda auth, _: auth.purge(),
    "verify": lambda auth, tokens: auth.verify(tokens.access_token),
}
LONG_CLAIMS: dict[str, object] = {"x": "y" * 9_000}


# ------------------------------------------------------------------ login


def test_a_login_gives_tokens_and_tells(world: World) -> None:
    """The principal of the access token is the one who logged in."""
    claims = {"role": "admin", "teams": [1, {"x": None}]}
    tokens = world.auth.login("ann", claims, device="phone", amr=("pwd", "otp"))
    who = world.auth.verify(tokens.access_token)
    now = int(world.clock.time())

    assert ("ann", tokens.session.id, now, now, now + 600, ("pwd", "otp")) == (
        who.subject,
        who.session_id,
        who.auth_time,
        who.issued_at,
        who.expires_at,
        who.amr,
    )
    assert ("issued", now + 600) == (tokens.rotation, tokens.access_expires_at)
    assert {"role": "admin", "teams": (1, {"x": None})} == who.claims
    opened = SessionOpened(
        at=now, session_id=who.session_id, subject="ann", device="phone", amr=who.amr
    )
    assert [opened] == world.told


def test_claims_are_taken_as_they_were(world: World) -> None:
    """A caller who changes the dictionary later changes no session."""
    claims: dict[str, Any] = {"teams": ["red"]}
    tokens = world.auth.login("ann", claims)
    claims["teams"].append("blue")

    assert ("red",) == world.auth.session(tokens.session.id).claims["teams"]


def test_every_login_has_an_id_of_its_own(world: World) -> None:
    """At least 128 random bits, and never one from before (ASVS 7.2.3, 7.2.4)."""
    ids = {world.auth.login("ann").session.id for _ in range(50)}

    assert {(50, 32)} == {(len(ids), len(each)) for each in ids}


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("", {}),
        ("a\nb", {}),
        (7, {}),
        (None, {}),
        ("ann", {"claims": {"sub": "root"}}),
        ("ann", {"claims": {"x": object()}}),
        ("ann", {"claims": {"x": float("nan")}}),
        ("ann", {"claims": LONG_CLAIMS}),
        ("ann", {"amr": ()}),
        ("ann", {"amr": "pwd"}),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_no_token_can_carry_opens_no_session(
    world: World, subject: Any, said: dict[str, Any]
) -> None:
    """The developer is told, and no row is left that nobody could ever use."""
    with pytest.raises((TypeError, ValueError)):
        world.auth.login(subject, **said)

    assert (0, []) == (len(world.store), world.told)


def test_tokens_are_not_shown(world: World) -> None:
    """A repr lands in logs and tracebacks."""
    tokens = world.auth.login("ann")

    assert tokens.access_token not in repr(tokens)
    assert tokens.refresh_token not in repr(tokens)
    assert tokens.access_token not in repr(world.told)


# ------------------------------------------------------------------ verify


def test_a_token_of_no_session_is_refused(world: World) -> None:
    """It may be signed by us for another purpose; a principal has a session."""
    token = TokenIssuer(RING, POLICY, clock=world.clock).issue("ann")

    assert "token_invalid" == refusal(world.auth.verify, token)
    assert ["no sid"] == [each.reason for each in world.told]


@pytest.mark.parametrize("token", ["", "x", "é", "a.b.c", "x" * 1_000_000, None, 7])
def test_what_is_no_token_is_refused_and_told(world: World, token: Any) -> None:
    """With one coarse code for the client and the exact reason for the log."""
    assert "token_invalid" == refusal(world.auth.verify, token)
    assert [TokenRefused] == [type(each) for each in world.told]


def test_an_expired_token_still_names_its_session(world: World) -> None:
    """A logout must work long after; a forged one names nothing."""
    tokens = world.auth.login("ann")
    world.clock.advance(10_000)

    assert "token_expired" == refusal(world.auth.verify, tokens.access_token)
    assert tokens.session.id == world.auth.session_of_access(tokens.access_token)
    assert tokens.session.id == world.auth.session_of_refresh(tokens.refresh_token)
    assert "token_invalid" == refusal(world.auth.session_of_access, "a.b.c")
    assert "refresh_invalid" == refusal(world.auth.session_of_refresh, "rt1.x")


@pytest.mark.parametrize(
    ("age", "code"),
    [
        (0, ""),
        (300, ""),
        (301, "step_up_required"),
        (-30, ""),
        (-31, "step_up_required"),
    ],
)
def test_a_step_up_asks_for_the_servers_auth_time(
    world: World, age: int, code: str
) -> None:
    """Stale or from the future is the same: prove it again (S10)."""
    who = world.auth.verify(world.auth.login("ann").access_token)
    world.clock.jump(age)

    if code:
        assert code == refusal(world.auth.require_recent, who)
    else:
        world.auth.require_recent(who, max_age=300)


# ------------------------------------------------------------------ refresh


def test_a_refresh_moves_the_session(world: World) -> None:
    """New tokens, a later idle end, the same session; the old access token lives."""
    first = world.auth.login("ann", {"x": 1})
    world.clock.advance(60)
    second = world.auth.refresh(first.refresh_token)

    assert ("rotated", 1, first.session.id) == (
        second.rotation,
        second.session.generation,
        second.session.id,
    )
    assert first.session.idle_expires_at + 60 == second.session.idle_expires_at
    assert {"x": 1} == world.auth.verify(second.access_token).claims
    assert "ann" == world.auth.verify(first.access_token).subject
    assert ["session_opened", "session_rotated"] == world.names()


def test_a_race_and_a_repetition(world: World) -> None:
    """Within the grace: the loser's answer, then the newest token kept."""
    first = world.auth.login("ann")
    second = world.auth.refresh(first.refresh_token)
    loser = world.auth.refresh(first.refresh_token)
    again = world.auth.refresh(second.refresh_token)

    assert ["replayed", "kept"] == [loser.rotation, again.rotation]
    assert {second.refresh_token} == {loser.refresh_token, again.refresh_token}
    assert ["refresh_replayed", "refresh_kept"] == world.names()[2:]


def test_theft_ends_the_family_and_is_told(world: World) -> None:
    """After the grace an old token is in two hands."""
    first = world.auth.login("ann")
    second = world.auth.refresh(first.refresh_token)
    world.clock.advance(30)
    code = refusal(world.auth.refresh, first.refresh_token)
    now = int(world.clock.time())

    assert "refresh_reused" == code
    assert "session_revoked" == refusal(world.auth.verify, second.access_token)
    assert "session_revoked" == refusal(world.auth.refresh, second.refresh_token)
    session_id = first.session.id
    assert [
        RefreshReused(
            at=now, session_id=session_id, subject="ann", presented=0, generation=1
        ),
        SessionEnded(
            at=now, session_id=session_id, subject="ann", reason="refresh_reused"
        ),
        RefreshRefused(
            at=now,
            code="refresh_reused",
            reason="an old token after the grace",
            session_id=session_id,
        ),
    ] == world.told[2:5]


@pytest.mark.parametrize("token", ["", "x", "rt1.k1.s.0.m", "é", "\ud800", None, 7])
def test_what_is_no_refresh_token_is_refused(world: World, token: Any) -> None:
    """Before any store access, so a flood of forgeries costs no I/O."""
    world.store.is_down = True

    assert "refresh_invalid" == refusal(world.auth.refresh, token)
    assert ["refresh_refused"] == world.names()


def test_a_clock_that_jumps_revokes_nothing(world: World) -> None:
    """NTP moves the calendar back an hour: nobody is a thief for it (S12)."""
    first = world.auth.login("ann")
    second = world.auth.refresh(first.refresh_token)
    world.clock.jump(-3_600)
    replayed = world.auth.refresh(first.refresh_token)
    kept = world.auth.refresh(second.refresh_token)

    assert ("replayed", "kept") == (replayed.rotation, kept.rotation)


def test_an_idle_end_never_passes_the_absolute_end(build: Build) -> None:
    """A busy session ends all the same, and its last tokens end with it."""
    world = build(idle=1_000, absolute=1_500)
    tokens = world.auth.login("ann")
    world.clock.advance(999)
    tokens = world.auth.refresh(tokens.refresh_token)
    last = int(world.clock.time()) + 501

    assert (last, last) == (tokens.session.idle_expires_at, tokens.access_expires_at)
    world.clock.advance(501)
    assert "session_expired" == refusal(world.auth.refresh, tokens.refresh_token)


def test_a_key_that_is_gone_is_no_verdict_on_the_session(build: Build) -> None:
    """Another process rotated with a newer key: this one must read its keys again."""
    store, clock = BreakableStore(), FrozenClock()
    old, new = Key.generate("HS256", kid="old"), Key.generate("HS256", kid="new")
    behind = build(store=store, clock=clock, ring=KeyRing([old]))
    ahead = build(store=store, clock=clock, ring=KeyRing([old, new]))
    first = behind.auth.login("ann")
    second = ahead.auth.refresh(first.refresh_token)

    with pytest.raises(Unavailable, match="a key this process lacks"):
        behind.auth.refresh(first.refresh_token)
    assert "replayed" == ahead.auth.refresh(first.refresh_token).rotation
    assert "refresh_invalid" == refusal(behind.auth.refresh, second.refresh_token)


def test_a_replay_is_the_same_while_the_ring_rotates(build: Build) -> None:
    """The row names the key of its token, so the successor can be derived again."""
    world = build()
    old, new = RING.keys[0], Key.generate("HS256", kid="k2")
    ahead = build(store=world.store, clock=world.clock, ring=KeyRing([old, new]))
    first = world.auth.login("ann")
    second = world.auth.refresh(first.refresh_token)
    replayed = ahead.auth.refresh(first.refresh_token)
    world.clock.advance(30)
    third = ahead.auth.refresh(second.refresh_token)

    assert second.refresh_token == replayed.refresh_token
    assert third.refresh_token.startswith("rt1.k2.")


# ------------------------------------------------------------------ endings


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda auth, row: auth.logout(row.id), "logout"),
        (lambda auth, row: auth.revoke(row.id), "revoked"),
        (lambda auth, row: auth.revoke(row.id, subject="ann", reason="x"), "x"),
        (lambda auth, _: auth.revoke_all("ann"), "revoked"),
        (lambda auth, _: auth.revoke_all("ann", reason="password"), "password"),
    ],
    ids=["logout", "revoke", "own", "all", "all-by-password"],
)
def test_a_session_ends_once(world: World, end: Any, reason: str) -> None:
    """At once and for every token; a second time is no error and no event."""
    tokens = world.auth.login("ann")
    end(world.auth, tokens.session)
    end(world.auth, tokens.session)

    assert "session_revoked" == refusal(world.auth.verify, tokens.access_token)
    assert "session_revoked" == refusal(world.auth.refresh, tokens.refresh_token)
    assert "session_revoked" == refusal(world.auth.session, tokens.session.id)
    assert [] == world.auth.sessions("ann")
    ended = [each for each in world.told if isinstance(each, SessionEnded)]
    assert [(tokens.session.id, "ann", reason)] == [
        (each.session_id, each.subject, each.reason) for each in ended
    ]


def test_nobody_ends_the_session_of_another(world: World) -> None:
    """Neither by its id nor by one that does not exist."""
    tokens = world.auth.login("ann")

    assert "not_found" == refusal(world.auth.revoke, tokens.session.id, subject="bob")
    assert "not_found" == refusal(world.auth.revoke, "unknown", subject="bob")
    assert "ann" == world.auth.verify(tokens.access_token).subject
    world.auth.revoke("unknown")
    assert ["session_opened"] == world.names()


@pytest.mark.parametrize("method", ["logout", "revoke"])
@pytest.mark.parametrize("wrong", ["access", "refresh", "principal", "none", "", "é"])
def test_what_is_no_session_id_ends_nothing_silently(
    world: World, method: str, wrong: str
) -> None:
    """A logout that was given the token looked like one that worked."""
    tokens = world.auth.login("ann")
    given = {
        "access": tokens.access_token,
        "refresh": tokens.refresh_token,
        "principal": world.auth.verify(tokens.access_token),
        "none": None,
    }.get(wrong, wrong)

    with pytest.raises((TypeError, ValueError), match="session id") as caught:
        getattr(world.auth, method)(given)
    assert tokens.access_token not in str(caught.value)
    assert tokens.refresh_token not in str(caught.value)


def test_what_a_client_calls_a_session_is_not_found(world: World) -> None:
    """With a subject the id came from outside, so it is the client's mistake."""
    for unfit in ("", "a.b.c", "é", "s" * 65, "a/b", "a\n"):
        assert "not_found" == refusal(world.auth.revoke, unfit, subject="ann")
    with pytest.raises(TypeError):
        world.auth.revoke(None, subject="ann")


@pytest.mark.parametrize(
    ("subject", "keep"),
    [(None, None), ("", None), ("a\nb", None), ("ann", "a.b.c"), ("ann", 7)],
)
def test_nobody_and_no_session_are_errors(
    world: World, subject: Any, keep: Any
) -> None:
    """``keep=`` a token would end the session it should keep, and say so nowhere."""
    tokens = world.auth.login("ann")

    with pytest.raises((TypeError, ValueError)):
        world.auth.revoke_all(subject, keep=keep)
    assert "ann" == world.auth.verify(tokens.access_token).subject


def test_all_sessions_but_one(world: World) -> None:
    """After a new password this device stays and the others go (ASVS 7.4.3)."""
    kept, *others = [world.auth.login("ann") for _ in range(3)]
    bob = world.auth.login("bob")

    assert 2 == world.auth.revoke_all("ann", keep=kept.session.id)
    assert [kept.session] == world.auth.sessions("ann")
    assert [bob.session] == world.auth.sessions("bob")
    for each in others:
        assert "session_revoked" == refusal(world.auth.verify, each.access_token)
    assert 0 == world.auth.revoke_all("ann", keep=kept.session.id)


def test_each_end_has_its_code(build: Build) -> None:
    """Idle, absolute and unknown are told apart; the later one counts."""
    world = build(idle=100, absolute=200)
    tokens = world.auth.login("ann")

    assert "session_revoked" == refusal(world.auth.session, "unknown")
    world.clock.advance(100)
    assert "session_idle" == refusal(world.auth.session, tokens.session.id)
    assert "session_idle" == refusal(world.auth.refresh, tokens.refresh_token)
    world.clock.advance(100)
    assert "session_expired" == refusal(world.auth.session, tokens.session.id)


def test_purging_takes_what_ended_more_than_a_day_ago(world: World) -> None:
    """Until then a session can still say why it ended."""
    tokens = world.auth.login("ann")
    world.auth.logout(tokens.session.id)
    world.clock.advance(90_000)
    assert 0 == world.auth.purge()
    world.clock.advance(1)

    assert 1 == world.auth.purge(limit=10)
    assert 0 == len(world.store)


# ------------------------------------------------------------------ too many


def ids(rows: list[Any]) -> list[str]:
    """Return the ids of sessions, or of those of *rows* that are tokens."""
    return [getattr(row, "session", row).id for row in rows]


def test_over_the_limit_the_oldest_ends(build: Build) -> None:
    """The newest stays: who just proved the password is the one who is here."""
    world = build(max_per_subject=2)
    bob = world.auth.login("bob")
    first, second = world.auth.login("ann"), world.auth.login("ann")
    assert ids([second, first]) == ids(world.auth.sessions("ann"))
    third = world.auth.login("ann")

    assert ids([third, second]) == ids(world.auth.sessions("ann"))
    assert "session_revoked" == refusal(world.auth.verify, first.access_token)
    assert "session_revoked" == refusal(world.auth.refresh, first.refresh_token)
    assert "bob" == world.auth.verify(bob.access_token).subject
    ended = [each for each in world.told if isinstance(each, SessionEnded)]
    assert [(first.session.id, "session_limit")] == [
        (each.session_id, each.reason) for each in ended
    ]


def test_logins_of_one_second_keep_the_limit() -> None:
    """A database sorts by whole seconds and ids, and knows no other order."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    store = SQLAlchemyStore(engine)
    store.create_schema()
    clock = FrozenClock()
    lives = SessionPolicy(max_per_subject=1)
    auth = Auth(RING, POLICY, store=store, sessions=lives, clock=clock)
    for _ in range(9):
        clock.advance(0.1)
        newest = auth.login("ann")

        assert ids([newest]) == ids(auth.sessions("ann"))
    engine.dispose()


def test_a_lower_limit_ends_all_that_are_too_many(build: Build) -> None:
    """The policy was changed: the next login brings the number down."""
    world = build()
    for _ in range(4):
        world.auth.login("ann")
    strict = build(store=world.store, clock=world.clock, max_per_subject=1)
    newest = strict.auth.login("ann")

    assert ids([newest]) == ids(strict.auth.sessions("ann"))
    assert 4 == strict.names().count("session_ended")


def test_the_dead_do_not_count(build: Build) -> None:
    """A session that was ended or has expired takes no place."""
    world = build(max_per_subject=2, idle=100, absolute=1_000)
    world.auth.login("ann")
    world.clock.advance(100)
    kept = world.auth.login("ann")
    world.auth.logout(world.auth.login("ann").session.id)
    newest = world.auth.login("ann")

    assert ids([newest, kept]) == ids(world.auth.sessions("ann"))


def test_a_store_that_fails_after_the_login_lets_nobody_over_the_limit(
    build: Build,
) -> None:
    """The answer is 503; the next login finds one more to end."""
    world = build(max_per_subject=1)
    first = world.auth.login("ann")
    world.store.loses_answers = True
    with pytest.raises(Unavailable):
        world.auth.login("ann")
    world.store.loses_answers = False
    newest = world.auth.login("ann")

    assert ids([newest]) == ids(world.auth.sessions("ann"))
    assert "session_revoked" == refusal(world.auth.refresh, first.refresh_token)


# ------------------------------------------------------------------ room in a token


def test_a_session_that_opened_can_be_refreshed_for_ever(build: Build) -> None:
    """``gen`` gets digits; a token with no room for them would be a 500 one day."""
    world = build(grace=0)
    longest = 0
    for size in range(2_200, 2_500):
        try:
            tokens = world.auth.login("ann", {"x": "y" * size})
        except ValueError:
            break
        longest = size
        for _ in range(10):
            tokens = world.auth.refresh(tokens.refresh_token)

    assert 2_200 < longest < 2_499
    assert 10 == tokens.session.generation


# ------------------------------------------------------------------ the store


@pytest.mark.parametrize("name", NEED_THE_STORE)
def test_a_store_that_is_down_is_unavailable(world: World, name: str) -> None:
    """Never a `Refused`, and no event of something that did not happen (S11)."""
    tokens = world.auth.login("ann")
    told = list(world.told)
    world.store.is_down = True

    with pytest.raises(Unavailable) as caught:
        NEED_THE_STORE[name](world.auth, tokens)
    assert ("store_unavailable", 503) == (caught.value.code, caught.value.status)
    assert told == world.told
    world.store.is_down = False
    world.clock.advance(1)
    NEED_THE_STORE[name](world.auth, tokens)


def test_an_end_whose_answer_was_lost_counts_when_it_is_repeated(world: World) -> None:
    """At once in this process, which need not wait for its next poll."""
    tokens = world.auth.login("ann")
    world.auth.verify(tokens.access_token)
    world.store.loses_answers = True
    with pytest.raises(Unavailable):
        world.auth.logout(tokens.session.id)
    world.store.loses_answers = False
    world.auth.logout(tokens.session.id)

    assert "session_revoked" == refusal(world.auth.verify, tokens.access_token)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda auth, _: auth.sessions(None), TypeError),
        (lambda auth, _: auth.sessions(""), ValueError),
        (lambda auth, _: auth.revoke_all(7), TypeError),
        (lambda auth, _: auth.revoke_all("ann", reason=None), ValueError),
        (lambda auth, row: auth.revoke(row.id, reason=""), ValueError),
        (lambda auth, row: auth.revoke(row.id, reason="x" * 257), ValueError),
        (lambda auth, row: auth.revoke(row.id, reason="a\x00"), ValueError),
        (lambda auth, row: auth.revoke(row.id, subject=7), TypeError),
        (lambda auth, _: auth.session(None), TypeError),
        (lambda auth, _: auth.purge(0), ValueError),
        (lambda auth, _: auth.purge(-1), ValueError),
        (lambda auth, _: auth.purge("all"), ValueError),
        (lambda auth, _: auth.login("ann", device=None), TypeError),
    ],
)
def test_what_cannot_be_meant_is_told(
    world: World, call: Any, error: type[Exception]
) -> None:
    """Before the store is asked, which would do nothing or answer with a 500."""
    tokens = world.auth.login("ann")
    world.store.is_down = True

    with pytest.raises(error, match=r"\.$"):
        call(world.auth, tokens.session)


def test_a_lost_answer_is_asked_for_again(world: World) -> None:
    """The rotation was stored and the answer lost: the same token earns it again."""
    first = world.auth.login("ann")
    world.store.loses_answers = True
    with pytest.raises(Unavailable):
        world.auth.refresh(first.refresh_token)
    world.store.loses_answers = False
    tokens = world.auth.refresh(first.refresh_token)

    assert ("replayed", 1) == (tokens.rotation, tokens.session.generation)


def test_a_store_may_be_empty_and_shared(build: Build) -> None:
    """An empty MemoryStore has length 0, which is not the same as none."""
    world = build()
    other = build(store=world.store, clock=world.clock)
    tokens = world.auth.login("ann")

    assert tokens.session == other.auth.session(tokens.session.id)


def test_without_a_store_sessions_live_in_this_process() -> None:
    """Enough for a first try, and for a worker that is alone."""
    tokens = (auth := Auth(RING, POLICY)).login("ann")

    assert tokens.session == auth.session(tokens.session.id)


async def test_without_a_store_the_same_for_the_asynchronous_shell() -> None:
    """The twin, with the machine's own clock."""
    auth = AsyncAuth(RING, POLICY)
    tokens = await auth.login("ann")

    assert tokens.session == await auth.session(tokens.session.id)


def test_a_store_of_the_other_colour_is_refused() -> None:
    """It would block the loop, or return coroutines that nobody awaits."""
    blocking = SimpleNamespace(**dict.fromkeys(VERBS, print))
    with pytest.raises(ConfigError, match="use AsyncAuth"):
        Auth(RING, POLICY, store=AsyncMemoryStore(MemoryStore()))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="use Auth"):
        AsyncAuth(RING, POLICY, store=blocking)  # type: ignore[arg-type]


def test_a_listener_that_raises_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What happened is stored already; the failure is logged."""

    def broken(_: object) -> None:
        raise OSError("disk full")

    told: list[object] = []
    auth = Auth(RING, POLICY, listeners=[broken, told.append], clock=FrozenClock())
    tokens = auth.login("ann")

    assert "ann" == auth.verify(tokens.access_token).subject
    assert 1 == len(told)
    assert ["A listener failed on session_opened"] == caplog.messages


def test_an_asymmetric_ring_needs_masters() -> None:
    """Found when the shell is built; with them it serves."""
    key = Key.generate("EdDSA", kid="e1")
    with pytest.raises(ConfigError, match="refresh_secrets"):
        Auth(KeyRing([key]), POLICY)

    secret = secrets.token_bytes(32)
    auth = Auth(KeyRing([key], refresh_secrets={"r1": secret}), POLICY)
    tokens = auth.login("ann")
    assert tokens.refresh_token.startswith("rt1.r1.")
    assert "rotated" == auth.refresh(tokens.refresh_token).rotation


def test_policies_bound_the_token() -> None:
    """An access token longer than the limit would be refused by its own verifier."""
    policy = TokenPolicy(issuer="i", audience="a", max_token_bytes=512)
    auth = Auth(RING, policy)

    with pytest.raises(ValueError, match="max_token_bytes"):
        auth.login("ann", {"x": "y" * 300})


def test_only_public_keys_are_public() -> None:
    """A ring of secrets has none to publish; an issuer's hold no private part."""
    key = Key.generate("EdDSA", kid="k1")
    issuer = Auth(
        KeyRing([key], refresh_secrets={"k1": secrets.token_bytes(32)}), POLICY
    )
    secrets_alone = Auth(KeyRing([Key.generate("HS256")]), POLICY)

    assert {"keys": [key.public_jwk()]} == issuer.public_keys()
    assert {} == secrets_alone.public_keys()
