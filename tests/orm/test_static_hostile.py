"""F3 in source: whatever lies in a folder, the check ends and says what it left out."""

import os
import textwrap
from pathlib import Path

import pytest
from tests.orm.trees import BASE, MAIN, TWICE, cls, mod, write

from resilient_auth import ConfigError, ModelReport, check_source
from resilient_auth.orm.tree import MAX_BYTES

ORM = b"__tablename__ = 'users'\n"


def check(tree: str, folder: Path) -> ModelReport:
    """Return the report on the files of *tree*."""
    write(tree, folder)
    return check_source([folder])


UNREADABLE = {
    "syntax": (ORM + b"def (", "invalid syntax"),
    "null": (ORM + b"x = '\0'\n", "null bytes"),
    "encoding": (b"# coding: no-such\n" + ORM, "encoding"),
    "not-utf-8": (ORM + b"x = '\xff'\n", "utf-8"),
    "wrong-cookie": (b"# coding: ascii\n" + ORM + b"x = '\xc3\xa9'\n", "ascii"),
    "brackets": (ORM + b"(" * 5_000 + b")" * 5_000, "too many nested"),
    "operators": (ORM + b"x = " + b"-" * 50_000 + b"1", "nested too deeply"),
    "dots": (ORM + b"x = a" + b".b" * 5_000, "nested too deeply"),
    "indents": (
        ORM + b"".join(b" " * n + b"if x:\n" for n in range(200)) + b" " * 200 + b"x",
        "indentation",
    ),
    "huge": (ORM + b"#" * MAX_BYTES, "larger than"),
}


