"""
Can two classes of the source exist in one process? Only then can they be in conflict.

A *block* is what stands in one arm of the same branches, in one function. What a file
has outside any of them always runs once the file does.

- Two classes of one file: if they stand in one block.
- Two files, whose classes stand in no block: if one block of some file runs both, be it
  through others; or
- if they are in the package of their base, and no file runs them in blocks that are
  alternatives. Scripts that nobody imports are left out: they are run one by one.

Blocks are only known of a file that has been read, and most need not be: the texts tell
which files may run others, and only those that may run both, or stand between, matter.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache, cached_property
from heapq import merge
from itertools import groupby

from resilient_auth.orm.library import Library
from resilient_auth.orm.values import UNSURE, Block, ClassSite, Import, arms_of

#: By file, the blocks that run it.
_Runs = Mapping[str, Sequence[Block]]

#: How many imports away the files are that are looked at first; most conflicts show.
_NEAR = 2


class Togetherness:
    """Tells which files of *library* run in one process."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._tree = library.tree
        self._runs: Callable[[str], _Runs] = cache(self._find_runs)
        self._always: Callable[[str], frozenset[str]] = cache(self._find_always)

    def pairs(
        self, classes: Sequence[ClassSite], base: str | None
    ) -> Iterator[tuple[ClassSite, ClassSite]]:
        """
        Yield each of *classes* that can be at once with one before it; that one first.

        Many may have one name and never meet, so only those are compared that one file
        may run, or that are in one package.
        """
        known: dict[tuple[str, Block], list[int]] = defaultdict(list)
        for number, second in enumerate(classes if len(classes) > 1 else ()):
            meeting = [known[each] for each in self._meeting_points(second)]
            for before, _ in groupby(merge(*meeting)):
                if self.of_classes(classes[before], second, base):
                    yield classes[before], second
                    break
            for numbers in meeting:
                numbers.append(number)

    def _meeting_points(self, site: ClassSite) -> set[tuple[str, Block]]:
        """Return where *site* is known; it meets no class that is known elsewhere."""
        if site.block:
            return {(site.file, site.block)}
        places = self._may_run({site.file}, None)
        package = self._tree.package_of(site.file)
        if package is not None and not self._is_script(site.file):
            places.add(package)
        return {(each, ()) for each in places}

    def of_classes(self, one: ClassSite, other: ClassSite, base: str | None) -> bool:
        """Say whether *one* and *other* can be at once; *base* is their base's file."""
        if one.file == other.file:
            return one.block == other.block
        if one.block or other.block:
            return False
        if self.of_importers({one.file}, {other.file}):
            return True
        files = (base, one.file, other.file)
        packages = {each and self._tree.package_of(each) for each in files}
        if len(packages) > 1 or None in packages or self._are_scripts(*files[1:]):
            return False
        return all(_is_around(*pair) for pair in self._blocks({one.file}, {other.file}))

    def of_importers(self, some: set[str], others: set[str]) -> bool:
        """Say whether one of *some* files and one of the *others* can run at once."""
        return any(
            _meet(*pair)
            for reach in (_NEAR, None)
            for pair in self._blocks(some, others, reach)
        )

    def _blocks(
        self, some: set[str], others: set[str], reach: int | None = None
    ) -> Iterator[tuple[Block, Block]]:
        """
        Yield the blocks of one file each by which *some* and *others* are run.

        Only files at most *reach* imports away are looked at, if it is not None.
        """
        near, near_others = self._may_run(some, reach), self._may_run(others, reach)
        both = near & near_others
        within = self._below(both, near | near_others)
        left, right = self._runners(some, within), self._runners(others, within)
        for file in both:
            here = self._reaching(file, some, left)
            if here:
                there = self._reaching(file, others, right)
                yield from ((one, other) for one in here for other in there)

    def _reaching(
        self, file: str, given: AbstractSet[str], runners: AbstractSet[str]
    ) -> list[Block]:
        """Return the blocks of *file* that run one of *given*, or what runs one."""
        own: list[Block] = [()] if file in given else []
        runs = self._runs(file)
        return own + [block for each in runs.keys() & runners for block in runs[each]]

    def _may_run(self, files: AbstractSet[str], reach: int | None) -> set[str]:
        """Return *files*, and those that seem to run one, at most *reach* away."""
        seen, last = set(files), set(files)
        while last and reach != 0:
            last = {each for file in last for each in self._importers[file]} - seen
            seen |= last
            reach = None if reach is None else reach - 1
        return seen

    def _below(self, files: AbstractSet[str], within: AbstractSet[str]) -> set[str]:
        """Return *files*, and those *within* that they seem to run."""
        seen, last = set(files), set(files)
        while last:
            last = {each for file in last for each in self._imported[file]} & within
            last -= seen
            seen |= last
        return seen

    def _runners(self, files: Iterable[str], within: AbstractSet[str]) -> set[str]:
        """Return *files*, and those *within* that run one whenever they run."""
        seen = set(files)
        waiting = list(seen)
        while waiting:
            file = waiting.pop()
            for each in (self._importers[file] & within) - seen:
                if file in self._always(each):
                    seen.add(each)
                    waiting.append(each)
        return seen

    def _are_scripts(self, *files: str) -> bool:
        """Say whether one of *files* is a script that no other file imports."""
        return any(self._is_script(each) for each in files)

    def _is_script(self, file: str) -> bool:
        source = self._library.load(file)
        return (
            source is not None
            and source.is_script
            and not any(file in self._always(each) for each in self._importers[file])
        )

    @cached_property
    def _imported(self) -> Mapping[str, set[str]]:
        """By file, the others that its text seems to run."""
        return {
            file: {
                target
                for each in self._library.imports(file)
                for target in self._targets(file, each)
                if target != file
            }
            for file in self._tree.files
        }

    @cached_property
    def _importers(self) -> Mapping[str, set[str]]:
        """By file, the others whose text seems to run it."""
        found: dict[str, set[str]] = defaultdict(set)
        for file, others in self._imported.items():
            for each in others:
                found[each].add(file)
        return found

    def _find_runs(self, file: str) -> _Runs:
        """Return what other files *file* runs, and in which blocks."""
        source = self._library.load(file)
        found: dict[str, list[Block]] = defaultdict(list)
        for each in () if source is None else source.imports:
            for target in self._targets(file, each):
                if target != file:
                    found[target].append(each.block)
        return found

    def _find_always(self, file: str) -> frozenset[str]:
        """Return what *file* runs whenever it runs, itself included."""
        runs = self._runs(file).items()
        always = (each for each, blocks in runs if not all(map(arms_of, blocks)))
        return frozenset({file, *always})

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


def _meet(one: Block, other: Block) -> bool:
    """Say whether one of the blocks is within the other, and sure to run with it."""
    shorter, longer = sorted((one, other), key=len)
    within = longer[len(shorter) :]
    return _is_around(one, other) and all(arm != UNSURE for _, arm in within)


def _is_around(one: Block, other: Block) -> bool:
    """Say whether one of the blocks is within the other."""
    return one[: len(other)] == other or other[: len(one)] == one
