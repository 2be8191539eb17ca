"""A rule of one's own comes first; what it does not know, the common rules judge."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from resilient_auth.errors import ConfigError, UnusableAnswer
from resilient_auth.resilience.calls import Resilience
from resilient_auth.resilience.ladder import Ladder
from resilient_auth.resilience.policy import Backoff, Trip
from resilient_auth.resilience.rungs import say
from resilient_auth.resilience.verdict import Verdict, classify

SOON = Backoff(first=1e-6, cap=1e-6)


class Odd(Exception):
    """An error of a library that nobody knows."""


def rule(error: Exception) -> Verdict | None:
    """Know the odd one."""
    return Verdict.of("overloaded") if isinstance(error, Odd) else None


def play(*outcomes: Any) -> Any:
    """Return what plays *outcomes*, the last one for ever."""
    left = list(outcomes)

    def call() -> Any:
        """Play the next one."""
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return call


def guard(**settings: Any) -> Resilience:
    """Return a guard that knows the odd error."""
    return Resilience("llm", classify=rule, backoff=SOON, **settings)


def test_a_rule_is_obeyed_by_calls() -> None:
    """Without it, it would have been a bug."""
    assert classify(Odd()).kind == "bug"
    assert guard()(play(Odd(), "ok"))() == "ok"
    assert guard().classify(Odd()).kind == "overloaded"
    assert guard().classify(ConnectionRefusedError()).kind == "refused"


def test_a_rule_is_obeyed_by_streams_blocks_and_ladders() -> None:
    """All parts read the same verdict."""
    llm = guard(trip=Trip(window=4, minimum=4))
    scripts: list[Any] = [Odd(), "ok"]

    @llm.stream(text=bool, final=bool)
    def tokens() -> Iterator[str]:
        """Fail once."""
        outcome = scripts.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        yield outcome

    assert list(tokens()) == ["ok"]
    with pytest.raises(Odd), llm.guard():
        raise Odd
    assert llm.snapshot()["llm"].failure_rate == pytest.approx(2 / 3)
    assert Ladder(guard()(play(Odd())), say("sorry")).run().failures == {
        "call": "overloaded"
    }


def test_a_rule_that_fails_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the common rules judge."""

    def broken(_: Exception) -> Verdict:
        """Fail."""
        raise RuntimeError

    llm = Resilience("llm", classify=broken)
    with caplog.at_level(logging.ERROR):
        assert llm.classify(ConnectionRefusedError()).kind == "refused"
    assert "A rule for verdicts failed" in caplog.text
    nonsense: Any = lambda _: "overloaded"  # noqa: E731 - no verdict
    assert Resilience("llm", classify=nonsense).classify(Odd()).kind == "bug"


def test_a_cancellation_is_no_business_of_a_rule() -> None:
    """It is what it is."""
    asked: list[Any] = []
    llm = Resilience("llm", classify=asked.append)
    with pytest.raises(KeyboardInterrupt):
        llm(play(KeyboardInterrupt()))()
    assert llm.classify(KeyboardInterrupt()).kind == "cancelled"
    assert asked == []


def test_a_function_may_say_that_an_answer_is_none() -> None:
    """It is tried again, and counts; once given up, it is not tried by others."""
    llm = guard()
    assert llm(play(UnusableAnswer("bad_payload"), "ok"))() == "ok"
    assert llm.snapshot()["llm"].failure_rate == 0.5

    fails = play(*(UnusableAnswer("server") for _ in range(4)))
    inner = guard(attempts=2)(fails)

    def outer() -> Any:
        """Ask the guarded one."""
        return inner()

    with pytest.raises(UnusableAnswer) as caught:
        guard(attempts=2)(outer)()
    verdict = classify(caught.value)
    assert (verdict.kind, verdict.retry, verdict.fallback) == ("server", False, True)
    assert classify(UnusableAnswer("no such kind")).kind == "bad_payload"


def test_a_filter_in_a_body_is_not_taken_to_another_model() -> None:
    """Status 200 with an error for a body: it is what the body says."""
    body = {"error": {"message": "no", "code": "content_filter"}}
    with pytest.raises(UnusableAnswer) as caught:
        Ladder(guard()(play(body)), say("sorry")).run()
    assert caught.value.kind == "content_filter"


async def _later(_: Exception) -> None:
    """Be awaited."""


@pytest.mark.parametrize("nonsense", ["rule", _later])
def test_nonsense_is_refused(nonsense: Any) -> None:
    """When it is built."""
    with pytest.raises(ConfigError, match="classify takes"):
        Resilience("llm", classify=nonsense)