@pytest.mark.parametrize(("text", "why"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_a_warning(
    text: bytes, why: str, tmp_path: Path
) -> None:
    """The other files are judged all the same."""
    (tmp_path / "bad.py").write_bytes(text)
    report = check(BASE + TWICE + MAIN, tmp_path)
    (warning,) = report.warnings

    assert ("unreadable_source", str(tmp_path / "bad.py")) == (
        warning.code,
        warning.file,
    )
    assert why in warning.text
    assert 1 == len(report.errors)


ODD = {
    "latin-1": ("# coding: latin-1\n# é\n", "latin-1"),
    "utf-8-bom": ("\ufeff", "utf-8"),
    "cr-lf": ("# a line\r\n", "utf-8"),
    "elifs": ("if 0:\n    pass\n" + "elif 0:\n    pass\n" * 2_000, "utf-8"),
    "escapes": ("x = '\\d'\n", "utf-8"),
}


@pytest.mark.parametrize(("head", "encoding"), ODD.values(), ids=ODD)
def test_what_python_reads_is_read(head: str, encoding: str, tmp_path: Path) -> None:
    """By the same rules: the line about the coding, the mark at the beginning."""
    write(BASE + TWICE + MAIN, tmp_path)
    one = tmp_path / "one.py"
    one.write_bytes((head + one.read_text("utf-8")).encode(encoding))

    assert 1 == len(check_source([tmp_path]).errors)


def test_links_are_no_loop_and_no_second_file(tmp_path: Path) -> None:
    """A link to a folder above, to a file, to itself, to nothing."""
    write(BASE + TWICE + MAIN, tmp_path)
    (tmp_path / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "again.py").symlink_to(tmp_path / "one.py")
    (tmp_path / "self.py").symlink_to(tmp_path / "self.py")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nothing")
    report = check_source([tmp_path, tmp_path / "up", tmp_path / "again.py"])

    assert 1 == len(report.errors)
    assert {"gone.py", "nothing", "self.py"} >= {
        Path(each.file or "").name for each in report.warnings
    }
    assert 2 == len(report.warnings)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody will ever write into it."""
    os.mkfifo(tmp_path / "pipe.py")

    assert "no regular file" in check_source([tmp_path]).warnings[0].text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_a_warning(tmp_path: Path) -> None:
    """A folder as well as a file."""
    write(BASE + "\n@ closed/one.py\n\n@ two.py\n", tmp_path)
    for each in ("closed", "two.py"):
        (tmp_path / each).chmod(0)
    found = check_source([tmp_path]).warnings
    (tmp_path / "closed").chmod(0o700)

    assert 2 == len(found)
    assert all("ermission" in each.text for each in found)


def test_a_folder_that_cannot_be_listed_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing must be passed over in silence."""
    write(BASE + "\n@ closed/one.py\n", tmp_path)
    real = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    (warning,) = check_source([tmp_path]).warnings

    assert str(tmp_path / "closed") == warning.file
    assert "Permission denied" in warning.text


def test_a_file_that_vanishes_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor or a branch may take it away between two looks."""
    write(BASE + TWICE + "\n@ main.py\nimport one, two\n", tmp_path)
    seen: set[str] = set()

    def read_once(file: str) -> bytes:
        if file in seen:
            raise FileNotFoundError(file)
        seen.add(file)
        return Path(file).read_bytes()

    monkeypatch.setattr("resilient_auth.orm.library.read_bytes", read_once)

    assert () == check_source([tmp_path]).errors


def test_circles_end(tmp_path: Path) -> None:
    """Of star imports, of names, of classes, of modules."""
    tree = """
    @ a.py
    from b import *
    from c import thing
    import sqlalchemy
    class User(Base, thing):
        __tablename__ = "a"
    @ b.py
    from a import *
    from . import b
    Base = Base
    class Loop(Loop): pass
    @ c.py
    import c
    from c import thing
    thing = c.thing.c
    class A(B): pass
    class B(A): pass
    import sqlalchemy
    """

    assert 0 == check(textwrap.dedent(tree), tmp_path).models


def test_a_long_way_to_a_base_is_unknown_and_ends(tmp_path: Path) -> None:
    """A thousand names, each bound to the one before."""
    names = "".join(f"b{n} = b{n - 1}.x\n" for n in range(1, 3_000))
    tree = BASE + "\n@ one.py\nimport sqlalchemy\nfrom base import Base as b0\n" + names
    report = check(tree + "class User(b2999):\n    pass\n", tmp_path)

    assert (0, ()) == (report.models, report.warnings)


def test_a_long_chain_of_modules_is_followed(tmp_path: Path) -> None:
    """Each imports the next; a monolith is deep."""
    links = "".join(f"\n@ m{n}.py\nimport m{n + 1}\n" for n in range(3_000))
    last = "\n@ m3000.py\nimport one, two\n"

    assert 1 == len(check(BASE + TWICE + links + last, tmp_path).errors)


def test_nothing_is_executed(tmp_path: Path) -> None:
    """A file that would end the process is only read."""
    tree = BASE + TWICE + "\n@ main.py\nimport one, two, os\nos._exit(3)\n"

    assert 1 == len(check(tree, tmp_path).errors)


def test_foreign_folders_are_passed_over(tmp_path: Path) -> None:
    """An environment, a cache, what begins with a dot."""
    tree = BASE + TWICE + MAIN
    for folder in (".hidden", "env", "node_modules", "__pycache__"):
        write(tree, tmp_path / folder)
    (tmp_path / "env" / "pyvenv.cfg").touch()

    assert (0, ()) == (check_source([tmp_path]).models, check_source([]).errors)


@pytest.mark.parametrize("paths", ["src", None, 5, [b"x"], ["no/such"], [""]])
def test_paths_are_paths_that_are_there(paths: object) -> None:
    """One string would be its letters."""
    with pytest.raises(ConfigError):
        check_source(paths)  # type: ignore[arg-type] - that is the point


def test_a_file_alone_is_a_path(tmp_path: Path) -> None:
    """As an editor gives it."""
    write(BASE + mod("one.py", cls("User"), cls("User")), tmp_path)

    assert 1 == len(check_source([tmp_path / "base.py", tmp_path / "one.py"]).errors)
