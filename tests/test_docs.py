"""What the reference lists is what exists."""

import inspect
import re
from pathlib import Path

import pytest

from resilient_auth import errors, events

DOCS = Path(__file__).parent.parent / "docs"


def rows(page: str) -> dict[str, str]:
    """Return the tables of *page*: the first cell of each row → the rest of it."""
    text = (DOCS / "reference" / page).read_text("utf-8")
    return dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE))


def test_every_code_is_documented_with_its_status_and_action() -> None:
    """A client's developer looks codes up here."""
    listed = {code: row.split(" | ") for code, row in rows("errors.md").items()}
    expected = {
        code: [str(problem.status), problem.action]
        for code, problem in errors.PROBLEMS.items()
    }
    shown = {code: [row[0], row[1].partition(",")[0]] for code, row in listed.items()}

    assert expected == shown


def test_every_event_is_documented() -> None:
    """An event that nobody knows is never listened to."""
    kinds = {
        name
        for name, kind in inspect.getmembers(events, inspect.isclass)
        if issubclass(kind, events.Event) and kind is not events.Event
    }

    assert kinds == set(rows("events.md"))


@pytest.mark.parametrize("number", range(1, 11))
def test_every_failure_has_its_page(number: int) -> None:
    """Each row of the mission has a how-to."""
    assert len(list((DOCS / "how-to").glob(f"f{number}-*.md"))) == 1
