"""Why is this origin not one of ours? A sentence for the person who looks for it."""

from resilient_auth.core.origins import Origin
from resilient_auth.core.pages import Pages
from resilient_auth.errors import ConfigError

_LONGEST = 300  # characters: scheme, 253 of a host, and a port


def explain(origin: str, pages: Pages) -> str:
    """
    Say why *origin*, as it came in a request, is allowed or denied, and what to do.

    For logs and diagnosis alone: an answer to a denied page never holds it. *origin* is
    anybody's text, so it is shown escaped and cut.
    """
    if not origin:
        return "No Origin came, so no CORS header is due: no browser, or our own page."
    shown = ascii(origin[:80])
    if origin in pages:
        covers = [str(each) for each in pages.previews if each.covers(origin)]
        return f"{shown} is allowed: {covers[0] if covers else 'it'} is on the list."
    return f"{shown} is denied: {_why(origin, pages)}"


def _why(origin: str, pages: Pages) -> str:
    if origin == "null":
        return (
            "sandboxed frames, files and some redirects send null. It can be anybody, "
            "so it cannot be allowed; serve the page from an origin of its own."
        )
    meant = _meant(origin)
    if meant is None:
        return "no browser sends this."
    if str(meant) in pages:
        return f"browsers write {meant}; this was not sent by one."
    if str(meant) != origin:
        return f"no browser sends this; {meant} is not on the list either."
    return f"{_difference(meant, pages)} If the page is yours, add it to apps=[…]."


def _meant(origin: str) -> Origin | None:
    """Return what somebody may have meant by *origin*, however it is spelled."""
    if len(origin) > _LONGEST:
        return None
    try:
        return Origin.parse(origin.strip().rstrip("/."))
    except ConfigError:
        return None


def _difference(origin: Origin, pages: Pages) -> str:
    """Return how *origin* differs from the page that comes nearest."""
    for page in pages.exact:
        if page.host == origin.host:
            what = "scheme" if page.scheme != origin.scheme else "port"
            return f"it differs from {page} in its {what}."
    for preview in pages.previews:
        if f".{origin.host}".endswith(f".{preview.below.host}"):
            return f"{preview} stands for exactly one label, the same scheme and port."
    examples = pages.examples()
    for shown, example in examples.items():
        if example.domain() == origin.domain():
            return f"it is of the site of {shown}, and still another origin."
    return f"it is none of: {', '.join(examples)}."
