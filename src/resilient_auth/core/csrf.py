"""
Did our own page ask for this? Cross-site request forgery, judged by evidence.

The order: ``Sec-Fetch-Site: same-origin`` suffices; ``same-site`` needs an allowed
Origin; everything else, also an absent or unknown value, needs the signed token and an
Origin that is allowed or absent. An Origin that is not allowed is always refused.
"""

from collections.abc import Callable, Collection

from resilient_auth.core.pages import Pages
from resilient_auth.core.view import RequestView
from resilient_auth.errors import Refused

HEADER = b"x-csrf-token"


class CsrfPolicy:
    """
    The rule for unsafe methods that a cookie authenticates.

    *origins* are those of our pages, the API's own included, as for `CorsPolicy`;
    `ConfigError` for what is neither an exact origin nor a preview.
    """

    __slots__ = ("_pages",)

    def __init__(self, origins: Collection[str]) -> None:
        self._pages = Pages(origins)

    def check(
        self, view: RequestView, *, matches: Callable[[str], bool] | None = None
    ) -> None:
        """
        Return None if *view* was asked for by a page of ours.

        *matches* says whether a CSRF token belongs to the session of the request;
        without it a token proves nothing. Raises `Refused` ``csrf_failed``.
        """
        if view.is_safe:
            return
        origin = self.check_origin(view)
        fetch_site = view.value(b"sec-fetch-site")
        if fetch_site == "same-origin" or (fetch_site == "same-site" and origin):
            return
        token = view.value(HEADER)
        if not token:
            raise Refused(
                "csrf_failed",
                "Send the csrf value of the session as X-CSRF-Token.",
                reason=f"no token, Sec-Fetch-Site is {fetch_site[:20]!r}",
            )
        if matches is None or not matches(token):
            raise Refused("csrf_failed", reason="the token is not of this session")

    def check_origin(self, view: RequestView) -> str:
        """Return the allowed Origin, or nothing if none came; refuse any other."""
        origins = view.values(b"origin")
        if not origins:
            return ""
        if len(origins) > 1 or origins[0] not in self._pages:
            raise Refused("csrf_failed", reason="the Origin is not one of ours")
        return origins[0]
