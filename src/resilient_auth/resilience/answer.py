"""Where does this answer come from? Its value or items, and who served them."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from resilient_auth.resilience.climb import Climb

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    """
    A *value* and where it comes from.

    *served_by* names the rung. *stale_for* is the age in seconds of a kept answer, None
    for a fresh one. *attempts* counts the calls that went out, on all rungs. *failures*
    says of each rung above why it was left: its `Verdict`'s kind, or ``not_kept``.
    """

    value: T
    served_by: str
    stale_for: float | None
    attempts: int
    failures: Mapping[str, str]


class _Served:
    """The provenance of a stream, known once its first item came."""

    __slots__ = ("_climb",)

    def __init__(self, climb: Climb) -> None:
        self._climb = climb

    @property
    def served_by(self) -> str:
        """Return the name of the rung; empty before the first item."""
        return self._climb.served_by

    @property
    def stale_for(self) -> float | None:
        """Return the age in seconds of a kept answer, None for a fresh one."""
        return self._climb.stale_for

    @property
    def attempts(self) -> int:
        """Return how many calls went out so far."""
        return self._climb.attempts

    @property
    def failures(self) -> Mapping[str, str]:
        """Return, for each rung above, the kind of the `Verdict` that made us leave."""
        return self._climb.failures

    @property
    def resumed_by(self) -> str:
        """Return who went on where the rung broke; empty when nobody had to."""
        return self._climb.resumed_by


class AnswerStream(_Served, Iterator[T]):
    """The items of an answer, and where they come from; close it when leaving early."""

    __slots__ = ("_items",)

    def __init__(self, climb: Climb, items: Generator[T, None, None]) -> None:
        super().__init__(climb)
        self._items = items

    def __next__(self) -> T:
        return next(self._items)

    def close(self) -> None:
        """Let go of the provider."""
        self._items.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncAnswerStream(_Served, AsyncIterator[T]):
    """The items of an answer, and where they come from; close it when leaving early."""

    __slots__ = ("_items",)

    def __init__(self, climb: Climb, items: AsyncGenerator[T, None]) -> None:
        super().__init__(climb)
        self._items = items

    async def __anext__(self) -> T:
        return await anext(self._items)

    async def aclose(self) -> None:
        """Let go of the provider."""
        await self._items.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
