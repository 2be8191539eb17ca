"""A ladder falls only where another rung could help, and says who served."""

import asyncio
import contextlib
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from resilient_auth.errors import (
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    StreamInterrupted,
)
from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.deadline import Deadline
from resilient_auth.resilience.ladder import Ladder
from resilient_auth.resilience.rungs import Kept, MemoryAnswers, cached, rung, say
from resilient_auth.testing.clock import FrozenClock

END = "<end>"


class Said(Exception):
    """A provider's answer with a status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status_code = status


def model(name: str, *outcomes: Any, llm: Resilience | None = None) -> Any:
    """Return a guarded ``def`` that plays *outcomes*, the last one for ever."""
    left = list(outcomes)

    def call(*_: Any, **__: Any) -> Any:
        """Play the next outcome."""
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    call.__name__ = call.__qualname__ = name
    return (llm or Resilience(name, attempts=1))(call)


def talker(name: str, *scripts: list[Any], **settings: Any) -> Any:
    """Return a guarded generator that plays a list of items per attempt."""
    left = list(scripts)
    llm = Resilience(name, attempts=1, **settings)

    def tokens(*_: Any) -> Iterator[Any]:
        """Play the next script."""
        for item in left.pop(0) if len(left) > 1 else left[0]:
            if isinstance(item, BaseException):
                raise item
            yield item

    tokens.__name__ = tokens.__qualname__ = name
    return llm.stream(text=lambda item: item != END and item, final=END.__eq__)(tokens)


def as_async(fn: Any, name: str) -> Any:
    """Return the async twin of an unguarded look at *fn*."""
    if fn.__resilience__.wraps.__code__.co_flags & 0x20:

        async def items(*args: Any) -> AsyncIterator[Any]:
            """Yield what it yields."""
            for item in fn.__resilience__.wraps(*args):
                yield item

        items.__name__ = items.__qualname__ = name
        guard = Resilience(name, attempts=1)
        return guard.stream(text=lambda item: item != END and item, final=END.__eq__)(
            items
        )

    async def call(*args: Any, **kwargs: Any) -> Any:
        """Return what it returns."""
        return fn.__resilience__.wraps(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    return Resilience(name, attempts=1)(call)


Run = Callable[..., Any]


@pytest.fixture(params=["run", "arun"])
def build(request: pytest.FixtureRequest) -> Callable[..., Run]:
    """Return what builds a ladder of calls and runs it, as a thread or as a task."""

    def make(*rungs: Any, **settings: Any) -> Run:
        """Build it."""
        if request.param == "run":
            return Ladder(*rungs, **settings).run
        twins = [
            as_async(each, each.__name__) if callable(each) else each for each in rungs
        ]
        ladder = Ladder(*twins, **settings)
        return lambda *args, **kwargs: asyncio.run(ladder.arun(*args, **kwargs))

    return make


@pytest.fixture(params=["stream", "astream"])
def read(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return what builds a ladder of streams, and reads it to its end."""

    def make(*rungs: Any, resume: Any = None, **settings: Any) -> Any:
        """Return the items, the error or None, and the stream."""
        if request.param == "stream":
            ladder: Any = Ladder(*rungs, resume=resume, **settings)
            stream = ladder.stream("q")
            return *_drain(stream), stream
        twins = [
            as_async(each, each.__name__) if callable(each) else each for each in rungs
        ]
        twin = None if resume is None else as_async(resume, resume.__name__)
        ladder = Ladder(*twins, resume=twin, **settings)
        return asyncio.run(_adrain(ladder))

    return make


def _drain(stream: Any) -> tuple[list[Any], Exception | None]:
    items: list[Any] = []
    try:
        items.extend(stream)
    except Exception as error:  # noqa: BLE001 - looked at by the test
        return items, error
    return items, None


async def _adrain(ladder: Any) -> tuple[list[Any], Exception | None, Any]:
    stream = ladder.astream("q")
    items: list[Any] = []
    try:
        async for item in stream:
            items += [item]
    except Exception as error:  # noqa: BLE001 - looked at by the test
        return items, error, stream
    return items, None, stream


# -------------------------------------------------------------------- calls


def test_the_first_rung_that_answers_wins(build: Any, heard: list[Any]) -> None:
    """And the answer says which, and how many calls it took."""
    run = build(
        model("gpt", Said(503)), model("claude", "hello"), listeners=[heard.append]
    )
    answer = run("q")

    assert (answer.value, answer.served_by, answer.stale_for) == (
        "hello",
        "claude",
        None,
    )
    assert answer.attempts == 2
    assert [(each.rung, each.to, each.kind) for each in heard] == [
        ("gpt", "claude", "overloaded")
    ]


