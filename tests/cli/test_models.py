"""Models from a shell: what a person, a program and a pull request are told."""

import json
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


@pytest.mark.parametrize("said", [["no/such"], ["--format", "xml"]])
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


def test_an_allowed_duplicate_is_shown_and_no_error(here: Path) -> None:
    """On purpose, and seen; a pull request is not marked with it each time."""
    text = (here / "one.py").read_text("utf-8")
    (here / "one.py").write_text(text + "    __allow_duplicate_name__ = True\n")
    result, marks = run(), run("--format", "github")

    assert (0, 0) == (result.exit_code, marks.exit_code)
    assert "1 allowed duplicates" in result.output
    assert "allowed duplicate_model" in result.output
    assert not marks.output.startswith("::")
