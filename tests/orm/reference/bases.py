"""Whose name is it, with several Bases, abstract classes or subclasses? (c, d)"""

from tests.orm.reference.case import ONE, Case, main, post, user
from tests.orm.trees import cls, mod

_TWO_BASES = """
@ bases.py
from sqlalchemy.orm import DeclarativeBase
from base import Registry
{0}
class One(DeclarativeBase):
    {1}
class Two(DeclarativeBase):
    {2}
"""
_OWN = "registry = Registry()"
_SHARED = "registry = SHARED"
_FROM = "from bases import One, Two\n"
_IN_ONE = mod("one.py", _FROM, user(base="One"))
_ITS_POST = mod("post.py", _FROM, post(base="One"))
_ALL = main("import one, post, two")
_IN_TWO = mod("two.py", _FROM, user("accounts", base="Two"))

CASES = {
    "c01": Case(
        situation="Two Bases with a User each.",
        guard="-",
        program=_TWO_BASES.format("", _OWN, _OWN)
        + _IN_ONE
        + _ITS_POST
        + _IN_TWO
        + _ALL,
        told="""
            plain      | ok | ok, ok | -
            registry   | ok | ok, ok | -
            referenced | ok | ok, ok | -
            observer   | ok | ok, ok | -
            source     | -
        """,
    ),
    "c02": Case(
        situation="A relationship to a class of the other Base, by its name.",
        guard="S",
        program=_TWO_BASES.format("", _OWN, _OWN)
        + _IN_TWO
        + mod("one.py", _FROM, cls("Thing", "One", "users"))
        + _ITS_POST
        + _ALL,
        told="""
            plain      | ok | NAME, FAILED | unresolved_name
            registry   | ok | NAME, FAILED | unresolved_name
            referenced | ok | NAME, FAILED | unresolved_name
            observer   | ok | NAME, FAILED | unresolved_name
            source     | -
        """,
    ),
    "c03": Case(
        situation="Two Bases on one MetaData, one table.",
        guard="- (SQLAlchemy reports)",
        program=_TWO_BASES.format(
            "", _OWN, "registry = Registry(metadata=One.metadata)"
        )
        + _IN_ONE
        + _ITS_POST
        + mod("two.py", _FROM, user(base="Two"))
        + _ALL,
        told="""
            plain      | TAD | ok, ok | -
            registry   | TAD | ok, ok | -
            referenced | TAD | ok, ok | -
            observer   | TAD | ok, ok | -
            source     | -
        """,
    ),
    "c04": Case(
        situation="Two Bases on one registry, and a relationship.",
        guard="E",
        program=_TWO_BASES.format("SHARED = Registry()", _SHARED, _SHARED)
        + _IN_ONE
        + _ITS_POST
        + _IN_TWO
        + _ALL,
        told="""
            plain      | ok        | MC, FAILED | ambiguous_name, duplicate
            registry   | duplicate | ok, ok     | duplicate
            referenced | ok        | MC, FAILED | ambiguous_name, duplicate
            observer   | duplicate | MC, FAILED | duplicate
            source     | duplicate
        """,
    ),
    "c05": Case(
        situation="Two Bases on one class_registry mapping, and a relationship.",
        guard="E if the mapping is ours, else S",
        program=_TWO_BASES.format(
            """
from weakref import WeakValueDictionary
from sqlalchemy.orm import registry as Plain
FIRST = Registry()
NAMES = getattr(FIRST, "names", None)
if NAMES is None:
    NAMES = WeakValueDictionary()
    FIRST = Plain(class_registry=NAMES)
""",
            "registry = FIRST",
            "registry = Plain(class_registry=NAMES)",
        )
        + _IN_ONE
        + _ITS_POST
        + _IN_TWO
        + _ALL,
        told="""
            plain      | ok        | MC, FAILED | ambiguous_name
            registry   | duplicate | ok, ok     | duplicate
            referenced | ok        | MC, FAILED | ambiguous_name
            observer   | ok        | MC, FAILED | ambiguous_name
            source     | -
        """,
    ),
    "d01": Case(
        situation="An abstract User, and a concrete one below it.",
        guard="-",
        program=mod("one.py", "\nclass User(Base):\n    __abstract__ = True\n")
        + mod("two.py", "import one\n", user(base="one.User"), post())
        + main("import one, two"),
        told="""
            plain      | ok | ok, ok | -
            registry   | ok | ok, ok | -
            referenced | ok | ok, ok | -
            observer   | ok | ok, ok | -
            source     | -
        """,
    ),
    "d02": Case(
        situation="A mixin User, and a mapped one.",
        guard="-",
        program=mod("one.py", "\nclass User:\n    pass\n")
        + mod("two.py", "import one\n", user(base="one.User, Base"), post())
        + main("import one, two"),
        told="""
            plain      | ok | ok, ok | -
            registry   | ok | ok, ok | -
            referenced | ok | ok, ok | -
            observer   | ok | ok, ok | -
            source     | -
        """,
    ),
    "d03": Case(
        situation="A subclass of the same name, in the table of its parent.",
        guard="E subclass-shadow",
        program=ONE
        + mod("post.py", post())
        + mod("two.py", "import one\n\nclass User(one.User):\n    pass\n")
        + main("import one, post, two"),
        told="""
            plain      | ok              | MC, FAILED | ambiguous_name, subclass_shadow
            registry   | subclass_shadow | ok, ok     | subclass_shadow
            referenced | ok              | MC, FAILED | ambiguous_name, subclass_shadow
            observer   | subclass_shadow | MC, FAILED | subclass_shadow
            source     | subclass_shadow
        """,
    ),
}
