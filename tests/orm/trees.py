"""
Small programs with models, one for each way in which a name is taken twice, or is not.

They are named as the cases of the reference list. ``@ path`` begins a file; ``main.py``
is what is started. *told* is what both the source and the running program say.
"""

import textwrap
from pathlib import Path

BASE = """
@ base.py
from sqlalchemy.orm import DeclarativeBase

class Base(DeclarativeBase):
    pass
"""
GUARDED = """
@ base.py
from sqlalchemy.orm import DeclarativeBase
from resilient_auth import GuardedRegistry

class Base(DeclarativeBase):
    registry = GuardedRegistry({0})
"""
HEAD = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship
from base import Base
"""
BODY = """
    id: Mapped[int] = mapped_column(primary_key=True)
"""


def cls(name: str, base: str = "Base", table: str = "", says: str = "") -> str:
    """Return the statement of a model."""
    tablename = f'    __tablename__ = "{table or name.lower()}"\n'
    return f"\nclass {name}({base}):\n{tablename}{says}{BODY[1:]}"


def mod(path: str, *parts: str) -> str:
    """Return a file that imports what models need."""
    return f"\n@ {path}\n{HEAD}{''.join(parts)}"


POST = """
class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("a.id"))
    user = relationship("User")
"""
MAIN = "\n@ main.py\nimport one, two\n"
TWICE = mod("one.py", cls("User", table="a")) + mod("two.py", cls("User", table="b"))
TWO_BASES = """
@ bases.py
from sqlalchemy.orm import DeclarativeBase, registry
reg = registry()
class One(DeclarativeBase):
    {0}
class Two(DeclarativeBase):
    {0}
"""
OF_TWO = (
    mod("one.py", "from bases import One\n", cls("User", "One", "a"))
    + mod("two.py", "from bases import Two\n", cls("User", "Two", "b"))
    + MAIN
    + BASE
)
SQLMODEL = """
@ one.py
from sqlmodel import Field, SQLModel
class User(SQLModel{0}):
    id: int | None = Field(default=None{1})
@ two.py
from sqlmodel import Field, SQLModel
class User(SQLModel, table=True):
    __tablename__ = "b"
    id: int | None = Field(default=None, primary_key=True)
@ main.py
import one, two
"""
IMPERATIVE = """
@ reg.py
from sqlalchemy.orm import registry
reg = registry()
""" + "".join(
    f"""
@ {name}.py
import sqlalchemy as sa
from reg import reg
class User:
    pass
table = sa.Table("{name}", reg.metadata, sa.Column("id", sa.Integer, primary_key=True))
reg.map_imperatively(User, table)
"""
    for name in ("one", "two")
)
DOUBLE = """
@ app/__init__.py
@ app/models.py
from base import Base
{base}
from sqlalchemy.orm import Mapped, mapped_column
class User(Base):
    __tablename__ = "{{}}".format(__name__)
    id: Mapped[int] = mapped_column(primary_key=True)
