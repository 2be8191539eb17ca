"""Who races for a session? Threads, tasks or processes, all let go at one barrier."""

import asyncio
import multiprocessing
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

import redis
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from resilient_auth import (
    AsyncAuth,
    AsyncRedisStore,
    AsyncSQLAlchemyStore,
    Auth,
    Key,
    KeyRing,
    MemoryStore,
    RedisStore,
    SessionPolicy,
    SQLAlchemyStore,
    TokenPolicy,
    Tokens,
)
from resilient_auth.stores.base import AsyncSessionStore, SessionStore
from resilient_auth.testing import FrozenClock

MANY = 50
PROCESSES = 8
GRACE = 30
MAX_PER_SUBJECT = 3
POLICY = TokenPolicy(issuer="https://api.example.com", audience="api")
LIVES = SessionPolicy(grace=GRACE, max_per_subject=MAX_PER_SUBJECT)

Refreshed = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where everybody meets; can be sent to another process."""

    address: str  # nothing for this process's memory
    secret: bytes
    awaited: bool = False

    def ring(self) -> KeyRing:
        """Return the ring that all racers share."""
        return KeyRing([Key.from_secret(self.secret, kid="k1")])


@contextmanager
def opened(place: Place) -> Iterator[SessionStore]:
    """Yield the store at *place*, with the advised settings, and close it."""
    if not place.address:
        yield MemoryStore()
    elif place.address.startswith("unix:"):
        with redis.Redis.from_url(place.address) as client:
            yield RedisStore(client)
    else:
        engine = sa.create_engine(place.address, pool_size=MANY, pool_pre_ping=True)
        yield SQLAlchemyStore(engine)
        engine.dispose()


@asynccontextmanager
async def aopened(place: Place) -> AsyncIterator[AsyncSessionStore | MemoryStore]:
    """Do the same for the asynchronous twin."""
    if not place.address:
        yield MemoryStore()
    elif place.address.startswith("unix:"):
        client = redis.asyncio.Redis.from_url(place.address)
        yield AsyncRedisStore(client)
        await client.aclose()
    else:
        engine = create_async_engine(place.address, pool_size=MANY, pool_pre_ping=True)
        yield AsyncSQLAlchemyStore(engine)
        await engine.dispose()


# ------------------------------------------------------------------ one racer


class Racer:
    """One `Auth` over its own connection to a place, and what it can be told to do."""

    def __init__(self, place: Place) -> None:
        self.clock = FrozenClock()
        self._open = opened(place)
        self._store = self._open.__enter__()
        self._auth = Auth(
            place.ring(), POLICY, store=self._store, sessions=LIVES, clock=self.clock
        )

    def close(self) -> None:
        """Let go of the store."""
        self._open.__exit__(None, None, None)

    def login(self, subject: str) -> str:
        """Log *subject* in; return the refresh token."""
        return self._auth.login(subject).refresh_token

    def refresh(self, token: str) -> tuple[Refreshed, Refreshed]:
        """Present *token*, and its successor at once, as an eager tab does."""
        first = self._auth.refresh(token)
        return _said(first), _said(self._auth.refresh(first.refresh_token))

    def consume(self, token_id: str) -> bool:
        """Use up a one-time token."""
        now = self._auth.now()
        return self._store.consume(token_id, expires_at=now + 30, now=now)

    def living(self, subject: str) -> int:
        """Count the living sessions of *subject*."""
        return len(self._auth.sessions(subject))


class AsyncRacer:
    """The same over `AsyncAuth`; belongs to the loop that opened it."""

    def __init__(
        self,
        place: Place,
        open_: AbstractAsyncContextManager[Any],
        store: AsyncSessionStore | MemoryStore,
    ) -> None:
        self.clock = FrozenClock()
        self._open = open_
        self._auth = AsyncAuth(
            place.ring(), POLICY, store=store, sessions=LIVES, clock=self.clock
        )

    @classmethod
    async def at(cls, place: Place) -> "AsyncRacer":
        """Open the store at *place*."""
        open_ = aopened(place)
        return cls(place, open_, await open_.__aenter__())

    async def close(self) -> None:
        """Let go of the store."""
        await self._open.__aexit__(None, None, None)

    async def login(self, subject: str) -> str:
        """Log *subject* in; return the refresh token."""
        return (await self._auth.login(subject)).refresh_token

    async def refresh(self, token: str) -> tuple[Refreshed, Refreshed]:
        """Present *token*, and its successor at once, as an eager tab does."""
        first = await self._auth.refresh(token)
        return _said(first), _said(await self._auth.refresh(first.refresh_token))

    async def consume(self, token_id: str) -> bool:
        """Use up a one-time token."""
        now = self._auth.now()
        return await self._auth._store.consume(token_id, expires_at=now + 30, now=now)

    async def living(self, subject: str) -> int:
        """Count the living sessions of *subject*."""
        return len(await self._auth.sessions(subject))


def _said(tokens: Tokens) -> Refreshed:
    return tokens.rotation, tokens.session.generation, tokens.refresh_token


# ------------------------------------------------------------------ many racers


class Crowd(Protocol):
    """Racers who do one thing at once."""

    size: int

    def one(self, verb: str, *said: str) -> Any:
        """Let one of them do *verb*; return what it got."""
        ...

    def all(self, verb: str, *said: str) -> list[Any]:
        """Let all of them do *verb* at once; return what each got."""
        ...

    def wait(self, seconds: int) -> None:
        """Let *seconds* pass for all of them."""
        ...

    def close(self) -> None:
        """Send them home."""
        ...


class Threads:
    """Fifty threads around one `Auth`."""

    size = MANY

    def __init__(self, place: Place) -> None:
        self._racer = Racer(place)
        self._barrier = threading.Barrier(MANY)
        self._pool = ThreadPoolExecutor(MANY)

    def one(self, verb: str, *said: str) -> Any:
        """Let one of them do *verb*; return what it got."""
        return getattr(self._racer, verb)(*said)

    def all(self, verb: str, *said: str) -> list[Any]:
        """Let all of them do *verb* at once; return what each got."""

        def race() -> Any:
            self._barrier.wait(60)
            return self.one(verb, *said)

        return [
            each.result() for each in [self._pool.submit(race) for _ in range(MANY)]
        ]

    def wait(self, seconds: int) -> None:
        """Let *seconds* pass for all of them."""
        self._racer.clock.advance(seconds)

    def close(self) -> None:
        """Send them home."""
        self._pool.shutdown()
        self._racer.close()


class Tasks:
    """Fifty tasks around one `AsyncAuth`."""

    size = MANY

    def __init__(self, place: Place) -> None:
        self._runner = asyncio.Runner()
        self._racer = self._runner.run(AsyncRacer.at(place))

    def one(self, verb: str, *said: str) -> Any:
        """Let one of them do *verb*; return what it got."""
        return self._runner.run(getattr(self._racer, verb)(*said))

    def all(self, verb: str, *said: str) -> list[Any]:
        """Let all of them do *verb* at once; return what each got."""

        async def race(barrier: asyncio.Barrier) -> Any:
            await barrier.wait()
            return await getattr(self._racer, verb)(*said)

        async def everybody() -> list[Any]:
            barrier = asyncio.Barrier(MANY)
            return await asyncio.gather(*(race(barrier) for _ in range(MANY)))

        return self._runner.run(everybody())

    def wait(self, seconds: int) -> None:
        """Let *seconds* pass for all of them."""
        self._racer.clock.advance(seconds)

    def close(self) -> None:
        """Send them home."""
        self._runner.run(self._racer.close())
        self._runner.close()


class Processes:
    """Eight processes, each with an `Auth` of its own, that can meet at many places."""

    size = PROCESSES

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        # Kept, since the children find it by its name for as long as it lives here.
        self._barrier = context.Barrier(PROCESSES)
        ends = [context.Pipe() for _ in range(PROCESSES)]
        self._pipes = [ours for ours, _ in ends]
        self._started = [
            context.Process(target=_serve, args=(theirs, self._barrier), daemon=True)
            for _, theirs in ends
        ]
        for process in self._started:
            process.start()
        for _, theirs in ends:
            theirs.close()  # so that a dead racer is heard, as the end of its pipe

    def meet(self, place: Place) -> None:
        """Let each of them open the store at *place*, and leave the last one."""
        self.all("meet", place)

    def one(self, verb: str, *said: Any) -> Any:
        """Let one of them do *verb*; return what it got."""
        return _answers([self._pipes[0]], verb, said)[0]

    def all(self, verb: str, *said: Any) -> list[Any]:
        """Let all of them do *verb* at once; return what each got."""
        return _answers(self._pipes, verb, said)

    def wait(self, seconds: int) -> None:
        """Let *seconds* pass for all of them."""
        self.all("wait", seconds)

    def close(self) -> None:
        """Let them leave the place; they wait for the next."""
        self.all("leave")

    def end(self) -> None:
        """Send them home; by its id, whoever does not go."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._started:
            process.join(10)
            process.kill()
            process.join()


