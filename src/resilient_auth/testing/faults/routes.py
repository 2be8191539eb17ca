"""Which provider was asked for what? Read from the method, the path and the body."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from resilient_auth.testing.faults.answers import fail
from resilient_auth.testing.faults.anthropic_dialect import AnthropicDialect
from resilient_auth.testing.faults.bodies import Dialect, Makes, Said, Scene, Speaks
from resilient_auth.testing.faults.openai_dialect import OpenAIDialect
from resilient_auth.testing.faults.performance import Performance
from resilient_auth.testing.faults.reading import Seen

_DIALECTS: Mapping[Speaks, Makes] = MappingProxyType(
    {"openai": OpenAIDialect, "anthropic": AnthropicDialect}
)
_CHATS: Mapping[str, Speaks] = MappingProxyType(
    {"/v1/chat/completions": "openai", "/v1/messages": "anthropic"}
)
#: What the client's base URL ends with; Anthropic's SDK adds the version itself.
BASES: Mapping[Speaks, str] = MappingProxyType({"openai": "/v1", "anthropic": ""})


def is_known(seen: Seen) -> bool:
    """Say whether the protocols have the endpoint that was asked."""
    return _wants(seen) is not None


def dialect_of(seen: Seen, *, text: str, number: int, now: float) -> Dialect:
    """
    Return the dialect in which *seen* is answered, at *now* in Unix seconds.

    *number*: of the request, for its id; *text*: the answer.
    """
    body = seen.body or {}
    model, options = body.get("model"), body.get("stream_options")
    scene = Scene(
        text=text,
        model=model if isinstance(model, str) else "test-model",
        number=number,
        now=now,
        wants=_wants(seen) or "chat",
        streams=body.get("stream") is True,
        with_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )
    return _DIALECTS[_speaks(seen)](scene)


def not_found(seen: Seen, dialect: Dialect) -> Performance:
    """Answer a request for what neither protocol has."""
    message = f"There is no {seen.method} {_path(seen)} here."
    return fail(dialect, Said(404, "not_found_error", message), {})


def _wants(seen: Seen) -> Literal["chat", "models"] | None:
    if seen.method == "POST" and _path(seen) in _CHATS:
        return "chat"
    if seen.method == "GET" and _path(seen) == "/v1/models":
        return "models"
    return None


def _speaks(seen: Seen) -> Speaks:
    """Tell the provider by its endpoint; what both have, by Anthropic's header."""
    default: Speaks = "anthropic" if "anthropic-version" in seen.headers else "openai"
    return _CHATS.get(_path(seen), default)


def _path(seen: Seen) -> str:
    return seen.path.partition("?")[0]
