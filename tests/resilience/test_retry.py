"""What happens between a first failure and the end."""

import asyncio
import contextlib
import gc
import inspect
import os
import socket
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resilient_auth.errors import CircuitOpen, ConfigError, DeadlineExceeded, answer_for
from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.policy import (
    Backoff,
    Bulkhead,
    RetryBudget,
    Timeouts,
    Trip,
)
from resilient_auth.testing.clock import FrozenClock


class Said(Exception):
    """A provider's answer with a status, as every SDK has one."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.headers = {name.replace("_", "-"): text for name, text in headers.items()}


class Script:
    """A provider that plays a list of outcomes, and counts its calls."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Play the next outcome; the last one for ever."""
        self.calls += 1
        await asyncio.sleep(0)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, BaseException):
            raise outcome
        if callable(outcome):
            return await outcome()
        return outcome


class Guarded:
    """A guarded script, and who guards it."""

    def __init__(self, llm: Resilience, script: Script) -> None:
        self.llm = llm
        self.call = llm(script)

    async def __call__(self, *args: Any) -> Any:
        """Call through the guard."""
        return await self.call(*args)


Guard = Callable[..., Guarded]


@pytest.fixture
def guard(clock: FrozenClock, heard: list[Any]) -> Iterator[Guard]:
    """Guard a script under frozen time; waits are skipped and heard as events."""
    with contextlib.ExitStack() as stack:

        def build(script: Script, **settings: Any) -> Guarded:
            """Guard it."""
            llm = Resilience("llm", listeners=[heard.append], **settings)
            stack.enter_context(llm.testing(clock=clock))
            return Guarded(llm, script)

        yield build


def names(heard: list[Any]) -> list[str]:
    """Return the names of the events."""
    return [each.name for each in heard]


@pytest.mark.parametrize(
    "settings", [{}, {"timeouts": None, "bulkhead": None}], ids=["bounded", "bare"]
)
async def test_a_failure_that_passes_is_not_seen(
    guard: Guard, heard: list[Any], settings: dict[str, Any]
) -> None:
    """The point of it all: two hiccups, one answer."""
    script = Script(Said(500), ConnectionResetError(), "Hello")
    ask = guard(script, **settings)

    assert await ask("Hi") == "Hello"
    assert await ask("again") == "Hello"
    assert ["call_retried", "call_retried", "call_recovered"] == names(heard)
    assert heard[-1].attempts == 3
    assert [("server", 1), ("reset", 2)] == [(e.kind, e.attempt) for e in heard[:2]]


async def test_attempts_count_the_first_call(guard: Guard, heard: list[Any]) -> None:
    """Three means three requests at the server, and the provider's own last error."""
    errors = [Said(500), Said(502), Said(503)]
    script = Script(*errors)
    with pytest.raises(Said) as caught:
        await guard(script, attempts=3)()

    assert errors[2] is caught.value
    assert script.calls == 3
    assert ("call_failed", 3, "overloaded", "attempts_spent") == (
        heard[-1].name,
        heard[-1].attempts,
        heard[-1].kind,
        heard[-1].why,
    )


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(TypeError("yours"), id="a bug"),
        pytest.param(Said(400), id="400"),
        pytest.param(Said(401), id="401"),
        pytest.param(Said(402), id="402"),
        pytest.param(Said(429, x_should_retry="false"), id="told not to"),
    ],
)
async def test_what_cannot_pass_is_not_tried_again(
    guard: Guard, heard: list[Any], error: Exception
) -> None:
    """T8: bare tenacity repeats a TypeError 20,001 times in five seconds."""
    script = Script(error)
    with pytest.raises(type(error)) as caught:
        await guard(script)()

    assert error is caught.value
    assert script.calls == 1
    assert heard[-1].why == "not_retryable"


