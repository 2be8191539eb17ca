"""What `check_models` tells of duplicates that are alive at start."""

from typing import Any

import pytest
from tests.orm.conftest import Modules
from tests.orm.test_guard import BASE, FROM_BASE, user

from resilient_auth import (
    ConfigError,
    DuplicateModelError,
    DuplicateModelWarning,
    check_models,
)

LENIENT = BASE.replace("()\n", '(on_duplicate="warn")\n')
KEPT = "\nfirst = User\n"


def test_what_was_pasted_and_let_in_is_told_with_both_lines(modules: Modules) -> None:
    """The guard only warned; the report at start names the same places and cure."""
    with (
        pytest.warns(DuplicateModelWarning, match="pasted"),
        pytest.warns(match="already contains"),  # SQLAlchemy's own words
    ):
        module = modules.load("lenient", LENIENT + user("a") + KEPT + user("b"))
    report = check_models(module.Base)
    text = str(report.warnings[0])

    assert 1 == len(report.warnings)
    assert [f"{modules.folder}/lenient.py:{line}" in text for line in (8, 14)]
    assert "(pasted)" in text
    assert 14 == report.warnings[0].line


def test_what_was_pasted_into_a_function_is_refused(modules: Modules) -> None:
    """An application factory is one piece of code too; each call is a run of it."""
    body = (user("a") + KEPT + user("b")).replace("\n", "\n    ")
    modules.load("base", BASE)
    module = modules.load("factory", FROM_BASE + "def make():" + body)

    with pytest.raises(DuplicateModelError) as caught:
        module.make()

    assert "pasted" == caught.value.kind
    assert 2 == len(set(caught.value.places))


def test_a_class_of_type_has_no_line_of_its_base(modules: Modules) -> None:
    """Python 3.13 notes a class's line on the class, where subclasses inherit it."""
    modules.load("base", BASE + "    __firstlineno__ = 3\n")
    made = 'type("User", (Base,), {"__tablename__": "%s", "id": mapped_column('
    made += "__import__('sqlalchemy').Integer, primary_key=True)})\n"
    modules.load("one", FROM_BASE + "\n\n" + user("users"))

    with pytest.raises(DuplicateModelError) as caught:
        modules.load("two", FROM_BASE + "\n" * 5 + made % "b")

    assert [7, 9] == [int(each.rpartition(":")[2]) for each in caught.value.places]


def test_a_module_that_ends_the_process_is_told(modules: Modules) -> None:
    """A script without ``if __name__`` exits when it is imported, without a word."""
    base = modules.load("app.base", BASE).Base
    script = modules.write("app.script", "import sys\nsys.exit('usage: script')\n")
    (finding,) = check_models(base, packages=["app"]).errors

    assert ("import_failed", str(script), 2) == (
        finding.code,
        finding.file,
        finding.line,
    )
    assert "SystemExit: usage: script" in finding.text


@pytest.mark.parametrize("packages", ["app", None, 5, [None], [""], [5]])
def test_packages_are_names(packages: Any, modules: Modules) -> None:
    """One string would be its letters."""
    base = modules.load("base", BASE).Base
    with pytest.raises(ConfigError, match="packages"):
        check_models(base, packages=packages)
