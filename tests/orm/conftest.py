"""Modules with models, written to a folder that is on the path for one test."""

import importlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


class Modules:
    """Writes modules to *folder* and imports them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, source: str) -> Path:
        """Write *source* as the module *name*; a dotted name lies in a package."""
        path = self.folder.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        for package in path.relative_to(self.folder).parents[:-1]:
            (self.folder / package / "__init__.py").touch()
        path.write_text(textwrap.dedent(source), "utf-8")
        importlib.invalidate_caches()
        return path

    def load(self, name: str, source: str) -> ModuleType:
        """Write and import a module."""
        self.write(name, source)
        return importlib.import_module(name)

    def forget(self, *names: str) -> None:
        """Let modules go, as if they had not been imported."""
        for name in names:
            del sys.modules[name]


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Modules]:
    """Give a folder on the path, and forget what was imported from it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a reload reads the source
    before = set(sys.modules)
    yield Modules(tmp_path)
    for name in set(sys.modules) - before:
        del sys.modules[name]
