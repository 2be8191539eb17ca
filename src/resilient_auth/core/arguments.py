"""
Is this what the constructor asked for? Told where it is given, with the way out.

A value that is wrong in its kind is named by its kind alone: it may be a secret.
"""

import inspect
import math
from collections.abc import Iterable
from types import UnionType
from typing import Any

from resilient_auth.errors import ConfigError
from resilient_auth.events import Listener


def instance(name: str, value: object, kind: type | UnionType) -> None:
    """Refuse what is not a *kind*."""
    if not isinstance(value, kind):
        wanted = kind.__name__ if isinstance(kind, type) else str(kind)
        raise ConfigError(f"{name} takes {wanted}, not {described(value)}.")


def methods(name: str, value: object, *verbs: str) -> None:
    """Refuse what lacks one of the methods *verbs*, or is the class itself."""
    if isinstance(value, type):
        raise ConfigError(
            f"{name} takes an object, not {described(value)}: {value.__name__}(…)."
        )
    missing = [each for each in verbs if not callable(getattr(value, each, None))]
    if missing:
        raise ConfigError(
            f"{name} takes an object with {', '.join(verbs)}; {described(value)} lacks "
            f"{', '.join(missing)}."
        )


def listeners_of(value: object) -> tuple[Listener, ...]:
    """Return the listeners in *value*: plain callables that take one event."""
    found = several("listeners", value)
    for each in found:
        if isinstance(each, type) or not callable(each):
            raise ConfigError(f"A listener is a callable, not {described(each)}.")
        if is_awaited(each):
            raise ConfigError("A listener is called, not awaited: make it a plain def.")
    return found


def is_awaited(function: object) -> bool:
    """Say whether what *function* returns has to be awaited."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object with async __call__
    )


def several(name: str, value: object) -> tuple[Any, ...]:
    """Return what is in *value*; refuse one text, which would be its letters."""
    if isinstance(value, str | bytes):
        raise ConfigError(f"{name} takes a list, not one string: {name}=[…].")
    if not isinstance(value, Iterable):
        raise ConfigError(f"{name} takes a list, not {described(value)}.")
    return tuple(value)


def text(name: str, value: str) -> None:
    """Refuse what is not a text of at least one character."""
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{name} is a text with at least one character.")


def flag(name: str, value: bool) -> None:  # noqa: FBT001 - it is what is checked
    """Refuse what is not True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is True or False, not {described(value)}.")


def number(name: str, value: float) -> None:
    """Refuse what is not a finite number of at least 0."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or value < 0
    ):
        raise ConfigError(
            f"{name} is a finite number of at least 0, not {_told(value)}."
        )


def seconds(name: str, value: float) -> None:
    """Refuse what is not a finite number above 0."""
    number(name, value)
    if value == 0:
        raise ConfigError(f"{name} is above 0 seconds; None or leaving it out is off.")


def share(name: str, value: float) -> None:
    """Refuse what is not in (0, 1]."""
    number(name, value)
    if not 0 < value <= 1:
        raise ConfigError(f"{name} is a share above 0 and at most 1, not {value!r}.")


def count(name: str, value: int, *, least: int = 1) -> None:
    """Refuse what is not a whole number of at least *least*."""
    if type(value) is not int or value < least:
        raise ConfigError(f"{name} is a whole number from {least}, not {_told(value)}.")


def described(value: object) -> str:
    """Return what *value* is, without a word of its content."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"an object of type {type(value).__name__}"


def _told(value: object) -> str:
    """Return a number as it is, and what is none as `described`."""
    return repr(value) if type(value) in {int, float} else described(value)
