"""The circuit of one key, rule by rule."""

import asyncio
import dataclasses
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from resilient_auth.errors import CircuitOpen
from resilient_auth.resilience.breaker import FOREVER, Breaker, Probe
from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.policy import Policy, Trip
from resilient_auth.resilience.verdict import KINDS, Verdict
from resilient_auth.testing.clock import FrozenClock

SERVER, BUG, AUTH = KINDS["server"], KINDS["bug"], KINDS["auth"]
MakeBreaker = Callable[..., Breaker]


@pytest.fixture
def make(
    make_policy: Callable[..., Policy], clock: FrozenClock, heard: list[Any]
) -> MakeBreaker:
    """Build a breaker that opens after four calls, half of which failed."""

    def build(**changes: Any) -> Breaker:
        """Build it, without jitter."""
        trip = Trip(window=8, minimum=4, slow_after=1.0)
        policy = make_policy(**({"trip": trip} | changes))
        return Breaker("k", policy, clock, [heard.append], roll=lambda: 0.0)

    return build


def lose(breaker: Breaker, times: int = 4, verdict: Verdict = SERVER) -> None:
    """Let calls fail."""
    for _ in range(times):
        breaker.fail(breaker.admit(), verdict)


def win(breaker: Breaker, times: int = 1) -> None:
    """Let calls succeed."""
    for _ in range(times):
        breaker.succeed(breaker.admit())


def test_it_opens_at_the_failure_rate(make: MakeBreaker, heard: list[Any]) -> None:
    """Four in five failing must open, though no four fail in a row."""
    breaker = make()
    win(breaker, 2)
    lose(breaker, 2)

    assert breaker.view().state == "open"
    with pytest.raises(CircuitOpen) as caught:
        breaker.admit()
    assert caught.value.retry_in == 15.0
    assert ["breaker_opened"] == [each.name for each in heard]
    assert ("server", 15.0) == (heard[0].kind, heard[0].retry_in)


def test_a_success_never_opens(make: MakeBreaker) -> None:
    """Three failures, and the success that makes enough calls to judge."""
    breaker = make()
    lose(breaker, 3)
    win(breaker)

    assert breaker.view().state == "closed"
    lose(breaker, 1)
    assert breaker.view().state == "open"


def test_slow_successes_open(make: MakeBreaker, heard: list[Any]) -> None:
    """A provider that takes a minute for each answer is down, if politely."""
    breaker = make()
    for _ in range(4):
        breaker.succeed(breaker.admit(), slow=True)

    assert breaker.view().state == "open"
    assert heard[0].kind == "slow"


def test_slow_successes_count_after_many_good_ones(make: MakeBreaker) -> None:
    """The short cut of a good call in a full window is not for a slow one."""
    breaker = make()
    win(breaker, 8)
    for _ in range(5):
        breaker.succeed(breaker.admit(), slow=True)

    assert breaker.view().state == "open"


def test_it_says_whether_it_would_refuse(make: MakeBreaker, clock: FrozenClock) -> None:
    """What a retry asks before it waits: is there any point?"""
    breaker = make(probes=1)
    answers = [breaker.refusing]
    lose(breaker)
    answers.append(breaker.refusing)
    clock.advance(15.0)
    answers.append(breaker.refusing)
    win(breaker)
    answers.append(breaker.refusing)

    assert [False, True, False, False] == answers


def test_neutral_outcomes_count_as_nothing(make: MakeBreaker) -> None:
    """The caller's mistakes say nothing about the provider, either way."""
    breaker = make()
    lose(breaker, 100, BUG)

    assert ("closed", 0) == (breaker.view().state, breaker.view().calls)


def test_probes_close_it(
    make: MakeBreaker, clock: FrozenClock, heard: list[Any]
) -> None:
    """After the open time, as many good calls as there are probes."""
    breaker = make(probes=2)
    lose(breaker)
    clock.advance(15.0)
    win(breaker)
    between = breaker.view().state
    assert heard[-1].name == "breaker_half_opened"
    win(breaker)

    assert ("half_open", "closed") == (between, breaker.view().state)
    assert breaker.view().calls == 0
    assert ["breaker_opened", "breaker_half_opened", "breaker_closed"] == [
        each.name for each in heard
    ]


