"""What was found by attacking the layer from outside, each with its cure."""

import asyncio
import contextlib
import dataclasses
import functools
import gc
import http
import logging
import os
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from resilient_auth.errors import CircuitOpen, ConfigError, Unavailable, answer_for
from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.ladder import Ladder
from resilient_auth.resilience.meter import Usage
from resilient_auth.resilience.policy import Backoff, Bulkhead, Timeouts, Trip
from resilient_auth.resilience.rungs import MemoryAnswers, cached, rung, say
from resilient_auth.resilience.verdict import Verdict, classify
from resilient_auth.testing.clock import FrozenClock

SOON = Backoff(first=1e-6, cap=1e-6)


class Said(Exception):
    """A provider's answer with a status and a body."""

    def __init__(self, status: int, message: str = "", code: str = "") -> None:
        super().__init__(message or f"status {status}")
        self.status_code = status
        self.body = {"error": {"message": message, "code": code}}


def fail(error: Exception) -> Any:
    """Return what raises *error*."""

    def call(*_: Any) -> Any:
        """Raise it."""
        raise error

    return call


# ---------------------------------------------------------- what is judged


def test_what_was_being_handled_is_not_what_failed() -> None:
    """B is called in the handler of A's 401; B's parse error is no 401 of B's."""
    b = Resilience("b", backoff=SOON)

    @b
    def parse() -> None:
        """Fail as code does."""
        raise ValueError("no JSON")

    @b
    async def aparse() -> None:
        """Fail as code does."""
        raise ValueError("no JSON")

    @b.stream(text=str, final=bool)
    def tokens() -> Iterator[str]:
        """Fail as code does."""
        raise ValueError("no JSON")
        yield ""

    refuse = fail(Said(401))

    async def in_handler() -> None:
        """Call it as a task does."""
        try:
            refuse()
        except Said:
            await aparse()

    def guarded() -> None:
        """Enter a block."""
        with b.guard():
            raise ValueError("no JSON")

    for call in (parse, lambda: list(tokens()), guarded):
        try:
            refuse()
        except Said:
            with pytest.raises(ValueError, match="no JSON"):
                call()
    with pytest.raises(ValueError, match="no JSON"):
        asyncio.run(in_handler())

    circuit = b.snapshot()["b"]
    assert (circuit.state, circuit.calls) == ("closed", 0)


def test_what_is_named_as_the_cause_is_one() -> None:
    """``raise … from`` says so, whoever is handling what."""
    first, error = Said(401), ValueError()
    error.__cause__ = first
    assert classify(error, handling=first).kind == "auth"
    error.__cause__, error.__context__ = None, first
    assert classify(error, handling=first).kind == "bug"
    assert classify(error).kind == "auth"


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (503, "The content filter service is unavailable", "overloaded"),
        (429, 'Slow down. Prompt: "what is a content filter?"', "rate_limit"),
        (500, "context window could not be computed", "server"),
        (401, "context window", "auth"),
        (400, "blocked by the content filter", "content_filter"),
        (413, "prompt is too long", "context_length"),
    ],
)
def test_words_do_not_make_an_outage_a_refusal(
    status: int, message: str, kind: str
) -> None:
    """A user's prompt must not blind the breaker."""
    assert classify(Said(status, message)).kind == kind


def test_a_status_may_be_an_enum() -> None:
    """``http.HTTPStatus`` is an int."""
    error = Said(200)
    error.status_code = http.HTTPStatus.TOO_MANY_REQUESTS
    assert classify(error).kind == "rate_limit"


@pytest.mark.parametrize("wait", [float("nan"), float("inf"), -1.0])
def test_a_rule_cannot_make_us_wait_for_nonsense(wait: float) -> None:
    """`time.sleep` would raise its own error in place of the provider's."""
    rule = lambda _: dataclasses.replace(Verdict.of("server"), wait=wait)  # noqa: E731
    llm = Resilience("llm", classify=rule, backoff=SOON)
    with pytest.raises(ConnectionResetError):
        llm(fail(ConnectionResetError()))()


