"""From two facts every browser rule follows, and what cannot work is not built."""

from typing import Any

import pytest

from resilient_auth import ConfigError, Deployment, Refused
from resilient_auth.core.view import RequestView

API, APP = "https://api.example.com", "https://app.example.com"


def test_a_same_site_deployment() -> None:
    """The default: one registrable domain, Lax ``__Host-`` cookies in every engine."""
    site = Deployment(API, apps=[APP, "https://example.com:8443"])

    assert ("same-site", API, (APP, "https://example.com:8443")) == (
        site.profile,
        site.api,
        site.apps,
    )
    assert ("__Host-ra_access", "__Host-ra_refresh") == site.cookies.names()
    for cookie in (site.cookies.access, site.cookies.refresh):
        assert "; Path=/; SameSite=Lax; HttpOnly; Secure" in cookie.set("v")
    assert (
        "Deployment('https://api.example.com', apps=['https://app.example.com', "
        in (repr(site))
    )


@pytest.mark.parametrize("apps", [[], [API], ["HTTPS://API.example.com:443"]], ids=repr)
def test_a_same_origin_deployment(apps: list[str]) -> None:
    """Naming the API's own origin as an app changes nothing."""
    site = Deployment(API, apps=apps)

    assert "same-origin" == site.profile
    assert site.cors.allows(API)


@pytest.mark.parametrize("page", [API, APP, "https://evil.example", "null", ""])
def test_cors_and_csrf_know_the_same_pages(page: str) -> None:
    """They come from one list, so one cannot let in what the other keeps out."""
    site = Deployment(API, apps=[APP])
    request = RequestView(
        method="POST", path="/", headers=[(b"origin", page.encode("latin-1"))]
    )
    try:
        ours = bool(site.csrf.check_origin(request))
    except Refused:
        ours = False

    assert (page in {API, APP}) == ours == site.cors.allows(page)


def test_clearing_empties_both_cookies() -> None:
    """With the very attributes under which they were set, or they would stay."""
    site = Deployment(API)

    assert [
        "__Host-ra_access=; Max-Age=0; Path=/; SameSite=Lax; HttpOnly; Secure",
        "__Host-ra_refresh=; Max-Age=0; Path=/; SameSite=Lax; HttpOnly; Secure",
    ] == site.cookies.clear()


@pytest.mark.parametrize(
    ("api", "apps", "fault"),
    [
        pytest.param("http://api.example.com", [], "is not https", id="http"),
        pytest.param("http://localhost:8000", [], "insecure_localhost", id="localhost"),
        pytest.param(API, ["http://app.example.com"], "scheme", id="scheme"),
        pytest.param(API, ["https://app.other.org"], "another site", id="site"),
        pytest.param(
            "https://a.github.io", ["https://b.github.io"], "another site", id="suffix"
        ),
        pytest.param(
            "https://api.example.co.uk",
            ["https://app.other.co.uk"],
            "another site",
            id="co-uk",
        ),
        pytest.param(
            "https://127.0.0.1", ["https://127.0.0.2"], "another site", id="addresses"
        ),
        pytest.param(API, [APP + "/"], f"write {APP}.", id="slash"),
        pytest.param(API + "/v1", [], f"write {API}.", id="api-path"),
        pytest.param(API, ["null"], "no exact origin", id="null"),
        pytest.param(API, ["*"], "no exact origin", id="star"),
        pytest.param(API, APP, "not one string", id="one-string"),
        pytest.param(None, [], "is text", id="none"),
    ],
)
def test_what_no_browser_would_serve_is_not_built(
    api: Any, apps: Any, fault: str
) -> None:
    """Each of these is somebody's "the cookie never arrives", told at start instead."""
    with pytest.raises(ConfigError, match=fault):
        Deployment(api, apps=apps)


def test_a_developers_machine() -> None:
    """No https there: other names and no ``Secure``, under the loud name."""
    site = Deployment.insecure_localhost(apps=["http://localhost:3000"])

    assert ("ra_access", "ra_refresh") == site.cookies.names()
    assert "ra_access=v; Path=/; SameSite=Lax; HttpOnly" == site.cookies.access.set("v")
    assert "same-site" == site.profile
    assert site.cors.allows("http://localhost:3000")
    assert "same-origin" == Deployment.insecure_localhost().profile


@pytest.mark.parametrize(
    ("api", "apps", "fault"),
    [
        pytest.param("http://example.com", [], "localhost alone", id="elsewhere"),
        pytest.param("http://0.0.0.0:8000", [], "localhost alone", id="all-addresses"),
        pytest.param("http://10.0.0.5:8000", [], "localhost alone", id="the-network"),
        pytest.param(
            "http://localhost.evil.example", [], "localhost alone", id="look-alike"
        ),
        pytest.param(
            "http://localhost:8000", ["http://example.com"], "alone", id="foreign-page"
        ),
        pytest.param(
            "http://localhost:8000",
            ["http://127.0.0.1:3000"],
            "another site",
            id="name-and-address",
        ),
        pytest.param(
            "http://localhost:8000", ["https://localhost:3000"], "scheme", id="scheme"
        ),
        pytest.param(
            "http://localhost:8000", "http://localhost:3000", "one string", id="string"
        ),
    ],
)
def test_the_loud_name_reaches_no_further(api: str, apps: Any, fault: str) -> None:
    """Cookies without ``Secure`` must not get to production by a copied line."""
    with pytest.raises(ConfigError, match=fault):
        Deployment.insecure_localhost(api, apps=apps)


@pytest.mark.parametrize(
    ("build", "api", "app"),
    [
        pytest.param(Deployment, API, APP, id="https"),
        pytest.param(
            Deployment.insecure_localhost,
            "http://localhost:8000",
            "http://localhost:3000",
            id="localhost",
        ),
    ],
)
def test_apps_may_be_any_iterable(build: Any, api: str, app: str) -> None:
    """A generator is read once: checked and then lost, its pages would be denied."""
    site = build(api, apps=(each for each in [app]))

    assert (app,) == site.apps
    assert site.cors.allows(app)
