"""How does the table call what was said? An exception, a warning, a finding."""

import re
from collections.abc import Iterable

from resilient_auth import DuplicateModelError, DuplicateModelWarning, ModelReport
from resilient_auth.orm.report import ModelFinding

#: Words of an exception → its name in the table; the first row that fits.
_SAID = (
    ("One or more mappers failed to initialize", "FAILED"),
    ('Multiple classes found for path "User"', "MC"),
    ('Multiple classes found for path "models.User"', "MC_PATH"),
    ("failed to locate a name ('User')", "NAME"),
    ("is already defined for this MetaData instance", "TAD"),
    ("matches both a class name and a module name", "BOTH"),
    ("doesn't handle objects of type", "ALIEN"),
)


def word_for(told: Exception | Warning | str) -> str:
    """Return the kind of a conflict, or how the table calls what SQLAlchemy says."""
    if isinstance(told, DuplicateModelError):
        return told.kind
    if isinstance(told, DuplicateModelWarning):
        return _kind_in(str(told))
    if isinstance(told, Warning):
        return type(told).__name__
    for words, name in _SAID:
        if words in str(told):
            return name
    return repr(told)


def words_for(reports: Iterable[ModelReport]) -> str:
    """Return the kinds and codes that *reports* have; what is no error says so."""
    found = {
        _word_for_finding(each)
        for report in reports
        for each in (*report.errors, *report.warnings, *report.allowed)
    }
    return ", ".join(sorted(found)) or "-"


def _word_for_finding(finding: ModelFinding) -> str:
    is_conflict = finding.code == "duplicate_model"
    word = _kind_in(finding.text) if is_conflict else finding.code
    return word if finding.level == "error" else f"{finding.level} {word}"


def _kind_in(text: str) -> str:
    """Return the kind that the first line of a conflict's text tells in brackets."""
    found = re.search(r"\(([a-z ]+)\):$", text.partition("\n")[0])
    return text if found is None else found[1].replace(" ", "_")
