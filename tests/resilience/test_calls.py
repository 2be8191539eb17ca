"""`Resilience` as a whole: order, keys, limits, cancellation, operators."""

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from resilient_auth.errors import (
    BulkheadFull,
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    Unavailable,
    UnusableAnswer,
)
from resilient_auth.resilience.breaker import Circuit
from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.policy import Bulkhead, RetryBudget, Timeouts, Trip
from resilient_auth.resilience.results import sdk_response
from resilient_auth.resilience.verdict import Verdict
from resilient_auth.testing.clock import FrozenClock

SHORT = 0.005
HASTY = Trip(window=10, minimum=2)


class Down(Exception):
    """What an SDK raises for 500."""

    status_code = 500


async def ok(value: str = "ok") -> str:
    """Answer."""
    await asyncio.sleep(0)
    return value


async def down(*_: object) -> str:
    """Fail as a provider that is down."""
    await asyncio.sleep(0)
    raise Down


async def hang(*_: object) -> str:
    """Never answer."""
    await asyncio.Event().wait()
    return "never"


async def steps(count: int = 20) -> None:
    """Let every task that can run do so."""
    for _ in range(count):
        await asyncio.sleep(0)


async def refuse(call: Callable[..., Awaitable[object]], *args: object) -> None:
    """Make a call that fails."""
    with pytest.raises(Down):
        await call(*args)


async def test_the_circuit_opens_and_recovers(clock: FrozenClock) -> None:
    """The whole life: an outage, calls that cost nothing meanwhile, and its end."""
    llm = Resilience("llm", attempts=1, trip=HASTY, probes=1)
    healthy = False

    @llm
    async def ask() -> str:
        """Answer when healthy."""
        if not healthy:
            raise Down
        return "Hello"

    with llm.testing(clock=clock):
        await refuse(ask)
        await refuse(ask)
        with pytest.raises(CircuitOpen) as caught:
            await ask()
        clock.advance(caught.value.retry_in)
        healthy = True

        assert await ask() == "Hello"
        assert llm.snapshot()["llm"].state == "closed"


async def test_what_we_refuse_is_unavailable_with_a_retry_after() -> None:
    """The web layer makes 503 llm_unavailable of it, never the provider's status."""
    llm = Resilience("llm", attempts=1)
    llm.open(seconds=7.2)
    with pytest.raises(Unavailable) as caught:
        await llm(ok)()

    assert ("llm_unavailable", 503) == (caught.value.code, caught.value.status)
    assert caught.value.headers()["Retry-After"] == "8"


async def test_fifty_waiting_tasks_and_two_probes(clock: FrozenClock) -> None:
    """P3: exactly the probes go through, and the others are told no at once."""
    llm = Resilience("llm", attempts=1, trip=HASTY, probes=2, timeouts=None)
    release = asyncio.Event()
    reached = 0

    async def probe() -> str:
        """Count who came through."""
        nonlocal reached
        reached += 1
        await release.wait()
        return "ok"

    with llm.testing(clock=clock):
        await refuse(llm(down))
        await refuse(llm(down))
        clock.advance(15.0)
        tasks = [asyncio.create_task(llm(probe)()) for _ in range(50)]
        await steps()
        rejected = sum(task.done() for task in tasks)
        release.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        state = llm.snapshot()["llm"].state

    assert (2, 48, "closed") == (reached, rejected, state)
    assert ["ok", "ok"] == [each for each in results if isinstance(each, str)]


async def test_an_attempt_that_hangs_is_cut_and_made_again(heard: list[Any]) -> None:
    """Each attempt has its own limit, and the last one's is what is raised."""
    limits = Timeouts(total=60.0, attempt=SHORT)
    llm = Resilience("llm", timeouts=limits, listeners=[heard.append])
    with llm.testing(), pytest.raises(DeadlineExceeded) as caught:
        await llm(hang)()

    assert ("attempt", SHORT) == (caught.value.what, caught.value.limit)
    assert ["timeout", "timeout", "timeout"] == [each.kind for each in heard]
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_the_total_cuts_an_attempt_short(heard: list[Any]) -> None:
    """It had its fair share of time, so the provider is to blame."""
    llm = Resilience("llm", timeouts=Timeouts(total=SHORT), listeners=[heard.append])
    with pytest.raises(DeadlineExceeded) as caught:
        await llm(hang)()

    assert (caught.value.what, heard[-1].kind) == ("total", "deadline")
    assert llm.snapshot()["llm"].failure_rate == 1.0


