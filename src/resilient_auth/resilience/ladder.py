"""
Who answers when the first choice cannot? A ladder, climbed down, honest at each step.

Other key or deployment, other model, the answer of earlier, a said text: the first rung
that answers wins, and the `Answer` tells which. Only a failure that another rung could
spare us (`Verdict.fallback`) leads down; a bad request or a content filter is raised.
An open circuit rejects in a microsecond, so that an open rung is skipped at once.

A stream falls back only before its first item was handed on. After it, `resume` may go
on where it broke; the texts of two models are never joined in silence.
"""

import itertools
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import aclosing, closing
from sys import exception
from typing import Any, Generic, TypedDict, TypeVar, Unpack, cast, overload

from resilient_auth.clock import Clock, SystemClock
from resilient_auth.core import arguments
from resilient_auth.errors import ConfigError, StreamInterrupted
from resilient_auth.events import Listener
from resilient_auth.resilience.answer import (
    Answer,
    AnswerStream,
    AsyncAnswerStream,
)
from resilient_auth.resilience.climb import Climb
from resilient_auth.resilience.functions import Kind
from resilient_auth.resilience.rungs import Asked, Cache, Call, Rung, Said
from resilient_auth.resilience.trace import Trace

T = TypeVar("T")

_numbers = itertools.count(1)

_VERBS: dict[Kind, str] = {
    "call": "run",
    "async call": "arun",
    "stream": "stream",
    "async stream": "astream",
}


class _Settings(TypedDict, total=False):
    """What all forms of a ladder take."""

    resume: Callable[..., Any] | None
    name: str
    clock: Clock
    listeners: Iterable[Listener]


