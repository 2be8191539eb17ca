"""The lowest SQLAlchemy that is supported passes the tests of the newest."""

import os
import subprocess
import sys

import pytest
from tests.orm.reference.servers import ROOT
from tests.orm.test_reference_cases import floor, lowest

#: What a store, a guard and a transaction promise; not how it is raced and killed.
TESTS = (
    "tests/stores/test_contract.py",
    "tests/stores/test_schema.py",
    "tests/orm/test_check.py",
    "tests/orm/test_deferred.py",
    "tests/orm/test_guard.py",
    "tests/orm/test_observer.py",
    "tests/orm/test_packages.py",
    "tests/orm/test_races.py",
    "tests/orm/test_startup.py",
    "tests/orm/test_transactions.py",
)
VERSION = "import sqlalchemy; print(sqlalchemy.__version__)"


@pytest.mark.timeout(300)
def test_the_lowest_version_passes_the_same_tests() -> None:
    """In a process of its own, with that version first on the path."""
    environment = os.environ | {"PYTHONPATH": str(lowest())}
    version = subprocess.check_output(
        [sys.executable, "-c", VERSION], env=environment, text=True
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-k", "not Memory and not Redis", *TESTS),
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert floor() == version.strip()
    assert 0 == done.returncode, done.stdout[-4000:]
    assert " passed" in done.stdout
