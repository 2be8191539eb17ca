"""What ``on_refresh`` says of a session takes effect at its next refresh."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from tests.auth.conftest import POLICY, RING, Build, refusal

from resilient_auth import AsyncAuth, Auth, ConfigError, Refused, Session, Unavailable
from resilient_auth.events import RefreshRefused, SessionEnded
from resilient_auth.testing import FrozenClock


def saying(roles: dict[str, Any]) -> Callable[[Session], Any]:
    """Return a callback that gives a subject the role that *roles* names today."""
    return lambda session: {"role": roles[session.subject]}


def test_a_role_changes_at_the_next_refresh(build: Build) -> None:
    """The old access token keeps the old one until it expires, and no longer."""
    roles = {"ann": "user"}
    world = build(on_refresh=saying(roles))
    first = world.auth.login("ann", {"role": "admin", "team": 7})
    second = world.auth.refresh(first.refresh_token)
    roles["ann"] = "owner"
    kept = world.auth.refresh(second.refresh_token)
    replayed = world.auth.refresh(first.refresh_token)
    world.clock.advance(30)
    third = world.auth.refresh(second.refresh_token)

    assert [
        {"role": "admin", "team": 7},
        {"role": "user"},
        {"role": "user"},
        {"role": "user"},
        {"role": "owner"},
    ] == [
        world.auth.verify(each.access_token).claims
        for each in (first, second, kept, replayed, third)
    ]
    assert {"role": "owner"} == world.auth.session(first.session.id).claims


def test_it_is_asked_only_when_a_session_rotates(build: Build) -> None:
    """Neither a forger nor an old token costs a question to the user's database."""
    asked: list[Session] = []
    world = build(on_refresh=asked.append)
    first = world.auth.login("ann")
    second = world.auth.refresh(first.refresh_token)
    world.auth.refresh(first.refresh_token)
    world.auth.refresh(second.refresh_token)
    world.clock.advance(30)
    refusal(world.auth.refresh, first.refresh_token)
    refusal(world.auth.refresh, second.refresh_token)
    refusal(world.auth.refresh, "rt1.x")

    assert [first.session] == asked


def test_no_claims_are_said_as_none(build: Build) -> None:
    """As in ``login``: who says nothing any more keeps no old role."""
    world = build(on_refresh=lambda _: None)
    first = world.auth.login("ann", {"role": "admin"})
    second = world.auth.refresh(first.refresh_token)

    assert {} == world.auth.verify(second.access_token).claims


def disabled(_: Session) -> None:
    """Refuse everybody."""
    raise Refused("user_disabled", reason="left the company")


def test_a_disabled_user_is_out(build: Build) -> None:
    """The session ends, with the callback's own code (ASVS 7.4.2)."""
    world = build(on_refresh=disabled)
    tokens = world.auth.login("ann")
    code = refusal(world.auth.refresh, tokens.refresh_token)
    now, session_id = int(world.clock.time()), tokens.session.id

    assert "user_disabled" == code
    assert "session_revoked" == refusal(world.auth.refresh, tokens.refresh_token)
    assert "session_revoked" == refusal(world.auth.verify, tokens.access_token)
    assert [
        SessionEnded(
            at=now, session_id=session_id, subject="ann", reason="user_disabled"
        ),
        RefreshRefused(
            at=now,
            code="user_disabled",
            reason="left the company",
            session_id=session_id,
        ),
    ] == world.told[1:3]


@pytest.mark.parametrize("switch", ["is_down", "loses_answers"])
def test_a_disabled_user_during_an_outage(build: Build, switch: str) -> None:
    """The session could not be ended, or nobody knows: 503, and the next try ends."""
    outages = [switch]

    def falls(session: Session) -> None:
        for each in outages:
            setattr(world.store, each, True)
        outages.clear()
        disabled(session)

    world = build(on_refresh=falls)
    tokens = world.auth.login("ann")
    with pytest.raises(Unavailable):
        world.auth.refresh(tokens.refresh_token)
    setattr(world.store, switch, False)
    code = refusal(world.auth.refresh, tokens.refresh_token)

    assert {"is_down": "user_disabled", "loses_answers": "session_revoked"}[
        switch
    ] == code
    assert 0 == world.store.find(tokens.session.id).generation


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param({"sub": "root"}, ValueError, id="reserved"),
        pytest.param({"gen": 0}, ValueError, id="reserved-gen"),
        pytest.param({"x": "y" * 9_000}, ValueError, id="too-big"),
        pytest.param({"x": object()}, TypeError, id="no-json"),
        pytest.param({"x": float("nan")}, ValueError, id="nan"),
        pytest.param("admin", TypeError, id="text"),
        pytest.param(["admin"], TypeError, id="list"),
        pytest.param(7, TypeError, id="number"),
    ],
)
def test_what_no_token_can_carry_rotates_nothing(
    build: Build, answer: Any, error: type[Exception]
) -> None:
    """A mistake in the callback is the developer's, and costs no session."""
    said = [answer, {"role": "user"}]
    world = build(on_refresh=lambda _: said.pop(0))
    first = world.auth.login("ann")
    with pytest.raises(error):
        world.auth.refresh(first.refresh_token)
    assert ["session_opened"] == world.names()
    second = world.auth.refresh(first.refresh_token)

    assert ("rotated", 1) == (second.rotation, second.session.generation)


