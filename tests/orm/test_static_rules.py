"""F3 in source: which registry is a class in, and what does its guard let pass?"""

from pathlib import Path

import pytest
from tests.orm.trees import BASE, MAIN, TWICE, cls, mod, write

from resilient_auth import check_source

GUARD = """
@ base.py
from sqlalchemy.orm import DeclarativeBase, registry
from sqlmodel import SQLModel
import resilient_auth
from resilient_auth import GuardedRegistry, guard_models

class Base(DeclarativeBase):
    {1}
{0}
"""

#: What is said of the base → the level of its duplicate.
RULES = {
    "allow": ("guard_models(Base, allow=['User'])", "allowed"),
    "allow-another": ("guard_models(Base, allow=['Post'])", "error"),
    "allow-what-cannot-be-read": ("guard_models(Base, allow=NAMES)", "allowed"),
    "warn": ("guard_models(Base, on_duplicate='warn')", "warning"),
    "by-keyword": ("resilient_auth.guard_models(base=Base, allow=['User'])", "allowed"),
    "its-registry": ("guard_models(Base.registry, allow=['User'])", "allowed"),
    "every-base": ("guard_models(allow=['User'])", "allowed"),
    "another-base": ("guard_models(SQLModel, allow=['User'])", "error"),
    "in-a-branch": ("if Base:\n    guard_models(Base, allow=['User'])", "allowed"),
    "strict": ("guard_models(Base)", "error"),
}


def levels(tree: str, folder: Path) -> list[str]:
    """Return the levels of what is told of *tree*."""
    write(tree, folder)
    report = check_source([folder])
    return [each.level for each in (*report.errors, *report.warnings, *report.allowed)]


@pytest.mark.parametrize(("said", "level"), RULES.values(), ids=RULES)
def test_a_guard_from_outside_counts(said: str, level: str, tmp_path: Path) -> None:
    """As the settings of a registry do."""
    assert [level] == levels(GUARD.format(said, "pass") + TWICE + MAIN, tmp_path)


def test_a_guard_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Which says nothing else of SQLAlchemy."""
    guard = "from resilient_auth import guard_models\nfrom base import Base\n"
    tree = BASE + TWICE + f"\n@ main.py\n{guard}guard_models(Base, allow=['User'])\n"

    assert ["allowed"] == levels(tree + "import one, two\n", tmp_path)


def test_the_guard_of_all_takes_nothing_from_a_registry(tmp_path: Path) -> None:
    """A guarded one keeps to its own rules."""
    own = "registry = GuardedRegistry(allow=['User'])"
    tree = GUARD.format("guard_models()", own) + TWICE + MAIN

    assert ["allowed"] == levels(tree, tmp_path)


@pytest.mark.parametrize("value", ["mapped_column()", "company.reg"])
def test_a_column_may_be_called_registry(value: str, tmp_path: Path) -> None:
    """Only a root says by that name where its subclasses are."""
    says = f"    registry = {value}\n"
    tree = BASE + "".join(
        mod(f"{name}.py", cls("User", table=name, says=says)) for name in ("one", "two")
    )

    assert ["error"] == levels(tree + MAIN, tmp_path)


@pytest.mark.parametrize("base", ["company.Base", "Common"])
def test_so_may_one_below_a_base_from_elsewhere(base: str, tmp_path: Path) -> None:
    """As far as that can be told: the class names its table."""
    common = "\nclass Common(company.Base):\n    pass\n\n@ {0}.py"
    tree = f"\n@ base.py\nimport sqlalchemy, company\n{common.format('other')}\n"
    says = "    registry = mapped_column()\n"
    for name in ("one", "two"):
        head = "import company\nfrom base import Common\n"
        tree += mod(f"{name}.py", head, cls("User", base, name, says))

    assert ["error"] == levels(tree + MAIN, tmp_path)


@pytest.mark.parametrize("test", ["0", "one"])
def test_what_may_not_be_mapped_is_not_counted(test: str, tmp_path: Path) -> None:
    """A call in a branch, as a class in one."""
    call = "reg.map_imperatively(User, None)\n"
    head = "import sqlalchemy\nfrom reg import reg\nclass User:\n    pass\n"
    tree = "\n@ reg.py\nfrom sqlalchemy.orm import registry\nreg = registry()\n"
    tree += f"\n@ one.py\n{head}{call}\n@ two.py\n{head}if {test}:\n    {call}"

    assert [] == levels(tree + MAIN, tmp_path)


MANY = 40_000
#: So many classes, that comparing each with each would take an hour.
CROWDS = {
    "of-one-name": ("class User(Base): pass\n", MANY - 1),
    "in-branches": ("if x:\n    class User(Base): pass\n", 0),
    "in-classes-of-one-name": ("class Box:\n    class User(Base): pass\n", 0),
    "deleted": ("class User(Base): pass\ndel User\n", 0),
}


@pytest.mark.parametrize(("text", "errors"), CROWDS.values(), ids=CROWDS)
def test_a_crowd_in_one_file_is_counted(text: str, errors: int, tmp_path: Path) -> None:
    """Generated code has no measure."""
    write(BASE, tmp_path)
    (tmp_path / "one.py").write_text("from base import Base\n" + MANY * text)

    assert errors == len(check_source([tmp_path]).errors)


def test_a_crowd_of_scripts_is_told_apart(tmp_path: Path) -> None:
    """One name in each, and no two of them in one process."""
    write(BASE, tmp_path)
    for number in range(4_000):
        (tmp_path / f"s{number}.py").write_text(
            "from base import Base\nclass User(Base): pass\n"
        )
    report = check_source([tmp_path])

    assert (4_000, ()) == (report.models, report.errors)
