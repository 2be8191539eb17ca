"""How does a command end that cannot do what was asked? In one line, status 2."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click

from resilient_auth.errors import ConfigError

P = ParamSpec("P")


def told(command: Callable[P, None]) -> Callable[P, None]:
    """Let *command* end with one line and status 2 where it raises `ConfigError`."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except ConfigError as error:
            click.echo(f"resilient-auth: {error}", err=True)
            raise SystemExit(2) from None

    return run
