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


@dataclass(frozen=True, slots=True)
class Definition:
    """Where a class statement, or a call that makes a class, is being executed."""

    line: int
    run: CodeType

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
            return Definition(frame.f_lineno, frame.f_code)
        frame = frame.f_back
    return None
