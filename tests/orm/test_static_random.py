"""F3 in source: over random programs, nothing is told that a run would not tell."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.orm.trees import write

from resilient_auth import check_source

#: Runs each program in a process of its own, which starts with SQLAlchemy loaded.
RUN = """
import gc, json, os, sys, warnings
import resilient_auth
from resilient_auth import DuplicateModelWarning, GuardedRegistry, check_models
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry

def run(folder):
    os.chdir(folder)
    sys.path.insert(0, folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            import main
        except (ImportError, AttributeError):  # a circle of imports
            return None
    found = {
        str(each.message).partition(" (")[0]
        for each in caught if issubclass(each.category, DuplicateModelWarning)
    }
    for each in [each for each in gc.get_objects() if isinstance(each, registry)]:
        found |= {
            finding.text.partition(" (")[0]
            for finding in check_models(each).warnings
        }
    return sorted(found)

for folder in sys.argv[1:]:
    child = os.fork()
    if not child:
        with open(folder + "/found.json", "w") as file:
            json.dump(run(folder), file)
        os._exit(0)
    os.waitpid(child, 0)
"""
BASE = """
@ app/base_{0}.py
from sqlalchemy.orm import DeclarativeBase
from resilient_auth import GuardedRegistry

class Base(DeclarativeBase):
    registry = GuardedRegistry(on_duplicate="warn")
"""
IMPORTS = (
    "import app.{0} as {0}",
    "from app import {0}",
    "from . import {0}",
    "from .{0} import *\nfrom app import {0}",
)
BASES = (
    "from app.base_{0} import Base",
    "from .base_{0} import Base as B\nBase = B",
    "import app.base_{0} as b\nBase = b.Base",
    "import app.base_{0}\nBase = app.base_{0}.Base",
    "from .base_{0} import *",
)
DOUBTFUL = (
    "if len('x') == {0}:\n    {1}\nelse:\n    {2}",
    "try:\n    {1}\n    raise ImportError\nexcept ImportError:\n    {2}",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {1}\nelse:\n    {2}",
    "def later_{0}():\n    {1}\n{2}",
    "for _ in 'x':\n    {1}",
)
MODULES = tuple(f"m{n}" for n in range(6))


class Program:
    """Makes one program out of *seed*; a *doubtful* one has branches."""

    def __init__(self, seed: int, *, doubtful: bool) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - no secret
        self.doubtful = doubtful
        self.tables = 0

    def text(self) -> str:
        """Return the files."""
        order = self.chance.sample(MODULES, len(MODULES))
        main = "".join(f"import app.{name}\n" for name in order)
        parts = [BASE.format("a"), BASE.format("b"), "\n@ app/__init__.py\n"]
        parts += [self.module(name) for name in MODULES]
        return "".join([*parts, f"\n@ main.py\n{main}"])

    def module(self, name: str) -> str:
        """Return one module with some models."""
        pick = self.chance.choice
        lines = [
            f"\n@ app/{name}.py",
            "from sqlalchemy.orm import Mapped, mapped_column",
        ]
        others = [each for each in MODULES if each > name]
        count = min(len(others), pick((0, 0, 1, 2)))
        chosen = self.chance.sample(others, count)
        lines += [pick(IMPORTS).format(other) for other in chosen]
        lines.append(pick(BASES).format(pick("ab")))
        lines += [self.statement() for _ in range(pick((1, 1, 2)))]
        return "\n".join(lines)

    def statement(self) -> str:
        """Return a model, perhaps in a branch."""
        if self.doubtful and self.chance.random() < 0.5:
            one, two = (self.model().replace("\n", "\n    ") for _ in "12")
            form = self.chance.choice(DOUBTFUL)
            two = two.replace("\n    ", "\n") if form.startswith("def") else two
            return form.format(self.chance.randint(0, 1), one, two)
        return self.model()

    def model(self) -> str:
        """Return a class statement."""
        self.tables += 1
        pick = self.chance.choice
        name = pick(("User", "Post", "Item", "Tag", "Team"))
        if pick(range(6)) == 0:
            return f"class {name}(Base):\n    __abstract__ = True"
        # A second Box lets go of the first, and whether in time cannot be read.
        box = "Box" if self.doubtful else f"Box{self.tables}"
        outer = pick(("", "", "", f"class {box}:\n    "))
        model = (
            f"class {name}(Base):\n"
            f'    __tablename__ = "t{self.tables}"\n'
            "    id: Mapped[int] = mapped_column(primary_key=True)"
        )
        return outer + (model.replace("\n", "\n    ") if outer else model)


@pytest.mark.parametrize("doubtful", [False, True], ids=["plain", "doubtful"])
def test_the_source_tells_no_more_than_a_run(tmp_path: Path, doubtful: object) -> None:
    """And as much, where there are no branches."""
    folders = [tmp_path / str(seed) for seed in range(60)]
    for seed, folder in enumerate(folders):
        write(Program(seed, doubtful=bool(doubtful)).text(), folder)
    subprocess.run([sys.executable, "-c", RUN, *map(str, folders)], check=True)
    ran = [json.loads((each / "found.json").read_text()) for each in folders]
    read = [
        sorted(
            {each.text.partition(" (")[0] for each in check_source([folder]).warnings}
        )
        for folder in folders
    ]
    both = [pair for pair in zip(ran, read, strict=True) if pair[0] is not None]

    assert [] == [pair for pair in both if not set(pair[1]) <= set(pair[0])]
    assert len(both) > len(folders) // 2
    assert sum(map(len, read)) > len(folders) // 2
    if not doubtful:
        assert [] == [pair for pair in both if pair[0] != pair[1]]
