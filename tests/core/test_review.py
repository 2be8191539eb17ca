"""Each finding: when it comes, when it does not, and that somebody can look it up."""

from pathlib import Path
from typing import Any

import pytest

from resilient_auth import Deployment, TrustedProxies
from resilient_auth.core.review import MANY_APPS, findings_of

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
        {"apps": [OTHER], "profile": "partitioned"},
        ["cookie_not_delivered", "login_per_site", *QUIET],
    ),
    "partitioned-at-home": (
        API,
        {"apps": [APP], "profile": "partitioned"},
        ["partitioned_needless", *QUIET],
    ),
    "previews": (API, {"apps": [PREVIEW]}, ["previews_are_trusted", *QUIET]),
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


def test_the_evidence_is_the_prediction() -> None:
    """The engine, both origins and the rule, for each page that is left out."""
    pages = [OTHER, "https://c.org"]
    site = Deployment(API, apps=[*pages, APP], profile="partitioned")
    finding = site.findings()[0]

    assert "warning" == finding.severity
    told = [f"{page} to {API}: cookies of another site are blocked" for page in pages]

    assert f"webkit: {'; '.join(told)}" == finding.evidence


def test_sites_that_share_no_login_are_named() -> None:
    """Also the API's own, where a page of it may live."""
    site = Deployment(API, apps=[OTHER, APP], profile="partitioned")
    finding = next(each for each in site.findings() if each.id == "login_per_site")

    assert "each of https://b.org, https://example.com has" in finding.evidence


@pytest.mark.parametrize("name", TABLE)
def test_a_finding_says_what_to_do(name: str) -> None:
    """Two sentences for a person: what is, and what to do."""
    api, options, _ = TABLE[name]
    for each in findings_of(Deployment(api, **options)):
        assert each.severity in {"warning", "info"}
        assert each.evidence
        assert each.fix.endswith(".")


def test_every_id_is_in_the_reference() -> None:
    """Somebody searches for it; the page is where the search should end."""
    known = {each for _, _, expected in TABLE.values() for each in expected}
    text = PAGE.read_text("utf-8")

    for each in (*known, "insecure_localhost", "other_forwarded_header"):
        assert f"| `{each}` |" in text
