"""What is said when the model fails? The truth, and when to try again."""

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
}


def why(kind: str) -> str:
    """Return a failure of *kind* in words that follow "the model failed: "."""
    return _WHY.get(kind, kind.replace("_", " "))


def excuse(kind: str, circuit: Circuit) -> str:
    """Return what to say in place of an answer after a failure of *kind*."""
    again = "Ask again when you like."
    if circuit.state == "open" and circuit.retry_in > 0:
        again = f"The circuit lets the next try through in {circuit.retry_in:.0f} s."
    return (
        f"The language model cannot answer right now: {why(kind)}. This sentence "
        f"comes from the chatbot itself. Your message is stored. {again}"
    )
