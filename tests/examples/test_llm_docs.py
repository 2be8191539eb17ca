"""What the pages about language models list is what exists."""

import re
from pathlib import Path

from resilient_auth.resilience.verdict import KINDS
from resilient_auth.testing import CATALOGUE

HOW_TO = Path(__file__).parent.parent.parent / "docs" / "how-to"


def rows(page: str, pattern: str) -> list[tuple[str, ...]]:
    """Return the groups of the lines of *page* that are *pattern*."""
    text = (HOW_TO / page).read_text("utf-8")
    return re.findall(rf"^{pattern}$", text, re.MULTILINE)


def test_every_fault_is_in_the_table() -> None:
    """Who writes a test looks the name up here."""
    listed = rows("testing-llm.md", r"\| (\d+) \| `(\w+)` \| (.+) \|")
    by_row = sorted(CATALOGUE.values(), key=lambda fault: fault.row)

    assert [(str(each.row), each.name, each.what) for each in by_row] == listed


def test_every_kind_of_failure_is_in_the_table() -> None:
    """With what retry, circuit and ladder do about it."""
    marks = r"(yes|once|no) \| (yes|no) \| (yes|no) \|"
    listed = rows("f6-llm-outage.md", rf"\| `(\w+)` \| .+ \| {marks}")
    said = {True: "yes", False: "no"}
    expected = {
        (
            kind,
            "once" if verdict.once else said[verdict.retry],
            said[verdict.trips],
            said[verdict.fallback],
        )
        for kind, verdict in KINDS.items()
    }

    assert expected == set(listed)
    assert len(KINDS) == len(listed)
