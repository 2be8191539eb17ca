"""A file of secrets: whole, for its owner alone, and one writer at a time."""

import errno
import os
import stat
from pathlib import Path

import pytest

from resilient_auth.cli.files import read_secret_file, rewrite
from resilient_auth.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file that holds ``old``."""
    path = tmp_path / "keys.json"
    path.write_text("old")
    return path


def alone(path: Path) -> bool:
    """Say whether nothing lies beside *path*."""
    return [path] == list(path.parent.iterdir())


def test_what_is_written_is_the_owners_alone(file: Path) -> None:
    """The file before may have been open to all."""
    file.chmod(0o644)
    said = rewrite(file, lambda: "new")

    assert "new" == said == file.read_text()
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    assert alone(file)


def test_what_is_read_inside_is_what_is_replaced(file: Path) -> None:
    """Read before, it could be older than what another command has written since."""

    def late() -> str:
        with pytest.raises(ConfigError, match="another command is writing"):
            rewrite(file, lambda: "of the other")
        return f"{read_secret_file(file)} and new"

    rewrite(file, late)

    assert "old and new" == file.read_text()
    assert alone(file)


@pytest.mark.parametrize("error", [ConfigError("too early"), KeyboardInterrupt()])
def test_what_raises_leaves_the_old_file(file: Path, error: BaseException) -> None:
    """A step that is refused, or Ctrl-C; and the next writer is let in."""

    def refused() -> str:
        raise error

    with pytest.raises(type(error)):
        rewrite(file, refused)

    assert "old" == file.read_text()
    assert alone(file)


def test_a_full_disk_leaves_the_old_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a key file beside would be secrets that nobody looks after."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match=r"keys\.json: No space left on device\."):
        rewrite(file, lambda: "new")

    assert "old" == file.read_text()
    assert alone(file)


def test_a_link_stays_a_link(file: Path) -> None:
    """A deployment may point the name at a file elsewhere; that one is the file."""
    link = file.with_name("current.json")
    link.symlink_to(file)
    rewrite(link, lambda: "new")

    assert link.is_symlink()
    assert "new" == file.read_text()
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)


def test_a_link_to_itself_is_one_line(file: Path) -> None:
    """An operator's slip, not a traceback."""
    link = file.with_name("loop.json")
    link.symlink_to(link)
    with pytest.raises(ConfigError, match="Too many levels of symbolic links"):
        rewrite(link, lambda: read_secret_file(link))

    assert link.is_symlink()
