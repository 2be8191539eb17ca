"""The one button that starts a process, pressed by many hands."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from examples.chatbot import panel
from examples.chatbot.feed import Feed
from starlette.requests import Request

from resilient_auth import Unavailable

Press = Callable[[], Any]


class Anybody:
    """An adapter that knows everybody."""

    async def principal(self, request: Request) -> None:
        """Let *request* pass."""


@pytest.fixture
def press() -> Press:
    """Return what presses the button once; it may be called many times."""
    nothing: Any = None
    anybody: Any = Anybody()
    buttons = panel.Panel(
        web=anybody,
        auth=nothing,
        ring=nothing,
        policy=nothing,
        access_cookie=nothing,
        models=nothing,
        local=None,
        outage=nothing,
        feed=Feed(),
    )
    return lambda: buttons._duplicate(Request({"type": "http"}))


def become(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is started do what *script* says."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(path))


async def test_one_process_at_a_time(
    press: Press, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred presses must not be a hundred processes."""
    log = tmp_path / "log"
    script = f"echo starts >> {log}; sleep 0.1; echo ends >> {log}; echo '{{}}'"
    become(script, tmp_path, monkeypatch)
    answers = await asyncio.gather(*(press() for _ in range(4)))

    assert ["starts", "ends"] * 4 == log.read_text().split()
    assert [200] * 4 == [each.status_code for each in answers]


async def test_a_process_that_hangs_is_ended(
    press: Press, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who came behind it has waited long enough by then, and starts none."""
    log = tmp_path / "log"
    log.touch()
    become(f"echo starts >> {log}; exec sleep 60", tmp_path, monkeypatch)
    monkeypatch.setattr(panel, "_PATIENCE", 0.3)
    before = set(psutil.Process().children())
    answers = await asyncio.gather(*(press() for _ in range(3)), return_exceptions=True)

    assert [Unavailable] * 3 == [type(each) for each in answers]
    assert ["overloaded"] * 3 == [each.code for each in answers]
    assert len(log.read_text().split()) < 3
    assert before >= set(psutil.Process().children())