@pytest.mark.parametrize(
    "error",
    [ConnectionRefusedError("no database"), TimeoutError(), OSError("database gone")],
    ids=repr,
)
@pytest.mark.parametrize("awaited", [False, True])
def test_a_database_that_is_down_is_503(
    build: Build, error: Exception, *, awaited: bool
) -> None:
    """As in ``authenticate``: nothing was rotated, and a retry finds it back."""
    failures = [error]

    def falls(_: Session) -> dict[str, object]:
        if failures:
            raise failures.pop()
        return {}

    async def falls_later(session: Session) -> dict[str, object]:
        return falls(session)

    world = build(on_refresh=falls)
    if awaited and not isinstance(world.auth, Auth):
        world = build(on_refresh=falls_later)
    first = world.auth.login("ann")
    with pytest.raises(Unavailable) as caught:
        world.auth.refresh(first.refresh_token)

    assert ("auth_unavailable", error) == (caught.value.code, caught.value.__cause__)
    assert f"on_refresh: {type(error).__name__}" == caught.value.reason
    assert ["session_opened"] == world.names()
    assert "rotated" == world.auth.refresh(first.refresh_token).rotation


@pytest.mark.parametrize(
    "error", [Unavailable("overloaded"), KeyError("ann")], ids=repr
)
def test_another_exception_goes_on_and_rotates_nothing(
    build: Build, error: Exception
) -> None:
    """It says nothing of the session: the same token may be presented again."""
    failures = [error]

    def falls(_: Session) -> dict[str, object]:
        if failures:
            raise failures.pop()
        return {}

    world = build(on_refresh=falls)
    first = world.auth.login("ann")
    with pytest.raises(type(error)) as caught:
        world.auth.refresh(first.refresh_token)

    assert error is caught.value
    assert ["session_opened"] == world.names()
    assert "rotated" == world.auth.refresh(first.refresh_token).rotation


def test_a_slow_answer_does_not_eat_the_grace(build: Build) -> None:
    """The grace begins when the session moves, not when the question was asked."""

    def slow(_: Session) -> dict[str, object]:
        world.clock.advance(45)
        return {}

    world = build(on_refresh=slow)
    first = world.auth.login("ann")
    second = world.auth.refresh(first.refresh_token)
    world.clock.advance(29)
    again = world.auth.refresh(first.refresh_token)

    assert ("replayed", second.refresh_token) == (again.rotation, again.refresh_token)


def test_a_session_that_ends_while_it_is_asked(build: Build) -> None:
    """Its idle end passes, or somebody ends it: the answer comes too late."""

    def slow(session: Session) -> dict[str, object]:
        if session.subject == "ann":
            world.clock.advance(100)
        else:
            world.store.end(session.id, now=0, reason="elsewhere")
        return {}

    world = build(on_refresh=slow, idle=100, absolute=1_000)
    ann, bob = world.auth.login("ann"), world.auth.login("bob")

    assert "session_revoked" == refusal(world.auth.refresh, bob.refresh_token)
    assert "session_idle" == refusal(world.auth.refresh, ann.refresh_token)


# ------------------------------------------------------------------ awaited


class Answering:
    """An object that is called, and awaited."""

    async def __call__(self, session: Session) -> dict[str, object]:
        """Say who is asked about."""
        return {"role": f"of {session.subject}"}


async def answer(prefix: str, session: Session) -> dict[str, object]:
    """Say who is asked about."""
    return {"role": f"{prefix} {session.subject}"}


AWAITED: dict[str, Any] = {
    "function": partial(answer, "of"),
    "object": Answering(),
    "method": Answering().__call__,
    "lambda": lambda session: answer("of", session),
    "plain": lambda session: {"role": f"of {session.subject}"},
}


@pytest.mark.parametrize("name", AWAITED)
async def test_an_asynchronous_shell_awaits_it(name: str) -> None:
    """Or calls it, where there is nothing to await."""
    auth = AsyncAuth(RING, POLICY, on_refresh=AWAITED[name], clock=FrozenClock())
    tokens = await auth.refresh((await auth.login("ann")).refresh_token)

    assert {"role": "of ann"} == tokens.session.claims


@pytest.mark.parametrize("name", ["function", "object", "method"])
def test_a_synchronous_shell_cannot_await(name: str) -> None:
    """Found when it is built; a coroutine is no mapping of claims."""
    with pytest.raises(ConfigError, match="use AsyncAuth"):
        Auth(RING, POLICY, on_refresh=AWAITED[name])


@pytest.mark.parametrize("wrong", [{"role": "user"}, "user", 7])
def test_what_cannot_be_called_is_refused(build: Build, wrong: Any) -> None:
    """At start, and not at the first refresh ten minutes later."""
    with pytest.raises(ConfigError, match="on_refresh takes a function"):
        build(on_refresh=wrong)
