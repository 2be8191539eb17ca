"""Retries alone, a breaker alone, and both on one function, in either order."""

import asyncio
from typing import Any

import pytest

from resilient_auth.errors import CircuitOpen, ConfigError
from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.parts import breaker, retry
from resilient_auth.resilience.policy import Backoff, Trip
from resilient_auth.testing.clock import FrozenClock

SOON = Backoff(first=1e-6, cap=1e-6)


class Down:
    """A provider that fails, and counts its calls."""

    def __init__(self, times: int = 10**9) -> None:
        self.calls = 0
        self._times = times

    def __call__(self) -> str:
        """Fail the first so many times."""
        self.calls += 1
        if self.calls <= self._times:
            raise ConnectionResetError
        return "ok"


def test_retries_alone() -> None:
    """No circuit opens, however much fails."""
    down = Down()
    call = retry(attempts=2, backoff=SOON, budget=None)(down)
    for _ in range(50):
        with pytest.raises(ConnectionResetError):
            call()

    assert down.calls == 100
    assert Resilience.of(call).snapshot()[Resilience.of(call).name].state == "closed"


async def test_retries_alone_of_a_task() -> None:
    """The same for ``async def``."""
    down = Down(times=1)

    @retry(backoff=SOON)
    async def call() -> str:
        """Fail once."""
        await asyncio.sleep(0)
        return down()

    assert await call() == "ok"
    assert Resilience.of(call).name.endswith("call")


def test_a_breaker_alone(clock: FrozenClock) -> None:
    """It tries nothing again, and functions that share it share its circuit."""
    provider = breaker("openai", trip=Trip(window=4, minimum=4))
    down = Down()
    first, second = provider(down), provider(lambda: "ok")
    with provider.testing(clock=clock):
        for _ in range(4):
            with pytest.raises(ConnectionResetError):
                first()
        assert down.calls == 4
        with pytest.raises(CircuitOpen):
            second()
    assert provider.snapshot()["openai"].state == "closed"


def test_an_operator_uses_the_breaker() -> None:
    """As he would use a `Resilience`."""
    provider = breaker("openai")
    call = provider(lambda: "ok")
    provider.open(seconds=60)
    with pytest.raises(CircuitOpen):
        call()
    provider.close()
    assert call() == "ok"


@pytest.mark.parametrize("retry_outside", [True, False])
def test_both_are_one_guard_in_either_order(retry_outside: bool) -> None:  # noqa: FBT001
    """T9: three attempts are three failures of one circuit, and none is slept on."""
    again = retry(attempts=3, backoff=SOON, budget=None)
    provider = breaker("openai", trip=Trip(window=4, minimum=4))
    down = Down()
    call = again(provider(down)) if retry_outside else provider(again(down))

    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            call()
    with pytest.raises(CircuitOpen):
        call()

    assert down.calls == 4
    assert provider.snapshot()["openai"].state == "open"
    assert Resilience.of(call).policy.attempts == 3


def test_a_stacked_function_shares_the_circuit_of_the_rest() -> None:
    """One outage is one outage, for the plain and the retried."""
    provider = breaker("openai")
    plain = provider(lambda: "ok")
    stacked = retry(attempts=2)(provider(lambda: "ok"))
    provider.open(seconds=60)
    for call in (plain, stacked):
        with pytest.raises(CircuitOpen):
            call()


def test_listeners_and_checks_of_both_are_kept(heard: list[Any]) -> None:
    """Two different checks would be a guess."""
    provider = breaker("openai", check=lambda _: None, listeners=[heard.append])
    call = retry(backoff=SOON, listeners=[heard.append])(provider(Down(times=1)))
    call()
    assert [each.name for each in heard] == [
        *("call_retried", "call_retried"),
        *("call_recovered", "call_recovered"),
    ]

    with pytest.raises(ConfigError, match="two checks"):
        retry(check=lambda _: None)(provider(lambda: "ok"))


@pytest.mark.parametrize("part", [retry(), breaker("x")])
def test_a_part_is_not_doubled(part: Any) -> None:
    """Nor stacked upon a whole guard, nor a third upon two."""
    other = retry() if part is not None and "breaker" in repr(part) else breaker("y")
    with pytest.raises(ConfigError, match="already"):
        part(part(lambda: "ok"))
    with pytest.raises(ConfigError, match="guarded already"):
        part(Resilience("llm")(lambda: "ok"))
    with pytest.raises(ConfigError, match="guarded already"):
        part(other(part(lambda: "ok")))


def test_nonsense_is_refused_where_it_is_said() -> None:
    """Not at the first call."""
    with pytest.raises(ConfigError):
        retry(attempts=0)
    with pytest.raises(ConfigError):
        breaker("")
    with pytest.raises(ConfigError, match="guarded by nobody"):
        Resilience.of(len)
