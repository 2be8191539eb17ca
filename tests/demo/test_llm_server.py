"""The toy server against the real SDK: the protocol, and each way to misbehave."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import openai
import pytest
from examples.chatbot import llm_process, toy_model
from examples.chatbot.llm_process import LocalLLM
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from resilient_auth import Unavailable

ROOT = Path(__file__).parent.parent.parent
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]


@pytest.fixture
async def llm() -> AsyncIterator[LocalLLM]:
    """Start the server at full speed."""
    async with LocalLLM(pace=0) as running:
        yield running


@pytest.fixture
async def client(llm: LocalLLM) -> AsyncIterator[AsyncOpenAI]:
    """Return the SDK as the demo uses it: without retries of its own."""
    async with AsyncOpenAI(
        base_url=llm.base_url, api_key=llm.key, max_retries=0
    ) as sdk:
        yield sdk


@pytest.fixture
async def http(llm: LocalLLM) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a plain client, for what the SDK hides."""
    key = {"Authorization": f"Bearer {llm.key}"}
    async with httpx2.AsyncClient(base_url=llm.base_url, headers=key) as client:
        yield client


async def stream(
    client: AsyncOpenAI, messages: list[ChatCompletionMessageParam] = HELLO
) -> list[ChatCompletionChunk]:
    """Return all chunks of one streamed answer, usage included."""
    chunks = await client.chat.completions.create(
        model=toy_model.NAME,
        messages=messages,
        stream=True,
        stream_options={"include_usage": True},
    )
    async with chunks:
        return [chunk async for chunk in chunks]


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    """Return what *chunks* say."""
    return "".join(
        choice.delta.content or "" for chunk in chunks for choice in chunk.choices
    )


class TestProtocol:
    """What any OpenAI client may rely on."""

    async def test_a_stream_has_every_part(self, client: AsyncOpenAI) -> None:
        """Role, text, end marker, usage without a choice: in this order."""
        first, *middle, end, usage = await stream(client)

        assert first.choices[0].delta.role == "assistant"
        assert text_of(middle) == toy_model.answer([dict(HELLO[0])])
        assert {None} == {chunk.choices[0].finish_reason for chunk in middle}
        assert end.choices[0].finish_reason == "stop"
        assert usage.choices == []
        assert usage.usage is not None
        assert len(middle) == usage.usage.completion_tokens

    async def test_a_whole_answer_says_the_same(self, client: AsyncOpenAI) -> None:
        """Streamed or not, the same conversation gets the same answer."""
        whole = await client.chat.completions.create(
            model=toy_model.NAME, messages=HELLO
        )

        assert text_of(await stream(client)) == whole.choices[0].message.content
        assert whole.choices[0].finish_reason == "stop"

    async def test_the_last_line_is_done(self, http: httpx2.AsyncClient) -> None:
        """The SDK hides this marker; other clients wait for it."""
        asked = {"model": "x", "messages": HELLO, "stream": True}
        said = await http.post("/chat/completions", json=asked)

        assert said.headers["content-type"].startswith("text/event-stream")
        assert said.text.endswith("data: [DONE]\n\n")

    async def test_its_model_is_listed(self, client: AsyncOpenAI) -> None:
        """A client that checks the model first finds it."""
        listed = [model.id async for model in client.models.list()]

        assert list(toy_model.NAMES) == listed

    async def test_a_wrong_key_is_401(self, llm: LocalLLM) -> None:
        """A page of somebody else on this machine cannot talk to it."""
        async with AsyncOpenAI(base_url=llm.base_url, api_key="no") as stranger:
            with pytest.raises(openai.AuthenticationError):
                await stream(stranger)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\xff",
            b"[]",
            b'{"messages": [{"role": "user"}]}',
            b'{"model": "x", "messages": []}',
            b'{"model": "x", "messages": ["hi"]}',
        ],
    )
    async def test_an_unfit_request_is_400(
        self, http: httpx2.AsyncClient, body: bytes
    ) -> None:
        """A bug of the caller is told as one, never as a crash."""
        said = await http.post("/chat/completions", content=body)

        assert said.status_code == 400
        assert said.json()["error"]["type"] == "invalid_request_error"


