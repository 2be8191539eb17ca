"""One file under two names, looked for among whatever a process has loaded."""

import importlib
import sys

import pytest
from tests.orm.conftest import Modules
from tests.orm.test_guard import BASE, FROM_BASE, loaded, user

from resilient_auth import DuplicateModelError, check_models

LAZY = """
class Lazy:
    @property
    def __class__(self):
        raise RuntimeError("loaded")
settings = Lazy()
"""
UNHASHABLE = """
class Meta(type):
    def __eq__(self, other):
        return self is other
class Unhashable(metaclass=Meta):
    pass
"""


@pytest.mark.parametrize("source", [LAZY, UNHASHABLE], ids=["lazy", "unhashable"])
def test_odd_objects_of_others_are_passed_by(source: str, modules: Modules) -> None:
    """They are no models, and nobody asked us to touch them."""
    base = modules.load("base", BASE).Base
    modules.load("odd", source)

    assert () == check_models(base).errors


def test_a_lazy_object_in_place_of_a_module_is_passed_by(
    modules: Modules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some libraries put one into ``sys.modules``."""
    base = modules.load("base", BASE).Base
    monkeypatch.setitem(sys.modules, "lazy", modules.load("odd", LAZY).settings)

    assert () == check_models(base).errors


def test_an_entry_of_the_path_may_be_anything(
    modules: Modules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python passes over what is no string, and so does the search for the cure."""
    modules.load("base", BASE)
    file = modules.write("app.one", FROM_BASE + user("users"))
    importlib.import_module("app.one")
    monkeypatch.setattr(sys, "path", [None, *sys.path])
    with pytest.raises(DuplicateModelError) as caught:
        loaded("one", file)

    assert "double_import" == caught.value.kind
