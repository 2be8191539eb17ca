"""How do the parts fit together? Opened in order, and closed in the other order."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from examples.chatbot import toy_model
from examples.chatbot.accounts import Accounts
from examples.chatbot.answers import Answers
from examples.chatbot.bodies import read_object
from examples.chatbot.chat import ChatEndpoints
from examples.chatbot.conversations import Conversations
from examples.chatbot.database import create_tables, open_engine
from examples.chatbot.feed import Feed
from examples.chatbot.keys import load_ring
from examples.chatbot.llm import ChatModels
from examples.chatbot.llm_process import LocalLLM
from examples.chatbot.models import Base
from examples.chatbot.outage import Outage
from examples.chatbot.pages import Pages
from examples.chatbot.panel import Panel
from examples.chatbot.settings import DEMO_PASSWORD, DEMO_USER, Settings
from openai import AsyncOpenAI
from sqlalchemy.ext.asyncio import async_sessionmaker
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from resilient_auth import (
    AsyncAuth,
    AsyncSQLAlchemyStore,
    BreakerCheck,
    Deployment,
    Health,
    KeyCheck,
    ModelCheck,
    SqlCheck,
    StarletteAuth,
    TokenPolicy,
    guard_engine,
)

_ACCESS_TTL = 120  # seconds: so short that you see it run out


@dataclass(frozen=True, slots=True)
class Demo:
    """The running demo: what is served, and who is still writing when it ends."""

    app: ASGIApp
    answers: Answers


@asynccontextmanager
async def open_demo(settings: Settings, address: str) -> AsyncIterator[Demo]:
    """Yield the demo that is served at *address*; nothing of it is left afterwards."""
    sound = ModelCheck(Base, packages=["examples.chatbot.models"])
    sound.require()
    ring = load_ring(settings.data)
    async with AsyncExitStack() as closing:
        engine = open_engine(settings.database_url)
        closing.push_async_callback(engine.dispose)
        rows = async_sessionmaker(engine, expire_on_commit=False)
        store = AsyncSQLAlchemyStore(engine)
        await create_tables(engine)
        await store.create_schema()
        feed = Feed()
        connects = guard_engine(engine, listeners=[feed])
        conversations = Conversations(rows, listeners=[feed])
        accounts = Accounts(rows)
        await conversations.close_unfinished()
        await accounts.ensure(DEMO_USER, DEMO_PASSWORD)

        stranger = open_engine(settings.database_url)
        closing.push_async_callback(stranger.dispose)
        outage = Outage(stranger, feed)
        closing.push_async_callback(outage.close)
        local, client, names = await _open_llm(settings, closing)
        models = ChatModels(client, names=names, listeners=[feed])
        answers = Answers(conversations, models, feed)
        closing.push_async_callback(answers.close)

        policy = TokenPolicy(issuer=address, audience="chatbot", access_ttl=_ACCESS_TTL)
        auth = AsyncAuth(ring, policy, store=store, listeners=[feed])
        site = Deployment.insecure_localhost(address)
        breakers = [BreakerCheck(each, name=each.name) for each in models.guards]
        key = KeyCheck(client.models.list)
        breakers.append(BreakerCheck(connects, name="connects"))
        health = Health([sound, SqlCheck(engine), key, *breakers])
        web = StarletteAuth(
            auth, site, authenticate=accounts.authenticate, health=health
        )
        panel = Panel(
            web=web,
            auth=auth,
            ring=ring,
            policy=policy,
            access_cookie=site.cookies.access,
            models=models,
            local=local,
            outage=outage,
            feed=feed,
        )
        chat = ChatEndpoints(web, conversations, answers)
        routes = [
            Mount("/api/auth", routes=web.routes()),
            Route("/api/accounts", _sign_up(accounts), methods=["POST"]),
            Mount("/api", routes=chat.routes()),
            Mount("/demo", routes=panel.routes()),
            *Pages(address).routes(),
        ]
        app = web.wrap(Starlette(routes=routes))
        for found in web.findings(app, public=["/api/accounts"]):
            if found.severity == "warning":
                print(f"{found.id}: {found.evidence}. {found.fix}", file=sys.stderr)
        yield Demo(app, answers)


async def _open_llm(
    settings: Settings, closing: AsyncExitStack
) -> tuple[LocalLLM | None, AsyncOpenAI, tuple[str, ...]]:
    """Return the toy models' process (or None), a client, and the models' names."""
    if settings.openai_api_key:
        client = AsyncOpenAI(api_key=settings.openai_api_key, max_retries=0)
        local, names = None, settings.openai_models
    else:
        local = await closing.enter_async_context(LocalLLM(pace=settings.pace))
        client = AsyncOpenAI(base_url=local.base_url, api_key=local.key, max_retries=0)
        names = toy_model.NAMES
    closing.push_async_callback(client.close)
    return local, client, names


def _sign_up(accounts: Accounts) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint for new users; JSON alone, so no foreign form reaches it."""

    async def sign_up(request: Request) -> Response:
        said = await read_object(request)
        await accounts.sign_up(said.get("username"), said.get("password"))
        return Response(status_code=201)

    return sign_up
