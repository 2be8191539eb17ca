"""What is worth knowing about something that works? One value for every part."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that a person should look at: *evidence* says what is, *fix* what to do.

    *id* is stable, for filters and for looking it up in the reference. A ``warning``
    will hurt some users; an ``info`` is a consequence, or what cannot be seen from
    here. What cannot work at all is no finding but a `ConfigError`.
    """

    id: str
    severity: Severity
    evidence: str
    fix: str
