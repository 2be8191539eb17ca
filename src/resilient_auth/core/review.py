"""What works in a deployment and still deserves a look? Findings with stable ids."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from resilient_auth.core.findings import Finding
from resilient_auth.core.origins import Origin
from resilient_auth.core.pages import Pages
from resilient_auth.core.predict import ENGINES, predict

if TYPE_CHECKING:
    from resilient_auth.core.deployment import Deployment

MANY_APPS = 10
_DEFAULT_PORTS = (80, 443)


def findings_of(site: "Deployment") -> list[Finding]:
    """Return the findings of *site*, the warnings first; the order is fixed."""
    home, pages = Origin.parse(site.api), Pages(site.apps)
    found = [
        *_of_cookies(site, home, pages),
        *_of_profile(site, home, pages),
        *_of_pages(site, pages),
        *_of_transport(site),
    ]
    return sorted(found, key=lambda each: each.severity != "warning")


def _of_cookies(site: "Deployment", home: Origin, pages: Pages) -> Iterator[Finding]:
    if site.profile == "bearer":
        yield Finding(
            "bearer_tokens_in_scripts",
            "info",
            "profile is bearer: every script of the page can read the tokens",
            "Keep them in memory, not in web storage, and send a Content-Security-"
            "Policy; or serve the API under the page's site and use cookies.",
        )
        return
    for engine in ENGINES:
        lost = list(_undelivered(site, pages, engine))
        if lost:
            yield Finding(
                "cookie_not_delivered",
                "warning",
                f"{engine}: {'; '.join(lost)}",
                "Offer these users bearer, or serve the API under the page's site.",
            )
    if home.port not in _DEFAULT_PORTS:
        yield Finding(
            "port_shares_cookies",
            "info" if home.is_loopback() else "warning",
            f"cookies have no port: every service on {home.host} receives those of "
            f"{site.api}",
            "Give the API a host name of its own, or run nothing else on that host.",
        )


def _undelivered(site: "Deployment", pages: Pages, engine: str) -> Iterator[str]:
    """Yield each page whose cookies *engine* does not deliver, and why."""
    for shown, page in pages.examples().items():
        delivery = predict(
            site.cookies.access, page=str(page), api=site.api, engine=engine
        )
        if not delivery.sent:
            yield f"{shown} to {site.api}: {delivery.reason}"


def _of_profile(site: "Deployment", home: Origin, pages: Pages) -> Iterator[Finding]:
    if site.profile != "partitioned":
        return
    sites = {page.site() for page in pages.examples().values()} | {home.site()}
    if sites == {home.site()}:
        yield Finding(
            "partitioned_needless",
            "warning",
            f"every page is of the site {home.site()}, where SameSite=Lax arrives too",
            'Leave profile="partitioned" out: Lax cookies stay at home.',
        )
    else:
        yield Finding(
            "login_per_site",
            "info",
            f"each of {', '.join(sorted(sites))} has a cookie jar of its own",
            "Expect one login for each; pages that share a login share a site.",
        )


def _of_pages(site: "Deployment", pages: Pages) -> Iterator[Finding]:
    if pages.previews:
        yield Finding(
            "previews_are_trusted",
            "warning",
            f"any host under {', '.join(map(str, pages.previews))} may act with a "
            "visitor's session",
            "Let the previews call an API of their own, with users of its own, if "
            "not everybody who can deploy one may see production.",
        )
    if len(site.apps) > MANY_APPS:
        yield Finding(
            "many_apps",
            "info",
            f"{len(site.apps)} apps may each act with a visitor's session",
            "List only those in use; a forgotten host name can be taken over.",
        )


def _of_transport(site: "Deployment") -> Iterator[Finding]:
    if not site.cookies.access.secure:
        yield Finding(
            "insecure_localhost",
            "info",
            f"{site.api}: cookies without Secure and without the __Host- prefix",
            "For this machine alone; elsewhere use Deployment(…) over https.",
        )
        return
    yield Finding(
        "hsts_unseen",
        "info",
        f"{site.api}: a deployment cannot see what is sent on plain http",
        "Send Strict-Transport-Security: max-age=31536000 from every host, so that "
        "no first request goes out in the clear.",
    )
    if not site.proxies.networks:
        yield Finding(
            "no_proxies",
            "info",
            "no proxy is declared: the client's address is the connection's",
            "Behind a proxy all users would have its address: say proxies="
            "TrustedProxies([…]). Without one this is right.",
        )
