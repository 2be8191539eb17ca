"""
How is a synchronous `Auth` used by code that awaits? It has answered already.

A coroutine that never has to wait can be run by a plain call. So a rule that is written
once, awaited, serves both twins, and a WSGI server needs no event loop.
"""

from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from resilient_auth.auth.sessions import Auth
from resilient_auth.auth.shell import Principal, Tokens
from resilient_auth.core.sessions import Session

T = TypeVar("T")


def run(steps: Coroutine[Any, Any, T]) -> T:
    """Return what *steps* return; `RuntimeError` if they would have to wait."""
    try:
        steps.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    steps.close()
    raise RuntimeError("A step waits for something, and nobody is there to wait.")


class ImmediateAuth:
    """An `Auth` in the words of an `AsyncAuth`: awaited, it has answered already."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    async def login(
        self,
        subject: str,
        claims: Mapping[str, object] | None = None,
        *,
        device: str = "",
        amr: tuple[str, ...] = ("pwd",),
        remember: bool = True,
    ) -> Tokens:
        """Open a session, as `Auth.login` does."""
        return self._auth.login(
            subject, claims, device=device, amr=amr, remember=remember
        )

    async def verify(self, access_token: str) -> Principal:
        """Say who presents *access_token*."""
        return self._auth.verify(access_token)

    async def refresh(self, refresh_token: str) -> Tokens:
        """Exchange *refresh_token* for new tokens."""
        return self._auth.refresh(refresh_token)

    async def session(self, session_id: str) -> Session:
        """Return the living session called *session_id*."""
        return self._auth.session(session_id)

    async def sessions(self, subject: str) -> list[Session]:
        """Return the living sessions of *subject*."""
        return self._auth.sessions(subject)

    async def revoke(
        self, session_id: str, *, subject: str | None = None, reason: str = "revoked"
    ) -> None:
        """End a session."""
        self._auth.revoke(session_id, subject=subject, reason=reason)

    async def logout(self, session_id: str) -> None:
        """End a session because its user asked for it."""
        self._auth.logout(session_id)

    async def revoke_all(
        self, subject: str, *, keep: str | None = None, reason: str = "revoked"
    ) -> int:
        """End every session of *subject* but the id *keep*; return how many."""
        return self._auth.revoke_all(subject, keep=keep, reason=reason)
