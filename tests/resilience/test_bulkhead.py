"""Slots that are never lost, whoever is cancelled when."""

import asyncio
import contextlib
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import hypothesis.strategies as st
import pytest
from hypothesis import given

from resilient_auth.errors import BulkheadFull
from resilient_auth.resilience.bulkhead import Slots, _Task
from resilient_auth.resilience.policy import Bulkhead

PATIENT = 60.0


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_than_the_limit_run_at_once() -> None:
    """A provider that hangs must not take every worker with it."""
    slots = Slots("k", Bulkhead(3, queue=100, wait=PATIENT))
    running = most = 0

    async def work() -> None:
        """Hold a slot for a moment."""
        nonlocal running, most
        await slots.aacquire()
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        slots.release()

    await asyncio.gather(*(work() for _ in range(50)))

    assert (3, 0) == (most, slots.taken)


async def test_the_queue_is_bounded() -> None:
    """Waiting costs memory too; beyond the queue the answer is no, at once."""
    slots = Slots("k", Bulkhead(1, queue=1, wait=PATIENT))
    await slots.aacquire()
    waiting = asyncio.create_task(slots.aacquire())
    await settle()
    with pytest.raises(BulkheadFull):
        await slots.aacquire()
    slots.release()
    await waiting
    slots.release()

    assert slots.taken == 0


@pytest.mark.parametrize("left", [None, 0.0, 0.001])
async def test_nobody_waits_longer_than_allowed(left: float | None) -> None:
    """Neither than the policy's limit, nor than the caller's deadline."""
    slots = Slots("k", Bulkhead(1, queue=5, wait=0.002 if left is None else PATIENT))
    await slots.aacquire()

    with pytest.raises(BulkheadFull):
        await slots.aacquire(left=left)
    slots.release()
    assert slots.taken == 0


async def test_the_longest_waiting_goes_first() -> None:
    """A newcomer never overtakes the queue."""
    slots = Slots("k", Bulkhead(1, queue=10, wait=PATIENT))
    order: list[int] = []

    async def work(number: int) -> None:
        """Write down when it was its turn."""
        await slots.aacquire()
        order.append(number)
        await asyncio.sleep(0)
        slots.release()

    await slots.aacquire()
    tasks = [asyncio.create_task(work(n)) for n in range(4)]
    await settle()
    slots.release()
    tasks.append(asyncio.create_task(work(4)))
    await asyncio.gather(*tasks)

    assert [0, 1, 2, 3, 4] == order


async def test_one_cancelled_as_it_is_given_a_slot_passes_it_on() -> None:
    """The slot was its own already, and would otherwise be lost for ever."""
    slots = Slots("k", Bulkhead(1, queue=5, wait=PATIENT))
    await slots.aacquire()
    first, second = (asyncio.create_task(slots.aacquire()) for _ in range(2))
    await settle()
    slots.release()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    slots.release()

    assert slots.taken == 0


async def test_one_whose_time_runs_out_as_it_is_given_a_slot_keeps_it() -> None:
    """To refuse it now would waste the slot and the wait."""
    slots = Slots("k", Bulkhead(1, queue=5, wait=0.02))
    await slots.aacquire()
    waiting = asyncio.create_task(slots.aacquire())
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 0.05
    while loop.time() < deadline:  # block the loop, so that both are due at once
        pass
    slots.release()
    await waiting
    slots.release()

    assert slots.taken == 0


def test_a_slot_is_handed_over_between_event_loops() -> None:
    """A sync framework may run one loop per thread over one shared instance."""
    slots = Slots("k", Bulkhead(1, queue=5, wait=PATIENT))
    queued, done = threading.Event(), []

    async def hold() -> None:
        """Hold the slot until another loop waits for it."""
        await slots.aacquire()
        other = threading.Thread(target=lambda: asyncio.run(wait()))
        other.start()
        await asyncio.to_thread(queued.wait, 10)
        slots.release()
        await asyncio.to_thread(other.join, 10)

    async def wait() -> None:
        """Wait for the slot in a loop of its own."""
        task = asyncio.create_task(slots.aacquire())
        await settle()
        queued.set()
        await task
        done.append(True)
        slots.release()

    asyncio.run(hold())

    assert ([True], 0) == (done, slots.taken)


def test_a_waiter_whose_loop_is_gone_is_passed_over() -> None:
    """A loop that was closed with a call in its queue must not swallow a slot."""
    slots = Slots("k", Bulkhead(1, queue=5, wait=PATIENT))

    async def come() -> None:
        """Take the slot, or queue for it and go."""
        if not slots.take():
            slots._join(_Task())

    asyncio.run(come())
    asyncio.run(come())
    slots.release()

    assert slots.taken == 0


@given(
    cancelled=st.sets(st.integers(0, 19)),
    pauses=st.lists(st.integers(0, 3), min_size=20, max_size=20),
)
def test_no_cancellation_loses_a_slot(cancelled: set[int], pauses: list[int]) -> None:
    """Any of twenty tasks, cancelled at any of their steps."""

    async def scenario() -> int:
        """Run and cancel; return the slots still taken."""
        slots = Slots("k", Bulkhead(2, queue=30, wait=PATIENT))

        async def work() -> None:
            """Hold a slot for a moment."""
            await slots.aacquire()
            try:
                await asyncio.sleep(0)
            finally:
                slots.release()

        tasks = [asyncio.create_task(work()) for _ in range(20)]
        for number in range(20):
            for _ in range(pauses[number]):
                await asyncio.sleep(0)
            if number in cancelled:
                tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return slots.taken

    assert asyncio.run(scenario()) == 0


def test_a_collection_in_the_middle_does_not_hang() -> None:
    """
    The collector closes an abandoned stream, which gives its slot back, anywhere.

    With a lock it would wait for its own thread.
    """
    slots = Slots("k", Bulkhead(2, queue=2, wait=0))

    class Abandoned:
        """Holds a slot in a cycle, until the collector finds it."""

        def __init__(self) -> None:
            self.me = self
            self.holds = False
            slots.acquire()
            self.holds = True

        def __del__(self) -> None:
            if self.holds:
                slots.release()

    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for _ in range(2000):
            with contextlib.suppress(BulkheadFull):
                Abandoned()
    finally:
        gc.set_threshold(*before)
    gc.collect()

    assert (slots.taken, len(slots._queue)) == (0, 0)


def test_a_reset_forgets_who_was_in() -> None:
    """A child that was forked has none of the parent's calls."""
    slots = Slots("k", Bulkhead(1, queue=0))
    slots.acquire()
    slots.reset()

    assert slots.take()
    assert not slots.take()


def test_threads_never_exceed_the_limit() -> None:
    """And no slot is lost, whoever gives up."""
    slots = Slots("k", Bulkhead(3, queue=20, wait=0.001))
    inside, most = [], []

    def work(_: int) -> None:
        """Come and go, or give up."""
        for _ in range(200):
            try:
                slots.acquire()
            except BulkheadFull:
                continue
            inside.append(1)
            most.append(len(inside))
            inside.pop()
            slots.release()

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, range(12)))

    assert max(most) <= 3
    assert (slots.taken, len(slots._queue)) == (0, 0)
