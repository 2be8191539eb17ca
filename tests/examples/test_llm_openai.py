"""The chat with OpenAI answers, or says why not, whatever the provider does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack

import pytest
from examples.llm.openai_chat import Chat, Model, main, talk
from examples.llm.terminal import SORRY
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from tests.examples.talks import ANSWER, SECOND, run

from resilient_auth.testing import FaultServer

KEY = "sk-" + "k3Y9" * 12

#: Asks a question for an account: the exit status, stdout and stderr.
Ask = Callable[..., Awaitable[tuple[int, str, str]]]


def client_of(server: FaultServer) -> AsyncOpenAI:
    """Return a client as the example builds it, kept off any proxy."""
    return AsyncOpenAI(
        api_key=KEY,
        base_url=server.url("openai"),
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(trust_env=False),
    )


@pytest.fixture
async def chat(first: FaultServer, second: FaultServer) -> AsyncIterator[Chat]:
    """Return the chat, which sleeps through no wait."""
    async with client_of(first) as one, client_of(second) as two:
        big = Model("big", {"ann": one, "bob": one})
        small = Model("small", {"ann": two, "bob": two})
        talking = Chat([big, small])
        with ExitStack() as stack:
            for guard in talking.guards:
                stack.enter_context(guard.testing())
            yield talking


@pytest.fixture
def ask(
    chat: Chat, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Ask:
    """Ask, and see that the key is nowhere in what is printed and logged."""

    async def asked(
        question: str = "Why?", account: str = "ann"
    ) -> tuple[int, str, str]:
        """Ask one question."""
        status = await talk(chat, account, [question])
        out, err = capsys.readouterr()
        assert KEY not in out + err + caplog.text
        return status, out.removesuffix("\n"), err

    return asked


async def test_a_healthy_model_answers(first: FaultServer, ask: Ask) -> None:
    """The ground on which the faults below stand."""
    assert (0, ANSWER, "Answered by big.\n") == await ask()
    assert [True] == [
        bool(seen.body and seen.body["stream"]) for seen in first.requests
    ]


async def test_a_short_outage_is_not_noticed(first: FaultServer, ask: Ask) -> None:
    """Two times 503, and the third attempt is the answer."""
    first.play("unavailable_retry_after", "unavailable_retry_after", "ok")

    assert (0, ANSWER, "Answered by big.\n") == await ask()
    assert 3 == len(first.requests)


async def test_the_second_model_answers_and_is_named(
    first: FaultServer, second: FaultServer, ask: Ask
) -> None:
    """Who asks for one model and gets another is told, with the reason."""
    first.play("overloaded_529")
    status, out, err = await ask()

    assert (0, SECOND) == (status, out)
    assert "Answered by small; did not answer: big (overloaded).\n" == err
    assert (3, 1) == (len(first.requests), len(second.requests))


async def test_an_earlier_answer_is_given_to_its_own_account(
    first: FaultServer, second: FaultServer, ask: Ask
) -> None:
    """A stale answer beats none, and nobody reads what another one was told."""
    await ask()
    first.play("server_error")
    second.play("server_error")
    again, stranger = await ask(), await ask(account="bob")

    assert (0, ANSWER) == again[:2]
    assert again[2].startswith("Answered by an earlier answer, 0 s old; did not answer")
    assert (1, SORRY) == stranger[:2]
    assert "an earlier answer (not_kept)" in stranger[2]


async def test_when_all_is_down_the_program_speaks_for_itself(
    first: FaultServer, second: FaultServer, ask: Ask
) -> None:
    """What is said is said by the program, and the exit status tells so."""
    first.play("bad_gateway_html")
    second.play("reset_before_headers")
    status, out, err = await ask()

    assert (1, SORRY) == (status, out)
    assert err.startswith("Answered by this program, not a model; did not answer: ")
    assert "big (server), small (reset)" in err


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        ("stream_cut_midway", ANSWER[: len(ANSWER) // 2]),
        ("stream_error_event", ANSWER[: len(ANSWER) // 2]),
        ("stream_no_marker", ANSWER),
    ],
)
async def test_a_torn_answer_is_not_passed_off_as_whole(
    first: FaultServer, second: FaultServer, ask: Ask, fault: str, shown: str
) -> None:
    """What came stays on the screen, and nobody else goes on with it unasked."""
    first.play(fault)
    status, out, err = await ask()

    assert (1, shown) == (status, out)
    assert "The answer stops here" in err
    assert (1, 0) == (len(first.requests), len(second.requests))


async def test_an_answer_that_hit_its_limit_says_so(
    first: FaultServer, ask: Ask
) -> None:
    """It ended properly, and is not whole all the same."""
    first.play("stream_length")

    assert (1, ANSWER) == (await ask())[:2]


async def test_a_refusal_of_the_model_is_its_answer(
    first: FaultServer, ask: Ask
) -> None:
    """It comes in a field of its own, and is no reason to ask another model."""
    first.play("stream_refusal")

    assert (0, "I cannot help with that.") == (await ask())[:2]


async def test_a_refused_key_is_tried_once(
    first: FaultServer, second: FaultServer, ask: Ask
) -> None:
    """Its circuit opens, so the next question does not even knock."""
    first.play("invalid_key")
    second.play("invalid_key")
    status, out, err = await ask()
    assert (1, SORRY) == (status, out)
    assert "big (auth), small (auth)" in err

    later = await ask()
    assert "big (circuit_open), small (circuit_open)" in later[2]
    assert (1, 1) == (len(first.requests), len(second.requests))


async def test_a_spent_quota_is_its_accounts_own(
    first: FaultServer, ask: Ask, chat: Chat
) -> None:
    """Ann's bill is not Bob's."""
    first.play("insufficient_quota", "ok")
    ann, bob = await ask(account="ann"), await ask(account="bob")

    assert "Answered by small; did not answer: big (quota).\n" == ann[2]
    assert "Answered by big.\n" == bob[2]
    circuits = chat.guards[0].snapshot()
    assert ("open", "closed") == tuple(
        circuits[f"big of {account}"].state for account in ("ann", "bob")
    )


async def test_a_filtered_prompt_is_told_and_not_shopped_around(
    first: FaultServer, second: FaultServer, ask: Ask
) -> None:
    """Another model is no way around a filter."""
    first.play("content_filter")

    assert (1, "", "No answer: content_filter.\n") == await ask()
    assert 0 == len(second.requests)


async def test_who_stops_reading_frees_the_connection(
    first: FaultServer, chat: Chat
) -> None:
    """A provider that goes on writing goes on billing."""
    first.play("stream_stall_midway")
    async with chat.answer("ann", "Why?") as answer:
        async for piece in answer:
            if piece.text:
                break

    await asyncio.to_thread(first.wait_gone)


@pytest.mark.parametrize("key", [None, "sk-your-key-here", f" {KEY}", f'"{KEY}"'])
async def test_a_key_that_cannot_work_is_refused_at_the_start(
    key: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before a question, and without a character of it."""
    environ = {} if key is None else {"OPENAI_API_KEY": key}
    status = await main(["Why?"], environ)
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
    status, lines, err = run("examples.llm.openai_chat", KEY, **environ)

    assert (1, [ANSWER, ANSWER[:10]]) == (status, lines)
    assert "Answered by gpt-4o.\nThe answer stops here" in err