def test_half_open_lets_exactly_the_probes_through(
    make: MakeBreaker, clock: FrozenClock
) -> None:
    """Fifty that waited for this moment must not knock it over again."""
    breaker = make(probes=2)
    lose(breaker)
    clock.advance(15.0)
    admitted = [breaker.admit(), breaker.admit()]
    for _ in range(48):
        with pytest.raises(CircuitOpen) as caught:
            breaker.admit()
        assert 0 < caught.value.retry_in <= 1.0

    assert [Probe, Probe] == [type(each) for each in admitted]
    breaker.succeed(admitted[0])
    with pytest.raises(CircuitOpen):
        breaker.admit()


def test_a_probe_that_fails_reopens_for_longer(
    make: MakeBreaker, clock: FrozenClock
) -> None:
    """Doubling up to the most; what closes it resets the growth."""
    breaker = make(probes=1, open_for=15.0, open_for_max=50.0)
    lose(breaker)
    waits = []
    for _ in range(4):
        waits.append(breaker.view().retry_in)
        clock.advance(breaker.view().retry_in)
        lose(breaker, 1)
    clock.advance(breaker.view().retry_in)
    win(breaker)
    lose(breaker)

    assert [15.0, 30.0, 50.0, 50.0] == waits
    assert breaker.view().retry_in == 15.0


def test_the_growth_is_jittered_downwards(
    make_policy: Callable[..., Policy], clock: FrozenClock
) -> None:
    """Processes that opened together must not probe in step, nor pass the most."""
    breaker = Breaker("k", make_policy(probes=1), clock, roll=lambda: 0.5)
    lose(breaker, 20)
    first = breaker.view().retry_in
    clock.advance(first)
    lose(breaker, 1)

    assert (15.0, 28.5) == (first, breaker.view().retry_in)


def test_a_slow_probe_does_not_close(make: MakeBreaker, clock: FrozenClock) -> None:
    """Otherwise a slow provider would be closed and opened in turns."""
    breaker = make()
    lose(breaker)
    clock.advance(15.0)
    breaker.succeed(breaker.admit(), slow=True)

    assert ("open", 30.0) == (breaker.view().state, breaker.view().retry_in)


def test_a_neutral_probe_gives_its_permit_back(
    make: MakeBreaker, clock: FrozenClock
) -> None:
    """A cancelled probe proves nothing: half-open stays, and the next may go."""
    breaker = make(probes=1)
    lose(breaker)
    clock.advance(15.0)
    lose(breaker, 1, KINDS["cancelled"])

    assert breaker.view().state == "half_open"
    assert isinstance(breaker.admit(), Probe)


def test_a_silent_probe_loses_its_permit(make: MakeBreaker, clock: FrozenClock) -> None:
    """An abandoned stream must not keep the circuit half-open for ever."""
    breaker = make(probes=1)
    lose(breaker)
    clock.advance(15.0)
    lost = breaker.admit()
    clock.advance(39.5)
    with pytest.raises(CircuitOpen) as caught:
        breaker.admit()
    assert caught.value.retry_in == 0.5
    clock.advance(0.5)
    other = breaker.admit()
    breaker.succeed(lost)  # late, but true: a long stream is no abandoned one

    assert breaker.view().state == "closed"
    breaker.fail(other, KINDS["server"])
    assert breaker.view().calls == 0


def test_a_call_inside_of_a_probe_rides_on_it(clock: FrozenClock) -> None:
    """An agent's call makes calls of its own with the same key."""
    llm = Resilience("llm", attempts=1, probes=1, bulkhead=None)

    @llm
    def model() -> str:
        """Answer."""
        return "ok"

    @llm
    def agent() -> str:
        """Ask the model twice."""
        return model() + model()

    @llm
    async def amodel() -> str:
        """Answer."""
        return "ok"

    @llm
    async def aagent() -> str:
        """Ask the model."""
        return await amodel()

    with llm.testing(clock=clock):
        for call in (agent, lambda: asyncio.run(aagent())):
            llm.open(seconds=1)
            clock.advance(1)
            assert call().startswith("ok")
            assert llm.snapshot()["llm"].state == "closed"


