"""What must a provider's dialect be able to say? Everything that the faults need."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

#: The protocols that the server speaks.
Speaks = Literal["openai", "anthropic"]
Json = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """
    What one request asked for, and the number and Unix time at which it came.

    *wants*: a chat's answer, or the list of the models. *with_usage*: the client asked
    that its stream end with the tokens used.
    """

    text: str
    model: str
    number: int
    now: float
    wants: Literal["chat", "models"] = "chat"
    streams: bool = False
    with_usage: bool = False

    @property
    def halves(self) -> tuple[str, str]:
        """Return the text in two pieces, the first not the shorter."""
        middle = (len(self.text) + 1) // 2
        return self.text[:middle], self.text[middle:]


@dataclass(frozen=True, slots=True)
class Said:
    """An error in a provider's own words; *code* and *param* are OpenAI's alone."""

    status: int
    type: str
    message: str
    code: str | int | None = None
    param: str | None = None


class Dialect(Protocol):
    """How one provider words its answers to one request; every member is pure."""

    @property
    def keep_alive(self) -> bytes:
        """Return what is sent to keep a silent stream open."""
        ...

    @property
    def scene(self) -> Scene:
        """Return what was asked."""
        ...

    def headers(self) -> dict[str, str]:
        """Return the headers that come with every answer."""
        ...

    def resets(self) -> dict[str, str]:
        """Return the headers that say when a limit resets: in six minutes."""
        ...

    def said(self, fault: str) -> Said:
        """Return the words for *fault*."""
        ...

    def error(self, said: Said) -> Json:
        """Return the body of an error."""
        ...

    def answer(self, *, empty: bool = False) -> Json:
        """Return the whole answer; *empty*, its list of results has no member."""
        ...

    def opening(self) -> bytes:
        """Return what a stream sends before the first text."""
        ...

    def piece(self, text: str) -> bytes:
        """Return the event that carries *text*."""
        ...

    def refusal(self) -> bytes:
        """Return the events in which the model refuses, before the closing."""
        ...

    def closing(self, reason: str) -> bytes:
        """Return what ends a stream for a *reason* named as a fault is, or ``ok``."""
        ...

    def failure(self, said: Said) -> bytes:
        """Return the event of an error inside a stream."""
        ...

    def malformed(self) -> bytes:
        """Return an event whose data is no JSON."""
        ...


#: Makes the dialect for one request.
Makes = Callable[[Scene], Dialect]


def event(data: Mapping[str, object] | str, *, name: str = "") -> bytes:
    r"""
    Return one server-sent event.

    >>> event("[DONE]"), event({"type": "ping"}, name="ping")
    (b'data: [DONE]\n\n', b'event: ping\ndata: {"type":"ping"}\n\n')
    """
    text = data if isinstance(data, str) else compact(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


def compact(body: Mapping[str, object]) -> str:
    """Return *body* as JSON in ASCII, without spaces between its members."""
    return json.dumps(body, separators=(",", ":"))
