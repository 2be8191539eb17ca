"""
What happened, in plain English? A listener that keeps the last few hundred events.

It is the demo's own window: whoever is logged in sees what happened to everybody. An
event of the library holds no secret, and neither does a line of this feed.
"""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import count

from examples.chatbot.excuses import why

from resilient_auth import events
from resilient_auth.events import Event

_KEPT = 400

#: These are told again as the ``request_refused`` that they led to, with the same code.
_TOLD_TWICE = frozenset({"token_refused", "refresh_refused"})


@dataclass(frozen=True, slots=True)
class Line:
    """How an event is told: its tone, what happened, and how it was survived."""

    tone: str  # "good", "info", "warn", "bad", or "you" for what the reader did
    what: str
    survived: str = ""


_LINES: Mapping[str, Line] = {
    "session_opened": Line(
        "info",
        "{subject} logged in: a new session.",
        "Two cookies that no script can read.",
    ),
    "session_rotated": Line(
        "good",
        "Refreshed: the session moved to generation {generation}.",
        "One conditional write picked the winner, and there is one successor.",
    ),
    "refresh_replayed": Line(
        "good",
        "A refresh lost the race for generation {generation}.",
        "It was given the winner's token again. Nothing was written.",
    ),
    "refresh_kept": Line(
        "good",
        "A refresh came moments after another, at generation {generation}.",
        "The newest token was kept. Nothing was written.",
    ),
    "refresh_reused": Line(
        "bad",
        "A refresh token of generation {presented} came back after the grace; the "
        "session is at {generation}.",
        "Taken for stolen: the whole session was ended.",
    ),
    "session_ended": Line(
        "warn",
        "A session of {subject} was ended: {reason}.",
        "Its access token is refused at once, long before it runs out.",
    ),
    "request_failed": Line(
        "bad",
        "{method} {path} crashed with {error}.",
        "The page was told as a problem it can read; the trace is in the server's log.",
    ),
    "call_retried": Line(
        "warn",
        "Call {attempt} to {key} failed: {why_kind}.",
        "Trying again in {wait:.1f} s; nothing had been shown yet.",
    ),
    "call_recovered": Line(
        "good", "{key} answered at attempt {attempts}.", "The reader saw one answer."
    ),
    "call_failed": Line(
        "bad",
        "{key} was given up after {attempts} calls: {why_kind}.",
        "No more calls to it for this message, so nobody waits in vain.",
    ),
    "fell_back": Line(
        "warn",
        "{rung} could not help: {why_kind}.",
        "Next in line: {to}. The page says who spoke.",
    ),
    "retry_budget_spent": Line(
        "warn",
        "A retry was due, but too many calls are retries already.",
        "The failure was passed on at once, so retries cannot pile up.",
    ),
    "breaker_opened": Line(
        "bad",
        "The circuit of {key} opened: {why_kind}.",
        "For {retry_in:.0f} s nobody waits for what does not answer.",
    ),
    "breaker_half_opened": Line(
        "info", "The circuit of {key} is half open.", "One probe may go through."
    ),
    "breaker_closed": Line(
        "good", "The circuit of {key} closed.", "It answers again; calls flow."
    ),
    "stream_broken": Line(
        "warn",
        "The stream of {key} stopped after {items} pieces, without its end marker.",
        "What came is kept and marked as interrupted; nobody calls it complete.",
    ),
    "database_lost": Line(
        "bad",
        "The database is away: {reason}.",
        "Who is logged in stays so; a few connects find out, the others are told.",
    ),
    "database_reconnected": Line(
        "good", "The database was away for {away:.1f} s, and is back.", ""
    ),
    "transaction_retried": Line(
        "warn",
        "A transaction failed at try {attempt}: {reason}.",
        "Nothing of it was saved; it runs again in {wait:.1f} s, from its beginning.",
    ),
    "answer_degraded": Line(
        "warn",
        "The chatbot said itself that no model can answer.",
        "Your message is stored, and the page offers to try again.",
    ),
    "answer_not_stored": Line(
        "bad", "An answer could not be stored.", "Your message was; ask again."
    ),
    "you_expired": Line(
        "you",
        "You let your access token expire.",
        "The next request is refused, and refreshed. Write something.",
    ),
    "you_revoked": Line(
        "you", "You ended this session, as if from another device.", ""
    ),
    "you_broke_llm": Line("you", "You set the model to: {mode}.", ""),
    "you_healed_llm": Line("you", "You healed the model.", ""),
    "you_stopped_database": Line(
        "you",
        "You stopped the database for {seconds} s.",
        "Nobody is logged out: access tokens are checked without it.",
    ),
    "database_is_back": Line("good", "The database is back.", ""),
    "you_duplicated_user": Line(
        "you",
        "You defined a second class User, in a process of its own.",
        "The guarded registry refused it when it was defined; a plain base, at start.",
    ),
}

#: How a refusal is survived: it is the client's turn, and the action says how.
_TURNS: Mapping[str, str] = {
    "refresh": "The page refreshes once and sends the request again.",
    "login": "The page asks for a login and keeps what you wrote.",
    "csrf": "The page fetches a new CSRF token and sends the request again.",
    "retry": "Nobody is logged out; the page tries again.",
    "wait": "The page waits as long as it was told.",
    "step_up": "The page asks who you are once more.",
    "give_up": "The page says so; repeating would not help.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event as the page shows it; *at* is Unix seconds."""

    number: int
    at: float
    name: str
    tone: str
    what: str
    survived: str
    code: str
    action: str
    request_id: str


class Feed:
    """A listener; its entries are numbered, so that a page asks for what is new."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._entries: deque[Entry] = deque(maxlen=_KEPT)

    def __call__(self, event: Event) -> None:
        """Take note of one event of the library."""
        if event.name not in _TOLD_TWICE:
            self._add(event.name, event.fields())

    def note(self, name: str, **fields: object) -> None:
        """Take note of something that the demo itself did."""
        own = {"at": time.time(), "request_id": events.request_id.get()}
        self._add(name, own | fields)

    def after(self, number: int) -> list[dict[str, object]]:
        """Return the entries after *number*, oldest first."""
        return [asdict(each) for each in self._entries if each.number > number]

    def _add(self, name: str, fields: Mapping[str, object]) -> None:
        line = _line(name, fields)
        fields = {**fields, "why_kind": why(str(fields.get("kind", "")))}
        self._entries.append(
            Entry(
                number=next(self._numbers),
                at=float(str(fields["at"])),
                name=name,
                tone=line.tone,
                what=line.what.format_map(fields),
                survived=line.survived.format_map(fields),
                code=str(fields.get("code", "")),
                action=str(fields.get("action", "")),
                request_id=str(fields.get("request_id", "")),
            )
        )


def _line(name: str, fields: Mapping[str, object]) -> Line:
    """Return how to tell the event *name*; one that is new here tells its name."""
    if name == "request_refused":
        tone = "bad" if int(str(fields["status"])) >= 500 else "warn"
        what = "{method} {path} was refused with {status}: {reason}."
        return Line(tone, what, _TURNS.get(str(fields["action"]), ""))
    return _LINES.get(name) or Line("info", name.replace("_", " ").capitalize() + ".")
