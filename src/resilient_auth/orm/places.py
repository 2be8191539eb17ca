"""Where is a class defined? Module, file and line, found without running anything."""

import inspect
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """
    Where one class is defined, as a value that does not keep the class alive.

    *file* is the real path of its module's file, None for a module without one; *line*
    is None where the source cannot be read.
    """

    module: str
    qualname: str
    file: str | None = None
    line: int | None = None

    @property
    def path(self) -> str:
        """Return ``module.qualname``."""
        return f"{self.module}.{self.qualname}"

    @property
    def lookup_path(self) -> str:
        """Return what a string may say; SQLAlchemy knows no outer class or function."""
        return f"{self.module}.{self.qualname.rpartition('.')[2]}"

    @property
    def where(self) -> str:
        """Return ``file:line``, as far as they are known."""
        if self.file is None:
            return f"<module {self.module}>"
        return self.file if self.line is None else f"{self.file}:{self.line}"

    @property
    def is_local(self) -> bool:
        """Say whether the class was made inside a function."""
        return "<locals>" in self.qualname

    def __str__(self) -> str:
        return f"{self.path}  ({self.where})"


def place_of(cls: type) -> Place:
    """Return where *cls* is defined; reads its source file for the line."""
    file = _file_of(sys.modules.get(cls.__module__))
    return Place(
        module=cls.__module__,
        qualname=cls.__qualname__,
        file=file,
        line=None if file is None else _line_of(cls),
    )


def is_reachable(cls: type) -> bool:
    """Say whether *cls* is still found where its module and qualified name say."""
    names: Mapping[str, object] = namespace_of(sys.modules.get(cls.__module__))
    *outer, last = cls.__qualname__.split(".")
    for name in outer:
        names = getattr(names.get(name), "__dict__", {})
    return names.get(last) is cls


def namespace_of(module: object) -> Mapping[str, object]:
    """Return the names of *module*; one that loads lazily stays unloaded."""
    # Not `isinstance`: cffi's libraries only say that they are modules, and a lazy
    # object is loaded when it is asked.
    if not issubclass(type(module), ModuleType):
        return {}
    names: dict[str, object] = object.__getattribute__(module, "__dict__")
    return names


def real_file(namespace: Mapping[str, object]) -> str | None:
    """Return the real path of the file that filled *namespace*, None without one."""
    file = namespace.get("__file__")
    return os.path.realpath(file) if isinstance(file, str) else None


def import_root(module: str, file: str) -> str | None:
    """Return the entry of ``sys.path`` that makes *file* importable as *module*."""
    stem = Path(*module.split("."))
    entries: list[object] = [*sys.path]  # None is tolerated there
    for entry in entries:
        if not isinstance(entry, str):
            continue
        for end in (stem.with_suffix(".py"), stem / "__init__.py"):
            if os.path.realpath(Path(entry) / end) == file:
                return entry or os.curdir
    return None


def _file_of(module: object) -> str | None:
    return real_file(namespace_of(module))


def _line_of(cls: type) -> int | None:
    known = vars(cls).get("__firstlineno__")  # Python 3.13; what type() made has none
    if isinstance(known, int):
        return known
    try:
        return inspect.findsource(cls)[1] + 1
    except (OSError, TypeError, ValueError, SyntaxError):
        return None
