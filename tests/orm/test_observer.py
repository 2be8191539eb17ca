"""Bases that exist already: a second class of a name is refused once it is mapped."""

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Callable
from types import ModuleType

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Mapper
from sqlmodel import SQLModel
from tests.orm.conftest import Modules
from tests.orm.test_guard import BASE as GUARDED
from tests.orm.test_guard import FROM_BASE, user

from resilient_auth import (
    ConfigError,
    DuplicateModelError,
    DuplicateModelWarning,
    check_models,
    guard_models,
)

BASE = GUARDED.replace("    registry = GuardedRegistry()\n", "    pass\n")
POST = """
from sqlalchemy import ForeignKey
class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    user = relationship("User")
"""


def load_base(modules: Modules) -> type[DeclarativeBase]:
    """Return a plain declarative base of a module."""
    base: type[DeclarativeBase] = modules.load("base", BASE).Base
    return base


def test_the_second_class_is_refused_and_a_restart_is_asked_for(
    modules: Modules,
) -> None:
    """The base is another's, so SQLAlchemy has taken the class in by then."""
    guard_models(load_base(modules))
    modules.load("one", FROM_BASE + user("users"))
    with pytest.raises(DuplicateModelError) as caught:
        modules.load("two", FROM_BASE + user("accounts"))
    error = caught.value

    assert ("duplicate", ("one.User", "two.User")) == (error.kind, error.classes)
    assert [f"{modules.folder / name}.py:5" for name in ("one", "two")] == list(
        error.places
    )
    assert "Restart: " in str(error)
    assert 'On purpose: guard_models(allow=["User"])' in str(error)


def test_what_was_there_before_is_judged_at_once(modules: Modules) -> None:
    """A guard that comes late is as strict as one that came in time."""
    base = load_base(modules)
    modules.load("one", FROM_BASE + user("users"))
    modules.load("two", FROM_BASE + user("accounts"))

    with pytest.raises(DuplicateModelError, match="duplicate"):
        guard_models(base)


def test_a_class_that_was_there_has_its_name(modules: Modules) -> None:
    """Alone it is no conflict; beside the next one it is."""
    base = load_base(modules)
    modules.load("one", FROM_BASE + user("users"))
    guard_models(base)
    with pytest.raises(DuplicateModelError, match=r"one\.User"):
        modules.load("two", FROM_BASE + user("accounts"))


def by_class(base: type[DeclarativeBase]) -> object:
    """Return the base."""
    return base


def by_registry(base: type[DeclarativeBase]) -> object:
    """Return its registry."""
    return base.registry


@pytest.mark.parametrize("named", [by_class, by_registry])
def test_other_bases_are_left_alone(
    modules: Modules, named: Callable[[type[DeclarativeBase]], object]
) -> None:
    """What is guarded is what was named."""
    guard_models(named(load_base(modules)))  # type: ignore[arg-type] - either
    other = modules.load("other", BASE)
    head = FROM_BASE.replace("from base", "from other")
    modules.load("one", head + user("users"))
    modules.load("two", head + user("accounts"))

    assert 2 == len(list(other.Base.registry.mappers))


def test_sqlmodel_is_guarded_by_its_root(modules: Modules) -> None:
    """It shows no registry before a table exists; its subclasses do."""
    head = "from sqlmodel import Field, SQLModel\n"
    table = """
class {0}(SQLModel, table=True):
    __tablename__ = "{1}"
    id: int | None = Field(default=None, primary_key=True)
"""
    schema = "\nclass Observed(SQLModel):\n    name: str\n"
    guard_models(SQLModel)
    modules.load("schema", head + schema)
    modules.load("one", head + table.format("Observed", "observed_a"))
    with pytest.raises(DuplicateModelError) as caught:
        modules.load("two", head + table.format("Observed", "observed_b"))

    assert ("one.Observed", "two.Observed") == caught.value.classes