def test_retries_are_counted() -> None:
    """Of all rungs, also of the one that answers in the end."""
    llm = Resilience("gpt", attempts=3)
    other = Resilience("claude", attempts=3)
    with llm.testing(clock=FrozenClock()), other.testing(clock=FrozenClock()):
        first = model("gpt", Said(500), llm=llm)
        second = model("claude", Said(500), "hello", llm=other)
        assert Ladder(first, second).run().attempts == 5


def test_an_open_rung_is_skipped_and_calls_nobody(build: Any) -> None:
    """A rejection is no attempt."""
    llm = Resilience("gpt")
    llm.open(seconds=60)
    first = model("gpt", "never", llm=llm)
    answer = Ladder(first, model("claude", "hello")).run()

    assert (answer.served_by, answer.attempts) == ("claude", 1)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_no_rung_could_mend_is_raised(build: Any, status: int) -> None:
    """A bad request is as bad at the next model."""
    run = build(model("gpt", Said(status)), model("claude", "hello"), say("sorry"))
    with pytest.raises(Said):
        run("q")


def test_a_bug_is_no_outage(build: Any) -> None:
    """A TypeError in the calling code would be hidden for ever."""
    with pytest.raises(TypeError):
        build(model("gpt", TypeError("bug")), say("sorry"))("q")


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_endings_pass_through(ending: type[BaseException]) -> None:
    """Ctrl-C is no reason to ask somebody else."""
    with pytest.raises(ending):
        Ladder(model("gpt", ending()), say("sorry")).run("q")


def test_the_first_error_is_raised_when_all_failed(build: Any) -> None:
    """With a note for each of the others."""
    run = build(
        model("gpt", Said(503)), model("claude", Said(429)), model("m", Said(401))
    )
    with pytest.raises(Said, match="503") as caught:
        run("q")
    assert caught.value.__notes__ == ["claude: rate_limit", "m: auth"]


def test_an_earlier_answer_is_given_with_its_age(
    build: Any, clock: FrozenClock
) -> None:
    """Until it is too old; then the text is said."""
    store = MemoryAnswers()
    run = build(
        model("gpt", "fresh", Said(503)),
        cached(store, max_age=60),
        say("sorry"),
        clock=clock,
    )
    first = run("q")
    clock.advance(60)
    second = run("q")
    other = run("another question")
    clock.advance(1)
    third = run("q")

    assert (first.value, first.stale_for) == ("fresh", None)
    assert (second.value, second.served_by, second.stale_for) == ("fresh", "cached", 60)
    assert (second.attempts, second.failures) == (1, {"gpt": "overloaded"})
    assert third.failures == {"gpt": "overloaded", "cached": "not_kept"}
    assert (other.value, other.served_by) == ("sorry", "said")
    assert (third.value, third.stale_for) == ("sorry", None)


def test_a_key_of_ones_own_separates_users(clock: FrozenClock) -> None:
    """An answer of one user's is none of another's."""
    store = MemoryAnswers()
    ladder = Ladder(
        model("gpt", "for ada", Said(503)),
        cached(store, 60, key=lambda question, user: f"{user}/{question}"),
        say("sorry"),
    )
    ladder.run("q", user="ada")

    assert ladder.run("q", user="bob").value == "sorry"
    assert ladder.run("q", user="ada").value == "for ada"


