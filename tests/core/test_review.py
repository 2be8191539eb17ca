"""Each finding: when it comes, when it does not, and that somebody can look it up."""

from pathlib import Path
from typing import Any

import pytest

from resilient_auth import Deployment, TrustedProxies
from resilient_auth.core.findings import Finding
from resilient_auth.core.review import MANY_APPS

API, APP, OTHER = "https://api.example.com", "https://app.example.com", "https://b.org"
PREVIEW = "https://*.preview.example.com"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "findings.md"


def ids(site: Deployment) -> list[str]:
    """Return the ids of a deployment's findings, in their order."""
    return [each.id for each in site.findings()]


QUIET = ["hsts_unseen", "no_proxies"]
TABLE: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "same-origin": (API, {}, QUIET),
    "same-site": (API, {"apps": [APP]}, QUIET),
    "proxies": (API, {"proxies": TrustedProxies(["10.0.0.0/8"])}, ["hsts_unseen"]),
    "bearer": (
        API,
        {"apps": [OTHER], "profile": "bearer"},
        ["bearer_tokens_in_scripts", *QUIET],
    ),
    "partitioned": (
        API,
        {"apps": [OTHER, "https://c.org", APP], "profile": "partitioned"},
        ["cookie_not_delivered", "login_per_site", *QUIET],
    ),
    "partitioned-at-home": (
        API,
        {"apps": [APP], "profile": "partitioned"},
        ["partitioned_needless", *QUIET],
    ),
    "warnings-first": (
        API,
        {"apps": [PREVIEW], "profile": "bearer"},
        ["previews_are_trusted", "bearer_tokens_in_scripts", *QUIET],
    ),
    "previews": (
        API,
        {"apps": [PREVIEW, "https://*.review.example.com"]},
        ["previews_are_trusted", *QUIET],
    ),
    "port": (f"{API}:8443", {"apps": [APP]}, ["port_shares_cookies", *QUIET]),
    "ten-apps": (
        API,
        {"apps": [f"https://a{n}.example.com" for n in range(MANY_APPS)]},
        QUIET,
    ),
    "eleven-apps": (
        API,
        {"apps": [f"https://a{n}.example.com" for n in range(MANY_APPS + 1)]},
        ["many_apps", *QUIET],
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_what_is_found(name: str) -> None:
    """Warnings first; nothing is found that is not so."""
    api, options, expected = TABLE[name]

    assert expected == ids(Deployment(api, **options))


@pytest.mark.parametrize(
    ("api", "expected"),
    [
        ("http://localhost", ["insecure_localhost"]),
        ("https://localhost", ["insecure_localhost"]),
        ("http://localhost:8000", ["port_shares_cookies", "insecure_localhost"]),
    ],
)
def test_a_developers_machine_is_told_its_limits(api: str, expected: list[str]) -> None:
    """Two projects on localhost log each other out: cookies have no port."""
    site = Deployment.insecure_localhost(api)

    assert expected == ids(site)
    assert {"info"} == {each.severity for each in site.findings()}


#: A row of the table, and a finding that somebody reads for it.
READ = [
    (
        "bearer",
        Finding(
            "bearer_tokens_in_scripts",
            "info",
            "profile is bearer: every script of the page can read the tokens",
            "Keep them in memory, not in web storage, and send a "
            "Content-Security-Policy; or serve the API under the page's site and use "
            "cookies.",
        ),
    ),
    (
        "partitioned",
        Finding(
            "cookie_not_delivered",
            "warning",
            "webkit: https://b.org to https://api.example.com: "
            "cookies of another site are blocked; "
            "https://c.org to https://api.example.com: "
            "cookies of another site are blocked",
            "Offer these users bearer, or serve the API under the page's site.",
        ),
    ),
    (
        "partitioned",
        Finding(
            "login_per_site",
            "info",
            "each of https://b.org, https://c.org, https://example.com has a cookie "
            "jar of its own",
            "Expect one login for each; pages that share a login share a site.",
        ),
    ),
    (
        "partitioned-at-home",
        Finding(
            "partitioned_needless",
            "warning",
            "every page is of the site https://example.com, where SameSite=Lax arrives "
            "too",
            'Leave profile="partitioned" out: Lax cookies stay at home.',
        ),
    ),
    (
        "previews",
        Finding(
            "previews_are_trusted",
            "warning",
            "any host under https://*.preview.example.com, "
            "https://*.review.example.com may act with a visitor's session",
            "Let the previews call an API of their own, with users of its own, if not "
            "everybody who can deploy one may see production.",
        ),
    ),
    (
        "port",
        Finding(
            "port_shares_cookies",
            "warning",
            "cookies have no port: every service on api.example.com receives those of "
            "https://api.example.com:8443",
            "Give the API a host name of its own, or run nothing else on that host.",
        ),
    ),
    (
        "eleven-apps",
        Finding(
            "many_apps",
            "info",
            "11 apps may each act with a visitor's session",
            "List only those in use; a forgotten host name can be taken over.",
        ),
    ),
    (
        "same-origin",
        Finding(
            "hsts_unseen",
            "info",
            "https://api.example.com: a deployment cannot see what is sent on plain "
            "http",
            "Send Strict-Transport-Security: max-age=31536000 from every host, so that "
            "no first request goes out in the clear.",
        ),
    ),
    (
        "same-origin",
        Finding(
            "no_proxies",
            "info",
            "no proxy is declared: the client's address is the connection's",
            "Behind a proxy all users would have its address: say "
            "proxies=TrustedProxies([…]). Without one this is right.",
        ),
    ),
]


@pytest.mark.parametrize(("name", "expected"), READ, ids=[e.id for _, e in READ])
def test_a_finding_says_what_is_and_what_to_do(name: str, expected: Finding) -> None:
    """Word by word, each engine, page and site by name: a person acts on it."""
    api, options, _ = TABLE[name]

    assert expected in Deployment(api, **options).findings()


def test_a_developers_machine_reads_that_it_is_one() -> None:
    """Cookies without ``Secure`` are for there alone."""
    assert (
        Finding(
            "insecure_localhost",
            "info",
            "http://localhost: cookies without Secure and without the __Host- prefix",
            "For this machine alone; elsewhere use Deployment(…) over https.",
        )
        in Deployment.insecure_localhost("http://localhost").findings()
    )


OF_PROXIES = ("undeclared_proxy", "other_forwarded_header")


def test_every_id_is_in_the_reference() -> None:
    """Somebody searches for it; the page is where the search should end."""
    found = {each for _, _, expected in TABLE.values() for each in expected}
    known = {each.id for _, each in READ}
    text = PAGE.read_text("utf-8")

    assert found == known
    for each in (*known, "insecure_localhost", *OF_PROXIES):
        assert f"| `{each}` |" in text
