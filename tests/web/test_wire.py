"""Requests read into values, and the rules that hold for whatever comes."""

from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from resilient_auth import AsyncAuth, Principal, Refused, StarletteAuth
from resilient_auth.core.view import RequestView
from resilient_auth.errors import PROBLEMS
from resilient_auth.testing import AsgiTransport, WireResponse, WireSetup
from resilient_auth.testing.wire import World
from resilient_auth.testing.wire.promises import (
    PROMISED,
    WIPING,
    assert_cookies_cleared,
    assert_refused,
)
from resilient_auth.testing.wire.setup import ACCESS, GRACE, LEEWAY
from resilient_auth.testing.wire.world import forged
from resilient_auth.web import wire

SITE = WireSetup().site
ACCESS_COOKIE = SITE.cookies.access.name.encode()


def view(*headers: tuple[bytes, bytes], **said: Any) -> RequestView:
    """Return a request with *headers*."""
    return RequestView(**{"method": "GET", "path": "/", "headers": headers} | said)


def who(**claims: Any) -> Principal:
    """Return a principal with *claims*."""
    return Principal(
        subject="ann",
        session_id="s",
        claims=claims,
        issued_at=0,
        expires_at=0,
        auth_time=0,
        amr=("pwd",),
    )


def code_of(call: Callable[[], object]) -> str:
    """Return the code by which *call* refuses, or nothing; let no other error pass."""
    try:
        call()
    except Refused as refused:
        return refused.code
    return ""


# ------------------------------------------------------------------ credentials


def test_a_header_is_preferred_to_an_equal_cookie() -> None:
    """It proves intent, so no CSRF evidence is asked for."""
    both = view(
        (b"authorization", b"Bearer x.y.z"), (b"cookie", ACCESS_COOKIE + b"=x.y.z")
    )
    cookie = view((b"cookie", ACCESS_COOKIE + b"=x.y.z"))

    assert wire.Credential("x.y.z", from_cookie=False) == wire.find_credential(
        both, SITE
    )
    assert wire.Credential("x.y.z", from_cookie=True) == wire.find_credential(
        cookie, SITE
    )
    assert wire.find_credential(view(), SITE) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"authorization", b"cookie", b"x-csrf-token", b"origin"]),
            st.binary(max_size=60)
            | st.sampled_from([b"Bearer a", b"bearer a.b.c", ACCESS_COOKIE + b"=a"]),
        ),
        max_size=5,
    ),
    st.binary(max_size=30) | st.sampled_from([b"access_token=", b"a&refresh_token=x"]),
)
def test_no_header_is_an_error_of_ours(
    headers: list[tuple[bytes, bytes]], query: bytes
) -> None:
    """Whatever bytes come, they are a credential, none, or refused."""
    asked = view(*headers, query=query)
    code = code_of(lambda: wire.find_credential(asked, SITE))

    assert code in {"", "token_invalid", "cookie_duplicate"}


@given(st.binary(max_size=200), st.sampled_from([b"application/json", b"text/plain"]))
def test_no_body_is_an_error_of_ours(body: bytes, media_type: bytes) -> None:
    """Whatever bytes come, they are a login or refused."""
    asked = view((b"content-type", media_type), method="POST", body=body)

    assert code_of(lambda: wire.read_login(asked)) in {"", "request_invalid"}
    assert code_of(lambda: wire.read_refresh_token(asked)) in {"", "request_invalid"}


def test_a_refusal_quotes_nothing_that_came() -> None:
    """A body may hold a password, and the detail is shown and logged."""
    asked = view(
        (b"content-type", b"application/json"),
        method="POST",
        body=b'{"username": 1, "password": "secret-word"}',
    )
    with pytest.raises(Refused) as caught:
        wire.read_login(asked)

    assert "secret-word" not in str(caught.value) + caught.value.detail


# ------------------------------------------------------------------ scopes


@pytest.mark.parametrize(
    ("held", "needed", "lacks"),
    [
        ("read write", ["read"], []),
        ("read write", ["write", "read"], []),
        ("read write", [], []),
        ("read", ["write", "admin"], ["admin", "write"]),
        ("readwrite", ["read"], ["read"]),
        (("read", "write"), ["read"], []),
        (["read"], ["read"], []),
        ("", ["read"], ["read"]),
        (None, ["read"], ["read"]),
        (True, ["read"], ["read"]),
        (7, ["read"], ["read"]),
        (MappingProxyType({"read": False}), ["read"], ["read"]),
        (({"x": 1}, ("read",)), ["read"], ["read"]),
        (None, [], []),
    ],
    ids=repr,
)
def test_scopes_are_words_of_a_text_or_items_of_a_list(
    held: object, needed: list[str], lacks: list[str]
) -> None:
    """RFC 8693 §4.2; any other form grants nothing, and is no error of ours."""
    if not lacks:
        wire.require_scopes(who(scope=held), needed)
        return
    with pytest.raises(Refused, match="permission_denied") as caught:
        wire.require_scopes(who(scope=held), needed)

    assert f"scope lacks {lacks}" == caught.value.reason


