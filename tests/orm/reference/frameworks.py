"""Does the way in which a class is mapped make a difference? (e, f, g, h, i)"""

from tests.orm.reference.case import TWO, Case, main, post, user
from tests.orm.trees import mod

#: Loaded once for all programs that need one of them.
FRAMEWORKS = ("flask_sqlalchemy", "sqlmodel")
_ALL = main("import one, post, two")
_DATACLASSES = """
@ root.py
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass
from base import Registry
class Root(MappedAsDataclass, DeclarativeBase):
    registry = Registry()
"""
_ROOT = "from root import Root\n"
_DECORATED = """
@ one.py
from sqlalchemy.orm import Mapped, mapped_column
from base import Registry
reg = Registry()
@reg.mapped_as_dataclass
class User:
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
_SQLMODEL = """
@ root.py
from sqlmodel import Field, Relationship, SQLModel
from base import Registry
class Root(SQLModel, registry=Registry(metadata=SQLModel.metadata)):
    pass
"""
_TABLE = """
@ {0}.py
from root import Field, Root
class User(Root, table=True):
    __tablename__ = "{1}"
    id: int | None = Field(default=None, primary_key=True)
"""
_SCHEMA = """
@ one.py
from root import Field, Root
class User(Root):
    id: int | None = None
"""
_SQLMODEL_POST = """
@ post.py
from typing import Optional
from root import Field, Relationship, Root
class Post(Root, table=True):
    __tablename__ = "posts"
    id: int | None = Field(default=None, primary_key=True)
    user_id: int | None = Field(default=None, foreign_key="{0}.id")
    user: Optional["User"] = Relationship()
"""
_IMPERATIVE = """
@ {0}.py
import sqlalchemy as sa
from sqlalchemy.orm import relationship
from base import Base
class {1}:
    pass
table = sa.Table(
    "{2}",
    Base.metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    *[{3}],
)
Base.registry.map_imperatively({1}, table, properties={{{4}}})
"""
_AUTOMAP = """
@ root.py
import sqlalchemy as sa
from sqlalchemy.ext.automap import automap_base
from base import Base
engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
with engine.begin() as connection:
    for schema in ("main", "second", "third"):
        if schema != "main":
            connection.execute(sa.text(f"ATTACH ':memory:' AS {schema}"))
        sql = f"CREATE TABLE {schema}.user (id INTEGER PRIMARY KEY)"
        connection.execute(sa.text(sql))
Root = automap_base(Base)
"""
_FLASK = """
@ database.py
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase
from base import Registry
class One(DeclarativeBase):
    registry = Registry()
class Two(DeclarativeBase):
    registry = Registry()
