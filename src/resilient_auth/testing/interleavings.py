"""
Which schedules exist, and does any of them break a promise? All of them, enumerated.

The real asynchronous code is driven by hand with ``send``, no event loop: every store
operation suspends once before it acts, and at each point every task that can go on is
tried, depth first, by replaying the choices made so far. With *faults*, each operation
is also made to fail: the store cannot be reached, it acts and its answer is lost, or
the process dies before or after it acted.
"""

from collections.abc import (
    Callable,
    Coroutine,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from resilient_auth.core.sessions import Session
from resilient_auth.errors import Unavailable
from resilient_auth.stores.memory import MemoryStore

T = TypeVar("T")
Task = Coroutine[Any, Any, Any]


class Fate(Enum):
    """What becomes of one step of a task."""

    GOES_ON = "goes on"
    UNREACHABLE = "the store is not reached"
    ANSWER_LOST = "the store acts, and its answer is lost"
    DIES_BEFORE = "the process dies before the store acts"
    DIES_AFTER = "the process dies after the store acted"


_DEADLY = {Fate.DIES_BEFORE, Fate.DIES_AFTER}
_READS = (Fate.GOES_ON, Fate.UNREACHABLE, Fate.DIES_BEFORE)
_WRITES = tuple(Fate)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a task came to: a *value*, the *error* that it raised, or it *died*."""

    value: Any = None
    error: Exception | None = None
    died: bool = False


Scenario = Callable[[], Sequence[Task]]


def explore(
    scenario: Scenario, *, faults: int = 0, started: bool = False
) -> Iterator[list[Outcome]]:
    """
    Yield the outcomes of every schedule of *scenario*'s tasks.

    *scenario* is called anew for each schedule, with a fresh store, and returns the
    tasks; they may wait for nothing but `SteppingStore` and `Step`. At most *faults*
    steps of one schedule do not go on, in each way in which they can. *started* tasks
    stand before their first step already: many schedules less, and none of another
    outcome, if what a task does before it is no other's business.
    """
    prefix: list[int] = []
    while True:
        run = _Run(scenario(), prefix, faults)
        if started:
            run.start()
        yield run.outcomes()
        choices, widths = run.choices, run.widths
        while choices and choices[-1] + 1 == widths[len(choices) - 1]:
            choices.pop()
        if not choices:
            return
        prefix = [*choices[:-1], choices[-1] + 1]


@dataclass(slots=True)
class _Run:
    """One schedule: the choices of *prefix*, and from there on the first of all."""

    tasks: Sequence[Task]
    prefix: list[int]
    faults: int
    choices: list[int] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    _done: dict[int, Outcome] = field(default_factory=dict)
    _at: dict[int, "Step"] = field(default_factory=dict)

    def start(self) -> None:
        """Let each task come to its first step."""
        for n in range(len(self.tasks)):
            self._go_on(n, Fate.GOES_ON)

    def outcomes(self) -> list[Outcome]:
        """Run all tasks to their ends, in the order of this schedule."""
        while len(self._done) < len(self.tasks):
            self._go_on(*self._choose(self._possible()))
        return [self._done[n] for n in range(len(self.tasks))]

    def _possible(self) -> list[tuple[int, Fate]]:
        """Return each task that can go on, with each fate of its step."""
        return [
            (n, fate)
            for n in range(len(self.tasks))
            if n not in self._done
            for fate in self._fates(n)
        ]

    def _fates(self, n: int) -> Sequence[Fate]:
        if not self.faults or n not in self._at:
            return (Fate.GOES_ON,)
        return self._at[n].fates

    def _choose(self, possible: Sequence[tuple[int, Fate]]) -> tuple[int, Fate]:
        depth = len(self.choices)
        self.choices.append(self.prefix[depth] if depth < len(self.prefix) else 0)
        self.widths.append(len(possible))
        return possible[self.choices[-1]]

    def _go_on(self, n: int, fate: Fate) -> None:
        self.faults -= fate is not Fate.GOES_ON
        try:
            if fate is not Fate.DIES_BEFORE:
                # A task that was not started takes no value.
                self._at[n] = self.tasks[n].send(fate if n in self._at else None)
            if fate in _DEADLY:
                self._done[n] = Outcome(died=True)
                self.tasks[n].close()
        except StopIteration as stop:
            self._done[n] = Outcome(stop.value)
        except Exception as error:  # noqa: BLE001 - an outcome like any other
            self._done[n] = Outcome(error=error)


class Step:
    """Awaited, it gives way exactly once, and returns what becomes of it."""

    def __init__(self, fates: Sequence[Fate] = (Fate.GOES_ON,)) -> None:
        self.fates = fates

    def __await__(self) -> Generator["Step", Fate, Fate]:
        return (yield self)


class SteppingStore:
    """An asynchronous `MemoryStore` whose operations suspend once before they act."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.writes = 0  # rotations that changed a row

    async def open(self, session: Session) -> None:
        """Suspend, then store a new *session*."""
        await _act(_WRITES, lambda: self._store.open(session))

    async def find(self, session_id: str) -> Session | None:
        """Suspend, then return the session."""
        return await _act(_READS, lambda: self._store.find(session_id))

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

        def rotates() -> Session | None:
            row = self._store.rotate(
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

        return await _act(_WRITES, rotates)

    async def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Suspend, then end the session."""
        return await _act(
            _WRITES, lambda: self._store.end(session_id, now=now, reason=reason)
        )

    async def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """Suspend, then return the living sessions of *subject*, newest first."""
        return await _act(_READS, lambda: self._store.of_subject(subject, now=now))

    async def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Suspend, then end all sessions of *subject* but *keep*."""
        return await _act(
            _WRITES,
            lambda: self._store.end_all(subject, keep=keep, now=now, reason=reason),
        )

    async def ended_since(self, moment: int) -> list[str]:
        """Suspend, then return the ids of what was ended."""
        return await _act(_READS, lambda: self._store.ended_since(moment))

    async def consume(self, token_id: str, *, expires_at: int, now: int) -> bool:
        """Suspend, then use up the one-time token."""
        return await _act(
            _WRITES,
            lambda: self._store.consume(token_id, expires_at=expires_at, now=now),
        )

    async def purge(self, before: int, *, limit: int) -> int:
        """Suspend, then delete what ended long ago."""
        return await _act(_WRITES, lambda: self._store.purge(before, limit=limit))


async def _act(fates: Sequence[Fate], effect: Callable[[], T]) -> T:
    """Suspend once, and let *effect* happen or not, as the schedule wants it."""
    fate = await Step(fates)
    if fate is Fate.UNREACHABLE:
        raise Unavailable("store_unavailable", reason="not reached")
    value = effect()
    if fate is Fate.ANSWER_LOST:
        raise Unavailable("store_unavailable", reason="the answer was lost")
    if fate is Fate.DIES_AFTER:
        await Step()  # from which it never comes back
    return value