async def test_a_caller_in_a_hurry_blames_nobody() -> None:
    """One client with a deadline of 5 ms must not open the circuit for all."""
    llm = Resilience("llm")
    with Deadline.after(SHORT), pytest.raises(DeadlineExceeded):
        await llm(hang)()

    assert llm.snapshot()["llm"] == Circuit(
        state="closed", calls=0, failure_rate=0.0, retry_in=0.0, in_flight=0
    )


async def test_an_outer_deadline_bounds_a_call_without_limits_of_its_own() -> None:
    """A deadline from the HTTP request counts even where all is off."""
    llm = Resilience("llm", timeouts=None, bulkhead=None)
    with Deadline.after(SHORT), pytest.raises(DeadlineExceeded):
        await llm(hang)()


async def test_the_deadline_is_seen_inside() -> None:
    """The documented way to give the SDK a timeout that fits."""
    llm = Resilience("llm", timeouts=Timeouts(total=5.0))

    @llm
    async def ask() -> float | None:
        """Return what is left."""
        return Deadline.left()

    left = await ask()

    assert left is not None
    assert 0 < left <= 5.0
    assert Deadline.left() is None


async def test_a_late_answer_is_still_an_answer() -> None:
    """A client that swallows the interruption and answers is not wasted."""
    llm = Resilience("llm", timeouts=Timeouts(attempt=SHORT))

    @llm
    async def stubborn() -> str:
        """Answer when interrupted."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "late"
        return "never"

    assert await stubborn() == "late"
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_a_timeout_of_the_callees_own_is_its_own() -> None:
    """What it raises is what the caller gets, after its retries."""
    llm = Resilience("llm")

    @llm
    async def ask() -> str:
        """Time out by itself."""
        raise TimeoutError("mine")

    with llm.testing(), pytest.raises(TimeoutError, match="mine"):
        await ask()


@pytest.mark.parametrize(
    "ending", [KeyboardInterrupt(), SystemExit(1), GeneratorExit()]
)
async def test_endings_pass_through_and_count_as_nothing(ending: BaseException) -> None:
    """P7: pybreaker counts and replaces them; they are not the provider's."""
    for settings in ({}, {"timeouts": None, "bulkhead": None}):
        llm = Resilience("llm", **settings)  # type: ignore[arg-type]

        @llm
        async def ask() -> str:
            """End."""
            raise ending

        with pytest.raises(type(ending)):
            await ask()
        circuit = llm.snapshot()["llm"]

        assert (0, 0) == (circuit.calls, circuit.in_flight)


@pytest.mark.parametrize("settings", [{}, {"timeouts": None, "bulkhead": None}])
async def test_a_thousand_cancelled_tasks_leave_nothing(settings: Any) -> None:
    """Permits, slots, tasks and timers all come back."""
    llm = Resilience("llm", **settings)
    tasks = [asyncio.create_task(llm(hang)()) for _ in range(1000)]
    await steps(5)
    for number, task in enumerate(tasks):
        if number % 100 == 0:
            await asyncio.sleep(0)
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    lane = llm._lanes.get("llm")
    loop: Any = asyncio.get_running_loop()
    timers = [each for each in loop._scheduled if not each.cancelled()]

    assert {asyncio.CancelledError, BulkheadFull} >= {type(each) for each in results}
    assert lane.breaker.view().in_flight == 0
    assert lane.slots is None or lane.slots.taken == 0
    assert not [each for each in timers if "Alarm" in repr(each)]
    assert llm.snapshot()["llm"].calls == 0


async def test_a_cancelled_probe_gives_its_permit_back(clock: FrozenClock) -> None:
    """Otherwise one closed browser keeps the circuit half-open for a lease."""
    llm = Resilience("llm", attempts=1, trip=HASTY, probes=1)
    with llm.testing(clock=clock):
        await refuse(llm(down))
        await refuse(llm(down))
        clock.advance(15.0)
        task = asyncio.create_task(llm(hang)())
        await steps()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await llm(ok)() == "ok"


async def test_ten_thousand_tasks_at_once() -> None:
    """No call waits for another's lock, and each has its own answer."""
    llm = Resilience("llm", bulkhead=None)
    echo = llm(ok)
    results = await asyncio.gather(*(echo(str(n)) for n in range(10_000)))

    assert [str(n) for n in range(10_000)] == results
    assert llm.snapshot()["llm"].in_flight == 0


