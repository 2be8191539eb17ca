"""What did a check of health find? A value, made by whoever looks."""

from dataclasses import dataclass
from typing import Literal

from resilient_auth.errors import ConfigError

Status = Literal["pass", "warn", "fail"]

#: Each status, and how bad it is.
BADNESS: dict[Status, int] = {"pass": 0, "warn": 1, "fail": 2}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found; *reason* is for the listeners, never for the public."""

    status: Status
    reason: str = ""

    def __post_init__(self) -> None:
        if self.status not in tuple(BADNESS):
            raise ConfigError(f"status is one of {', '.join(BADNESS)}.")
