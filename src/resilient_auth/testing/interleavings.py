"""
Which schedules exist, and does any of them break a promise? All of them, enumerated.

The real asynchronous code is driven by hand with ``send(None)``, no event loop: every
store operation suspends once before it acts, and at each point every task that can go
on is tried, depth first, by replaying the choices made so far.
"""

from collections.abc import (
    Callable,
    Coroutine,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from typing import Any

from resilient_auth.core.sessions import Session
from resilient_auth.stores.memory import AsyncMemoryStore


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one task came to: a *value*, or the *error* that it raised."""

    value: Any = None
    error: Exception | None = None


Scenario = Callable[[], Sequence[Coroutine[Any, Any, Any]]]


def explore(scenario: Scenario) -> Iterator[list[Outcome]]:
    """
    Yield the outcomes of every schedule of *scenario*'s tasks.

    *scenario* is called anew for each schedule, with a fresh store, and returns the
    tasks; they may wait for nothing but `SteppingStore`.
    """
    prefix: list[int] = []
    while True:
        outcomes, choices, widths = _run(scenario(), prefix)
        yield outcomes
        while choices and choices[-1] + 1 == widths[len(choices) - 1]:
            choices.pop()
        if not choices:
            return
        prefix = [*choices[:-1], choices[-1] + 1]


def _run(
    tasks: Sequence[Coroutine[Any, Any, Any]], prefix: list[int]
) -> tuple[list[Outcome], list[int], list[int]]:
    outcomes: dict[int, Outcome] = {}
    choices: list[int] = []
    widths: list[int] = []
    while len(outcomes) < len(tasks):
        ready = [n for n in range(len(tasks)) if n not in outcomes]
        depth = len(choices)
        choices.append(prefix[depth] if depth < len(prefix) else 0)
        widths.append(len(ready))
        chosen = ready[choices[-1]]
        try:
            tasks[chosen].send(None)
        except StopIteration as stop:
            outcomes[chosen] = Outcome(stop.value)
        except Exception as error:  # noqa: BLE001 - an outcome like any other
            outcomes[chosen] = Outcome(error=error)
    return [outcomes[n] for n in range(len(tasks))], choices, widths


class SteppingStore(AsyncMemoryStore):
    """A memory store whose every operation suspends once before it acts."""

    writes: int = 0

    async def find(self, session_id: str) -> Session | None:
        """Suspend, then return the session."""
        await _Step()
        return await super().find(session_id)

    async def rotate(
        self,
        session_id: str,
        generation: int,
        *,
        kid: str,
        now: int,
        idle: int,
        grace: int,
        claims: Mapping[str, Any] | None = None,
    ) -> Session | None:
        """Suspend, then rotate; counts the rotations that wrote."""
        await _Step()
        row = await super().rotate(
            session_id,
            generation,
            kid=kid,
            now=now,
            idle=idle,
            grace=grace,
            claims=claims,
        )
        self.writes += row is not None
        return row

    async def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Suspend, then end the session."""
        await _Step()
        return await super().end(session_id, now=now, reason=reason)


class _Step:
    """Awaited, it gives way exactly once."""

    def __await__(self) -> Generator[None, None, None]:
        yield
