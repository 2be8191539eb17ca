"""Are the models of this process sound? Asked once at start, told with all faults."""

import gc
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter

from sqlalchemy.orm import registry

from resilient_auth.orm.configuration import configure_all
from resilient_auth.orm.conflicts import DOUBLE_IMPORT, Conflict, conflict_between
from resilient_auth.orm.doubles import double_imports
from resilient_auth.orm.findings import of_conflict, of_double, of_failure, of_import
from resilient_auth.orm.guard import GuardedNames, GuardedRegistry
from resilient_auth.orm.mappers import base_of, lookups_of, mapped_classes, registry_of
from resilient_auth.orm.packages import ImportFailure, import_all
from resilient_auth.orm.report import Level, ModelFinding, ModelReport, report_of

_LEVELS: dict[str, Level] = {"refuse": "error", "warn": "warning", "allow": "allowed"}


def check_models(base: object, *, packages: Iterable[str] = ()) -> ModelReport:
    """
    Import *packages* with all their modules, and report every fault of the models.

    Reported are: conflicts of class names, also those whose error was swallowed; one
    file imported under two names; modules that cannot be imported; and mappers that
    cannot be configured, above all for a string that names no class, or several. *base*
    is the declarative base or its registry, guarded or not. Call it once before the
    application serves; it configures the mappers of that registry.

    Raises `ConfigError` when *base* has no registry.
    """
    not_imported = import_all(packages)
    gc.collect()  # what is garbage is no conflict
    owner = registry_of(base)
    names = _names_of(owner)
    classes = mapped_classes(owner)
    conflicts = [
        *((each, "refuse") for each in names.refused),
        *_living_conflicts(names, classes),
    ]
    findings = [
        *_of_imports(not_imported, names),
        *(
            of_conflict(each, _LEVELS[then])
            for each, then in conflicts
            if then in _LEVELS
        ),
        *_of_doubles(each for each, _ in conflicts),
        *(of_failure(cls, error) for cls, error in configure_all(owner)),
    ]
    return report_of(len(classes), findings)


def _names_of(owner: registry) -> GuardedNames:
    """Return the names of a guarded registry, and the strict rules for any other."""
    if isinstance(owner, GuardedRegistry):
        return owner.names
    return GuardedNames(on_duplicate="error", allow=frozenset())


def _living_conflicts(
    names: GuardedNames, classes: Iterable[type]
) -> Iterator[tuple[Conflict, str]]:
    """Yield each class whose name another took before, and what the rules say."""
    seen = names.definitions

    def order(cls: type) -> tuple[str, str, str, int]:
        """Return the name first; of one path, the earlier line is the older class."""
        line = seen[cls].line if cls in seen else 0
        return cls.__name__, cls.__module__, cls.__qualname__, line

    classes = sorted(classes, key=order)
    for name, group in groupby(classes, key=attrgetter("__name__")):
        first, *others = group
        for other in others:
            conflict = conflict_between(
                first,
                other,
                base=base_of(other),
                lookups=lookups_of(name, classes),
                definitions=(seen.get(first), seen.get(other)),
            )
            yield conflict, names.reaction(conflict, first, other)


def _of_imports(
    failures: Iterable[ImportFailure], names: GuardedNames
) -> Iterator[ModelFinding]:
    """Yield the failed imports, without those that the guard refused and recorded."""
    recorded = {str(conflict) for conflict in names.refused}
    return (of_import(each) for each in failures if each.text not in recorded)


def _of_doubles(conflicts: Iterable[Conflict]) -> Iterator[ModelFinding]:
    """Yield the files imported twice, without those that a conflict tells already."""
    told = {each.first.file for each in conflicts if each.kind == DOUBLE_IMPORT}
    return (of_double(each) for each in double_imports() if each.file not in told)
