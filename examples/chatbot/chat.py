"""
What does the page's chat speak to? Three endpoints, the answer as server-sent events.

An answer is ``open``, any number of ``delta``, then ``done`` with its status: an end of
the stream without ``done`` is a lost connection, never the end of the answer.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping

from examples.chatbot.answers import Answer, Answers
from examples.chatbot.bodies import read_object
from examples.chatbot.conversations import Conversations
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from resilient_auth import Refused, StarletteAuth

_MAX_TEXT = 4000
_ID = re.compile(r"[0-9a-zA-Z-]{8,36}")


class ChatEndpoints:
    """The endpoints under ``/api``; each asks *web* who is calling."""

    def __init__(
        self, web: StarletteAuth, conversations: Conversations, answers: Answers
    ) -> None:
        self._web = web
        self._conversations = conversations
        self._answers = answers

    def routes(self) -> list[BaseRoute]:
        """Return the routes, to be mounted at ``/api``."""
        return [
            Route("/chat", self._chat, methods=["POST"]),
            Route("/conversations", self._list),
            Route("/conversations/{id}", self._read),
        ]

    async def _chat(self, request: Request) -> Response:
        """Store what was said, then stream the answer; what was stored stays."""
        who = await self._web.principal(request)
        said = await read_object(request)
        question = await self._conversations.say(
            who.subject,
            _checked_id(said, "conversation"),
            key=_checked_id(said, "key"),
            text=_checked_text(said),
        )
        answer = await self._answers.answer(question)
        return StreamingResponse(
            _events(answer),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    async def _list(self, request: Request) -> Response:
        who = await self._web.principal(request)
        found = await self._conversations.of(who.subject)
        return _private({"conversations": found})

    async def _read(self, request: Request) -> Response:
        who = await self._web.principal(request)
        found = await self._conversations.read(
            who.subject, _checked_id(request.path_params, "id")
        )
        return _private(found)


async def _events(answer: Answer) -> AsyncIterator[str]:
    yield _event("open")
    async for piece in answer.follow():
        yield _event("delta", text=piece)
    if answer.end is not None:
        yield _event("done", status=answer.end.status, note=answer.end.note)


def _event(name: str, **said: object) -> str:
    return f"event: {name}\ndata: {json.dumps(said)}\n\n"


def _private(body: dict[str, object]) -> Response:
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def _checked_id(said: Mapping[str, object], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise Refused("request_invalid", f"{name} is 8 to 36 letters, digits, dashes.")
    return value


def _checked_text(said: dict[str, object]) -> str:
    text = said.get("text")
    if not isinstance(text, str) or not text.strip() or len(text) > _MAX_TEXT:
        raise Refused("request_invalid", f"text is 1 to {_MAX_TEXT} characters.")
    if "\x00" in text:
        raise Refused("request_invalid", "text has no NUL in it.")
    return text.strip()
