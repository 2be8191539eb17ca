"""Silence that is noticed, and nothing else that is interrupted."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import pytest

from resilient_auth.errors import DeadlineExceeded
from resilient_auth.resilience.alarm import Alarm
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.policy import Timeouts
from resilient_auth.resilience.watch import Watch

LONG = 60.0
SHORT = 0.02


def limits(**changes: float | None) -> Timeouts:
    """Return limits that are never reached, but for *changes*."""
    settings: dict[str, float | None] = dict.fromkeys(
        ("total", "attempt", "first_content", "idle"), LONG
    )
    return Timeouts(**(settings | changes))


async def stalls(after: int) -> AsyncGenerator[int, None]:
    """Yield *after* items and then nothing, for ever."""
    for number in range(after):
        yield number
    await asyncio.Event().wait()


async def drips() -> AsyncGenerator[int, None]:
    """Yield for ever, quickly."""
    while True:
        await asyncio.sleep(0)
        yield 0


async def drain(watch: Watch[int], *, content_at: int = 10**9) -> int:
    """Pull until it raises; return how many came by an attribute of the error."""
    count = 0
    while True:
        if count == content_at:
            watch.content_seen()
        await watch.pull()
        count += 1


@pytest.mark.parametrize(
    ("source", "timeouts", "content_at", "what"),
    [
        pytest.param(
            lambda: stalls(0),
            limits(first_content=SHORT),
            10**9,
            "first_content",
            id="nothing",
        ),
        pytest.param(
            drips, limits(first_content=SHORT), 10**9, "first_content", id="keep-alives"
        ),
        pytest.param(
            lambda: stalls(2), limits(idle=SHORT), 2, "idle", id="silence after content"
        ),
    ],
)
async def test_each_limit_is_named(
    source: Callable[[], AsyncIterator[int]],
    timeouts: Timeouts,
    content_at: int,
    what: str,
) -> None:
    """Keep-alives do not count as content, and content ends the first limit."""
    watch = Watch(source(), timeouts, None)
    with pytest.raises(DeadlineExceeded) as caught:
        await drain(watch, content_at=content_at)
    watch.stop()

    assert (what, SHORT) == (caught.value.what, caught.value.limit)
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_the_total_ends_a_stream_that_never_ends() -> None:
    """Items come all the time, but the request has only so long."""
    watch = Watch(drips(), limits(), Deadline.after(SHORT))
    with pytest.raises(DeadlineExceeded) as caught:
        await drain(watch, content_at=0)

    assert ("total", SHORT) == (caught.value.what, caught.value.limit)


async def test_the_time_of_the_consumer_is_no_silence() -> None:
    """A browser on a slow line must not make the provider look dead."""
    watch = Watch(drips(), limits(first_content=SHORT, idle=SHORT), None)
    watch.content_seen()
    for _ in range(3):
        await watch.pull()
        await asyncio.sleep(SHORT * 3)

    assert watch._timer is None
    await watch.pull()
    watch.stop()


async def test_the_total_goes_on_while_the_consumer_is_slow() -> None:
    """The next pull learns it at once."""
    watch = Watch(stalls(1), limits(), Deadline.after(SHORT))
    await watch.pull()
    await asyncio.sleep(SHORT * 3)

    with pytest.raises(DeadlineExceeded):
        await watch.pull()


async def test_a_cancellation_from_outside_always_wins() -> None:
    """Both at once: the browser went away as the stream went quiet."""
    watch = Watch(stalls(0), limits(first_content=SHORT), None)
    task = asyncio.create_task(watch.pull())
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    until = loop.time() + SHORT * 3
    while loop.time() < until:  # block the loop, so that the timer is due
        pass
    loop.call_soon(task.cancel)

    with pytest.raises(asyncio.CancelledError):
        await task
    watch.stop()


async def test_a_source_that_swallows_the_cancellation_is_overdue_all_the_same() -> (
    None
):
    """A bad SDK catches everything; the task must come out clean."""

    async def swallows() -> AsyncGenerator[int, None]:
        """Yield when interrupted."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield 1

    watch = Watch(swallows(), limits(first_content=SHORT), None)
    with pytest.raises(DeadlineExceeded):
        await watch.pull()

    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_a_source_that_turns_the_cancellation_into_an_error() -> None:
    """It is our interruption that it reports, not a fault of its own."""

    async def converts() -> AsyncGenerator[int, None]:
        """Raise when interrupted."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            raise ConnectionError("cut") from error
        yield 1

    watch = Watch(converts(), limits(first_content=SHORT), None)
    with pytest.raises(DeadlineExceeded):
        await watch.pull()

    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_no_timer_is_left_behind() -> None:
    """A thousand streams a minute must not leave a thousand timers."""
    watch = Watch(stalls(1), limits(), Deadline.after(LONG))
    await watch.pull()
    watch.stop()

    assert watch._timer is None
    assert watch._source is not None


async def test_a_stream_that_goes_on_is_never_idle() -> None:
    """One timer for many items: when it is due, it looks, and waits on."""
    watch = Watch(drips(), limits(idle=SHORT * 10), None)
    watch.content_seen()
    loop = asyncio.get_running_loop()
    until = loop.time() + SHORT * 15
    while loop.time() < until:
        await watch.pull()
    watch.stop()


async def test_a_stall_is_noticed_though_the_timer_was_set_for_an_earlier_pull() -> (
    None
):
    """The timer comes too early for the pull in progress, and must come again."""
    watch = Watch(stalls(1), limits(idle=SHORT * 2), None)
    watch.content_seen()
    await watch.pull()
    await asyncio.sleep(SHORT)
    with pytest.raises(DeadlineExceeded) as caught:
        await watch.pull()

    assert caught.value.what == "idle"


async def test_without_limits_there_is_no_timer() -> None:
    """All off is all off."""
    off = limits(first_content=None, idle=None)
    watch = Watch(stalls(1), off, None)
    await watch.pull()

    assert watch._timer is None


def test_it_needs_a_task() -> None:
    """Without one there is nothing that could be interrupted."""

    async def scenario() -> None:
        """Look from a callback of the loop."""
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[Any] = loop.create_future()

        def outside() -> None:
            """Make an alarm outside of any task."""
            try:
                Alarm()
            except RuntimeError as error:
                failed.set_result(error)

        loop.call_soon(outside)
        assert isinstance(await failed, RuntimeError)

    asyncio.run(scenario())