# ------------------------------------------------------------- what is raised


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    """An error that takes no attribute and no note."""

    status_code: int


@pytest.mark.parametrize("error", [Frozen(503), Frozen(401)])
def test_an_error_that_takes_no_note_is_raised_as_it_is(error: Exception) -> None:
    """By calls and ladders; no context manager of Python's own can do that."""
    with pytest.raises(Frozen):
        Resilience("llm", attempts=1)(fail(error))()
    with pytest.raises(Frozen):
        Ladder(fail(error), rung(fail(error), name="second")).run()


def test_notes_do_not_pile_up() -> None:
    """One error object that is raised again and again has each note once."""
    error = Said(503)
    ladder = Ladder(fail(error), rung(fail(Said(503)), name="second"))
    for _ in range(5):
        with pytest.raises(Said):
            ladder.run()
    assert error.__notes__ == ["second: overloaded"]


def test_an_answer_is_found_behind_and_in_groups() -> None:
    """A task group, or an error of the application's own around the provider's."""
    llm = Resilience("llm", attempts=1)
    with pytest.raises(Said) as caught:
        llm(fail(Said(401)))()
    wrapped = RuntimeError()
    wrapped.__cause__ = caught.value

    for error in (
        caught.value,
        wrapped,
        ExceptionGroup("", [caught.value, CircuitOpen("llm", 3)]),
    ):
        answer = answer_for(error)
        assert isinstance(answer, Unavailable)
        assert answer.code == "llm_unavailable"
        assert answer is not answer_for(error) or isinstance(answer, CircuitOpen)
    assert answer_for(ExceptionGroup("", [caught.value, KeyError()])) is None
    assert answer_for(KeyError()) is None


def test_no_key_is_repeated_in_a_message() -> None:
    """It may be an API key, or the prompt that a key function returned."""
    llm = Resilience("llm", key=lambda prompt: {"prompt": prompt})  # type: ignore[arg-type, return-value]
    with pytest.raises(ConfigError) as caught:
        llm(print)("sk-secret")
    assert "sk-secret" not in str(caught.value)


def test_logs_quote_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """What others raise may quote what was said."""

    def secret(*_: Any) -> Any:
        """Fail with a prompt."""
        raise RuntimeError("sk-secret")

    class Store:
        """A store that is down."""

        get = put = secret

    llm = Resilience("llm", usage=secret, classify=secret, attempts=1)

    @llm.stream(text=str, final=str)
    def tokens() -> Iterator[str]:
        """Fail while closing."""
        try:
            yield "Hello"
        finally:
            secret()

    with caplog.at_level(logging.DEBUG):
        llm(lambda: "ok")()
        with pytest.raises(KeyError):
            llm(fail(KeyError()))()
        items = tokens()
        next(items)
        items.close()
        Ladder(lambda: "ok", cached(Store(), 5)).run()
        Ladder(lambda: "ok", cached(MemoryAnswers(), 5, key=secret)).run()
    assert len(caplog.records) == 6
    assert "sk-secret" not in caplog.text
    assert not any(each.exc_info for each in caplog.records)


# --------------------------------------------------------------- what is kept


def test_two_ladders_on_one_store_do_not_mix() -> None:
    """A summary is no translation."""
    cache = cached(MemoryAnswers(), 60)
    down = [False]

    def summarize(_: str) -> str:
        """Summarize."""
        if down[0]:
            raise ConnectionRefusedError
        return "summary"

    def translate(_: str) -> str:
        """Translate."""
        if down[0]:
            raise ConnectionRefusedError
        return "translation"

    first, second = Ladder(summarize, cache), Ladder(translate, cache)
    assert (first.run("doc").value, second.run("doc").value) == (
        "summary",
        "translation",
    )
    down[0] = True
    assert (first.run("doc").value, second.run("doc").value) == (
        "summary",
        "translation",
    )


