"""
What can be broken from the page? The endpoints under ``/demo``.

They exist in a demo alone. Each asks who is calling, and so takes a POST only from a
page of ours (`StarletteAuth.principal` checks CSRF for cookies).
"""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE
from dataclasses import asdict, dataclass, field

from examples.chatbot.bodies import read_object
from examples.chatbot.feed import Feed
from examples.chatbot.llm import ChatModels
from examples.chatbot.llm_process import LocalLLM
from examples.chatbot.outage import SECONDS, Outage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from resilient_auth import (
    AsyncAuth,
    CookiePolicy,
    KeyRing,
    Refused,
    StarletteAuth,
    TokenIssuer,
    TokenPolicy,
    Unavailable,
)

_HOUR = 3600.0
_PATIENCE = 30.0  # seconds for a process that the panel starts, queue included


class _AnHourAgo:
    """A clock for a token that ran out long ago."""

    def time(self) -> float:
        """Return Unix seconds UTC of an hour ago."""
        return time.time() - _HOUR

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What the buttons reach: each endpoint breaks one thing, and notes who did it."""

    web: StarletteAuth
    auth: AsyncAuth
    ring: KeyRing
    policy: TokenPolicy
    access_cookie: CookiePolicy
    models: ChatModels
    local: LocalLLM | None  # None: a real provider answers, which nobody breaks
    outage: Outage
    duplicating: asyncio.Lock = field(default_factory=asyncio.Lock)
    feed: Feed
    started_at: float = field(default_factory=time.time)

    def routes(self) -> list[BaseRoute]:
        """Return the routes, to be mounted at ``/demo``."""
        return [
            Route("/events", self._events),
            Route("/expire", self._expire, methods=["POST"]),
            Route("/revoke", self._revoke, methods=["POST"]),
            Route("/llm", self._break_llm, methods=["POST"]),
            Route("/database", self._stop_database, methods=["POST"]),
            Route("/duplicate", self._duplicate, methods=["POST"]),
        ]

    async def _events(self, request: Request) -> Response:
        """Return what is new in the feed, and how everything stands."""
        await self.web.principal(request)
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) <= 15):
            raise Refused("request_invalid", "after is a number.")
        mode, both = await self.local.mode() if self.local else ("none", False)
        first, *others = self.models.circuits().items()
        return _private(
            {
                "started_at": self.started_at,
                "events": self.feed.after(int(after)),
                "circuit": asdict(first[1]),
                "others": {name: asdict(each) for name, each in others},
                "llm": {
                    "name": first[0],
                    "mode": mode,
                    "both": both,
                    "local": self.local is not None,
                },
                "database": {"stopped_for": self.outage.left()},
            }
        )

    async def _expire(self, request: Request) -> Response:
        """Give the caller an access token that ran out an hour ago."""
        who = await self.web.principal(request)
        issuer = TokenIssuer(self.ring, self.policy, clock=_AnHourAgo())
        cookie = self.access_cookie.set(issuer.issue(who.subject))
        self.feed.note("you_expired")
        return Response(status_code=204, headers={"Set-Cookie": cookie})

    async def _revoke(self, request: Request) -> Response:
        """End the caller's session as another device of the same user would."""
        who = await self.web.principal(request)
        self.feed.note("you_revoked")
        await self.auth.revoke(
            who.session_id, subject=who.subject, reason="from another device"
        )
        return Response(status_code=204)

    async def _break_llm(self, request: Request) -> Response:
        """Set how one or both local models misbehave, for one call or until told."""
        await self.web.principal(request)
        if self.local is None:
            raise Refused("request_invalid", "A real provider answers; break it there.")
        said = await read_object(request)
        mode, once = str(said.get("mode")), said.get("once") is True
        both = said.get("both") is True
        count = 1 if once and mode != "none" else None
        try:
            await self.local.break_it(mode, count, both=both)
        except ValueError as error:
            raise Refused("request_invalid", str(error)) from None
        self.feed.note(
            "you_healed_llm" if mode == "none" else "you_broke_llm",
            mode=_described(mode, once=once, both=both),
        )
        return _private({"mode": mode})

    async def _stop_database(self, request: Request) -> Response:
        """Stop the database for some seconds."""
        await self.web.principal(request)
        self.outage.begin()
        return JSONResponse({"seconds": SECONDS}, 202)

    async def _duplicate(self, request: Request) -> Response:
        """Define a second ``User`` in a process of its own, and show what it says."""
        await self.web.principal(request)
        try:
            # One at a time, since each is a process; the queue counts too.
            async with asyncio.timeout(_PATIENCE), self.duplicating:
                said = await _run("examples.chatbot.duplicate_user")
        except TimeoutError:
            raise Unavailable(
                "overloaded", "The machine is too busy for that."
            ) from None
        self.feed.note("you_duplicated_user")
        return _private(json.loads(said))


def _described(mode: str, *, once: bool, both: bool) -> str:
    if mode == "down":
        return "down, all of them"
    models = "both models" if both else "the first model"
    return f"{mode}, {models}{', for one call' if once else ''}"


async def _run(module: str) -> bytes:
    """Return what *module* prints when it is run; given up, it is ended."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module), stdout=PIPE
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said


def _private(body: dict[str, object]) -> Response:
    return JSONResponse(body, headers={"Cache-Control": "no-store"})
