"""
What does an application's OpenAPI 3.1 document miss? Our part, as plain mappings.

Problems are listed from the table of errors, so that the document and the answers
cannot differ.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from resilient_auth.core.csrf import HEADER
from resilient_auth.core.deployment import Deployment
from resilient_auth.errors import PROBLEMS, ConfigError
from resilient_auth.web.schemas import PREFIX, SCHEMAS, ref

BEARER, COOKIE = "bearer", "session_cookie"
_SOMEBODY, _ANYBODY = f"{PREFIX}somebody", f"{PREFIX}anybody"
#: What any operation that looks at credentials may answer.
GUARDED = (401, 403, 431, 500, 503)
_UNSAFE = ("post", "put", "patch", "delete")


def problem_responses(statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """
    Return the documented problem answers of *statuses*, with their codes.

    Raises `ConfigError` for a status that no problem has.
    """
    content = {"application/problem+json": {"schema": ref("Problem")}}
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
    for path in document.get("paths", {}).values():
        for operation in path.values():
            if isinstance(operation, dict) and _unmark(operation, site):
                for status, said in problem_responses(GUARDED).items():
                    operation["responses"].setdefault(str(status), said)
    components = document.setdefault("components", {})
    known = components.get("securitySchemes", {})
    others = {name: each for name, each in known.items() if not _is_marker(name)}
    components["securitySchemes"] = others | _security_schemes(site)
    schemas = {f"{PREFIX}{name}": each for name, each in SCHEMAS.items()}
    components["schemas"] = {**components.get("schemas", {}), **schemas}


def unsecured(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield method and path of each unsafe operation that says nothing of security."""
    for path, operations in document.get("paths", {}).items():
        for method, operation in operations.items():
            if method in _UNSAFE and "security" not in operation:
                yield method.upper(), path


def security(
    site: Deployment, *, anonymous: bool, scopes: Iterable[str] = ()
) -> list[dict[str, list[str]]]:
    """Return what an operation asks for: one of our ways, or nothing if *anonymous*."""
    needed = sorted(scopes)
    ways = [{scheme: needed} for scheme in _security_schemes(site)]
    return [{}, *ways] if anonymous else ways


def _unmark(operation: MutableMapping[str, Any], site: Deployment) -> bool:
    """Put our ways where a marker stands; say whether one stood there."""
    said = operation.get("security", [])
    marks = [name for each in said for name in each if _is_marker(name)]
    if not marks:
        return False
    ours = security(
        site,
        anonymous=all(mark.startswith(_ANYBODY) for mark in marks),
        scopes={scope for mark in marks for scope in mark.split(" ")[1:]},
    )
    others = [each for each in said if not any(map(_is_marker, each))]
    operation["security"] = ours + others
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


def _codes_of(status: int) -> str:
    codes = [code for code, problem in PROBLEMS.items() if problem.status == status]
    if not codes:
        raise ConfigError(f"No problem has the status {status}.")
    return f"One of {', '.join(codes)}." if len(codes) > 1 else f"{codes[0]}."
