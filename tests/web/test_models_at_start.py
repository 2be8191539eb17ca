"""
An application whose models are unsound does not start: refused with names and cure.

The planted faults are those that people meet: a folder that is on the path twice, a
path that begins in two places, and a program that is started and then imported.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from tests.orm.trees import write

from resilient_auth import (
    AsgiAuth,
    AsyncAuth,
    Auth,
    ConfigError,
    Deployment,
    FastAPIAuth,
    FlaskAuth,
    Key,
    KeyRing,
    MemoryStore,
    StarletteAuth,
    TokenPolicy,
    WsgiAuth,
)

ADDRESS = "http://localhost:8000"
SITE = Deployment.insecure_localhost(ADDRESS)
RING = KeyRing([Key.generate("HS256", kid="k1")])
POLICY = TokenPolicy(issuer=ADDRESS, audience="api")
START = f"""
@ start.py
from starlette.applications import Starlette
from resilient_auth import (
    AsyncAuth, Deployment, Key, KeyRing, MemoryStore, ModelCheck, StarletteAuth,
    TokenPolicy,
)

def wrapped(base, package):
    auth = AsyncAuth(
        KeyRing([Key.generate("HS256", kid="k1")]),
        TokenPolicy(issuer="{ADDRESS}", audience="api"),
        store=MemoryStore(),
    )
    site = Deployment.insecure_localhost("{ADDRESS}")
    models = ModelCheck(base, packages=[package])
    web = StarletteAuth(auth, site, authenticate=print, models=models)
    return web.wrap(Starlette())
"""
MODELS = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
{0}
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
OWN_BASE = MODELS.format("class Base(DeclarativeBase):\n    pass\n")
SHARED_BASE = MODELS.format("from base import Base\n")
GUARDED = """
@ base.py
from sqlalchemy.orm import DeclarativeBase
from resilient_auth import GuardedRegistry
class Base(DeclarativeBase):
    registry = GuardedRegistry()
"""
SERVE = "import start\nasgi = start.wrapped({0}.Base, {1!r})\n"


def two_roots(models: str) -> str:
    """Return a program that finds its models from two places of the path."""
    return (
        f"{START}{GUARDED}\n@ app/__init__.py\n@ app/models.py{models}"
        "\n@ app/main.py\nimport app.models, models\n"
        + SERVE.format("app.models", "app.models")
    )


def started_and_imported(models: str) -> str:
    """Return a program whose models stand in the file that is started."""
    return (
        f"{START}{GUARDED}\n@ app/__init__.py\n@ app/main.py{models}"
        "import sys, uvicorn, app.main, start\n"
        'asgi = start.wrapped(Base, "app.main")\n'
        'if __name__ == "__main__":\n'
        '    uvicorn.run("app.main:asgi", port=0)\n'
    )


UVICORN = ("uvicorn", "--port=0", "app.main:asgi")
MODULE = ("app.main",)

APP_MODELS = ("app.models", "models")
SRC_MODELS = ("app.models", "src.app.models")
STARTED = ("__main__", "app.main")

#: The plant → the program, what is started, more of the path, the names that are told.
PLANTS: dict[str, tuple[str, tuple[str, ...], str, tuple[str, str]]] = {
    "folder-on-the-path": (two_roots(SHARED_BASE), UVICORN, "app", APP_MODELS),
    "folder-own-base": (two_roots(OWN_BASE), UVICORN, "app", APP_MODELS),
    "two-places": (
        two_roots(SHARED_BASE).replace("@ app/", "@ src/app/").replace(
            "import app.models, models", "import app.models, src.app.models"
        ),
        UVICORN, "src", SRC_MODELS,
    ),
    "two-places-own-base": (
        two_roots(OWN_BASE).replace("@ app/", "@ src/app/").replace(
            "import app.models, models", "import app.models, src.app.models"
        ),
        UVICORN, "src", SRC_MODELS,
    ),
    "started": (started_and_imported(SHARED_BASE), MODULE, "", STARTED),
    "started-own-base": (
        started_and_imported(OWN_BASE), MODULE, "", STARTED,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("tree", "command", "path", "names"), PLANTS.values(), ids=PLANTS
)
def test_one_file_under_two_names_is_refused_by_a_real_server(
    tree: str,
    command: tuple[str, ...],
    path: str,
    names: tuple[str, str],
    tmp_path: Path,
) -> None:
    """The server ends by itself, and its log says which names, and what to do."""
    write(tree, tmp_path)
    places = os.pathsep.join(str(tmp_path / each) for each in ("", path))
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": places},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    cure = (
        "move its models" if "__main__" in names else f"{tmp_path / path} off the path"
    )

    assert 0 != done.returncode
    assert all(each in done.stderr for each in names)
    assert "double" in done.stderr or "two names" in done.stderr
    assert cure in done.stderr


class Unsound:
    """A condition that is not met; counts how often it was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked = 0

    def require(self) -> None:
        """Raise what is wrong."""
        self.asked += 1
        if self.error is not None:
            raise self.error


