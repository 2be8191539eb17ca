"""The walls of the house: imports point down, and each driver has one file."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import resilient_auth

ROOT = Path(__file__).parent.parent
PACKAGE = Path(resilient_auth.__file__).parent


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the copy of the package in *folder*."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as c; c()",
    ]
    return subprocess.run(
        [*command, "--config", str(ROOT / "pyproject.toml"), "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with a copy of the package, to plant imports in."""
    shutil.copytree(
        PACKAGE,
        tmp_path / "resilient_auth",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return tmp_path


def test_the_contracts_hold(copy: Path) -> None:
    """As the package stands, no wall is broken."""
    done = lint(copy)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "planted"),
    [
        pytest.param("core/refresh.py", "import starlette", id="framework-in-core"),
        pytest.param("core/refresh.py", "import time", id="clock-in-core"),
        pytest.param(
            "auth/tokens.py", "import sqlalchemy", id="driver-outside-its-file"
        ),
        pytest.param(
            "stores/memory.py",
            "from resilient_auth.web import wire",
            id="import-upwards",
        ),
        pytest.param("web/wire.py", "import starlette", id="framework-beside-its-file"),
    ],
)
def test_a_planted_import_breaks_a_contract(
    copy: Path, module: str, planted: str
) -> None:
    """The contracts can fail."""
    target = copy / "resilient_auth" / module
    target.write_text(target.read_text("utf-8") + f"\n{planted}\n", "utf-8")
    done = lint(copy)

    assert done.returncode == 1
    assert "BROKEN" in done.stdout


def test_only_the_clock_reads_the_clock() -> None:
    """A second caller of time.time() would not stand still in a test."""
    called = re.compile(r"\btime\.(time|monotonic)\(\)|datetime\.(now|utcnow)\(")
    callers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if called.search(path.read_text("utf-8"))
    }

    assert callers == {"clock.py"}


def test_no_base_http_middleware() -> None:
    """It costs fourteen bare requests and leaks connections on cancellation."""
    users = [
        p for p in PACKAGE.rglob("*.py") if "BaseHTTPMiddleware" in p.read_text("utf-8")
    ]

    assert users == []