def test_it_warns_where_that_is_asked_for(modules: Modules) -> None:
    """For a code base that has duplicates already."""
    guard_models(load_base(modules), on_duplicate="warn")
    modules.load("one", FROM_BASE + user("users"))
    with pytest.warns(DuplicateModelWarning, match="duplicate"):
        modules.load("two", FROM_BASE + user("accounts"))


def test_a_name_may_be_shared_on_purpose_and_is_listed(modules: Modules) -> None:
    """The way out is explicit, and the report at start tells of it."""
    base = load_base(modules)
    guard_models(base, allow=["User"])
    modules.load("one", FROM_BASE + user("users"))
    modules.load("two", FROM_BASE + user("accounts"))
    report = check_models(base)

    assert () == report.errors
    assert ["duplicate_model"] == [each.code for each in report.allowed]


def test_a_name_that_nobody_looks_up_may_be_shared(modules: Modules) -> None:
    """``referenced`` refuses at start, and only what a string looks up."""
    base = load_base(modules)
    guard_models(base, on_duplicate="referenced")
    modules.load("one", FROM_BASE + user("users"))
    modules.load("two", FROM_BASE + user("accounts"))
    before = check_models(base)
    modules.load("post", FROM_BASE + POST)
    after = check_models(base)

    assert ((), 1) == (before.errors, len(before.allowed))
    assert {"ambiguous_name", "duplicate_model"} == {e.code for e in after.errors}


def test_a_refusal_that_was_swallowed_is_told_at_start(modules: Modules) -> None:
    """Once, though the class lives on as well."""
    base = load_base(modules)
    guard_models(base)
    modules.load("one", FROM_BASE + user("users"))
    kept = FROM_BASE + "try:\n" + user("accounts").replace("\n", "\n    ")
    modules.load("two", kept + "\nexcept TypeError as error:\n    kept = error\n")
    report = check_models(base)

    assert ["duplicate_model"] == [each.code for each in report.errors]


def test_a_class_whose_mapper_is_gone_has_no_name(modules: Modules) -> None:
    """``dispose()`` is the documented way to define a class again."""
    base = load_base(modules)
    guard_models(base)
    modules.load("one", FROM_BASE + user("users"))
    base.registry.dispose()
    modules.load("two", FROM_BASE + user("accounts"))

    assert ["two"] == [each.class_.__module__ for each in base.registry.mappers]


def test_nothing_is_kept_alive(modules: Modules) -> None:
    """A guard that held classes would make every reload a leak."""
    base = load_base(modules)
    guard_models(base)
    module = modules.load("one", FROM_BASE + user("users"))
    cls, owner = weakref.ref(module.User), weakref.ref(base.registry)
    base.registry.dispose()
    modules.forget("base", "one")
    del base, module
    gc.collect()

    assert (None, None) == (cls(), owner())


def test_the_same_call_again_changes_nothing(modules: Modules) -> None:
    """Two modules may both want to be sure."""
    base = load_base(modules)
    guard_models(base)
    guard_models(base.registry)
    with pytest.raises(ConfigError, match="other settings"):
        guard_models(base, allow=["User"])


def test_what_is_refused_is_refused_by_each_call(modules: Modules) -> None:
    """Who swallowed the error once is not told that all is well."""
    base = load_base(modules)
    modules.load("one", FROM_BASE + user("users"))
    modules.load("two", FROM_BASE + user("accounts"))
    for _ in range(2):
        with pytest.raises(DuplicateModelError, match=r"one\.User"):
            guard_models(base)


STRICTER = """
import one, two
from resilient_auth import DuplicateModelError
try:
    guard_models(Base)
except DuplicateModelError:
    print("refused")
"""