async def test_a_later_failure_may_end_it_too(guard: Guard, heard: list[Any]) -> None:
    """Every failure is judged for itself."""
    script = Script(Said(500), Said(400), "never")
    with pytest.raises(Said):
        await guard(script)()

    assert (2, 2) == (script.calls, heard[-1].attempts)
    assert ("bad_request", "not_retryable") == (heard[-1].kind, heard[-1].why)


async def test_a_told_wait_is_slept_through(
    guard: Guard, heard: list[Any], clock: FrozenClock
) -> None:
    """Never shorter than told, and up to a tenth longer: not all come at once."""
    await guard(Script(Said(429, retry_after="4"), "ok"))()

    assert 4.0 <= heard[0].wait <= 4.4
    assert heard[0].wait == clock.monotonic()


async def test_a_wait_beyond_the_cap_opens_the_key_until_then(
    guard: Guard, heard: list[Any]
) -> None:
    """The SDK of anthropic would sleep 3,600 s, twice, with the browser waiting."""
    script = Script(Said(429, retry_after="3600"))
    call = guard(script)
    with pytest.raises(Said):
        await call()
    with pytest.raises(CircuitOpen) as caught:
        await call()

    assert (1, 3600.0) == (script.calls, caught.value.retry_in)
    assert ["breaker_opened", "call_failed"] == names(heard)
    assert heard[-1].why == "wait_too_long"


async def test_a_wait_that_does_not_fit_the_deadline_is_not_slept(
    guard: Guard, clock: FrozenClock, heard: list[Any]
) -> None:
    """T3: no sleep may cross the deadline; failing now leaves time for a fallback."""
    call = guard(Script(Said(429, retry_after="10")))
    with Deadline.after(5, clock=clock), pytest.raises(Said):
        await call()

    assert (0.0, "deadline") == (clock.monotonic(), heard[-1].why)
    assert call.llm.snapshot()["llm"].retry_in == 10.0


async def test_the_total_bounds_all_attempts_and_waits(
    guard: Guard, clock: FrozenClock
) -> None:
    """SDKs have no deadline over attempts: a read timeout of t costs 3 t there."""
    script = Script(Said(500))
    with pytest.raises(Said):
        await guard(
            script,
            attempts=1000,
            timeouts=Timeouts(total=20.0),
            trip=Trip(window=2000, minimum=2000),
            backoff=Backoff(first=4.0, cap=4.0),
        )()

    assert clock.monotonic() < 20.0
    assert script.calls < 200


async def test_an_open_circuit_is_never_slept_on(
    guard: Guard, heard: list[Any], clock: FrozenClock
) -> None:
    """T9: the failure that opens the circuit is the last one, and raised as it is."""
    script = Script(Said(500))
    call = guard(script, attempts=10, trip=Trip(window=4, minimum=2))
    with pytest.raises(Said):
        await call()
    waited = clock.monotonic()
    with pytest.raises(CircuitOpen):
        await call()

    assert (2, waited) == (script.calls, clock.monotonic())
    assert ["call_retried", "breaker_opened", "call_failed"] == names(heard)
    assert heard[-1].why == "circuit_open"


async def test_a_circuit_opened_meanwhile_ends_it_with_the_real_error(
    guard: Guard, heard: list[Any]
) -> None:
    """While this call waited, others opened it: what it had met is what it tells."""
    error = Said(500)
    script = Script(error)
    call = guard(script)
    llm = call.llm

    async def opened_meanwhile(_: float) -> None:
        """Let somebody open the circuit during the wait."""
        llm.open(seconds=5.0)

    llm._asleep = opened_meanwhile
    with pytest.raises(Said) as caught:
        await call()

    assert error is caught.value
    assert (1, "circuit_open", 1) == (script.calls, heard[-1].why, heard[-1].attempts)


