"""
F3, the whole story: "Multiple classes found for path 'User'".

One program, of four files, with the mistake in it. Without us every request fails that
has to do with messages, until a restart, and it started well. With us it does not get
that far: refused in source, at definition, or at start, with both places.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.orm.trees import write

PROGRAM = """
@ app/__init__.py
@ app/base.py
import os
from sqlalchemy.orm import DeclarativeBase
from resilient_auth import GuardedRegistry, guard_models

class Base(DeclarativeBase):
    if os.environ["GUARD"] == "registry":
        registry = GuardedRegistry()

if os.environ["GUARD"] == "observer":
    guard_models(Base)
@ app/models.py
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship
from app.base import Base

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)

class Message(Base):
    __tablename__ = "messages"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    user = relationship("User")
@ app/legacy.py
from sqlalchemy.orm import Mapped, mapped_column
from app.base import Base

class User(Base):
    __tablename__ = "legacy_users"
    id: Mapped[int] = mapped_column(primary_key=True)
@ app/main.py
import json, os
import app.legacy
from app.base import Base
from app.models import Message
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from resilient_auth import ModelCheck
from starlette.testclient import TestClient

engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
if os.environ["GUARD"] == "start":
    ModelCheck(Base, packages=["app"]).require()
Base.metadata.create_all(engine)

def messages(request):
    with Session(engine) as session:
        return PlainTextResponse(str(len(session.scalars(sa.select(Message)).all())))

site = Starlette(routes=[Route("/messages", messages)])
client = TestClient(site, raise_server_exceptions=False)
print(json.dumps([client.get("/messages").status_code for _ in range(3)]))
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Write the program; return its folder."""
    write(PROGRAM, tmp_path)
    return tmp_path


def run(program: Path, guard: str) -> "subprocess.CompletedProcess[str]":
    """Start the program with *guard*."""
    return subprocess.run(
        [sys.executable, "-m", "app.main"],
        cwd=program,
        env={"GUARD": guard, "PYTHONPATH": str(program)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def places(program: Path) -> list[str]:
    """Return where both classes are."""
    return [f"{program}/app/legacy.py:4", f"{program}/app/models.py:5"]


def test_without_a_guard_every_request_fails(program: Path) -> None:
    """The failure itself: the start is well, and no request is, for ever."""
    done = run(program, "none")

    assert [500, 500, 500] == json.loads(done.stdout)


@pytest.mark.parametrize("guard", ["registry", "observer", "start"])
def test_with_a_guard_it_does_not_start(program: Path, guard: str) -> None:
    """Nobody is served; whoever started it reads both places and the fix."""
    done = run(program, guard)

    assert (1, "") == (done.returncode, done.stdout)
    assert all(place in done.stderr for place in places(program))
    assert "Fix: rename one of them" in done.stderr


def test_the_source_tells_before_anything_runs(program: Path) -> None:
    """In a pull request, where it costs least."""
    done = subprocess.run(
        [sys.executable, "-m", "resilient_auth.cli", "models", "check", str(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert 1 == done.returncode
    assert all(place in done.stdout for place in places(program))
