"""The source of everything that is installed here: no false alarm, and a true one."""

import sysconfig
from pathlib import Path

from tests.orm.trees import BASE, MAIN, TWICE, write

from resilient_auth import check_source
from resilient_auth.orm.tree import Tree

SITE = Path(sysconfig.get_path("purelib"))
READ = ("sqlalchemy", "sqlmodel", "flask_sqlalchemy", "fastapi", "pydantic")


def test_what_is_installed_gives_no_false_alarm(tmp_path: Path) -> None:
    """Beside thousands of files, two that are in conflict are found, and no others."""
    write(BASE + TWICE + MAIN, tmp_path)
    report = check_source([SITE, tmp_path])
    files = Tree([str(SITE)]).files

    assert [f"{tmp_path / 'two.py'}"] == [each.file for each in report.errors]
    assert 5_000 < len(files)
    for package in READ:
        assert any(each.startswith(f"{SITE / package}/") for each in files)
