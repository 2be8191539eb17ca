"""Which endpoints are there? A table, as an OpenAPI 3.1 document lists them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from resilient_auth.core.deployment import Deployment
from resilient_auth.web.openapi import GUARDED, problem_responses, security
from resilient_auth.web.schemas import TEXT, ref

_IN_BRACES = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """
    One endpoint: *credentials* are ``needed``, ``optional`` or looked at by no one.

    *answers* maps each good status to what its body is, *body* names what is sent,
    *query* a parameter that may come.
    """

    method: str
    path: str
    summary: str
    answers: Mapping[int, tuple[str, ...]]
    problems: tuple[int, ...]
    credentials: str = ""
    body: str = ""
    body_is_needed: bool = True
    query: str = ""

    def responses(self) -> dict[int | str, dict[str, Any]]:
        """Return every answer of the endpoint, good ones first."""
        good: dict[int | str, dict[str, Any]] = {
            status: _answer(status, names) for status, names in self.answers.items()
        }
        return {**good, **problem_responses(self.problems)}

    def details(self, site: Deployment) -> dict[str, Any]:
        """Return what a framework cannot find out by itself."""
        anonymous = self.credentials == "optional"
        needed = security(site, anonymous=anonymous) if self.credentials else []
        said: dict[str, Any] = {"security": needed}
        if self.body:
            content = {"application/json": {"schema": ref(self.body)}}
            said["requestBody"] = {"content": content, "required": self.body_is_needed}
        parameters = [
            *(_parameter(name, "path") for name in _IN_BRACES.findall(self.path)),
            *([_parameter(self.query, "query")] if self.query else []),
        ]
        return {**said, "parameters": parameters} if parameters else said


_WRITES = (400, 401, 403, 413, 431, 500, 503)

#: The endpoints, but for `KEYS`, which not every ring has.
OPERATIONS = (
    Operation(
        method="POST",
        path="/login",
        summary="Open a session",
        body="Login",
        answers={200: ("Session",)},
        problems=(400, 401, 403, 413, 429, 431, 500, 503),
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
        query="all",
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


def _answer(status: int, names: tuple[str, ...]) -> dict[str, Any]:
    said = {"description": HTTPStatus(status).phrase}
    if not names:
        return said
    schemas = [ref(name) for name in names]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    media_type = (
        "application/jwk-set+json" if names == ("Keys",) else "application/json"
    )
    return {**said, "content": {media_type: {"schema": schema}}}


def _parameter(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": TEXT}
