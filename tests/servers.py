"""How does a test serve an application for real? On a port that the kernel chose."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


@contextmanager
def uvicorn_serving(make: Callable[[int], Any]) -> Iterator[int]:
    """Serve what *make* returns for a port, with its lifespan; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        # No handlers of its own, so that its log reaches the test.
        server = uvicorn.Server(uvicorn.Config(make(port), log_config=None))
        # It listens already: a client that is early waits for accept.
        serving = threading.Thread(
            target=lambda: asyncio.run(server.serve([listening]))
        )
        serving.start()
        try:
            yield port
        finally:
            server.should_exit = True
            serving.join()
