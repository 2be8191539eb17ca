"""What goes over the wire? Requests read into values, values written into answers."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from resilient_auth.auth.shell import Principal, Tokens
from resilient_auth.core.cookies import read_cookies
from resilient_auth.core.deployment import Deployment, SessionCookies
from resilient_auth.core.sessions import Session
from resilient_auth.core.text import is_identifier, read_object, write_object
from resilient_auth.core.view import Answer, RequestView
from resilient_auth.errors import ConfigError, Refused

MAX_BODY = 16_384  # bytes; our own endpoints need no more
MAX_PASSWORD = 1024  # bytes; bounds the work of a hash (ASVS 6.2.9: 64 at least)

_VARY = "Origin, Cookie"
_QUERY_TOKEN = re.compile(rb"(?:^|&)(?:access_token|refresh_token)=")


class Credential(NamedTuple):
    """An access token, and whether the browser added it by itself."""

    token: str
    from_cookie: bool

    def __repr__(self) -> str:
        """Say where it came from; the token is a secret."""
        return f"Credential(from_cookie={self.from_cookie})"


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """A checked login body; *credentials* is what the application judges."""

    credentials: Mapping[str, Any]
    bearer: bool
    remember: bool


# ------------------------------------------------------------------ reading


def cookies_of(view: RequestView, site: Deployment) -> dict[str, str]:
    """
    Return the cookies of *view* that count; `Refused` if one of ours came twice.

    None counts where the deployment uses none, and on a WebSocket none without an
    Origin that is allowed: no CORS and no CSRF token stands between a socket and a
    foreign page.
    """
    # HTTP/2 may split the header (RFC 9113 §8.2.3).
    headers = view.values(b"cookie")
    if not headers or not site.uses_cookies:
        return {}
    if view.is_socket and not site.cors.allows(view.value(b"origin")):
        return {}
    return read_cookies("; ".join(headers), ours=site.cookies.names())


def find_credential(view: RequestView, site: Deployment) -> Credential | None:
    """
    Return the access token of *view*, or None if no credential came.

    Raises `Refused` for a header that is not one Bearer token (RFC 6750 §2.1), for
    header and cookie that disagree, and for a token in the query string.
    """
    refuse_query_token(view)
    cookie = cookies_of(view, site).get(site.cookies.access.name)
    bearer = _bearer(view)
    if bearer is None:
        return None if cookie is None else Credential(cookie, from_cookie=True)
    if cookie is not None and bearer != cookie:
        raise Refused("token_invalid", reason="header and cookie disagree")
    return Credential(bearer, from_cookie=False)


def refuse_query_token(view: RequestView) -> None:
    """Refuse a token in the query string, which ends in logs and in Referer headers."""
    if view.query and _QUERY_TOKEN.search(view.query):
        raise Refused("token_invalid", reason="a token in the query string")


def read_body(view: RequestView) -> dict[str, Any]:
    """
    Return the JSON object in the body; an empty body is an empty object.

    Raises `Refused` ``request_invalid`` for another content type too: a form of a
    foreign page cannot send ``application/json``.
    """
    if not view.body:
        return {}
    media_type = view.value(b"content-type").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise _invalid("Send application/json.")
    try:
        return read_object(view.body)
    except ValueError as error:
        raise _invalid(f"The body cannot be read: {error}.") from None


def read_login(view: RequestView) -> LoginRequest:
    """Return the login that *view* asks for, every field of its type and in bounds."""
    said = read_body(view)
    transport = said.pop("transport", "cookie")
    remember = said.pop("remember", True)
    if transport not in ("cookie", "bearer"):
        raise _invalid('transport is "cookie" or "bearer".')
    if not isinstance(remember, bool):
        raise _invalid("remember is true or false.")
    if not is_identifier(said.get("username")):
        raise _invalid("username is 1 to 256 plain characters.")
    password = said.get("password")
    if not isinstance(password, str) or not 0 < len(password.encode()) <= MAX_PASSWORD:
        raise _invalid(f"password is 1 to {MAX_PASSWORD} bytes of text.")
    return LoginRequest(said, bearer=transport == "bearer", remember=remember)


def read_refresh_token(view: RequestView) -> str:
    """Return the refresh token in a bearer client's body, or nothing."""
    token = read_body(view).get("refresh_token", "")
    if not isinstance(token, str):
        raise _invalid("refresh_token is text.")
    return token


def read_purpose(view: RequestView) -> str:
    """Return what a ticket is asked for."""
    purpose = read_body(view).get("purpose")
    if not isinstance(purpose, str) or not is_identifier(purpose):
        raise _invalid("purpose is 1 to 256 plain characters.")
    return purpose


