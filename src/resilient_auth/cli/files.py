"""How is a file with secrets read and written? By its owner alone, and whole."""

import os
import stat
from pathlib import Path

from resilient_auth.errors import ConfigError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_secret_file(path: Path) -> str:
    """Return the text of *path*; `ConfigError` with the reason if that fails."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8.") from None


def write_secret_file(path: Path, text: str, *, replace: bool) -> None:
    """
    Write *text* to *path* with mode 0600; a crash leaves the old file or the new one.

    Two writers at once are refused, since the second would undo what the first did.
    Raises `ConfigError` if the file is there and *replace* was not said.
    """
    if path.exists() and not replace:
        raise ConfigError(
            f"{path} exists; --force replaces it, and logs everybody out."
        )
    beside = path.with_name(f"{path.name}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except FileExistsError:
        raise ConfigError(
            f"{beside} exists: another command is writing, or one was cut off. If none "
            "runs, remove that file."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}.") from None


def is_open_to_others(path: Path) -> bool:
    """Say whether anybody but the owner may read or change *path*."""
    return bool(path.stat().st_mode & _OTHERS)