async def test_the_budget_ends_retries_not_calls(
    guard: Guard, heard: list[Any]
) -> None:
    """In an outage the retries of all must not triple the load."""
    script = Script(Said(500))
    call = guard(
        script,
        budget=RetryBudget(ratio=0.0, per_second=0.5),
        trip=Trip(window=1000, minimum=1000),
        timeouts=None,
        backoff=Backoff(first=1e-9, cap=1e-9),
    )
    for _ in range(20):
        with pytest.raises(Said):
            await call()

    assert 20 + 5 == script.calls
    assert "retry_budget_spent" in names(heard)
    assert heard[-1].why == "budget_spent"


async def test_a_refused_retry_spends_nothing(guard: Guard) -> None:
    """Only what goes out is paid for: the last question is the budget's."""
    script = Script(Said(429, retry_after="100"))
    call = guard(script, budget=RetryBudget(ratio=0, per_second=1), attempts=3)
    llm = call.llm
    for _ in range(50):
        llm.close()
        with pytest.raises(Said):
            await call()

    assert llm._lanes.get("llm").budget.granted == 0


@pytest.mark.parametrize(
    "ending", [asyncio.CancelledError(), KeyboardInterrupt(), GeneratorExit()]
)
async def test_cancellation_passes_through_a_later_attempt(
    guard: Guard, ending: BaseException
) -> None:
    """T2: the predicate must not retry it; tenacity must not wrap it."""
    script = Script(Said(500), ending)
    call = guard(script)
    with pytest.raises(type(ending)):
        await call()

    circuit = call.llm.snapshot()["llm"]
    assert (2, 1, 0) == (script.calls, circuit.calls, circuit.in_flight)


async def test_a_task_cancelled_while_it_waits_ends_at_once() -> None:
    """The browser goes away between two attempts."""
    script = Script(Said(429, retry_after="30"))
    llm = Resilience("llm", timeouts=None)
    task = asyncio.create_task(llm(script)())
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (1, 0) == (script.calls, llm.snapshot()["llm"].in_flight)


async def test_a_coroutine_that_is_closed_gives_everything_back(guard: Guard) -> None:
    """GeneratorExit comes when an unfinished call is thrown away, in a retry too."""
    hang = asyncio.get_running_loop().create_future()

    async def forever() -> None:
        """Never answer."""
        await hang

    call = guard(Script(Said(500), forever), timeouts=None)
    llm = call.llm
    coroutine = call()
    task = asyncio.create_task(coroutine)
    for _ in range(20):
        await asyncio.sleep(0)
    assert llm.snapshot()["llm"].in_flight == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert llm.snapshot()["llm"].in_flight == 0
    assert llm._lanes.get("llm").slots.taken == 0


async def test_no_failure_keeps_the_prompt_alive(guard: Guard) -> None:
    """T6: an error and its traceback must not form a cycle with the request's body."""

    class Body:
        """A prompt of some megabytes."""

    async def fail(body: Body) -> None:
        """Fail in a way that is tried again."""
        raise Said(500)

    async def reject(body: Body) -> None:
        """Fail in a way that is not."""
        raise Said(400)

    gc.collect()
    gc.disable()
    try:
        for settings in ({}, {"timeouts": None, "bulkhead": None}):
            for work in (fail, reject):
                body = Body()
                alive = weakref.ref(body)
                call = guard(Script("unused"), **settings).llm(work)
                with contextlib.suppress(Said):
                    await call(body)
                del body

                assert alive() is None
    finally:
        gc.enable()


@pytest.mark.skipif(
    "MUTANT_UNDER_TEST" in os.environ, reason="a change is made by frames of its own"
)
async def test_the_traceback_is_short(guard: Guard) -> None:
    """P20: who reads the log wants the provider's frames, not the library's."""
    with pytest.raises(Said) as caught:
        await guard(Script(Said(500), Said(500), Said(500))).call()
    frames = [each.name for each in caught.traceback]

    assert not any("tenacity" in str(each.path) for each in caught.traceback)
    assert len(frames) <= 8


