"""
Which files are worth reading, and what do they say? Each is glanced at first.

A file is read if it may make a base or a registry, or names a table; if it has a class
that derives from a base that another file makes; others when an import leads there, or
when it matters what they import.
"""

import warnings
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from resilient_auth.orm.bases import Bases, makes_models
from resilient_auth.orm.glance import Glance, glance
from resilient_auth.orm.reading import read_source
from resilient_auth.orm.report import ModelFinding, printable
from resilient_auth.orm.tree import Tree, read_bytes
from resilient_auth.orm.values import Import, Source, Value, arms_of


class Library:
    """Reads the files of *tree*, each once; *faults* tells which could not be read."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.bases: Bases = Bases(tree, self.load)
        self.faults: list[ModelFinding] = [
            _fault(each, None, why) for each, why in tree.faults
        ]
        self._glances: dict[str, Glance] = {}
        #: By file, the words that were not looked up so far.
        self._words: dict[str, frozenset[str]] = {}
        self._read: dict[str, Source | None] = {}

    def sources(self) -> Iterator[Source]:
        """Yield what has been read so far."""
        return (each for each in list(self._read.values()) if each is not None)

    def look(self) -> None:
        """Look at every file, and read those that may make bases, or name tables."""
        for file in self.tree.files:
            try:
                text = read_bytes(file)
            except OSError as error:
                self.faults.append(_fault(file, None, error.strerror or str(error)))
                continue
            self._glances[file] = seen = glance(text)
            self._words[file] = seen.words
            if seen.may_make:
                self._read[file] = self._parsed(file, text)

    def read_those_that_mention(self, bases: frozenset[str]) -> bool:
        """
        Read the files with a class that derives from one of *bases*; say if any.

        *bases* are the names of bases, registries and decorators where they are made.
        """
        found = [each for each in self._words if self._leads_to(each, bases)]
        unread = [each for each in found if each not in self._read]
        for each in unread:
            self.load(each)
        return bool(unread)

    def _leads_to(self, file: str, bases: frozenset[str]) -> bool:
        """Say whether a word of *file* stands for what is called as one of *bases*."""
        words = self._words[file]
        called = {each for each in words if not bases.isdisjoint(each.split("."))}
        self._words[file] = words - called
        return any(
            makes_models(value)
            for word in called
            for value in self._meanings(file, word)
        )

    def _meanings(self, file: str, word: str) -> Iterator[Value]:
        """Yield what the dotted *word* may mean in *file*."""
        root, *rest = word.split(".")
        for what, bound in self._glances[file].imports():
            if bound == "*":
                value = self.bases.imported(file, replace(what, name=root))
            elif bound.startswith(f"{root}."):
                value = self.bases.imported(file, replace(what, module=root))
            elif root in (bound, what.name):
                value = self.bases.imported(file, what)
            else:
                continue
            for name in rest:
                value = self.bases.attribute(value, name)
            yield value

    def imports(self, file: str) -> Iterator[Import]:
        """Yield what *file* seems to import, in whatever block."""
        seen = self._glances.get(file)
        return (each for each, _ in seen.imports()) if seen else iter(())

    def load(self, file: str) -> Source | None:
        """Return what *file* says, None for a folder or what cannot be read."""
        if file not in self._read and file in self._glances:
            self._read[file] = self._reread(file)
        return self._read.get(file)

    def _reread(self, file: str) -> Source | None:
        try:
            return self._parsed(file, read_bytes(file))
        except OSError:  # it was there a moment ago
            return None

    def _parsed(self, file: str, text: bytes) -> Source | None:
        module = printable(self.tree.module_of(file))
        line = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the text's own escapes
                return read_source(text, file=file, module=module, meanings=self.bases)
        except SyntaxError as error:
            line, why = error.lineno, error.msg
        except ValueError as error:
            why = str(error)
        except (RecursionError, MemoryError):
            why = "is nested too deeply"
        self.faults.append(_fault(file, line, why))
        return None

    def importers_of(
        self, classes: Mapping[str, Collection[str]]
    ) -> dict[str, dict[str, set[str]]]:
        """
        Return the files that are surely imported under several names, and by whom.

        *classes* are the models of each file; an import counts if it names one.
        """
        ends = {self.tree.module_of(file).rpartition(".")[2] for file in classes}
        found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for importer in self._glances if classes else ():
            for each in self.imports(importer):
                if not each.level and each.module.rpartition(".")[2] in ends:
                    file = self.tree.find(importer, each.module)
                    if file is not None and file in classes:
                        found[file][each.module].add(importer)
        return {
            file: {
                module: {
                    each
                    for each in importers
                    if self._surely_imports(each, module, classes[file])
                }
                for module, importers in names.items()
            }
            for file, names in found.items()
            if len(names) > 1
        }

    def _surely_imports(self, file: str, module: str, names: Collection[str]) -> bool:
        source = self.load(file)
        return source is not None and any(
            (each.module, each.level) == (module, 0)
            and not arms_of(each.block)
            and each.name in names
            for each in source.imports
        )


def _fault(file: str, line: int | None, why: str) -> ModelFinding:
    return ModelFinding(
        code="unreadable_source",
        level="warning",
        text=f"This was not read, nor are its models known: {printable(why)}.",
        file=printable(file),
        line=line,
    )