class TestFaults:
    """Each way to misbehave, as the SDK sees it."""

    async def test_429_names_a_wait(self, llm: LocalLLM, client: AsyncOpenAI) -> None:
        """The guard obeys this header."""
        await llm.break_it("429")

        with pytest.raises(openai.RateLimitError) as caught:
            await stream(client)
        assert caught.value.response.headers["retry-after"] == "1"

    async def test_500(self, llm: LocalLLM, client: AsyncOpenAI) -> None:
        """A provider's own error."""
        await llm.break_it("500")

        with pytest.raises(openai.InternalServerError):
            await stream(client)

    async def test_a_stall_keeps_the_connection_alive(
        self, llm: LocalLLM, http: httpx2.AsyncClient
    ) -> None:
        """Bytes come, but no word: what fools a read timeout."""
        await llm.break_it("stall")

        asked = {"model": "x", "messages": HELLO, "stream": True}
        async with http.stream("POST", "/chat/completions", json=asked) as said:
            lines = said.aiter_lines()
            came = [line for line in [await anext(lines) for _ in range(5)] if line]
        assert '"content": ""' in came[0]
        assert {": keep-alive"} == set(came[1:])

    async def test_a_cut_stream_ends_politely_without_its_marker(
        self, llm: LocalLLM, client: AsyncOpenAI
    ) -> None:
        """No exception at all: only the missing marker tells."""
        await llm.break_it("cut")

        chunks = await stream(client)

        text = text_of(chunks)
        assert text
        assert toy_model.answer([dict(HELLO[0])]).startswith(text)
        assert {None} == {chunk.choices[0].finish_reason for chunk in chunks}

    async def test_down_is_connection_refused_and_ends_open_streams(
        self, llm: LocalLLM, client: AsyncOpenAI
    ) -> None:
        """There is no process then, so whoever listens in mid-stream notices too."""
        await llm.break_it("stall")
        chunks = await client.chat.completions.create(
            model="x", messages=HELLO, stream=True
        )
        await llm.break_it("down")

        async with chunks:
            with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):
                [_ async for _ in chunks]
        with pytest.raises(openai.APIConnectionError):
            await stream(client)
        assert await llm.mode() == ("down", True)

    async def test_it_comes_back_on_the_same_port(
        self, llm: LocalLLM, client: AsyncOpenAI
    ) -> None:
        """The client that was there before the outage goes on with it."""
        await llm.break_it("down")
        await llm.break_it("none")

        assert text_of(await stream(client))
        assert await llm.mode() == ("none", False)

    async def test_a_fault_for_one_call(
        self, llm: LocalLLM, client: AsyncOpenAI
    ) -> None:
        """The second attempt finds a healthy server: that is what a retry is for."""
        await llm.break_it("500", 1)

        with pytest.raises(openai.InternalServerError):
            await stream(client)
        assert await llm.mode() == ("none", False)
        assert text_of(await stream(client))

    @pytest.mark.parametrize(("mode", "count"), [("529", None), ("500", 0)])
    async def test_an_unknown_fault_changes_nothing(
        self, llm: LocalLLM, mode: str, count: int | None
    ) -> None:
        """A typing error in a test of yours must not look like a healthy server."""
        await llm.break_it("500")

        with pytest.raises(ValueError, match=r"mode|count"):
            await llm.break_it(mode, count)
        assert await llm.mode() == ("500", False)


class TestProcess:
    """It never outlives who started it."""

    async def test_starting_and_stopping_may_be_repeated(self, llm: LocalLLM) -> None:
        """Impatient fingers press the button twice, also at the same time."""
        first = llm.pid
        await asyncio.gather(llm.start(), llm.start())
        assert first == llm.pid

        await asyncio.gather(llm.stop(), llm.stop(), llm.stop())
        assert llm.pid is None

    @pytest.mark.parametrize(
        "script",
        ["exit 3", "echo no port", "exec sleep 60"],
        ids=lambda s: s.split()[0],
    )
    async def test_a_start_that_fails_is_an_outage(
        self,
        llm: LocalLLM,
        script: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Nothing of it is left, so that the next one can succeed."""
        await llm.stop()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "executable", program(tmp_path, script))
            patched.setattr(llm_process, "_STARTS_WITHIN", 0.5)
            with pytest.raises(Unavailable, match="llm_unavailable"):
                await llm.break_it("500")
        assert llm.pid is None

        await llm.break_it("500")
        assert await llm.mode() == ("500", False)

    async def test_a_start_that_is_given_up_leaves_nothing(
        self, llm: LocalLLM, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else the half-started process would be taken for one that listens."""
        starts = asyncio.Event()

        async def wait_for_ever(_: object) -> int:
            starts.set()
            return await asyncio.get_running_loop().create_future()

        await llm.stop()
        with monkeypatch.context() as patched:
            patched.setattr(llm_process, "_printed_port", wait_for_ever)
            starting = asyncio.create_task(llm.start())
            await starts.wait()
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
        assert llm.pid is None

        await llm.start()
        assert await llm.mode() == ("none", False)

    def test_it_ends_with_a_parent_that_was_killed(self) -> None:
        """SIGKILL lets nobody clean up; the pipe closes all the same."""
        parent = subprocess.Popen(
            [sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, cwd=ROOT, text=True
        )
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        with socket.create_connection(("127.0.0.1", port)) as connection:
            parent.kill()
            parent.wait()
            parent.stdout.close()

            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""  # the other end is gone


def program(folder: Path, script: str) -> str:
    """Return the path of a program that does what *script* says."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


_PARENT = """
import asyncio
from examples.chatbot.llm_process import LocalLLM

async def main():
    async with LocalLLM() as llm:
        print(llm.base_url.split(":")[2].partition("/")[0], flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""


class TestToyModel:
    """What it says is a function of what was said."""

    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            (["My name is Ada.", "what is my name?"], "Your name is Ada."),
            (["call me Bo", "my name is Ada", "who am I?"], "Your name is Ada."),
            (["what's my name"], "You have not told me yet"),
            (["First words", "x", "what did I say?"], "“First words”"),
            (["What is this demo?"], "resilient-auth"),
            (["Why was I logged out?"], "`session_revoked`"),
            (["frobnicate"], "no template for that"),
            ([], "toy-1"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_answers(self, said: list[str], expected: str) -> None:
        """It knows the demo, and remembers what it is sent."""
        messages = [{"role": "user", "content": each} for each in said]

        assert expected in toy_model.answer(messages)

    @given(st.text(min_size=1).filter(str.strip))
    def test_tokens_joined_are_the_text(self, text: str) -> None:
        """Nothing is lost between the pieces of a stream."""
        assert text == "".join(toy_model.tokens(text))

    @given(st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none())))
    def test_any_conversation_has_an_answer(
        self, messages: list[dict[str, object]]
    ) -> None:
        """Whatever a client sends, there is something to say."""
        assert toy_model.answer(messages).strip()
