"""Are the models of some source files sound? Asked from a shell, a hook, or in CI."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import click

from resilient_auth.cli.endings import told
from resilient_auth.orm.report import ModelFinding, ModelReport
from resilient_auth.orm.static import check_source


@click.group()
def models() -> None:
    """Find ORM classes that take each other's names."""


@models.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="What to print; github marks the lines of a pull request.",
)
@told
def check(paths: tuple[str, ...], form: str) -> None:
    """
    Read the Python files in PATHS (this folder) and report models that share a name.

    Nothing is imported. Name the folders of the whole program, for imports are followed
    among PATHS alone. The status is 0 without an error, also if there are warnings; 1
    with one; 2 if PATHS cannot be looked at.
    """
    report = check_source(paths or (".",))
    click.echo(_encodable(_FORMS[form](report)))
    if report.errors:
        raise SystemExit(1)


def _json(report: ModelReport) -> str:
    found = (*report.errors, *report.warnings, *report.allowed)
    shown = [
        {
            "code": each.code,
            "level": each.level,
            "file": each.file,
            "line": each.line,
            "text": each.text,
        }
        for each in found
    ]
    return json.dumps({"models": report.models, "findings": shown}, indent=2)


def _github(report: ModelReport) -> str:
    """Return workflow commands; duplicates that are allowed need no mark."""
    found = (*report.errors, *report.warnings)
    summary = str(report).partition("\n")[0]
    return "\n".join([*map(_command, found), summary])


def _command(finding: ModelFinding) -> str:
    said = {"title": finding.code, "file": _relative(finding), "line": finding.line}
    properties = ",".join(
        f"{name}={_escaped(str(value), also=':,')}"
        for name, value in said.items()
        if value
    )
    return f"::{finding.level} {properties}::{_escaped(finding.text)}"


def _relative(finding: ModelFinding) -> str:
    """Return the file as the repository names it, if this is its folder."""
    path, here = Path(finding.file or ""), Path.cwd().resolve()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _escaped(text: str, also: str = "") -> str:
    for each in f"%\r\n{also}":
        text = text.replace(each, f"%{ord(each):02X}")
    return text


def _encodable(text: str) -> str:
    """Return *text* with what standard output cannot encode escaped."""
    encoding = sys.stdout.encoding
    return text.encode(encoding, "backslashreplace").decode(encoding)


_FORMS: dict[str, Callable[[ModelReport], str]] = {
    "text": str,
    "json": _json,
    "github": _github,
}