@ main.py
import sys
from pathlib import Path
sys.path.append(str(Path(__file__).parent / "app"))
from app.models import User
from app.other import thing
@ app/other.py
from models import User
thing = User
"""

#: The case → the program, and what is told of it: codes, with kinds of conflicts.
TREES: dict[str, tuple[str, list[str]]] = {
    "a01-two-modules": (BASE + TWICE + MAIN, ["duplicate"]),
    "a03-with-a-relationship": (
        BASE + TWICE + mod("post.py", POST) + MAIN + "import post\n",
        ["duplicate"],
    ),
    "a04-extend-existing": (
        BASE
        + mod("one.py", cls("User", table="a"))
        + mod(
            "two.py",
            cls("User", table="a", says="    __table_args__ = EXTEND\n"),
        ).replace("EXTEND", '{"extend_existing": True}')
        + MAIN,
        ["duplicate", "extend_existing"],
    ),
    "b01-one-file-two-names": (BASE + DOUBLE.format(base=""), ["double_import"]),
    "b03-with-its-own-base": (
        BASE
        + DOUBLE.format(
            base="from sqlalchemy.orm import DeclarativeBase\n"
            "class Base(DeclarativeBase): pass"
        ),
        ["double_import"],
    ),
    "b10-disposed-of": (
        BASE
        + mod("one.py", cls("User", table="a"), "\nBase.registry.dispose()\n")
        + mod("two.py", cls("User", table="b"))
        + MAIN,
        [],
    ),
    "c01-two-bases": (TWO_BASES.format("pass") + OF_TWO, []),
    "c04-one-registry": (TWO_BASES.format("registry = reg") + OF_TWO, ["duplicate"]),
    "c05-one-mapping": (
        TWO_BASES.format("pass")
        .replace("registry()", "GuardedRegistry(on_duplicate='warn')")
        .replace("orm import", "orm import registry,")
        .replace("reg =", "from resilient_auth import GuardedRegistry\nreg =")
        .replace("pass", "registry = reg", 1)
        .replace("pass", "registry = registry(class_registry=reg.names)")
        + OF_TWO,
        ["duplicate"],
    ),
    "d01-abstract": (
        BASE
        + mod("one.py", "\nclass User(Base):\n    __abstract__ = True\n")
        + mod("two.py", "import one\n", cls("User", "one.User"))
        + MAIN,
        [],
    ),
    "d02-mixin": (
        BASE
        + mod("one.py", "\nclass User:\n    pass\n")
        + mod("two.py", "import one\n", cls("User", "one.User, Base"))
        + MAIN,
        [],
    ),
    "d03-subclass": (
        BASE
        + mod("one.py", cls("User"))
        + mod("two.py", "import one\n\nclass User(one.User):\n    pass\n")
        + MAIN,
        ["subclass shadow"],
    ),
    "e01-dataclasses": (
        BASE.replace("(Decl", "(MappedAsDataclass, Decl").replace(
            "import Decl", "import MappedAsDataclass, Decl"
        )
        + TWICE
        + MAIN,
        ["duplicate"],
    ),
    "e02-decorator-beside-a-base": (
        BASE
        + """
