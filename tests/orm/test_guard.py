"""A class name is taken once per registry: what is refused, warned of, let through."""

import gc
import importlib.util
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from tests.orm.conftest import Modules

from resilient_auth import (
    ConfigError,
    DuplicateModelError,
    DuplicateModelWarning,
    GuardedRegistry,
)

BASE = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from resilient_auth import GuardedRegistry

class Base(DeclarativeBase):
    registry = GuardedRegistry()
"""
USER = """
class User(Base):
    __tablename__ = "{table}"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
FROM_BASE = """
from sqlalchemy.orm import Mapped, mapped_column, relationship
from base import Base
"""


def user(table: str) -> str:
    """Return the source of a class User on *table*."""
    return USER.format(table=table)


def refusal(modules: Modules, name: str, source: str) -> DuplicateModelError:
    """Return how the module *name* is refused."""
    with pytest.raises(DuplicateModelError) as caught:
        modules.load(name, source)
    return caught.value


def test_a_second_class_of_a_name_is_refused_with_both_places(
    modules: Modules,
) -> None:
    """The error says where both are, so that nobody has to search for the other."""
    modules.load("base", BASE)
    modules.load("one", FROM_BASE + user("users"))
    error = refusal(modules, "two", FROM_BASE + user("accounts"))
    lines = [f"{modules.folder / name}.py:5" for name in ("one", "two")]

    assert lines == list(error.places)
    assert ("one.User", "two.User") == error.classes
    assert all(line in str(error) for line in lines)
    assert isinstance(error, ConfigError)


def test_a_refusal_leaves_nothing_behind(modules: Modules) -> None:
    """Neither table nor name: the first class works on, also after its mistake."""
    base = modules.load("base", BASE).Base
    first = modules.load("one", FROM_BASE + user("users")).User
    refusal(modules, "two", FROM_BASE + user("accounts"))
    gc.collect()  # the traceback held the class that was refused
    base.registry.configure()

    assert ["users"] == list(base.metadata.tables)
    assert [first] == [mapper.class_ for mapper in base.registry.mappers]
    assert first is base.registry.names["User"]


PASTED = BASE + user("users") + "\n\nX = 1\n" + user("accounts")


def test_a_class_pasted_twice_into_one_module_is_refused(modules: Modules) -> None:
    """The second would replace the first for every import; both lines are named."""
    error = refusal(modules, "pasted", PASTED)
    lines = [
        number
        for number, line in enumerate(PASTED.splitlines(), 1)
        if line.startswith("class User")
    ]
    file = modules.folder / "pasted.py"

    assert "pasted" == error.kind
    assert [f"{file}:{line}" for line in lines] == list(error.places)
    assert "rename or delete one of them" in str(error)


def test_classes_made_by_type_in_one_module_are_refused(modules: Modules) -> None:
    """They have no class statement; the lines of the calls are named."""
    made = 'User = type("User", (Base,), {"__tablename__": "%s", "id": column()})\n'
    column = "def column():\n    return mapped_column(__import__('sqlalchemy').Integer"
    column += ", primary_key=True)\n"
    error = refusal(modules, "made", BASE + column + made % "a" + made % "b")

    assert "pasted" == error.kind
    assert [9, 10] == [int(place.rpartition(":")[2]) for place in error.places]


def test_a_hook_in_the_same_module_does_not_hide_the_lines(modules: Modules) -> None:
    """A Base with ``__init_subclass__`` of its own stands nearer on the stack."""
    hook = "\n    def __init_subclass__(cls, **said):\n"
    hook += "        super().__init_subclass__(**said)\n"
    error = refusal(modules, "hooked", BASE + hook + user("users") + user("accounts"))

    assert 2 == len(set(error.places))


@pytest.mark.parametrize("moved", ["", "\n\n# a comment moved it\n\n"])
def test_a_reload_is_warned_of(modules: Modules, moved: str) -> None:
    """An editor's reload is no mistake, wherever the class stands by now."""
    modules.load("base", BASE)
    module = modules.load("one", FROM_BASE + user("users"))
    modules.write("one", FROM_BASE + moved + user("users_again"))

    with (
        pytest.warns(sa.exc.SAWarning, match="already contains"),  # its own words
        pytest.warns(DuplicateModelWarning, match="redefined"),
    ):
        importlib.reload(module)


