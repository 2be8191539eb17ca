"""From two facts every browser rule follows, and what cannot work is not built."""

from typing import Any

import pytest

from resilient_auth import ConfigError, Deployment, Refused, TrustedProxies, predict
from resilient_auth.core.view import RequestView

API, APP = "https://api.example.com", "https://app.example.com"
OTHER = "https://app.other.org"
PREVIEW = "https://*.preview.example.com"


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
        pytest.param(API, ["https://*.co.uk"], "public suffix", id="star-suffix"),
        pytest.param(
            API,
            ["https://*.x.other.org"],
            r"^https://\*\.x\..* another",
            id="star-site",
        ),
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


@pytest.mark.parametrize("profile", ["partitioned", "bearer"])
def test_no_choice_makes_http_work(profile: str) -> None:
    """A page on http hands its session to whoever is on the same network."""
    for page in ("http://app.example.com", "http://app.other.org"):
        with pytest.raises(ConfigError, match="scheme"):
            Deployment(API, apps=[page], profile=profile)
    with pytest.raises(ConfigError, match="is not https"):
        Deployment("http://api.example.com", profile=profile)


@pytest.mark.parametrize("profile", ["same-site", "same-origin", "cross-site", "", 1])
def test_a_profile_is_chosen_only_where_there_is_a_choice(profile: Any) -> None:
    """The others follow from the origins; said and derived could contradict."""
    with pytest.raises(ConfigError, match="partitioned or bearer"):
        Deployment(API, apps=[APP], profile=profile)


def test_pages_of_another_site_in_partitioned_jars() -> None:
    """CHIPS: the only cookie that blocked third-party cookies leave over."""
    site = Deployment(API, apps=[OTHER], profile="partitioned")

    assert "partitioned" == site.profile
    assert ("__Host-ra_access", "__Host-ra_refresh") == site.cookies.names()
    for line in (*site.cookies.clear(), site.cookies.access.set("v")):
        assert line.endswith("; Path=/; SameSite=None; HttpOnly; Secure; Partitioned")
    assert ("Access-Control-Allow-Credentials", "true") in site.cors.actual(OTHER)


def test_a_cross_site_request_needs_the_token() -> None:
    """Partitioned or not, SameSite=None leaves the defence to us."""
    site = Deployment(API, apps=[OTHER], profile="partitioned")
    headers = [(b"origin", OTHER.encode()), (b"sec-fetch-site", b"cross-site")]
    request = RequestView(method="POST", path="/", headers=headers)
    with pytest.raises(Refused, match="csrf_failed"):
        site.csrf.check(request, matches="good".__eq__)
    headers.append((b"x-csrf-token", b"good"))

    site.csrf.check(request, matches="good".__eq__)


def test_pages_of_another_site_with_tokens() -> None:
    """No cookie, so browsers are not even allowed to add one."""
    site = Deployment(API, apps=[OTHER, APP], profile="bearer")
    names = {name for name, _ in site.cors.actual(OTHER)}

    assert "bearer" == site.profile
    assert site.cors.allows(OTHER)
    assert {"Access-Control-Allow-Origin", "Access-Control-Expose-Headers"} == names
    assert site.cors.preflight(OTHER, "POST", "authorization").allowed


def test_previews_are_part_of_every_rule() -> None:
    """One label of a host of ours, in CORS, CSRF and sockets alike."""
    site = Deployment(API, apps=[APP, PREVIEW])
    page = "https://pr-7.preview.example.com"
    headers = [(b"origin", page.encode()), (b"sec-fetch-site", b"same-site")]
    site.csrf.check(RequestView(method="POST", path="/", headers=headers))

    assert ("same-site", (APP, PREVIEW)) == (site.profile, site.apps)
    assert page == dict(site.cors.actual(page))["Access-Control-Allow-Origin"]
    assert site.cors.allows_socket([page])
    assert not site.cors.allows("https://a.b.preview.example.com")


@pytest.mark.parametrize("engine", ["chromium", "firefox", "webkit"])
@pytest.mark.parametrize(
    ("page", "profile"),
    [
        (API, None),
        (APP, None),
        ("https://pr-7.preview.example.com", None),
        (OTHER, None),
        ("https://neighbour.github.io", None),
        (OTHER, "partitioned"),
        (APP, "partitioned"),
    ],
)
def test_what_is_built_is_what_is_predicted(
    page: str, profile: str | None, engine: str
) -> None:
    """One model: a refusal quotes it, and a finding names who is left out."""
    try:
        site = Deployment(API, apps=[page], profile=profile)
    except ConfigError as error:
        lax = Deployment(API).cookies.access
        delivery = predict(lax, page=page, api=API, engine="chromium")

        assert not delivery.sent
        assert f"chromium: {delivery.reason}" in str(error)  # noqa: PT017 - one end
        return
    delivery = predict(site.cookies.access, page=page, api=API, engine=engine)
    told = [each.evidence for each in site.findings() if "deliver" in each.id]

    assert delivery.sent != any(each.startswith(engine) for each in told)


