"""
What does the toy model say? Templates chosen by the words of the conversation.

It is no language model: the same conversation always gets the same answer. It knows
what the demo is about, and what was said before in the conversation it is sent, which
shows whether the server still remembers after a restart.
"""

import re
from collections.abc import Mapping, Sequence

NAME, SECOND = NAMES = ("toy-1", "toy-0")

_HONEST = (
    "I am `toy-1`, a small local model made of templates: no weights, no insight. "
    "Everything around me is real, though. I run in a process of my own, speak the "
    "OpenAI protocol, and the demo calls me through the real `openai` SDK."
)
_MENU = (
    "Ask me about tokens, tabs, revoking, retries, the circuit breaker, cut streams, "
    "the database, the duplicate `User` model, cookies or CSRF. Or ask for a long "
    "answer, and break something while I speak."
)
_LONG = """\
Gladly. Here is a long answer, so that you have time to break something.

You logged in, and the server gave your browser two cookies that no script can read. \
The access token lives for two minutes and is checked without asking the database. The \
refresh token lives for a week, and each use moves the session one generation on.

When your access token runs out, the server answers 401 with a code and an action. The \
code says what happened, `token_expired`. The action says whose turn it is, `refresh`. \
The page refreshes once, however many requests were refused, and sends each of them \
again. You notice nothing, which is the point.

When I fail, the guard around me looks at how. A 429 that names a wait is obeyed. A \
500 is tried again after a random pause, so that a thousand callers do not come back \
together. Silence before the first word counts as failure too, even while keep-alives \
arrive. If too much fails, the circuit opens, and for a while nobody calls me at all.

When I stop in the middle of a sentence without the end marker, nobody pretends that I \
was finished. What came is kept, marked as interrupted, and you may ask again.

And when the database is gone, nobody is logged out. Who you are is still known; what \
must be stored waits, and the server says for how long.

That was the long answer. Thank you for listening until the end marker."""

#: Asked in this order: a pattern for the user's words, and what is answered.
_TOPICS: Sequence[tuple[re.Pattern[str], str]] = tuple(
    (re.compile(rf"\b(?:{words})\b", re.IGNORECASE), said)
    for words, said in (
        (r"long (?:answer|text|story|one)|essay|story|at length", _LONG),
        (
            r"(?:who|what) are you|are you (?:real|human|an? (?:ai|llm|model|bot))|"
            r"which model|toy",
            _HONEST,
        ),
        (
            r"what is this|this demo|resilient.auth|how does (?:this|it) work|about",
            "This is the demo of `resilient-auth`: a chatbot whose login, sessions and "
            "calls to a language model survive what usually breaks them. Break "
            "something in the panel, keep talking, and read in the live feed what "
            f"happened and how it was survived. {_HONEST}",
        ),
        (
            r"race|tabs?|at once|replayed|kept|rotated|rotation",
            "Several tabs refresh at the same moment: one wins and the session moves "
            "one generation on (`rotated`). The losers arrive with the token just "
            "before, within the grace of 30 seconds, and are given the winner's token "
            "again (`replayed`). Who comes back with the newest token that soon keeps "
            "it (`kept`). One write, one successor, and nobody is logged out.",
        ),
        (
            r"revoke\w*|log ?(?:ged )?out|another device|steal|stolen|theft|reuse\w*",
            "A revoked session ends at the next request: 401, `session_revoked`, and "
            "the action is `login`. What you have typed, and even what you have sent, "
            "stays on the page and goes out after you have logged in again as the "
            "same user. An old refresh token that comes back after the grace ends the "
            "whole session: it was copied.",
        ),
        (
            r"cookies?|csrf|cors|origins?",
            "Both cookies are `HttpOnly` and `SameSite=Lax`. A request that changes "
            "something must prove that a page of ours made it: by `Sec-Fetch-Site`, or "
            "by an allowed `Origin` and the CSRF token. All of these rules are derived "
            "from one `Deployment`, so they cannot contradict each other.",
        ),
        (
            r"401|expire[ds]?|expiry|tokens?|refresh\w*|sessions?",
            "An access token lives for two minutes here. When it has run out, the "
            "server answers 401 with the code `token_expired` and the action "
            "`refresh`. The page refreshes once, repeats the request, and your message "
            "arrives. Press “Expire my access token” and write to me: you will see it "
            "in the feed, and not here.",
        ),
        (
            r"circuit|breakers?",
            "When at least half of the last calls to me failed, the circuit opens: for "
            "some seconds nobody calls me, and you are told so at once instead of "
            "waiting. Then one probe goes through. If I answer it, the circuit closes; "
            "if not, it opens for twice as long.",
        ),
        (
            r"429|retry|retries|retried|backoff|rate.?limit\w*|50[0-9]|jitter",
            "A failed call to me is made again up to two times, after a random pause "
            "that grows, or after the time that I named in `Retry-After`. A budget "
            "bounds the retries, one deadline bounds everything, and nothing is tried "
            "again once you have seen my first word.",
        ),
        (
            r"stalls?|stalled|time.?outs?|slow|keep-?alives?",
            "If I send keep-alives but no words, a deadline for the first content ends "
            "the attempt. The next attempt starts afresh, since you had seen nothing.",
        ),
        (
            r"cuts?|interrupted|streams?|streaming|markers?|midway|truncated",
            "A stream is complete only when its end marker has come (`finish_reason`). "
            "If I stop without it, even politely, the answer is marked as interrupted, "
            "what came is kept, and you may ask again.",
        ),
        (
            r"databases?|sqlite|postgres\w*|503|store[ds]?",
            "While the database is stopped nobody is logged out, because access tokens "
            "are checked without it. What must be written is answered with 503 and "
            "`Retry-After`; the page keeps your message and sends it again.",
        ),
        (
            r"duplicate|user model|multiple classes|sqlalchemy|models?",
            "Two ORM classes called `User`: SQLAlchemy notices at the first query that "
            "says “User” and fails with “Multiple classes found for path”. A guarded "
            "registry refuses the second class when it is defined, and names both "
            "files. Press the button in the panel to see both.",
        ),
        (r"help|what can you do|what can i ask|menu|options", _MENU),
        (r"thanks?|thank you|great|nice|cool", "You are welcome. " + _MENU),
        (r"bye|good night", "Goodbye. The server will remember what we said."),
        (r"hi|hello|hey|good (?:morning|day|evening)", f"Hello! {_HONEST} {_MENU}"),
    )
)
_NAMED = re.compile(
    r"\b(?:my name is|call me|i am called)\s+([\w'’-]{1,40})", re.IGNORECASE
)
_ASKS_NAME = re.compile(r"\bwhat(?:'s|’s| is) my name\b|\bwho am i\b", re.IGNORECASE)
_ASKS_PAST = re.compile(
    r"\bwhat did i (?:say|ask|write)\b|\bdo you remember\b", re.IGNORECASE
)


