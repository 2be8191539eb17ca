"""What may be set from outside? Everything the demo reads from its environment."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from resilient_auth import ConfigError, check_api_key

N = TypeVar("N", int, float)

_DRIVERS = ("sqlite+aiosqlite", "postgresql+asyncpg")
DEMO_USER = "demo"
DEMO_PASSWORD = "correct horse battery"  # noqa: S105 - printed for whoever tries it


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    The demo's settings.

    *port* 0 lets the kernel choose; *pace* is the seconds in which the toy model speaks
    a word; without *openai_api_key* the toy model answers. Raises `ValueError` with the
    name of the variable that cannot be read.
    """

    port: int
    data: Path
    database_url: str
    openai_api_key: str
    openai_models: tuple[str, ...]
    pace: float

    def __post_init__(self) -> None:
        if len(set(self.openai_models)) < len(self.openai_models):
            raise ValueError("DEMO_MODEL and DEMO_SECOND_MODEL are two models.")
        if self.openai_api_key:
            try:
                check_api_key(self.openai_api_key, "openai")
            except ConfigError as error:
                raise ValueError(f"OPENAI_API_KEY: {error}") from None
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"PORT is 0 to 65535, not {self.port}.")
        if not (math.isfinite(self.pace) and self.pace >= 0):
            raise ValueError(f"DEMO_PACE is seconds from 0, not {self.pace}.")
        try:
            driver = make_url(self.database_url).drivername
        except (ArgumentError, ValueError):  # the second for a port that is no number
            raise ValueError("DEMO_DATABASE_URL is not a database's URL.") from None
        if driver not in _DRIVERS:
            raise ValueError(
                "DEMO_DATABASE_URL is sqlite+aiosqlite:///… or postgresql+asyncpg://…, "
                f"not {driver}."
            )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read *environ*; what is missing or empty has a default."""
        here = Path(__file__).parent
        data = Path(environ.get("DEMO_DATA") or here / "var").absolute()
        return cls(
            port=_number(environ, "PORT", int, 8000),
            data=data,
            database_url=environ.get("DEMO_DATABASE_URL")
            or f"sqlite+aiosqlite:///{data / 'chatbot.db'}",
            openai_api_key=environ.get("OPENAI_API_KEY", ""),
            openai_models=(
                environ.get("DEMO_MODEL") or "gpt-4o-mini",
                environ.get("DEMO_SECOND_MODEL") or "gpt-4.1-nano",
            ),
            pace=_number(environ, "DEMO_PACE", float, 0.03),
        )


def _number(
    environ: Mapping[str, str], name: str, kind: Callable[[str], N], default: N
) -> N:
    said = environ.get(name)
    try:
        return kind(said) if said else default
    except ValueError:
        raise ValueError(f"{name} is a number, not {said!r}.") from None
