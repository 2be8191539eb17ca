"""
What can a name of a Python file mean, as far as the registries of models go?

Values only. Two of them are equal where they mean one object of the running program.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

#: In which branches and functions a statement stands, from the outside in: each by its
#: line and the number of the arm. Statements of one block run together, and with those
#: of the blocks around it, if it has no arm that is `UNSURE`.
Block: TypeAlias = tuple[tuple[int, int], ...]
#: What follows a branch, one arm of which leaves, runs unless it was that one.
GOES_ON = -1
#: Whether it ever runs cannot be read: a function, or what the machine decides.
UNSURE = -2
#: When a class that derives from a base is mapped.
Rule: TypeAlias = Literal["always", "table", "named", "decorated"]


@dataclass(frozen=True, slots=True)
class Registry:
    """
    One registry, known by *key*; *label* is what its base is called.

    *allow* None means that any name may be shared.
    """

    key: Hashable
    label: str = field(compare=False)
    allow: frozenset[str] | None = frozenset()
    warns: bool = False

    def with_rules_of(self, other: "Registry") -> "Registry":
        """Return this registry, which lets pass what *other* does, too."""
        allow = None
        if self.allow is not None and other.allow is not None:
            allow = self.allow | other.allow
        return replace(self, allow=allow, warns=self.warns or other.warns)


@dataclass(frozen=True, slots=True)
class Outside:
    """What the source does not show, by its full name, or a class derived from it."""

    name: str
    is_derived: bool = False


@dataclass(frozen=True, slots=True)
class Module:
    """A file of the source, or a folder of it."""

    path: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that is only known by where it comes from; a call may make a base."""

    key: Hashable = None
    is_call: bool = False


@dataclass(frozen=True, slots=True)
class Method:
    """The attribute *name* of a registry, or what a call of it returned."""

    registry: Registry
    name: str


@dataclass(frozen=True, slots=True)
class Database:
    """An instance of Flask-SQLAlchemy's ``SQLAlchemy``."""

    registry: Registry


@dataclass(frozen=True, slots=True)
class Base:
    """
    A class whose subclasses are mapped if they fulfil the *rule*.

    ``always``; ``table``, for those that say `table=True`; ``named``, for those that
    name a table; ``decorated``, for none by itself.
    """

    registry: Registry
    rule: Rule
    site: "ClassSite | None" = None
    is_root: bool = False


def arms_of(block: Block) -> Block:
    """Return the arms of *block*, without what any run that gets so far passes."""
    return tuple(arm for arm in block if arm[1] != GOES_ON)


class Later:
    """
    A value that is worked out when it is first asked for; in a circle, unknown.

    *is_made* if it is made where it is asked for, and not imported.
    """

    __slots__ = ("_value", "_work", "is_made")

    def __init__(
        self, work: Callable[[], "Value"] | None = None, *, is_made: bool = True
    ) -> None:
        self.is_made: bool = is_made
        self._work = work
        self._value: Value = Unknown()

    def get(self) -> "Value":
        """Return the value; a name that leads through too many others is unknown."""
        if self._work is not None:
            work, self._work = self._work, None
            try:
                self._value = work()
            except RecursionError:
                self._value = Unknown()
        return self._value


@dataclass(frozen=True, slots=True, eq=False)
class ClassSite:
    """
    One class statement.

    *bases* come with the name by which they are called there; *says* is what the body
    binds to names we know.
    """

    file: str
    module: str
    qualname: str
    line: int
    block: Block
    bases: tuple[tuple[str, Later], ...]
    named: Mapping[str, Later]
    decorators: tuple[Later, ...]
    says: Mapping[str, Later]
    is_table: bool
    extends_existing: bool

    @property
    def name(self) -> str:
        """Return the name that a registry would see."""
        return self.qualname.rpartition(".")[2]

    @property
    def path(self) -> str:
        """Return ``module.qualname``."""
        return f"{self.module}.{self.qualname}"

    def says_yes(self, *names: str) -> bool:
        """Say whether the body binds one of *names*, and not to a false constant."""
        said = [self.says[name] for name in names if name in self.says]
        return any(each.get() != FALSE for each in said)


Value: TypeAlias = (
    Registry | Outside | Module | Unknown | Method | Database | Base | ClassSite
)
FALSE = Unknown("a false constant")


@dataclass(frozen=True, slots=True)
class Call:
    """A call of *function*; *allow* is None if the names in it are not written out."""

    key: tuple[str, int, int]
    label: str
    function: Later
    given: tuple[Later, ...]
    named: Mapping[str, Later]
    allow: frozenset[str] | None
    warns: bool


@dataclass(frozen=True, slots=True)
class Import:
    """An import of *name* (None: the module itself) in *block*."""

    module: str
    level: int
    name: str | None
    block: Block


@dataclass(slots=True, eq=False)
class Source:
    """
    What one file says; *names* are bound when it has run.

    *calls* are those whose result nobody takes, with the block in which they stand;
    *aliases* are other names for what is called otherwise where it comes from.
    """

    file: str
    module: str
    names: dict[str, Later] = field(default_factory=dict)
    aliases: set[tuple[str, str]] = field(default_factory=set)
    stars: list[Import] = field(default_factory=list)
    classes: list[ClassSite] = field(default_factory=list)
    calls: list[tuple[Call, Block]] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    is_script: bool = False
