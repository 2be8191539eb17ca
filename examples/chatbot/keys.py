"""Where is the signing key? Drawn at the first start, and kept beside the database."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from resilient_auth import Key, KeyRing

_FILE = "signing-key"
_BYTES = 32


def load_ring(folder: Path) -> KeyRing:
    """
    Return the ring of the key in *folder*, made there if it is missing (mode 0600).

    Because the key outlives the process, so do the sessions that it signed. Raises
    `ConfigError` for a file that was damaged.
    """
    path = folder / _FILE
    if not path.exists():
        _draw(path)
    return KeyRing([Key.from_secret(path.read_bytes())])


def _draw(path: Path) -> None:
    """Write a new key whole or not at all; of two that start at once, one wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{_FILE}.{secrets.token_hex(4)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as out:
        out.write(secrets.token_bytes(_BYTES))
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
