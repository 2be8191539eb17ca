"""The chat through LangChain answers, or says why not, whole and in pieces."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from examples.llm.langchain_chat import Chat, main, talk, text_of
from examples.llm.terminal import SORRY
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient
from pydantic import SecretStr
from tests.examples.talks import ANSWER, SECOND, run

from resilient_auth.testing import FaultServer

KEY = "sk-" + "k3Y9" * 12
HALF = ANSWER[: len(ANSWER) // 2]

#: Asks a question: the exit status, stdout and stderr.
Ask = Callable[..., Awaitable[tuple[int, str, str]]]

both_ways = pytest.mark.parametrize("whole", [True, False], ids=["whole", "pieces"])


@pytest.fixture
def options() -> dict[str, Any]:
    """Return how LangChain's models are built, beyond what tells them apart."""
    return {"max_retries": 0}


@pytest.fixture
async def models(
    first: FaultServer, second: FaultServer, options: dict[str, Any]
) -> AsyncIterator[list[ChatOpenAI]]:
    """Return the models, kept off any proxy."""
    async with DefaultAsyncHttpxClient(trust_env=False) as http:
        yield [
            ChatOpenAI(
                model=name,
                api_key=SecretStr(KEY),
                base_url=server.url("openai"),
                http_async_client=http,
                **options,
            )
            for name, server in (("big", first), ("small", second))
        ]


@pytest.fixture
async def chat(models: list[ChatOpenAI]) -> AsyncIterator[Chat]:
    """Return the chat, which sleeps through no wait."""
    talking = Chat(models)
    async with AsyncExitStack() as stack:
        for guard in talking.guards:
            stack.enter_context(guard.testing())
        yield talking


@pytest.fixture
def ask(
    chat: Chat, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Ask:
    """Ask, and see that the key is nowhere in what is printed and logged."""

    async def asked(*, whole: bool = False) -> tuple[int, str, str]:
        """Ask one question."""
        status = await talk(chat, ["Why?"], whole=whole)
        out, err = capsys.readouterr()
        assert KEY not in out + err + caplog.text
        return status, out.removesuffix("\n"), err

    return asked


@both_ways
async def test_a_healthy_model_answers(
    first: FaultServer, ask: Ask, *, whole: bool
) -> None:
    """The ground on which the faults below stand."""
    assert (0, ANSWER, "Answered by big.\n") == await ask(whole=whole)
    assert [not whole] == [
        bool(seen.body and seen.body.get("stream")) for seen in first.requests
    ]


@both_ways
async def test_a_short_outage_is_not_noticed(
    first: FaultServer, ask: Ask, caplog: pytest.LogCaptureFixture, *, whole: bool
) -> None:
    """Two times 503, and the third request is the answer: nobody else repeats any."""
    first.play("unavailable_retry_after", "unavailable_retry_after", "ok")

    assert (0, ANSWER, "Answered by big.\n") == await ask(whole=whole)
    assert 3 == len(first.requests)
    assert "retries by itself" not in caplog.text


@pytest.mark.parametrize("options", [{}, {"max_retries": 1}], ids=["default", "one"])
async def test_retries_of_langchain_are_reported(
    first: FaultServer,
    ask: Ask,
    models: list[ChatOpenAI],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Left on they multiply, and the guard says so before the first call."""
    said = [each.getMessage() for each in caplog.get_records("setup")]
    client = models[0].root_async_client
    monkeypatch.setattr(client, "_calculate_retry_timeout", lambda *_: 0.0)
    first.play("server_error")
    await ask()

    assert 3 * (1 + client.max_retries) == len(first.requests)
    assert f"'big' retries by itself ({client.max_retries} times)" in " ".join(said)


@both_ways
async def test_the_second_model_answers_and_is_named(
    first: FaultServer, second: FaultServer, ask: Ask, *, whole: bool
) -> None:
    """Who asks for one model and gets another is told, with the reason."""
    first.play("overloaded_529")

    expected = "Answered by small; did not answer: big (overloaded).\n"
    assert (0, SECOND, expected) == await ask(whole=whole)
    assert (3, 1) == (len(first.requests), len(second.requests))


@pytest.mark.parametrize(
    "fault", ["empty_choices", "error_body_200", "html_200", "truncated_json"]
)
async def test_an_answer_that_is_none_is_tried_again_and_passed_on(
    first: FaultServer, ask: Ask, fault: str
) -> None:
    """LangChain stumbles over each, which is no bug of the program's."""
    first.play(fault)
    status, out, err = await ask(whole=True)

    assert (0, SECOND) == (status, out)
    assert "Answered by small; did not answer: big (" in err
    assert 2 == len(first.requests)


async def test_a_message_that_says_nothing_is_no_answer(
    first: FaultServer, ask: Ask
) -> None:
    """A model may spend all of its tokens before the first word."""
    first.text = ""

    assert SECOND == (await ask(whole=True))[1]


@pytest.mark.parametrize("fault", ["stream_empty", "stream_html", "stream_json"])
async def test_a_stream_that_is_none_is_tried_again_and_passed_on(
    first: FaultServer, ask: Ask, fault: str
) -> None:
    """LangChain stumbles here too."""
    first.play(fault)
    status, out, err = await ask()

    assert (0, SECOND) == (status, out)
    assert "did not answer: big (truncated)" in err
    assert 3 == len(first.requests)


@both_ways
async def test_when_all_is_down_the_program_speaks_for_itself(
    first: FaultServer, second: FaultServer, ask: Ask, *, whole: bool
) -> None:
    """What is said is said by the program, and the exit status tells so."""
    first.play("body_cut" if whole else "gateway_timeout_html")
    second.play("reset_before_headers")
    status, out, err = await ask(whole=whole)

    assert (1, SORRY) == (status, out)
    assert err.startswith("Answered by this program, not a model; did not answer: big")


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        ("stream_cut_midway", HALF),
        ("stream_error_event", HALF),
        ("stream_malformed", HALF),
        ("stream_no_marker", ANSWER),
    ],
)
async def test_a_torn_answer_is_not_passed_off_as_whole(
    first: FaultServer, second: FaultServer, ask: Ask, fault: str, shown: str
) -> None:
    """Even where LangChain itself says that this chunk was the last."""
    first.play(fault)
    status, out, err = await ask()

    assert (1, shown) == (status, out)
    assert "The answer stops here" in err
    assert (1, 0) == (len(first.requests), len(second.requests))


