"""
Which mappers cannot be configured? All of them, not only the first.

SQLAlchemy stops at the first mapper that fails. The documented event
``before_mapper_configured`` may ask it to skip a mapper, so we run again without the
ones that failed until nothing fails any more. Nothing is repaired: a failure stays, and
every later query of the registry raises it again.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from sqlalchemy import event
from sqlalchemy.orm import EXT_SKIP, Mapper, registry

#: A class, None when no single one is to blame, and why it cannot be configured.
Failure: TypeAlias = tuple[type | None, Exception]


def configure_all(owner: registry) -> Sequence[Failure]:
    """Configure the mappers of *owner* and those it depends on; return what failed."""
    failed: dict[Mapper[Any] | None, Exception] = {}
    current: Mapper[Any] | None = None

    def skip_failed(mapper: Mapper[Any], _: type) -> object:
        nonlocal current
        current = mapper
        return EXT_SKIP if mapper in failed else None

    event.listen(Mapper, "before_mapper_configured", skip_failed, retval=True)
    try:
        while None not in failed:
            current = None
            try:
                owner.configure(cascade=True)
            except Exception as error:  # noqa: BLE001 - reported, all of them
                failed[None if current in failed else current] = error
            else:
                break
    finally:
        event.remove(Mapper, "before_mapper_configured", skip_failed)
    return [
        (None if mapper is None else mapper.class_, error)
        for mapper, error in failed.items()
    ]
