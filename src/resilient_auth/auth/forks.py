"""What must a forked child forget? What only its parent can know to be true."""

import os
from typing import Protocol
from weakref import WeakSet


class Forgetful(Protocol):
    """Something that a forked child starts anew."""

    def forget(self) -> None:
        """Be as new; the other threads of the parent are not here, and their locks."""
        ...


#: One hook for all: a hook cannot be taken back, and would keep its object for ever.
_forgetful: WeakSet[Forgetful] = WeakSet()


def forget_in_child(each: Forgetful) -> None:
    """Call ``each.forget()`` in every child that is forked while *each* lives."""
    _forgetful.add(each)


def _forget_all() -> None:
    for each in list(_forgetful):
        each.forget()


if hasattr(os, "register_at_fork"):  # pragma: no branch - nothing forks on Windows
    os.register_at_fork(after_in_child=_forget_all)
