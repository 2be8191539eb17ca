"""
F3 while it runs: what the guard says at definition, and `check_models` at start.

Named as the cases of the reference list; those that can be read too are in `trees`.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.orm.trees import BASE, GUARDED, MAIN, POST, TWICE, cls, mod, write

#: Starts main.py; tells what it raises, and what is found at start then.
RUN = """
import gc, json, sys, warnings
sys.path.insert(0, ".")
warnings.simplefilter("ignore")
from sqlalchemy.orm import registry
from resilient_auth import check_models
raised = None
try:
    import main
except Exception as error:
    raised = getattr(error, "kind", type(error).__name__)
    error.__traceback__ = None
gc.collect()
codes = set()
for each in [each for each in gc.get_objects() if isinstance(each, registry)]:
    codes |= {finding.code for finding in check_models(each).errors}
print(json.dumps([raised, sorted(codes)]))
"""
STRICT = GUARDED.format("")
EXTENDED = '    __table_args__ = {"extend_existing": True}\n'
AND_POST = MAIN + "import post\n"
DUPLICATE = ("duplicate", ["duplicate_model"])
AMBIGUOUS = (None, ["ambiguous_name", "duplicate_model"])


def related(says: str, head: str = "") -> str:
    """Return the file of a Post that finds its User as *says*."""
    return mod("post.py", head, POST.replace('    user = relationship("User")', says))


ORDERED = '    users = relationship("one.User", order_by="User.id", viewonly=True)'
JOINED = '    user = relationship("one.User", primaryjoin="User.id == Post.user_id")'
FULL = '    user = relationship("one.User")'
LAZY = "    user = relationship(lambda: one.User)"
CLASS = "    user = relationship(one.User)"
MAPPED = "    user: Mapped[{0}] = relationship()"
IMPORT_USER = "from one import User\n"

#: The case → the program; what its start raises, and what check_models finds.
CASES: dict[str, tuple[str, tuple[str | None, list[str]]]] = {
    "a02-same-table": (STRICT + TWICE.replace('"b"', '"a"') + MAIN, DUPLICATE),
    "a03-guarded": (STRICT + TWICE + related(FULL) + MAIN, DUPLICATE),
    "a05-unguarded": (BASE + TWICE + mod("post.py", POST) + AND_POST, AMBIGUOUS),
    "b04-swallowed": (
        STRICT + TWICE + "\n@ main.py\nimport one\ntry:\n    import two\n"
        "except Exception:\n    pass\n",
        (None, ["duplicate_model"]),
    ),
    "b08-also-the-main-module": (
        STRICT + mod("one.py", cls("User", says=EXTENDED))
        + "\n@ main.py\nimport runpy\nrunpy.run_path('one.py', run_name='__main__')\n"
        "import one\n",
        (None, []),
    ),
    "c02-of-the-other-base": (
        BASE + "\n@ one.py\nfrom sqlalchemy.orm import DeclarativeBase, Mapped, "
        "mapped_column\nclass Base(DeclarativeBase):\n    pass\n" + cls("User")
        + mod("two.py", cls("A"), POST) + MAIN,
        (None, ["unresolved_name"]),
    ),
    "c03-one-metadata": (
        STRICT + "\n@ one.py\nfrom sqlalchemy.orm import DeclarativeBase, Mapped, "
        "mapped_column\nimport base\nclass Base(DeclarativeBase):\n"
        "    metadata = base.Base.metadata\n" + cls("User")
        + mod("two.py", cls("User")) + MAIN,
        ("InvalidRequestError", []),
    ),
    "d03-subclass": (
        STRICT + mod("one.py", cls("User"))
        + mod("two.py", "import one\n\nclass User(one.User):\n    pass\n") + MAIN,
        ("subclass_shadow", ["duplicate_model"]),
    ),
    "j03-a-base-for-each-call": (
        "\n@ main.py\nfrom sqlalchemy.orm import "
        "DeclarativeBase, Mapped, mapped_column\n"
        "def make():\n    class Base(DeclarativeBase):\n        pass\n"
        + cls("User").replace("\n", "\n    ") + "\n    return User\n"
        "kept = [make(), make()]\n",
        (None, []),
    ),
    "k01-full-path": (
        BASE + TWICE + related(FULL) + AND_POST, (None, ["duplicate_model"])
    ),
    "k02-partial-path": (
        BASE + "\n@ x/__init__.py\n@ y/__init__.py\n"
        + TWICE.replace("@ one", "@ x/models").replace("@ two", "@ y/models")
        + mod("post.py", POST.replace('"User"', '"models.User"'))
        + "\n@ main.py\nimport x.models, y.models, post\n",
        AMBIGUOUS,
    ),
    "k03-primaryjoin": (BASE + TWICE + related(JOINED) + AND_POST, AMBIGUOUS),
    "k04-the-class": (
        BASE + TWICE + related(CLASS, "import one\n") + AND_POST,
        (None, ["duplicate_model"]),
    ),
    "k05-lambda": (
        BASE + TWICE + related(LAZY, "import one\n") + AND_POST,
        (None, ["duplicate_model"]),
    ),
    "k06-quoted": (
        BASE + TWICE + related(MAPPED.format('"User"'), IMPORT_USER) + AND_POST,
        AMBIGUOUS,
    ),
    "k07-future-annotations": (
        BASE + TWICE + related(MAPPED.format("User"), IMPORT_USER).replace(
            "@ post.py\n", "@ post.py\nfrom __future__ import annotations\n"
        ) + AND_POST,
        AMBIGUOUS,
    ),
    "k08-mapped-class": (
        BASE + TWICE + related(MAPPED.format("User"), IMPORT_USER) + AND_POST,
        (None, ["duplicate_model"]),
    ),
    "k09-order-by": (BASE + TWICE + related(ORDERED) + AND_POST, AMBIGUOUS),
    "l01-third": (
        BASE + TWICE + TWICE.replace("one", "three").replace('"a"', '"c"') + MAIN
        + "import three\n",
        (None, ["duplicate_model"]),
    ),
    "l04-after-clear-mappers": (
        STRICT + TWICE + "\n@ main.py\nimport one\n"
        "from sqlalchemy.orm import clear_mappers\nclear_mappers()\nimport two\n",
        (None, []),
    ),
    "m01-never-imported": (
        BASE + mod("one.py", cls("A"), POST) + "\n@ main.py\nimport one\n",
        (None, ["unresolved_name"]),
    ),
    "m02-imported-late": (
        BASE + mod("one.py", POST) + mod("two.py", cls("User", table="a")) + MAIN,
        (None, []),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("tree", "expected"), CASES.values(), ids=CASES)
def test_the_case(
    tree: str, expected: tuple[str | None, list[str]], tmp_path: Path
) -> None:
    """A process of its own, since failures of mappers stay for its life."""
    write(tree, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "" == done.stderr
    assert [*expected] == json.loads(done.stdout)
