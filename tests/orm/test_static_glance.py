"""F3 in source: the glance overlooks no model, and takes time as the text is long."""

from pathlib import Path

import pytest
from tests.orm.trees import write

from resilient_auth import check_source
from resilient_auth.orm.glance import glance

BASE = """
@ app/__init__.py
@ app/base.py
from sqlalchemy.orm import DeclarativeBase

class Base(DeclarativeBase):
    pass
@ app/db.py
from flask_sqlalchemy import SQLAlchemy
db = SQLAlchemy()
@ app/compat.py
from sqlalchemy.orm import declarative_base as make_base
@ app/made.py
from app.compat import make_base
Made = make_base()
@ app/a.py
from app.b import B as C
class Other(C):
    __tablename__ = "other"
@ app/b.py
from app.base import Base as B
@ app/model.py
from app.base import Base
Root = Base
@ main.py
import app.one, app.two
"""
FROM = "from app.base import Base\nclass User(Base): pass\n"

#: How a file may write that it derives from a base, beside what may mislead.
SEEN = {
    "a-comment-with-an-open-bracket": "# from old import (\n#     A,\n# )\n" + FROM,
    "a-docstring-with-a-bracket": '"""\nfrom old import (A,\n  b ...\n"""\n' + FROM,
    "a-string-with-a-bracket": '"""Data from import (x: see."""\n' + FROM,
    "a-comment-before-a-module": (
        "# from old import (\n# A )\nimport app.base\nclass User(app.base.Base): pass\n"
    ),
    "a-long-comment-in-brackets": (
        f"from app.base import ( # {'(x) ' * 400}\n  Base, # )\n)\n"
        "class User(Base): pass\n"
    ),
    "a-long-comment-among-bases": (
        "from app.base import Base\n"
        f"class User( # {'x: ' * 400}\n  Base, # d\n): pass\n"
    ),
    "a-mark-at-the-beginning": "\ufeff" + FROM,
    "a-form-feed": FROM.replace(" ", "\f"),
    "joined-lines": (
        "from \\\n app.base \\\n import \\\n (Base \\\n as B)\n"
        "class \\\n User \\\n (B): pass\n"
    ),
    "a-module-called-as-its-package": (
        "import app.base as app\nclass User(app.Base): pass\n"
    ),
    "a-module-of-a-package": "import app.base\nclass User(app.base.Base): pass\n",
    "a-colon-among-bases": FROM.replace("(Base", "(mixin({1: 2}, x[1:]), Base"),
    "a-string-among-bases": FROM.replace("(Base", "(mixin('a#b'), Base"),
    "a-function-among-bases": FROM.replace("(Base", "((lambda: object)(), Base"),
    "assigned": ("import app.base\nRoot = app.base.Base\nclass User(Root): pass\n"),
    "assigned-with-a-type": (
        "import app.base\nRoot: type = app.base.Base\nclass User(Root): pass\n"
    ),
    "assigned-elsewhere": "from app.model import Root\nclass User(Root): pass\n",
    "made-elsewhere": "from app.made import Made\nclass User(Made): pass\n",
    "an-alias-of-an-alias": "from app.a import C\nclass User(C): pass\n",
    "a-database": ("from app.db import db\nBase = db.Model\nclass User(Base): pass\n"),
}


@pytest.mark.parametrize("text", SEEN.values(), ids=SEEN)
def test_no_model_is_overlooked(text: str, tmp_path: Path) -> None:
    """Two files that say the same are two models of one name."""
    write(BASE, tmp_path)
    for name in ("one", "two"):
        (tmp_path / "app" / f"{name}.py").write_text(text, "utf-8")
    report = check_source([tmp_path])

    assert ["duplicate_model"] == [each.code for each in report.errors]


LONG = {
    "a-name": b"from x import " + b"a" * 1_000_000,
    "a-word-again-and-again": b"from" * 250_000,
    "names": b"from x import " + b"a " * 500_000,
    "imports-in-one-bracket": b"from a import (" * 70_000,
    "comments-in-brackets": b"from a import (" + b"#x\n" * 330_000,
    "hashes": b"from a import (" + b"#" * 1_000_000,
    "joined-lines": b"from a" + b"\\\n" * 500_000,
    "dots": b"from." * 200_000,
    "letters-of-no-alphabet": b"\xe9from" * 200_000,
    "classes-in-one-bracket": b"class a(" * 125_000,
    "colons": b"class a(:" * 110_000,
    "spaces": b"class a" + b" " * 1_000_000,
    "aliases": b"from x import " + b"a as " * 200_000,
    "assignments": b"=aa" * 330_000,
    "decorators": b"@a." * 330_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_no_text_takes_longer_than_it_is_long(text: bytes) -> None:
    """A million bytes; what looks at each of them for each would take hours."""
    seen = glance(text)

    assert not seen.may_make
    assert len(list(seen.imports())) <= len(text)
