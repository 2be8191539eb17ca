"""The chat with Anthropic answers, or says why not, without an event loop."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from anthropic import Anthropic, DefaultHttpxClient
from examples.llm.anthropic_chat import Chat, main, talk, text_of
from examples.llm.terminal import SORRY
from tests.examples.talks import ANSWER, SECOND, run

from resilient_auth.testing import FaultServer

KEY = "sk-ant-" + "k3Y9" * 12
HALF = ANSWER[: len(ANSWER) // 2]

#: Asks a question: the exit status, stdout and stderr.
Ask = Callable[[], tuple[int, str, str]]


def client_of(server: FaultServer) -> Anthropic:
    """Return a client as the example builds it, kept off any proxy."""
    return Anthropic(
        api_key=KEY,
        base_url=server.url("anthropic"),
        max_retries=0,
        http_client=DefaultHttpxClient(trust_env=False),
    )


@pytest.fixture
def silence() -> float:
    """So long that a busy machine is never taken for a stall."""
    return 30.0


@pytest.fixture
def chat(first: FaultServer, second: FaultServer, silence: float) -> Iterator[Chat]:
    """Return the chat, which sleeps through no wait."""
    with client_of(first) as one, client_of(second) as two, ExitStack() as stack:
        talking = Chat([("big", one), ("small", two)], silence=silence)
        for guard in talking.guards:
            stack.enter_context(guard.testing())
        yield talking


@pytest.fixture
def ask(
    chat: Chat, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Ask:
    """Ask, and see that the key is nowhere in what is printed and logged."""

    def asked() -> tuple[int, str, str]:
        """Ask one question."""
        status = talk(chat, ["Why?"])
        out, err = capsys.readouterr()
        assert KEY not in out + err + caplog.text
        return status, out.removesuffix("\n"), err

    return asked


def test_a_healthy_model_answers(first: FaultServer, ask: Ask) -> None:
    """The ground on which the faults below stand."""
    assert (0, ANSWER, "Answered by big.\n") == ask()
    assert 1 == len(first.requests)


def test_a_short_outage_is_not_noticed(first: FaultServer, ask: Ask) -> None:
    """Two times 503, and the third attempt is the answer."""
    first.play("unavailable_retry_after", "unavailable_retry_after", "ok")

    assert (0, ANSWER, "Answered by big.\n") == ask()
    assert 3 == len(first.requests)


def test_the_second_model_answers_and_is_named(
    first: FaultServer, second: FaultServer, ask: Ask
) -> None:
    """Who asks for one model and gets another is told, with the reason."""
    first.play("overloaded_529")

    expected = "Answered by small; did not answer: big (overloaded).\n"
    assert (0, SECOND, expected) == ask()
    assert (3, 1) == (len(first.requests), len(second.requests))


def test_when_all_is_down_the_program_speaks_for_itself(
    first: FaultServer, second: FaultServer, ask: Ask
) -> None:
    """What is said is said by the program, and the exit status tells so."""
    first.play("server_error")
    second.play("close_before_headers")
    status, out, err = ask()

    assert (1, SORRY) == (status, out)
    assert err.endswith("not a model; did not answer: big (server), small (reset).\n")


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        ("stream_cut_midway", HALF),
        ("stream_error_event", HALF),
        ("stream_malformed", HALF),
        ("stream_no_marker", ANSWER),
    ],
)
def test_a_torn_answer_is_not_passed_off_as_whole(
    first: FaultServer, second: FaultServer, ask: Ask, fault: str, shown: str
) -> None:
    """The SDK raises four different things here, and for one of them nothing."""
    first.play(fault)
    status, out, err = ask()

    assert (1, shown) == (status, out)
    assert "The answer stops here" in err
    assert (1, 0) == (len(first.requests), len(second.requests))


@pytest.mark.parametrize("silence", [0.3])
def test_a_model_that_falls_silent_is_cut_by_the_sdk(
    first: FaultServer, ask: Ask
) -> None:
    """A thread that reads cannot be interrupted, so its client has to time out."""
    first.play("stream_stall_midway")
    status, out, err = ask()

    assert (1, HALF) == (status, out)
    assert "The answer stops here" in err
    first.wait_gone()


@pytest.mark.parametrize("fault", ["stream_length", "stream_content_filter"])
def test_an_answer_that_was_ended_early_says_so(
    first: FaultServer, ask: Ask, fault: str
) -> None:
    """It ended properly, and is not whole all the same."""
    first.play(fault)
    status, _, err = ask()

    assert 1 == status
    assert "Answered by big.\nThe answer is not whole" in err


def test_a_refused_key_is_tried_once(
    first: FaultServer, second: FaultServer, ask: Ask
) -> None:
    """Its circuit opens, so the next question does not even knock."""
    first.play("invalid_key")
    second.play("invalid_key")
    status, out, err = ask()
    assert (1, SORRY) == (status, out)
    assert "big (auth), small (auth)" in err

    assert "big (circuit_open), small (circuit_open)" in ask()[2]
    assert (1, 1) == (len(first.requests), len(second.requests))


def test_a_prompt_that_is_too_long_may_fit_another_model(
    first: FaultServer, second: FaultServer, ask: Ask
) -> None:
    """It is asked once, and held against nobody."""
    first.play("context_too_long")

    assert "did not answer: big (context_length)" in ask()[2]
    assert (1, 1) == (len(first.requests), len(second.requests))


def test_who_stops_reading_frees_the_connection(first: FaultServer, chat: Chat) -> None:
    """A provider that goes on writing goes on billing."""
    first.play("stream_stall_midway")
    with chat.answer("Why?") as answer:
        assert HALF == next(filter(None, map(text_of, answer)))

    first.wait_gone()


@pytest.mark.parametrize(
    "key", [None, "sk-ant-your-key", f"{KEY}\n", "sk-" + "a1" * 20]
)
def test_a_key_that_cannot_work_is_refused_at_the_start(
    key: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before a question, and without a character of it."""
    status = main(["Why?"], {} if key is None else {"ANTHROPIC_API_KEY": key})
    out, err = capsys.readouterr()

    assert (2, "") == (status, out)
    assert err.startswith("The API key for anthropic ")
    assert "k3Y9" not in err


def test_it_runs_from_a_shell(first: FaultServer) -> None:
    """Two questions: one is answered, the stream of the other is torn."""
    first.play("ok", "stream_reset_midway")
    environ = {
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": first.url("anthropic"),
    }
    status, lines, err = run("examples.llm.anthropic_chat", KEY, **environ)

    assert (1, [ANSWER, HALF]) == (status, lines)
    assert "Answered by claude-sonnet-5-5.\nThe answer stops here" in err
