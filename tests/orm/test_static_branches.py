"""F3 in source: two imports count as one run only where one run may pass both."""

import textwrap
from pathlib import Path

import pytest
from tests.orm.trees import BASE, TWICE, cls, mod, write

from resilient_auth import check_source


def errors_of(main: str, folder: Path) -> int:
    """Return the number of errors in a program that is started by *main*."""
    write(BASE + TWICE, folder)
    (folder / "main.py").write_text(textwrap.dedent(main), "utf-8")
    return len(check_source([folder]).errors)


def body(text: str) -> str:
    """Return a function with *text* in it, in a loop."""
    lines = textwrap.indent(textwrap.dedent(text), "        ")
    return f"def load(kind):\n    for each in kind:\n{lines}\nload('ab')\n"


#: Nobody can pass both of the imports.
APART = {
    "try-return": """
        try:
            import one
            return one
        except ImportError:
            pass
        import two
    """,
    "try-else-return": """
        try:
            import one
        except ImportError:
            pass
        else:
            return one
        import two
    """,
    "elif-return": """
        if kind == "x":
            pass
        elif kind == "a":
            import one
            return one
        import two
    """,
    "else-return": """
        if kind == "x":
            pass
        else:
            import one
            return one
        import two
    """,
    "inner-return": """
        if kind:
            if len(kind) > 1:
                import one
                return one
        import two
    """,
    "with-return": """
        with open(kind):
            import one
            return one
        import two
    """,
    "match-return": """
        match kind:
            case "a":
                import one
                return one
            case _:
                pass
        import two
    """,
    "for-return": """
        for each in kind:
            import one
            return one
        import two
    """,
    "while-return": """
        while kind:
            try:
                import one
            except ImportError:
                break
            else:
                return one
        import two
    """,
    "while-else": """
        while kind:
            if kind == "a":
                import one
                break
        else:
            import two
    """,
    "continue": """
        if each:
            import one
            continue
        import two
    """,
    "exit": """
        if kind == "a":
            import one
            sys.exit()
        import two
    """,
    "behind-a-return": """
        import one
        return one
        import two
    """,
    "behind-a-raise": """
        import one
        try:
            raise ImportError
            import two
        except ImportError:
            pass
    """,
    "behind-an-exit": """
        import one
        exit(1)
        import two
    """,
}
#: What stands in a module, where nothing can be returned.
NEVER = {
    "false": "import one\nif False:\n    import two\n",
    "zero": "if 0:\n    import one\nimport two\n",
    "typing": (
        "import typing, one\nif typing.TYPE_CHECKING and one:\n    import two\n"
    ),
    "typing-or-zero": (
        "import typing, one\nif typing.TYPE_CHECKING or 0:\n    import two\n"
    ),
    "typing-by-another-name": (
        "import one\nfrom typing import TYPE_CHECKING as T\nif T:\n    import two\n"
    ),
    "not-false": "import one\nif not 0:\n    pass\nelse:\n    import two\n",
    "version": "import sys, one\nif sys.version_info < (3, 9):\n    import two\n",
    "platform": "import sys, one\nif sys.platform == 'x':\n    import two\n",
    "uncalled": "import one\ndef legacy():\n    import two\n",
    "uncalled-in-a-function": (
        "def f():\n    import one\n    def legacy():\n        import two\n"
    ),
    "exit": "import sys\nif sys.argv:\n    import one\n    sys.exit()\nimport two\n",
}


@pytest.mark.parametrize(
    "main",
    [*map(body, APART.values()), *NEVER.values()],
    ids=[*APART, *(f"module-{each}" for each in NEVER)],
)
def test_no_run_passes_both(main: str, tmp_path: Path) -> None:
    """A false alarm stops a deployment."""
    assert 0 == errors_of(main, tmp_path)


#: What leaves, and takes neither of the imports with it.
TOGETHER = {
    "before-and-after": """
        import one
        if kind:
            return
        import two
    """,
    "after": """
        try:
            import sys
        except ImportError:
            raise
        import one, two
    """,
    "after-a-match": """
        match kind:
            case "a":
                return
        import one, two
    """,
    "in-the-arm-that-stays": """
        try:
            import one
        except ImportError:
            raise
        import two
    """,
    "in-the-first-arm-that-stays": """
        if kind:
            import one
        elif each:
            return
        import two
    """,
    "a-loop-that-ends": """
        for each in kind:
            import one
            break
        import two
    """,
    "a-function-that-returns": """
        def inner():
            return 1
        import one, two
    """,
    "in-one-version": """
        if sys.version_info < (3, 9):
            import one, two
    """,
    "a-method-called-like-one": """
        import one
        kind.exits()
        import two
    """,
}


@pytest.mark.parametrize("main", list(map(body, TOGETHER.values())), ids=TOGETHER)
def test_a_run_passes_both(main: str, tmp_path: Path) -> None:
    """A guard in front is everywhere; it must not hide what follows."""
    assert 1 == errors_of(main, tmp_path)


def test_async_statements_are_passed(tmp_path: Path) -> None:
    """A factory may be one that awaits."""
    main = (
        "async def make(x):\n    async with x:\n        import one\n"
        "    async for _ in x:\n        import two\n"
    )

    assert 1 == errors_of(main, tmp_path)


def test_what_follows_a_guard_of_a_module_always_runs(tmp_path: Path) -> None:
    """Classes and imports behind it are those of any module."""
    guard = "import sys\nif not sys.argv:\n    raise ImportError\n"
    tree = BASE + mod("one.py", guard, cls("User", table="a"))
    tree += mod("two.py", guard, "import one\n", cls("User", table="b"))
    write(tree, tmp_path)

    assert 1 == len(check_source([tmp_path]).errors)


def test_a_function_beside_the_package_is_no_alternative(tmp_path: Path) -> None:
    """Models in the package of their base meet, whoever imports them late."""
    package = (BASE + TWICE).replace("@ ", "@ app/").replace("from base", "from .base")
    late = "\n@ app/late.py\nfrom app import one\ndef f():\n    from app import two\n"
    write("\n@ app/__init__.py\n" + package + late, tmp_path)

    assert 1 == len(check_source([tmp_path]).errors)
