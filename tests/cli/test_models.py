"""Models from a shell: what a person, a program and a pull request are told."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.orm.trees import BASE, MAIN, TWICE, cls, mod, write

from resilient_auth.cli.commands import resilient_auth

ALONE = BASE + mod("one.py", cls("User"))


def run(*said: str) -> Result:
    """Return what came of ``resilient-auth models check``."""
    return CliRunner().invoke(resilient_auth, ["models", "check", *said])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with two models of one name."""
    write(BASE + TWICE + MAIN, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_this_folder_is_looked_at_unless_one_is_named(here: Path) -> None:
    """A hook needs no arguments."""
    result = run()

    assert 1 == result.exit_code
    assert result.output == run(str(here)).output
    assert f"{here}/two.py:6" in result.output


def test_without_an_error_the_status_is_0(tmp_path: Path) -> None:
    """A warning stops nobody."""
    write(ALONE + "\n@ bad.py\n__tablename__ = (\n", tmp_path)
    result = run(str(tmp_path))

    assert 0 == result.exit_code
    assert "1 models, 0 errors, 1 warnings" in result.output


@pytest.mark.parametrize("said", [["no/such"], [""], ["--format", "xml"]])
def test_what_cannot_be_done_is_status_2(said: list[str]) -> None:
    """CI can tell a bad command from a bad model."""
    result = run(*said)

    assert 2 == result.exit_code
    assert isinstance(result.exception, SystemExit)


def test_a_program_reads_json(here: Path) -> None:
    """All of it, in fields that stay."""
    result = run("--format", "json")
    said = json.loads(result.output)
    (finding,) = said["findings"]

    assert (1, 2) == (result.exit_code, said["models"])
    assert ("duplicate_model", "error", str(here / "two.py"), 6) == tuple(
        finding[name] for name in ("code", "level", "file", "line")
    )
    assert "(duplicate)" in finding["text"]


def test_a_pull_request_is_marked_at_the_line(here: Path) -> None:
    """One command a finding, on one line, the file as the repository knows it."""
    (here / "bad,:%.py").write_text("__tablename__ = (\n", "utf-8")
    result = run("--format", "github")
    marks = [each for each in result.output.splitlines() if each.startswith("::")]

    assert 1 == result.exit_code
    assert marks[0].startswith("::error title=duplicate_model,file=two.py,line=6::Two")
    assert marks[1].startswith(
        "::warning title=unreadable_source,file=bad%2C%3A%25.py,line=1::"
    )
    assert "%0A  1. one.User" in marks[0]


def test_a_file_elsewhere_keeps_its_whole_name(here: Path, tmp_path: Path) -> None:
    """It belongs to another repository."""
    (tmp_path / "inner").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "inner")
        output = run("--format", "github", "..").output

    assert f"file={here}/two.py" in output


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_a_name_that_is_no_text_is_printed_all_the_same(
    form: str, tmp_path: Path
) -> None:
    """File names are bytes."""
    bad = bytes(tmp_path) + b"/\xff.py"
    Path(bad.decode("utf-8", "surrogateescape")).write_text("__tablename__ = (")
    result = run("--format", form, str(tmp_path))

    assert 0 == result.exit_code
    assert "udcff" in result.output


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_what_the_terminal_cannot_show_is_escaped(
    encoding: str, tmp_path: Path
) -> None:
    """A class in Cyrillic on a console of the West: still the right status."""
    tree = BASE + "\n@ модель.py\n__tablename__ = (\n"
    write(tree + mod("one.py", cls("Класс"), cls("Класс")), tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "resilient_auth.cli", "models", "check", "."],
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )

    assert (1, b"") == (done.returncode, done.stderr)
    assert "1 errors, 1 warnings" in done.stdout.decode(encoding)


@pytest.mark.parametrize("form", ["text", "github"])
def test_the_name_of_a_file_is_no_command(form: str, tmp_path: Path) -> None:
    """Whoever names a file does not talk to the terminal, nor to the workflow."""
    name = "a\n::error title=x::y\n\x1b[2J\x85\u2028.py"
    write(BASE, tmp_path)
    head = "from base import Base\n__table__ = 1\n"
    two = (
        head + 2 * "class User(Base):\n    __table_args__ = {'extend_existing': True}\n"
    )
    (tmp_path / name).write_text(two, "utf-8")
    (tmp_path / f"b{name}").write_text("__tablename__ = (\n", "utf-8")
    result = run("--format", form, str(tmp_path))
    lines = [each.strip() for each in result.output.splitlines()]

    assert 1 == result.exit_code
    assert not [each for each in lines if each.startswith("::error title=x")]
    assert not {"\x1b", "\x85", "\u2028"} & set(result.output)
    assert "User" in result.output


#: What the hook runs, as if SQLAlchemy and all the extras but ``cli`` were missing.
BARE = """
import sys
extras = "sqlalchemy redis starlette fastapi flask httpx requests argon2 throttled"
sys.modules.update(dict.fromkeys(extras.split(), None))
from resilient_auth import check_source
from resilient_auth.cli import main
main()
"""


@pytest.mark.parametrize(
    ("said", "status", "shown"),
    [
        (["models", "check", "."], 1, "Two classes are called 'User'"),
        (["--version"], 0, "resilient-auth, version"),
        (["keys", "--help"], 0, "Make and rotate the keys"),
        (["explain", "--help"], 0, "Say why the request"),
    ],
    ids=["models", "version", "keys", "explain"],
)
def test_the_commands_need_no_sqlalchemy(
    said: list[str], status: int, shown: str, here: Path
) -> None:
    """A hook is installed into an environment of its own."""
    done = subprocess.run(
        [sys.executable, "-c", BARE, *said],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (status, "") == (done.returncode, done.stderr)
    assert shown in done.stdout


def test_an_allowed_duplicate_is_shown_and_no_error(here: Path) -> None:
    """On purpose, and seen; a pull request is not marked with it each time."""
    text = (here / "one.py").read_text("utf-8")
    (here / "one.py").write_text(text + "    __allow_duplicate_name__ = True\n")
    result, marks = run(), run("--format", "github")

    assert (0, 0) == (result.exit_code, marks.exit_code)
    assert "1 allowed duplicates" in result.output
    assert "allowed duplicate_model" in result.output
    assert not marks.output.startswith("::")
