"""A ticket says three things, in words that another process of ours reads."""

from typing import Any

import pytest

from resilient_auth import Refused
from resilient_auth.core.seals import Sealed
from resilient_auth.core.tickets import session_of, ticket_value

SAID = {"sid": "s1", "for": "chat", "to": "/chat/7"}


def sealed(**changes: Any) -> Sealed:
    """Return a ticket that was opened, with *changes*."""
    return Sealed(value=SAID | changes, token_id="t", expires_at=0)


def test_the_words_of_a_ticket_stay() -> None:
    """During a deployment one release makes the ticket and another one reads it."""
    assert SAID == ticket_value("s1", "chat", "/chat/7")
    assert "s1" == session_of(sealed(), "chat", "/chat/7")


@pytest.mark.parametrize(
    ("purpose", "bound_to", "expected"),
    [
        ("", "", ValueError("purpose is 1 to 256 plain characters.")),
        (None, "", ValueError("purpose is 1 to 256 plain characters.")),
        ("chat", None, TypeError("bound_to is text, such as a path or an Origin.")),
    ],
)
def test_what_no_ticket_can_say(
    purpose: Any, bound_to: Any, expected: Exception
) -> None:
    """The developer's mistake, told when the ticket is made."""
    with pytest.raises(type(expected)) as caught:
        ticket_value("s1", purpose, bound_to)

    assert str(expected) == str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sid": None}, "ticket: no session"),
        ({"for": "export"}, "ticket: made for another purpose"),
        ({"to": "/chat/8"}, "ticket: bound to something else"),
    ],
)
def test_a_ticket_for_something_else_is_refused(
    changes: dict[str, Any], reason: str
) -> None:
    """The log says for what; the public only that it does not hold."""
    with pytest.raises(Refused) as caught:
        session_of(sealed(**changes), "chat", "/chat/7")

    assert ("token_invalid", reason) == (caught.value.code, caught.value.reason)