def async_web(kind: Callable[..., Any], models: object) -> Any:
    """Return an adapter with *models*."""
    auth = AsyncAuth(RING, POLICY, store=MemoryStore())
    return kind(auth, SITE, authenticate=lambda _: None, models=models)


def asgi(models: object) -> Any:
    """Return a plain application in its wrap."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        await send({"type": "lifespan.startup.complete"})

    return async_web(AsgiAuth, models).wrap(app)


def starlette(models: object) -> Any:
    """Return a Starlette application in its wrap."""
    return async_web(StarletteAuth, models).wrap(Starlette())


def fastapi(models: object) -> Any:
    """Return a FastAPI application with its wrap installed."""
    app = FastAPI()
    async_web(FastAPIAuth, models).install(app)
    return app


def started(app: Any) -> list[MutableMapping[str, Any]]:
    """Return what *app* says to a server that starts it."""
    said: list[MutableMapping[str, Any]] = []
    coming = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> MutableMapping[str, Any]:
        return coming.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    asyncio.run(app(scope, receive, send))
    return said


ASGI = pytest.mark.parametrize("make", [asgi, starlette, fastapi])


@ASGI
def test_an_asgi_application_starts_if_its_models_are_sound(
    make: Callable[[object], Any],
) -> None:
    """Its own lifespan runs behind ours."""
    models = Unsound()
    said = started(make(models))

    assert "lifespan.startup.complete" == said[0]["type"]
    assert 1 == models.asked


@ASGI
def test_an_asgi_application_does_not_start_otherwise(
    make: Callable[[object], Any],
) -> None:
    """Raised, it would pass for an application without a lifespan, and be served."""
    said = started(make(Unsound(ConfigError("two Users"))))

    assert [{"type": "lifespan.startup.failed", "message": "two Users"}] == said


@ASGI
def test_a_bug_at_the_start_says_where_it_is(make: Callable[[object], Any]) -> None:
    """The server logs the message alone."""
    (said,) = started(make(Unsound(RuntimeError("no idea"))))

    assert "lifespan.startup.failed" == said["type"]
    assert "Traceback" in said["message"]
    assert "in require" in said["message"]
    assert "RuntimeError: no idea" in said["message"]


def flask(models: object) -> None:
    """Initialise a Flask application."""
    auth = Auth(RING, POLICY, store=MemoryStore())
    web = FlaskAuth(auth, SITE, authenticate=lambda _: None, models=models)  # type: ignore[arg-type]
    app = Flask(__name__)
    try:
        web.init_app(app)
    except ConfigError:
        assert not app.extensions  # as if nothing had been asked
        raise


def wsgi(models: object) -> None:
    """Wrap a WSGI application."""
    auth = Auth(RING, POLICY, store=MemoryStore())
    web = WsgiAuth(auth, SITE, authenticate=lambda _: None, models=models)  # type: ignore[arg-type]
    web.wrap(lambda *_: [])


@pytest.mark.parametrize("make", [flask, wsgi])
def test_a_wsgi_application_is_not_made_with_unsound_models(
    make: Callable[[object], None],
) -> None:
    """It has no lifespan, so it is asked when the wrap is put around it."""
    sound = Unsound()
    make(sound)
    with pytest.raises(ConfigError, match="two Users"):
        make(Unsound(ConfigError("two Users")))

    assert 1 == sound.asked


@pytest.mark.parametrize("make", [asgi, starlette, fastapi, flask, wsgi])
@pytest.mark.parametrize("given", [True, "app.models", ["app.models"], object()])
def test_what_is_no_condition_is_refused(
    make: Callable[[object], Any], given: object
) -> None:
    """A list of packages is the likely mistake."""
    with pytest.raises(ConfigError, match="models"):
        make(given)
