"""
What does SQLAlchemy do with a program, and what do our guards? One process for each.

``python -m tests.orm.reference.server VERSION MODULE …`` imports the SQLAlchemy that is
first on the path, which has to be that version, and the modules. For each folder that
it is told, one a line, it forks once per variant, and answers what was seen: a line of
JSON, the variant's name → what is said at definition, at use and at start.

The first failure of a mapper is remembered until its process ends. So what a program
meets when it is used, and what `check_models` tells instead, come from two processes
with one past. Nothing is collected by chance: garbage stays until somebody asks.
"""

import gc
import importlib
import json
import os
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from select import select
from types import ModuleType

import sqlalchemy
from sqlalchemy.orm import configure_mappers, registry
from tests.orm.reference.words import word_for, words_for

from resilient_auth import check_models

#: Loaded once, since forks are cheaper than imports.
PRELOADED = (
    "resilient_auth.orm.observer",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.ext.automap",
)
#: Seconds; the inner process is given up before the outer.
INNER, OUTER = 20.0, 40.0

Seen = list[str]


def serve() -> None:
    """Answer each line of the input, after one that tells the version."""
    version, *modules = sys.argv[1:]
    if sqlalchemy.__version__ != version:
        sys.exit(f"SQLAlchemy is {sqlalchemy.__version__}, not {version}")
    for name in (*PRELOADED, *modules):
        importlib.import_module(name)
    gc.disable()
    gc.collect()
    gc.freeze()  # what was imported once is looked at in no collection
    for line in sys.stdin:
        folders = sorted(Path(line.strip()).iterdir())
        asked = [(each.name, Forked(partial(seen_in, each))) for each in folders]
        answer = {name: forked.answer(OUTER) for name, forked in asked}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


class Forked:
    """A process of its own that does *work*, from what there is now."""

    def __init__(self, work: Callable[[], Seen]) -> None:
        self._end, ours = os.pipe()
        self._process = os.fork()
        if not self._process:
            os.close(self._end)
            try:
                said = work()
            except BaseException as error:  # noqa: BLE001 - told in the answer
                said = [f"the server failed: {error!r}"]
            with os.fdopen(ours, "w") as out:
                out.write(json.dumps(said))
            os._exit(0)
        os.close(ours)

    def answer(self, seconds: float) -> Seen:
        """Return what it found; what takes longer than *seconds* is ended."""
        is_done, _, _ = select([self._end], [], [], seconds)
        if not is_done:
            os.kill(self._process, signal.SIGKILL)
        with os.fdopen(self._end) as told:
            said = told.read()
        os.waitpid(self._process, 0)
        return json.loads(said) if said else ["no answer"]


def seen_in(folder: Path) -> Seen:
    """Return the three columns for the program in *folder*."""
    os.chdir(folder)
    sys.path[0] = str(folder)
    sys.dont_write_bytecode = True  # a reload reads the source
    sys.stdout = sys.stderr
    main = ModuleType("__main__")
    main.__file__ = str(folder / "main.py")
    sys.modules["__main__"] = main
    code = compile((folder / "main.py").read_bytes(), main.__file__, "exec")
    defined = said_by(lambda: exec(code, vars(main)))  # noqa: S102 - as Python does
    uses = vars(main).get("USES", [configure_mappers, configure_mappers])
    used = Forked(lambda: [said_by(use) for use in uses])
    return [defined, ", ".join(used.answer(INNER)), found_at_start()]


def said_by(work: Callable[[], object]) -> str:
    """Return the warnings and the exception of *work*, or ``ok``."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        raised = raised_by(work)
    told = Counter(word_for(each.message) for each in caught)
    words = [f"{number} {name}" for name, number in sorted(told.items())]
    return " + ".join([*words, raised] if raised else words) or "ok"


def raised_by(work: Callable[[], object]) -> str:
    """Return how the table calls what *work* raises; lets go of it, and its frames."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - that is the question
        return word_for(error)
    return ""


def found_at_start() -> str:
    """Return what `check_models` finds in all registries of the program."""
    gc.collect()
    owners = [each for each in gc.get_objects() if isinstance(each, registry)]
    return words_for(check_models(each) for each in owners)


if __name__ == "__main__":
    serve()
