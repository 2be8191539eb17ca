"""
What does a Python file say at a glance, before it is read? Told from its bytes alone.

A syntax tree costs a hundred times as much, and most files of a large tree have nothing
to do with models. The glance is coarse on purpose: it also sees what stands in strings
and comments, but hardly overlooks anything.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, field

from resilient_auth.orm.values import Import

#: Where none of these stands, no base or registry is made, and no table is named. One
#: after the other they are found in a tenth of the time of one pattern for all.
_HINTS = (
    *(b"sqlalchemy", b"SQLAlchemy", b"SQLModel", b"eclarative", b"__table"),
    *(b"GuardedRegistry", b"guard_models", b"map_imperatively"),
)
_MAKING = re.compile(
    rb"DeclarativeBase|DeclarativeMeta|declarative_base|as_declarative|automap_base"
    rb"|SQLModel|flask_sqlalchemy|SQLAlchemy[ \t]*+[()]|mapped_as_dataclass"
    rb"|registry[ \t]*+(?:[(),]|as\b)|GuardedRegistry|guard_models"
    rb"|map_imperatively|__table__|__tablename__"
)
# Each pattern below begins with a word, which is many times as fast as the beginning of
# a line, and never takes back what it took, so that no text makes it slow.
_NAME = rb"[\w.\x80-\xff]++"
_WORD = re.compile(_NAME)
_NAMED = re.compile(rb"(%b)(?:[\s\\]++as[\s\\]++(%b))?" % (_NAME, _NAME))
_ALIASED = re.compile(rb"(?<![\w.\x80-\xff])(%b)[\s\\]++as\b" % _NAME)
#: The rest of a line, and of those that a backslash joins to it.
_LINE = rb"[^\n\\#;]*+(?:\\\r?\n[^\n\\#;]*+)*+"
#: The names in brackets, with comments. A keyword ends them: where they are themselves
#: in a comment or a string, the bracket may be open for good.
_LINES = rb"\((?:(?!(?:from|import|class)\b)%b|[\s,\\]++|#[^\n]*+)*+" % _NAME
_FROM = re.compile(
    rb"from(?<![\w.\x80-\xff]from)[\s\\]*+(\.*+)[\s\\]*+((?!import\b)%b|)"
    rb"[\s\\]*+import\b(?:[ \t\f]|\\\r?\n)*+(%b|%b)" % (_NAME, _LINES, _LINE)
)
_IMPORT = re.compile(rb"import(?<![\w.][ \t]import)[ \t]++(%b)" % _LINE)
#: Up to the colon after a bracket; one in a ``{1: 2}`` is not the last.
_BASES = re.compile(
    rb"class[\s\\]++[\w\x80-\xff]++[\s\\]*+[\[(]"
    rb"([^:#]*+(?:(?:#[^\n]*+|(?<![)\]]):)[^:#]*+)*+)"
)
_DECORATOR = re.compile(rb"@[ \t]*+(%b)" % _NAME)
_ASSIGNED = re.compile(rb"=[ \t]*+(%b)[ \t]*+(?:[(\r\n#;]|\Z)" % _NAME)


@dataclass(frozen=True, slots=True)
class Glance:
    """
    What one file seems to say.

    It *may make* a base or a registry, or name a table; if not, *words* are the dotted
    names by which it may derive from one that another file makes.
    """

    may_make: bool
    words: frozenset[str]
    _froms: list[tuple[bytes, bytes, bytes]] = field(repr=False)
    _imports: list[bytes] = field(repr=False)

    def imports(self) -> Iterator[tuple[Import, str]]:
        """
        Yield what seems to be imported, with the name that it gets, ``*`` for a star.

        A dotted one gives its first part the name. As the blocks are not seen, all seem
        to stand in none.
        """
        for dots, module, several in self._froms:
            owner, level = _text(module), len(dots)
            names = _NAMED.findall(several)
            for name, alias in names:
                yield Import(owner, level, _text(name), ()), _text(alias or name)
            if not names:
                yield Import(owner, level, None, ()), "*"
        for several in self._imports:
            for name, alias in _NAMED.findall(several):
                yield Import(_text(name), 0, None, ()), _text(alias or name)


def glance(text: bytes) -> Glance:
    """Return what *text* seems to say; never raises, and takes time as it is long."""
    text = text.removeprefix(BOM_UTF8)
    froms = _FROM.findall(text)
    may_make = any(each in text for each in _HINTS) and bool(_MAKING.search(text))
    words: list[bytes] = []
    if not may_make:
        words = [*_BASES.findall(text), *_DECORATOR.findall(text)]
        words += [name for *_, names in froms for name in _ALIASED.findall(names)]
        words += _ASSIGNED.findall(text)
    found = frozenset(map(_text, _WORD.findall(b" ".join(words))))
    return Glance(may_make, found, froms, _IMPORT.findall(text))


def _text(word: bytes) -> str:
    return word.decode("utf-8", "replace")
