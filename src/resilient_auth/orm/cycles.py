"""
Which modules with models import each other in a circle? Read from their sources.

A circle works or fails by who is imported first, and a failure names one name of one
module that is "partially initialized". Imports in functions and under
``if TYPE_CHECKING`` are those that break a circle, so they do not count.
"""

import ast
import importlib.util
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from resilient_auth.orm.branches import is_never


def import_cycles(modules: Iterable[str]) -> list[tuple[str, ...]]:
    """
    Return circles among *modules*: each imports the next, and the last the first.

    Every circle has an import that is in no other one of the list, so that to break
    them all is to have none.
    """
    files = {name: _file_of(name) for name in modules}
    imports = {
        name: {each for each in _imports(name, file, files) if each != name}
        for name, file in files.items()
        if file is not None
    }
    found: list[tuple[str, ...]] = []
    while True:
        try:
            TopologicalSorter(imports).prepare()
        except CycleError as error:
            # graphlib tells whom each is imported by, and the first again at the end.
            *circle, _ = reversed(error.args[1])
            imports[circle[-1]].discard(circle[0])
            found.append(_from_the_least(circle))
        else:
            return sorted(found)


def _from_the_least(circle: Sequence[str]) -> tuple[str, ...]:
    first = circle.index(min(circle))
    return (*circle[first:], *circle[:first])


def _file_of(module: str) -> str | None:
    """Return the file of *module*, without running what was not imported."""
    package = module.rpartition(".")[0]
    if package and package not in sys.modules:
        return None  # it failed, and to find a module in it would run it again
    try:
        found = importlib.util.find_spec(module)
    except Exception:  # noqa: BLE001 - a package or a finder of somebody else's
        return None
    return found.origin if found is not None and found.has_location else None


def _imports(module: str, file: str, known: Collection[str]) -> Iterator[str]:
    """Yield those of the *known* modules that *module* needs while it is imported."""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    is_package = Path(file).stem == "__init__"
    package = module if is_package else module.rpartition(".")[0]
    for each in _at_import(tree.body):
        if isinstance(each, ast.Import):
            asked = [alias.name for alias in each.names]
        else:
            base = _absolute(each, package)
            inner = [f"{base}.{alias.name}" for alias in each.names]
            asked = [name if name in known else base for name in inner]
        yield from (name for name in asked if name in known)


def _at_import(body: Iterable[ast.AST]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that run with the module."""
    for each in body:
        if isinstance(each, ast.Import | ast.ImportFrom):
            yield each
        elif isinstance(each, ast.If) and is_never(each.test):
            yield from _at_import(each.orelse)
        elif not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.expr):
            yield from _at_import(ast.iter_child_nodes(each))


def _absolute(each: ast.ImportFrom, package: str) -> str:
    if not each.level:
        return each.module or ""
    parts = package.split(".")
    outer = parts[: len(parts) - each.level + 1]
    return ".".join([*outer, *([each.module] if each.module else [])])
