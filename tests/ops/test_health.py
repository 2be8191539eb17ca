"""Liveness and readiness: cached, bounded, slow to change its mind, and discreet."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from resilient_auth import BreakerCheck, CheckResult, ConfigError, Health
from resilient_auth.events import Event
from resilient_auth.testing import FrozenClock

PASS, WARN, FAIL = CheckResult("pass"), CheckResult("warn"), CheckResult("fail", "why")


@dataclass
class Scripted:
    """A check that finds what it is told, and counts how often it looks."""

    found: CheckResult | Exception = PASS
    name: str = "database"
    critical: bool = True
    timeout: float = 5.0
    looks: int = 0
    gate: asyncio.Event | None = None

    async def arun(self) -> CheckResult:
        """Look once."""
        self.looks += 1
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@dataclass
class Probed:
    """A `Health` over scripted checks, with its clock and its events."""

    checks: list[Scripted]
    clock: FrozenClock = field(default_factory=FrozenClock)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.health = Health(
            self.checks, listeners=[self.events.append], clock=self.clock
        )

    async def look(self) -> int:
        """Let the cache run out, look, and return the status."""
        self.clock.advance(5)
        return (await self.health.ready()).status


async def test_liveness_depends_on_nothing() -> None:
    """A restart does not mend a database, so liveness must not ask it."""
    check = Scripted(FAIL)
    answer = await Probed([check]).health.live()

    assert answer.status == 200
    assert check.looks == 0


async def test_a_first_success_is_green_and_a_first_failure_red() -> None:
    """Readiness is red until it was once seen to be well."""
    assert await Probed([Scripted(PASS)]).look() == 200
    assert await Probed([Scripted(FAIL)]).look() == 503


async def test_it_changes_its_mind_slowly() -> None:
    """One lost packet is no outage, and one answer no recovery."""
    check = Scripted()
    probed = Probed([check])
    seen = [await probed.look()]
    for found in (FAIL, PASS, FAIL, FAIL, PASS, PASS):
        check.found = found
        seen.append(await probed.look())

    assert seen == [200, 200, 200, 200, 503, 503, 200]
    assert [(e.previous, e.status) for e in probed.events] == [
        ("starting", "pass"),
        ("pass", "fail"),
        ("fail", "pass"),
    ]


async def test_a_failure_that_is_not_critical_warns() -> None:
    """The service serves on without it."""
    probed = Probed([Scripted(PASS), Scripted(FAIL, name="llm", critical=False)])
    await probed.look()
    status = await probed.look()
    body = json.loads((await probed.health.ready()).body)

    assert (status, body["status"]) == (200, "warn")


@pytest.mark.parametrize(
    "found",
    [FAIL, RuntimeError("postgres://user:secret@host/db")],
    ids=["told", "raised"],
)
async def test_the_public_body_is_discreet(found: CheckResult | Exception) -> None:
    """No DSN, no host, no exception text; the listener is told the reason."""
    probed = Probed([Scripted(found)])
    await probed.look()
    answer = await probed.health.ready()

    assert json.loads(answer.body) == {
        "status": "fail",
        "checks": {"database": [{"status": "fail"}]},
    }
    assert ("Content-Type", "application/health+json") in answer.headers
    assert any(name == "Retry-After" for name, _ in answer.headers)


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: Health([], refresh=float("nan")), id="nan"),
        pytest.param(lambda: Health([], refresh=0), id="refresh"),
    ],
)
def test_a_check_cannot_be_built_wrong(build: Callable[[], object]) -> None:
    """The mistake is told where it is made, not at the first probe."""
    with pytest.raises(ConfigError):
        build()


async def test_many_probes_are_one_look() -> None:
    """A check that hangs is asked once, however many probes come."""
    check = Scripted(gate=asyncio.Event())
    probed = Probed([check])
    probes = [asyncio.create_task(probed.health.ready()) for _ in range(100)]
    await asyncio.sleep(0)
    check.gate.set()
    answers = await asyncio.gather(*probes)

    assert check.looks == 1
    assert {200} == {answer.status for answer in answers}


async def test_a_hanging_look_is_answered_from_the_cache() -> None:
    """Once there was an answer, nobody but the one who looks waits."""
    check = Scripted()
    probed = Probed([check])
    await probed.look()
    check.gate = asyncio.Event()
    probed.clock.advance(5)
    looking = asyncio.create_task(probed.health.ready())
    await asyncio.sleep(0)
    answer = await probed.health.ready()
    check.gate.set()
    await looking

    assert answer.status == 200
    assert check.looks == 2


async def test_a_probe_that_hangs_up_does_not_stop_the_look() -> None:
    """The others wait for the same look."""
    check = Scripted(gate=asyncio.Event())
    probed = Probed([check])
    first = asyncio.create_task(probed.health.ready())
    second = asyncio.create_task(probed.health.ready())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    check.gate.set()

    assert (await second).status == 200


async def test_a_check_has_a_time_limit() -> None:
    """A database that accepts and never answers is a failure, not a wait."""
    check = Scripted(gate=asyncio.Event(), timeout=0.01)

    assert await Probed([check]).look() == 503


def test_two_checks_of_one_name_are_refused() -> None:
    """One would hide the other in the body."""
    with pytest.raises(ConfigError, match="share"):
        Health([Scripted(), Scripted()])


@dataclass
class Circuit:
    """What a snapshot holds."""

    state: str


@pytest.mark.parametrize(
    ("state", "expected"), [("closed", "pass"), ("open", "warn"), ("half_open", "warn")]
)
async def test_an_open_circuit_warns(state: str, expected: str) -> None:
    """The provider is away; the service is not."""

    class Breakers:
        def snapshot(self) -> dict[str, Circuit]:
            return {"openai": Circuit(state)}

    assert expected == (await BreakerCheck(Breakers()).arun()).status


class Stubborn(Scripted):
    """A check that will not be cancelled once its gate is shut."""

    async def arun(self) -> CheckResult:
        """Wait for the gate, whoever says that it is enough."""
        self.looks += 1
        while self.gate is not None and not self.gate.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.gate.wait()
        return PASS


async def test_a_check_that_will_not_stop_turns_red_and_is_not_run_again() -> None:
    """Else the last good answer would be given for ever."""
    check = Stubborn(timeout=0.01)
    probed = Probed([check])
    seen = [await probed.look()]
    check.gate = asyncio.Event()
    seen += [await probed.look() for _ in range(3)]
    looks = check.looks
    check.gate.set()
    seen += [await probed.look() for _ in range(3)]

    assert [200, 200, 503, 503] == seen[:4]
    assert 2 == looks
    assert 200 == seen[-1]


async def test_a_check_that_cancels_itself_has_failed() -> None:
    """Drivers let the cancellation of an inner task out; no probe asked for it."""

    class Cancelling(Scripted):
        async def arun(self) -> CheckResult:
            raise asyncio.CancelledError

    assert 503 == await Probed([Cancelling()]).look()
