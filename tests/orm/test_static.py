"""F3 in source: what is told without running it is what a run would tell, or less."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.orm.trees import ONLY_READ, TREES, write

from resilient_auth import ModelReport, check_source

#: Runs main.py, and asks every registry that has come to be.
RUN = """
import gc, json, sys, warnings
sys.path.insert(0, ".")
from sqlalchemy.orm import registry
from resilient_auth import DuplicateModelWarning, check_models
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import main
found = {
    ("duplicate_model", str(each.message))
    for each in caught
    if issubclass(each.category, DuplicateModelWarning)
}
for each in [each for each in gc.get_objects() if isinstance(each, registry)]:
    report = check_models(each)
    for finding in (*report.errors, *report.warnings):
        if finding.code in ("duplicate_model", "double_import"):
            found.add((finding.code, finding.text))
print(json.dumps(sorted(found)))
"""


def words(code: str, text: str) -> str:
    """Return the kind of a conflict, or the code of what is none."""
    kind = re.search(r"\((pasted|duplicate|subclass shadow|double import)\):", text)
    return "double_import" if "double import" in text or kind is None else kind[1]


def told(report: ModelReport) -> list[str]:
    """Return the kinds and codes in *report*, allowed ones not among them."""
    return sorted(
        words(each.code, each.text) if each.code == "duplicate_model" else each.code
        for each in (*report.errors, *report.warnings)
    )


def places(text: str) -> set[str]:
    """Return the lines of a conflict that name classes, and its cure."""
    return set(re.findall(r"\d\. (.*\.py:\d+)|(Fix: .*)", text))


READ = TREES | ONLY_READ


@pytest.mark.parametrize(("tree", "expected"), READ.values(), ids=READ)
def test_the_source_tells(tree: str, expected: list[str], tmp_path: Path) -> None:
    """The cases of the reference list that can be read."""
    write(tree, tmp_path)

    assert sorted(expected) == told(check_source([tmp_path]))


@pytest.mark.parametrize(("tree", "expected"), TREES.values(), ids=TREES)
def test_a_run_tells_the_same(tree: str, expected: list[str], tmp_path: Path) -> None:
    """Both checks of one program agree on kinds, places and cures."""
    write(tree, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "" == done.stderr
    ran = json.loads(done.stdout)
    report = check_source([tmp_path])
    source = (*report.errors, *report.warnings)
    conflicts = [each for each in source if each.code == "duplicate_model"]

    assert [each for each in expected if each != "extend_existing"] == sorted(
        {words(*each) for each in ran}
    )
    if conflicts:
        assert {frozenset(places(each.text)) for each in conflicts} == {
            frozenset(places(text)) for _, text in ran
        }
