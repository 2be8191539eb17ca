"""Other threads import modules and define classes while the models are checked."""

import sys
from collections.abc import Iterator
from threading import Thread
from types import ModuleType

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, mapped_column, registry

from resilient_auth import GuardedRegistry, check_models, guard_models


@pytest.fixture(autouse=True)
def _often() -> Iterator[None]:
    """Let threads take turns as often as Python can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def plain() -> registry:
    """Return a registry that nobody guards."""
    return registry()


def observed() -> registry:
    """Return a registry with a guard that came later."""
    owner = registry()
    guard_models(owner)
    return owner


@pytest.mark.parametrize("make", [plain, observed, GuardedRegistry])
def test_models_are_checked_while_others_are_defined(
    make: type[registry] | type[GuardedRegistry],
) -> None:
    """A server starts in one thread, and something loads plugins in another."""

    class Base(DeclarativeBase):
        registry = make()

    kept: list[object] = []
    raised: list[Exception] = []

    def define() -> None:
        """Define classes and import modules, as a plugin does."""
        try:
            for number in range(250):
                name = f"Raced{number}"
                column = mapped_column(sa.Integer, primary_key=True)
                body = {"__tablename__": name, "id": column, "__module__": __name__}
                kept.append(type(name, (Base,), body))
                sys.modules[name] = ModuleType(name)
        except Exception as error:  # noqa: BLE001 - told by the test
            raised.append(error)

    thread = Thread(target=define)
    thread.start()
    found: list[object] = []
    while thread.is_alive():
        found += check_models(Base).errors
    thread.join()
    for number in range(250):
        sys.modules.pop(f"Raced{number}", None)

    assert ([], []) == (raised, found)
    assert 250 == check_models(Base).models


class Disturbed(registry):
    """A registry in which another thread is always quicker, *times* times."""

    times = 0

    def configure(self, cascade: bool = False) -> None:  # noqa: FBT001, FBT002
        """Raise what Python does where a dictionary grows under a loop."""
        self.times -= 1
        if self.times >= 0:
            raise RuntimeError("dictionary changed size during iteration")
        super().configure(cascade)


@pytest.mark.parametrize(("times", "errors"), [(3, 0), (10**6, 1)])
def test_a_disturbance_is_no_fault_of_a_mapper(times: int, errors: int) -> None:
    """SQLAlchemy is asked again; one that never ends is told."""
    owner = Disturbed()
    owner.times = times

    assert errors == len(check_models(owner).errors)
