"""
Where do pages and API live? One value from which every browser rule is derived.

Cookies, CORS, CSRF and WebSocket origins come from the same two facts, so they cannot
contradict each other. Whether a cookie arrives is asked of `predict`; what a browser
would punish is refused when the value is built, with the browser's reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from resilient_auth.core import arguments, review
from resilient_auth.core.cookies import CookiePolicy
from resilient_auth.core.cors import CorsPolicy
from resilient_auth.core.csrf import CsrfPolicy
from resilient_auth.core.findings import Finding
from resilient_auth.core.origins import Origin
from resilient_auth.core.pages import Pages
from resilient_auth.core.predict import ENGINES, predict
from resilient_auth.core.proxies import TrustedProxies
from resilient_auth.errors import ConfigError

#: Profile → the engines in which its cookies must arrive from every page.
_MUST_DELIVER = {
    "same-origin": tuple(ENGINES),
    "same-site": tuple(ENGINES),
    "partitioned": ("chromium", "firefox"),
    "bearer": (),
}
_CHOICES = ("partitioned", "bearer")


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

    *apps* are exact origins, or previews such as ``https://*.preview.example.com``,
    whose star is one label. *profile* is derived where all pages are of the API's site;
    pages of another site need a choice: ``partitioned`` (cookies in a jar for each
    page's site, which WebKit blocks) or ``bearer`` (no cookies: scripts hold the
    tokens). *proxies* are those in front of the API.

    Raises `ConfigError` with the fix if a page's cookies could not arrive.

    >>> site = Deployment("https://api.example.com", apps=["https://app.example.com"])
    >>> site.profile, site.cookies.access.name
    ('same-site', '__Host-ra_access')
    """

    __slots__ = ("api", "apps", "cookies", "cors", "csrf", "profile", "proxies")

    def __init__(
        self,
        api: str,
        *,
        apps: Iterable[str] = (),
        profile: str | None = None,
        proxies: TrustedProxies | None = None,
    ) -> None:
        if Origin.parse(api).scheme != "https":
            raise ConfigError(
                f"{api} is not https: browsers drop Secure cookies from it. On your "
                "own machine use Deployment.insecure_localhost(…)."
            )
        if profile is not None and profile not in _CHOICES:
            raise ConfigError(
                f"profile is {' or '.join(_CHOICES)}, or left out for pages of the "
                "API's own site."
            )
        self._derive(api, _pages(apps), secure=True, profile=profile, proxies=proxies)

    @classmethod
    def insecure_localhost(
        cls, api: str = "http://localhost:8000", *, apps: Iterable[str] = ()
    ) -> "Deployment":
        """
        Return the deployment of a developer's machine: cookies without ``Secure``.

        The cookies are called ra_access and ra_refresh, since a ``__Host-`` name needs
        https. Raises `ConfigError` for any other host than the machine's own.
        """
        pages = _pages(apps)
        home = Origin.parse(api)
        if pages.previews or not all(e.is_loopback() for e in (home, *pages.exact)):
            raise ConfigError(
                "insecure_localhost is for localhost alone; elsewhere use https and "
                "Deployment(…)."
            )
        site = cls.__new__(cls)
        site._derive(api, pages, secure=False)  # noqa: SLF001 - the other constructor
        return site

    def _derive(
        self,
        api: str,
        pages: Pages,
        *,
        secure: bool,
        profile: str | None = None,
        proxies: TrustedProxies | None = None,
    ) -> None:
        home = Origin.parse(api)
        self.api: str = str(home)
        self.apps: tuple[str, ...] = tuple(pages.examples())
        arguments.instance("proxies", proxies, TrustedProxies | None)
        self.proxies: TrustedProxies = TrustedProxies() if proxies is None else proxies
        allowed = {self.api, *self.apps}
        self.profile: str = profile or (
            "same-origin" if allowed == {self.api} else "same-site"
        )
        self.cookies: SessionCookies = _cookies(self.profile, secure=secure)
        for shown, page in pages.examples().items():
            _require_same_scheme(shown, page, home)
            _require_delivery(self, shown, page, home)
        self.cors: CorsPolicy = CorsPolicy(
            sorted(allowed), credentials=self.uses_cookies
        )
        self.csrf: CsrfPolicy = CsrfPolicy(allowed)

    @property
    def uses_cookies(self) -> bool:
        """Say whether browsers keep the session in cookies; else scripts do."""
        return self.profile != "bearer"

    def findings(self) -> list[Finding]:
        """Return what works and still deserves a look; ids are in the reference."""
        return review.findings_of(self)

    def __repr__(self) -> str:
        return (
            f"Deployment({self.api!r}, apps={list(self.apps)!r}, "
            f"profile={self.profile!r})"
        )


def _pages(apps: Iterable[str]) -> Pages:
    return Pages(arguments.several("apps", apps))


def _cookies(profile: str, *, secure: bool) -> SessionCookies:
    prefix = "__Host-" if secure else ""
    crosses = profile == "partitioned"

    def cookie(name: str) -> CookiePolicy:
        return CookiePolicy(
            f"{prefix}{name}",
            same_site="None" if crosses else "Lax",
            secure=secure,
            partitioned=crosses,
        )

    return SessionCookies(cookie("ra_access"), cookie("ra_refresh"))


def _require_same_scheme(shown: str, page: Origin, home: Origin) -> None:
    # Whatever a cookie does: a page on http shows its session to the network.
    if page.scheme != home.scheme:
        raise ConfigError(
            f"{shown} and {home} differ in scheme, which browsers count as another "
            "site, and plain http shows a session to the network. Serve both over "
            "https."
        )


def _require_delivery(site: Deployment, shown: str, page: Origin, home: Origin) -> None:
    cookie = site.cookies.access
    for engine in _MUST_DELIVER[site.profile]:
        delivery = predict(cookie, page=str(page), api=str(home), engine=engine)
        if not delivery.sent:
            raise ConfigError(
                f"{shown} is another site than {home}, and its cookies would not "
                f"arrive ({engine}: {delivery.reason}). {_remedy(page, home)}"
            )


def _remedy(page: Origin, home: Origin) -> str:
    if page.is_loopback() and home.is_loopback():
        return f"Write the same host in both: {home.site()}."
    return (
        f"Serve the API under {page.site()}, for example through a reverse proxy; or "
        'choose profile="partitioned" (not in Safari) or profile="bearer".'
    )
