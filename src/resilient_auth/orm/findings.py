"""How is each fault of the models told? What, why and the cure, with file and line."""

from resilient_auth.orm.conflicts import Conflict, one_name
from resilient_auth.orm.doubles import DoubleImport
from resilient_auth.orm.packages import ImportFailure
from resilient_auth.orm.places import Place, place_of
from resilient_auth.orm.report import Level, ModelFinding

_NAME = (
    "correct the name, or import the module that defines it: add its package to "
    "packages=[…]. A class of another Base is given itself, not its name."
)
_PATH = "rename one of the classes, or write the full path in the string."
_MAPPING = "correct the mapping that the message names."

#: What SQLAlchemy says → our code, and the cure; the last row fits everything.
_FAILURES = (
    ("failed to locate a name", "unresolved_name", _NAME),
    ("Multiple classes found for path", "ambiguous_name", _PATH),
    ("", "mapper_failed", _MAPPING),
)


def of_conflict(conflict: Conflict, level: Level) -> ModelFinding:
    """Return the finding for two classes of one name, at the newer one."""
    place = conflict.places[-1]
    return ModelFinding(
        code="duplicate_model",
        level=level,
        text=str(conflict),
        file=place.file,
        line=place.line,
    )


def of_double(double: DoubleImport) -> ModelFinding:
    """Return the finding for one file under two module names."""
    text = (
        f"One file is imported as {' and as '.join(double.modules)}; its classes exist "
        f"twice: {', '.join(double.classes)}.\n"
        "Why: an object of one is no instance of the other, although both look the "
        "same in every message.\n"
        f"Fix: {one_name(double.modules, double.file)}"
    )
    return ModelFinding(
        code="double_import", level="error", text=text, file=double.file
    )


def of_extension(place: Place) -> ModelFinding:
    """Return the finding for a class that lets its table be defined twice."""
    text = (
        f"{place.path} sets extend_existing=True.\n"
        "Why: it hides that two classes, or two imports of one file, define one table; "
        "the first query fails then.\n"
        "Fix: remove it, and what the error names after that."
    )
    return ModelFinding(
        code="extend_existing",
        level="warning",
        text=text,
        file=place.file,
        line=place.line,
    )


def of_import(failure: ImportFailure) -> ModelFinding:
    """Return the finding for a module that cannot be imported."""
    return ModelFinding(
        code="import_failed",
        level="error",
        text=f"{failure.module} cannot be imported: {failure.error}: {failure.text}",
        file=failure.file,
        line=failure.line,
    )


def of_failure(cls: type | None, error: Exception) -> ModelFinding:
    """Return the finding for a mapper that cannot be configured."""
    said = " ".join(str(error).split())
    code, cure = next((code, cure) for words, code, cure in _FAILURES if words in said)
    text = f"cannot be configured: {type(error).__name__}: {said}\nFix: {cure}"
    if cls is None:
        return ModelFinding(code=code, level="error", text=f"The mappers {text}")
    place = place_of(cls)
    return ModelFinding(
        code=code,
        level="error",
        text=f"{place.path} {text}",
        file=place.file,
        line=place.line,
    )