def test_arguments_without_json_are_not_kept_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Their answer is not lost, and the cure is named."""
    store = MemoryAnswers()
    ladder = Ladder(model("gpt", "hello"), cached(store, 60), say("sorry"))
    with caplog.at_level(logging.WARNING):
        assert [ladder.run(object()).value for _ in range(3)] == ["hello"] * 3

    assert len(store) == 0
    assert caplog.text.count("key=") == 1


class Broken:
    """A store that is down."""

    def get(self, key: str) -> Kept | None:
        """Fail."""
        raise ConnectionError

    def put(self, key: str, kept: Kept) -> None:
        """Fail."""
        raise ConnectionError


def test_a_store_that_is_down_costs_no_answer(build: Any) -> None:
    """It is one rung less."""
    run = build(model("gpt", "hello", Said(503)), cached(Broken(), 60), say("sorry"))

    assert [run("q").value, run("q").value] == ["hello", "sorry"]


def test_the_memory_of_answers_is_bounded() -> None:
    """Who was not asked for longest goes."""
    store = MemoryAnswers(most=2)
    for key in ("a", "b"):
        store.put(key, Kept(key, 0))
    store.get("a")
    store.put("c", Kept("c", 0))

    assert [store.get(key) is not None for key in "abc"] == [True, False, True]


def test_a_said_text_is_served_past_the_deadline(
    build: Any, clock: FrozenClock
) -> None:
    """And no model is called any more."""
    run = build(model("gpt", "late"), model("claude", "late"), say("sorry"))
    with Deadline.after(1, clock=clock):
        clock.advance(2)
        answer = run("q")
    assert (answer.value, answer.attempts) == ("sorry", 0)


def test_an_unguarded_rung_is_not_called_past_the_deadline(clock: FrozenClock) -> None:
    """The ladder looks at the time itself."""
    called: list[str] = []
    with Deadline.after(1, clock=clock):
        clock.advance(2)
        with pytest.raises(DeadlineExceeded):
            Ladder(called.append).run("q")
    assert not called


def test_an_unguarded_rung_counts_as_one(build: Any) -> None:
    """Whatever it does inside."""

    def plain(_: str) -> str:
        """Fail as a provider does."""
        raise Said(503)

    answer = Ladder(plain, say("sorry")).run("q")
    assert (answer.attempts, answer.served_by) == (1, "said")


# ------------------------------------------------------------------ streams


def test_a_stream_falls_before_its_first_content(read: Any) -> None:
    """Nobody has seen anything."""
    items, error, stream = read(
        talker("gpt", ["", Said(503)]), talker("claude", ["Hel", "lo", END])
    )
    assert (items, error) == (["Hel", "lo", END], None)
    assert (stream.served_by, stream.attempts, stream.resumed_by) == ("claude", 2, "")


@pytest.mark.parametrize("script", [[], [""], ["", END[:0]]])
def test_an_empty_stream_falls(read: Any, script: list[str]) -> None:
    """Row 39: it ended without a word."""
    items, error, _ = read(talker("gpt", script), talker("claude", ["Hi", END]))
    assert (items, error) == (["Hi", END], None)


def test_a_stream_does_not_fall_after_its_first_content(read: Any) -> None:
    """The texts of two models are never joined in silence."""
    items, error, stream = read(
        talker("gpt", ["Hel", ConnectionResetError()]), talker("claude", ["no", END])
    )
    assert items == ["Hel"]
    assert isinstance(error, StreamInterrupted)
    assert (error.partial, stream.served_by) == ("Hel", "gpt")


def test_somebody_goes_on_where_a_stream_broke(read: Any, heard: list[Any]) -> None:
    """By wish, and told."""
    items, error, stream = read(
        talker("gpt", ["Hel", ConnectionResetError()]),
        resume=talker("claude", ["lo", END]),
        listeners=[heard.append],
    )
    assert (items, error) == (["Hel", "lo", END], None)
    assert (stream.served_by, stream.resumed_by) == ("gpt", "claude")
    assert [each.name for each in heard] == ["stream_resumed"]


def test_who_goes_on_is_given_the_text_that_came() -> None:
    """Before the arguments."""
    given: list[Any] = []

    def more(partial: str, question: str) -> Iterator[str]:
        """Note what was given."""
        given.append((partial, question))
        yield END

    ladder = Ladder(talker("gpt", ["Hel", "l", Said(500)]), resume=more)
    assert list(ladder.stream("q")) == ["Hel", "l", END]
    assert given == [("Hell", "q")]


@pytest.mark.parametrize(
    ("script", "partial"), [([Said(503)], "Hel"), (["lo", Said(503)], "Hello")]
)
def test_a_resumption_that_breaks_is_an_interruption(
    read: Any, script: list[Any], partial: str
) -> None:
    """With all the text that came from both."""
    _, error, _ = read(
        talker("gpt", ["Hel", Said(500)]), resume=talker("claude", script)
    )
    assert isinstance(error, StreamInterrupted)
    assert error.partial == partial


def test_a_whole_stream_is_kept_and_given_again(read: Any, clock: FrozenClock) -> None:
    """Item by item; a broken one is not kept."""
    store = MemoryAnswers()
    settings: Any = {"clock": clock}
    cache = cached(store, 60)
    read(talker("gpt", ["Hel", Said(500)]), cache, **settings)
    assert len(store) == 0
    read(talker("gpt", ["Hel", "lo", END]), cache, **settings)
    clock.advance(5)
    items, error, stream = read(talker("gpt", [Said(503)]), cache, **settings)

    assert (items, error) == (["Hel", "lo", END], None)
    assert (stream.served_by, stream.stale_for) == ("cached", 5)


def test_a_call_and_a_stream_do_not_share_what_is_kept() -> None:
    """The value of one is no list of items of the other."""
    cache = cached(MemoryAnswers(), 60)
    Ladder(model("gpt", "hello"), cache).run("q")
    stream = Ladder(talker("gpt", [Said(503)]), cache, say("sorry")).stream("q")

    assert list(stream) == ["sorry"]
    assert stream.served_by == "said"


def test_a_consumer_that_goes_away_closes_the_rung() -> None:
    """Nothing is in flight afterwards, sync and async."""
    gpt = talker("gpt", ["Hel", "lo", END])
    with Ladder(gpt, say("sorry")).stream("q") as stream:
        next(stream)
    twin = as_async(gpt, "gpt")

    async def leave() -> None:
        """Read one item as a task."""
        async with Ladder(twin, say("sorry")).astream("q") as items:
            await anext(items)

    asyncio.run(leave())
    for each in (gpt, twin):
        circuit = Resilience.of(each).snapshot()["gpt"]
        assert (circuit.in_flight, circuit.calls) == (0, 0)


def test_a_failed_climb_keeps_no_prompt_alive() -> None:
    """T6: errors know frames, and frames know the climb."""

    class Prompt:
        """Some megabytes."""

    def refuse(status: int) -> Any:
        """Return a rung whose errors nobody keeps."""

        def call(_: Prompt) -> str:
            """Fail with a new error."""
            raise Said(status)

        return rung(Resilience("m", attempts=1)(call), name=str(status))

    gc.collect()
    gc.disable()
    try:
        for last in (say("sorry"), refuse(400), refuse(503)):
            ladder: Any = Ladder(refuse(500), last)
            prompt = Prompt()
            alive = weakref.ref(prompt)
            with contextlib.suppress(Said):
                ladder.run(prompt)
            del prompt
            assert alive() is None
    finally:
        gc.enable()


# ----------------------------------------------------------- what is refused


def _gpt(_: str) -> str:
    return "hello"


async def _agpt(_: str) -> str:
    return "hello"


@pytest.mark.parametrize(
    ("rungs", "settings", "says"),
    [
        ([], {}, "first rung"),
        ([say("sorry")], {}, "first rung"),
        ([cached(MemoryAnswers(), 1), _gpt], {}, "first rung"),
        ([_gpt, say("sorry"), _gpt], {}, "nothing may stand below"),
        ([_gpt, _agpt], {}, "functions of one kind"),
        ([_gpt, _gpt], {}, "rung(fn, name=…)"),
        ([_gpt, 5], {}, "type int"),
        ([_gpt], {"resume": _gpt}, "goes on with a stream"),
        ([talker("gpt", [])], {"resume": _agpt}, "kind of its rungs"),
        (
            [_gpt, cached(MemoryAnswers(), 1), cached(MemoryAnswers(), 1, name="b")],
            {},
            "One cached",
        ),
    ],
)
def test_a_ladder_without_sense_is_refused(
    rungs: list[Any], settings: Any, says: str
) -> None:
    """When it is built."""
    with pytest.raises(ConfigError) as caught:
        Ladder(*rungs, **settings)
    assert says in str(caught.value)


def test_the_verb_fits_the_rungs() -> None:
    """A coroutine that nobody awaits would be an answer."""
    with pytest.raises(ConfigError, match=r"use arun\(…\), not run"):
        Ladder(_agpt).run("q")
    with pytest.raises(ConfigError, match=r"use run\(…\), not astream"):
        Ladder(_gpt).astream("q")


def test_a_rung_may_have_another_name() -> None:
    """One function with two clients."""
    ladder = Ladder(rung(_gpt, name="first"), rung(_gpt, name="second"))
    assert ladder.run("q").served_by == "first"


def test_an_open_circuit_without_other_rungs_is_raised() -> None:
    """As it is, with the time that is left."""
    llm = Resilience("gpt")
    llm.open(seconds=60)
    with pytest.raises(CircuitOpen):
        Ladder(model("gpt", "never", llm=llm)).run("q")


async def test_keyword_arguments_reach_every_rung_and_who_resumes() -> None:
    """Of streams too, sync and async."""
    given: list[Any] = []

    def first(question: str, *, user: str) -> Iterator[str]:
        """Break after a word."""
        given.append((question, user))
        yield "Hel"
        raise StreamInterrupted("Hel", kind="reset")

    def more(partial: str, question: str, *, user: str) -> Iterator[str]:
        """Go on, and break too."""
        given.append((partial, question, user))
        yield "lo"
        raise StreamInterrupted("lo", kind="server")

    async def afirst(question: str, *, user: str) -> AsyncIterator[str]:
        """Break after a word."""
        for item in first(question, user=user):
            yield item

    async def amore(partial: str, question: str, *, user: str) -> AsyncIterator[str]:
        """Go on, and break too."""
        for item in more(partial, question, user=user):
            yield item

    stream = Ladder(first, resume=more).stream("q", user="ann")
    assert (stream.served_by, stream.stale_for, stream.attempts) == ("", None, 0)
    with pytest.raises(StreamInterrupted) as caught:
        list(stream)
    with pytest.raises(StreamInterrupted) as acaught:
        async for _ in Ladder(afirst, resume=amore).astream("q", user="ann"):
            pass

    assert given == [("q", "ann"), ("Hel", "q", "ann")] * 2
    for each in (caught.value, acaught.value):
        assert (each.partial, each.kind) == ("Hello", "server")


async def test_a_resumption_that_fails_tells_its_kind() -> None:
    """With the text of the first alone."""

    async def first() -> AsyncIterator[str]:
        """Break after a word."""
        yield "Hel"
        raise StreamInterrupted("Hel")

    async def more(_: str) -> AsyncIterator[str]:
        """Fail at once."""
        raise ConnectionRefusedError
        yield ""

    with pytest.raises(StreamInterrupted) as caught:
        async for _ in Ladder(first, resume=more).astream():
            pass
    assert (caught.value.partial, caught.value.kind) == ("Hel", "refused")


def test_a_second_is_time_enough_to_call(clock: FrozenClock) -> None:
    """Only when none is left nobody is called."""
    with Deadline.after(10, clock=clock):
        clock.advance(9.5)
        assert Ladder(lambda: "ok").run().value == "ok"


def test_a_stream_that_is_too_long_is_not_kept(
    read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept has a bound; a shorter one is kept whole."""
    monkeypatch.setattr("resilient_auth.resilience.climb.MOST_KEPT", 3)
    for items, kept in ((["a", END], 1), (["a", "b", "c", END], 0)):
        store = MemoryAnswers()
        read(talker("gpt", items), cached(store, 60))
        assert len(store) == kept


