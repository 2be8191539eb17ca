"""How packages are imported for `check_models`: what counts, and what may go wrong."""

import asyncio
import sys
from types import ModuleType

import pytest
from tests.orm.conftest import Modules
from tests.orm.test_guard import BASE, FROM_BASE, user

from resilient_auth import check_models
from resilient_auth.orm.packages import import_all


def imported(modules: Modules, *files: str) -> list[str]:
    """Return what is imported below ``app``, a package with *files*."""
    modules.write("app.first", "")
    for each in files:
        path = modules.folder / "app" / each
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise RuntimeError(__name__)\n", "utf-8")
    return [each.module for each in import_all(["app"]).failures]


def test_a_folder_without_init_is_a_package(modules: Modules) -> None:
    """Python imports from it, so its models are models."""
    names = ["app.models.deep.tag", "app.models.user"]

    assert names == imported(modules, "models/user.py", "models/deep/tag.py")


@pytest.mark.parametrize(
    "file",
    [
        "my-script.py",
        "0001_first.py",
        "no-package/user.py",
        "__main__.py",
        "__pycache__/user.py",
    ],
)
def test_what_no_import_names_is_left_alone(file: str, modules: Modules) -> None:
    """A script would run when it is imported."""
    assert [] == imported(modules, file)


def test_an_environment_of_alembic_is_left_alone(modules: Modules) -> None:
    """Its ``env.py`` can be imported by Alembic alone."""
    assert [] == imported(modules, "alembic/env.py", "alembic/script.py.mako")


def test_a_folder_that_links_to_itself_ends(modules: Modules) -> None:
    """Every package is imported once."""
    modules.write("app.first", "")
    (modules.folder / "app/folder").mkdir()
    (modules.folder / "app/folder/again").symlink_to(modules.folder / "app/folder")

    assert ("app", "app.first", "app.folder") == import_all(["app"]).modules


SKIPPED = """
class Skipped(BaseException):
    pass
raise Skipped("needs a server")
"""
SPEECHLESS = """
class Speechless(Exception):
    def __str__(self):
        raise ValueError
raise Speechless
"""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (SKIPPED, "Skipped: needs a server"),
        (SPEECHLESS, "Speechless: (it has no message that can be shown)"),
    ],
    ids=["no-exception", "no-message"],
)
def test_whatever_a_module_raises_is_reported(
    source: str, said: str, modules: Modules
) -> None:
    """A skip of pytest is no `Exception`."""
    base = modules.load("app.base", BASE).Base
    modules.write("app.odd", source)
    (finding,) = check_models(base, packages=["app"]).errors

    assert f"app.odd cannot be imported: {said}" == finding.text


@pytest.mark.parametrize("stop", [KeyboardInterrupt, asyncio.CancelledError])
def test_who_ends_the_program_ends_it(
    stop: type[BaseException], modules: Modules
) -> None:
    """It is no fault of the module."""
    name = f"{stop.__module__}.{stop.__qualname__}"
    modules.write("stopped", f"import builtins, asyncio\nraise {name}\n")
    with pytest.raises(stop):
        import_all(["stopped"])


def test_a_module_that_answers_for_any_name_has_no_path(modules: Modules) -> None:
    """PEP 562 lets a module raise what it likes."""
    base = modules.load("app.base", BASE).Base
    modules.write("app.lazy", "def __getattr__(name):\n    return {}[name]\n")

    assert () == check_models(base, packages=["app"]).errors


def test_a_module_that_was_made_by_hand_has_no_file(
    modules: Modules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be read of it, and nothing is wrong with it."""
    base = modules.load("base", BASE).Base
    monkeypatch.setitem(sys.modules, "made", ModuleType("made"))

    assert () == check_models(base, packages=["made"]).errors


def test_a_package_that_fails_is_run_once(modules: Modules) -> None:
    """To look for the file of its module would import it again, unguarded."""
    base = modules.load("base", BASE).Base
    source = "import base\nbase.runs = [*getattr(base, 'runs', ()), 1]\nraise OSError\n"
    modules.write("broken.models", "")
    (modules.folder / "broken/__init__.py").write_text(source, "utf-8")
    report = check_models(base, packages=["broken.models"])

    assert ["import_failed"] == [each.code for each in report.errors]
    assert [1] == __import__("base").runs


def test_a_module_that_failed_is_told_once(modules: Modules) -> None:
    """Each import runs it again, and what is then there twice is our own doing."""
    base = modules.load("app.base", BASE).Base
    head = FROM_BASE.replace("from base", "from app.base")
    file = modules.write("app.models", head + user("users") + "import no_such_module\n")
    for name in ("app.first", "app.second"):
        modules.write(name, "from app.models import User\n")
    (finding,) = check_models(base, packages=["app"]).errors

    assert ("import_failed", str(file)) == (finding.code, finding.file)
    assert "ModuleNotFoundError: No module named 'no_such_module'" in finding.text