def needed_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """Return *scopes* as a set; `ConfigError` for one string, which is its letters."""
    if isinstance(scopes, str):
        raise ConfigError("scopes is a list; one string would be its letters.")
    return frozenset(scopes)


def require_scopes(who: Principal, scopes: Collection[str]) -> None:
    """Raise `Refused` ``permission_denied`` unless the claim ``scope`` has them all."""
    held = _scopes_of(who)
    missing = sorted(each for each in scopes if each not in held)
    if missing:
        raise Refused("permission_denied", reason=f"scope lacks {missing}")


# ------------------------------------------------------------------ writing


def json_answer(
    status: int,
    body: Mapping[str, object],
    *,
    set_cookies: Iterable[str] = (),
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
    language: str = "",
) -> Answer:
    """Return *body* as an answer that no cache keeps; *language* if it was chosen."""
    chosen = {"Content-Language": language} if language else {}
    return Answer(
        status,
        (
            ("Content-Type", media_type),
            ("Cache-Control", "no-store"),
            ("Vary", f"{_VARY}, Accept-Language" if language else _VARY),
            *(chosen | dict(headers or {})).items(),
            *(("Set-Cookie", each) for each in set_cookies),
        ),
        write_object(body),
    )


def keys_answer(keys: Mapping[str, object]) -> Answer:
    """Return a public JWK set, which caches may keep for five minutes."""
    return Answer(
        200,
        (
            ("Content-Type", "application/jwk-set+json"),
            ("Cache-Control", "max-age=300"),
        ),
        write_object(keys),
    )


def empty_answer() -> Answer:
    """Return 204: it holds, and there is nothing to add."""
    return Answer(204, (("Cache-Control", "no-store"), ("Vary", _VARY)))


def session_body(
    session: Session,
    *,
    access_expires_at: int,
    csrf: str,
    rotation: str,
    server_time: float,
) -> dict[str, object]:
    """Return the SessionBody of design §4: no token, nothing a script must not see."""
    return {
        "session": {
            "id": session.id,
            "epoch": session.generation,
            "subject": session.subject,
            "claims": session.claims,
            "access_expires_at": access_expires_at,
            "idle_expires_at": session.idle_expires_at,
            "expires_at": session.expires_at,
            "auth_time": session.auth_time,
            "amr": session.amr,
        },
        "csrf": csrf,
        "rotation": rotation,
        "server_time": server_time,
    }


def no_session_body(
    reason: str, *, can_refresh: bool, csrf: str, server_time: float
) -> dict[str, object]:
    """Return why there is no session, and whether a refresh would help."""
    return {
        "session": None,
        "reason": reason,
        "can_refresh": can_refresh,
        "csrf": csrf,
        "server_time": server_time,
    }


def token_members(tokens: Tokens, now: int) -> dict[str, object]:
    """Return what a bearer client is given beside the session (RFC 6749 §5.1)."""
    return {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "token_type": "Bearer",
        "expires_in": max(0, tokens.access_expires_at - now),
    }


def token_cookies(tokens: Tokens, cookies: SessionCookies, now: int) -> list[str]:
    """
    Return the ``Set-Cookie`` values of *tokens*.

    Both live until the idle end, so that an expired access token can still be told
    from none; a session that is not remembered ends with the browser.
    """
    session = tokens.session
    max_age = session.idle_expires_at - now if session.remember else None
    return [
        cookies.access.set(tokens.access_token, max_age=max_age),
        cookies.refresh.set(tokens.refresh_token, max_age=max_age),
    ]


def listed_session(session: Session, *, current: str) -> dict[str, object]:
    """Return one row of a user's list of sessions; *current* is the asking one."""
    return {
        "id": session.id,
        "device": session.device,
        "auth_time": session.auth_time,
        "amr": session.amr,
        "idle_expires_at": session.idle_expires_at,
        "expires_at": session.expires_at,
        "current": session.id == current,
    }


def _scopes_of(who: Principal) -> Collection[object]:
    """Return the words of the claim ``scope`` (RFC 8693 §4.2), or the list it is."""
    held = who.claims.get("scope")
    if isinstance(held, str):
        return held.split()
    return held if isinstance(held, list | tuple) else ()


def _bearer(view: RequestView) -> str | None:
    values = view.values(b"authorization")
    if not values:
        return None
    scheme, _, token = values[0].partition(" ")
    # Which characters a token has is the verifier's affair, which refuses the others.
    if len(values) > 1 or scheme.lower() != "bearer" or not token:
        raise Refused("token_invalid", reason="Authorization is not one Bearer token")
    return token.lstrip(" ")


def _invalid(detail: str) -> Refused:
    return Refused("request_invalid", detail)