def test_threads_share_one_instance() -> None:
    """P2: each thread runs its own loop; nothing serialises their calls."""
    llm = Resilience("llm", trip=HASTY, attempts=1)
    meet = threading.Barrier(8)

    async def ask() -> str:
        """Wait until all threads are inside."""
        await asyncio.to_thread(meet.wait, 10)  # all eight are inside at once
        return "ok"

    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.append(asyncio.run(llm(ask)())))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ["ok"] * 8 == results
    assert llm.snapshot()["llm"].in_flight == 0


async def test_each_key_has_its_own_circuit(clock: FrozenClock) -> None:
    """A model that is down must not take the others with it."""
    llm = Resilience(
        "llm", key=lambda model, **_: f"llm:{model}", attempts=1, trip=HASTY
    )

    @llm
    async def ask(model: str, *, prompt: str) -> str:
        """Ask one model, of which the big one is down."""
        if model == "big":
            raise Down
        return prompt

    with llm.testing(clock=clock):
        for _ in range(2):
            with pytest.raises(Down):
                await ask("big", prompt="Hi")
        with pytest.raises(CircuitOpen):
            await ask("big", prompt="Hi")

        assert await ask("small", prompt="Hi") == "Hi"
        assert {"llm:big": "open", "llm:small": "closed"} == {
            key: circuit.state for key, circuit in llm.snapshot().items()
        }


async def test_a_key_is_a_text() -> None:
    """A None from a lookup would put all tenants into one circuit."""
    llm = Resilience("llm", key=lambda: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(ConfigError):
        await llm(ok)()


async def test_a_flood_of_keys_forgets_no_outage() -> None:
    """The table is bounded, and open circuits and calls in flight outlive idle ones."""
    llm = Resilience("llm", key=str, max_keys=20)
    hanging = asyncio.create_task(llm(hang)("busy"))
    await steps()
    llm.open("down")
    for number in range(500):
        await llm(ok)(f"tenant {number}")
    seen = llm.snapshot()
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)

    assert len(seen) == 20
    assert ("open", 1) == (seen["down"].state, seen["busy"].in_flight)


async def test_a_key_that_is_used_outlives_one_that_is_not() -> None:
    """Busy tenants keep their windows while strangers come and go."""
    llm = Resilience("llm", key=str, max_keys=3)
    for key in ("a", "b", "c", "d"):
        await llm(ok)(key)
    await llm(ok)("b")
    await llm(ok)("e")

    assert {"b", "d", "e"} == set(llm.snapshot())


async def test_even_open_circuits_give_way_in_the_end() -> None:
    """Bounded is bounded, also when everything is down."""
    llm = Resilience("llm", key=str, max_keys=3)
    for number in range(200):
        llm.open(f"tenant {number}")

    assert len(llm.snapshot()) == 3


def test_many_threads_make_one_lane() -> None:
    """A key that is new to all at once must not get two circuits."""
    llm = Resilience("llm", key=str)
    start, lanes = threading.Barrier(8), []

    def work() -> None:
        """Get the same lanes as the others."""
        start.wait()
        lanes.extend([llm._lanes.get(str(number)) for number in range(200)])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(map(id, lanes))) == 200


async def test_a_snapshot_shows_the_circuit_before_the_first_call() -> None:
    """A status page must not be empty after a restart."""
    empty = Circuit(
        state="closed", calls=0, failure_rate=0.0, retry_in=0.0, in_flight=0
    )

    assert {"llm": empty} == Resilience("llm").snapshot()
    assert {"model": empty} == Resilience("llm", key="model").snapshot()
    assert {} == Resilience("llm", key=str).snapshot()


async def test_an_operator_opens_and_closes_by_key(clock: FrozenClock) -> None:
    """For maintenance, and for the hand that knows better."""
    llm = Resilience("llm")
    with llm.testing(clock=clock):
        llm.open()
        llm.open("other", seconds=3.0)
        with pytest.raises(CircuitOpen):
            await llm(ok)()
        llm.close()
        llm.close("never seen")

        assert await llm(ok)() == "ok"
        assert llm.snapshot()["other"].retry_in == 3.0
        with pytest.raises(ConfigError):
            llm.open(seconds=-1)


async def test_a_block_is_guarded_without_retries(heard: list[Any]) -> None:
    """What is inside cannot be run again, but counts like a call."""
    llm = Resilience("llm", trip=HASTY, listeners=[heard.append])
    async with llm.guard():
        inside = llm.snapshot()["llm"].in_flight
        assert Deadline.left() is not None
    with pytest.raises(Down):
        async with llm.guard():
            await down()
    with pytest.raises(CircuitOpen):
        async with llm.guard():
            raise AssertionError("the circuit is open")
    async with llm.guard("other"):
        pass

    assert (1, 0) == (inside, llm.snapshot()["llm"].in_flight)
    assert llm.snapshot()["other"].calls == 1
    assert ["breaker_opened", "call_failed"] == [each.name for each in heard]
    assert heard[-1].attempts == 1


