"""Every Python block of the README and the docs runs as a test (Sybil)."""

import pytest
from sybil import Sybil
from sybil.integration.pytest import SybilItem
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser


def _as_a_module(namespace: dict[str, object]) -> None:
    """Let a page be a module of its own: Flask asks where it stands."""
    namespace["__name__"] = "page"


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    setup=_as_a_module,
).pytest()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--pictures FOLDER``: where the browser test writes its pictures."""
    parser.addoption("--pictures", default="", help="write the docs' pictures here")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the blocks of a page back in order: each builds on those before it."""
    blocks = [item for item in items if isinstance(item, SybilItem)]
    blocks.sort(key=lambda block: (block.example.path, block.example.line))
    items[:] = [item for item in items if not isinstance(item, SybilItem)] + blocks
