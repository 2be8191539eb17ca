"""How does the page reach the browser? As static files under a strict policy."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

_STATIC = Path(__file__).parent / "static"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_LOOPBACK = ("127.0.0.1", "::1")


class Pages:
    """The page at ``/`` and its parts; *address* is the one origin it lives on."""

    def __init__(self, address: str) -> None:
        self._address = address

    def routes(self) -> list[BaseRoute]:
        """Return the routes; they come last."""
        return [
            Route("/", self._index),
            Mount("/static", _PolicedFiles(directory=_STATIC)),
        ]

    async def _index(self, request: Request) -> Response:
        """Return the page, or send a visitor of 127.0.0.1 to where cookies work."""
        if request.url.hostname in _LOOPBACK:
            return RedirectResponse(self._address, headers=_HEADERS)
        return FileResponse(_STATIC / "index.html", headers=_HEADERS)


class _PolicedFiles(StaticFiles):
    """Static files with the page's headers."""

    async def get_response(
        self, path: str, scope: MutableMapping[str, Any]
    ) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response
