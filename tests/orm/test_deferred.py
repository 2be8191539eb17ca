"""Classes that wait to be mapped: ``DeferredReflection``, ``AbstractConcreteBase``."""

import os
import subprocess
import sys

import pytest
from tests.orm.conftest import Modules
from tests.orm.test_guard import BASE, FROM_BASE, refusal, user

from resilient_auth import check_models

GUARDED = "registry = GuardedRegistry()"
DEFERRED = """
from sqlalchemy.ext.declarative import DeferredReflection
class User(DeferredReflection, Base):
    __tablename__ = "users"
"""
CONCRETE = """
from sqlalchemy.ext.declarative import AbstractConcreteBase
class User(AbstractConcreteBase, Base):
    pass
class Manager(User):
    __tablename__ = "managers"
    id: Mapped[int] = mapped_column(primary_key=True)
    __mapper_args__ = {"polymorphic_identity": "m", "concrete": True}
"""
ASKED = """
from resilient_auth import check_models, guard_models
class Other(DeclarativeBase):
    pass
class Order(Other):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
guard_models(Other)
guard_models()
print([check_models(base).errors for base in (Other, Base)])
"""


def output_of(modules: Modules, source: str) -> tuple[str, str]:
    """Return what the program *source* writes, and what it complains of."""
    done = subprocess.run(
        [sys.executable, "-W", "error", modules.write("program", source)],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("pending", [DEFERRED, CONCRETE], ids=["deferred", "concrete"])
@pytest.mark.parametrize("settings", [GUARDED, "pass"], ids=["guarded", "plain"])
def test_a_class_that_waits_is_no_fault(
    pending: str, settings: str, modules: Modules
) -> None:
    """In a process of its own: what one test configures ends the waiting of others."""
    source = BASE.replace(GUARDED, settings) + pending + ASKED

    assert ("[(), ()]\n", "") == output_of(modules, source)


def test_nothing_is_asked_of_a_class_that_waits(modules: Modules) -> None:
    """It is counted once it is mapped."""
    base = modules.load("base", BASE).Base
    modules.load("one", FROM_BASE + DEFERRED)

    assert (0, ()) == (check_models(base).models, check_models(base).errors)


REFUSED = """
from resilient_auth import DuplicateModelError
try:
    class User(Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
except DuplicateModelError as error:
    print(error.kind)
"""


def test_a_class_that_waits_without_a_table_has_its_name(modules: Modules) -> None:
    """An ``AbstractConcreteBase`` gets what it maps from its subclasses."""
    assert ("pasted\n", "") == output_of(modules, BASE + CONCRETE + REFUSED)


def test_a_second_class_of_a_name_that_waits_is_refused(modules: Modules) -> None:
    """It has the name already, and its table will come."""
    modules.load("base", BASE)
    modules.load("one", FROM_BASE + DEFERRED)
    error = refusal(modules, "two", FROM_BASE + user("accounts"))

    assert ("duplicate", ("one.User", "two.User")) == (error.kind, error.classes)
