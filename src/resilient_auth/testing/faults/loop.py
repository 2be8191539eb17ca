"""Where does the server run? In a thread with a loop of its own, until it is closed."""

import asyncio
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future

from resilient_auth.testing.faults.audience import Audience
from resilient_auth.testing.faults.link import Link

_HOST = "127.0.0.1"
_PATIENCE = 10.0  # seconds that the thread may take for what it is told


class LoopThread:
    """A thread that serves the links of *audience*; it runs once it is built."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._servers: list[asyncio.Server] = []
        self._stop = asyncio.Event()
        started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._live(started)),
            name="fault-server",
            daemon=True,
        )
        self._thread.start()
        self._loop = started.result(_PATIENCE)

    def listen(
        self, make: Callable[[], Link], *, tls: ssl.SSLContext | None = None
    ) -> int:
        """Let *make* build the link of whoever connects; return the new port."""
        listening = asyncio.run_coroutine_threadsafe(
            self._listen(make, tls), self._loop
        )
        return listening.result(_PATIENCE)

    def close(self) -> None:
        """End all links and the thread. Raises: TimeoutError after ten seconds."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            raise TimeoutError(f"The fault server runs on after {_PATIENCE} s.")

    async def _listen(
        self, make: Callable[[], Link], tls: ssl.SSLContext | None
    ) -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(make, _HOST, 0, ssl=tls)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _live(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        loop = asyncio.get_running_loop()
        # What clients do to it is no news: a test looks at the client.
        loop.set_exception_handler(lambda _loop, _context: None)
        started.set_result(loop)
        await self._stop.wait()
        for server in self._servers:
            server.close()
        await self._end_all()

    async def _end_all(self) -> None:
        """End what serves, and what is still being accepted or greeted by TLS."""
        this = asyncio.current_task()
        while (
            tasks := [each for each in asyncio.all_tasks() if each is not this]
        ) or self._audience.links():
            for link in self._audience.links():
                link.abort()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)  # a link says that it is lost in the next turn
