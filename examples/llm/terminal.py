"""
What does the person at the terminal read? Who answered, why not the first, what broke.

It goes to stderr, so that stdout holds the answer and nothing else. A provider's own
error text is never shown: it may quote the prompt, or part of the API key. The kind of
its `Verdict` says enough.
"""

import sys
from collections.abc import Mapping
from typing import Protocol

from resilient_auth import StreamInterrupted, classify

#: Exit statuses: a whole answer; none, or a part of one; a key that cannot work.
ANSWERED, UNANSWERED, MISCONFIGURED = 0, 1, 2

#: The names of the rungs below the models, and what the last one says.
EARLIER, PROGRAM = "an earlier answer", "this program, not a model"
SORRY = "No model can answer right now. Please ask again in a minute."


class Served(Protocol):
    """Where an answer comes from: an `Answer`, or a stream that has begun."""

    @property
    def served_by(self) -> str:
        """Return the name of the rung."""
        ...

    @property
    def stale_for(self) -> float | None:
        """Return the age in seconds of a kept answer, None for a fresh one."""
        ...

    @property
    def failures(self) -> Mapping[str, str]:
        """Return why each rung above was left."""
        ...


def show(text: str) -> None:
    """Print a piece of the answer at once."""
    print(text, end="", flush=True)


def conclude(answer: Served, *, end: str = "") -> int:
    """
    Say who answered, and return the exit status.

    *end* is why the model stopped, if it did so before it was done.
    """
    print()
    _say(provenance(answer))
    if end:
        _say(f"The answer is not whole: {end}.")
    return UNANSWERED if answer.served_by == PROGRAM or end else ANSWERED


def excuse(error: Exception) -> int:
    """Say why there is no answer, or no more of it, and return the exit status."""
    print()
    if isinstance(error, StreamInterrupted):
        _say("The answer stops here: its stream broke. Ask again for a whole one.")
    else:
        _say(f"No answer: {classify(error).kind}.")
    return UNANSWERED


def provenance(answer: Served) -> str:
    """Return one line: who answered, how old that is, and why the others did not."""
    line = f"Answered by {answer.served_by}"
    if answer.stale_for is not None:
        line += f", {answer.stale_for:.0f} s old"
    reasons = ", ".join(f"{name} ({why})" for name, why in answer.failures.items())
    return f"{line}; did not answer: {reasons}." if reasons else f"{line}."


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
