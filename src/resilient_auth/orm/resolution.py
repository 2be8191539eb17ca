"""
Which class does a string mean? None, one or several, as SQLAlchemy would look it up.

A name means a class of the registry; with dots before it, the modules that hold the
class, of which the first may be left out (``models.User``). It may also mean a table,
its schema, or what SQLAlchemy itself calls so (``func``, ``foreign``).
"""

import builtins
import sys
import typing
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import sqlalchemy as sa
from sqlalchemy.orm import registry

from resilient_auth.orm.lookups import Lookup, Miss
from resilient_auth.orm.mappers import mappers_below
from resilient_auth.orm.places import namespace_of

_OF_SQLALCHEMY = frozenset({*dir(sa), *dir(builtins), "foreign", "remote"})


class Resolution:
    """The names of one registry with its mapped *classes*."""

    def __init__(self, owner: registry, classes: Sequence[type]) -> None:
        self._owner = owner
        # Not by qualified name: SQLAlchemy knows no outer class or function.
        self._paths = [(f"{cls.__module__}.{cls.__name__}", cls) for cls in classes]
        self._by_name: dict[str, list[type]] = {}
        for cls in classes:
            self._by_name.setdefault(cls.__name__, []).append(cls)
        mapped: list[object] = [sa.inspect(cls).local_table for cls in classes]
        all_tables = {
            owner.metadata,
            *(each.metadata for each in mapped if isinstance(each, sa.Table)),
        }
        self._tables = {
            part
            for metadata in all_tables
            for table in metadata.tables.values()
            for part in (table.name, table.schema)
        }

    def misses(self, lookups: Iterable[Lookup]) -> list[Miss]:
        """Return those of *lookups* that mean no class, or several; each name once."""
        missed = {(each.attribute, each.name): self._miss(each) for each in lookups}
        return [each for each in missed.values() if each is not None]

    def _miss(self, lookup: Lookup) -> Miss | None:
        found = self._found(lookup.name)
        if len(found) == 1 or (not found and self._is_no_class(lookup)):
            return None
        if found:
            return Miss(lookup, tuple(found))
        parts = lookup.name.split(".")
        elsewhere = (
            each.class_
            for each in mappers_below(object)
            if each.registry is not self._owner and each.class_.__name__ in parts
        )
        near = get_close_matches(parts[-1], self._by_name, n=1)
        return Miss(lookup, (), tuple(elsewhere), "".join(near))

    def _found(self, name: str) -> list[type]:
        """Return the classes that *name*, or the part before its attributes, means."""
        parts = name.split(".")
        if parts[0] in self._by_name:
            return self._by_name[parts[0]]
        for number in range(2, len(parts) + 1):
            end = ".".join(parts[:number])
            found = [
                cls
                for path, cls in self._paths
                if path == end or path.endswith(f".{end}")
            ]
            if found:
                return found
        return []

    def _is_no_class(self, lookup: Lookup) -> bool:
        """Say whether the name is known to be something else."""
        first = lookup.name.partition(".")[0]
        if first in _OF_SQLALCHEMY or first in self._tables:
            return True
        module = lookup.attribute
        while lookup.is_annotation and module:
            module = module.rpartition(".")[0]
            if module in sys.modules:
                names = namespace_of(sys.modules[module])
                return first in names or hasattr(typing, first)
        return False