@pytest.mark.parametrize("key", [None, "", 5])
def test_a_key_that_is_none_keeps_nothing(key: Any) -> None:
    """Everybody would be given the first one's answer."""
    store = MemoryAnswers()
    ladder = Ladder(lambda _: "ok", cached(store, 60, key=lambda _: key))
    assert ladder.run("ann").value == "ok"
    assert len(store) == 0


def test_nobody_changes_what_the_next_is_told() -> None:
    """Answers are copied in and out, and so is what is said."""
    answers: list[Any] = [{"text": "Hello"}]

    def ask(_: str) -> Any:
        """Answer once."""
        if not answers:
            raise ConnectionRefusedError
        return answers.pop()

    ladder = Ladder(ask, cached(MemoryAnswers(), 60), say({"text": "sorry"}))
    for question in ("q", "q", "q", "other", "other"):
        value = ladder.run(question).value
        assert value == {"text": "sorry" if question == "other" else "Hello"}
        value["text"] = "changed"


# ----------------------------------------------------------- what holds on


def test_a_long_stream_closes_the_circuit_in_the_end(clock: FrozenClock) -> None:
    """Longer than the lease of a probe: late, but true."""
    llm = Resilience(
        "llm", probes=1, timeouts=Timeouts(total=None, attempt=None, idle=None)
    )

    @llm.stream(text=str, final="<end>".__eq__)
    def tokens() -> Iterator[str]:
        """Talk for ten minutes."""
        for item in ("a", "b", "<end>"):
            yield item
            clock.advance(200)

    with llm.testing(clock=clock):
        llm.open(seconds=1)
        clock.advance(1)
        assert len(list(tokens())) == 3
        assert llm.snapshot()["llm"].state == "closed"


@pytest.mark.parametrize("ending", [KeyboardInterrupt, asyncio.CancelledError])
def test_a_climb_that_is_interrupted_keeps_nothing_alive(
    ending: type[BaseException],
) -> None:
    """The first rung failed, and the second was cut off."""

    class Prompt:
        """Some megabytes."""

    def first(_: Prompt) -> None:
        """Fail."""
        raise ConnectionRefusedError

    def second(_: Prompt) -> None:
        """Be interrupted."""
        raise ending

    gc.collect()
    gc.disable()
    try:
        prompt = Prompt()
        alive = weakref.ref(prompt)
        with contextlib.suppress(ending):
            Ladder(first, second).run(prompt)
        del prompt
        assert alive() is None
    finally:
        gc.enable()


def test_a_fork_begins_with_all_its_slots() -> None:
    """The parent's calls are not the child's."""
    llm = Resilience("llm", bulkhead=Bulkhead(1, queue=0))
    call = llm(lambda: "ok")
    with llm.guard():
        child = os.fork()
        if not child:
            os._exit(0 if call() == "ok" else 1)
        _, status = os.waitpid(child, 0)
    assert status == 0


def test_a_flood_of_keys_forgets_no_outage() -> None:
    """Also when every lane was used since anybody looked."""
    llm = Resilience("llm", key=lambda key: key, max_keys=64)
    call = llm(lambda key: key)
    call("broken")
    llm.open("broken", seconds=60)
    for number in range(63):
        call(f"key {number}")
    call("one more")

    assert llm.snapshot()["broken"].state == "open"


def test_usage_of_nonsense_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    """A count that the provider left out is None."""
    llm = Resilience(
        "llm",
        usage=lambda _: Usage(output_tokens=None),  # type: ignore[arg-type]
    )
    assert llm(lambda: "ok")() == "ok"
    assert "could not be read: ConfigError" in caplog.text


def test_what_was_no_answer_was_billed() -> None:
    """An empty answer used its tokens."""
    llm = Resilience("llm", usage=lambda _: Usage(input_tokens=3), attempts=1)
    with pytest.raises(Unavailable):
        llm(lambda: {"model": "m", "choices": []})()
    assert llm.snapshot()["llm"].used.input_tokens == 3


