"""The ring of the last calls, against the obvious slow way of keeping it."""

import threading
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from resilient_auth.resilience.policy import Trip
from resilient_auth.resilience.tally import Tally
from resilient_auth.resilience.window import Window

OUTCOMES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), max_size=80)


@given(outcomes=OUTCOMES, size=st.integers(min_value=1, max_value=12))
def test_the_ring_counts_like_a_list(
    outcomes: list[tuple[int, int]], size: int
) -> None:
    """Rates must be those of exactly the last calls, however they went."""
    trip = Trip(window=size, minimum=1, failure_rate=0.5, slow_rate=0.6)
    window, last = Window(trip), deque[tuple[int, int]](maxlen=size)
    for failed, slow in outcomes:
        if (failed, slow) != (0, 0) or not window.step():
            window.put(failed, slow)
        last.append((failed, slow))
    failures, slows = (
        (sum(each) for each in zip(*last, strict=True)) if last else (0, 0)
    )

    assert len(last) == window.calls
    assert window.failure_rate == (failures / len(last) if last else 0.0)
    assert window.bad == bool(
        last and (failures >= 0.5 * len(last) or slows >= 0.6 * len(last))
    )


def test_nothing_is_judged_before_the_minimum() -> None:
    """One failure of one call is no rate."""
    window = Window(Trip(window=100, minimum=20))
    for _ in range(19):
        window.put(1, 0)
    before = window.bad
    window.put(1, 0)

    assert (False, True) == (before, window.bad)


def test_steps_in_many_threads_keep_the_sums_true() -> None:
    """Lock-free steps race with locked puts; the sums must stay those of the ring."""
    window = Window(Trip(window=50, minimum=1))
    lock, start = threading.Lock(), threading.Barrier(4)

    def work(failed: int) -> None:
        """Add calls, good or failed."""
        start.wait()
        for _ in range(3000):
            if failed or not window.step():
                with lock:
                    window.put(failed, 0)

    threads = [threading.Thread(target=work, args=(n % 2,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(window._ring) == window._failed
    assert 0 <= window._next < 50


def test_a_tally_is_exact_over_threads() -> None:
    """It counts what is in flight without a lock, also while it is being read."""
    tally, start = Tally(), threading.Barrier(4)

    def work() -> None:
        """Count, and read meanwhile."""
        start.wait()
        for _ in range(5000):
            tally.step()
            if tally.value < 1:
                raise AssertionError("a step was lost")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert tally.value == 20_000


def test_a_ring_is_spotless_when_every_call_went_well() -> None:
    """Then one more changes nothing at all, not even what falls out for it."""
    window = Window(Trip(window=3, minimum=1))
    assert not window.spotless
    for n in range(3):
        assert not window.step()
        window.put(0, 0)
        assert window.spotless == (n == 2)
    for failed, slow in ((1, 0), (0, 1)):
        window.put(failed, slow)
        assert not window.spotless
        assert window.step()  # good ones fall out for good ones
        assert window.step()
        assert not window.step()  # the other one would
        window.put(0, 0)
        assert window.spotless