def test_an_opening_between_two_reads_gives_a_stale_ticket(
    make: MakeBreaker,
) -> None:
    """
    A thread reads the epoch, another opens, the first reads the state.

    Its failure must move nothing; pybreaker would raise an error of its own.
    """
    breaker = make(probes=1)
    epoch = breaker._epoch
    breaker.open(5)
    breaker.fail(epoch, KINDS["server"])
    breaker.succeed(epoch)

    assert breaker.view().state == "open"


def test_threads_that_open_at_once_raise_no_error_of_pybreaker(
    clock: FrozenClock,
) -> None:
    """P8: what a caller gets is the provider's error, or our rejection."""
    llm = Resilience(
        "llm", attempts=1, trip=Trip(window=1, minimum=1), bulkhead=None, timeouts=None
    )

    @llm
    def call() -> None:
        """Fail."""
        raise ConnectionResetError

    raised: set[type] = set()

    def work(_: int) -> None:
        """Fail, and close again, many times."""
        for _ in range(300):
            try:
                call()
            except Exception as error:  # noqa: BLE001 - its type is what matters
                raised.add(type(error))
            llm.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert raised <= {ConnectionResetError, CircuitOpen}


def test_what_the_collector_reports_inside_waits_for_its_turn(
    make: MakeBreaker, clock: FrozenClock
) -> None:
    """An abandoned stream is closed while this thread holds the lock."""
    breaker = make(probes=2)
    lose(breaker)
    clock.advance(15.0)
    first, second = breaker.admit(), breaker.admit()
    with breaker._lock:
        breaker.succeed(first)
        breaker.fail(second, KINDS["server"])
        assert breaker.view().state == "half_open"

    assert breaker.view().state == "open"


def test_a_stale_result_moves_nothing(make: MakeBreaker, clock: FrozenClock) -> None:
    """A success from before the trip must not close, a failure not reopen."""
    breaker = make(probes=1)
    old = [breaker.admit() for _ in range(3)]
    lose(breaker)
    breaker.succeed(old[0])
    clock.advance(15.0)
    probe = breaker.admit()
    breaker.succeed(old[1])
    half_open = breaker.view().state
    breaker.succeed(probe)
    breaker.fail(old[2], AUTH)

    assert ("half_open", "closed") == (half_open, breaker.view().state)
    assert (0, 0) == (breaker.view().calls, breaker.view().in_flight)


def test_some_verdicts_open_at_once(make: MakeBreaker, heard: list[Any]) -> None:
    """One 401 is enough: every further call with that key is in vain."""
    breaker = make()
    lose(breaker, 1, AUTH)

    seen = breaker.view()
    assert ("open", 15.0, 1, 1.0) == (
        seen.state,
        seen.retry_in,
        seen.calls,
        seen.failure_rate,
    )
    assert heard[0].kind == "auth"


def test_a_told_time_opens_exactly_until_then(make: MakeBreaker) -> None:
    """The server knows when its quota is back."""
    breaker = make()
    breaker.fail(breaker.admit(), KINDS["rate_limit"], open_for=300.0)

    assert breaker.view().retry_in == 300.0


def test_a_longer_told_time_replaces_a_shorter_one(
    make: MakeBreaker, heard: list[Any]
) -> None:
    """Two calls were under way: the second learns more than the first."""
    breaker = make()
    first, second, third = breaker.admit(), breaker.admit(), breaker.admit()
    breaker.fail(first, KINDS["rate_limit"], open_for=60.0)
    breaker.fail(second, KINDS["quota"], open_for=3600.0)
    breaker.fail(third, KINDS["rate_limit"], open_for=90.0)

    assert breaker.view().retry_in == 3600.0
    assert len(heard) == 1


def test_a_reopening_is_never_shorter_than_its_growth(
    make: MakeBreaker, clock: FrozenClock
) -> None:
    """``retry-after: 0`` from a dying server must not make us hammer it."""
    breaker = make(probes=1)
    lose(breaker)
    clock.advance(15.0)
    breaker.fail(breaker.admit(), KINDS["rate_limit"], open_for=0.5)

    assert breaker.view().retry_in == 30.0


