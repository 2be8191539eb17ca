"""What is said when a model fails? The truth, and when to try again."""

from collections.abc import Mapping

from examples.chatbot.llm import EARLIER, SAID

from resilient_auth import Circuit

_WHY = {
    "rate_limit": "it answers 429, too many requests",
    "quota": "its quota is used up",
    "overloaded": "it is overloaded",
    "server": "it answers with an error of its own (5xx)",
    "timeout": "it did not begin to speak in time",
    "deadline": "it did not begin to speak in time",
    "refused": "its server is down (connection refused)",
    "reset": "it dropped the connection before its first word",
    "connection": "it cannot be reached",
    "connect_timeout": "it cannot be reached",
    "dns": "its address cannot be found",
    "truncated": "it ended the stream before its first word",
    "bad_payload": "it sent something that is no answer",
    "circuit_open": "it failed too often, so for a while I do not even call it",
    "bulkhead_full": "too many of us are talking to it",
    "auth": "it does not accept the API key",
    "permission": "it does not accept the API key",
    "not_found": "it does not know the model that was asked for",
    "not_kept": "nobody asked exactly this before",
    "unavailable": "it sent something that is no answer",
}


def why(kind: str) -> str:
    """Return a failure of *kind* in words that follow "the model failed: "."""
    return _WHY.get(kind, kind.replace("_", " "))


def excuse(kind: str) -> str:
    """Return what to say in place of an answer after a failure of *kind*."""
    return (
        f"The language model cannot answer that: {why(kind)}. This sentence comes from "
        "the chatbot itself. Your message is stored."
    )


def provenance(
    served_by: str,
    stale_for: float | None,
    failures: Mapping[str, str],
    circuits: Mapping[str, Circuit],
) -> str:
    """Return who speaks and why not the first choice; nothing if it is the first."""
    if not failures:
        return ""
    first, kind = next(iter(failures.items()))
    because = f"{first} did not: {why(kind)}"
    if served_by == EARLIER:
        return f"An earlier answer, {stale_for or 0:.0f} s old; {because}."
    if served_by == SAID:
        waits = [each.retry_in for each in circuits.values() if each.retry_in > 0]
        again = "Ask again when you like."
        if len(waits) == len(circuits):
            again = f"The next try goes through in {min(waits):.0f} s."
        return f"Said by the chatbot itself, not by a model; {because}. {again}"
    return f"Answered by {served_by}; {because}."
