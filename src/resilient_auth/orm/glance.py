"""
What does a Python file say at a glance, before it is read? Told from its bytes alone.

A syntax tree costs a hundred times as much, and most files of a large tree have nothing
to do with models. The glance is coarse on purpose: it also sees what stands in strings
and comments, but hardly overlooks anything.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from resilient_auth.orm.values import Import

#: Where none of these stands, no base or registry is made, and no table is named. One
#: after the other they are found in a tenth of the time of one pattern for all.
_HINTS = (
    *(b"sqlalchemy", b"SQLAlchemy", b"SQLModel", b"eclarative", b"__table"),
    *(b"GuardedRegistry", b"map_imperatively"),
)
_MAKING = re.compile(
    rb"DeclarativeBase|DeclarativeMeta|declarative_base|as_declarative|automap_base"
    rb"|SQLModel|flask_sqlalchemy|SQLAlchemy[ \t]*+[()]|mapped_as_dataclass"
    rb"|registry[ \t]*+(?:[(),]|as\b)|GuardedRegistry|map_imperatively"
    rb"|__table__|__tablename__"
)
# Each pattern below begins with a word, which is many times as fast as the beginning of
# a line, and never takes back what it took, so that no text makes it slow.
_NAME = rb"[\w.\x80-\xff]++"
_WORD = re.compile(_NAME)
_NAMED = re.compile(rb"(%b)(?:\s++as\s++(%b))?" % (_NAME, _NAME))
_ALIASED = re.compile(rb"(%b)\s++as\b" % _NAME)
#: The rest of a line, and of those that a backslash joins to it.
_LINE = rb"[^\n\\#;]*+(?:\\\r?\n[^\n\\#;]*+)*+"
#: What stands in brackets up to the next one, with comments.
_LINES = rb"\([^()#]*+(?:#[^\n]{0,500}+[^()#]*+)*+"
_FROM = re.compile(
    rb"from[ \t]*+(\.*+)[ \t]*+((?!import\b)%b|)"
    rb"(?:[ \t]|\\\r?\n)*+import\b[ \t]*+(%b|%b)" % (_NAME, _LINES, _LINE)
)
_IMPORT = re.compile(rb"import(?<![\w.][ \t]import)[ \t]++(%b)" % _LINE)
_BASES = re.compile(
    rb"class[ \t]++[\w\x80-\xff]++[ \t]*+[\[(]([^:#]*+(?:#[^\n]{0,500}+[^:#]*+)*+)"
)
_DECORATOR = re.compile(rb"@[ \t]*+(%b)" % _NAME)
_ASSIGNED = re.compile(rb"=[ \t]*+(%b)[ \t]*+[(\r\n#]" % _NAME)


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

        As the blocks are not seen, all seem to stand in none.
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
                bound = alias or name.partition(b".")[0]
                yield Import(_text(name), 0, None, ()), _text(bound)


def glance(text: bytes) -> Glance:
    """Return what *text* seems to say; never raises, and takes time as it is long."""
    froms = _FROM.findall(text)
    may_make = any(each in text for each in _HINTS) and bool(_MAKING.search(text))
    words: list[bytes] = []
    if not may_make:
        words = [*_BASES.findall(text), *_DECORATOR.findall(text)]
        words += [name for *_, names in froms for name in _ALIASED.findall(names)]
        if b"sqlalchemy" in text:
            words += _ASSIGNED.findall(text)
    found = frozenset(map(_text, _WORD.findall(b" ".join(words))))
    return Glance(may_make, found, froms, _IMPORT.findall(text))


def _text(word: bytes) -> str:
    return word.decode("utf-8", "replace")
