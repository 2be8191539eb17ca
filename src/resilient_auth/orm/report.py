"""What was found in the models? A report that reads well on a terminal and in a log."""

from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import indent
from typing import Literal

from resilient_auth.errors import ConfigError

Level = Literal["error", "warning", "allowed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFinding:
    """
    One thing that `check_models` or `check_source` found.

    *code* is stable: ``duplicate_model``, ``double_import``; at start also
    ``ambiguous_name``, ``unresolved_name``, ``mapper_failed``, ``import_failed``,
    ``import_cycle``; in source also ``extend_existing``, ``unreadable_source``, and
    what is not printable in the name of a file is escaped.
    """

    code: str
    level: Level
    text: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = self.file or ""
        if self.file is not None and self.line is not None:
            place = f"{self.file}:{self.line}"
        return (
            f"{self.level} {self.code} {place}".rstrip()
            + "\n"
            + indent(self.text, "  ")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """
    What `check_models` or `check_source` found, sorted by file.

    *errors* will fail a request sooner or later; *warnings* may; *allowed* are the
    duplicates that somebody permitted. *models* counts the mapped classes.
    """

    models: int
    errors: tuple[ModelFinding, ...]
    warnings: tuple[ModelFinding, ...]
    allowed: tuple[ModelFinding, ...]

    def __str__(self) -> str:
        summary = (
            f"{self.models} models, {len(self.errors)} errors, "
            f"{len(self.warnings)} warnings, {len(self.allowed)} allowed duplicates."
        )
        found = (*self.errors, *self.warnings, *self.allowed)
        return "\n\n".join([summary, *map(str, found)])

    def raise_if_errors(self) -> None:
        """Raise `ConfigError` with the whole report, unless there is no error."""
        if self.errors:
            raise ConfigError(str(self))


def printable(path: str) -> str:
    """Return *path* on one line, with what no terminal should be sent escaped."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in path
    )


def report_of(models: int, findings: Iterable[ModelFinding]) -> ModelReport:
    """Return the report of *findings*, each in its place."""
    ordered = sorted(
        findings, key=lambda each: (each.file or "", each.line or 0, each.text)
    )

    def of(level: Level) -> tuple[ModelFinding, ...]:
        return tuple(each for each in ordered if each.level == level)

    return ModelReport(
        models=models, errors=of("error"), warnings=of("warning"), allowed=of("allowed")
    )
