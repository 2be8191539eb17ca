"""
What kind of conflict is it when two ORM classes of one registry share a name?

The kind is decided from where both classes are defined, by the first row that fits; it
decides what happens and which fix the message names.

=================  =============================================  =======
kind               how it is recognised                           then
=================  =============================================  =======
pasted             two statements in one run of one module,       refuse
                   outside functions
redefined          one file, one module, one qualified name       warn
                   (reload, notebook cell, a factory that ran
                   twice)
local              both were made inside functions                ignore
synthetic          a module without a file (automap, exec)        warn
double_import      one file under two module names, also          refuse
                   ``__main__``
subclass_shadow    one class derives from the other               refuse
duplicate          everything else                                refuse
=================  =============================================  =======

SQLAlchemy itself says nothing at this moment. It fails at the first string that looks
the name up, often while it serves a request for another model, and remembers the
failure until the process ends.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from resilient_auth.errors import DuplicateModelError
from resilient_auth.orm.definitions import Definition
from resilient_auth.orm.places import Place, import_root, place_of

PASTED = "pasted"
REDEFINED = "redefined"
LOCAL = "local"
SYNTHETIC = "synthetic"
DOUBLE_IMPORT = "double_import"
SUBCLASS_SHADOW = "subclass_shadow"
DUPLICATE = "duplicate"

#: What happens to a kind that is not listed here: it is refused.
REACTIONS = {REDEFINED: "warn", LOCAL: "ignore", SYNTHETIC: "warn"}

#: A class attribute by which a class agrees to share its name.
ALLOW_ATTRIBUTE = "__allow_duplicate_name__"

_WHY = (
    "the first query of any model would fail with 'Multiple classes found for path "
    '"{name}"\', and so would all that follow until the process is restarted.'
)
_RESTART = (
    "Restart: SQLAlchemy has taken the second one in; this process cannot be healed."
)
_FIXES = {
    REDEFINED: "call registry.dispose() and metadata.clear() before the module runs "
    "again.",
    PASTED: "rename or delete one of them; the second would replace the first.",
    SYNTHETIC: "give one of them a registry of its own, or another name.",
    SUBCLASS_SHADOW: "give the subclass a name of its own.",
    DUPLICATE: "rename one of them, give one its own Base{or_path}.",
}
_OR_PATH = ', or write the full path ("{first}") in every string and allow the name'


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """
    Two classes called *name* in the registry of *base* (empty if it has none).

    *second* is the newer one, None where it could not be told; *lookups* are the
    relationships seen so far that look the name up as a string. *guard* is who watches
    that registry; *is_late* if SQLAlchemy has taken the newer class in already.
    """

    name: str
    kind: str
    base: str
    first: Place
    second: Place | None
    lookups: tuple[str, ...] = ()
    guard: str = "GuardedRegistry"
    is_late: bool = False

    @property
    def places(self) -> tuple[Place, ...]:
        """Return where the classes are, the older first."""
        return (self.first,) if self.second is None else (self.first, self.second)

    @property
    def key(self) -> Hashable:
        """Return what is equal for two that are one conflict, seen twice."""
        return self.name, self.places

    @property
    def reaction(self) -> str:
        """Return ``refuse``, ``warn`` or ``ignore``."""
        return REACTIONS.get(self.kind, "refuse")

    @property
    def fix(self) -> str:
        """Return the one change that cures this kind."""
        if self.kind == DOUBLE_IMPORT:
            return one_name([each.module for each in self.places], self.first.file)
        is_one_path = len({each.lookup_path for each in self.places}) < len(self.places)
        or_path = _OR_PATH.format(first=self.first.lookup_path)
        return _FIXES[self.kind].format(or_path="" if is_one_path else or_path)

    @property
    def _registry(self) -> str:
        return f"the registry of {self.base}" if self.base else "one registry"

    def __str__(self) -> str:
        kind = self.kind.replace("_", " ")
        users = (
            f"the name is looked up by {', '.join(self.lookups)};"
            if self.lookups
            else f'where a string looks the name up, as in relationship("{self.name}"),'
        )
        why = _WHY.format(name=self.name)
        escape = f'{self.guard}(allow=["{self.name}"]), or {ALLOW_ATTRIBUTE} = True'
        lines = [
            f"Two classes are called {self.name!r} in {self._registry} ({kind}):",
            *(f"  {number}. {each}" for number, each in enumerate(self.places, 1)),
            f"Why: {users} {why}",
            f"Fix: {self.fix}",
            *([_RESTART] if self.is_late else []),
            f"On purpose: {escape} in one of the classes.",
            "See: duplicate_model, docs/how-to/f3-duplicate-models.md",
        ]
        return "\n".join(lines)

    def error(self) -> DuplicateModelError:
        """Return the error that refuses the newer class."""
        return DuplicateModelError(
            str(self),
            name=self.name,
            kind=self.kind,
            classes=tuple(each.path for each in self.places),
            places=tuple(each.where for each in self.places),
        )


def conflict_between(
    old: type,
    new: type | None,
    *,
    base: str,
    lookups: Sequence[str] = (),
    definitions: tuple[Definition | None, Definition | None] = (None, None),
    guard: str = "GuardedRegistry",
    is_late: bool = False,
) -> Conflict:
    """
    Return the conflict of two classes that share a name, as a value.

    *definitions* are those of *old* and *new*, where they were seen.
    """
    older, newer = definitions
    first = _placed(old, older)
    second = None if new is None else _placed(new, newer)
    kind = _kind(old, new, first, second)
    # Of two lines of a function nobody knows whether one call came by both.
    may_be_pasted = kind == REDEFINED and not first.is_local
    if may_be_pasted and newer is not None and newer.is_beside(older):
        kind = PASTED
    return Conflict(
        name=old.__name__,
        kind=kind,
        base=base,
        first=first,
        second=second,
        lookups=tuple(lookups),
        guard=guard,
        is_late=is_late,
    )


def one_name(modules: Sequence[str], file: str | None) -> str:
    """Say how *file* is given one name, and which path entry gave it the other."""
    if "__main__" in modules:
        return (
            "the file was started as a script and imported too; move its models into "
            "a module of their own, and import that everywhere."
        )
    inner, *_, outer = sorted(modules, key=lambda name: (name.count("."), name))
    root = None if file is None else import_root(inner, file)
    cure = "" if root is None else f" by taking {root} off the path"
    return (
        f"import the file as {outer!r} everywhere; make {inner!r} impossible{cure}, "
        "and start programs with `python -m`."
    )


def _placed(cls: type, definition: Definition | None) -> Place:
    """Return the place of *cls*, in the file and line that were seen to define it."""
    place = place_of(cls)
    if definition is None or definition.file is None:
        return place
    return replace(place, file=definition.file, line=definition.line)


def _kind(old: type, new: type | None, first: Place, second: Place | None) -> str:
    if new is None or second is None:
        return DUPLICATE
    if first.path == second.path and first.file == second.file:
        return REDEFINED
    if first.is_local and second.is_local:
        return LOCAL
    if first.file is None or second.file is None:
        return SYNTHETIC
    if first.file == second.file and first.module != second.module:
        return DOUBLE_IMPORT
    if issubclass(new, old) or issubclass(old, new):
        return SUBCLASS_SHADOW
    return DUPLICATE
