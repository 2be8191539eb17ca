"""
What we rely on in pybreaker and tenacity, so that an upgrade that changes it is seen.

The other side of it, their flaws, is pinned here too where it decides how we use them:
when one of these tests fails because a flaw is mended, a workaround can go.
"""

import asyncio
from typing import Any

import pybreaker
import pytest
import tenacity


class Recorder(pybreaker.CircuitBreakerListener):
    """Writes down what the listener is told, and what the breaker shows meanwhile."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
        """Write it down."""
        self.seen.append((new_state.name, cb.current_state))


class Counting(pybreaker.CircuitMemoryStorage):
    """Writes down the order of calls."""

    def __init__(self) -> None:
        super().__init__(pybreaker.STATE_CLOSED)
        self.calls: list[str] = []

    def increment_counter(self) -> None:
        """Write it down."""
        self.calls.append("failed")
        super().increment_counter()

    def reset_counter(self) -> None:
        """Write it down."""
        self.calls.append("reset")
        super().reset_counter()


class Marker(Exception):
    """A failure shown to pybreaker."""


def fail() -> None:
    """Fail."""
    raise Marker


def breaker(**settings: Any) -> tuple[pybreaker.CircuitBreaker, Recorder, Counting]:
    """Return a breaker set up as ours is, and who watches it."""
    storage, recorder = Counting(), Recorder()
    machine = pybreaker.CircuitBreaker(
        state_storage=storage,
        listeners=[recorder],
        throw_new_error_on_trip=False,
        reset_timeout=100 * 365 * 86_400.0,
        **settings,
    )
    return machine, recorder, storage


def test_pybreaker_opens_after_a_failure_when_the_counter_is_reached() -> None:
    """So a storage that shows a rate as its counter makes it a rate breaker."""
    machine, recorder, storage = breaker(fail_max=2)
    machine.call(lambda: None)
    for _ in range(2):
        with pytest.raises(Marker):
            machine.call(fail)

    assert ["reset", "failed", "failed"] == storage.calls
    assert [("open", "closed")] == recorder.seen  # P19: it still shows the old state


def test_pybreaker_counts_probes_up_to_its_threshold() -> None:
    """Half-open: a success counts, the last one closes, a failure reopens."""
    machine, recorder, _ = breaker(fail_max=1, success_threshold=2)
    with pytest.raises(Marker):
        machine.call(fail)
    machine.half_open()
    machine.call(lambda: None)
    assert ("half-open", 1) == (machine.current_state, machine.success_counter)
    machine.call(lambda: None)
    assert machine.current_state == "closed"
    machine.half_open()
    with pytest.raises(Marker):
        machine.call(fail)

    assert ["open", "half-open", "closed", "half-open", "open"] == [
        name for name, _ in recorder.seen
    ]


def test_pybreaker_never_half_opens_by_itself_in_a_hundred_years() -> None:
    """P20: an infinite timeout is an OverflowError, so ours is merely very long."""
    machine, _, _ = breaker(fail_max=1)
    machine.open()

    with pytest.raises(pybreaker.CircuitBreakerError):
        machine.call(lambda: None)


async def test_pybreaker_takes_a_coroutine_for_a_success() -> None:
    """P1: why the guarded call is never given to it."""
    machine, _, storage = breaker(fail_max=1)

    async def failing() -> None:
        """Fail, when awaited."""
        raise Marker

    with pytest.raises(Marker):
        await machine.call(failing)

    assert ["reset"] == storage.calls


def retrying(**settings: Any) -> tenacity.AsyncRetrying:
    """Return a controller set up as ours is."""

    async def sleep(_: float) -> None:
        """Wait not at all."""

    return tenacity.AsyncRetrying(
        **(
            {
                "sleep": sleep,
                "retry": lambda state: state.outcome.result() == "again",
                "retry_error_callback": lambda state: state.outcome.result(),
            }
            | settings
        )
    )


async def test_tenacity_asks_retry_then_wait_then_stop_then_before_sleep() -> None:
    """So `stop` may refuse a wait, and the budget is spent only when one is due."""
    order: list[str] = []

    def note(name: str, *, answer: Any) -> Any:
        """Return a callback that writes down that it was asked."""

        def asked(_: tenacity.RetryCallState) -> Any:
            """Write it down and answer."""
            order.append(name)
            return answer

        return asked

    async def work() -> str:
        """Write it down."""
        order.append("attempt")
        return "again"

    await retrying(
        retry=note("retry", answer=True),
        wait=note("wait", answer=0.0),
        stop=lambda state: order.append("stop") or state.attempt_number == 2,
        before_sleep=note("before_sleep", answer=None),
    )(work)

    assert [
        *["attempt", "retry", "wait", "stop", "before_sleep"],
        *["attempt", "retry", "wait", "stop"],
    ] == order


async def test_tenacity_returns_the_last_value_where_told_to() -> None:
    """Outcomes are values, so nothing is raised and wrapped on the way."""

    async def work() -> str:
        """Want another attempt."""
        return "again"

    assert await retrying(stop=tenacity.stop_after_attempt(3))(work) == "again"


@pytest.mark.parametrize("ending", [asyncio.CancelledError(), KeyboardInterrupt()])
async def test_tenacity_raises_a_cancellation_when_retry_says_no(
    ending: BaseException,
) -> None:
    """T2: it catches everything; our predicate must let it out again."""

    async def work() -> str:
        """End."""
        raise ending

    with pytest.raises(type(ending)):
        await retrying(retry=lambda state: not state.outcome.failed)(work)
