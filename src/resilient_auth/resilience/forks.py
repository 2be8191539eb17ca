"""Who has to hear that this process was forked? The child has no thread but one."""

import os
from typing import Protocol
from weakref import WeakSet


class Forked(Protocol):
    """What holds threads, locks or calls in flight, none of which came along."""

    def begin_in_child(self) -> None:
        """Begin anew; called once in a child, before anything else."""
        ...


#: One hook is for all: a hook cannot be taken back, and would keep its object for ever.
_watched: WeakSet[Forked] = WeakSet()


def watch(each: Forked) -> None:
    """Let *each* hear of a fork for as long as somebody else keeps it."""
    _watched.add(each)


def _tell_all() -> None:
    for each in list(_watched):
        each.begin_in_child()


if hasattr(os, "register_at_fork"):  # pragma: no branch - nothing forks on Windows
    os.register_at_fork(after_in_child=_tell_all)
