"""
Can two classes of the source exist in one process? Only then can they be in conflict.

A *block* is what stands in one arm of the same branches, in one function. What a file
has outside any of them always runs once the file does.

- Two classes of one file: if they stand in one block.
- Two files, whose classes stand in no block: if one block of some file runs both, be it
  through others; or
- if they are in the package of their base, and no file runs them in blocks that are
  alternatives. Scripts that nobody imports are left out: they are run one by one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

from resilient_auth.orm.tree import Tree
from resilient_auth.orm.values import Block, ClassSite, Import, Source


class Togetherness:
    """Tells which files of *tree* run in one process; *read_all* reads them."""

    def __init__(self, tree: Tree, read_all: Callable[[], Iterable[Source]]) -> None:
        self._tree = tree
        self._read_all = read_all

    def of_classes(self, one: ClassSite, other: ClassSite, base: str | None) -> bool:
        """Say whether *one* and *other* can be at once; *base* is their base's file."""
        if one.file == other.file:
            return one.block == other.block
        if one.block or other.block:
            return False
        pairs = list(self._blocks({one.file}, {other.file}))
        if any(_is_around(here, there) for here, there in pairs):
            return True
        files = (base, one.file, other.file)
        packages = {each and self._tree.package_of(each) for each in files}
        is_one_package = len(packages) == 1 and None not in packages
        return is_one_package and not pairs and not self._are_scripts(*files[1:])

    def of_importers(self, some: set[str], others: set[str]) -> bool:
        """Say whether one of *some* files and one of the *others* can run at once."""
        return any(_is_around(*pair) for pair in self._blocks(some, others))

    def _blocks(
        self, some: set[str], others: set[str]
    ) -> Iterator[tuple[Block, Block]]:
        """Yield the blocks of one file each by which *some* and *others* are run."""
        left, right = self._runners(some), self._runners(others)
        for runs in self._runs.values():
            here = [block for block, files in runs if not left.isdisjoint(files)]
            if here:
                there = [block for block, files in runs if not right.isdisjoint(files)]
                yield from ((one, other) for one in here for other in there)

    def _runners(self, files: Iterable[str]) -> set[str]:
        """Return the files that run one of *files* whenever they run, and these."""
        seen = set(files)
        waiting = list(seen)
        while waiting:
            for each in self._importers.get(waiting.pop(), ()):
                if each not in seen:
                    seen.add(each)
                    waiting.append(each)
        return seen

    def _are_scripts(self, *files: str) -> bool:
        """Say whether one of *files* is a script that no other file imports."""
        return any(
            each in self._scripts and not self._importers.get(each) for each in files
        )

    @cached_property
    def _sources(self) -> list[Source]:
        return list(self._read_all())

    @cached_property
    def _scripts(self) -> frozenset[str]:
        return frozenset(each.file for each in self._sources if each.is_script)

    @cached_property
    def _runs(self) -> Mapping[str, list[tuple[Block, frozenset[str]]]]:
        """By file, what each of its blocks runs, itself included."""
        return {
            source.file: [
                ((), frozenset({source.file})),
                *(
                    (each.block, frozenset(self._targets(source.file, each)))
                    for each in source.imports
                ),
            ]
            for source in self._sources
        }

    @cached_property
    def _importers(self) -> Mapping[str, set[str]]:
        """By file, who runs it whenever it runs itself."""
        found: dict[str, set[str]] = defaultdict(set)
        for importer, runs in self._runs.items():
            for block, files in runs:
                for each in files if not block else ():
                    if each != importer:
                        found[each].add(importer)
        return found

    def _targets(self, file: str, each: Import) -> Iterator[str]:
        """Yield the files that *each* runs, if nobody has imported them before."""
        found = self._tree.find(file, each.module, each.level)
        below = None
        if found is not None and each.name is not None:
            below = self._tree.child(found, each.name)
        for target in (found, below):
            if target is not None:
                yield target
                yield from self._tree.packages_of(target)


def _is_around(one: Block, other: Block) -> bool:
    """Say whether one of the blocks is within the other."""
    return one[: len(other)] == other or other[: len(one)] == one
