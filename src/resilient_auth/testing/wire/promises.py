"""
What does every refusal promise? The design's table, and answers held to it.

The table is written out here and not taken from ``errors.py``: a contract that reads
its own promises from the code under test would keep any promise.
"""

import re
from collections.abc import Mapping

from resilient_auth.testing.exchange import WireResponse

#: Public code → status and action (design §3, "Errors").
PROMISED: Mapping[str, tuple[int, str]] = {
    "request_invalid": (400, "give_up"),
    "token_missing": (401, "login"),
    "credentials_invalid": (401, "login"),
    "token_invalid": (401, "login"),
    "token_expired": (401, "refresh"),
    "token_not_yet_valid": (401, "retry"),
    "session_expired": (401, "login"),
    "session_idle": (401, "login"),
    "session_revoked": (401, "login"),
    "refresh_missing": (401, "login"),
    "refresh_invalid": (401, "login"),
    "refresh_reused": (401, "login"),
    "cookie_duplicate": (401, "login"),
    "user_disabled": (401, "login"),
    "step_up_required": (401, "step_up"),
    "csrf_failed": (403, "csrf"),
    "origin_denied": (403, "give_up"),
    "permission_denied": (403, "give_up"),
    "not_found": (404, "give_up"),
    "method_not_allowed": (405, "give_up"),
    "body_too_large": (413, "give_up"),
    "headers_too_large": (431, "give_up"),
    "rate_limited": (429, "wait"),
    "internal_error": (500, "retry"),
    "auth_unavailable": (503, "retry"),
    "store_unavailable": (503, "retry"),
    "overloaded": (503, "retry"),
}

#: The verdicts after which the cookies are of no use; nothing else but logout clears.
WIPING = {"session_expired", "session_idle", "session_revoked", "refresh_reused"}

#: Codes of a request without any credential: the bare scheme (RFC 6750 §3.1).
_BARE = {"token_missing", "refresh_missing"}
_MEMBERS = {
    "type",
    "title",
    "status",
    "detail",
    "code",
    "action",
    "request_id",
    "retry_after",
    "server_time",
}
_CHALLENGE = re.compile(r'Bearer error="[a-z_]+", error_description="[^"\\]+"')


def assert_ours(response: WireResponse) -> None:
    """Hold an answer under the mount to what all of them promise."""
    assert re.fullmatch("[0-9a-f]{16}", response.value("x-request-id"))
    assert "no-store" == response.value("cache-control")
    chosen = ", Accept-Language" if response.values("content-language") else ""
    assert f"Origin, Cookie{chosen}" == response.value("vary")
    assert response.is_complete


def assert_refused(
    response: WireResponse, code: str, *, action: str = "", wiped: bool = False
) -> None:
    """Hold *response* to be the refusal *code*, to the last member and header."""
    status, usual = PROMISED[code]
    body = response.json()
    wait = response.value("retry-after")

    assert (status, code) == (response.status, body["code"])
    assert_ours(response)
    assert "application/problem+json" == response.value("content-type")
    assert _MEMBERS == body.keys()
    assert f"urn:resilient-auth:problem:{code}" == body["type"]
    assert status == body["status"]
    assert (action or usual) == body["action"]
    assert response.value("x-request-id") == body["request_id"]
    assert isinstance(body["server_time"], float)
    assert body["title"]
    assert body["detail"]
    assert wait == ("" if body["retry_after"] is None else str(body["retry_after"]))
    assert (status in {429, 503} or code == "token_not_yet_valid") == bool(wait)
    assert_challenge(response, code)
    assert_cookies_cleared(response, wiped=wiped)


def assert_challenge(response: WireResponse, code: str) -> None:
    """Hold a 401 to exactly one challenge (RFC 9110 §11.6.1), all else to none."""
    challenges = response.values("www-authenticate")
    if response.status != 401:
        assert challenges == []
    elif code in _BARE:
        assert ["Bearer"] == challenges
    else:
        assert 1 == len(challenges)
        assert _CHALLENGE.fullmatch(challenges[0])


def assert_cookies_cleared(response: WireResponse, *, wiped: bool) -> None:
    """Both cookies are cleared, or neither is touched: the never-wipe rule."""
    said = response.values("set-cookie")
    if not wiped:
        assert said == []
        return
    assert ["ra_access=", "ra_refresh="] == [
        each.split(";")[0].removeprefix("__Host-") for each in said
    ]
    assert all("; Max-Age=0; Path=/; " in each for each in said)
