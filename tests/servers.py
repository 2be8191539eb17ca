"""How does a test serve an application for real? On a port that the kernel chose."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
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


@contextmanager
def process_serving(
    module: str, *arguments: str, env: Mapping[str, str], log: Path
) -> Iterator[int]:
    """
    Run ``python -m MODULE ARGUMENTS`` as a server; yield its port.

    ``{fd}`` in an argument stands for a socket that listens already, so whoever is
    early waits. What the server prints is in *log*.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening, log.open("wb") as out:
        said = [each.format(fd=listening.fileno()) for each in arguments]
        server = subprocess.Popen(
            [sys.executable, "-m", module, *said],
            env=os.environ | env,
            pass_fds=[listening.fileno()],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            yield listening.getsockname()[1]
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
                raise
