"""What did the page send? A JSON object of bounded size, or a refusal."""

import json
from typing import Any

from starlette.requests import Request

from resilient_auth import Refused

MAX_BODY = 65_536  # bytes


async def read_object(request: Request) -> dict[str, Any]:
    """
    Return the JSON object in the body of *request*; an empty body is an empty object.

    Raises `Refused`. Another content type is refused too: a form of a foreign page
    cannot send ``application/json``.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise Refused("body_too_large", f"At most {MAX_BODY} bytes.")
    if not body:
        return {}
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if media_type.lower() != "application/json":
        raise Refused("request_invalid", "Send application/json.")
    try:
        said = json.loads(body)
        json.dumps(said, ensure_ascii=False).encode()  # no lone surrogates
    except (ValueError, RecursionError):
        raise Refused("request_invalid", "The body cannot be read as JSON.") from None
    if not isinstance(said, dict):
        raise Refused("request_invalid", "The body is not a JSON object.")
    return said
