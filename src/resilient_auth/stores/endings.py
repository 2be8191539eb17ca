"""
What ends first? Names in the order of the minutes in which they end.

Nothing is searched and nothing stale is kept: a name that ends at another time moves to
its new minute. So there are at most as many minutes as a session may live, and each
verb is O(1). A dictionary does not shrink by itself; where half a minute's names have
gone, the rest are copied.
"""

import heapq
from itertools import islice

_MINUTE = 60
_LOOKS = 1_000  # names looked at in a minute that is not over


class Endings:
    """Names, each with the Unix second in which it ends; not safe for threads."""

    def __init__(self) -> None:
        self._minutes: dict[int, dict[str, int]] = {}
        self._order: list[int] = []  # a heap of the minutes

    def __len__(self) -> int:
        return sum(map(len, self._minutes.values()))

    def put(self, name: str, at: int) -> None:
        """Add *name*, which ends *at*."""
        minute = at // _MINUTE
        if minute not in self._minutes:
            self._minutes[minute] = {}
            heapq.heappush(self._order, minute)
        self._minutes[minute][name] = at

    def remove(self, name: str, at: int) -> None:
        """Remove *name*, which was to end *at*."""
        minute = at // _MINUTE
        names = self._minutes[minute]
        del names[name]
        if len(names) & (len(names) - 1) == 0:  # 0 or a power of two
            self._minutes[minute] = dict(names)

    def move(self, name: str, at: int, to: int) -> None:
        """Let *name* end at *to* instead of *at*."""
        if at // _MINUTE != to // _MINUTE:
            self.remove(name, at)
        self.put(name, to)

    def take(self, before: int) -> str | None:
        """
        Remove and return a name that ended before *before*, of the oldest minute.

        In a minute that is not over by then, only the first names are looked at.
        """
        while self._order and self._order[0] * _MINUTE < before:
            names = self._minutes[self._order[0]]
            if names:
                return _taken(names, before, self._order[0] * _MINUTE + _MINUTE)
            del self._minutes[heapq.heappop(self._order)]
        return None


def minute_of(moment: int) -> int:
    """Return the start of the minute of *moment*; `take` looks at nothing then."""
    return moment // _MINUTE * _MINUTE


def _taken(names: dict[str, int], before: int, over: int) -> str | None:
    if over <= before:
        return names.popitem()[0]  # from the end, where a dictionary leaves no gap
    ended = (name for name, at in islice(names.items(), _LOOKS) if at < before)
    found = next(ended, None)
    if found is not None:
        del names[found]
    return found