def test_an_operator_opens_and_closes(
    make: MakeBreaker, clock: FrozenClock, heard: list[Any]
) -> None:
    """By hand it stays open for any time, and takes results as it should after."""
    breaker = make()
    breaker.open()
    assert ["breaker_opened"] == [each.name for each in heard]
    breaker.open(10.0)
    shorter = breaker.view().retry_in
    breaker.open()
    clock.advance(86_400.0)
    still = breaker.view()
    breaker.close()
    assert heard[-1].name == "breaker_closed"
    breaker.close()
    win(breaker)

    assert (10.0, "open", FOREVER - 86_400.0) == (shorter, still.state, still.retry_in)
    assert ("closed", 1) == (breaker.view().state, breaker.view().calls)
    assert ["breaker_opened", "breaker_closed"] == [each.name for each in heard]
    assert heard[0].kind == "operator"


def test_a_calendar_that_jumps_changes_nothing(
    make: MakeBreaker, clock: FrozenClock
) -> None:
    """NTP may set the clock by hours; only the monotonic one counts."""
    breaker = make()
    lose(breaker)
    clock.jump(86_400.0)

    with pytest.raises(CircuitOpen):
        breaker.admit()


def test_listeners_are_told_after_the_lock_is_free(
    make_policy: Callable[..., Policy], clock: FrozenClock
) -> None:
    """A listener may look at the circuit from another thread, or raise."""
    seen: list[str] = []

    def listen(_: object) -> None:
        """Look from another thread, then raise."""
        thread = threading.Thread(target=lambda: seen.append(breaker.view().state))
        thread.start()
        thread.join(timeout=10)
        raise RuntimeError("a listener's own trouble")

    breaker = Breaker("k", make_policy(), clock, [listen])
    lose(breaker, 1, AUTH)

    assert ["open"] == seen


def test_many_threads_never_exceed_the_permits(
    make: MakeBreaker, clock: FrozenClock
) -> None:
    """Real threads at a half-open circuit, all at once."""
    breaker = make(probes=3)
    lose(breaker)
    clock.advance(15.0)
    start, admitted, rejected = threading.Barrier(8), [], []

    def work() -> None:
        """Ask for permits as fast as it goes."""
        start.wait()
        for _ in range(50):
            try:
                admitted.append(breaker.admit())
            except CircuitOpen:
                rejected.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (3, 397) == (len(admitted), len(rejected))
    assert breaker.view().in_flight == 3


def test_what_was_decided_elsewhere(
    make: MakeBreaker, clock: FrozenClock, heard: list[Any]
) -> None:
    """It opens, or stays open for longer and never for less; and a wait may end."""
    breaker = make(probes=1)
    breaker.end_wait()
    assert breaker.view().state == "closed"
    breaker.open_elsewhere("quota", 50)
    breaker.open_elsewhere("quota", 20)
    assert breaker.view().retry_in == 50
    breaker.open_elsewhere("quota", 90)
    assert breaker.view().retry_in == 90
    assert [(each.name, each.kind, each.retry_in) for each in heard] == [
        ("breaker_opened", "quota", 50)
    ]
    clock.advance(10)
    breaker.end_wait()

    assert breaker.view().retry_in == 0
    assert isinstance(breaker.admit(), Probe)
    clock.advance(5)
    with pytest.raises(CircuitOpen) as caught:
        breaker.admit()
    assert (caught.value.key, caught.value.retry_in) == ("k", 1.0)


def test_a_told_wait_is_kept_where_it_is_longer(make: MakeBreaker) -> None:
    """The last failure that opens names it; a shorter one does not shorten."""
    for wait, seconds in ((40.0, 40.0), (0.5, 15.0), (None, 15.0)):
        breaker = make(probes=1)
        lose(breaker, 4, dataclasses.replace(KINDS["rate_limit"], wait=wait))
        assert breaker.view().retry_in == seconds
        with pytest.raises(CircuitOpen) as caught:
            breaker.admit()
        assert caught.value.retry_in == seconds


def test_a_fork_forgets_who_holds_the_lock(
    make: MakeBreaker, clock: FrozenClock
) -> None:
    """And the probes that are out: their threads did not come along."""
    breaker = make(probes=1)
    lose(breaker)
    clock.advance(15.0)
    breaker.admit()
    with pytest.raises(CircuitOpen):
        breaker.admit()
    breaker._lock.__enter__()
    breaker.forget_calls()
    with ThreadPoolExecutor(1) as pool:
        assert isinstance(pool.submit(breaker.admit).result(10), Probe)