async def test_a_block_takes_a_slot(clock: FrozenClock) -> None:
    """It is a call like any other: it may have to wait, and be slow."""
    llm = Resilience("llm", bulkhead=Bulkhead(1, queue=0), trip=HASTY)
    async with llm.guard():
        with pytest.raises(BulkheadFull):
            await llm(ok)()
    with llm.testing(clock=clock):
        for _ in range(2):
            async with llm.guard():
                clock.advance(13.0)

        assert llm.snapshot()["llm"].state == "open"
    assert await llm(ok)() == "ok"


async def test_a_block_is_cut_by_its_limit_and_by_cancellation() -> None:
    """Both give slot and permit back; only the limit counts."""
    llm = Resilience("llm", timeouts=Timeouts(attempt=SHORT, total=60.0))
    with pytest.raises(DeadlineExceeded):
        async with llm.guard():
            await hang()

    async def block() -> None:
        """Hang inside a guard."""
        async with llm.guard("cancelled"):
            await hang()

    task = asyncio.create_task(block())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError, match="mine"):
        async with llm.guard("timed out"):
            raise TimeoutError("mine")
    snapshot = llm.snapshot()

    assert {"llm": 1, "cancelled": 0, "timed out": 1} == {
        key: each.calls for key, each in snapshot.items()
    }
    assert {0} == {each.in_flight for each in snapshot.values()}


async def test_a_result_that_is_no_answer_is_tried_again(heard: list[Any]) -> None:
    """An empty choices list with status 200 raises nothing anywhere."""
    llm = Resilience("llm", listeners=[heard.append])
    empty = SimpleNamespace(model="m", choices=[])
    good = SimpleNamespace(model="m", choices=["Hi"])
    results = [empty, good]

    @llm
    async def ask() -> object:
        """Return the next result."""
        return results.pop(0)

    with llm.testing():
        assert good is await ask()
    assert ["call_retried", "call_recovered"] == [each.name for each in heard]
    assert "bad_payload" == heard[0].kind


async def test_a_result_that_stays_no_answer_is_unavailable() -> None:
    """There is no error of the provider's to raise."""
    llm = Resilience("llm", check=sdk_response)

    @llm
    async def ask() -> str:
        """Return a page."""
        return "<html>Log in to the Wi-Fi</html>"

    with llm.testing(), pytest.raises(UnusableAnswer) as caught:
        await ask()

    assert ("bad_payload", "llm_unavailable") == (caught.value.kind, caught.value.code)
    assert llm.snapshot()["llm"].calls == 0  # what happened in testing stays there


async def test_a_check_of_ones_own_decides() -> None:
    """Its verdict is treated like any other, its own failure like a bug."""

    def check(result: object) -> Verdict | None:
        """Judge three answers in three ways."""
        if result == "boom":
            raise ZeroDivisionError
        return Verdict("refusal", trips=True) if result == "no" else None

    llm = Resilience("llm", check=check)

    assert await llm(ok)("yes") == "yes"
    with pytest.raises(UnusableAnswer, match="refusal"):
        await llm(ok)("no")
    with pytest.raises(ZeroDivisionError):
        await llm(ok)("boom")
    assert llm.snapshot()["llm"].failure_rate == 0.5


async def test_a_listener_that_raises_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """P16: with pybreaker it fails the call, and skips the trip."""

    def listener(_: object) -> None:
        """Raise."""
        raise RuntimeError("a listener's own trouble")

    llm = Resilience("llm", trip=HASTY, attempts=2, listeners=[listener])
    with llm.testing(), pytest.raises(Down):
        await llm(down)()

    assert "A listener failed on call_retried" in caplog.text
    assert "A listener failed on breaker_opened" in caplog.text


async def test_testing_leaves_everything_as_it_was(clock: FrozenClock) -> None:
    """Tests of an app must not open the circuits of the next test."""
    llm = Resilience("llm", attempts=1, trip=HASTY)
    with llm.testing(clock=clock) as same:
        assert same is llm
        for _ in range(2):
            await refuse(llm(down))
        inside = llm.snapshot()["llm"].state

    assert ("open", "closed") == (inside, llm.snapshot()["llm"].state)
    assert await llm(ok)() == "ok"


