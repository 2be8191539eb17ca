"""
Which mappers cannot be configured? All of them, not only the first.

SQLAlchemy stops at the first mapper that fails. The documented event
``before_mapper_configured`` may ask it to skip a mapper, so we run again without the
ones that failed until nothing fails any more. Nothing is repaired: a failure stays, and
every later query of the registry raises it again.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from sqlalchemy import event
from sqlalchemy.orm import EXT_SKIP, Mapper, registry

#: A class, None when no single one is to blame, and why it cannot be configured.
Failure: TypeAlias = tuple[type | None, Exception]

_DISTURBED = "changed size during iteration"
#: Whoever disturbs a hundred times in a row is no other thread.
_ATTEMPTS = 100


def configure_all(owners: Iterable[registry]) -> Sequence[Failure]:
    """Configure the mappers of *owners* and of what they need; return what failed."""
    attempts = _Attempts()
    others: list[Failure] = []
    event.listen(Mapper, "before_mapper_configured", attempts.pass_over, retval=True)
    try:
        for owner in owners:
            others += attempts.exhaust(owner)
    finally:
        event.remove(Mapper, "before_mapper_configured", attempts.pass_over)
    failed = [(mapper.class_, error) for mapper, error in attempts.failed.items()]
    return [*failed, *others]


class _Attempts:
    """Notes which mapper is being configured, and passes over those that failed."""

    def __init__(self) -> None:
        self.failed: dict[Mapper[Any], Exception] = {}
        self._current: Mapper[Any] | None = None

    def pass_over(self, mapper: Mapper[Any], _: type) -> object:
        """Answer the event: skip *mapper* if it failed before."""
        self._current = mapper
        return EXT_SKIP if mapper in self.failed else None

    def exhaust(self, owner: registry) -> Sequence[Failure]:
        """Note every mapper that fails; return what no mapper is to blame for."""
        while (error := self._error(owner)) is not None:
            if self._current is None or self._current in self.failed:
                return [(None, error)]
            self.failed[self._current] = error
        return []

    def _error(self, owner: registry) -> Exception | None:
        """Return why *owner* cannot be configured, None where it is."""
        error: Exception | None = None
        for _ in range(_ATTEMPTS):
            error = self._configure(owner)
            if not _is_disturbed(error):
                break
        return error

    def _configure(self, owner: registry) -> Exception | None:
        """Try once, and return what was raised."""
        self._current = None
        try:
            owner.configure(cascade=True)
        except Exception as error:  # noqa: BLE001 - reported, all of them
            return error
        return None


def _is_disturbed(error: Exception | None) -> bool:
    """
    Say whether another thread defined a class just then.

    SQLAlchemy goes over the classes of a registry in Python, and Python ends that with
    an error where one is added. No mapper has failed.
    """
    return isinstance(error, RuntimeError) and _DISTURBED in str(error)
