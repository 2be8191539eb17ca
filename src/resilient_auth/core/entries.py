"""Which keys are in a ring, and in which state? Entries that can stand together."""

from collections.abc import Iterable
from dataclasses import dataclass

from resilient_auth.core.keys import Key
from resilient_auth.errors import ConfigError

ANNOUNCED, SIGNING, VERIFY_ONLY = "announced", "signing", "verify_only"
STATES = (ANNOUNCED, SIGNING, VERIFY_ONLY)
_END = 100_000_000_000  # the year 5138: a larger number is of milliseconds


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a ring and its state; *since* is Unix seconds, or None: not known."""

    key: Key
    state: str
    since: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.key, Key) or self.state not in STATES:
            raise ConfigError(f"An entry is a Key and one of {', '.join(STATES)}.")
        if self.since is not None:
            check_date(self.since, "since")


def as_entries(given: Iterable[Key] | Iterable[Entry]) -> tuple[Entry, ...]:
    """Return plain keys with their states, the last signing; entries as they are."""
    if isinstance(given, Key):
        raise ConfigError("A KeyRing takes a list of keys, [key], not one key.")
    try:
        ring: list[Key | Entry] = list(given)
    except TypeError:
        raise ConfigError("A KeyRing takes a list of keys.") from None
    if not ring:
        raise ConfigError("A key ring needs at least one key.")
    keys = [each for each in ring if isinstance(each, Key)]
    if len(keys) == len(ring):
        older = (Entry(key, VERIFY_ONLY) for key in keys[:-1])
        return (*older, Entry(keys[-1], SIGNING))
    entries = tuple(each for each in ring if isinstance(each, Entry))
    if len(entries) != len(ring):
        raise ConfigError("A KeyRing takes keys alone, or entries alone.")
    return entries


def signing_key(entries: tuple[Entry, ...]) -> Key:
    """Return the key that signs, or raise `ConfigError` unless there is just one."""
    found = [entry.key for entry in entries if entry.state == SIGNING]
    if len(found) != 1:
        raise ConfigError("Exactly one key of a ring is signing.")
    return found[0]


def check_date(at: object, name: str) -> None:
    """Raise `ConfigError` unless *at* is a date in Unix seconds."""
    if type(at) is not int or not 0 <= at < _END:
        raise ConfigError(f"{name} is a whole number of Unix seconds.")
