"""
F3 case by case: what SQLAlchemy does, what the guards do, and when. On two versions.

The table stands beside the programs, in `tests.orm.reference`.
"""

import ast
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy
from tests.orm.reference.beside import BESIDE
from tests.orm.reference.case import Case
from tests.orm.reference.servers import ROOT, Server, serving
from tests.orm.reference.table import CASES, NUMBERS
from tests.orm.reference.words import words_for

import resilient_auth
from resilient_auth import check_source

EVERY = CASES | BESIDE
#: Our words for a class that is refused, and for one that is warned of.
REFUSED = {"duplicate", "double_import", "subclass_shadow"}
WARNED = {"redefined", "synthetic"}


def floor() -> str:
    """Return the version of SQLAlchemy that the extra asks for at least."""
    said = (ROOT / "pyproject.toml").read_text("utf-8")
    found = re.search(r'^sqlalchemy = \["sqlalchemy>=([\d.]+)"\]$', said, re.MULTILINE)
    assert found is not None
    return found[1]


class Servers:
    """A server for each version and set of modules, started when first asked."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._started: dict[tuple[str, ...], Server] = {}

    def of(self, version: str, modules: tuple[str, ...]) -> Server:
        """Return the server for the ``lowest`` or the ``newest`` version."""
        key = (version, *modules)
        if key not in self._started:
            self._started[key] = self._stack.enter_context(
                serving(sqlalchemy.__version__, *modules)
                if version == "newest"
                else serving(floor(), *modules, folder=lowest())
            )
        return self._started[key]


def lowest() -> Path:
    """Return the folder with the lowest SQLAlchemy that is supported."""
    folder = Path(sys.prefix) / "lowest"
    if not folder.is_dir():
        pytest.fail("There is no lowest SQLAlchemy; `make .venv/lowest.stamp` gets it.")
    return folder


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Keep the servers for all cases."""
    with ExitStack() as stack:
        yield Servers(stack)


@pytest.mark.parametrize("version", ["lowest", "newest"])
@pytest.mark.parametrize("case", EVERY.values(), ids=EVERY)
def test_the_program_tells(
    case: Case, version: str, servers: Servers, tmp_path: Path
) -> None:
    """At definition, at use and at start; a process for each variant."""
    case.write(tmp_path)

    assert case.expected == servers.of(version, case.modules).ask(tmp_path)


@pytest.mark.parametrize("case", EVERY.values(), ids=EVERY)
def test_the_source_tells(case: Case, tmp_path: Path) -> None:
    """What can be known without a start."""
    case.write(tmp_path)

    assert case.in_source == words_for([check_source([tmp_path / "plain"])])


def test_every_case_of_the_list_is_here() -> None:
    """Fifty-one, and none of them twice."""
    numbers = {
        f"{letter}{number:02}"
        for letter, count in NUMBERS.items()
        for number in range(1, count + 1)
    }

    assert 51 == len(numbers)
    assert numbers == set(CASES)


def test_the_versions_are_those_that_we_promise() -> None:
    """The lock file holds the floor of the extra; the other is of the next series."""
    locked = (ROOT / "requirements/lowest.txt").read_text("utf-8")

    assert f"sqlalchemy=={floor()}" == locked.split()[0]
    assert (2, 0) == tuple(map(int, floor().split(".")))[:2]
    assert (2, 1) <= tuple(map(int, sqlalchemy.__version__.split(".")[:2]))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_table_says_what_the_list_asks_for(case: Case) -> None:
    """A row that was filled in from what our code does would prove nothing."""
    told = case.expected
    at_once = {name: set(re.findall(r"\w+", row[0])) for name, row in told.items()}
    at_start = {name: set(re.findall(r"\w+", row[2])) for name, row in told.items()}
    asked = set(case.guard.replace(",", "").split())
    strict = at_once["registry"] | at_start["registry"]

    assert not at_once["plain"] & (REFUSED | WARNED)
    if "E" in asked or "E/-" in asked:
        assert strict & REFUSED
        assert at_once["observer"] & (REFUSED | {"TAD"}) or "S" in asked
    if "E/-" in asked:
        assert told["referenced"][::2] == ["ok", "allowed duplicate"]
    if "W" in asked and "-" not in asked:
        assert strict & WARNED
        assert not strict & REFUSED
    if "S" in asked and "E" not in asked:
        assert all(row[2] != "-" for row in told.values())
    if "-" in asked:
        words = set().union(*at_once.values(), *at_start.values())
        assert not words & (REFUSED | WARNED)
    if "T" in asked:
        assert "extend_existing" in case.in_source


def is_private(name: object) -> bool:
    """Say whether *name* begins with one underscore."""
    return isinstance(name, str) and re.match(r"_[^_]", name) is not None


def private_imports(tree: ast.Module) -> Iterator[str]:
    """Yield what *tree* imports of SQLAlchemy under a private name."""
    for each in ast.walk(tree):
        match each:
            case ast.ImportFrom(module=str(module), names=names, level=0):
                paths = [f"{module}.{name.name}" for name in names]
            case ast.Import(names=names):
                paths = [name.name for name in names]
            case _:
                continue
        for path in paths:
            if path.startswith("sqlalchemy") and any(map(is_private, path.split("."))):
                yield path


def private_attributes(tree: ast.Module) -> Iterator[str]:
    """Yield the private attributes that *tree* takes of anything."""
    for each in ast.walk(tree):
        match each:
            case ast.Attribute(attr=name) if is_private(name):
                yield name
            case ast.Call(
                func=ast.Name(id="getattr" | "setattr" | "hasattr"),
                args=[_, ast.Constant(value=str(name)), *_],
            ) if is_private(name):
                yield name


def own_names(tree: ast.Module) -> Iterator[str]:
    """Yield what *tree* itself calls so: attributes, functions, variables."""
    for each in ast.walk(tree):
        match each:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name


def test_no_private_name_of_sqlalchemy_is_used() -> None:
    """They move: two of them did in 2.1."""
    files = sorted(Path(resilient_auth.__file__).parent.rglob("*.py"))
    trees = [ast.parse(file.read_bytes()) for file in files]
    ours = {name for tree in trees for name in own_names(tree)}
    about_sqlalchemy = [
        tree
        for tree, file in zip(trees, files, strict=True)
        if "import sqlalchemy" in (text := file.read_text("utf-8"))
        or "from sqlalchemy" in text
    ]
    foreign = {
        name
        for tree in about_sqlalchemy
        for name in private_attributes(tree)
        if name not in ours
    }

    assert len(about_sqlalchemy) > 10
    assert [] == [name for tree in trees for name in private_imports(tree)]
    assert set() == foreign


def test_a_private_name_would_be_found() -> None:
    """The test before this one could fail."""
    tree = ast.parse(
        "from sqlalchemy.orm.clsregistry import _add_class\n"
        "import sqlalchemy.util._collections\n"
        "base.registry._class_registry\n"
        "getattr(relationship, '_init_args')\n"
    )

    assert [
        "sqlalchemy.orm.clsregistry._add_class",
        "sqlalchemy.util._collections",
    ] == list(private_imports(tree))
    assert {"_class_registry", "_init_args"} == set(private_attributes(tree))
