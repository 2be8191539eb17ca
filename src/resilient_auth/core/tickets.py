"""What opens a socket that can send no header? A ticket: one use, 30 s, bound."""

from collections.abc import Mapping

from resilient_auth.core.seals import Sealed, refuse_seal
from resilient_auth.core.text import is_identifier

PURPOSE = "ticket"
MAX_AGE = 30


def ticket_value(session_id: str, purpose: str, bound_to: str) -> Mapping[str, str]:
    """Return what a ticket says; `TypeError` or `ValueError` for what it cannot."""
    if not is_identifier(purpose):
        raise ValueError("purpose is 1 to 256 plain characters.")
    if not isinstance(bound_to, str):
        raise TypeError("bound_to is text, such as a path or an Origin.")
    return {"sid": session_id, "for": purpose, "to": bound_to}


def session_of(ticket: Sealed, purpose: str, bound_to: str) -> str:
    """Return the session of *ticket*; `Refused` if it was made for something else."""
    session_id = ticket.value.get("sid")
    if not isinstance(session_id, str):
        refuse_seal("ticket: no session")
    if ticket.value.get("for") != purpose:
        refuse_seal("ticket: made for another purpose")
    if ticket.value.get("to") != bound_to:
        refuse_seal("ticket: bound to something else")
    return session_id
