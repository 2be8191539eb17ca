"""How is a server of cases asked? One for each version of SQLAlchemy, in turn."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]


class Server:
    """Programs run with one version of SQLAlchemy, until its input is closed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, folder: Path) -> dict[str, list[str]]:
        """Return what the program in each folder of *folder* says."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{folder}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the server ended; what it said is above"
        said: dict[str, list[str]] = json.loads(answer)
        return said


@contextmanager
def serving(
    version: str, *modules: str, folder: Path | None = None
) -> Iterator[Server]:
    """Serve with SQLAlchemy *version*, of *folder* if given, and with *modules*."""
    path = [str(folder)] if folder else []
    path += [each for each in [os.environ.get("PYTHONPATH", "")] if each]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.orm.reference.server", version, *modules],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Server(process)
