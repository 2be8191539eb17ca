"""
What do the endpoints under /api/auth do? Requests in, answers out, no framework.

An adapter reads the body (at most `wire.MAX_BODY`), calls `handle` and writes the
`Answer`; so all adapters agree to the byte. Everything here is written once, awaited:
`AsyncEndpoints` waits, `SyncEndpoints` is told everything at once.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress

from resilient_auth.auth.immediate import ImmediateAuth
from resilient_auth.auth.sessions import AsyncAuth
from resilient_auth.auth.shell import Principal, Shell, Tokens
from resilient_auth.auth.throttle import LoginThrottle
from resilient_auth.core import arguments, tickets
from resilient_auth.core.claims import TokenPolicy
from resilient_auth.core.cookies import MAX_COOKIE
from resilient_auth.core.deployment import Deployment
from resilient_auth.core.messages import Messages
from resilient_auth.core.text import is_identifier
from resilient_auth.core.view import Answer, RequestView
from resilient_auth.errors import AnswerError, ConfigError, Refused
from resilient_auth.web import wire
from resilient_auth.web.credentials import Ask, Authenticate, awaited, identified
from resilient_auth.web.refusals import Refusals
from resilient_auth.web.wire import Credential

Endpoint = Callable[[RequestView], Awaitable[Answer]]


class Endpoints:
    """The endpoints of one deployment; whatever waits is in *sessions* and *ask*."""

    def __init__(
        self,
        auth: Shell,
        sessions: AsyncAuth | ImmediateAuth,
        site: Deployment,
        ask: Ask,
        throttle: LoginThrottle | None,
        messages: Messages | None,
    ) -> None:
        if not isinstance(site, Deployment):
            raise ConfigError("site is a Deployment: it says where the pages live.")
        arguments.instance("throttle", throttle, LoginThrottle | None)
        _require_room(auth.policy, site)
        arguments.instance("messages", messages, Messages | None)
        self.refusals: Refusals = Refusals(auth, site, messages)
        self._auth = auth
        self._sessions = sessions
        self._site = site
        self._ask = ask
        self._throttle = throttle or LoginThrottle(clock=auth.clock)
        self._routes: dict[str, Mapping[str, Endpoint]] = {
            "/login": {"POST": self._login},
            "/verify": {"GET": self._verify, "HEAD": self._verify},
            "/session": {"GET": self._session, "HEAD": self._session},
            "/refresh": {"POST": self._refresh},
            "/logout": {"POST": self._logout},
            "/sessions": {"GET": self._list, "HEAD": self._list},
            "/ticket": {"POST": self._ticket},
        }
        keys = auth.public_keys()
        if keys:
            self._keys = wire.keys_answer(keys)
            self._routes["/jwks.json"] = {"GET": self._jwks, "HEAD": self._jwks}

    async def handle(self, view: RequestView) -> Answer:
        """Answer *view*, whose path is relative to the mount; refusals included."""
        methods = self._methods(view.path)
        endpoint = methods.get(view.method)
        try:
            if endpoint is None:
                raise Refused("method_not_allowed" if methods else "not_found")
            return await endpoint(view)
        except AnswerError as error:
            return self.refusals.answer(view, error, allow=methods)

    async def principal(
        self,
        view: RequestView,
        recent: int | None = None,
        scopes: Collection[str] = (),
    ) -> Principal:
        """
        Return who calls, if *scopes* are held and the login is *recent* enough.

        Raises `Refused` for nobody, for a forged call, and for who may not.
        """
        credential = wire.find_credential(view, self._site)
        if credential is None:
            raise self._missing(view)
        who = await self._sessions.verify(credential.token)
        if credential.from_cookie:
            self._site.csrf.check(view, matches=self._csrf_of(who.session_id))
        if scopes:
            wire.require_scopes(who, scopes)
        if recent is not None:
            self._auth.require_recent(who, max_age=recent)
        return who

    async def optional(self, view: RequestView) -> Principal | None:
        """Return who calls, None if no credential came; a bad one raises `Refused`."""
        if wire.find_credential(view, self._site) is None:
            return None
        return await self.principal(view)

    def _methods(self, path: str) -> Mapping[str, Endpoint]:
        if path.startswith("/sessions/"):
            return {"DELETE": self._end_session}
        return self._routes.get(path, {})

    # ------------------------------------------------------------------ endpoints

    async def _login(self, view: RequestView) -> Answer:
        self._site.csrf.check_origin(view)
        asked = wire.read_login(view)
        client = self._site.proxies.client(view)
        address = client.bucket() if client.address else None
        with self._throttle.attempt(asked.credentials["username"], address):
            identity = await identified(self._ask, asked.credentials)
        tokens = await self._sessions.login(
            identity.subject,
            identity.claims,
            device=view.value(b"user-agent"),
            amr=identity.amr,
            remember=asked.remember,
        )
        return self._granted(tokens, bearer=asked.bearer or not self._site.uses_cookies)

    async def _verify(self, view: RequestView) -> Answer:
        await self.principal(view)
        return wire.empty_answer()

    async def _session(self, view: RequestView) -> Answer:
        try:
            credential = wire.find_credential(view, self._site)
            if credential is None:
                raise self._missing(view)
            who = await self._sessions.verify(credential.token)
            session = await self._sessions.session(who.session_id)
        except Refused as error:
            return await self._no_session(view, error.code)
        body_of = wire.session_body(
            session,
            access_expires_at=who.expires_at,
            csrf=self._auth.csrf.issue(session.id),
            rotation="",
            server_time=self._auth.clock.time(),
        )
        return wire.json_answer(200, body_of)

    async def _refresh(self, view: RequestView) -> Answer:
        wire.refuse_query_token(view)
        given = wire.read_refresh_token(view)
        cookie = self._refresh_cookie(view)
        if given and cookie and given != cookie:
            raise Refused("request_invalid", "Body and cookie name different tokens.")
        if given:
            return self._granted(await self._sessions.refresh(given), bearer=True)
        if not cookie:
            raise Refused("refresh_missing")
        session_id = self._auth.session_of_refresh(cookie)
        self._site.csrf.check(view, matches=self._csrf_of(session_id))
        return self._granted(await self._sessions.refresh(cookie), bearer=False)

    async def _logout(self, view: RequestView) -> Answer:
        session_id = self._leaving(view)
        if session_id and b"all=1" in view.query.split(b"&"):
            with suppress(Refused):  # it is over: it has no say over the others
                session = await self._sessions.session(session_id)
                await self._sessions.revoke_all(session.subject, reason="logout")
        elif session_id:
            await self._sessions.logout(session_id)
        cleared = self._site.cookies.clear() if self._site.uses_cookies else []
        return wire.json_answer(200, {"session": None}, set_cookies=cleared)

    async def _list(self, view: RequestView) -> Answer:
        who = await self.principal(view)
        rows = await self._sessions.sessions(who.subject)
        listed = [wire.listed_session(row, current=who.session_id) for row in rows]
        return wire.json_answer(200, {"sessions": listed})

    async def _end_session(self, view: RequestView) -> Answer:
        who = await self.principal(view)
        session_id = view.path.removeprefix("/sessions/")
        if not is_identifier(session_id):
            raise Refused("not_found", reason="a name that no database takes")
        await self._sessions.revoke(session_id, subject=who.subject)
        return wire.empty_answer()

    async def _ticket(self, view: RequestView) -> Answer:
        who = await self.principal(view)
        purpose = wire.read_purpose(view)
        expires_at = self._auth.now() + tickets.MAX_AGE
        ticket = self._auth.ticket(who, purpose)
        return wire.json_answer(200, {"ticket": ticket, "expires_at": expires_at})

    async def _jwks(self, _: RequestView) -> Answer:
        return self._keys

    # ------------------------------------------------------------------ parts

    def _granted(self, tokens: Tokens, *, bearer: bool) -> Answer:
        now = self._auth.now()
        body = wire.session_body(
            tokens.session,
            access_expires_at=tokens.access_expires_at,
            csrf=self._auth.csrf.issue(tokens.session.id),
            rotation=tokens.rotation,
            server_time=self._auth.clock.time(),
        )
        if bearer:
            return wire.json_answer(200, body | wire.token_members(tokens, now))
        cookies = wire.token_cookies(tokens, self._site.cookies, now)
        return wire.json_answer(200, body, set_cookies=cookies)

    async def _no_session(self, view: RequestView, reason: str) -> Answer:
        """Say why there is no session, and whether the refresh cookie still has one."""
        session_id = ""
        try:
            cookie = self._refresh_cookie(view)
            if cookie:
                named = self._auth.session_of_refresh(cookie)
                session_id = (await self._sessions.session(named)).id
        except Refused as error:
            reason = error.code
        body = wire.no_session_body(
            reason,
            can_refresh=bool(session_id),
            csrf=self._auth.csrf.issue(session_id) if session_id else "",
            server_time=self._auth.clock.time(),
        )
        return wire.json_answer(200, body)

    def _leaving(self, view: RequestView) -> str:
        """Return the id of the session that asks to end, maybe long expired."""
        given = wire.read_refresh_token(view)
        if given:
            return self._auth.session_of_refresh(given)
        credential = wire.find_credential(view, self._site)
        if credential and not credential.from_cookie:
            return self._auth.session_of_access(credential.token)
        session_id = self._named_by_cookies(view, credential)
        if session_id:
            self._site.csrf.check(view, matches=self._csrf_of(session_id))
        else:
            # A foreign page's form brings no cookie, but the answer would clear ours.
            self._site.csrf.check_origin(view)
        return session_id

    def _named_by_cookies(self, view: RequestView, access: Credential | None) -> str:
        """Return whose cookies these are; nobody's if they cannot be read."""
        with suppress(Refused):
            return self._auth.session_of_refresh(self._refresh_cookie(view))
        with suppress(Refused):
            return self._auth.session_of_access(access.token) if access else ""
        return ""

    def _refresh_cookie(self, view: RequestView) -> str:
        cookies = wire.cookies_of(view, self._site)
        return cookies.get(self._site.cookies.refresh.name, "")

    def _csrf_of(self, session_id: str) -> Callable[[str], bool]:
        return lambda token: self._auth.csrf.matches(session_id, token)

    def _missing(self, view: RequestView) -> Refused:
        """Return ``token_missing``; a refresh cookie that came means: refresh."""
        action = "refresh" if self._refresh_cookie(view) else ""
        came = self._site.uses_cookies and view.is_socket and view.values(b"cookie")
        reason = "on a socket a cookie needs an allowed Origin" if came else ""
        return Refused("token_missing", action=action, reason=reason)


