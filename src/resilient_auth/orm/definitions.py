"""
Which line, of which run of its module, defines a class?

Read from the stack while the class is being defined, since the class itself does not
say it before Python 3.13, and a source file says only where its last namesake stands. A
run is known by the code object of the module: each import, reload or notebook cell
compiles or loads a new one, so the same object is the same run. It is kept, and with it
no class and no module, so that `check_models` can tell later what was let in.
"""

import sys
from dataclasses import dataclass
from types import CodeType, FrameType

from resilient_auth.orm.places import real_file


@dataclass(frozen=True, slots=True)
class Definition:
    """
    Where a class statement, or a call that makes a class, is being executed.

    *file* is the real path of its module's file, None for a module without one. Two
    files loaded under one module name are told apart by nothing else.
    """

    line: int
    run: CodeType
    file: str | None = None

    def is_beside(self, other: "Definition | None") -> bool:
        """Say whether both lines belong to one run of one module: nothing reloaded."""
        return other is not None and self.line != other.line and self.run is other.run


def definition_of(cls: type) -> Definition | None:
    """Return the line that defines *cls* now, None if no frame on the stack does."""
    outer = cls.__qualname__.rpartition(".")[0]
    scope = outer.removesuffix(".<locals>") or "<module>"
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way in
    while frame is not None:
        if (
            frame.f_globals.get("__name__") == cls.__module__
            and frame.f_code.co_qualname == scope
        ):
            return Definition(frame.f_lineno, frame.f_code, real_file(frame.f_globals))
        frame = frame.f_back
    return None