class Ladder(Generic[T]):
    """
    Rungs, best first: functions of one kind, then `cached`, then `say`.

    The functions take the same arguments and should be guarded by a `Resilience` each,
    with a circuit of its own; `rung` gives one another name. *resume*, of the same kind
    as the streams, is called with the text that came and the arguments, and goes on
    where a stream broke. *name* tells its kept answers from those of other ladders; it
    is needed where processes share them and the first rung is no function of a module.
    When every rung failed, the error of the first is raised, with a note for each of
    the others. Events: `FellBack`, `StreamResumed`.
    """

    @overload
    def __init__(
        self,
        first: Callable[..., AsyncIterator[T]],
        /,
        *rest: Callable[..., Any] | Rung,
        **settings: Unpack[_Settings],
    ) -> None: ...

    @overload
    def __init__(
        self,
        first: Callable[..., Iterator[T]],
        /,
        *rest: Callable[..., Any] | Rung,
        **settings: Unpack[_Settings],
    ) -> None: ...

    @overload
    def __init__(
        self,
        first: Callable[..., Awaitable[T]],
        /,
        *rest: Callable[..., Any] | Rung,
        **settings: Unpack[_Settings],
    ) -> None: ...

    @overload
    def __init__(
        self,
        first: Callable[..., T] | Call,
        /,
        *rest: Callable[..., Any] | Rung,
        **settings: Unpack[_Settings],
    ) -> None: ...

    def __init__(
        self,
        *rungs: Callable[..., Any] | Rung,
        resume: Callable[..., Any] | None = None,
        name: str = "",
        clock: Clock = SystemClock(),  # noqa: B008 - it has no state
        listeners: Iterable[Listener] = (),
    ) -> None:
        self._rungs = tuple(map(_as_rung, rungs))
        self._first = _checked(self._rungs)
        self._kind: Kind = self._first.kind
        self._resume = None if resume is None else Call(resume)
        if self._resume is not None and (
            self._resume.kind != self._kind or "stream" not in self._kind
        ):
            raise ConfigError(
                "resume goes on with a stream, and is of the kind of its rungs: theirs "
                f"is {self._kind!r}, its own {self._resume.kind!r}."
            )
        # Without a name ladders are told apart by their first function, if that is one
        # of a module, and else each has kept answers of its own, in this process alone.
        unique = self._first.is_unique
        self._name = name or f"{self._first.place}{'' if unique else next(_numbers)}"
        self._clock = clock
        self._listeners = arguments.listeners_of(listeners)

    def run(self, *args: Any, **kwargs: Any) -> Answer[T]:
        """Return the answer of the first rung that has one; for rungs of ``def``."""
        climb = self._climb("call", args, kwargs)
        for rung in self._rungs:
            if not isinstance(rung, Call):
                if climb.shelved(rung):
                    break
                continue
            handling = exception()
            with Trace() as trace:
                try:
                    climb.require_time()
                    value = rung.fn(*args, **kwargs)
                except Exception as error:
                    if not climb.leaves(rung, error, trace, handling):
                        raise
                    continue
                except BaseException:
                    climb.forget()
                    raise
            climb.served(rung, trace)
            climb.keep(value)
            break
        else:
            raise climb.defeat()
        return _answer(climb)

    async def arun(self, *args: Any, **kwargs: Any) -> Answer[T]:
        """Do the same for rungs of ``async def``."""
        climb = self._climb("async call", args, kwargs)
        for rung in self._rungs:
            if not isinstance(rung, Call):
                if climb.shelved(rung):
                    break
                continue
            handling = exception()
            with Trace() as trace:
                try:
                    climb.require_time()
                    value = await rung.fn(*args, **kwargs)
                except Exception as error:
                    if not climb.leaves(rung, error, trace, handling):
                        raise
                    continue
                except BaseException:
                    climb.forget()
                    raise
            climb.served(rung, trace)
            climb.keep(value)
            break
        else:
            raise climb.defeat()
        return _answer(climb)

    def stream(self, *args: Any, **kwargs: Any) -> AnswerStream[T]:
        """Return the items of the first rung that has one; for generators."""
        climb = self._climb("stream", args, kwargs)
        return AnswerStream(climb, self._items(climb, args, kwargs))

    def astream(self, *args: Any, **kwargs: Any) -> AsyncAnswerStream[T]:
        """Do the same for async generators; iterate it, it is not awaited."""
        climb = self._climb("async stream", args, kwargs)
        return AsyncAnswerStream(climb, self._aitems(climb, args, kwargs))

    def _items(
        self, climb: Climb, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Generator[T, None, None]:
        for rung in self._rungs:
            if not isinstance(rung, Call):
                if climb.shelved(rung):
                    yield from climb.value
                    return
                continue
            source = rung.fn(*args, **kwargs)
            handling = exception()
            with Trace() as trace:
                try:
                    climb.require_time()
                    first = next(source)
                except Exception as error:
                    if not climb.leaves(rung, error, trace, handling):
                        raise
                    continue
                except BaseException:
                    climb.forget()
                    raise
            climb.served(rung, trace)
            yield from self._rest(climb, first, source, args, kwargs)
            return
        raise climb.defeat()

    def _rest(
        self,
        climb: Climb,
        first: T,
        source: Generator[T, None, None],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Generator[T, None, None]:
        """Hand on the items of a stream that began, and of who goes on with it."""
        with closing(source):
            try:
                yield climb.note(first)
                for item in source:
                    yield climb.note(item)
            except StreamInterrupted as error:
                if self._resume is None:
                    raise
                partial = error.partial
            else:
                climb.keep_items()
                return
        with closing(self._resume.fn(partial, *args, **kwargs)) as rest:
            climb.resumed(self._resume)
            try:
                yield from rest
            except StreamInterrupted as error:
                raise _joined(partial, error) from error
            except Exception as error:
                kind = self._resume.judge(error).kind
                raise StreamInterrupted(partial, kind=kind) from error

    async def _aitems(
        self, climb: Climb, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> AsyncGenerator[T, None]:
        for rung in self._rungs:
            if not isinstance(rung, Call):
                if climb.shelved(rung):
                    for item in climb.value:
                        yield item
                    return
                continue
            source = rung.fn(*args, **kwargs)
            handling = exception()
            with Trace() as trace:
                try:
                    climb.require_time()
                    first = await anext(source)
                except Exception as error:
                    if not climb.leaves(rung, error, trace, handling):
                        raise
                    continue
                except BaseException:
                    climb.forget()
                    raise
            climb.served(rung, trace)
            async with aclosing(
                self._arest(climb, first, source, args, kwargs)
            ) as rest:
                async for item in rest:
                    yield item
            return
        raise climb.defeat()

    async def _arest(
        self,
        climb: Climb,
        first: T,
        source: AsyncGenerator[T, None],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> AsyncGenerator[T, None]:
        """Hand on the items of a stream that began, and of who goes on with it."""
        async with aclosing(source):
            try:
                yield climb.note(first)
                async for item in source:
                    yield climb.note(item)
            except StreamInterrupted as error:
                if self._resume is None:
                    raise
                partial = error.partial
            else:
                climb.keep_items()
                return
        async with aclosing(self._resume.fn(partial, *args, **kwargs)) as rest:
            climb.resumed(self._resume)
            try:
                async for item in rest:
                    yield item
            except StreamInterrupted as error:
                raise _joined(partial, error) from error
            except Exception as error:
                kind = self._resume.judge(error).kind
                raise StreamInterrupted(partial, kind=kind) from error

    def _climb(
        self, kind: Kind, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Climb:
        if kind != self._kind:
            raise ConfigError(
                f"The rungs of this ladder are of the kind {self._kind!r}: use "
                f"{_VERBS[self._kind]}(…), not {_VERBS[kind]}(…)."
            )
        # A call and a stream with the same name keep different things.
        is_stream = "stream" in kind
        name = f"{'stream' if is_stream else 'call'} {self._name}"
        return Climb(
            self._rungs,
            self._clock,
            self._listeners,
            Asked(name, args, kwargs),
            is_stream=is_stream,
        )


def _answer(climb: Climb) -> Answer[Any]:
    return Answer(
        value=climb.value,
        served_by=climb.served_by,
        stale_for=climb.stale_for,
        attempts=climb.attempts,
        failures=climb.failures,
    )


def _joined(partial: str, error: StreamInterrupted) -> StreamInterrupted:
    """Return the interruption of who went on, with all the text that came."""
    return StreamInterrupted(partial + error.partial, kind=error.kind)


def _as_rung(each: object) -> Rung:
    return each if isinstance(each, Rung) else Call(cast("Callable[..., Any]", each))


def _checked(rungs: Sequence[Rung]) -> Call:
    """Return the first rung; refuse a ladder that makes no sense."""
    if not rungs or not isinstance(rungs[0], Call):
        raise ConfigError(
            "The first rung of a ladder is a function that calls a model."
        )
    for each in rungs[:-1]:
        if isinstance(each, Said):
            raise ConfigError("say(…) always answers: nothing may stand below it.")
    if sum(isinstance(each, Cache) for each in rungs) > 1:
        raise ConfigError("One cached(…) is enough: every answer is kept there.")
    calls = [each for each in rungs if isinstance(each, Call)]
    for each in calls:
        if each.kind != calls[0].kind:
            raise ConfigError(
                f"The rungs are functions of one kind: {calls[0].name} is "
                f"{calls[0].kind!r}, {each.name} is {each.kind!r}."
            )
    names = [each.name for each in rungs]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"The rungs are told apart by their names, and {names} has one twice: "
            "give it another with rung(fn, name=…)."
        )
    return calls[0]
