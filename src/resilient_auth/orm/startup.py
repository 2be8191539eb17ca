"""Are the models of this process sound? Asked once at start, told with all faults."""

import gc
import re
from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from operator import attrgetter

from sqlalchemy.orm import registry

from resilient_auth.orm.configuration import Failure, configure_all
from resilient_auth.orm.conflicts import DOUBLE_IMPORT, Conflict
from resilient_auth.orm.cycles import import_cycles
from resilient_auth.orm.doubles import double_imports
from resilient_auth.orm.findings import (
    is_of_names,
    of_conflict,
    of_cycle,
    of_double,
    of_failure,
    of_import,
    of_miss,
)
from resilient_auth.orm.lookups import Miss, lookups_in
from resilient_auth.orm.mappers import mapped_classes, mapper_of, registries_of
from resilient_auth.orm.observer import record_of
from resilient_auth.orm.packages import Imported, import_all
from resilient_auth.orm.record import Record
from resilient_auth.orm.report import Level, ModelFinding, ModelReport, report_of
from resilient_auth.orm.resolution import Resolution

_LEVELS: dict[str, Level] = {"refuse": "error", "warn": "warning", "allow": "allowed"}
_AMBIGUOUS = re.compile(r'classes found for path "(?:[\w.]+\.)?(\w+)"')


def check_models(base: object, *, packages: Iterable[str] = ()) -> ModelReport:
    """
    Import *packages* with all their modules, and report every fault of the models.

    Reported are: conflicts of class names, also those whose error was swallowed; one
    file imported under two names; modules that cannot be imported, or import each other
    in a circle; every string in a relationship that names no class, or several; and
    what else keeps a mapper from being configured. *base* is the declarative base or
    its registry, guarded or not; of one that shows none, such as SQLModel, all
    registries below it are checked. Call it once before the application serves, and
    after ``DeferredReflection.prepare()``; it configures the mappers.

    Raises `ConfigError` when *base* has no registry.
    """
    imported = import_all(packages)
    gc.collect()  # what is garbage is no conflict
    owners = registries_of(base)
    failures = configure_all(owners)
    models = {owner: mapped_classes(owner) for owner in owners}
    misses = _misses(failures)
    ambiguous = _ambiguous(failures, misses)
    conflicts = [
        each
        for owner, classes in models.items()
        for each in _conflicts(record_of(owner), classes, ambiguous)
    ]
    findings = [
        *_of_imports(imported, map(record_of, owners)),
        *(of_conflict(each, level) for each, level in conflicts),
        *_of_doubles(each for each, _ in conflicts),
        *map(of_miss, misses),
        *(of_failure(*each) for each in failures if not _is_told(each, misses)),
    ]
    return report_of(sum(map(len, models.values())), findings)


def _conflicts(
    record: Record, classes: Iterable[type], ambiguous: Collection[str]
) -> Iterator[tuple[Conflict, Level]]:
    """Yield what was refused, and each class whose name another took before it."""
    refused = record.refused
    for each in refused.values():
        yield each, "error"
    for first, other in _namesakes(record, classes):
        conflict = record.conflict(first, other, classes)
        reaction = record.rules.reaction(conflict, first, other)
        if reaction == "defer":
            reaction = "refuse" if conflict.name in ambiguous else "allow"
        if reaction in _LEVELS and conflict.key not in refused:
            yield conflict, _LEVELS[reaction]


def _namesakes(record: Record, classes: Iterable[type]) -> Iterator[tuple[type, type]]:
    """Yield each class whose name another one has, that one first."""

    def order(cls: type) -> tuple[str, str, str, int]:
        """Return the name first; of one path, the earlier line is the older class."""
        defined = record.definitions.get(cls)
        line = 0 if defined is None else defined.line
        return cls.__name__, cls.__module__, cls.__qualname__, line

    for _, group in groupby(sorted(classes, key=order), key=attrgetter("__name__")):
        first, *others = group
        for other in others:
            yield first, other


def _misses(failures: Iterable[Failure]) -> list[Miss]:
    """Return the strings of the classes that failed by one, as their registry asks."""
    failed: dict[registry, list[type]] = {}
    for cls, error in failures:
        mapper = None if cls is None else mapper_of(cls)
        if mapper is not None and is_of_names(error):
            failed.setdefault(mapper.registry, []).append(mapper.class_)
    return [
        miss
        for owner, classes in failed.items()
        for miss in Resolution(owner, mapped_classes(owner)).misses(lookups_in(classes))
    ]


def _ambiguous(failures: Iterable[Failure], misses: Iterable[Miss]) -> frozenset[str]:
    """Return the names that some string looks up, and several classes have."""
    said = (_AMBIGUOUS.findall(str(error)) for _, error in failures)
    read = ([cls.__name__ for cls in each.found] for each in misses)
    return frozenset(name for names in (*said, *read) for name in names)


def _is_told(failure: Failure, misses: Iterable[Miss]) -> bool:
    """Say whether the strings that *misses* name are the reason of *failure*."""
    cls, error = failure
    if cls is None or not is_of_names(error):
        return False
    paths = [f"{each.__module__}.{each.__qualname__}." for each in cls.__mro__]
    return any(miss.lookup.attribute.startswith(tuple(paths)) for miss in misses)


def _of_imports(
    imported: Imported, records: Iterable[Record]
) -> Iterator[ModelFinding]:
    """Yield circles, and the failed imports without what the guard refused itself."""
    failed = {each.module for each in imported.failures}
    for circle in import_cycles(imported.modules):
        yield of_cycle(circle, "warning" if failed.isdisjoint(circle) else "error")
    recorded = {str(each) for record in records for each in record.refused.values()}
    # A file that failed was run again by each import of it; only its first failure is
    # the fault, and what is there twice is of our own making.
    first = {each.file or each.module: each for each in reversed(imported.failures)}
    for each in first.values():
        if each.text not in recorded:
            yield of_import(each)


def _of_doubles(conflicts: Iterable[Conflict]) -> Iterator[ModelFinding]:
    """Yield the files imported twice, without those that a conflict tells already."""
    told = {each.first.file for each in conflicts if each.kind == DOUBLE_IMPORT}
    return (of_double(each) for each in double_imports() if each.file not in told)
