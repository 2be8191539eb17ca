"""The application that refuses to start, and what its source says before."""

import subprocess
import sys
from pathlib import Path

from resilient_auth import check_source

FOLDER = Path(__file__).parent.parent.parent / "examples/duplicate_models"
BOTH = [f"{FOLDER / 'imported.py'}:7", f"{FOLDER / 'models.py'}:11"]


def test_the_server_says_why_and_ends() -> None:
    """Nobody is served a 500 that speaks of another model."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "uvicorn",
            "--port=0",
            "examples.duplicate_models.app:app",
        ],
        cwd=FOLDER.parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert 3 == done.returncode
    assert all(each in done.stderr for each in BOTH)
    assert "Message.user looks up 'User', and 2 classes are called so" in done.stderr
    assert "Application startup failed" in done.stderr


def test_the_source_says_it_too() -> None:
    """Before anything is started."""
    (finding,) = check_source([FOLDER]).errors

    assert "duplicate_model" == finding.code
    assert all(each in finding.text for each in BOTH)
