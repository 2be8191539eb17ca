"""
May this class take this name? Asked when an ORM class is defined, before its table.

Theory of operation
-------------------
A registry keeps its classes by name in a mapping, and SQLAlchemy lets us bring our own
(``class_registry=``, a documented parameter). Defining a class asks the mapping three
things, before a Table exists:

1. ``name in mapping``. If so, SQLAlchemy next takes the old class into a variable, and
   from then on it cannot be collected. So this is the moment for the one
   ``gc.collect()`` that may show that the old class is garbage: a factory that ran
   twice is no conflict.
2. ``mapping[name]``: the old class.
3. ``mapping[name] = marker``: an object that iterates over the old and the new class.
   Raising here leaves nothing behind: no table, no name, no mapper.

Strings are looked up by the first two questions too. They are told from definitions by
`registry.mappers`, which raises while a class is half defined. Where that cannot be
told, the collection is made for a string too, which costs time and changes nothing.

For a third class of a name SQLAlchemy does not ask, whether the second was allowed,
warned of or ignored; `check_models` sees it.
"""

import gc
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import registry

from resilient_auth.core import arguments
from resilient_auth.orm.mappers import is_in_use, may_be_mapping
from resilient_auth.orm.places import is_reachable
from resilient_auth.orm.record import Record
from resilient_auth.orm.rules import OnDuplicate, Rules


class GuardedNames(weakref.WeakValueDictionary[str, Any]):
    """
    The names of one registry, or of several that share it; holds classes weakly.

    Pass it on as ``registry(class_registry=Base.registry.names)`` to let another Base
    share the names, and the guard.
    """

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self.record: Record = Record(rules)
        self._owner: weakref.ref[registry] | None = None

    def belong_to(self, owner: registry) -> None:
        """Note whose names these are."""
        self._owner = weakref.ref(owner)

    def __contains__(self, name: object) -> bool:
        if self._may_be_garbage(name):
            gc.collect()
        return super().__contains__(name)

    def __setitem__(self, name: str, value: Any) -> None:
        old = self.get(name)
        if isinstance(value, type):
            self.record.note(value)
        elif is_in_use(old):
            new = _other_than(old, value)
            self.record.note(new)
            self.record.judge(old, new, self._classes())
        super().__setitem__(name, value)

    def _may_be_garbage(self, name: object) -> bool:
        """Say whether *name* is being defined again while nobody may hold the old."""
        old = self.get(name) if isinstance(name, str) else None
        if not isinstance(old, type) or is_reachable(old):
            return False
        owner = None if self._owner is None else self._owner()
        return owner is not None and may_be_mapping(owner)

    def _classes(self) -> Iterator[type]:
        # A list made in one step: another thread may be defining a class.
        living = [each() for each in self.valuerefs()]
        return (each for each in living if isinstance(each, type))


class GuardedRegistry(registry):
    """
    A SQLAlchemy `registry` in which a class name is taken once.

    ::

        class Base(DeclarativeBase):
            registry = GuardedRegistry()

    A second class of a name raises `DuplicateModelError` where it is defined, before
    its table exists; nothing is left behind. ``on_duplicate="warn"`` lets it in with
    a `DuplicateModelWarning`; ``"referenced"`` lets it in, and `check_models` refuses
    it if some string looks the name up. *allow* lists names that may be shared.
    *metadata*, *type_annotation_map* and what else `registry` takes are passed on.

    With SQLModel: ``class Model(SQLModel, registry=GuardedRegistry(metadata=
    SQLModel.metadata))``; the tables derive from ``Model``.
    """

    def __init__(
        self,
        *,
        on_duplicate: OnDuplicate = "error",
        allow: Iterable[str] = (),
        metadata: sa.MetaData | None = None,
        type_annotation_map: Mapping[Any, Any] | None = None,
        **options: Any,
    ) -> None:
        rules = Rules.checked(on_duplicate, allow)
        arguments.instance("metadata", metadata, sa.MetaData | None)
        arguments.instance("type_annotation_map", type_annotation_map, Mapping | None)
        names = GuardedNames(rules)
        super().__init__(
            class_registry=names,
            metadata=metadata,
            type_annotation_map=type_annotation_map,
            **options,
        )
        names.belong_to(self)
        self.names = names


def _other_than(old: type, marker: Any) -> type | None:
    """Return the class in SQLAlchemy's *marker* that is not *old*, None if unknown."""
    try:
        return next(
            (each for each in marker if isinstance(each, type) and each is not old),
            None,
        )
    except TypeError:
        return None
