"""What does a successful answer say? SessionBody, its cookies, and nothing more."""

from typing import Any

from resilient_auth.testing.exchange import WireResponse

#: The members of an answer that there is no session.
NO_SESSION = {"session", "reason", "can_refresh", "csrf", "server_time"}
#: What a bearer client is given beside the session (RFC 6749 §5.1).
TOKENS = {"access_token", "refresh_token", "token_type", "expires_in"}

_BODY = {"session", "csrf", "rotation", "server_time"}
_SESSION = {
    "id": str,
    "epoch": int,
    "subject": str,
    "claims": dict,
    "access_expires_at": int,
    "idle_expires_at": int,
    "expires_at": int,
    "auth_time": int,
    "amr": list,
}


def assert_session_body(
    body: dict[str, Any], *, rotation: str, bearer: bool = False
) -> None:
    """Hold *body* to be a SessionBody; tokens stand in it for a bearer client alone."""
    assert _BODY | (TOKENS if bearer else set()) == body.keys()
    assert {name: type(each) for name, each in body["session"].items()} == _SESSION
    assert rotation == body["rotation"]
    assert body["csrf"]
    assert isinstance(body["server_time"], float)


def assert_cookies_set(response: WireResponse) -> None:
    """Hold *response* to set both cookies, readable by no script."""
    said = response.values("set-cookie")

    assert ["ra_access", "ra_refresh"] == [
        each.partition("=")[0].removeprefix("__Host-") for each in said
    ]
    assert all("; Path=/; SameSite=Lax; HttpOnly" in each for each in said)
    assert not any("Max-Age=0" in each for each in said)
