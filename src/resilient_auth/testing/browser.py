"""
Would a browser keep this cookie, and send it back? A small browser with strict rules.

It drops what Chromium and Firefox drop without a word, so a cookie that survives here
arrives. It names its page in ``Origin`` and ``Sec-Fetch-Site`` as they do.
Source: RFC 6265bis §5.6 and §5.7, Fetch Metadata §2.
"""

import json as jsonlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from resilient_auth.clock import Clock
from resilient_auth.core.origins import Origin
from resilient_auth.testing.exchange import Transport, WireRequest, WireResponse

_MAX_COOKIE = 4096  # bytes of name and value


@dataclass(frozen=True, slots=True)
class Kept:
    """A cookie in the jar until Unix seconds; without, it ends with the browser."""

    value: str
    until: float | None


class Browser:
    """One browser that shows the page *page* and calls the API *api*."""

    def __init__(
        self, transport: Transport, clock: Clock, *, api: str, page: str = ""
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._api = Origin.parse(api)
        self._page = Origin.parse(page or api)
        self._jar: dict[str, Kept] = {}

    @property
    def cookies(self) -> dict[str, str]:
        """Return the cookies that would be sent now."""
        now = self._clock.time()
        return {
            name: kept.value
            for name, kept in self._jar.items()
            if kept.until is None or now < kept.until
        }

    def fetch(
        self,
        method: str,
        target: str,
        *,
        json: Mapping[str, object] | None = None,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> WireResponse:
        """Call *target* as a script of the page does, credentials included."""
        sent = [*self._own_headers(method), *headers]
        if json is not None:
            sent.append((b"content-type", b"application/json"))
        response = self._transport.send(
            WireRequest(
                method=method,
                target=target,
                headers=tuple(sent),
                body=b"" if json is None else jsonlib.dumps(json).encode(),
            )
        )
        for each in response.values("set-cookie"):
            self._store(each)
        return response

    def restart(self) -> None:
        """Close the browser and open it again: cookies without an age are gone."""
        self._jar = {k: kept for k, kept in self._jar.items() if kept.until is not None}

    def _own_headers(self, method: str) -> list[tuple[bytes, bytes]]:
        same_origin = self._page == self._api
        said = {
            b"host": str(self._api).partition("://")[2],
            b"sec-fetch-site": "same-origin" if same_origin else "same-site",
            b"cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()),
        }
        if method not in {"GET", "HEAD"} or not same_origin:
            said[b"origin"] = str(self._page)
        return [(name, value.encode()) for name, value in said.items() if value]

    def _store(self, set_cookie: str) -> None:
        pair, *rest = set_cookie.split(";")
        name, _, value = pair.strip().partition("=")
        attributes = {
            key.strip().lower(): said.strip()
            for key, _, said in (each.partition("=") for each in rest)
        }
        if not self._keeps(name, value, attributes):
            return
        age = attributes.get("max-age")
        if age is not None and int(age) <= 0:
            self._jar.pop(name, None)
            return
        until = None if age is None else self._clock.time() + int(age)
        self._jar[name] = Kept(value, until)

    def _keeps(self, name: str, value: str, attributes: Mapping[str, str]) -> bool:
        secure = "secure" in attributes
        if len(name) + len(value) > _MAX_COOKIE:
            return False
        if secure and self._api.scheme != "https":
            return False
        if attributes.get("samesite", "").lower() == "none" and not secure:
            return False
        if name.lower().startswith("__host-"):
            return (
                secure and attributes.get("path") == "/" and "domain" not in attributes
            )
        return secure or not name.lower().startswith("__secure-")
