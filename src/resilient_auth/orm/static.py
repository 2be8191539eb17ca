"""
Do two ORM classes of a source tree share a name? Read as text; nothing is imported.

What is reported would be refused by a `GuardedRegistry` when the program starts, with
the same words. What cannot be told for sure is not reported: this check finds most
conflicts early, and `check_models` finds the rest at start.
"""

import gc
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path

from resilient_auth.core import arguments
from resilient_auth.errors import ConfigError
from resilient_auth.orm.bases import MAKERS, makes_models
from resilient_auth.orm.conflicts import (
    ALLOW_ATTRIBUTE,
    DUPLICATE,
    PASTED,
    SUBCLASS_SHADOW,
    Conflict,
)
from resilient_auth.orm.doubles import DoubleImport
from resilient_auth.orm.findings import of_conflict, of_double, of_extension
from resilient_auth.orm.library import Library
from resilient_auth.orm.places import Place
from resilient_auth.orm.report import (
    Level,
    ModelFinding,
    ModelReport,
    printable,
    report_of,
)
from resilient_auth.orm.together import Togetherness
from resilient_auth.orm.tree import Tree, is_there
from resilient_auth.orm.values import ClassSite, Database, Registry, arms_of

_Models = Mapping[Registry, Mapping[str, list[ClassSite]]]


def check_source(paths: Iterable[str | Path]) -> ModelReport:
    """
    Return what is wrong with the models in *paths*: Python files, and folders of them.

    Follows the imports among the files, executes nothing, and needs no SQLAlchemy. Give
    it the whole program: classes are in conflict if one file imports both, or if both
    are in the package of their base. What cannot be read is a warning. Passed over are
    links to folders, and folders that hold a virtual environment or begin with a dot.

    Raises `ConfigError` for a path that is not there.
    """
    given = [str(each) for each in arguments.several("paths", paths)]
    for each in given:
        if not is_there(each):
            raise ConfigError(f"{each!r} is not there, or not to be seen.")
    with _without_collection():
        return _Check(Library(Tree(given))).report()


@contextmanager
def _without_collection() -> Iterator[None]:
    """
    Leave the search for circles of objects aside: it takes longer than the reading.

    Syntax trees have none, and are let go of one by one; what is kept is kept to the
    end anyway.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Check:
    """One run over the files of a library."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.bases = library.bases
        self.together = Togetherness(library)

    def report(self) -> ModelReport:
        self.library.look()
        while self.library.read_those_that_mention(self._base_names()):
            pass
        models = self._models()
        sites = [
            site
            for by_name in models.values()
            for group in by_name.values()
            for site in group
        ]
        findings = [
            *self._conflicts(models),
            *self._doubles(sites),
            *(of_extension(_place(each)) for each in sites if each.extends_existing),
        ]
        return report_of(len(sites), [*findings, *self.library.faults])

    def _base_names(self) -> frozenset[str]:
        """Return what known bases, registries and decorators are called anywhere."""
        found = set(MAKERS)
        for source in self.library.sources():
            made = [each for each in source.names.items() if each[1].is_made]
            for name, later in made:
                value = later.get()
                if makes_models(value):
                    found.add(name)
                if isinstance(value, Database):
                    found.add("Model")
        aliases = (each for source in self.library.sources() for each in source.aliases)
        return _with_aliases(found, aliases)

    def _models(self) -> _Models:
        """Return the mapped classes by registry and name, in the order of places."""
        found: dict[Registry, dict[str, list[ClassSite]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for source in sorted(self.library.sources(), key=lambda each: each.file):
            for site in source.classes:
                registry = self.bases.registry_of(site)
                if registry is not None:
                    found[registry][site.name].append(site)
            for call, block in source.calls:
                for registry, site in self.bases.mapped_by_call(call):
                    if not arms_of(block):
                        found[registry][site.name].append(site)
        return found

    def _rules(self) -> Mapping[Hashable, Registry]:
        """Return what `guard_models` says of registries, by their keys."""
        ruled = (
            self.bases.ruled_by_call(call)
            for source in self.library.sources()
            for call, _ in source.calls
        )
        return {each.key: each for each in ruled if each is not None}

    def _conflicts(self, models: _Models) -> Iterator[ModelFinding]:
        """Yield a finding for each class whose name another one has before it."""
        rules = self._rules()
        for plain, by_name in models.items():
            base = _file_of(plain)
            rule = rules.get(plain.key, rules.get(None))
            registry = plain if rule is None else plain.with_rules_of(rule)
            for group in by_name.values():
                for first, second in self.together.pairs(group, base):
                    yield self._conflict(registry, first, second)

    def _conflict(
        self, registry: Registry, first: ClassSite, second: ClassSite
    ) -> ModelFinding:
        conflict = Conflict(
            name=first.name,
            kind=self._kind(first, second),
            base=registry.label,
            first=_place(first),
            second=_place(second),
        )
        return of_conflict(conflict, _level(registry, first, second))

    def _kind(self, first: ClassSite, second: ClassSite) -> str:
        for one, other in ((first, second), (second, first)):
            if one in self.bases.ancestors_of(other):
                return SUBCLASS_SHADOW
        return PASTED if first.path == second.path else DUPLICATE

    def _doubles(self, sites: Iterable[ClassSite]) -> Iterator[ModelFinding]:
        """Yield the files whose models are imported under two names."""
        classes: dict[str, set[str]] = defaultdict(set)
        for site in sites:
            classes[site.file].add(site.qualname)
        for file, modules in sorted(self.library.importers_of(classes).items()):
            for one, other in combinations(sorted(modules), 2):
                if self.together.of_importers(modules[one], modules[other]):
                    double = DoubleImport(
                        file=printable(file),
                        modules=(one, other),
                        classes=tuple(sorted(classes[file])),
                    )
                    yield of_double(double)


def _with_aliases(
    names: Iterable[str], aliases: Iterable[tuple[str, str]]
) -> frozenset[str]:
    """Return *names*, and what leads to one of them through any number of *aliases*."""
    others: dict[str, list[str]] = defaultdict(list)
    for new, name in aliases:
        others[name].append(new)
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting += others.pop(name, ())
    return frozenset(found)


def _file_of(registry: Registry) -> str | None:
    """Return the file that makes *registry*, None if it is outside."""
    match registry.key:
        case ClassSite(file=file) | (ClassSite(file=file), _) | (str(file), int(), _):
            return file
    return None


def _place(site: ClassSite) -> Place:
    return Place(
        module=site.module,
        qualname=site.qualname,
        file=printable(site.file),
        line=site.line,
    )


def _level(registry: Registry, *sites: ClassSite) -> Level:
    """Return how bad it is that *sites* share a name of *registry*."""
    is_allowed = registry.allow is None or sites[0].name in registry.allow
    if is_allowed or any(site.says_yes(ALLOW_ATTRIBUTE) for site in sites):
        return "allowed"
    return "warning" if registry.warns else "error"
