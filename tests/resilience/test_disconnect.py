"""A browser that goes away, under a real uvicorn and Starlette."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from resilient_auth.resilience.calls import Resilience

Pause = Callable[[], Awaitable[object]]


class App:
    """A chat endpoint whose model pauses after each token, in one way or another."""

    def __init__(self, pause: Pause) -> None:
        self.llm = Resilience("llm")
        self.closed = asyncio.Event()

        @self.llm.stream(text=lambda token: token, final=lambda token: token == "end")
        async def tokens() -> AsyncIterator[str]:
            """Yield tokens for ever."""
            try:
                while True:
                    yield "token " * 100
                    await pause()
            finally:
                self.closed.set()

        async def chat(_: object) -> StreamingResponse:
            """Answer with the stream."""
            return StreamingResponse(tokens(), media_type="text/plain")

        self.asgi = Starlette(routes=[Route("/", chat)])


async def never() -> None:
    """Pause for ever."""
    await asyncio.Event().wait()


async def shortly() -> None:
    """Pause for a moment."""
    await asyncio.sleep(0.001)


@pytest.mark.parametrize("pause", [never, shortly], ids=["while it waits", "midway"])
async def test_a_browser_that_goes_away_leaves_nothing_behind(pause: Pause) -> None:
    """The source is closed, the slot is free, and nothing counts."""
    app = App(pause)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app.asgi, log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")
        await reader.readuntil(b"token")
        during = app.llm.snapshot()["llm"].in_flight
        writer.close()
        await writer.wait_closed()
        await app.closed.wait()
        server.should_exit = True
        await serving
    circuit = app.llm.snapshot()["llm"]
    lane: Any = app.llm._lanes.get("llm")

    assert (1, 0, 0) == (during, circuit.in_flight, circuit.calls)
    assert lane.slots.taken == 0