@ one.py
from sqlalchemy.orm import Mapped, mapped_column, registry
reg = registry()
@reg.mapped_as_dataclass
class User:
    __tablename__ = "a"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
        + mod("two.py", cls("User"))
        + MAIN,
        [],
    ),
    "f01-sqlmodel": (
        SQLMODEL.format(", table=True", ", primary_key=True"),
        ["duplicate"],
    ),
    "f03-sqlmodel-schema": (SQLMODEL.format("", ""), []),
    "g01-imperative": (IMPERATIVE + MAIN, ["duplicate"]),
    "j01-in-a-function": (
        BASE + mod("one.py", "\ndef make():", cls("User").replace("\n", "\n    "))
        + mod("two.py", cls("User"))
        + MAIN,
        [],
    ),
    "k01-by-full-path": (
        BASE + TWICE + mod("post.py", POST.replace('"User"', '"one.User"'))
        + MAIN + "import post\n",
        ["duplicate"],
    ),
    "l02-class-and-module": (
        BASE + "@ pkg/__init__.py\n" + mod("pkg/one.py", cls("one"))
        + "\n@ main.py\nimport pkg.one\n",
        [],
    ),
    "pasted": (
        BASE.replace(
            "    pass",
            "    from resilient_auth import GuardedRegistry\n"
            "    registry = GuardedRegistry(on_duplicate='warn')",
        ) + mod("one.py", cls("User", table="a"), "\nfirst = User\n")
        + cls("User", table="b")
        + "\n@ main.py\nimport one\n",
        ["pasted"],
    ),
    "nested": (
        BASE
        + mod("one.py", cls("User", table="a"), "\nclass Zoo:")
        + cls("User", table="b").replace("\n", "\n    ")
        + "\n@ main.py\nimport one\n",
        ["duplicate"],
    ),
    "pasted-into-two-arms": (
        BASE + mod("one.py", "import sys\nif sys.platform == 'x':\n    ")
        + cls("User", table="a").replace("\n", "\n    ") + "\nelse:\n    "
        + cls("User", table="b").replace("\n", "\n    ")
        + "\n@ main.py\nimport one\n",
        [],
    ),
    "in-an-outer-class-that-is-replaced": (
        BASE + mod("one.py", "\nclass Box:") + cls("User").replace("\n", "\n    ")
        + "\nclass Box:\n    pass\n" + mod("two.py", cls("User", table="b")) + MAIN,
        [],
    ),
    "deleted": (
        BASE + mod("one.py", cls("User"), "\ndel User\n")
        + mod("two.py", cls("User", table="b")) + MAIN,
        [],
    ),
    "legacy-base": (
        BASE.replace("DeclarativeBase\n", "declarative_base\n", 1)
        .replace("class Base(DeclarativeBase):\n    pass", "Base = declarative_base()")
        + TWICE + MAIN,
        ["duplicate"],
    ),
    "through-re-exports": (
        BASE.replace("base.py", "db/core.py")
        + "\n@ db/__init__.py\nfrom .core import *\n@ base.py\nfrom db import Base\n"
        + TWICE + MAIN,
        ["duplicate"],
    ),
    "two-bases-of-one-name": (
        BASE + mod("one.py", cls("User"))
        + mod("two.py", "from base import DeclarativeBase\n")
        + "class Base(DeclarativeBase):\n    pass\n" + cls("User", table="b") + MAIN,
        [],
    ),
    "alternatives": (
        BASE + TWICE + "\n@ main.py\ntry:\n    import one\nexcept ImportError:\n"
        "    import two\n",
        [],
    ),
    "alternatives-by-elif": (
        BASE + TWICE + "\n@ main.py\nimport sys\nif sys.platform == 'x':\n"
        "    import one\nelif sys:\n    import two\n",
        [],
    ),
    "base-of-a-loop": (
        BASE + "\n@ main.py\nfrom sqlalchemy.orm import declarative_base\n" + HEAD
        + cls("User", table="a") + "first = User\nfor Base in (declarative_base(),):\n"
        + textwrap.indent(cls("User", table="b"), "    "),
        [],
    ),
    "base-of-a-with": (
        BASE + "\n@ main.py\nfrom contextlib import nullcontext\n"
        "from sqlalchemy.orm import declarative_base\n" + HEAD + cls("User", table="a")
        + "first = User\nwith nullcontext(declarative_base()) as Base:\n"
        + textwrap.indent(cls("User", table="b"), "    "),
        [],
    ),
    "base-that-a-function-says-is-global": (
        BASE.rstrip() + "\n\ndef init():\n    global Base\n    Base = Base\n" + TWICE
        + MAIN,
        ["duplicate"],
    ),
    "base-of-a-class-around": (
        BASE + "\n@ main.py\nfrom sqlalchemy.orm import declarative_base\n" + HEAD
        + "Other = declarative_base()\n" + cls("User", "Other", table="a")
        + "\nclass Out:\n    Base = Other\n\n    class In:\n"
        + textwrap.indent(cls("User", table="b"), "        "),
        [],
    ),
    "type-checking": (
        BASE + TWICE + "\n@ main.py\nfrom typing import TYPE_CHECKING\nimport one\n"
        "if TYPE_CHECKING:\n    import two\n",
        [],
    ),
    "never-together": (BASE + TWICE + "\n@ main.py\nimport one\n", []),
    "in-a-factory": (
        BASE + TWICE + "\n@ main.py\ndef make():\n    import one\n    import two\n"
        "make()\n",
        ["duplicate"],
    ),
    "circle-of-imports": (
        BASE + mod("one.py", "import two\n", cls("User", table="a"))
        + mod("two.py", "import one\n", cls("User", table="b")) + MAIN,
        ["duplicate"],
    ),
    "generic-base": (
        BASE + TWICE.replace("User(Base)", "User(Mixin[int], Base)").replace(
            "import Base\n",
            "import Base\nfrom typing import Generic, TypeVar\nT = TypeVar('T')\n"
            "class Mixin(Generic[T]):\n    pass\n",
        ) + MAIN,
        ["duplicate"],
    ),
    "allowed": (
        BASE + TWICE.replace('"b"\n', '"b"\n    __allow_duplicate_name__ = True\n')
        + MAIN,
        [],
    ),
    "allowed-by-list": (
        GUARDED.format("allow=frozenset({'User'})") + TWICE + MAIN,
        [],
    ),
    "allowed-by-what-cannot-be-read": (
        "\n@ names.py\nNAMES = ['User']\n"
        + GUARDED.format("allow=NAMES").replace(
            "from sqlalchemy", "from names import NAMES\nfrom sqlalchemy", 1
        ) + TWICE + MAIN,
        [],
    ),
    "allowed-by-options": (
        GUARDED.format("**{'allow': ['User']}") + TWICE + MAIN,
        [],
    ),
    "warned-of": (
        GUARDED.format("on_duplicate='warn', allow=['Post']") + TWICE + MAIN,
        ["duplicate"],
    ),
    "registry-of-rules-of-its-own": (
        GUARDED.format("").replace(
            "class Base", "class Rules(GuardedRegistry):\n    pass\n\nclass Base"
        ).replace("= GuardedRegistry", "= Rules").replace("()\n", "(allow=['User'])\n")
        + TWICE + MAIN,
        [],
    ),
    "by-metaclass": (
        """
@ base.py
from sqlalchemy.orm import DeclarativeMeta, registry
reg = registry()
class Base(metaclass=DeclarativeMeta):
    __abstract__ = True
    registry = reg
    metadata = reg.metadata
    __init__ = reg.constructor
""" + TWICE + MAIN,
        ["duplicate"],
    ),
    "by-as-declarative": (
        """
@ base.py
from sqlalchemy.orm import as_declarative
@as_declarative()
class Base:
    pass
""" + TWICE + MAIN,
        ["duplicate"],
    ),
    "by-the-registry-itself": (
        """
@ base.py
from sqlalchemy.orm import registry
reg = registry()
Base = reg.generate_base()
""" + mod("one.py", cls("User", table="a"))
        + "\n@ two.py\nimport base\nfrom sqlalchemy.orm import Mapped, mapped_column\n"
        "@base.reg.mapped" + cls("User", "object", "b") + MAIN,
        ["duplicate"],
    ),
    "sqlmodel-below-a-registry-and-a-table": (
        """
@ root.py
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel
class Root(SQLModel, registry=registry()):
    pass
@ one.py
from root import Field, Root, SQLModel
class User(Root, table=True):
    id: int | None = Field(default=None, primary_key=True)
class Team(SQLModel):
    id: int | None = Field(default=None, primary_key=True)
@ two.py
from root import Field, Root, SQLModel
class User(Root, table=True):
    __tablename__ = "b"
    id: int | None = Field(default=None, primary_key=True)
class Team(SQLModel, table=True):
    __tablename__ = "teams"
    id: int | None = Field(default=None, primary_key=True)
""" + MAIN,
        ["duplicate"],
    ),
    "match-and-finally": (
        BASE + TWICE + "\n@ main.py\nmatch len('x'):\n    case 1:\n        import one\n"
        "    case _:\n        import two\ntry:\n    pass\nfinally:\n    import sys\n",
        [],
    ),
    "after-an-if-that-leaves": (
        BASE + TWICE + "\n@ main.py\ndef make(x):\n    if x:\n        import one\n"
        "        return\n    import two\nmake(1)\n",
        [],
    ),
    "when-started": (
        BASE + TWICE + "\n@ main.py\nimport one\nif __name__ == '__main__':\n"
        "    class User:\n        pass\n",
        [],
    ),
    "not-type-checking": (
        BASE + TWICE + "\n@ main.py\nfrom typing import TYPE_CHECKING\n"
        "if not TYPE_CHECKING:\n    import one\n    import two\nelse:\n    pass\n",
        ["duplicate"],
    ),
}  # fmt: skip

