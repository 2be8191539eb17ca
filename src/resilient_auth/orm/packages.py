"""How are all modules of some packages imported? In a stable order, failures noted."""

import importlib
import pkgutil
import traceback
from asyncio import CancelledError
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from resilient_auth.core import arguments
from resilient_auth.orm.places import namespace_of


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

    A folder without ``__init__.py`` is a package too, unless it is a symbolic link or
    an environment of Alembic. Left out are ``__main__`` and files whose name is no
    identifier: importing one starts a program. A module that fails is noted, and the
    others are imported all the same.
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
    except (KeyboardInterrupt, GeneratorExit, CancelledError):
        raise
    except BaseException as error:  # noqa: BLE001 - reported; pytest's skips are such
        failures.append(_failure(name, error))
        return
    for below in sorted(_modules_in(namespace_of(module))):
        _import(f"{name}.{below}", modules, failures)


def _modules_in(package: Mapping[str, object]) -> set[str]:
    """Return the names of what can be imported from the folders of *package*."""
    path = package.get("__path__", ())
    folders = [str(each) for each in path] if isinstance(path, Iterable) else []
    names = {each.name for each in pkgutil.iter_modules(folders)}
    for folder in folders:
        names |= {each.name for each in Path(folder).glob("*/") if _is_package(each)}
    return {each for each in names if each.isidentifier()} - {"__main__"}


def _is_package(folder: Path) -> bool:
    """Say whether *folder* may hold models though it has no ``__init__.py``."""
    is_alembic = (folder / "script.py.mako").exists()  # its env.py runs in Alembic only
    return not (folder.is_symlink() or is_alembic or folder.name == "__pycache__")


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
        text=_text_of(error),
        file=None if last is None else last.filename,
        line=None if last is None else last.lineno,
    )


def _text_of(error: BaseException) -> str:
    """Return the message of *error*, whatever it does when it is asked for it."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - also a message may be broken
        return "(it has no message that can be shown)"
