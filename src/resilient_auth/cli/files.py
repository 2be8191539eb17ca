"""How is a file with secrets read and written? By its owner alone, and whole."""

import os
import stat
from collections.abc import Callable
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


def rewrite(path: Path, compose: Callable[[], str]) -> str:
    """
    Write what *compose* returns to *path*, mode 0600, and return it.

    *compose* is called once no other command can write, so what it reads is what is
    replaced: a second writer is refused, since it would undo what the first one did.
    If it raises, or the disk is full, the file stays as it was. A link stays a link.
    Raises `ConfigError`.
    """
    real = Path(os.path.realpath(path))
    beside = real.with_name(f"{real.name}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(
            f"{beside} exists: another command is writing, or one was cut off. If none "
            "is running, delete it."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}.") from None
    try:
        text = compose()
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(text.encode("utf-8"))
        os.fsync(descriptor)
        beside.replace(real)
    except BaseException as error:
        beside.unlink(missing_ok=True)  # it may hold secrets
        if isinstance(error, OSError):
            raise ConfigError(f"{path}: {error.strerror}.") from None
        raise
    finally:
        os.close(descriptor)
    return text


def is_open_to_others(path: Path) -> bool:
    """Say whether anybody but the owner may read or change *path*."""
    return bool(path.stat().st_mode & _OTHERS)
