"""How are keys made and rotated from a shell? On a key file, step by step."""

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from resilient_auth.cli.endings import told
from resilient_auth.cli.files import (
    is_open_to_others,
    read_secret_file,
    rewrite,
)
from resilient_auth.clock import SystemClock
from resilient_auth.core.algorithms import ALGORITHMS
from resilient_auth.core.claims import TokenPolicy
from resilient_auth.core.entries import ANNOUNCED, SIGNING, Entry
from resilient_auth.core.keyfile import read_stays, write_ring
from resilient_auth.core.keys import Key
from resilient_auth.core.ring import KeyRing
from resilient_auth.core.sessions import SessionPolicy
from resilient_auth.core.stays import RELOAD, Stays
from resilient_auth.errors import ConfigError

F = TypeVar("F", bound=Callable[..., object])
_File = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
_Alg = click.option(
    "--alg", type=click.Choice(list(ALGORITHMS)), help="The algorithm of the new key."
)


def _life(name: str, default: int, what: str) -> Callable[[F], F]:
    """Return the option of a time in seconds, which decides how long a step waits."""
    return click.option(name, default=default, show_default=True, help=what)


@click.group()
def keys() -> None:
    """
    Make and rotate the keys that sign tokens.

    A key file is a JWK set with private members. Only its owner may read it. Give its
    text to the service in AUTH_KEYS, or read it with KeyRing.from_text.
    """


@keys.command()
@_File
@_Alg
@click.option("--force", is_flag=True, help="Replace the file; logs everybody out.")
@click.option("--stdout", is_flag=True, help="Print the secrets; write no file.")
@click.option("--no-refresh", is_flag=True, help="AUTH_KEYS_REFRESH has the masters.")
@_life("--max-ttl", 86_400, "Your TokenPolicy's.")
@_life("--leeway", 30, "Your TokenPolicy's.")
@_life("--absolute", 2_592_000, "Your SessionPolicy's.")
@_life("--reload", RELOAD, "How long until all processes have read a changed file.")
@told
def generate(
    file: Path,
    alg: str | None,
    *,
    force: bool,
    stdout: bool,
    no_refresh: bool,
    **lives: int,
) -> None:
    """
    Make a new key FILE with one key, which signs from now on.

    If tokens or sessions live for other times (seconds) than the default ones, say so:
    each later step waits for them, so they are written into FILE.
    """
    stays = _stays(**lives)
    key = Key.generate(alg or "EdDSA")
    has_masters = not (key.is_symmetric or no_refresh)
    masters = {_dated("m"): secrets.token_bytes(32)} if has_masters else None
    ring = KeyRing([Entry(key, SIGNING, _now())], masters)
    if stdout:
        click.echo(write_ring(ring, stays), nl=False)
        return

    def made() -> str:
        if file.exists() and not force:
            raise ConfigError(
                f"{file} exists; --force replaces it, and logs everybody out."
            )
        return write_ring(ring, stays)

    _show(rewrite(file, made))


@keys.command()
@_File
@_Alg
@told
def rotate(file: Path, alg: str | None) -> None:
    """
    Take the next safe step in FILE: announce a new key, or let it sign.

    Each step needs the services to read the file again. A step that comes too early is
    refused, with the time from which on it is safe.
    """

    def step(ring: KeyRing, stays: Stays) -> KeyRing:
        waiting = [each.key for each in ring.entries if each.state == ANNOUNCED]
        key = waiting[0] if waiting else Key.generate(alg or ring.signing.alg)
        return ring.rotate(key, _now(), stays=stays)

    _change(file, step)


@keys.command()
@_File
@click.argument("kid")
@told
def retire(file: Path, kid: str) -> None:
    """
    Take the key KID out of FILE at once, since it has leaked.

    What it signed is refused as soon as the services have read the file. If it signs,
    the announced key takes its place, or a new one.
    """

    def step(ring: KeyRing, _: Stays) -> KeyRing:
        ready = any(each.state == ANNOUNCED for each in ring.entries)
        successor = None if ready else Key.generate(ring.signing.alg)
        return ring.retire(kid, _now(), successor=successor)

    _change(file, step)


@keys.command()
@_File
@told
def check(file: Path) -> None:
    """Say what each key of FILE does; status 1 if others can read the file."""
    _show(read_secret_file(file))
    if is_open_to_others(file):
        click.echo(_open_to_others(file), err=True)
        raise SystemExit(1)


@keys.command()
@_File
@told
def jwks(file: Path) -> None:
    """Print the public keys of FILE, as services that only verify need them."""
    ring = KeyRing.from_text(read_secret_file(file))
    click.echo(json.dumps(ring.jwks(), indent=2))


def _change(file: Path, step: Callable[[KeyRing, Stays], KeyRing]) -> None:
    """Write FILE as it is after *step*; no other command may come between."""

    def changed() -> str:
        text = read_secret_file(file)
        if is_open_to_others(file):  # the new file is not: nobody would notice any more
            raise ConfigError(_open_to_others(file))
        stays = read_stays(text)
        return write_ring(step(KeyRing.from_text(text), stays), stays)

    _show(rewrite(file, changed))


def _open_to_others(file: Path) -> str:
    return f"Others may read {file}: chmod 600 it, and retire its keys."


def _show(text: str) -> None:
    ring, stays = KeyRing.from_text(text), read_stays(text)
    for key in ring.keys:
        click.echo(f"{key.kid}  {key.alg}\n    {ring.explain(key.kid, stays=stays)}")


def _stays(*, max_ttl: int, leeway: int, absolute: int, reload: int) -> Stays:
    """Return the stays under policies with these lives, which check themselves."""
    policy = TokenPolicy(
        issuer="-", audience="-", access_ttl=1, max_ttl=max_ttl, leeway=leeway
    )
    lives = SessionPolicy(idle=1, absolute=absolute, grace=0)
    return Stays.of(policy, lives, reload=reload)


def _now() -> int:
    return int(SystemClock().time())


def _dated(prefix: str) -> str:
    return f"{prefix}{_now()}"
