"""What does a developer read who built a guard wrong? Each sentence, whole."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resilient_auth import (
    Backoff,
    Bulkhead,
    ConfigError,
    Deadline,
    Ladder,
    MemoryAnswers,
    Resilience,
    RetryBudget,
    Timeouts,
    Trip,
    Usage,
    Verdict,
    breaker,
    cached,
    check_api_key,
    retry,
    rung,
    say,
)

INF = math.inf
#: What no type checker would let through.
ONE: Any = 1
NOTHING: Any = None
WORD: Any = "x"
LLM: Any = Resilience("openai")


def call() -> str:
    """Be a call."""
    return "ok"


def stream() -> Iterator[str]:
    """Be a stream."""
    yield "ok"


def begin() -> Iterator[str]:
    """Return what has not begun."""
    return stream()


def enter_twice(scope: Any) -> None:
    """Enter *scope*, which can be entered once."""
    with scope:
        pass
    with scope:
        pass


SENTENCES: list[tuple[Callable[[], object], str]] = [
    (
        lambda: Backoff(first=0),
        "Backoff.first is above 0 seconds; None or leaving it out is off.",
    ),
    (
        lambda: Backoff(cap=INF),
        "Backoff.cap is a finite number of at least 0, not inf.",
    ),
    (lambda: Backoff(first=4, cap=2), "Backoff.cap (2) is below first (4)."),
    (
        lambda: RetryBudget(ratio=-1),
        "RetryBudget.ratio is a finite number of at least 0, not -1.",
    ),
    (
        lambda: RetryBudget(per_second=INF),
        "RetryBudget.per_second is a finite number of at least 0, not inf.",
    ),
    (
        lambda: Trip(failure_rate=50),
        "Trip.failure_rate is a share above 0 and at most 1, not 50.",
    ),
    (
        lambda: Trip(slow_rate=0),
        "Trip.slow_rate is a share above 0 and at most 1, not 0.",
    ),
    (lambda: Trip(window=0), "Trip.window is a whole number from 1, not 0."),
    (lambda: Trip(minimum=0), "Trip.minimum is a whole number from 1, not 0."),
    (
        lambda: Trip(window=10, minimum=20),
        (
            "Trip.minimum (20) can never be reached in a window of 10 calls; "
            "lower it too."
        ),
    ),
    (
        lambda: Trip(slow_after=0),
        "Trip.slow_after is above 0 seconds; None or leaving it out is off.",
    ),
    (
        lambda: Timeouts(total=0),
        "Timeouts.total is above 0 seconds; None or leaving it out is off.",
    ),
    (
        lambda: Timeouts(attempt=-1),
        "Timeouts.attempt is a finite number of at least 0, not -1.",
    ),
    (
        lambda: Timeouts(first_content=0),
        ("Timeouts.first_content is above 0 seconds; None or leaving it out is off."),
    ),
    (
        lambda: Timeouts(idle=0),
        "Timeouts.idle is above 0 seconds; None or leaving it out is off.",
    ),
    (lambda: Bulkhead(0), "Bulkhead.limit is a whole number from 1, not 0."),
    (lambda: Bulkhead(5, queue=-1), "Bulkhead.queue is a whole number from 0, not -1."),
    (
        lambda: Bulkhead(5, wait=INF),
        "Bulkhead.wait is a finite number of at least 0, not inf.",
    ),
    (
        lambda: Resilience("x", backoff=ONE),
        "backoff takes Backoff, not an object of type int.",
    ),
    (
        lambda: Resilience("x", budget=ONE),
        (
            "budget takes resilient_auth.resilience.policy.RetryBudget | None, "
            "not an object of type int."
        ),
    ),
    (
        lambda: Resilience("x", trip=ONE),
        (
            "trip takes resilient_auth.resilience.policy.Trip | None, not an "
            "object of type int."
        ),
    ),
    (
        lambda: Resilience("x", timeouts=ONE),
        "timeouts takes Timeouts, not an object of type int.",
    ),
    (
        lambda: Resilience("x", bulkhead=ONE),
        (
            "bulkhead takes resilient_auth.resilience.policy.Bulkhead | None, "
            "not an object of type int."
        ),
    ),
    (
        lambda: Resilience("x", shared=ONE),
        (
            "shared takes resilient_auth.resilience.shared.SharedState | None, "
            "not an object of type int."
        ),
    ),
    (lambda: Resilience("x", attempts=0), "attempts is a whole number from 1, not 0."),
    (lambda: Resilience("x", probes=0), "probes is a whole number from 1, not 0."),
    (lambda: Resilience("x", max_keys=0), "max_keys is a whole number from 1, not 0."),
    (
        lambda: Resilience("x", retry_after_cap=-1),
        "retry_after_cap is a finite number of at least 0, not -1.",
    ),
    (
        lambda: Resilience("x", open_for=0),
        "open_for is above 0 seconds; None or leaving it out is off.",
    ),
    (
        lambda: Resilience("x", open_for_max=0),
        "open_for_max is above 0 seconds; None or leaving it out is off.",
    ),
    (
        lambda: Resilience("x", open_for=200),
        "open_for_max (120.0) is below open_for (200).",
    ),
    (
        lambda: Resilience("x", check=ONE),
        "check takes a callable, not an object of type int.",
    ),
    (
        lambda: Resilience("x", classify=ONE),
        "classify takes a plain function of one argument.",
    ),
    (
        lambda: Resilience("x", usage=ONE),
        "usage takes a plain function of one argument.",
    ),
    (
        lambda: Resilience(""),
        "A key is a text with at least one character, not an empty one.",
    ),
    (
        lambda: Resilience("x", key=ONE),
        ("A key is a text with at least one character, not an object of type int."),
    ),
    (lambda: LLM.open(seconds=0), "seconds is a finite number above 0, not 0."),
    (
        lambda: LLM.guard(ONE),
        ("A key is a text with at least one character, not an object of type int."),
    ),
    (lambda: LLM(ONE), "A function is guarded, not an object of type int."),
    (
        lambda: LLM(staticmethod(call)),
        "Guard the function below @staticmethod, not above.",
    ),
    (
        lambda: LLM(stream),
        "stream is a generator: guard it with .stream(text=…, final=…).",
    ),
    (
        lambda: LLM(LLM(call)),
        (
            "call is guarded already, by <Resilience 'openai'>: two guards "
            "would multiply their attempts."
        ),
    ),
    (
        lambda: LLM.stream(text=ONE, final=bool),
        "text takes a callable, not an object of type int.",
    ),
    (
        lambda: LLM.stream(text=bool, final=ONE),
        "final takes a callable, not an object of type int.",
    ),
    (
        lambda: LLM.stream(text=bool, final=bool, terminal=ONE),
        'terminal is "strict" or "eof_ok", not 1.',
    ),
    (
        lambda: LLM.stream(text=bool, final=bool)(ONE),
        "A function is guarded, not an object of type int.",
    ),
    (
        lambda: LLM.stream(text=bool, final=bool)(call),
        (
            "call is no generator (a `def` or `async def` with `yield`), which "
            "is what stream() guards."
        ),
    ),
    (
        LLM(begin),
        (
            "The guarded function returned a generator, whose work has not "
            "begun: guard the `async def` itself (or one that awaits it), or "
            "its generator with .stream(…)."
        ),
    ),
    (lambda: Resilience.of(call), "call is guarded by nobody."),
    (lambda: enter_twice(LLM.guard()), "A guard is entered once; call guard() again."),
    (lambda: retry()(retry()(call)), "call has a retry already."),
    (lambda: breaker("x")(breaker("y")(call)), "call has a breaker already."),
    (
        lambda: retry(check=bool)(breaker("x", check=str)(call)),
        "call has two checks; give it one.",
    ),
    (
        lambda: Verdict.of("odd"),
        (
            "kind is one of quota, content_filter, context_length, auth, "
            "permission, not_found, rate_limit, conflict, overloaded, server, "
            "timeout, bad_request, tls, dns, refused, connect_timeout, reset, "
            "connection, bad_payload, truncated, interrupted, circuit_open, "
            "bulkhead_full, deadline, unavailable, cancelled, bug, not 'odd'."
        ),
    ),
    (lambda: Usage(input_tokens=NOTHING), "Usage.input_tokens is a number, not None."),
    (
        lambda: Usage(output_tokens=True),
        "Usage.output_tokens is a number, not an object of type bool.",
    ),
    (lambda: Usage(cost=WORD), "Usage.cost is a number, not an object of type str."),
    (lambda: Deadline.after(INF), "A deadline is a finite number of seconds: inf."),
    (
        lambda: enter_twice(Deadline.after(5)),
        "A deadline is entered once; call Deadline.after again.",
    ),
    (lambda: MemoryAnswers(most=0), "most is a whole number from 1, not 0."),
    (
        lambda: cached(ONE, 5),
        ("store takes an object with get, put; an object of type int lacks get, put."),
    ),
    (
        lambda: cached(MemoryAnswers(), 0),
        "max_age is above 0 seconds; None or leaving it out is off.",
    ),
    (
        lambda: cached(MemoryAnswers(), 5, key=ONE),
        "key takes a callable that returns a text.",
    ),
    (
        lambda: cached(MemoryAnswers(), 5, name=""),
        "name is a text with at least one character.",
    ),
    (lambda: say("x", name=""), "name is a text with at least one character."),
    (lambda: rung(call, name=""), "name is a text with at least one character."),
    (Ladder, "The first rung of a ladder is a function that calls a model."),
    (
        lambda: Ladder(call, say("x"), rung(call, name="b")),
        "say(…) always answers: nothing may stand below it.",
    ),
    (
        lambda: Ladder(
            call, cached(MemoryAnswers(), 5), cached(MemoryAnswers(), 5, name="b")
        ),
        "One cached(…) is enough: every answer is kept there.",
    ),
    (
        lambda: Ladder(call, stream),
        ("The rungs are functions of one kind: call is 'call', stream is 'stream'."),
    ),
    (
        lambda: Ladder(call, call),
        (
            "The rungs are told apart by their names, and ['call', 'call'] has "
            "one twice: give it another with rung(fn, name=…)."
        ),
    ),
    (
        lambda: Ladder(call, resume=call),
        (
            "resume goes on with a stream, and is of the kind of its rungs: "
            "theirs is 'call', its own 'call'."
        ),
    ),
    (
        lambda: Ladder(call, resume=stream),
        (
            "resume goes on with a stream, and is of the kind of its rungs: "
            "theirs is 'call', its own 'stream'."
        ),
    ),
    (
        lambda: Ladder(call).stream(),
        ("The rungs of this ladder are of the kind 'call': use run(…), not stream(…)."),
    ),
    (
        lambda: Ladder(stream).run(),
        (
            "The rungs of this ladder are of the kind 'stream': use stream(…), "
            "not run(…)."
        ),
    ),
    (
        lambda: check_api_key("x", "closedai"),
        (
            "provider is one of openai, anthropic, google, azure, openrouter, "
            "groq, mistral, not 'closedai'."
        ),
    ),
    (
        lambda: check_api_key(None, "openai"),
        "The API key for openai is missing: set its environment variable.",
    ),
    (
        lambda: check_api_key(ONE, "openai"),
        "The API key for openai is a text, not an object of type int.",
    ),
    (
        lambda: check_api_key("sk-a b", "openai"),
        (
            "The API key for openai holds a space or a line end: it was copied "
            "with too much."
        ),
    ),
    (
        lambda: check_api_key("'sk-ab'", "openai"),
        ("The API key for openai is in quotation marks, which belong to the shell."),
    ),
    (
        lambda: check_api_key("bearer sk", "openai"),
        (
            "The API key for openai holds a space or a line end: it was copied "
            "with too much."
        ),
    ),
    (
        lambda: check_api_key("Bearersk", "openai"),
        "The API key for openai begins with Bearer, which the SDK adds.",
    ),
    (
        lambda: check_api_key("sk-your-key", "openai"),
        "The API key for openai is still the placeholder of an example.",
    ),
    (
        lambda: check_api_key("sk-é", "openai"),
        "The API key for openai holds characters that no key has.",
    ),
    (
        lambda: check_api_key("sk-ab", "openai"),
        (
            "The API key for openai has not the shape of one (sk-… with 20 "
            "characters or more)."
        ),
    ),
    (
        lambda: check_api_key("sk-ab", "anthropic"),
        (
            "The API key for anthropic has not the shape of one (sk-ant-… with "
            "20 characters or more)."
        ),
    ),
    (
        lambda: check_api_key("ab", "google"),
        (
            "The API key for google has not the shape of one (AIza… of 39 "
            "characters, or AQ.…)."
        ),
    ),
    (
        lambda: check_api_key("ab", "azure"),
        (
            "The API key for azure has not the shape of one (32 hexadecimal "
            "digits, or 84 letters and digits)."
        ),
    ),
    (
        lambda: check_api_key("ab", "openrouter"),
        "The API key for openrouter has not the shape of one (sk-or-…).",
    ),
    (
        lambda: check_api_key("ab", "groq"),
        "The API key for groq has not the shape of one (gsk_…).",
    ),
    (
        lambda: check_api_key("ab", "mistral"),
        ("The API key for mistral has not the shape of one (32 letters and digits)."),
    ),
    (
        lambda: check_api_key("sk-ant-" + "a" * 20, "openai"),
        "The API key for openai is one of anthropic.",
    ),
]


@pytest.mark.parametrize(("build", "sentence"), SENTENCES)
def test_the_sentence(build: Callable[[], object], sentence: str) -> None:
    """It names what is wrong, where, and the way out; a change of it is meant."""
    with pytest.raises(ConfigError) as caught:
        build()
    assert str(caught.value) == sentence
