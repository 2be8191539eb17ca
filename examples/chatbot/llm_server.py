"""
Who answers when there is no real provider? A toy server that speaks OpenAI's protocol.

It runs as a process of its own (``python -m examples.chatbot.llm_server``), prints its
port, asks for the API key in ``DEMO_LLM_KEY``, and ends with its parent: the parent
holds the other end of its standard input, and a parent that dies, however it dies, lets
go of it. ``POST /faults {"mode": …, "count": …, "both": …}`` makes it misbehave.
"""

import argparse
import asyncio
import contextlib
import hmac
import itertools
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import uvicorn
from examples.chatbot import toy_model
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

#: What it can do wrong. "Down" is missing: then there is no process.
MODES = ("none", "429", "500", "stall", "cut")
_KEEP_ALIVES = 120  # of a stalled stream, half a second apart


class Faults:
    """
    What goes wrong with the next calls: *mode*, for *left* calls or until told.

    The second model is well unless *both* are meant.
    """

    def __init__(self) -> None:
        self.mode = "none"
        self.both = False
        self.left: int | None = None

    def set(self, mode: object, count: object, *, both: object) -> None:
        """Switch to *mode* for *count* calls (None: until told otherwise)."""
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}")
        if count is not None and (type(count) is not int or count < 1):
            raise ValueError("count is a whole number from 1, or null")
        if not isinstance(both, bool):
            raise ValueError("both is true or false")  # noqa: TRY004 - a 400
        self.mode, self.left, self.both = str(mode), count, both

    def take(self, model: object) -> str:
        """Return the fault of the call to *model* that is here now, and count it."""
        if model == toy_model.SECOND and not self.both:
            return "none"
        mode = self.mode
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                self.mode, self.left = "none", None
        return mode

    def view(self) -> dict[str, object]:
        """Return mode and what is left of it."""
        return {"mode": self.mode, "count": self.left, "both": self.both}