def answer(messages: Sequence[Mapping[str, object]]) -> str:
    """Return what the toy model answers to *messages* (OpenAI's form)."""
    said = [
        str(each.get("content", "")) for each in messages if each.get("role") == "user"
    ]
    if not said:
        return f"{_HONEST} {_MENU}"
    last, before = said[-1], said[:-1]
    return _about_memory(last, before) or _about_topic(last) or _reflect(last, before)


def tokens(text: str) -> list[str]:
    """Cut *text* into the pieces that are streamed; joined, they are *text* again."""
    return re.findall(r"\s*\S+\s*\Z|\s*\S+", text)


def _about_memory(last: str, before: Sequence[str]) -> str:
    """Answer from the conversation itself, or return nothing."""
    if named := _NAMED.search(last):
        return (
            f"Nice to meet you, {named[1]}. I remember nothing by myself: the server "
            "keeps our conversation and sends it to me again each time. Restart it, "
            "and ask me what your name is."
        )
    if _ASKS_NAME.search(last):
        names = [found[1] for text in before for found in _NAMED.finditer(text)]
        if not names:
            return "You have not told me yet in this conversation. Say “my name is …”."
        return f"Your name is {names[-1]}. You told me in this conversation."
    if _ASKS_PAST.search(last):
        if not before:
            return "This is the first thing you have said in this conversation."
        return (
            f"Before this you said {_times(len(before))}. The first thing was: "
            f"“{_short(before[0])}”."
        )
    return ""


def _about_topic(last: str) -> str:
    return next((said for words, said in _TOPICS if words.search(last)), "")


def _reflect(last: str, before: Sequence[str]) -> str:
    return (
        f"You said “{_short(last)}”, and {_times(len(before))} before it. I have no "
        f"template for that, and I will not pretend. {_MENU}"
    )


def _times(count: int) -> str:
    return {0: "nothing", 1: "one thing"}.get(count, f"{count} things")


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 120 else f"{flat[:119]}…"
