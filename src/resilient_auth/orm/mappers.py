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


def registry_of(base: object) -> registry:
    """
    Return the registry of *base*: a declarative base, or the registry itself.

    A base that shows no registry, such as SQLModel, is asked for its first mapped
    subclass. Raises `ConfigError` where there is none.
    """
    target = target_of(base)
    if isinstance(target, registry):
        return target
    for mapper in mappers_below(target):
        return mapper.registry
    raise ConfigError(
        f"{target!r} has no registry and no mapped class yet; pass the registry itself."
    )


def mapped_classes(owner: registry) -> list[type]:
    """Return every mapped class of *owner*, ordered by module and name."""
    try:
        mappers: Iterable[Mapper[object]] = owner.mappers
    except UnmappedClassError:
        # A class whose definition failed is still held by somebody, perhaps with the
        # exception. Its registry cannot list itself then.
        mappers = [each for each in mappers_below(object) if each.registry is owner]
    classes = {mapper.class_ for mapper in mappers}
    return sorted(classes, key=lambda cls: (cls.__module__, cls.__qualname__))


def is_in_use(cls: object) -> TypeGuard[type]:
    """Say whether *cls* is a class that is mapped, or will be when it is prepared."""
    return isinstance(cls, type) and (
        sa.inspect(cls, raiseerr=False) is not None or "__table__" in vars(cls)
    )


def lookups_of(name: str, classes: Iterable[type]) -> tuple[str, ...]:
    """Return the relationships of *classes* that look *name* up as a string."""
    return tuple(
        f"{cls.__module__}.{cls.__qualname__}.{key}"
        for cls in classes
        for key, target in _string_targets(cls)
        if target.rpartition(".")[2] == name
    )


def base_of(cls: type) -> str:
    """Return the declarative base of *cls* as ``module.qualname``, or nothing."""
    for base in reversed(cls.__mro__):
        if isinstance(vars(base).get("registry"), registry):
            return f"{base.__module__}.{base.__qualname__}"
    return ""


def _string_targets(cls: type) -> Iterator[tuple[str, str]]:
    for key, attribute in list(vars(cls).items()):
        if isinstance(attribute, InstrumentedAttribute):
            # Not `attribute.property`, which would configure every mapper.
            relationship = getattr(attribute.comparator, "prop", None)
            target = getattr(relationship, "argument", None)
            if isinstance(target, str):
                yield key, target


def mappers_below(top: type) -> Iterator[Mapper[object]]:
    """Yield the mappers of *top* and of all its living subclasses, each once."""
    seen: set[type] = {top}
    waiting: list[type] = [top]
    while waiting:
        cls = waiting.pop()
        mapper: object = sa.inspect(cls, raiseerr=False)
        if isinstance(mapper, Mapper):
            yield mapper
        below: list[type] = type.__subclasses__(cls)
        waiting += [each for each in below if each not in seen]
        seen.update(below)
