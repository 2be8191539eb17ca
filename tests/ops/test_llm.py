"""The live check of an API key asks seldom, and judges the key alone."""

import functools
from typing import Any

import pytest

from resilient_auth.errors import ConfigError
from resilient_auth.ops.health import Health
from resilient_auth.ops.llm import KeyCheck
from resilient_auth.testing.clock import FrozenClock


class Said(Exception):
    """A provider's answer with a status."""

    def __init__(self, status: int) -> None:
        super().__init__("sk-secret")
        self.status_code = status


class Probe:
    """Plays outcomes, and counts."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    def __call__(self) -> Any:
        """Play the next one; the last for ever."""
        self.calls += 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.mark.parametrize(
    ("outcome", "status", "reason"),
    [
        ("ok", "pass", ""),
        (Said(401), "fail", "auth"),
        (Said(403), "fail", "permission"),
        (Said(402), "fail", "quota"),
        (Said(503), "warn", "overloaded"),
        (ConnectionRefusedError(), "warn", "refused"),
        (KeyError("x"), "warn", "bug"),
    ],
)
async def test_only_the_key_is_judged(outcome: Any, status: str, reason: str) -> None:
    """An outage is the circuit's business; nothing of the error's text is shown."""
    found = await KeyCheck(Probe(outcome)).arun()

    assert (found.status, found.reason) == (status, reason)


async def test_it_asks_once_in_a_while() -> None:
    """A provider counts our requests."""
    clock, probe = FrozenClock(), Probe("ok", Said(401))
    check = KeyCheck(probe, every=600, clock=clock)
    for _ in range(5):
        assert (await check.arun()).status == "pass"
        clock.advance(100)
    clock.advance(100)

    assert (await check.arun()).status == "fail"
    assert probe.calls == 2


async def test_what_says_nothing_is_asked_again() -> None:
    """An outage at the start must not hide a bad key for ten minutes."""
    probe = Probe(Said(503), Said(401))
    check = KeyCheck(probe, clock=FrozenClock())

    assert [(await check.arun()).status for _ in range(3)] == ["warn", "fail", "fail"]
    assert probe.calls == 2


async def test_an_async_probe_is_awaited() -> None:
    """As the async SDKs have it."""

    async def probe() -> None:
        """Refuse the key."""
        raise Said(401)

    assert (await KeyCheck(probe).arun()).status == "fail"
    assert (await KeyCheck(functools.partial(probe)).arun()).status == "fail"


async def test_the_service_serves_on_without_a_key() -> None:
    """It is not critical: readiness warns."""
    health = Health([KeyCheck(Probe(Said(401)))], refresh=0.001, fail_after=1)
    answer = await health.ready()

    assert answer.status == 200


def test_nonsense_is_refused() -> None:
    """When it is built."""
    with pytest.raises(ConfigError):
        KeyCheck("client")  # type: ignore[arg-type]
