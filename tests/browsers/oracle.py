"""What does a browser make of CORS headers? The Fetch standard, written down again."""

from resilient_auth.core.cors import Headers


def combined(headers: Headers, name: str) -> str | None:
    """Return the header *name* as Fetch combines it, or None."""
    values = [value for each, value in headers if each.lower() == name]
    return ", ".join(values) if values else None


def may_read(headers: Headers, origin: str, *, credentials: bool) -> bool:
    """Say whether a page may read the answer: Fetch §4.9, the CORS check."""
    allowed = combined(headers, "access-control-allow-origin")
    if allowed is None:
        return False
    if not credentials and allowed == "*":
        return True
    if allowed != origin:
        return False
    if not credentials:
        return True
    return combined(headers, "access-control-allow-credentials") == "true"


def may_send(
    headers: Headers,
    origin: str,
    method: str,
    names: list[str],
    *,
    credentials: bool = True,
) -> bool:
    """Say whether a request follows its preflight: Fetch §4.8."""
    methods = (combined(headers, "access-control-allow-methods") or "").split(", ")
    granted = (combined(headers, "access-control-allow-headers") or "").lower()
    listed = granted.split(", ")
    star = not credentials and "*" in listed
    return (
        may_read(headers, origin, credentials=credentials)
        and (method in methods or method in {"GET", "HEAD", "POST"})
        and all(name.lower() in listed or star for name in names)
    )
