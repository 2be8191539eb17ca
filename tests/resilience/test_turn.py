"""A lock that its own thread may come back to."""

import threading

from resilient_auth.resilience.turn import Turn


def test_what_comes_inside_waits_for_the_end() -> None:
    """In the order in which it came, before anybody else is let in."""
    turn, done = Turn(), []
    with turn as nested:
        assert not nested
        with turn as inner:
            assert inner
            turn.later(lambda: done.append(1))
            turn.later(lambda: done.append(2))
        assert done == []
    assert done == [1, 2]
    with turn as nested:
        assert not nested
    assert done == [1, 2]


def test_what_comes_in_the_last_moment_is_done_after_it() -> None:
    """Work may leave work behind, and so may the collector, at any line."""
    turn, done = Turn(), []
    with turn:
        turn.later(lambda: turn.later(lambda: done.append("left behind")))
    assert done == ["left behind"]
    turn.later(lambda: done.append("after all"))
    with turn:
        pass
    assert done[-1] == "after all"


def test_it_keeps_other_threads_out() -> None:
    """And lets them in when the turn is over, also after an error."""
    turn, entered = Turn(), threading.Event()

    def come() -> None:
        """Take a turn."""
        with turn as nested:
            assert not nested
            entered.set()

    thread = threading.Thread(target=come)
    try:
        with turn:
            thread.start()
            assert not entered.wait(0.05)
            {}["nobody"]
    except KeyError:
        pass
    thread.join(10)
    assert entered.is_set()