def test_a_notebook_cell_is_warned_of() -> None:
    """A cell runs as often as one likes; it has no file."""
    cell = ModuleType("__cell__")
    exec(BASE, cell.__dict__)  # noqa: S102 - that is what a notebook does
    exec(compile(user("a"), "<cell>", "exec"), cell.__dict__)  # noqa: S102

    with pytest.warns(sa.exc.SAWarning), pytest.warns(DuplicateModelWarning):
        exec(compile("\n" + user("b"), "<cell>", "exec"), cell.__dict__)  # noqa: S102


class Base(DeclarativeBase):
    """A guarded base of this module."""

    registry = GuardedRegistry()


def make_user(table: str) -> type:
    """Return a class User that lives in a function."""

    class User(Base):
        __tablename__ = table
        id: Mapped[int] = mapped_column(primary_key=True)

    return User


def test_a_factory_whose_class_was_dropped_is_let_through() -> None:
    """Test suites make the same local class again and again."""
    for n in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make_user(f"dropped_{n}")
        Base.registry.dispose()


def test_nested_classes_have_their_own_path(modules: Modules) -> None:
    """``Admin.User`` beside ``User`` is one name twice for a string."""
    nested = """
class Admin:
    class User(Base):
        __tablename__ = "admins"
        id: Mapped[int] = mapped_column(primary_key=True)
"""
    error = refusal(modules, "nested", BASE + user("users") + nested)

    assert ("nested.User", "nested.Admin.User") == error.classes
    assert "full path" not in str(error)  # it is the same for both


def test_the_cure_names_a_path_that_a_string_may_use(modules: Modules) -> None:
    """SQLAlchemy knows no outer class."""
    modules.load("base", BASE)
    nested = "class Admin:" + user("admins").replace("\n", "\n    ") + "\n"
    modules.load("one", FROM_BASE + nested)
    error = refusal(modules, "two", FROM_BASE + user("accounts"))

    assert 'write the full path ("one.User")' in str(error)


def loaded(name: str, file: Path) -> ModuleType:
    """Load *file* as the module *name*, whatever had that name before."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_two_files_of_one_module_name_are_two_places(modules: Modules) -> None:
    """Plugins are loaded so; the second is no reload of the first."""
    modules.load("base", BASE)
    files = [
        modules.write("plug_a.models", FROM_BASE + user("a")),
        modules.write("plug_b.models", FROM_BASE + "\n\n" + user("b")),
    ]
    first = loaded("models", files[0])
    with pytest.raises(DuplicateModelError) as caught:
        loaded("models", files[1])
    places = (f"{files[0]}:5", f"{files[1]}:7")

    assert ("duplicate", places) == (caught.value.kind, caught.value.places)
    assert "a" == first.User.__tablename__


@pytest.mark.parametrize(
    "escape",
    [
        pytest.param(BASE.replace("()\n", '(allow=["User"])\n'), id="allow"),
        pytest.param(BASE + "    __allow_duplicate_name__ = False\n", id="attribute"),
    ],
)
def test_a_name_may_be_shared_on_purpose(modules: Modules, escape: str) -> None:
    """Both ways are explicit, and stand where a reader sees them."""
    own = "    __allow_duplicate_name__ = True\n" if "attribute" not in escape else ""
    modules.load("base", escape)
    modules.load("one", FROM_BASE + user("users"))
    module = modules.load("two", FROM_BASE + user("accounts") + own)

    assert "accounts" == module.User.__tablename__


def test_a_warning_instead_is_a_choice(modules: Modules) -> None:
    """For a code base that has duplicates already and wants to see them first."""
    modules.load("base", BASE.replace("()\n", '(on_duplicate="warn")\n'))
    modules.load("one", FROM_BASE + user("users"))

    with pytest.warns(DuplicateModelWarning, match="duplicate"):
        modules.load("two", FROM_BASE + user("accounts"))


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: GuardedRegistry(on_duplicate="ignore"), id="mode"),
        pytest.param(lambda: GuardedRegistry(allow="User"), id="one-string"),
    ],
)
def test_a_registry_cannot_be_built_wrong(build: object) -> None:
    """A string is an iterable of letters, and a mode that is unknown does nothing."""
    with pytest.raises(ConfigError):
        build()  # type: ignore[operator] - a lambda


def test_another_registry_may_have_the_same_name() -> None:
    """The name is looked up in one registry only."""

    class Other(DeclarativeBase):
        registry = GuardedRegistry()

    tables = [
        type(
            "Same",
            (base,),
            {
                "__tablename__": "same",
                "id": sa.Column(sa.Integer, primary_key=True),
                "__module__": __name__,
            },
        )
        for base in (Base, Other)
    ]

    assert 2 == len(set(tables))