def test_stricter_settings_judge_what_others_let_in(modules: Modules) -> None:
    """In a process of its own, since the first ones are for every base there is."""
    head = (
        "from resilient_auth import guard_models\nguard_models(on_duplicate='warn')\n"
    )
    modules.write("base", BASE)
    modules.write("one", FROM_BASE + user("users"))
    modules.write("two", FROM_BASE + user("accounts"))
    program = modules.write("program", head + FROM_BASE + STRICTER)
    done = subprocess.run(
        [sys.executable, program],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "DuplicateModelWarning" in done.stderr
    assert "refused\n" == done.stdout


def test_a_refusal_does_not_end_the_judgement(modules: Modules) -> None:
    """The classes that come after it in order are guarded all the same."""
    base = load_base(modules)
    modules.load("one", FROM_BASE + user("users"))
    modules.load("two", FROM_BASE + user("accounts"))
    zed = FROM_BASE + user("{0}").replace("User", "Zed")
    modules.load("zed_one", zed.format("zed_one"))
    with pytest.raises(DuplicateModelError, match="User"):
        guard_models(base)
    with pytest.raises(DuplicateModelError, match=r"zed_one\.Zed"):
        modules.load("zed_two", zed.format("zed_two"))


def test_what_came_while_events_were_cleared_is_judged(modules: Modules) -> None:
    """The call that puts the guard back looks at what it missed."""
    base = load_base(modules)
    guard_models(base)
    modules.load("one", FROM_BASE + user("users"))
    Mapper.dispatch._clear()  # type: ignore[attr-defined]
    modules.load("two", FROM_BASE + user("accounts"))
    with pytest.raises(DuplicateModelError, match=r"two\.User"):
        guard_models(base)


def test_it_comes_back_after_mapper_events_were_cleared(modules: Modules) -> None:
    """Test suites clear them; the same call puts the guard back."""
    base = load_base(modules)
    guard_models(base)
    Mapper.dispatch._clear()  # type: ignore[attr-defined]
    guard_models(base)
    modules.load("one", FROM_BASE + user("users"))
    with pytest.raises(DuplicateModelError):
        modules.load("two", FROM_BASE + user("accounts"))


def test_queries_do_not_meet_it(modules: Modules) -> None:
    """The event fires where a class is mapped and nowhere else."""
    base = load_base(modules)
    guard_models(base)
    module = modules.load("one", FROM_BASE + user("users"))
    base.registry.configure()
    heard: list[object] = []

    def hear(*said: object) -> None:
        heard.append(said)

    event.listen(Mapper, "after_mapper_constructed", hear)
    try:
        engine = sa.create_engine("sqlite://")
        base.metadata.create_all(engine)
        with sa.orm.Session(engine) as session:
            session.add(module.User())
            session.commit()
            session.scalars(sa.select(module.User)).all()
        engine.dispose()
    finally:
        event.remove(Mapper, "after_mapper_constructed", hear)

    assert [] == heard


def test_a_base_that_refuses_earlier_is_left_to_it(modules: Modules) -> None:
    """Two guards with two settings would leave it open which one counts."""
    base = modules.load("guarded", GUARDED).Base
    with pytest.raises(ConfigError, match="GuardedRegistry"):
        guard_models(base, on_duplicate="warn")


@pytest.mark.parametrize("given", ["Base", 5, object(), ModuleType("models")])
def test_what_is_no_base_is_refused(given: object) -> None:
    """The mistake is told where it was made."""
    with pytest.raises(ConfigError, match="base"):
        guard_models(given)  # type: ignore[arg-type] - that is the test


IMPERATIVE = """
import sqlalchemy as sa
from base import owner
class Plain:
    pass
id = sa.Column("id", sa.Integer, primary_key=True)
owner.map_imperatively(Plain, sa.Table(__name__, owner.metadata, id))
"""


def test_a_registry_alone_is_enough(modules: Modules) -> None:
    """Imperative mappings have no base."""
    head = "from sqlalchemy.orm import registry\nowner = registry()\n"
    guard_models(modules.load("base", head).owner)
    modules.load("one", IMPERATIVE)
    with pytest.raises(DuplicateModelError, match="Plain"):
        modules.load("two", IMPERATIVE)
