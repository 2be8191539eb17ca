"""
Which Python files are there, and which of them does an import mean? By path alone.

A name is looked for as Python would, from the folders that may be on its path: the one
above the importing file's package, then those above that within what was given. After
them comes what only one place has: another such folder, or the importing file's own,
where a file finds its neighbours when it is started as a script.
"""

import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache

#: No larger file is read: what a person writes is far below.
MAX_BYTES = 4_000_000

_SKIPPED = frozenset({"__pycache__", "node_modules"})


class Tree:
    """The Python files at or below some paths, by real path, in a stable order."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.given: list[str] = [os.path.realpath(each) for each in paths]
        #: The folders that cannot be listed, and why.
        self.faults: list[tuple[str, str]] = []
        self.files: list[str] = list(dict.fromkeys(self._found()))
        self._known = frozenset(self.files)
        self._folders = frozenset(_folders_of(self.files))
        self.package_root: Callable[[str], str] = cache(_package_root)
        #: By the first part of a module's name, the folders where it is found.
        self._roots: dict[str, set[str]] = defaultdict(set)
        for each in self.files:
            root = self.root_of(each)
            top = os.path.relpath(each, root).split(os.sep)[0].removesuffix(".py")
            self._roots[top].add(root)

    def root_of(self, file: str) -> str:
        """Return the folder from which *file*'s package, or *file*, is imported."""
        return self.package_root(os.path.dirname(file))

    def package_of(self, file: str) -> str | None:
        """Return the folder of the outermost package of *file*, None without one."""
        root = self.root_of(file)
        if root == os.path.dirname(file):
            return None
        return os.path.join(root, os.path.relpath(file, root).split(os.sep)[0])

    def module_of(self, file: str) -> str:
        """Return the name by which *file* is imported from its root."""
        root = self.root_of(file)
        if self.package_of(file) is None:  # perhaps in a package without __init__
            root = next((each for each in self._above(file)), root)
        stem = os.path.splitext(os.path.relpath(file, root))[0]
        parts = stem.split(os.sep)
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or parts[-1]

    def find(self, file: str, module: str, level: int = 0) -> str | None:
        """Return the file or folder that *module* means in *file*, None if outside."""
        here = os.path.dirname(file)
        parts = module.split(".") if module else []
        if level:
            for _ in range(level - 1):
                here = os.path.dirname(here)
            return self._at(here, parts)
        root = self.root_of(file)
        for folder in (root, *reversed(list(self._above(file)))):
            found = self._at(folder, parts)
            if found is not None:
                return found
        roots = self._roots.get(parts[0], ()) if parts else ()
        others = {self._at(each, parts) for each in (*roots, here)} - {None}
        return others.pop() if len(others) == 1 else None

    def packages_of(self, file: str) -> Iterator[str]:
        """Yield the ``__init__`` files that run before *file* does."""
        root, folder = self.root_of(file), os.path.dirname(file)
        while folder != root:
            yield os.path.join(folder, "__init__.py")
            folder = os.path.dirname(folder)

    def child(self, package: str, name: str) -> str | None:
        """Return what *name* means as a module of *package*, a file or a folder."""
        if os.path.basename(package) == "__init__.py":
            return self._at(os.path.dirname(package), [name])
        return None if package in self._known else self._at(package, [name])

    def _at(self, folder: str, parts: list[str]) -> str | None:
        path = os.path.join(folder, *parts)
        for end in (os.path.join(path, "__init__.py"), f"{path}.py"):
            if end in self._known:
                return end
        return path if path in self._folders else None

    def _above(self, file: str) -> Iterator[str]:
        """Yield the given folders that hold *file*, and those between, outer first."""
        for each in self.given:
            if file.startswith(each + os.sep):
                inner = os.path.relpath(self.root_of(file), each).split(os.sep)
                if inner[0] != os.pardir:
                    for number in range(len(inner)):
                        yield os.path.normpath(os.path.join(each, *inner[:number]))

    def _found(self) -> Iterator[str]:
        for path in self.given:
            if not os.path.isdir(path):
                yield path
            for folder, inner, files in os.walk(path, onerror=self._note):
                inner[:] = sorted(each for each in inner if _is_searched(folder, each))
                for name in sorted(files):
                    if name.endswith(".py") and not name.startswith("."):
                        yield os.path.realpath(os.path.join(folder, name))

    def _note(self, error: OSError) -> None:
        if error.filename is not None and os.path.isdir(error.filename):
            self.faults.append((error.filename, error.strerror or str(error)))


def _is_searched(folder: str, name: str) -> bool:
    """Say whether the folder *name* may hold a program's own files."""
    if name in _SKIPPED or name.startswith("."):
        return False
    return not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))


def _folders_of(files: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for file in files:
        folder = os.path.dirname(file)
        while folder not in seen:
            seen.add(folder)
            yield folder
            folder = os.path.dirname(folder)


def _package_root(folder: str) -> str:
    while os.path.exists(os.path.join(folder, "__init__.py")):
        folder = os.path.dirname(folder)
    return folder


def is_there(path: str) -> bool:
    """Say whether *path* can be looked at; never raises."""
    return os.path.exists(path)


def read_bytes(file: str) -> bytes:
    """Return what is in *file*; `OSError` if it cannot be read, or is no such file."""
    found = os.stat(file)
    if not stat.S_ISREG(found.st_mode):
        raise OSError("is no regular file")
    if found.st_size > MAX_BYTES:
        raise OSError(f"is larger than {MAX_BYTES} bytes")
    with open(file, "rb") as opened:
        return opened.read()
