"""
What has a guard seen of one registry? Judged at once, and kept for `check_models`.

Applications swallow errors of imports, so that what was refused is told again at start.
"""

import warnings
import weakref
from collections.abc import Hashable, Iterable

from resilient_auth.errors import DuplicateModelWarning
from resilient_auth.orm.conflicts import Conflict, conflict_between
from resilient_auth.orm.definitions import Definition, definition_of
from resilient_auth.orm.mappers import base_of, is_in_use, lookups_of
from resilient_auth.orm.rules import Rules


class Record:
    """
    The conflicts of one registry and where its classes were defined.

    *guard* is the name of who keeps it; *is_late* if SQLAlchemy has taken a class in by
    the time that it is judged. Holds no class.
    """

    def __init__(
        self, rules: Rules, *, guard: str = "GuardedRegistry", is_late: bool = False
    ) -> None:
        self.rules = rules
        self.guard = guard
        #: With the class that had the name.
        self._refused: dict[Hashable, tuple[weakref.ref[type], Conflict]] = {}
        #: The statement by which a class took its name, as it was seen then.
        self.definitions: weakref.WeakKeyDictionary[type, Definition] = (
            weakref.WeakKeyDictionary()
        )
        self._is_late = is_late

    @property
    def refused(self) -> dict[Hashable, Conflict]:
        """
        Return every conflict that was refused, also where the error was swallowed.

        Those are left out whose older class has lost its mapper since, as by
        ``dispose()``: nothing is twice then.
        """
        return {
            key: conflict
            for key, (older, conflict) in self._refused.copy().items()
            if is_in_use(older())
        }

    def note(self, cls: type | None) -> None:
        """Note where *cls* is being defined; to be asked while it is."""
        defined = None if cls is None else definition_of(cls)
        if cls is not None and defined is not None:
            self.definitions[cls] = defined

    def judge(self, old: type, new: type | None, classes: Iterable[type]) -> None:
        """Raise, warn or do nothing about *new*, as the kind of its conflict asks."""
        conflict = self.conflict(old, new, classes, is_late=self._is_late)
        reaction = self.rules.reaction(conflict, old, new)
        if reaction == "refuse":
            self._refused[conflict.key] = weakref.ref(old), conflict
            raise conflict.error()
        if reaction == "warn":
            _warn(conflict)

    def conflict(
        self,
        old: type,
        new: type | None,
        classes: Iterable[type],
        *,
        is_late: bool = False,
    ) -> Conflict:
        """Return the conflict of two classes; *classes* may look their name up."""
        return conflict_between(
            old,
            new,
            base=base_of(new or old),
            lookups=lookups_of(old.__name__, classes),
            definitions=(
                self.definitions.get(old),
                None if new is None else self.definitions.get(new),
            ),
            guard=self.guard,
            is_late=is_late,
        )


def _warn(conflict: Conflict) -> None:
    """Warn at the line that defines the newer class."""
    place = conflict.places[-1]
    warnings.warn_explicit(
        str(conflict),
        DuplicateModelWarning,
        filename=place.file or place.where,
        lineno=place.line or 1,
        module=place.module,
    )
