"""
How is the wire described in an OpenAPI 3.1 document? As plain mappings.

Problems are listed from the table of errors, so that the document and the answers
cannot differ.
"""

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from resilient_auth.core.csrf import HEADER
from resilient_auth.core.deployment import Deployment
from resilient_auth.core.text import MAX_IDENTIFIER
from resilient_auth.errors import PROBLEMS
from resilient_auth.web.wire import MAX_PASSWORD

BEARER, COOKIE = "bearer", "session_cookie"
_SOMEBODY, _ANYBODY = "resilient_auth.somebody", "resilient_auth.anybody"
#: What any operation that looks at credentials may answer.
GUARDED = (401, 403, 431, 500, 503)

_INTEGER, _TEXT = {"type": "integer"}, {"type": "string"}
_NUMBER, _FLAG = {"type": "number"}, {"type": "boolean"}
_TEXTS = {"type": "array", "items": _TEXT}
_ANY_OBJECT = {"type": "object", "additionalProperties": True}


def _object(required: Mapping[str, Any], **optional: Any) -> dict[str, Any]:
    """Return the schema of an object with the members *required* and *optional*."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/resilient_auth.{name}"}


_SESSION = {
    "id": _TEXT,
    "epoch": _INTEGER,
    "subject": _TEXT,
    "claims": _ANY_OBJECT,
    "access_expires_at": _INTEGER,
    "idle_expires_at": _INTEGER,
    "expires_at": _INTEGER,
    "auth_time": _INTEGER,
    "amr": _TEXTS,
}
_TOLD = {"csrf": _TEXT, "server_time": _NUMBER}
_PROBLEM = {
    "type": _TEXT,
    "title": _TEXT,
    "status": _INTEGER,
    "detail": _TEXT,
    "code": {"type": "string", "enum": sorted(PROBLEMS)},
    "action": {
        "type": "string",
        "enum": sorted({each.action for each in PROBLEMS.values()}),
    },
    "request_id": _TEXT,
    "retry_after": {"type": ["integer", "null"]},
    "server_time": {"type": ["number", "null"]},
}
_LISTED = {
    "id": _TEXT,
    "device": _TEXT,
    "auth_time": _INTEGER,
    "amr": _TEXTS,
    "idle_expires_at": _INTEGER,
    "expires_at": _INTEGER,
    "current": _FLAG,
}

#: Component schemas by name, without their prefix ``resilient_auth.``.
SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "Problem": _object(_PROBLEM),
    "Session": _object(
        {"session": _object(_SESSION), "rotation": _TEXT, **_TOLD},
        access_token=_TEXT,
        refresh_token=_TEXT,
        token_type=_TEXT,
        expires_in=_INTEGER,
    ),
    "NoSession": _object(
        {"session": {"type": "null"}, "reason": _TEXT, "can_refresh": _FLAG, **_TOLD}
    ),
    "LoggedOut": _object({"session": {"type": "null"}}),
    "Sessions": _object({"sessions": {"type": "array", "items": _object(_LISTED)}}),
    "Ticket": _object({"ticket": _TEXT, "expires_at": _INTEGER}),
    "Keys": _object({"keys": {"type": "array", "items": _ANY_OBJECT}}),
    "Login": _object(
        {
            "username": {"type": "string", "minLength": 1, "maxLength": MAX_IDENTIFIER},
            "password": {"type": "string", "minLength": 1, "maxLength": MAX_PASSWORD},
        },
        transport={"type": "string", "enum": ["cookie", "bearer"]},
        remember=_FLAG,
    ),
    "Refresh": _object({}, refresh_token=_TEXT),
    "TicketRequest": _object(
        {"purpose": {"type": "string", "minLength": 1, "maxLength": MAX_IDENTIFIER}}
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """
    One endpoint: *credentials* are ``needed``, ``optional`` or looked at by no one.

    *answers* maps each good status to what its body is; *body* names what is sent.
    """

    method: str
    path: str
    summary: str
    answers: Mapping[int, tuple[str, ...]]
    problems: tuple[int, ...]
    credentials: str = ""
    body: str = ""
    body_is_needed: bool = True

    def responses(self) -> dict[int | str, dict[str, Any]]:
        """Return every answer of the endpoint, good ones first."""
        good: dict[int | str, dict[str, Any]] = {
            status: _answer(status, names) for status, names in self.answers.items()
        }
        return {**good, **problem_responses(self.problems)}

    def extra(self) -> dict[str, Any]:
        """Return what a framework cannot find out by itself."""
        said: dict[str, Any] = {}
        if self.credentials:
            mark = marker(anonymous=self.credentials == "optional")
            said["security"] = [{mark: []}]
        if self.body:
            content = {"application/json": {"schema": _ref(self.body)}}
            said["requestBody"] = {"content": content, "required": self.body_is_needed}
        names = [part[1:-1] for part in self.path.split("/") if part.startswith("{")]
        if self.path == "/logout":
            said["parameters"] = [{**_parameter("all", "query"), "required": False}]
        elif names:
            said["parameters"] = [_parameter(name, "path") for name in names]
        return said


_WRITES = (400, 401, 403, 413, 431, 500, 503)

#: The endpoints, but for `KEYS`, which not every ring has.
OPERATIONS = (
    Operation(
        method="POST",
        path="/login",
        summary="Open a session",
        body="Login",
        answers={200: ("Session",)},
        problems=_WRITES,
    ),
    Operation(
        method="GET",
        path="/verify",
        summary="Say whether the credentials hold",
        credentials="needed",
        answers={204: ()},
        problems=GUARDED,
    ),
    Operation(
        method="GET",
        path="/session",
        summary="Say who is logged in, or why nobody is",
        credentials="optional",
        answers={200: ("Session", "NoSession")},
        problems=(500, 503),
    ),
    Operation(
        method="POST",
        path="/refresh",
        summary="Exchange the refresh token for new tokens",
        credentials="optional",
        body="Refresh",
        body_is_needed=False,
        answers={200: ("Session",)},
        problems=_WRITES,
    ),
    Operation(
        method="POST",
        path="/logout",
        summary="End the session",
        credentials="optional",
        body="Refresh",
        body_is_needed=False,
        answers={200: ("LoggedOut",)},
        problems=_WRITES,
    ),
    Operation(
        method="GET",
        path="/sessions",
        summary="List the sessions of the user",
        credentials="needed",
        answers={200: ("Sessions",)},
        problems=GUARDED,
    ),
    Operation(
        method="DELETE",
        path="/sessions/{session_id}",
        summary="End one session of the user",
        credentials="needed",
        answers={204: ()},
        problems=(401, 403, 404, 413, 431, 500, 503),
    ),
    Operation(
        method="POST",
        path="/ticket",
        summary="Get a one-time ticket for a socket",
        credentials="needed",
        body="TicketRequest",
        answers={200: ("Ticket",)},
        problems=_WRITES,
    ),
)
KEYS = Operation(
    method="GET",
    path="/jwks.json",
    summary="Get the public keys",
    answers={200: ("Keys",)},
    problems=(500,),
)


def problem_responses(statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """Return the documented problem answers of *statuses*, with their codes."""
    content = {"application/problem+json": {"schema": _ref("Problem")}}
    return {
        status: {"description": _codes_of(status), "content": content}
        for status in statuses
    }


def marker(*, anonymous: bool = False, scopes: Iterable[str] = ()) -> str:
    """
    Return the name of a security scheme that stands for all of ours.

    A framework names one scheme for a dependency, and we take any of several; so
    `complete` puts them in its place.
    """
    return " ".join([_ANYBODY if anonymous else _SOMEBODY, *sorted(scopes)])


def complete(document: MutableMapping[str, Any], site: Deployment) -> None:
    """
    Add to an application's *document* what its own operations do not know of.

    Operations that ask for a principal are given the problems that they may answer;
    what they document themselves stays. Doing it twice changes nothing.
    """
    schemes = _security_schemes(site)
    for path in document.get("paths", {}).values():
        for operation in path.values():
            if isinstance(operation, dict) and _unmark(operation, schemes):
                for status, said in problem_responses(GUARDED).items():
                    operation["responses"].setdefault(str(status), said)
    components = document.setdefault("components", {})
    known = components.get("securitySchemes", {})
    others = {name: each for name, each in known.items() if not _is_marker(name)}
    components["securitySchemes"] = others | schemes
    schemas = {f"resilient_auth.{name}": each for name, each in SCHEMAS.items()}
    components["schemas"] = {**components.get("schemas", {}), **schemas}


def _unmark(operation: MutableMapping[str, Any], schemes: Iterable[str]) -> bool:
    """Put *schemes* where a marker stands; say whether a principal is needed there."""
    said = operation.get("security", [])
    marks = [name for each in said for name in each if _is_marker(name)]
    if not marks:
        return False
    scopes = sorted({scope for mark in marks for scope in mark.split(" ")[1:]})
    anonymous = all(mark.startswith(_ANYBODY) for mark in marks)
    operation["security"] = [
        *([{}] if anonymous else []),
        *({scheme: scopes} for scheme in schemes),
        *(each for each in said if not any(map(_is_marker, each))),
    ]
    return True


def _is_marker(name: str) -> bool:
    return name.startswith((_ANYBODY, _SOMEBODY))


def _security_schemes(site: Deployment) -> dict[str, dict[str, Any]]:
    """Return the ways in which a credential may come in the deployment *site*."""
    header = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    if not site.uses_cookies:
        return {BEARER: header}
    said = (
        "Sent by browsers. Unsafe methods also need Sec-Fetch-Site: same-origin, or an "
        f"allowed Origin of the same site, or {HEADER.decode()} (the session's csrf)."
    )
    name = site.cookies.access.name
    cookie = {"type": "apiKey", "in": "cookie", "name": name, "description": said}
    return {COOKIE: cookie, BEARER: header}


def _answer(status: int, names: tuple[str, ...]) -> dict[str, Any]:
    said = {"description": HTTPStatus(status).phrase}
    if not names:
        return said
    schemas = [_ref(name) for name in names]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    media_type = (
        "application/jwk-set+json" if names == ("Keys",) else "application/json"
    )
    return {**said, "content": {media_type: {"schema": schema}}}


def _codes_of(status: int) -> str:
    codes = [code for code, problem in PROBLEMS.items() if problem.status == status]
    return f"One of {', '.join(codes)}." if len(codes) > 1 else f"{codes[0]}."


def _parameter(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": True, "schema": _TEXT}
