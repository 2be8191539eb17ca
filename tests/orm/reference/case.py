"""
How is a case of the reference list written? One program, and what each variant tells.

Every program takes its Base, or the Registry for bases of its own, from ``base.py``,
which is written anew for each variant:

==============  ==========================================================
``plain``       SQLAlchemy alone
``registry``    `GuardedRegistry`
``referenced``  `GuardedRegistry` with ``on_duplicate="referenced"``
``observer``    SQLAlchemy's registries, after a call of `guard_models`
==============  ==========================================================

A row of *told* is what a variant says when the program is started (``main.py``), when
it is used (the mappers are configured twice, unless the program has USES of its own),
and what `check_models` finds, had it been asked instead of any use. The row ``source``
is what `check_source` reads from the files alone.

=======  ===========================================================================
MC       Multiple classes found for path "User" in the registry …
MC_PATH  Multiple classes found for path "models.User" …
TAD      Table … is already defined for this MetaData instance
NAME     the expression 'User' failed to locate a name
FAILED   One or more mappers failed to initialize: what is remembered of the first
BOTH     a name matches both a class name and a module name
ALIEN    an attribute doesn't handle objects of that type
=======  ===========================================================================

The observer hears of a class after SQLAlchemy's own TAD, so of those nothing. They are
garbage by then, and no harm, unless somebody keeps them: then `check_models` tells what
follows (``b04-kept``).

Kinds of conflicts stand for our own errors and, with their number before them, our
warnings; ``local`` ones nobody hears of.
"""

from dataclasses import dataclass
from pathlib import Path

from tests.orm.trees import cls, mod, write

_BASE = """
@ base.py
from sqlalchemy.orm import DeclarativeBase
{0}

class Base(DeclarativeBase):
    registry = Registry()
"""
VARIANTS = {
    "plain": "from sqlalchemy.orm import registry as Registry",
    "registry": "from resilient_auth import GuardedRegistry as Registry",
    "referenced": """
from functools import partial
from resilient_auth import GuardedRegistry
Registry = partial(GuardedRegistry, on_duplicate="referenced")
""",
    "observer": """
from resilient_auth import guard_models
from sqlalchemy.orm import registry as Registry
guard_models()
""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    One row of the reference list.

    *guard* is what its last column asks for, word by word; *modules* are loaded before
    it is run, as they take their time.
    """

    situation: str
    guard: str
    program: str
    told: str
    modules: tuple[str, ...] = ()

    def write(self, folder: Path) -> None:
        """Write the program below *folder*, a folder for each variant."""
        for name, registry in VARIANTS.items():
            write(_BASE.format(registry) + self.program, folder / name)

    @property
    def expected(self) -> dict[str, list[str]]:
        """Return variant → what it says at definition, at use and at start."""
        return {name: row for name, row in self._rows().items() if name != "source"}

    @property
    def in_source(self) -> str:
        """Return what its files say without being run."""
        return self._rows()["source"][0]

    def _rows(self) -> dict[str, list[str]]:
        split = (line.split("|") for line in self.told.strip().splitlines())
        return {each[0].strip(): [cell.strip() for cell in each[1:]] for each in split}


EXTEND = '    __table_args__ = {"extend_existing": True}\n'


def user(table: str = "users", says: str = "", base: str = "Base") -> str:
    """Return the statement of a class User."""
    return cls("User", base, table, says)


def post(
    user: str = 'relationship("User")', table: str = "users", base: str = "Base"
) -> str:
    """Return the statement of a class Post, whose *user* is in *table*."""
    says = f'    user_id: Mapped[int] = mapped_column(ForeignKey("{table}.id"))\n'
    says += f"    user = {user}\n"
    return cls("Post", base, "posts", says)


def main(text: str) -> str:
    """Return the file that is started."""
    return f"\n@ main.py\n{text}\n"


ONE = mod("one.py", user())
TWO = mod("two.py", user("accounts"))
#: The same table again.
AGAIN = mod("two.py", user())
POST = mod("post.py", post())
ALL = main("import one, post, two")
