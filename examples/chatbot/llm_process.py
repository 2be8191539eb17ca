"""How does the toy LLM server live and die? As a child process with one pipe."""

import asyncio
import os
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Self

import httpx2

from resilient_auth import Unavailable

_STARTS_WITHIN = 30.0
_ANSWERS_WITHIN = 5.0


class LocalLLM:
    """
    The toy server as a child: started, stopped for the "down" scene, started again.

    It reads its standard input to the end and then ends, so that it cannot outlive
    this process, not even after SIGKILL. After a stop it comes back on the same port.
    *pace* is the seconds that it takes for a word.
    """

    def __init__(self, *, pace: float = 0.03) -> None:
        self.key = secrets.token_urlsafe(16)
        self._pace = pace
        self._port = 0
        self._process: Process | None = None
        self._moving = asyncio.Lock()
        self._control = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {self.key}"}, timeout=_ANSWERS_WITHIN
        )

    async def __aenter__(self) -> Self:
        """Start the server."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the server, and what talked to it."""
        await self.stop()
        await self._control.aclose()

    @property
    def base_url(self) -> str:
        """Return what an OpenAI client calls; known once the server was started."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def pid(self) -> int | None:
        """Return the process id, None while it is down."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """
        Start the server and wait until it listens; no harm if it runs already.

        Raises `Unavailable` if it does not; then nothing of it is left.
        """
        async with self._moving:
            await self._start()

    async def stop(self) -> None:
        """End the server at once, open streams included."""
        async with self._moving:
            await self._stop()

    async def break_it(
        self, mode: str, count: int | None = None, *, both: bool = False
    ) -> None:
        """
        Let the first model, or *both*, misbehave as *mode* for *count* calls.

        ``down`` stops the process, which is both.

        Raises `ValueError` for a mode that it does not know, and `Unavailable` if the
        process does not answer.
        """
        async with self._moving:
            if mode == "down":
                await self._stop()
                return
            await self._start()
            wanted = {"mode": mode, "count": count, "both": both}
            try:
                answer = await self._control.post(self._faults, json=wanted)
            except httpx2.TransportError as error:
                raise Unavailable(
                    "llm_unavailable", "The local model does not answer."
                ) from error
        if answer.status_code == httpx2.codes.BAD_REQUEST:
            raise ValueError(answer.json()["error"]["message"])
        answer.raise_for_status()

    async def _start(self) -> None:
        if self._runs():
            return
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "examples.chatbot.llm_server"),
            *("--port", str(self._port), "--pace", str(self._pace)),
            stdin=PIPE,
            stdout=PIPE,
            env=os.environ | {"DEMO_LLM_KEY": self.key},
        )
        try:
            self._port = await _printed_port(self._process)
        except BaseException:  # cancelled too: what does not listen does not run
            await self._stop()
            raise

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.communicate()

    async def mode(self) -> tuple[str, bool]:
        """Return what is wrong: ``none``, a fault or ``down``; and whether of both."""
        if not self._runs():
            return "down", True
        try:
            answer = await self._control.get(self._faults)
        except httpx2.TransportError:
            return "down", True  # it was stopped while it was asked
        said = answer.json()
        return str(said["mode"]), bool(said["both"])

    @property
    def _faults(self) -> str:
        return f"http://127.0.0.1:{self._port}/faults"

    def _runs(self) -> bool:
        return self._process is not None and self._process.returncode is None


async def _printed_port(process: Process) -> int:
    """Return the port that the child prints; `Unavailable` if it prints none."""
    assert process.stdout is not None  # noqa: S101 - it was asked for as a pipe
    line = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(_STARTS_WITHIN):
            line = await process.stdout.readline()
    if not line.strip().isdigit():
        raise Unavailable("llm_unavailable", "The local model did not start.")
    return int(line)