def test_no_scope_claim_grants_nothing() -> None:
    """Who was given no scopes has none."""
    with pytest.raises(Refused, match="permission_denied"):
        wire.require_scopes(who(), ["read"])


# ------------------------------------------------------------------ the whole wire


class Pool:
    """One running application, and tokens in every state to draw requests from."""

    def __init__(self) -> None:
        setup = WireSetup()
        auth = AsyncAuth(
            setup.ring,
            setup.policy,
            store=setup.store,
            sessions=setup.sessions,
            clock=setup.clock,
        )
        web = StarletteAuth(
            auth, setup.site, authenticate=setup.authenticate, messages=setup.messages
        )

        async def me(request: Request) -> Response:
            return PlainTextResponse((await web.principal(request)).subject)

        app = Starlette(
            routes=[
                Mount("/api/auth", routes=web.routes()),
                Route("/me", me, methods=["GET", "POST"]),
            ]
        )
        self.world = World(setup, AsgiTransport(web.wrap(app)))
        self.tokens = ["", "x", "é", "a.b.c", ";", "a" * 9_000, *self._tokens()]

    def _tokens(self) -> Iterator[str]:
        """Yield access and refresh tokens, the dead and the forged among them."""
        world = self.world
        idle = world.login()
        world.clock.advance(world.setup.sessions.idle)
        old = world.login()
        world.clock.advance(ACCESS + LEEWAY + GRACE)
        new = world.granted(world.refresh(old.refresh))
        world.clock.advance(GRACE)
        revoked, living = world.login(), world.login("bob")
        world.send("POST", "logout", json={"refresh_token": revoked.refresh})
        for grant in (idle, old, new, revoked, living):
            yield from (grant.access, grant.refresh, grant.csrf)
        yield from (forged(living.access), forged(living.refresh))
        yield world.token_of_generation(living, 9)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """Yield the one application that all drawn requests meet."""
    pool = Pool()
    yield pool
    pool.world.transport.close()


TARGETS = ["verify", "session", "sessions", "refresh", "logout", "logout?all=1", "/me"]
METHODS = ["GET", "POST", "HEAD", "DELETE"]


@given(data=st.data())
def test_no_request_breaks_the_never_wipe_rule(pool: Pool, data: st.DataObject) -> None:
    """Any tokens anywhere: the answer is explained, and only the five verdicts wipe."""
    token = st.sampled_from(pool.tokens)
    names = st.sampled_from([*SITE.cookies.names(), "other", ""])
    pairs = st.lists(st.tuples(names, token), max_size=4)
    headers = {
        "Cookie": pairs.map(lambda drawn: "; ".join(f"{n}={t}" for n, t in drawn)),
        "Authorization": token.map(lambda drawn: f"Bearer {drawn}"),
        "X-CSRF-Token": token,
        "Sec-Fetch-Site": st.sampled_from(["same-origin", "same-site", "cross-site"]),
        "Origin": st.sampled_from([pool.world.setup.site.api, "https://evil.example"]),
    }
    drawn = data.draw(st.fixed_dictionaries({}, optional=headers))
    json = data.draw(st.none() | st.fixed_dictionaries({"refresh_token": token}))
    method, target = (data.draw(st.sampled_from(each)) for each in (METHODS, TARGETS))
    response = pool.world.send(method, target, drawn.items(), json=json)

    assert (None, True) == (response.error, response.is_complete)
    assert 1 == len(response.values("x-request-id"))
    assert_explained(response, method, target, came=bool(drawn.get("Cookie")))


def assert_explained(
    response: WireResponse, method: str, target: str, *, came: bool
) -> None:
    """Hold *response* to be a success, or a refusal to the last member."""
    said = response.values("set-cookie")
    if response.status >= 400 and "problem" in response.value("content-type"):
        if method != "HEAD":
            problem = response.json()
            code, action = problem["code"], problem["action"]

            assert code in PROMISED
            wiped = bool(said)
            assert not wiped or (code in WIPING and came)
            assert_refused(response, code, action=action, wiped=wiped)
    elif target.startswith("logout") and response.status == 200:
        assert_cookies_cleared(response, wiped=True)
    else:
        assert not [each for each in said if "Max-Age=0" in each]
        assert not said or (method, target, response.status) == ("POST", "refresh", 200)


def test_every_refusal_is_promised_by_the_contract() -> None:
    """Those that it leaves out are of parts which no wire suite can provoke."""
    elsewhere = {"request_timeout", "llm_unavailable"}

    assert PROBLEMS.keys() == PROMISED.keys() | elsewhere
    assert {
        code: (PROBLEMS[code].status, PROBLEMS[code].action) for code in PROMISED
    } == dict(PROMISED)
