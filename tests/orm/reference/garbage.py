"""What if a class of that name is gone, or could be? (j, l)"""

from tests.orm.reference.case import ONE, POST, TWO, Case, main, post, user
from tests.orm.trees import HEAD, cls, mod

_IN_A_FUNCTION = (
    (user("USERS") + post(table="USERS"))
    .replace('"USERS"', 'f"{place}_users"')
    .replace('"posts"', 'f"{place}_posts"')
    .replace('"USERS.id"', 'f"{place}_users.id"')
    .replace("\n", "\n    ")
)
_FACTORY = f"{HEAD}\nimport gc\ndef make(place):{_IN_A_FUNCTION}\n"
_FACTORY_OF_BASES = f"""{HEAD}
from base import DeclarativeBase, Registry
def make(place):
    class Base(DeclarativeBase):
        registry = Registry()
{_IN_A_FUNCTION}
"""

CASES = {
    "j01": Case(
        situation="Models in a function that is called twice.",
        guard="- after one collect",
        program=main(_FACTORY + 'make("a")\nmake("b")'),
        told="""
            plain      | 2 SAWarning | MC, FAILED | -
            registry   | ok          | ok, ok     | -
            referenced | ok          | ok, ok     | -
            observer   | 1 SAWarning | ok, ok     | -
            source     | -
        """,
    ),
    "j02": Case(
        situation="As j01, collected between.",
        guard="-",
        program=main(_FACTORY + 'make("a")\ngc.collect()\nmake("b")'),
        told="""
            plain      | ok | ok, ok | -
            registry   | ok | ok, ok | -
            referenced | ok | ok, ok | -
            observer   | ok | ok, ok | -
            source     | -
        """,
    ),
    "j03": Case(
        situation="As j01, with a new Base for each call.",
        guard="-",
        program=main(_FACTORY_OF_BASES + 'make("a")\nmake("a")'),
        told="""
            plain      | ok | ok, ok | -
            registry   | ok | ok, ok | -
            referenced | ok | ok, ok | -
            observer   | ok | ok, ok | -
            source     | -
        """,
    ),
    "l01": Case(
        situation="Three of one name, of which the first two are collected.",
        guard="E at the second",
        program=ONE
        + TWO
        + mod("three.py", user("people"))
        + mod("post.py", post(table="people"))
        + main("""
import gc, sys
import one, two, three
import post
del sys.modules["one"], sys.modules["two"], one, two
gc.collect()
"""),
        told="""
            plain      | ok        | NAME, FAILED | unresolved_name
            registry   | duplicate | ok, ok       | duplicate
            referenced | ok        | NAME, FAILED | unresolved_name
            observer   | duplicate | ok, ok       | duplicate
            source     | duplicate
        """,
    ),
    "l02": Case(
        situation="A class and a module of one path.",
        guard="- (SQLAlchemy reports)",
        program=mod("pkg/__init__.py", cls("User"))
        + mod("pkg/User.py", cls("Thing"))
        + main("import pkg.User"),
        told="""
            plain      | BOTH | ok, ok | -
            registry   | BOTH | ok, ok | -
            referenced | BOTH | ok, ok | -
            observer   | BOTH | ok, ok | -
            source     | -
        """,
    ),
    "l03": Case(
        situation="One module executed twice, another table, the first let go of.",
        guard="W, - after collect",
        program=mod("one.py", user("PLACE"))
        .replace('"PLACE"', "TABLE")
        .replace("import Base", "import Base\nfrom name import TABLE")
        + "\n@ name.py\nTABLE = 'users'\n"
        + POST
        + main("""
import sys
import name, one
del sys.modules["one"], one
name.TABLE = "accounts"
import one
"""),
        told="""
            plain      | 1 SAWarning | ok, ok | -
            registry   | ok          | ok, ok | -
            referenced | ok          | ok, ok | -
            observer   | 1 SAWarning | ok, ok | -
            source     | -
        """,
    ),
    "l04": Case(
        # The source check follows that call in the module of a class alone.
        situation="A second one after clear_mappers().",
        guard="-",
        program=ONE
        + TWO
        + main("""
import one
from sqlalchemy.orm import clear_mappers
clear_mappers()
import two
"""),
        told="""
            plain      | ok | ok, ok | -
            registry   | ok | ok, ok | -
            referenced | ok | ok, ok | -
            observer   | ok | ok, ok | -
            source     | duplicate
        """,
    ),
}