class AsyncEndpoints(Endpoints):
    """
    The endpoints over an `AsyncAuth`.

    *authenticate* is given the login's body (``username``, ``password`` and whatever
    the application adds) and returns an `Identity`, a subject, or None for credentials
    that are wrong; it may be a coroutine function. A database that fails inside it is
    answered with 503, never with 500 or 401. *throttle* paces the logins that fail;
    *messages* are the words of refusals, English ones by default.
    """

    def __init__(
        self,
        auth: AsyncAuth,
        site: Deployment,
        authenticate: Authenticate,
        throttle: LoginThrottle | None = None,
        messages: Messages | None = None,
    ) -> None:
        if not isinstance(auth, AsyncAuth):
            raise ConfigError("This adapter is asynchronous: give it an AsyncAuth.")
        super().__init__(auth, auth, site, awaited(authenticate), throttle, messages)


def _require_room(policy: TokenPolicy, site: Deployment) -> None:
    """Raise `ConfigError` if a token could be made that no cookie holds."""
    longest = min(policy.max_issued_bytes, policy.max_token_bytes)
    room = MAX_COOKIE - len(site.cookies.access.name)
    if site.uses_cookies and longest > room:
        raise ConfigError(
            f"max_issued_bytes is {longest}, but a cookie holds {room} bytes. Lower "
            'it, or use no cookies: Deployment(…, profile="bearer").'
        )
