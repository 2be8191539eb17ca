"""How is each fault of the models told? What, why and the cure, with file and line."""

from collections.abc import Sequence

from resilient_auth.orm.conflicts import Conflict, one_name
from resilient_auth.orm.doubles import DoubleImport
from resilient_auth.orm.lookups import Miss
from resilient_auth.orm.packages import ImportFailure
from resilient_auth.orm.places import Place, place_of
from resilient_auth.orm.report import Level, ModelFinding

_NAME = (
    "correct the name, or import the module that defines it: add its package to "
    "packages=[…]. A class of another Base is given itself, not its name."
)
_PATH = "rename one of the classes, or write the full path in the string."
_MAPPING = "correct the mapping that the message names."

_WHY_A_MISS = (
    "Why: the first query of any model fails by it, and so do all that follow until "
    "the process is restarted."
)
_ELSEWHERE = (
    "classes of two Bases do not know each other's names; give the class itself, as in "
    "relationship(lambda: {0.__name__})."
)

#: What SQLAlchemy says → our code, and the cure; the last row fits everything.
_FAILURES = (
    ("failed to locate a name", "unresolved_name", _NAME),
    ("Multiple classes found for path", "ambiguous_name", _PATH),
    ("", "mapper_failed", _MAPPING),
)
_OF_NAMES = tuple(words for words, _, _ in _FAILURES[:-1])


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


def is_of_names(error: Exception) -> bool:
    """Say whether *error* tells of a string that names no class, or several."""
    said = " ".join(str(error).split())
    return any(words in said for words in _OF_NAMES)


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


def of_miss(miss: Miss) -> ModelFinding:
    """Return the finding for a string that means no class, or several."""
    found = [f"  {number}. {place_of(cls)}" for number, cls in enumerate(miss.found, 1)]
    if found:
        said = [f"{len(found)} classes are called so:", *found]
        code, fix = "ambiguous_name", _PATH
    elif miss.elsewhere:
        places = [f"  {place_of(cls)}" for cls in miss.elsewhere]
        said = ["only a class of another Base is called so:", *places]
        code, fix = "unresolved_name", _ELSEWHERE.format(miss.elsewhere[0])
    else:
        said = ["no class and no table that was imported is called so."]
        meant = f"did you mean {miss.near!r}? " if miss.near else ""
        code, fix = "unresolved_name", meant + _NAME
    head, *below = said
    lines = [
        f"{miss.lookup.attribute} looks up {miss.lookup.name!r}, and {head}",
        *below,
        _WHY_A_MISS,
        f"Fix: {fix}",
    ]
    return ModelFinding(
        code=code,
        level="error",
        text="\n".join(lines),
        file=miss.lookup.file,
        line=miss.lookup.line,
    )


def of_cycle(modules: Sequence[str], level: Level) -> ModelFinding:
    """Return the finding for *modules* that import each other in a circle."""
    circle = " → ".join([*modules, modules[0]])
    text = (
        f"Modules import each other in a circle: {circle}.\n"
        "Why: which of them is half done when another one needs it depends on who is "
        "imported first.\n"
        "Fix: name the class of a relationship as a string, and import it under "
        "`if TYPE_CHECKING:` alone; or put what both need into a third module."
    )
    return ModelFinding(code="import_cycle", level=level, text=text)
