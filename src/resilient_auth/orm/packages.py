"""How are all modules of some packages imported? In a stable order, failures noted."""

import importlib
import pkgutil
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType

from resilient_auth.core import arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFailure:
    """
    Why *module* could not be imported, as text.

    The exception itself is let go: its traceback holds half-defined classes.
    """

    module: str
    error: str
    text: str
    file: str | None
    line: int | None


@dataclass(frozen=True, slots=True)
class Imported:
    """The *modules* that were asked for, in that order, and what failed."""

    modules: tuple[str, ...]
    failures: tuple[ImportFailure, ...]


def import_all(packages: Iterable[str]) -> Imported:
    """
    Import *packages* and all modules below them, in the order of their names.

    ``__main__`` modules are left out: importing one starts a program. A module that
    fails is noted, and the others are imported all the same.
    """
    names = arguments.several("packages", packages)
    for each in names:
        arguments.text("A name in packages", each)
    modules: list[str] = []
    failures: list[ImportFailure] = []
    for package in names:
        _import(package, modules, failures)
    return Imported(tuple(modules), tuple(failures))


def _import(name: str, modules: list[str], failures: list[ImportFailure]) -> None:
    modules.append(name)
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - reported with the others
        failures.append(_failure(name, error))
        return
    for below in sorted(_modules_in(module)):
        _import(below, modules, failures)


def _modules_in(package: ModuleType) -> Iterator[str]:
    for found in pkgutil.iter_modules(getattr(package, "__path__", ())):
        if found.name != "__main__":
            yield f"{package.__name__}.{found.name}"


def _failure(name: str, error: BaseException) -> ImportFailure:
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and frame.filename != __file__
    ]
    # Of the modules that were being imported, the innermost; what it called is not it.
    modules = [frame for frame in frames if frame.name == "<module>"]
    last = next(reversed(modules or frames), None)
    return ImportFailure(
        module=name,
        error=type(error).__name__,
        text=str(error),
        file=None if last is None else last.filename,
        line=None if last is None else last.lineno,
    )