def _answers(pipes: list[Connection], verb: str, said: tuple[Any, ...]) -> list[Any]:
    alone = len(pipes) == 1
    for pipe in pipes:
        pipe.send((alone, verb, said))
    answers = [pipe.recv() for pipe in pipes]
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def _serve(pipe: Connection, barrier: Any) -> None:
    """Do what is said until nobody speaks any more."""
    with ExitStack() as home:
        racer = home.enter_context(_Guest())
        while True:
            try:
                alone, verb, said = pipe.recv()
            except EOFError:
                return
            if not alone:
                barrier.wait(60)
            pipe.send(_tried(getattr(racer, verb), *said))


def _tried(work: Callable[..., Any], *said: Any) -> Any:
    try:
        return work(*said)
    except Exception as error:  # noqa: BLE001 - raised again where the test runs
        return RuntimeError(f"{type(error).__name__}: {error}")


class _Guest(AbstractContextManager["_Guest"]):
    """A racer in a process of its own, who goes from place to place."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._racer: Any = None
        self._awaited = False

    def meet(self, place: Place) -> None:
        """Open the store at *place*."""
        self.leave()
        self._awaited = place.awaited
        self._racer = (
            self._done(AsyncRacer.at(place)) if place.awaited else Racer(place)
        )

    def leave(self) -> None:
        """Close the store."""
        if self._racer is not None:
            self._done(self._racer.close())
        self._racer = None

    def wait(self, seconds: int) -> None:
        """Let *seconds* pass."""
        self._racer.clock.advance(seconds)

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        """Return a verb of the racer, with its answer waited for."""
        return lambda *said: self._done(getattr(self._racer, verb)(*said))

    def _done(self, answer: Any) -> Any:
        return self._runner.run(answer) if self._awaited else answer

    def __exit__(self, *error: object) -> None:
        self.leave()
        self._runner.close()