async def test_testing_may_sleep_for_real() -> None:
    """To see that waits are slept at all, and on the real clock."""
    llm = Resilience("llm", attempts=2, budget=RetryBudget(ratio=1.0))
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        """Write the wait down."""
        slept.append(seconds)

    llm._asleep = sleep
    with llm.testing(sleep=True):
        await refuse(llm(down))

    assert len(slept) == 1


async def test_objects_and_partials_that_are_async_are_guarded() -> None:
    """An SDK's bound method is what is passed most often."""
    llm = Resilience("llm")

    class Client:
        """An SDK's client."""

        async def __call__(self, value: str) -> str:
            return value

        async def ask(self, value: str) -> str:
            """Echo."""
            return value

    assert await llm(Client())("a") == "a"
    assert await llm(Client().ask)("b") == "b"
    assert await llm(functools.partial(ok, "c"))() == "c"


async def test_slow_successes_open_the_circuit(clock: FrozenClock) -> None:
    """A provider that answers after a minute is as good as down."""
    llm = Resilience("llm", trip=Trip(window=10, minimum=3, slow_after=12.0))

    @llm
    async def slow() -> str:
        """Take thirteen seconds."""
        clock.advance(13.0)
        return "at last"

    with llm.testing(clock=clock):
        for _ in range(3):
            assert await slow() == "at last"
        with pytest.raises(CircuitOpen):
            await slow()


def test_it_names_itself() -> None:
    """In logs, without any secret."""
    assert repr(Resilience("llm")) == "<Resilience 'llm'>"


async def test_a_probe_is_given_all_arguments(clock: FrozenClock) -> None:
    """A call through a half-open circuit is a call like any other."""
    llm = Resilience("llm", probes=1)

    @llm
    async def acall(a: int, *, b: int) -> tuple[int, int]:
        """Return what came."""
        return a, b

    @llm
    def call(a: int, *, b: int) -> tuple[int, int]:
        """Return what came."""
        return a, b

    with llm.testing(clock=clock):
        llm.open(seconds=1)
        with pytest.raises(CircuitOpen) as caught:
            call(1, b=2)
        assert caught.value.key == "llm"
        clock.advance(1)
        assert call(1, b=2) == (1, 2)
        llm.open(seconds=1)
        clock.advance(1)
        assert await acall(1, b=2) == (1, 2)


async def test_what_an_async_call_returns_has_begun() -> None:
    """A generator that it hands out would fail outside of the guard."""

    async def call() -> Any:
        """Return what has not begun."""
        return (letter for letter in "ab")

    with pytest.raises(ConfigError, match="has not begun"):
        await Resilience("llm")(call)()


@pytest.mark.parametrize(
    ("timeouts", "what"),
    [
        (Timeouts(total=None, attempt=0.01), "attempt"),
        (Timeouts(total=0.01, attempt=5.0), "total"),
        (Timeouts(total=5.0, attempt=0.01), "attempt"),
        (Timeouts(total=0.01, attempt=None), "total"),
    ],
)
async def test_the_limit_that_was_reached_is_named(
    timeouts: Timeouts, what: str
) -> None:
    """With its seconds."""
    llm = Resilience("llm", attempts=1, timeouts=timeouts)
    with pytest.raises(DeadlineExceeded) as caught:
        await llm(hang)()
    assert (caught.value.what, caught.value.limit) == (what, 0.01)


def test_a_hurry_late_in_the_day_blames_nobody(clock: FrozenClock) -> None:
    """What counts is how long the attempt had, not what the clock says."""
    llm = Resilience("llm", attempts=1, trip=Trip(window=1, minimum=1))

    @llm
    def call() -> None:
        """Run out of the caller's time."""
        raise DeadlineExceeded("total", 1.0)

    with llm.testing(clock=clock):
        clock.advance(1000)
        with pytest.raises(DeadlineExceeded):
            call()
        assert llm.snapshot()["llm"].state == "closed"


def test_a_lane_that_was_dropped_is_made_anew() -> None:
    """Also the one of all calls that name no key."""
    llm = Resilience("llm", max_keys=1)
    call = llm(lambda: "ok")
    assert call() == "ok"
    with llm.guard("other"):
        pass
    for _ in range(3):
        with llm.guard("another"):
            pass
    assert "llm" not in llm.snapshot()
    assert call() == "ok"
    assert list(llm.snapshot()) == ["llm"]