FLASK = """
@ base.py
from flask_sqlalchemy import SQLAlchemy
db = SQLAlchemy()
other = SQLAlchemy()
@ one.py
from base import db
class User(db.Model):
    __bind_key__ = "one"
@ two.py
from base import {0}
class User({0}.Model):
    __bind_key__ = "two"
@ main.py
import one, two
"""
OUTSIDE = """
@ one.py
import sqlalchemy
from company.db import {0}
class User({0}):
    __tablename__ = "a"
@ two.py
import sqlalchemy
from company.db import {0}
class User({0}):
    {1}
@ main.py
import one, two
"""
MADE = """
@ base.py
import sqlalchemy
from company import make
Base = make()
"""
MIXED = """
@ {0}.py
import sqlalchemy, company, base, bases
from company.db import ModelBase
Base = company.make()
class Common(ModelBase):
    pass
class User(Common, Base):
    __tablename__ = "{0}"
"""
PACKAGE = (
    BASE.replace("base.py", "app/base.py")
    + "\n@ app/__init__.py\n"
    + TWICE.replace("@ ", "@ app/").replace("from base", "from app.base")
)

#: Programs of which no run is made: they need what is not installed, or no start.
ONLY_READ: dict[str, tuple[str, list[str]]] = {
    "i01-flask-binds": (FLASK.format("db"), ["duplicate"]),
    "i02-two-databases": (FLASK.format("other"), []),
    "flask-with-a-guarded-base": (
        FLASK.format("db").replace(
            "db = SQLAlchemy()",
            "from sqlalchemy.orm import DeclarativeBase as D\n"
            "from resilient_auth import GuardedRegistry as G\n"
            "class B(D):\n    registry = G(allow=['User'])\n"
            "db = SQLAlchemy(model_class=B)",
        ),
        [],
    ),
    "base-from-elsewhere": (
        OUTSIDE.format("Base", "__tablename__ = 'b'"),
        ["duplicate"],
    ),
    "no-table-of-its-own": (OUTSIDE.format("Base", "pass"), []),
    "called-like-no-base": (OUTSIDE.format("Thing", "__tablename__ = 'b'"), []),
    "pydantic-is-no-base": (
        OUTSIDE.format("BaseModel", "__tablename__ = 'b'").replace(
            "company.db", "pydantic"
        ),
        [],
    ),
    "base-made-elsewhere": (MADE + TWICE + MAIN, ["duplicate"]),
    "bases-made-elsewhere-beside-one-mixin": (
        MIXED.format("one") + MIXED.format("two") + MAIN,
        [],
    ),
    "a-base-behind-a-mixin-from-elsewhere": (
        BASE + "\n@ bases.py\nfrom sqlalchemy.orm import DeclarativeBase\n"
        "class Other(DeclarativeBase):\n    pass\n"
        + MIXED.format("one").replace("company.make()", "base.Base")
        + MIXED.format("two").replace("company.make()", "bases.Other")
        + MAIN,
        [],
    ),
    "a-base-of-two-versions": (
        OUTSIDE.format("BASEV2", "__tablename__ = 'b'"),
        ["duplicate"],
    ),
    "a-package-that-takes-its-own-module": (
        BASE.replace("base.py", "db/base.py")
        + "\n@ db/__init__.py\nfrom db import base\n"
        + "".join(
            f"\n@ {name}.py\nfrom db import base\nclass User(base.Base):\n"
            f"    __tablename__ = '{name}'\n"
            for name in ("one", "two")
        )
        + MAIN,
        ["duplicate"],
    ),
    "a-base-by-another-name": (
        BASE
        + "\n@ compat.py\nfrom base import Base as Root\n"
        + "".join(
            f"\n@ {name}.py\nfrom compat import {{}}\nclass User({{}}):\n"
            "    pass\n".format(*names)
            for name, *names in (("one", "Root as R", "R"), ("two", "*", "Root"))
        )
        + MAIN,
        ["duplicate"],
    ),
    "registry-from-elsewhere": (
        BASE.replace("    pass", "    registry = company.reg").replace(
            "from", "import company\nfrom", 1
        )
        + TWICE
        + MAIN,
        ["duplicate"],
    ),
    "a-database-from-elsewhere": (
        MADE.replace("Base = make()", "db = make()\nBase = db.thing.Base")
        + TWICE
        + MAIN,
        ["duplicate"],
    ),
    "dataclass-function": (
        """
@ base.py
from sqlalchemy.orm import mapped_as_dataclass, registry
reg = registry()
mapped = mapped_as_dataclass(reg)
odd = mapped_as_dataclass(len)
@ one.py
from base import *
@mapped
class User:
    pass
@ two.py
from base import *
@mapped
class User:
    pass
@odd
class Other:
    pass
@ main.py
import one, two
""",
        ["duplicate"],
    ),
    "in-a-branch-beside-the-other": (
        BASE + TWICE + "\n@ main.py\nimport one, sys\nif sys.argv:\n    import two\n",
        ["duplicate"],
    ),
    "in-the-package-of-their-base": (PACKAGE, ["duplicate"]),
    "scripts-in-the-package": (
        PACKAGE.replace("@ app/two", "if __name__ == '__main__':\n    pass\n@ app/two"),
        [],
    ),
    "alternatives-in-the-package": (
        PACKAGE + "\n@ app/main.py\ntry:\n    from . import one\n"
        "except ImportError:\n    from . import two\n",
        [],
    ),
    "a-class-in-a-branch": (
        PACKAGE.replace(
            "\nclass User(Base):", "\nif 1:\n  class User(Base):", 1
        ).replace('\n    __tablename__ = "a"\n    id', '\n    __tablename__ = "a"; id'),
        [],
    ),
}


def write(tree: str, folder: Path) -> None:
    """Write the files of *tree* below *folder*."""
    for part in textwrap.dedent(tree).split("\n@ ")[1:]:
        name, _, text = part.partition("\n")
        path = folder / name.strip()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