def test_a_refusal_says_what_would_work() -> None:
    """For production a proxy or a profile, on one's own machine the same name."""
    with pytest.raises(ConfigError) as production:
        Deployment(API, apps=[OTHER])
    with pytest.raises(ConfigError) as machine:
        Deployment.insecure_localhost(apps=["http://127.0.0.1:3000"])

    assert "Serve the API under https://other.org" in str(production.value)
    assert 'profile="bearer"' in str(production.value)
    assert "Write the same host in both: http://localhost." in str(machine.value)


@pytest.mark.parametrize(
    ("build", "told"),
    [
        pytest.param(
            lambda: Deployment("http://api.example.com"),
            "http://api.example.com is not https: browsers drop Secure cookies from "
            "it. On your own machine use Deployment.insecure_localhost(…).",
            id="http",
        ),
        pytest.param(
            lambda: Deployment(API, profile="same-site"),
            "profile is partitioned or bearer, or left out for pages of the API's own "
            "site.",
            id="profile",
        ),
        pytest.param(
            lambda: Deployment.insecure_localhost("http://example.com"),
            "insecure_localhost is for localhost alone; elsewhere use https and "
            "Deployment(…).",
            id="elsewhere",
        ),
        pytest.param(
            lambda: Deployment(API, apps=["http://app.example.com"]),
            "http://app.example.com and https://api.example.com differ in scheme, "
            "which browsers count as another site, and plain http shows a session to "
            "the network. Serve both over https.",
            id="scheme",
        ),
        pytest.param(
            lambda: Deployment(API, apps=[PREVIEW.replace("com", "org")]),
            "https://*.preview.example.org is another site than "
            "https://api.example.com, and its cookies would not arrive (chromium: "
            "SameSite=Lax goes to no other site). Serve the API under "
            "https://example.org, for example through a reverse proxy; or choose "
            'profile="partitioned" (not in Safari) or profile="bearer".',
            id="site",
        ),
        pytest.param(
            lambda: Deployment(API, apps=["https://localhost:3000"]),
            "https://localhost:3000 is another site than https://api.example.com, and "
            "its cookies would not arrive (chromium: SameSite=Lax goes to no other "
            "site). Serve the API under https://localhost, for example through a "
            'reverse proxy; or choose profile="partitioned" (not in Safari) or '
            'profile="bearer".',
            id="a-developers-page-and-production",
        ),
        pytest.param(
            lambda: Deployment.insecure_localhost(apps=["http://127.0.0.1:3000"]),
            "http://127.0.0.1:3000 is another site than http://localhost:8000, and its "
            "cookies would not arrive (chromium: SameSite=Lax goes to no other site). "
            "Write the same host in both: http://localhost.",
            id="name-and-address",
        ),
        pytest.param(
            lambda: Deployment(API, apps=APP),
            "apps takes a list, not one string: apps=[…].",
            id="one-string",
        ),
        pytest.param(
            lambda: Deployment(API, proxies=["10.0.0.0/8"]),  # type: ignore[arg-type]
            "proxies takes resilient_auth.core.proxies.TrustedProxies | None, not an "
            "object of type list.",
            id="proxies",
        ),
    ],
)
def test_a_refusal_is_read_by_a_person(build: Any, told: str) -> None:
    """Word by word: it stands in the log of a start that failed."""
    with pytest.raises(ConfigError) as caught:
        build()

    assert told == str(caught.value)


def test_the_proxies_are_kept() -> None:
    """Undeclared means none: then no header says who called."""
    proxies = TrustedProxies(["10.0.0.0/8"])

    assert proxies is Deployment(API, proxies=proxies).proxies
    assert () == Deployment(API).proxies.networks
    assert () == Deployment.insecure_localhost().proxies.networks


def test_a_developers_machine() -> None:
    """No https there: other names and no ``Secure``, under the loud name."""
    site = Deployment.insecure_localhost(apps=["http://localhost:3000"])

    assert ("ra_access", "ra_refresh") == site.cookies.names()
    assert "ra_access=v; Path=/; SameSite=Lax; HttpOnly" == site.cookies.access.set("v")
    assert "same-site" == site.profile
    assert site.cors.allows("http://localhost:3000")
    assert "same-origin" == Deployment.insecure_localhost().profile
    assert ("ra_access", "ra_refresh") == (
        Deployment.insecure_localhost("https://localhost").cookies.names()
    )


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
        pytest.param("http://localhost:8000", [PREVIEW], "alone", id="preview"),
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
