"""Who keeps threads or locks hears of a fork, and is not kept alive for it."""

import gc
import weakref

import pytest

from resilient_auth.resilience import forks
from resilient_auth.resilience.lane import Lanes
from resilient_auth.resilience.shared import SharedState


class Watched:
    """Counts how often it began anew."""

    def __init__(self) -> None:
        self.begun = 0

    def begin_in_child(self) -> None:
        """Count."""
        self.begun += 1


def test_each_is_told_once_and_nobody_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a child runs before anything else; the fork itself is tested elsewhere."""
    monkeypatch.setattr(forks, "_watched", weakref.WeakSet())
    kept, gone = Watched(), Watched()
    for each in (kept, kept, gone):
        forks.watch(each)
    del gone, each
    gc.collect()
    forks._tell_all()

    assert kept.begun == 1
    assert len(forks._watched) == 1


@pytest.mark.parametrize("kind", [Lanes, SharedState])
def test_who_is_watched_can_be_told(kind: type[forks.Forked]) -> None:
    """Those who hold what a fork takes away."""
    assert callable(kind.begin_in_child)
