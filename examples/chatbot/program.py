"""How does the demo start and end? It serves, or says in a line why it cannot."""

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn
from examples.chatbot import toy_model
from examples.chatbot.answers import Answers
from examples.chatbot.app import open_demo
from examples.chatbot.settings import DEMO_PASSWORD, DEMO_USER, Settings
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from resilient_auth import ConfigError, Unavailable

_GRACE = 3  # seconds for open connections when it ends


class _Server(uvicorn.Server):
    """uvicorn, but answers are ended before their connections, and signals are ours."""

    def __init__(
        self, config: uvicorn.Config, answers: Answers, *, welcome: str
    ) -> None:
        super().__init__(config)
        self._answers = answers
        self._welcome = welcome

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on the first signal, at once on the second."""
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, self.handle_exit, signal.SIGINT, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say the address once it answers, and a signal would end it well."""
        await super().startup(sockets)
        print(self._welcome, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Interrupt the answers, which ends their streams; then close the rest."""
        await self._answers.close()
        await super().shutdown(sockets)


def run() -> int:
    """Serve until a signal comes; return the process's exit status."""
    try:
        settings = Settings.from_environ(os.environ)
    except ValueError as error:
        return _fail(str(error))
    try:
        sockets = _listen(settings.port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return _fail(f"Port {settings.port} cannot be used: {error.strerror}.")
        other = settings.port + 1 if settings.port < 65_535 else 8000
        return _fail(
            f"Port {settings.port} is in use: something else already listens on it. "
            f"Choose another: PORT={other} make demo"
        )
    try:
        asyncio.run(_serve(settings, sockets))
    except (SQLAlchemyError, OSError, ConfigError) as error:
        where = make_url(settings.database_url)  # its repr hides the password
        why = str(error).partition("\n")[0]  # the rest is the statement, and a link
        return _fail(f"Data in {settings.data}, database {where!r}: {why}")
    except Unavailable as error:
        return _fail(error.detail)
    except KeyboardInterrupt:
        return 130  # Ctrl-C before it was ready; everything is closed
    finally:
        for each in sockets:
            each.close()
    return 0


async def _serve(settings: Settings, sockets: list[socket.socket]) -> None:
    address = f"http://localhost:{sockets[0].getsockname()[1]}"
    async with open_demo(settings, address) as demo:
        config = uvicorn.Config(
            demo.app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
        welcome = _welcome(address, settings)
        await _Server(config, demo.answers, welcome=welcome).serve(sockets)
    print("\nStopped. What was said is kept; start again and go on.", flush=True)


def _listen(port: int) -> list[socket.socket]:
    """
    Return sockets on the loopback addresses that "localhost" may mean.

    Both or none: a stranger on ``::1`` would be given half of the page's requests.
    """
    first = socket.create_server(("127.0.0.1", port))
    try:
        second = socket.create_server(
            ("::1", first.getsockname()[1]), family=socket.AF_INET6
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            first.close()
            raise
        return [first]  # no IPv6 on this machine
    return [first, second]


def _welcome(address: str, settings: Settings) -> str:
    models = settings.openai_models if settings.openai_api_key else toy_model.NAMES
    toys = "" if settings.openai_api_key else " (local toys)"
    login = f'{{"username":"{DEMO_USER}","password":"{DEMO_PASSWORD}"}}'
    return f"""
  The resilient-auth chatbot is ready.

      {address}

      user      {DEMO_USER}
      password  {DEMO_PASSWORD}
      models    {", then ".join(models)}{toys}

  Try: log in, ask for a long answer, and break something beside the chat while it
  speaks. Open a second tab. Stop this program and start it again: you stay logged in.

  Or with curl (a browser proves by itself whose page it is; curl sends the token):

      U={address}/api/auth; J=$(mktemp)
      curl -s -c $J $U/login -H 'content-type: application/json' -d '{login}'
      curl -s -b $J -o /dev/null -w '%{{http_code}}\\n' $U/verify
      C=$(curl -s -b $J $U/session | sed 's/.*csrf":"\\([^"]*\\).*/\\1/'); cp $J $J.old
      curl -s -b $J.old -c $J -X POST -H "x-csrf-token: $C" $U/refresh    # rotated
      curl -s -b $J.old       -X POST -H "x-csrf-token: $C" $U/refresh    # replayed
      curl -s -b $J -c $J -X POST -H "x-csrf-token: $C" $U/logout
      curl -s -b $J -i $U/verify                                          # 401, and why

  Ctrl-C ends it.
"""


def _fail(why: str) -> int:
    print(f"The demo cannot start. {why}", file=sys.stderr)
    return 1
