"""
Is one file imported under two module names? Then its models exist twice.

With a Base in the same file nobody else ever notices: two bases, two sets of classes,
and objects of one that are not instances of the other.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

from resilient_auth.orm.places import namespace_of, real_file


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleImport:
    """One *file* that defines the mapped *classes*, and the *modules* it became."""

    file: str
    modules: tuple[str, ...]
    classes: tuple[str, ...]


def double_imports() -> list[DoubleImport]:
    """Return every file whose mapped classes came to be under two module names."""
    by_file: dict[str, dict[str, set[str]]] = {}
    for name, module in sys.modules.copy().items():  # others import meanwhile
        namespace = namespace_of(module)
        # Two names of one module object are an alias, and no second execution.
        if namespace.get("__name__") != name:
            continue
        classes = _mapped_in(name, namespace)
        file = real_file(namespace) if classes else None
        if file is not None:
            by_file.setdefault(file, {})[name] = classes
    return [
        DoubleImport(
            file=file,
            modules=tuple(sorted(modules)),
            classes=tuple(sorted(set().union(*modules.values()))),
        )
        for file, modules in sorted(by_file.items())
        if len(modules) > 1
    ]


def _mapped_in(module: str, namespace: Mapping[str, object]) -> set[str]:
    """Return the names of the mapped classes that *module* itself defines."""
    return {
        each.__name__
        for each in list(namespace.values())
        if _is_class(each) and each.__module__ == module and "__mapper__" in vars(each)
    }


def _is_class(value: object) -> TypeGuard[type]:
    """Say whether *value* is a class; `isinstance` would load a lazy object."""
    return issubclass(type(value), type)
