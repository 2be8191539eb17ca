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


def test_two_branches_of_a_function_are_only_warned_of(modules: Modules) -> None:
    """A factory that is called twice may come by both, and nothing was pasted."""
    branch = "    if table == '{0}':" + user("{0}").replace("\n", "\n        ")
    modules.load("base", BASE)
    made = "def make(table):\n" + branch.format("a") + "\n" + branch.format("b")
    module = modules.load("factory", FROM_BASE + made + "\n    return User\n")
    first = module.make("a")

    with (
        pytest.warns(DuplicateModelWarning, match="redefined"),
        pytest.warns(match="already contains"),  # SQLAlchemy's own words
    ):
        assert first is not module.make("b")


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


LITERAL = """
class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    about = relationship(
        "Note",
        primaryjoin="and_(foreign(Note.id) == remote(Note.id), Note.kind == 'post')",
        viewonly=True,
    )
    author = relationship(TARGET)
"""


def test_a_literal_in_an_expression_is_no_name(modules: Modules) -> None:
    """It would be told as a fault, and hide the fault that no source shows."""
    base = modules.load("base", BASE).Base
    modules.load("note", FROM_BASE + "TARGET = 'Usr'\n" + LITERAL)
    (finding,) = check_models(base).errors

    assert "unresolved_name" == finding.code
    assert "'Usr'" in finding.text
    assert "'post'" not in finding.text


ROOTS = """
from sqlalchemy import Column, Integer
from sqlalchemy.orm import registry, relationship
class Root:
    pass
"""
ROOTED = """
@registry().mapped
class {0}(Root):
    __tablename__ = "{0}"
    id = Column(Integer, primary_key=True)
    wrong = relationship("No{0}")
"""


def test_every_registry_below_a_class_is_checked(modules: Modules) -> None:
    """SQLModel shows none, and may have several; one of them alone proves nothing."""
    source = ROOTS + ROOTED.format("One") + ROOTED.format("Two")
    report = check_models(modules.load("roots", source).Root)

    assert 2 == report.models
    assert {"NoOne", "NoTwo"} == {each.text.split("'")[1] for each in report.errors}


ACROSS = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
class First(DeclarativeBase):
    pass
class Second(DeclarativeBase):
    pass
class Tag(First):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
class User(First):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    tags = relationship("Tag")
    wrong = relationship("Typo")
class Order(Second):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(ForeignKey(User.id), primary_key=True)
    user = relationship(User)
"""


def test_a_class_of_another_registry_has_the_names_of_that_one(
    modules: Modules,
) -> None:
    """What it looks up is right there, and unknown in the registry that needs it."""
    (finding,) = check_models(modules.load("across", ACROSS).Second).errors

    assert "across.User.wrong looks up 'Typo'" in finding.text


NESTED = """
from sqlalchemy import ForeignKey
class Outer:
    class Item(Base):
        __tablename__ = "items"
        id: Mapped[int] = mapped_column(ForeignKey("posts.id"), primary_key=True)
class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    right = relationship("nested.Item")
    wrong = relationship("nested.Outer.Item")
"""


def test_a_nested_class_is_known_without_its_outer_one(modules: Modules) -> None:
    """SQLAlchemy files a class under its module and its own name."""
    base = modules.load("base", BASE).Base
    modules.load("nested", FROM_BASE + NESTED)
    (finding,) = check_models(base).errors

    assert "nested.Post.wrong looks up 'nested.Outer.Item'" in finding.text


def test_a_refusal_is_forgotten_with_the_class_that_had_the_name(
    modules: Modules,
) -> None:
    """After ``dispose()`` the right class stands alone, and nothing is twice."""
    base = modules.load("base", BASE).Base
    module = modules.load("one", FROM_BASE + user("users"))
    with pytest.raises(DuplicateModelError):
        modules.load("two", FROM_BASE + user("accounts"))
    before = check_models(base)
    base.registry.dispose()
    base.metadata.clear()
    modules.load("two", FROM_BASE + user("accounts"))

    assert ["duplicate_model"] == [each.code for each in before.errors]
    assert () == check_models(base).errors
    assert "users" == module.User.__tablename__  # held, and no model any more


def test_only_who_looks_that_very_name_up_is_named(modules: Modules) -> None:
    """A full path means one class, and is not what has to be changed."""
    lenient = BASE.replace("()\n", '(on_duplicate="referenced")\n')
    base = modules.load("base", lenient).Base
    modules.load("one", FROM_BASE + user("a"))
    modules.load("two", FROM_BASE + user("b"))
    post = "\n".join(REFERRING.splitlines()[2:7])
    modules.load("post", FROM_BASE + post + "\n    full = relationship('one.User')\n")
    (finding,) = check_models(base).allowed

    assert "post.Post" not in finding.text
    assert 'where a string looks the name up, as in relationship("User")' in str(
        finding
    )


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


@pytest.mark.parametrize("test", ["TYPE_CHECKING", "TYPE_CHECKING and head", "False"])
def test_imports_for_types_and_in_functions_make_no_circle(
    test: str, modules: Modules
) -> None:
    """Those are the ways out of one."""
    base = modules.load("app.base", BASE).Base
    head = FROM_BASE.replace("from base", "from app.base")
    typing = f"from typing import TYPE_CHECKING\nif {test}:\n    import app.post\n"
    modules.write("app.user", typing + head + user("users"))
    modules.write("app.post", "import app.user\nfrom . import user\n")

    assert ((), ()) == (
        check_models(base, packages=["app"]).errors,
        check_models(base, packages=["app"]).warnings,
    )
