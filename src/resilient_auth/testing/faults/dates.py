"""When is it, in a provider's words? Dates for headers and for sentences."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

from resilient_auth.testing.faults.bodies import Said


def http_date(now: float) -> str:
    """
    Return Unix seconds as the date of a header (RFC 9110 §5.6.7).

    >>> http_date(1_800_000_000.9)
    'Fri, 15 Jan 2027 08:00:00 GMT'
    """
    return formatdate(now, usegmt=True)


def next_month(said: Said, now: float) -> Said:
    """
    Return *said* with the first day of the month after *now* for ``{day}``.

    >>> next_month(Said(400, "x", "back on {day}"), 1_800_000_000).message
    'back on 2027-02-01'
    """
    today = datetime.fromtimestamp(now, UTC)
    day = (today.replace(day=1) + timedelta(days=31)).replace(day=1)
    return replace(said, message=said.message.replace("{day}", f"{day:%Y-%m-%d}"))
