"""What do the bodies of the wire look like? As JSON Schema 2020-12 says it."""

from collections.abc import Mapping
from typing import Any

from resilient_auth.core.text import MAX_IDENTIFIER
from resilient_auth.errors import PROBLEMS
from resilient_auth.web.wire import MAX_PASSWORD

PREFIX = "resilient_auth."  # of our names, beside an application's own
TEXT = {"type": "string"}

_INTEGER = {"type": "integer"}
_NUMBER, _FLAG = {"type": "number"}, {"type": "boolean"}
_TEXTS = {"type": "array", "items": TEXT}
_ANY_OBJECT = {"type": "object", "additionalProperties": True}


def _object(required: Mapping[str, Any], **optional: Any) -> dict[str, Any]:
    """Return the schema of an object with the members *required* and *optional*."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
    }


_SESSION = {
    "id": TEXT,
    "epoch": _INTEGER,
    "subject": TEXT,
    "claims": _ANY_OBJECT,
    "access_expires_at": _INTEGER,
    "idle_expires_at": _INTEGER,
    "expires_at": _INTEGER,
    "auth_time": _INTEGER,
    "amr": _TEXTS,
}
_TOLD = {"csrf": TEXT, "server_time": _NUMBER}
_PROBLEM = {
    "type": TEXT,
    "title": TEXT,
    "status": _INTEGER,
    "detail": TEXT,
    "code": {"type": "string", "enum": sorted(PROBLEMS)},
    "action": {
        "type": "string",
        "enum": sorted({each.action for each in PROBLEMS.values()}),
    },
    "request_id": TEXT,
    "retry_after": {"type": ["integer", "null"]},
    "server_time": {"type": ["number", "null"]},
}
_LISTED = {
    "id": TEXT,
    "device": TEXT,
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
        {"session": _object(_SESSION), "rotation": TEXT, **_TOLD},
        access_token=TEXT,
        refresh_token=TEXT,
        token_type=TEXT,
        expires_in=_INTEGER,
    ),
    "NoSession": _object(
        {"session": {"type": "null"}, "reason": TEXT, "can_refresh": _FLAG, **_TOLD}
    ),
    "LoggedOut": _object({"session": {"type": "null"}}),
    "Sessions": _object({"sessions": {"type": "array", "items": _object(_LISTED)}}),
    "Ticket": _object({"ticket": TEXT, "expires_at": _INTEGER}),
    "Keys": _object({"keys": {"type": "array", "items": _ANY_OBJECT}}),
    "Login": _object(
        {
            "username": {"type": "string", "minLength": 1, "maxLength": MAX_IDENTIFIER},
            "password": {"type": "string", "minLength": 1, "maxLength": MAX_PASSWORD},
        },
        transport={"type": "string", "enum": ["cookie", "bearer"]},
        remember=_FLAG,
    ),
    "Refresh": _object({}, refresh_token=TEXT),
    "TicketRequest": _object(
        {"purpose": {"type": "string", "minLength": 1, "maxLength": MAX_IDENTIFIER}}
    ),
}


def ref(name: str) -> dict[str, str]:
    """Return the reference to our schema called *name*."""
    return {"$ref": f"#/components/schemas/{PREFIX}{name}"}
