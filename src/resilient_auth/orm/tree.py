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
        self.package_root: Callable[[str], str] = cache(self._find_package_root)
        self._above: Callable[[str], tuple[str, ...]] = cache(self._find_above)
        #: What a module means is the same for all files of a folder.
        self._meant: Callable[[str, str], str | None] = cache(self._find_meant)
        #: By the first part of a module's name, the folders where it is found.
        self._roots: dict[str, set[str]] = defaultdict(set)
        for each in self.files:
            root = self.root_of(each)
            self._roots[_parts(each, root)[0].removesuffix(".py")].add(root)
            # It may be a package without __init__, of which only a part was given.
            self._roots[os.path.basename(root)].add(os.path.dirname(root))

    def root_of(self, file: str) -> str:
        """Return the folder from which *file*'s package, or *file*, is imported."""
        return self.package_root(os.path.dirname(file))

    def package_of(self, file: str) -> str | None:
        """Return the folder of the outermost package of *file*, None without one."""
        root = self.root_of(file)
        if root == os.path.dirname(file):
            return None
        return os.path.join(root, _parts(file, root)[0])

    def module_of(self, file: str) -> str:
        """Return the name by which *file* is imported from its root."""
        root = self.root_of(file)
        if self.package_of(file) is None:  # perhaps in a package without __init__
            root = next(iter(self._above(root)), root)
        parts = _parts(os.path.splitext(file)[0], root)
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or parts[-1]

    def find(self, file: str, module: str, level: int = 0) -> str | None:
        """Return the file or folder that *module* means in *file*, None if outside."""
        here = os.path.dirname(file)
        if not level:
            return self._meant(here, module)
        for _ in range(level - 1):
            here = os.path.dirname(here)
        return self._at(here, module.split(".") if module else [])

    def _find_meant(self, here: str, module: str) -> str | None:
        parts = module.split(".")
        root = self.package_root(here)
        for folder in (root, *reversed(self._above(root))):
            found = self._at(folder, parts)
            if found is not None:
                return found
        others = {self._at(each, parts) for each in (*self._roots[parts[0]], here)}
        others.discard(None)
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

    def _find_above(self, root: str) -> tuple[str, ...]:
        """Return the given folders that hold *root*, and those between, outer first."""
        found: list[str] = []
        for each in self.given:
            if root == each:
                found.append(each)
            elif root.startswith(each + os.sep):
                found.append(each)
                for part in _parts(root, each)[:-1]:
                    found.append(os.path.join(found[-1], part))
        return tuple(found)

    def _find_package_root(self, folder: str) -> str:
        if not os.path.exists(os.path.join(folder, "__init__.py")):
            return folder
        return self.package_root(os.path.dirname(folder))

    def _found(self) -> Iterator[str]:
        for path in self.given:
            if os.path.isdir(path):
                yield from self._below(path)
            else:
                yield path

    def _below(self, top: str) -> Iterator[str]:
        """Yield the files below the folder *top*; those of a folder come first."""
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            entries = self._listed(folder)
            if folder != top and any(each.name == "pyvenv.cfg" for each in entries):
                continue
            inner: list[str] = []
            for each in entries:
                if each.name.startswith("."):
                    continue
                if each.is_dir(follow_symlinks=False):
                    inner += [] if each.name in _SKIPPED else [each.path]
                elif each.name.endswith(".py"):
                    path = os.path.realpath(each) if each.is_symlink() else each.path
                    if not (path != each.path and os.path.isdir(path)):
                        yield path
            waiting += reversed(inner)

    def _listed(self, folder: str) -> list[os.DirEntry[str]]:
        """Return what is in *folder*, by name; what cannot be listed is a fault."""
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda each: each.name)
        except OSError as error:
            if os.path.isdir(folder):  # it was not taken away
                self.faults.append((folder, error.strerror or str(error)))
            return []


def _parts(path: str, root: str) -> list[str]:
    """Return the names that lead from *root* to *path*, which is below it."""
    return path.removeprefix(root).lstrip(os.sep).split(os.sep)


def _folders_of(files: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for file in files:
        folder = os.path.dirname(file)
        while folder not in seen:
            seen.add(folder)
            yield folder
            folder = os.path.dirname(folder)


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
    with open(file, "rb", buffering=0) as opened:
        return opened.read()
