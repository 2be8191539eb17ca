"""
What shall follow when two classes share a name? What the developer said, by kind.

==============  ==========================================================
``error``       refuse, warn or ignore, as the kind asks
``warn``        never refuse
``referenced``  let both in; `check_models` refuses what a string looks up
==============  ==========================================================

A name that is allowed, and a class that agrees to share its name, are never refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from resilient_auth.core import arguments
from resilient_auth.errors import ConfigError
from resilient_auth.orm.conflicts import ALLOW_ATTRIBUTE, DOUBLE_IMPORT, Conflict

OnDuplicate: TypeAlias = Literal["error", "warn", "referenced"]
Reaction: TypeAlias = Literal["refuse", "warn", "ignore", "allow", "defer"]

_MODES = get_args(OnDuplicate)


@dataclass(frozen=True, slots=True)
class Rules:
    """How strict a guard is; *allow* are names that may be shared."""

    on_duplicate: OnDuplicate = "error"
    allow: frozenset[str] = frozenset()

    @classmethod
    def checked(cls, on_duplicate: OnDuplicate, allow: Iterable[str]) -> "Rules":
        """Return the rules that a developer gave; raises `ConfigError`."""
        if on_duplicate not in _MODES:
            said = ", ".join(f'"{each}"' for each in _MODES)
            raise ConfigError(f"on_duplicate is one of {said}.")
        names = arguments.several("allow", allow)
        for each in names:
            arguments.text("A name in allow", each)
        return cls(on_duplicate, frozenset(names))

    def reaction(self, conflict: Conflict, *classes: type | None) -> Reaction:
        """Return what follows from *conflict*, between *classes*."""
        if conflict.reaction == "ignore":
            return "ignore"
        if conflict.name in self.allow or _agrees(*classes):
            return "allow"
        if conflict.reaction == "warn" or self.on_duplicate == "warn":
            return "warn"
        # One file under two names is never meant, whoever looks its classes up.
        if self.on_duplicate == "referenced" and conflict.kind != DOUBLE_IMPORT:
            return "defer"
        return "refuse"


def _agrees(*classes: type | None) -> bool:
    """Say whether one of *classes* itself agrees to share its name."""
    return any(cls is not None and vars(cls).get(ALLOW_ATTRIBUTE) for cls in classes)