async def test_many_failing_calls_at_once_do_not_mix(guard: Guard) -> None:
    """T4: tenacity's shared statistics replaced errors by stray KeyErrors."""
    raised = []

    async def fail(number: int) -> None:
        """Fail with a status of its own."""
        await asyncio.sleep(0)
        raise Said(500 + number % 3)

    call = guard(
        Script("unused"),
        trip=Trip(window=1000, minimum=1000),
        bulkhead=None,
        budget=None,
    ).llm(fail)
    results = await asyncio.gather(
        *(call(number) for number in range(300)), return_exceptions=True
    )
    raised = [each.status_code for each in results]  # type: ignore[union-attr]

    assert [500 + number % 3 for number in range(300)] == raised


async def test_a_full_bulkhead_on_a_later_attempt_tells_the_real_error(
    guard: Guard, heard: list[Any]
) -> None:
    """A call that waits holds no slot, so another may take it meanwhile."""
    error = Said(500)
    call = guard(Script(error), bulkhead=Bulkhead(1, queue=0))
    llm = call.llm
    slots = llm._lanes.get("llm").slots

    async def taken_meanwhile(_: float) -> None:
        """Let somebody take the slot during the wait."""
        await slots.aacquire()

    llm._asleep = taken_meanwhile
    with pytest.raises(Said):
        await call()

    assert heard[-1].why == "bulkhead_full"
    slots.release()


async def test_a_spent_deadline_refuses_the_call(
    guard: Guard, clock: FrozenClock
) -> None:
    """Nothing is sent that nobody can wait for."""
    script = Script("ok")
    call = guard(script)
    with Deadline.after(1, clock=clock):
        clock.advance(1)
        with pytest.raises(DeadlineExceeded):
            await call()

    assert script.calls == 0
    assert call.llm._lanes.get("llm").slots.taken == 0


def test_awaitables_are_never_taken_for_results() -> None:
    """T1, P1: a `def` that returns a coroutine would always have succeeded."""
    llm = Resilience("llm")

    def plain() -> object:
        """Return an awaitable."""
        return asyncio.sleep(0)

    def generator() -> Any:
        """Yield."""
        yield 1

    async def stream() -> Any:
        """Yield."""
        yield 1

    with pytest.raises(ConfigError, match="async def"):
        llm(plain)()
    for fn in (generator, stream):
        with pytest.raises(ConfigError, match=r"\.stream\("):
            llm(fn)


async def test_the_signature_is_kept() -> None:
    """Frameworks and editors read it."""
    llm = Resilience("llm")

    class Client:
        """A client with a guarded method."""

        @llm
        async def ask(self, prompt: str, *, model: str = "m") -> str:
            """Ask it."""
            return f"{prompt} {model}"

    assert "(self, prompt: str, *, model: str = 'm') -> str" == str(
        inspect.signature(Client.ask)
    )
    assert ("ask", "Ask it.") == (Client.ask.__name__, Client.ask.__doc__)
    assert inspect.iscoroutinefunction(Client.ask)
    assert await Client().ask("Hi", model="n") == "Hi n"


async def test_what_seldom_helps_is_tried_once_more(
    guard: Guard, heard: list[Any]
) -> None:
    """However many attempts there are; and the event names the key."""
    script = Script(socket.gaierror())
    with pytest.raises(socket.gaierror):
        await guard(script, attempts=5)()

    assert script.calls == 2
    assert [(each.name, each.key) for each in heard] == [
        ("call_retried", "llm"),
        ("call_failed", "llm"),
    ]


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Said(401), 15.0),  # the circuit that it opened
        (Said(503, retry_after="4", x_should_retry="false"), 4.0),  # as told
        (Said(503), 1.0),
    ],
)
async def test_what_our_own_client_is_told(
    guard: Guard, error: Said, seconds: float
) -> None:
    """When to come back: as long as the circuit is open, as told, or soon."""
    with pytest.raises(Said):
        await guard(Script(error))()
    answer = answer_for(error)

    assert answer is not None
    assert (answer.code, answer.retry_after) == ("llm_unavailable", seconds)
