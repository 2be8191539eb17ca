"""Which way of writing a relationship looks a name up, and when? (k, m)"""

from tests.orm.reference.case import ALL, ONE, POST, TWO, Case, main, post, user
from tests.orm.trees import cls, mod


def _related(says: str, head: str = "") -> str:
    """Return the program of a Post that finds one of two Users as *says*."""
    return ONE + TWO + mod("post.py", head, post(says)) + ALL


def _annotated(says: str, head: str = "from one import User\n") -> str:
    """Return that program, with the annotation *says*."""
    return _related("relationship()", head).replace(
        "    user = ", f"    user: {says} = "
    )


CASES = {
    "k01": Case(
        situation="The full path of the module.",
        guard="E/-",
        program=_related('relationship("one.User")'),
        told="""
            plain      | ok        | ok, ok | duplicate
            registry   | duplicate | ok, ok | duplicate
            referenced | ok        | ok, ok | allowed duplicate
            observer   | duplicate | ok, ok | duplicate
            source     | duplicate
        """,
    ),
    "k02": Case(
        situation="A part of the path that fits both.",
        guard="E",
        program="\n@ app1/__init__.py\n@ app2/__init__.py\n"
        + mod("app1/models.py", user())
        + mod("app2/models.py", user("accounts"))
        + mod("post.py", post('relationship("models.User")'))
        + main("import app1.models, post, app2.models"),
        told="""
            plain      | ok        | MC_PATH, FAILED | ambiguous_name, duplicate
            registry   | duplicate | ok, ok          | duplicate
            referenced | ok        | MC_PATH, FAILED | ambiguous_name, duplicate
            observer   | duplicate | MC_PATH, FAILED | duplicate
            source     | duplicate
        """,
    ),
    "k03": Case(
        situation="The full path, and the bare name in primaryjoin.",
        guard="E",
        program=_related(
            'relationship("one.User", primaryjoin="User.id == Post.user_id")'
        ),
        told="""
            plain      | ok        | MC, FAILED | ambiguous_name, duplicate
            registry   | duplicate | ok, ok     | duplicate
            referenced | ok        | MC, FAILED | ambiguous_name, duplicate
            observer   | duplicate | MC, FAILED | duplicate
            source     | duplicate
        """,
    ),
    "k04": Case(
        situation="The class itself.",
        guard="E/-",
        program=_related("relationship(one.User)", "import one\n"),
        told="""
            plain      | ok        | ok, ok | duplicate
            registry   | duplicate | ok, ok | duplicate
            referenced | ok        | ok, ok | allowed duplicate
            observer   | duplicate | ok, ok | duplicate
            source     | duplicate
        """,
    ),
    "k05": Case(
        situation="The class itself, by a lambda.",
        guard="E/-",
        program=_related("relationship(lambda: one.User)", "import one\n"),
        told="""
            plain      | ok        | ok, ok | duplicate
            registry   | duplicate | ok, ok | duplicate
            referenced | ok        | ok, ok | allowed duplicate
            observer   | duplicate | ok, ok | duplicate
            source     | duplicate
        """,
    ),
    "k06": Case(
        situation="An annotation in quotes, although the class is imported.",
        guard="E",
        program=_annotated('Mapped["User"]'),
        told="""
            plain      | ok        | MC, FAILED | ambiguous_name, duplicate
            registry   | duplicate | ok, ok     | duplicate
            referenced | ok        | MC, FAILED | ambiguous_name, duplicate
            observer   | duplicate | MC, FAILED | duplicate
            source     | duplicate
        """,
    ),
    "k07": Case(
        situation="An annotation under `from __future__ import annotations`.",
        guard="E",
        program=_annotated("Mapped[User]").replace(
            "@ post.py\n", "@ post.py\nfrom __future__ import annotations\n"
        ),
        told="""
            plain      | ok        | MC, FAILED | ambiguous_name, duplicate
            registry   | duplicate | ok, ok     | duplicate
            referenced | ok        | MC, FAILED | ambiguous_name, duplicate
            observer   | duplicate | MC, FAILED | duplicate
            source     | duplicate
        """,
    ),
    "k08": Case(
        situation="An annotation with the class itself.",
        guard="E/-",
        program=_annotated("Mapped[User]"),
        told="""
            plain      | ok        | ok, ok | duplicate
            registry   | duplicate | ok, ok | duplicate
            referenced | ok        | ok, ok | allowed duplicate
            observer   | duplicate | ok, ok | duplicate
            source     | duplicate
        """,
    ),
    "k09": Case(
        situation="The class itself, and the bare name in order_by.",
        guard="E",
        program=_related('relationship(one.User, order_by="User.id")', "import one\n"),
        told="""
            plain      | ok        | MC, FAILED | ambiguous_name, duplicate
            registry   | duplicate | ok, ok     | duplicate
            referenced | ok        | MC, FAILED | ambiguous_name, duplicate
            observer   | duplicate | MC, FAILED | duplicate
            source     | duplicate
        """,
    ),
    "m01": Case(
        situation="A class that is never imported, or after the first use.",
        guard="S",
        program=ONE
        + mod("thing.py", cls("Thing"))
        + POST
        + main("""
from sqlalchemy.orm import configure_mappers
def import_and_configure():
    import one
    configure_mappers()
USES = [configure_mappers, import_and_configure]
import thing, post
"""),
        told="""
            plain      | ok | NAME, FAILED | unresolved_name
            registry   | ok | NAME, FAILED | unresolved_name
            referenced | ok | NAME, FAILED | unresolved_name
            observer   | ok | NAME, FAILED | unresolved_name
            source     | -
        """,
    ),
    "m02": Case(
        situation="A class that is imported late, before the first use.",
        guard="-",
        program=ONE + POST + main("import post, one"),
        told="""
            plain      | ok | ok, ok | -
            registry   | ok | ok, ok | -
            referenced | ok | ok, ok | -
            observer   | ok | ok, ok | -
            source     | -
        """,
    ),
}