db = SQLAlchemy(model_class=One)
other = SQLAlchemy(model_class=Two)
"""
_DB = "from database import db, other\n"

CASES = {
    "e01": Case(
        situation="Mapped dataclasses, and a relationship.",
        guard="E",
        program=_DATACLASSES
        + mod("one.py", _ROOT, user(base="Root"))
        + mod("post.py", _ROOT, post(base="Root"))
        + mod("two.py", _ROOT, user("accounts", base="Root"))
        + _ALL,
        told="""
            plain      | ok        | MC, FAILED | ambiguous_name, duplicate
            registry   | duplicate | ok, ok     | duplicate
            referenced | ok        | MC, FAILED | ambiguous_name, duplicate
            observer   | duplicate | MC, FAILED | duplicate
            source     | duplicate
        """,
    ),
    "e02": Case(
        situation="One class by the decorator, in a registry of its own.",
        guard="-",
        program=_DECORATED + TWO + main("import one, two"),
        told="""
            plain      | ok | ok, ok | -
            registry   | ok | ok, ok | -
            referenced | ok | ok, ok | -
            observer   | ok | ok, ok | -
            source     | -
        """,
    ),
    "f01": Case(
        situation="SQLModel, two tables, and a relationship.",
        guard="E",
        program=_SQLMODEL
        + _TABLE.format("one", "users")
        + _SQLMODEL_POST.format("users")
        + _TABLE.format("two", "accounts")
        + _ALL,
        told="""
            plain      | ok        | MC, FAILED | ambiguous_name, duplicate
            registry   | duplicate | ok, ok     | duplicate
            referenced | ok        | MC, FAILED | ambiguous_name, duplicate
            observer   | duplicate | MC, FAILED | duplicate
            source     | duplicate
        """,
        modules=FRAMEWORKS,
    ),
    "f02": Case(
        situation="SQLModel, one table.",
        guard="E, replaces TAD",
        program=_SQLMODEL
        + _TABLE.format("one", "users")
        + _TABLE.format("two", "users")
        + main("import one, two"),
        told="""
            plain      | TAD       | ok, ok | -
            registry   | duplicate | ok, ok | duplicate
            referenced | TAD       | ok, ok | -
            observer   | TAD       | ok, ok | -
            source     | duplicate
        """,
        modules=FRAMEWORKS,
    ),
    "f03": Case(
        situation="SQLModel, a schema and a table.",
        guard="-",
        program=_SQLMODEL
        + _SCHEMA
        + _TABLE.format("two", "users")
        + _SQLMODEL_POST.format("users")
        + _ALL,
        told="""
            plain      | ok | ok, ok | -
            registry   | ok | ok, ok | -
            referenced | ok | ok, ok | -
            observer   | ok | ok, ok | -
            source     | -
        """,
        modules=FRAMEWORKS,
    ),
    "g01": Case(
        situation="Mapped imperatively, and a relationship.",
        guard="E",
        program=_IMPERATIVE.format("one", "User", "users", "", "")
        + _IMPERATIVE.format(
            "post",
            "Post",
            "posts",
            'sa.Column("user_id", sa.ForeignKey("users.id"))',
            '"user": relationship("User")',
        )
        + _IMPERATIVE.format("two", "User", "accounts", "", "")
        + _ALL,
        told="""
            plain      | ok        | MC, FAILED | ambiguous_name, duplicate
            registry   | duplicate | ok, ok     | duplicate
            referenced | ok        | MC, FAILED | ambiguous_name, duplicate
            observer   | duplicate | MC, FAILED | duplicate
            source     | duplicate
        """,
    ),
    "h01": Case(
        situation="Automap of two schemas, and of a third in a module of its own.",
        guard="W synthetic",
        program=_AUTOMAP
        + main("""
from root import Root, engine
Root.prepare(engine)
Root.prepare(engine, schema="second")
Root.prepare(engine, schema="third", modulename_for_table=lambda *table: "third")
"""),
        told="""
            plain      | 1 SAWarning               | ok, ok | warning synthetic
            registry   | 1 SAWarning + 1 synthetic | ok, ok | warning synthetic
            referenced | 1 SAWarning + 1 synthetic | ok, ok | warning synthetic
            observer   | 1 SAWarning + 1 synthetic | ok, ok | warning synthetic
            source     | -
        """,
    ),
    "i01": Case(
        situation="Flask-SQLAlchemy, one table in each of two binds, a relationship.",
        guard="E",
        program=_FLASK
        + mod("one.py", _DB, user(base="db.Model"))
        + mod("post.py", _DB, post(base="db.Model"))
        + mod("two.py", _DB, user(says='    __bind_key__ = "x"\n', base="db.Model"))
        + _ALL,
        told="""
            plain      | ok        | MC, FAILED | ambiguous_name, duplicate
            registry   | duplicate | ok, ok     | duplicate
            referenced | ok        | MC, FAILED | ambiguous_name, duplicate
            observer   | duplicate | MC, FAILED | duplicate
            source     | duplicate
        """,
        modules=FRAMEWORKS,
    ),
    "i02": Case(
        situation="Two objects of Flask-SQLAlchemy.",
        guard="-",
        program=_FLASK
        + mod("one.py", _DB, user(base="db.Model"))
        + mod("post.py", _DB, post(base="db.Model"))
        + mod("two.py", _DB, user(base="other.Model"))
        + _ALL,
        told="""
            plain      | ok | ok, ok | -
            registry   | ok | ok, ok | -
            referenced | ok | ok, ok | -
            observer   | ok | ok, ok | -
            source     | -
        """,
        modules=FRAMEWORKS,
    ),
}