async def test_a_stream_without_items_is_an_interruption_at_last() -> None:
    """Of a generator that nobody guards, when no other rung is left."""

    def nothing() -> Iterator[str]:
        """Yield nothing."""
        yield from ()

    async def anothing() -> AsyncIterator[str]:
        """Yield nothing."""
        for item in ():
            yield item

    with pytest.raises(StreamInterrupted) as caught:
        list(Ladder(nothing).stream())
    assert (caught.value.partial, caught.value.kind) == ("", "truncated")
    with pytest.raises(StreamInterrupted):
        async for _ in Ladder(anothing).astream():
            pass


def test_events_tell_when_and_the_deadline_tells_what(
    clock: FrozenClock, heard: list[Any]
) -> None:
    """By the ladder's own clock."""
    ladder = Ladder(
        talker("gpt", ["Hel", Said(500)]),
        resume=talker("claude", ["lo", END]),
        clock=clock,
        listeners=[heard.append],
    )
    list(ladder.stream("q"))
    falls = Ladder(
        model("a", Said(503)), model("b", "ok"), clock=clock, listeners=[heard.append]
    )
    falls.run("q")
    assert [each.at for each in heard] == [clock.time()] * 2
    with Deadline.after(1, clock=clock):
        clock.advance(2)
        with pytest.raises(DeadlineExceeded) as caught:
            Ladder(lambda: "late").run()
    assert (caught.value.what, caught.value.limit) == ("total", 1)


def test_an_answer_of_this_moment_is_not_stale(clock: FrozenClock) -> None:
    """And one from the future, of a clock that jumped, is not younger than now."""
    store = MemoryAnswers()
    run = Ladder(model("a", "ok", Said(503)), cached(store, 60), clock=clock).run
    run("q")
    assert run("q").stale_for == 0.0
    clock.jump(-30)
    assert run("q").stale_for == 0.0
