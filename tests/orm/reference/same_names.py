"""Which two classes of one name does SQLAlchemy accept, and what follows? (a)"""

from tests.orm.reference.case import (
    AGAIN,
    ALL,
    EXTEND,
    ONE,
    POST,
    TWO,
    Case,
    main,
    user,
)
from tests.orm.trees import cls, mod

CASES = {
    "a01": Case(
        situation="Two modules, different tables, nobody looks the name up.",
        guard="E/-",
        program=ONE + TWO + main("import one, two"),
        told="""
            plain      | ok        | ok, ok | duplicate
            registry   | duplicate | ok, ok | duplicate
            referenced | ok        | ok, ok | allowed duplicate
            observer   | duplicate | ok, ok | duplicate
            source     | duplicate
        """,
    ),
    "a02": Case(
        situation="Two modules, one table.",
        guard="E, replaces TAD",
        program=ONE + AGAIN + main("import one, two"),
        told="""
            plain      | TAD       | ok, ok | -
            registry   | duplicate | ok, ok | duplicate
            referenced | TAD       | ok, ok | -
            observer   | TAD       | ok, ok | -
            source     | duplicate
        """,
    ),
    "a03": Case(
        situation="Two modules, different tables, and a relationship.",
        guard="E",
        program=ONE + TWO + POST + ALL,
        told="""
            plain      | ok        | MC, FAILED | ambiguous_name, duplicate
            registry   | duplicate | ok, ok     | duplicate
            referenced | ok        | MC, FAILED | ambiguous_name, duplicate
            observer   | duplicate | MC, FAILED | duplicate
            source     | duplicate
        """,
    ),
    "a04": Case(
        situation="One table with extend_existing, the usual wrong cure, and a "
        "relationship.",
        guard="E, T",
        program=ONE + mod("two.py", user(says=EXTEND)) + POST + ALL,
        told="""
            plain      | ok        | MC, FAILED | ambiguous_name, duplicate
            registry   | duplicate | ok, ok     | duplicate
            referenced | ok        | MC, FAILED | ambiguous_name, duplicate
            observer   | duplicate | MC, FAILED | duplicate
            source     | duplicate, warning extend_existing
        """,
    ),
    "a05": Case(
        situation="As a03; the first query is of an unrelated model.",
        guard="E",
        program=ONE
        + TWO
        + POST
        + mod("other.py", cls("Other"))
        + mod(
            "third.py",
            "from base import DeclarativeBase, Registry\n"
            "class Base(DeclarativeBase):\n    registry = Registry()\n",
            cls("Third"),
        )
        + main("""
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session
import other, third
def query(cls):
    engine = create_engine("sqlite://")
    cls.metadata.create_all(engine)
    with Session(engine) as session:
        session.scalars(select(cls)).all()
def query_other():
    query(other.Other)
def query_third():
    query(third.Third)
USES = [query_other, query_other, other.Other, query_third]
import one, post, two
"""),
        told="""
            plain      | ok        | MC, FAILED, FAILED, ok | ambiguous_name, duplicate
            registry   | duplicate | ok, ok, ok, ok         | duplicate
            referenced | ok        | MC, FAILED, FAILED, ok | ambiguous_name, duplicate
            observer   | duplicate | MC, FAILED, FAILED, ok | duplicate
            source     | duplicate
        """,
    ),
    "a06": Case(
        situation="As a03; the first touch is User().",
        guard="E",
        program=ONE
        + TWO
        + POST
        + main("import one\nUSES = [one.User, one.User]\nimport post, two"),
        told="""
            plain      | ok        | MC, FAILED | ambiguous_name, duplicate
            registry   | duplicate | ok, ok     | duplicate
            referenced | ok        | MC, FAILED | ambiguous_name, duplicate
            observer   | duplicate | MC, FAILED | duplicate
            source     | duplicate
        """,
    ),
}
