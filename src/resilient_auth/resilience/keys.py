"""
Does this look like an API key? Asked once at the start, before the first user asks.

Only the shape is judged, and the key is never repeated: not in a message, not in a log.
Whether the provider takes it, a health check finds out (`KeyCheck`). Shapes: the key
pages of the providers' consoles; a new kind of key of the same prefix passes.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from resilient_auth.core.arguments import described
from resilient_auth.errors import ConfigError

_SHAPES: Mapping[str, tuple[str, re.Pattern[str]]] = MappingProxyType(
    {
        "openai": (
            "sk-… with 20 characters or more",
            re.compile(r"sk-(?!ant-|or-)[A-Za-z0-9_-]{17,}"),
        ),
        "anthropic": (
            "sk-ant-… with 20 characters or more",
            re.compile(r"sk-ant-[A-Za-z0-9_-]{13,}"),
        ),
        "google": (
            "AIza… of 39 characters, or AQ.…",
            re.compile(r"AIza[A-Za-z0-9_-]{35}|AQ\.[A-Za-z0-9_.-]{20,}"),
        ),
        "azure": (
            "32 hexadecimal digits, or 84 letters and digits",
            re.compile(r"[0-9a-fA-F]{32}|[A-Za-z0-9]{84}"),
        ),
        "openrouter": ("sk-or-…", re.compile(r"sk-or-[A-Za-z0-9_-]{16,}")),
        "groq": ("gsk_…", re.compile(r"gsk_[A-Za-z0-9]{20,}")),
        "mistral": ("32 letters and digits", re.compile(r"[A-Za-z0-9]{32}")),
    }
)
_TELLING = ("anthropic", "openrouter", "openai", "google", "groq")  # by their prefix
_PLACEHOLDER = re.compile(
    r"your|api[_-]?key|xxx|\.\.\.|…|<|>|\$\{|change-?me|example|todo", re.IGNORECASE
)
_MISTAKES = (
    (re.compile(r"\s"), "holds a space or a line end: it was copied with too much"),
    (
        re.compile("^[\"'`]|[\"'`]$"),
        "is in quotation marks, which belong to the shell",
    ),
    (re.compile("^bearer", re.IGNORECASE), "begins with Bearer, which the SDK adds"),
    (_PLACEHOLDER, "is still the placeholder of an example"),
    (re.compile(r"[^!-~]"), "holds characters that no key has"),
)


def check_api_key(key: str | None, provider: str) -> None:
    """
    Refuse what cannot be an API key of *provider*; raises `ConfigError`, never echoes.

    *provider* is one of ``openai``, ``anthropic``, ``google``, ``azure``,
    ``openrouter``, ``groq`` and ``mistral``. Named are: a key that is missing, holds
    spaces, quotes or line ends, is still the placeholder, or is another provider's.

    >>> check_api_key("sk-" + "a1B2" * 12, "openai")
    """
    if provider not in _SHAPES:
        known = ", ".join(_SHAPES)
        raise ConfigError(f"provider is one of {known}, not {provider!r}.")
    flaw = _flaw(key, provider)
    if flaw:
        raise ConfigError(f"The API key for {provider} {flaw}.")


def _flaw(key: object, provider: str) -> str:
    """Return what is wrong with *key*, without a character of it."""
    if key is None or key == "":
        return "is missing: set its environment variable"
    if not isinstance(key, str):
        return f"is a text, not {described(key)}"
    shape, pattern = _SHAPES[provider]
    if pattern.fullmatch(key) and not _PLACEHOLDER.search(key[:16]):
        return ""
    for pattern, flaw in _MISTAKES:
        if pattern.search(key):
            return flaw
    for other in _TELLING:
        if other != provider and _SHAPES[other][1].fullmatch(key):
            return f"is one of {other}"
    return f"has not the shape of one ({shape})"