def test_empty_items_are_no_answer() -> None:
    """However many of them, and though their end is an end."""
    llm = Resilience("llm", attempts=1)

    @llm.stream(text=bool, final=lambda _: False, terminal="eof_ok")
    def tokens() -> Iterator[str]:
        """Say nothing, at length."""
        yield from [""] * 300

    with pytest.raises(Unavailable):
        list(tokens())
    assert llm.snapshot()["llm"].failure_rate == 1.0


def test_a_wait_without_end_is_as_long_as_there_is() -> None:
    """Not an OverflowError."""
    llm = Resilience("llm", bulkhead=Bulkhead(1, queue=1, wait=1e10))
    with llm.guard(), pytest.raises(Unavailable):
        llm._lanes.get("llm").slots.acquire(left=0.01)  # type: ignore[union-attr]


# ------------------------------------------------------- methods and partials


class Bot:
    """Guarded methods of both kinds."""

    llm = Resilience("bot", trip=Trip(window=10, minimum=10))

    @llm
    def ask(self, question: str) -> str:
        """Answer."""
        return question

    @llm.stream(text=bool, final=bool)
    def tell(self, question: str) -> Iterator[str]:
        """Answer in a piece."""
        yield question

    @llm.stream(text=bool, final=bool)
    async def atell(self, question: str) -> AsyncIterator[str]:
        """Answer in a piece."""
        yield question


async def test_methods_and_partials_stand_on_ladders() -> None:
    """They are of the kind of what they hold, and their attempts count."""
    bot = Bot()
    assert Ladder(bot.ask).run("q").value == "q"
    assert list(Ladder(bot.tell).stream("q")) == ["q"]
    assert list(Ladder(functools.partial(bot.tell, "q")).stream()) == ["q"]
    assert [item async for item in Ladder(bot.atell).astream("q")] == ["q"]
    assert Resilience.of(bot.ask) is Bot.llm
    with pytest.raises(ConfigError, match="already"):
        Resilience("other")(bot.ask)


def test_who_resumes_is_counted() -> None:
    """Two calls were made."""
    llm = Resilience("llm", attempts=1)

    @llm.stream(text=bool, final=lambda _: False)
    def tokens() -> Iterator[str]:
        """Break."""
        yield "Hel"
        raise ConnectionResetError

    def more(_: str) -> Iterator[str]:
        """Go on."""
        yield "lo"

    stream = Ladder(tokens, resume=more).stream()
    assert list(stream) == ["Hel", "lo"]
    assert stream.attempts == 2


# --------------------------------------------------------- the second attack


def test_usage_that_the_collector_reports_inside_is_not_lost() -> None:
    """An abandoned stream is billed while this thread sums up."""
    llm = Resilience("llm", usage=lambda _: Usage(input_tokens=1))
    meter = llm._lanes.get("llm").meter
    assert meter is not None
    with meter._lock:
        meter.add(Usage(input_tokens=2))
        assert meter.total.input_tokens == 0
    assert meter.total.input_tokens == 2


@pytest.mark.parametrize("cost", [float("nan"), float("inf"), -1.0])
def test_a_sum_is_not_spoilt(cost: float) -> None:
    """One nan would make it nan for ever."""
    with pytest.raises(ConfigError):
        Usage(cost=cost)


def test_an_answer_is_looked_for_in_circles_once() -> None:
    """``raise eg.exceptions[0] from eg`` makes one."""
    member = RuntimeError()
    group = ExceptionGroup("", [member])
    member.__cause__ = group
    assert answer_for(member) is None
    assert answer_for(group) is None
    refused = RuntimeError()
    refused.__cause__ = CircuitOpen("llm", 3)
    answer = answer_for(refused)
    assert isinstance(answer, CircuitOpen)
    assert answer_for(ExceptionGroup("", [refused, KeyError()])) is None


