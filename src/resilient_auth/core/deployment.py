"""
Where do pages and API live? One value from which every browser rule is derived.

Cookies, CORS, CSRF and WebSocket origins come from the same two facts, so they cannot
contradict each other; what a browser would punish is refused when the value is built.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from resilient_auth.core.cookies import CookiePolicy
from resilient_auth.core.cors import CorsPolicy
from resilient_auth.core.csrf import CsrfPolicy
from resilient_auth.core.origins import Origin
from resilient_auth.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SessionCookies:
    """The two cookies of a session; scripts can read neither."""

    access: CookiePolicy
    refresh: CookiePolicy

    def names(self) -> tuple[str, str]:
        """Return both names; a request in which one comes twice is refused."""
        return self.access.name, self.refresh.name

    def clear(self) -> list[str]:
        """Return the ``Set-Cookie`` values that end a browser's session."""
        return [self.access.clear(), self.refresh.clear()]


class Deployment:
    """
    The API's origin and those of the pages that call it, over https.

    Raises `ConfigError` with the fix if a page's cookies could never arrive: another
    scheme, or another site (registrable domain) than the API's.

    >>> site = Deployment("https://api.example.com", apps=["https://app.example.com"])
    >>> site.profile, site.cookies.access.name
    ('same-site', '__Host-ra_access')
    """

    __slots__ = ("api", "apps", "cookies", "cors", "csrf", "profile")

    def __init__(self, api: str, *, apps: Iterable[str] = ()) -> None:
        if Origin.parse(api).scheme != "https":
            raise ConfigError(
                f"{api} is not https: browsers drop Secure cookies from it. On your "
                "own machine use Deployment.insecure_localhost(…)."
            )
        self._derive(api, _listed(apps), secure=True)

    @classmethod
    def insecure_localhost(
        cls, api: str = "http://localhost:8000", *, apps: Iterable[str] = ()
    ) -> "Deployment":
        """
        Return the deployment of a developer's machine: cookies without ``Secure``.

        The cookies are called ra_access and ra_refresh, since a ``__Host-`` name needs
        https. Raises `ConfigError` for any other host than the machine's own.
        """
        pages = _listed(apps)
        if not all(Origin.parse(each).is_loopback() for each in (api, *pages)):
            raise ConfigError(
                "insecure_localhost is for localhost alone; elsewhere use https and "
                "Deployment(…)."
            )
        site = cls.__new__(cls)
        site._derive(api, pages, secure=False)  # noqa: SLF001 - the other constructor
        return site

    def _derive(self, api: str, apps: tuple[str, ...], *, secure: bool) -> None:
        home = Origin.parse(api)
        pages = tuple(Origin.parse(each) for each in apps)
        for page in pages:
            _require_same_site(page, home)
        prefix = "__Host-" if secure else ""
        allowed = {str(home), *map(str, pages)}
        self.api: str = str(home)
        self.apps: tuple[str, ...] = tuple(map(str, pages))
        self.profile: str = "same-origin" if allowed == {str(home)} else "same-site"
        self.cookies: SessionCookies = SessionCookies(
            CookiePolicy(f"{prefix}ra_access", secure=secure),
            CookiePolicy(f"{prefix}ra_refresh", secure=secure),
        )
        self.cors: CorsPolicy = CorsPolicy(sorted(allowed))
        self.csrf: CsrfPolicy = CsrfPolicy(allowed)

    def __repr__(self) -> str:
        return f"Deployment({self.api!r}, apps={list(self.apps)!r})"


def _listed(apps: Iterable[str]) -> tuple[str, ...]:
    if isinstance(apps, str):
        raise ConfigError("apps is a list of origins, not one string.")
    return tuple(apps)


def _require_same_site(page: Origin, api: Origin) -> None:
    if page.scheme != api.scheme:
        raise ConfigError(
            f"{page} and {api} differ in scheme, which browsers count as another site: "
            "the cookies would not arrive. Serve both over https."
        )
    if page.site() != api.site():
        raise ConfigError(
            f"{page} is another site than {api}: browsers block its cookies, most of "
            f"them without a word. Serve the API under {page.site()}, for example "
            "through a reverse proxy."
        )
