"""
Which files are worth reading, and what do they say? Each is looked at as text first.

Most files of a large tree have nothing to do with models, and a syntax tree costs a
hundred times a look at the text. A file is read if it mentions an ORM, or has a class
that derives from something called as a known base; others when an import leads there.
"""

import re
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from resilient_auth.orm.bases import Bases
from resilient_auth.orm.reading import read_source
from resilient_auth.orm.report import ModelFinding
from resilient_auth.orm.tree import Tree, read_bytes
from resilient_auth.orm.values import Source

_ORM = re.compile(
    rb"sqlalchemy|sqlmodel|__table|DeclarativeBase|declarative_base|GuardedRegistry"
    rb"|map_imperatively",
    re.IGNORECASE,
)
_CLASS = re.compile(rb"^[ \t]*class[ \t]+[\w\x80-\xff]+[ \t]*\(([^)]*)\)", re.MULTILINE)
_DECORATOR = re.compile(rb"^[ \t]*@[ \t]*([\w.]+)", re.MULTILINE)
_FROM = re.compile(rb"^[ \t]*from[ \t]+(\w[\w.]*)[ \t]+import\b", re.MULTILINE)
_WORD = re.compile(rb"[\w\x80-\xff]+")


class Library:
    """Reads the files of *tree*, each once; *faults* tells which could not be read."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.bases: Bases = Bases(tree, self.load)
        self.faults: list[ModelFinding] = [
            _fault(each, None, why) for each, why in tree.faults
        ]
        #: By file, the modules from which it imports names by their full path.
        self._imports: dict[str, frozenset[str]] = {}
        self._words: dict[str, frozenset[str]] = {}
        self._read: dict[str, Source | None] = {}

    def sources(self) -> Iterator[Source]:
        """Yield what has been read so far."""
        return (each for each in list(self._read.values()) if each is not None)

    def look(self) -> None:
        """Look at every file, and read those that mention an ORM."""
        for file in self.tree.files:
            try:
                text = read_bytes(file)
            except OSError as error:
                self.faults.append(_fault(file, None, error.strerror or str(error)))
                continue
            self._imports[file] = frozenset(_texts(_FROM.findall(text)))
            if _ORM.search(text):
                self._read[file] = self._parsed(file, text)
            else:
                found = [*_CLASS.findall(text), *_DECORATOR.findall(text)]
                words = _WORD.findall(b" ".join(found))
                self._words[file] = frozenset(_texts(words))

    def read_those_that_mention(self, bases: frozenset[str]) -> bool:
        """Read the files with a class that derives from one of *bases*; say if any."""
        found = [
            file
            for file, words in self._words.items()
            if file not in self._read and not words.isdisjoint(bases)
        ]
        for file in found:
            self.load(file)
        return bool(found)

    def read_all(self) -> Iterator[Source]:
        """Yield what every file says; slow, so only asked for where it matters."""
        for file in self.tree.files:
            source = self.load(file)
            if source is not None:
                yield source

    def load(self, file: str) -> Source | None:
        """Return what *file* says, None for a folder or what cannot be read."""
        if file not in self._read and file in self._imports:
            self._read[file] = self._reread(file)
        return self._read.get(file)

    def _reread(self, file: str) -> Source | None:
        try:
            return self._parsed(file, read_bytes(file))
        except OSError:  # it was there a moment ago
            return None

    def _parsed(self, file: str, text: bytes) -> Source | None:
        module = self.tree.module_of(file)
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
        for importer, modules in self._imports.items():
            for module in modules:
                if module.rpartition(".")[2] in ends:
                    file = self.tree.find(importer, module)
                    if file is not None and file in classes:
                        found[file][module].add(importer)
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
            (each.module, each.level, each.block) == (module, 0, ())
            and each.name in names
            for each in source.imports
        )


def _fault(file: str, line: int | None, why: str) -> ModelFinding:
    return ModelFinding(
        code="unreadable_source",
        level="warning",
        text=f"This was not read, nor are its models known: {why}.",
        file=file,
        line=line,
    )


def _texts(words: Iterable[bytes]) -> Iterator[str]:
    return (each.decode("utf-8", "replace") for each in words)
