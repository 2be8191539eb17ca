"""What do the cases of the reference list leave open? Variations of some of them."""

from tests.orm.reference.case import (
    EXTEND,
    ONE,
    TWO,
    Case,
    main,
    user,
)
from tests.orm.reference.files_twice import CASES
from tests.orm.trees import mod

BESIDE = {
    "b04-kept": Case(
        situation="As b04, where somebody keeps the error, and with it the class.",
        guard="S",
        program=CASES["b04"].program.replace(
            "except Exception:\n    pass",
            "except Exception as error:\n    kept = error",
        ),
        told="""
            plain      | ok | MC, FAILED | ambiguous_name
            registry   | ok | ok, ok     | double_import
            referenced | ok | ok, ok     | double_import
            observer   | ok | MC, FAILED | ambiguous_name
            source     | -
        """,
    ),
    "b08-forgotten": Case(
        situation="As b08, where the main module is gone after it has run.",
        guard="-",
        program=mod("one.py", user(says=EXTEND))
        + main(
            "import runpy\nrunpy.run_path('one.py', run_name='__main__')\nimport one"
        ),
        told="""
            plain      | ok | ok, ok | -
            registry   | ok | ok, ok | -
            referenced | ok | ok, ok | -
            observer   | ok | ok, ok | -
            source     | warning extend_existing
        """,
    ),
    "l01-alive": Case(
        situation="As l01, where all three live.",
        guard="E/-",
        program=ONE
        + TWO
        + mod("three.py", user("people"))
        + main("import one, two, three"),
        told="""
            plain      | ok        | ok, ok | duplicate
            registry   | duplicate | ok, ok | duplicate
            referenced | ok        | ok, ok | allowed duplicate
            observer   | duplicate | ok, ok | duplicate
            source     | duplicate
        """,
    ),
}
