"""Why was a request refused? The id in its problem body leads to the log."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import IO, Any

import click

from resilient_auth.cli.endings import told
from resilient_auth.errors import PROBLEMS, ConfigError

_ID = re.compile(r"[0-9a-f]{16}")
#: What the page of a client does next; `docs/how-to/f1-unexplained-401.md` says more.
_NEXT = {
    "refresh": "the client refreshes, and repeats the request once",
    "login": "the user logs in again",
    "csrf": "the client asks /session for a new csrf value, and repeats once",
    "retry": "the client repeats it after retry_after seconds",
    "wait": "the client repeats it after retry_after seconds",
    "step_up": "the user proves again who they are",
    "give_up": "nothing: a repetition will not help",
}
_SHOWN_FIRST = ("event", "method", "path", "status", "code", "reason", "error")
_NEVER_SHOWN = ("at", "request_id", "action")


@click.command()
@click.argument("request_id")
@click.option(
    "--log",
    "log",
    type=click.File(encoding="utf-8", errors="replace"),
    default="-",
    help="The log, with one JSON object a line; standard input if left out.",
)
@told
def explain(request_id: str, log: IO[str]) -> None:
    """
    Say why the request REQUEST_ID was refused, as the events in the log tell.

    The id stands in the problem body and in the header X-Request-ID. A line may have
    anything before its JSON object. The status is 1 if no line has the id.
    """
    if not _ID.fullmatch(request_id):
        raise ConfigError("A request id is 16 of 0-9 and a-f, as in a problem body.")
    found = list(_events(log, request_id))
    if not found:
        click.echo(f"No line of the log has the request id {request_id}.", err=True)
        raise SystemExit(1)
    for line in _explained(found):
        click.echo("".join(c if c.isprintable() else "�" for c in line))


def _events(log: Iterable[str], request_id: str) -> Iterator[Mapping[str, Any]]:
    """Yield the events of the request, whatever else stands in the log."""
    for line in log:
        if request_id not in line:
            continue
        try:
            said = json.loads(line[max(line.find("{"), 0) :])
        except (ValueError, RecursionError):
            continue
        if isinstance(said, dict) and said.get("request_id") == request_id:
            yield said


def _explained(found: list[Mapping[str, Any]]) -> Iterator[str]:
    for event in found:
        first = [str(event[each]) for each in _SHOWN_FIRST if event.get(each)]
        rest = [
            f"{name}={value}"
            for name, value in event.items()
            if value and name not in _SHOWN_FIRST + _NEVER_SHOWN
        ]
        yield "  ".join([_time(event.get("at")), *first, *rest])
    said = [str(each.get("code")) for each in found]
    codes = [code for code in said if code in PROBLEMS]
    if codes:
        row = PROBLEMS[codes[-1]]
        action = str(found[-1].get("action") or row.action)
        yield f"The client read: {row.status} {codes[-1]}, {row.title}"
        yield f"Its next step: {action}: {_NEXT.get(action, 'unknown')}."


def _time(at: object) -> str:
    try:
        moment = datetime.fromtimestamp(float(at), UTC)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        return "at an unknown time"
    return moment.isoformat(timespec="milliseconds")