class ToyServer:
    """The endpoints; *pace* is the seconds between two pieces of an answer."""

    def __init__(self, key: str, *, pace: float) -> None:
        self._key = key
        self._pace = pace
        self._faults = Faults()
        self._numbers = itertools.count(1)

    def app(self) -> Starlette:
        """Return the application."""
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
                Route("/v1/models", self._models),
                Route("/faults", self._set_faults, methods=["POST"]),
                Route("/faults", self._show_faults),
            ]
        )

    async def _models(self, request: Request) -> Response:
        if not self._knows(request):
            return _unauthorised()
        models = [
            {"id": name, "object": "model", "owned_by": "resilient-auth"}
            for name in toy_model.NAMES
        ]
        return JSONResponse({"object": "list", "data": models})

    async def _show_faults(self, request: Request) -> Response:
        if not self._knows(request):
            return _unauthorised()
        return JSONResponse(self._faults.view())

    async def _set_faults(self, request: Request) -> Response:
        if not self._knows(request):
            return _unauthorised()
        try:
            asked = await request.json()
            both = asked.get("both", False)
            self._faults.set(asked["mode"], asked.get("count"), both=both)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return _error(400, "invalid_request_error", str(error))
        return JSONResponse(self._faults.view())

    async def _complete(self, request: Request) -> Response:
        if not self._knows(request):
            return _unauthorised()
        try:
            asked = await request.json()
            messages = _checked_messages(asked)
        except ValueError as error:
            return _error(400, "invalid_request_error", str(error))
        fault = self._faults.take(asked["model"])
        if fault == "429":
            headers = {"retry-after": "1"}
            return _error(429, "rate_limit_exceeded", "Slow down.", headers)
        if fault == "500":
            return _error(500, "server_error", "The toy broke.")
        said = _Completion(asked, messages, next(self._numbers))
        if asked.get("stream"):
            chunks = self._stream(said, fault)
            return StreamingResponse(chunks, media_type="text/event-stream")
        return await self._whole(said, fault)

    async def _whole(self, said: "_Completion", fault: str) -> Response:
        if fault == "stall":
            await asyncio.sleep(_KEEP_ALIVES / 2)
        body = json.dumps(said.whole()).encode()
        if fault == "cut":
            body = body[: len(body) // 2]
        return Response(body, media_type="application/json")

    async def _stream(self, said: "_Completion", fault: str) -> AsyncIterator[str]:
        yield _event(said.chunk({"role": "assistant", "content": ""}))
        if fault == "stall":
            for _ in range(_KEEP_ALIVES):
                yield ": keep-alive\n\n"
                await asyncio.sleep(0.5)
            return
        pieces = said.pieces
        if fault == "cut":
            pieces = pieces[: max(1, len(pieces) // 2)]
        for piece in pieces:
            await asyncio.sleep(self._pace)
            yield _event(said.chunk({"content": piece}))
        if fault == "cut":
            return  # a polite end of the body, but without the marker
        yield _event(said.chunk({}, finish_reason="stop"))
        if said.wants_usage:
            yield _event(said.chunk(None) | {"usage": said.usage()})
        yield "data: [DONE]\n\n"

    def _knows(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").encode()
        return hmac.compare_digest(given, f"Bearer {self._key}".encode())


class _Completion:
    """One answer, in OpenAI's two forms."""

    def __init__(
        self,
        asked: Mapping[str, Any],
        messages: Sequence[Mapping[str, object]],
        number: int,
    ) -> None:
        self.text = toy_model.answer(messages)
        self.pieces = toy_model.tokens(self.text)
        options = asked.get("stream_options")
        self.wants_usage = isinstance(options, dict) and bool(
            options.get("include_usage")
        )
        self._prompt = sum(
            len(toy_model.tokens(str(each.get("content", "")))) for each in messages
        )
        self._head = {
            "id": f"chatcmpl-toy-{number}",
            "created": int(time.time()),
            "model": asked["model"],
        }

    def whole(self) -> dict[str, Any]:
        """Return the answer in one piece."""
        message = {"role": "assistant", "content": self.text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [choice],
            "usage": self.usage(),
        }

    def chunk(
        self, delta: Mapping[str, str] | None, finish_reason: str | None = None
    ) -> dict[str, Any]:
        """Return one chunk; without *delta*, one that has no choice (usage)."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {
            **self._head,
            "object": "chat.completion.chunk",
            "choices": [] if delta is None else [choice],
        }

    def usage(self) -> dict[str, int]:
        """Return what the answer cost, counted in pieces."""
        spent = len(self.pieces)
        return {
            "prompt_tokens": self._prompt,
            "completion_tokens": spent,
            "total_tokens": self._prompt + spent,
        }


def _checked_messages(asked: object) -> list[Mapping[str, object]]:
    if not isinstance(asked, dict) or not isinstance(asked.get("model"), str):
        raise ValueError("model is missing")  # noqa: TRY004 - the client's 400
    messages = asked.get("messages")
    if (
        not isinstance(messages, list)
        or not messages
        or not all(isinstance(each, dict) and "role" in each for each in messages)
    ):
        raise ValueError("messages is a list of objects with role and content")
    return messages


def _event(chunk: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


def _error(
    status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    error = {"message": message, "type": kind, "param": None, "code": kind}
    return JSONResponse({"error": error}, status, headers)


def _unauthorised() -> Response:
    return _error(401, "invalid_api_key", "Incorrect API key provided.")


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals as `main` set them."""
        yield


def _end_with_parent() -> None:
    """Wait for the end of standard input, then end at once: nobody is served now."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve on 127.0.0.1 until standard input ends."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--port", type=int, default=0, help="0: the kernel chooses")
    reader.add_argument("--pace", type=float, default=0.03, help="seconds per word")
    asked = reader.parse_args()
    # Ctrl-C in a terminal reaches the whole group; the parent says when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    listener = socket.create_server(("127.0.0.1", asked.port))
    print(listener.getsockname()[1], flush=True)
    app = ToyServer(os.environ["DEMO_LLM_KEY"], pace=asked.pace).app()
    config = uvicorn.Config(app, log_level="critical", ws="none", lifespan="off")
    asyncio.run(_Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
