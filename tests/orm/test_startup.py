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


REFERRING = """
from __future__ import annotations
from sqlalchemy import ForeignKey
class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("a.id"))
    plain = relationship("User")
    joined = relationship("one.User", primaryjoin="User.id == Post.user_id")
    ordered = relationship("one.User", viewonly=True, order_by="desc(User.id)")
    annotated: Mapped[list[User]] = relationship(viewonly=True)
    misspelt: Mapped[Usr] = relationship(viewonly=True)
    linked = relationship("one.User", secondary="post_users", viewonly=True)
    right = relationship("one.User", secondary="posts", viewonly=True)
"""


def said_at(source: str, says: str) -> int:
    """Return the line of *source* that says so."""
    return 1 + next(n for n, line in enumerate(source.splitlines()) if says in line)


def test_every_string_that_means_none_or_several_is_told_with_its_line(
    modules: Modules,
) -> None:
    """SQLAlchemy tells the first one, without a line; the rest would take restarts."""
    plain = BASE.replace("GuardedRegistry()", 'GuardedRegistry(on_duplicate="warn")')
    base = modules.load("base", plain).Base
    modules.load("one", FROM_BASE + user("a"))
    with pytest.warns(DuplicateModelWarning):
        modules.load("two", FROM_BASE + user("b"))
    source = REFERRING.replace("\nfrom sqlalchemy", FROM_BASE + "from sqlalchemy", 1)
    source = source.lstrip()
    modules.load("post", source)
    report = check_models(base)
    expected = {
        ("ambiguous_name", "plain"),
        ("ambiguous_name", "joined"),
        ("ambiguous_name", "ordered"),
        ("ambiguous_name", "annotated"),
        ("unresolved_name", "misspelt"),
        ("unresolved_name", "linked"),
    }

    assert expected == {
        (each.code, name)
        for each in report.errors
        for _, name in expected
        if f"post.Post.{name} " in each.text
        and said_at(source, f"    {name}") == each.line
    }
    assert len(expected) == len(report.errors)


def test_a_name_that_was_misspelt_is_guessed(modules: Modules) -> None:
    """The cure is one letter away."""
    base = modules.load("base", BASE).Base
    modules.load("one", FROM_BASE + user("a"))
    post = REFERRING.replace('"User"', '"Usr"')
    post = "\n".join(post.splitlines()[2:8])
    modules.load("post", FROM_BASE + post)
    (finding,) = check_models(base).errors

    assert "post.Post.plain looks up 'Usr'" in finding.text
    assert "did you mean 'User'?" in finding.text


def test_a_class_of_another_base_is_named(modules: Modules) -> None:
    """Its name is right, and still nobody finds it."""
    base = modules.load("base", BASE).Base
    modules.load("other", BASE)
    modules.load("one", FROM_BASE.replace("base import", "other import") + user("a"))
    post = "\n".join(REFERRING.splitlines()[2:8]).replace('("a.id")', '("x.id")')
    modules.load("x", FROM_BASE + user("x").replace("User", "X"))
    modules.load("post", FROM_BASE + post)
    (finding,) = check_models(base).errors

    assert "unresolved_name" == finding.code
    assert f"one.User  ({modules.folder}/one.py:5)" in finding.text
    assert "relationship(lambda: User)" in finding.text


def test_modules_that_import_each_other_are_named(modules: Modules) -> None:
    """It works by who is imported first; no error tells of it until it does not."""
    base = modules.load("app.base", BASE).Base
    head = FROM_BASE.replace("from base", "from app.base")
    modules.write("app.user", head + "from app.post import Post\n" + user("users"))
    modules.write("app.post", "def late():\n    import app.user\nfrom app import tag\n")
    modules.write("app.tag", "if True:\n    from .user import User\n" + head)
    report = check_models(base, packages=["app"])
    circle = next(each for each in report.errors if each.code == "import_cycle")
    failed = [each for each in report.errors if each.code == "import_failed"]

    assert "app.post → app.tag → app.user → app.post" in circle.text
    assert failed


def test_imports_for_types_and_in_functions_make_no_circle(modules: Modules) -> None:
    """Those are the ways out of one."""
    base = modules.load("app.base", BASE).Base
    head = FROM_BASE.replace("from base", "from app.base")
    typing = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import app.{0}\n"
    modules.write("app.user", typing.format("post") + head + user("users"))
    modules.write("app.post", "import app.user\nfrom . import user\n")

    assert ((), ()) == (
        check_models(base, packages=["app"]).errors,
        check_models(base, packages=["app"]).warnings,
    )
