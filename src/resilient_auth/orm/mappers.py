"""What does a SQLAlchemy registry hold? Asked through public names alone."""

from collections.abc import Iterable, Iterator
from typing import TypeGuard

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Mapper, registry
from sqlalchemy.orm.exc import UnmappedClassError

from resilient_auth.core import arguments
from resilient_auth.errors import ConfigError


def target_of(base: object) -> registry | type:
    """
    Return the registry of *base* where it shows one, else *base*, which is a class.

    Raises `ConfigError` for what can be no base.
    """
    owner = base if isinstance(base, registry) else getattr(base, "registry", None)
    if isinstance(owner, registry):
        return owner
    if isinstance(base, type):
        return base
    raise ConfigError(
        "This takes a declarative base, such as Base, SQLModel or db.Model, or a "
        f"registry, not {arguments.described(base)}."
    )


def registries_of(base: object) -> list[registry]:
    """
    Return the registries of *base*: one, of a declarative base or the registry itself.

    A base that shows none, such as SQLModel, is asked for those of its mapped
    subclasses. Raises `ConfigError` where there is none.
    """
    target = target_of(base)
    if isinstance(target, registry):
        return [target]
    found = dict.fromkeys(each.registry for each in mappers_below(target))
    if not found:
        raise ConfigError(
            f"{target!r} has no registry and no mapped class yet; pass the registry "
            "itself."
        )
    return list(found)


def mapped_classes(owner: registry) -> list[type]:
    """
    Return every mapped class of *owner*, ordered by module and name.

    Not read from `registry.mappers`: that fails as long as one class of the registry
    has no mapper, and while another thread defines one.
    """
    mappers = (each for each in mappers_below(object) if each.registry is owner)
    return sorted(
        {mapper.class_ for mapper in mappers},
        key=lambda cls: (cls.__module__, cls.__qualname__),
    )


def may_be_mapping(owner: registry) -> bool:
    """
    Say whether a class of *owner* may be half defined now; False is certain.

    A class that waits to be mapped looks the same, and while another thread defines
    one it cannot be told.
    """
    try:
        frozenset(owner.mappers)
    except (UnmappedClassError, RuntimeError):
        return True
    return False


def is_in_use(cls: object) -> TypeGuard[type]:
    """Say whether *cls* is a class that is mapped, or will be when it is prepared."""
    return isinstance(cls, type) and ("__table__" in vars(cls) or _has_mapping(cls))


def _has_mapping(cls: type) -> bool:
    """Say whether *cls* has a mapper, or waits for one."""
    try:
        return sa.inspect(cls, raiseerr=False) is not None
    except UnmappedClassError:  # DeferredReflection, AbstractConcreteBase
        return True


def mapper_of(cls: type) -> Mapper[object] | None:
    """
    Return the mapper of *cls*, None for a class that has none, or none yet.

    One that another thread is building counts from when it knows its registry.
    """
    try:
        found: object = sa.inspect(cls, raiseerr=False)
    except UnmappedClassError:
        return None
    return found if isinstance(found, Mapper) and hasattr(found, "registry") else None


def lookups_of(name: str, classes: Iterable[type]) -> tuple[str, ...]:
    """Return the relationships of *classes* whose target is the string *name*."""
    return tuple(
        f"{cls.__module__}.{cls.__qualname__}.{key}"
        for cls in classes
        for key, target in _string_targets(cls)
        if target == name
    )


def base_of(cls: type) -> str:
    """Return the declarative base of *cls* as ``module.qualname``, or nothing."""
    for base in reversed(cls.__mro__):
        if isinstance(vars(base).get("registry"), registry):
            return f"{base.__module__}.{base.__qualname__}"
    return ""


def _string_targets(cls: type) -> Iterator[tuple[str, str]]:
    for key, attribute in vars(cls).copy().items():  # a copy is made in one step
        if isinstance(attribute, InstrumentedAttribute):
            # Not `attribute.property`, which would configure every mapper.
            relationship = getattr(attribute.comparator, "prop", None)
            target = getattr(relationship, "argument", None)
            if isinstance(target, str):
                yield key, target


def mappers_below(top: type) -> Iterator[Mapper[object]]:
    """Yield the mappers of *top* and of all its living subclasses, each once."""
    seen: dict[int, type] = {id(top): top}  # a metaclass may forbid hash()
    waiting: list[type] = [top]
    while waiting:
        cls = waiting.pop()
        mapper = mapper_of(cls)
        if mapper is not None:
            yield mapper
        below: list[type] = type.__subclasses__(cls)
        waiting += [each for each in below if id(each) not in seen]
        seen.update((id(each), each) for each in below)