@pytest.mark.parametrize(
    ("fault", "why"),
    [("stream_length", "length"), ("stream_refusal", "nothing was said")],
)
async def test_an_answer_that_is_not_whole_says_so(
    first: FaultServer, ask: Ask, fault: str, why: str
) -> None:
    """It ended properly, and is not whole all the same."""
    first.play(fault)
    status, _, err = await ask()

    assert (1, f"Answered by big.\nThe answer is not whole: {why}.\n") == (status, err)


@both_ways
async def test_a_refused_key_is_tried_once(
    first: FaultServer, second: FaultServer, ask: Ask, *, whole: bool
) -> None:
    """The circuit opens for both ways to ask, so the next one does not even knock."""
    first.play("invalid_key")
    second.play("invalid_key")
    status, out, err = await ask(whole=whole)
    assert (1, SORRY) == (status, out)
    assert "big (auth), small (auth)" in err

    assert "big (circuit_open), small (circuit_open)" in (await ask(whole=not whole))[2]
    assert (1, 1) == (len(first.requests), len(second.requests))


async def test_who_stops_reading_frees_the_connection(
    first: FaultServer, chat: Chat
) -> None:
    """Through LangChain's generators too."""
    first.play("stream_stall_midway")
    async with chat.pieces("Why?") as answer:
        async for piece in answer:
            if text_of(piece):
                break

    await asyncio.to_thread(first.wait_gone)


async def test_a_key_that_cannot_work_is_refused_at_the_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before a question, and without a character of it."""
    status = await main(["Why?"], {"OPENAI_API_KEY": f"Bearer {KEY}"})
    out, err = capsys.readouterr()

    assert (2, "") == (status, out)
    assert err.startswith("The API key for openai ")
    assert "k3Y9" not in err


def test_it_runs_from_a_shell(first: FaultServer) -> None:
    """Two questions: one is answered, the stream of the other is torn."""
    first.play("ok", "stream_reset_midway")
    environ = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": first.url("openai"),
    }
    status, lines, err = run("examples.llm.langchain_chat", KEY, **environ)

    assert (1, [ANSWER, HALF]) == (status, lines)
    assert "Answered by gpt-4o.\nThe answer stops here" in err
