"""Attempts are counted where they are asked for, and nowhere else."""

from resilient_auth.resilience.trace import Trace, report


def test_traces_nest_and_sum_up() -> None:
    """The inner one counts its own; leaving it brings the outer one back."""
    report(5)
    with Trace() as outer:
        report(1)
        with Trace() as inner:
            report(2)
            report(3)
        report(4)
    report(5)

    assert (inner.attempts, outer.attempts) == (5, 5)