def test_what_looks_alike_is_kept_apart() -> None:
    """Partials, methods and lambdas of two ladders on one store."""
    cache = cached(MemoryAnswers(), 60)
    down: list[bool] = []

    def ask(question: str, *, model: str) -> str:
        """Answer in the name of a model."""
        if down:
            raise ConnectionRefusedError
        return f"{question} of {model}"

    ladders = [
        Ladder(functools.partial(ask, model=name), cache, say("sorry"))
        for name in ("a", "b")
    ]
    fresh = [each.run("q").value for each in ladders]
    down.append(True)
    assert [each.run("q").value for each in ladders] == fresh == ["q of a", "q of b"]


def test_ladders_with_one_name_share_what_is_kept() -> None:
    """As two processes do, with a store that both reach."""
    store = MemoryAnswers()

    def build(fn: Any) -> Any:
        """Build the ladder of one process."""
        return Ladder(fn, cached(store, 60), name="chat")

    assert build(lambda _: "hello").run("q").value == "hello"
    assert build(fail(ConnectionRefusedError())).run("q").value == "hello"


def test_a_stream_is_judged_by_what_is_handled_at_each_pull() -> None:
    """It began before the reader's trouble, and broke in the middle of it."""
    llm = Resilience("llm", attempts=1)

    @llm.stream(text=bool, final=lambda _: False)
    def tokens() -> Iterator[str]:
        """Break as code does."""
        yield "Hel"
        raise ValueError

    stream = tokens()
    next(stream)
    try:
        fail(Said(401))()
    except Said:
        with pytest.raises(Unavailable):
            next(stream)
    circuit = llm.snapshot()["llm"]
    assert (circuit.state, circuit.calls) == ("closed", 0)


def test_a_stream_that_began_in_a_handler_is_closed_with_its_reader() -> None:
    """It holds on to nothing that holds on to the reader."""
    llm = Resilience("llm")

    @llm.stream(text=bool, final=lambda _: False)
    def tokens() -> Iterator[str]:
        """Go on."""
        yield "Hel"
        yield "lo"

    def read() -> None:
        """Begin, and leave."""
        try:
            int("x")
        except ValueError:
            stream = tokens()
            next(stream)

    gc.collect()
    gc.disable()
    try:
        read()
        assert llm.snapshot()["llm"].in_flight == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("outer", ["block", "stream", "other"])
def test_what_a_probe_calls_rides_on_it(outer: str, clock: FrozenClock) -> None:
    """From a block, from a stream, and by the way of another guard."""
    llm = Resilience("llm", probes=1, attempts=1)
    other = Resilience("other", probes=1, attempts=1)
    inner = llm(lambda: "ok")

    def block() -> str:
        """Call inside of a block."""
        with llm.guard():
            return inner()

    @llm.stream(text=bool, final=bool)
    def stream() -> Iterator[str]:
        """Call inside of a stream."""
        yield inner()

    calls: dict[str, Any] = {
        "block": block,
        "stream": lambda: next(stream()),
        "other": llm(_through(other, inner)),
    }
    with llm.testing(clock=clock), other.testing(clock=clock):
        for guard in (llm, other):
            guard.open(seconds=1)
        clock.advance(1)
        assert calls[outer]() == "ok"
        assert llm.snapshot()["llm"].state == "closed"


def _through(other: Resilience, inner: Any) -> Any:
    """Return a call of *inner* by the way of *other*."""
    between = other(lambda: inner())  # noqa: PLW0108

    def call() -> Any:
        """Take the way."""
        return between()

    return call


async def test_a_decorator_may_change_the_kind() -> None:
    """A plain guarded function in a thread of its own is an async one."""
    guarded = Resilience("llm")(lambda: "ok")

    @functools.wraps(guarded)
    async def in_thread() -> str:
        """Run it elsewhere."""
        return await asyncio.to_thread(guarded)

    answer = await Ladder(in_thread).arun()
    assert answer.value == "ok"
    with pytest.raises(ConfigError, match="arun"):
        Ladder(in_thread).run()


def test_what_is_said_need_not_be_copied() -> None:
    """The last rung always answers."""
    value = (letter for letter in "ab")
    assert Ladder(fail(ConnectionRefusedError()), say(value)).run().value is value
