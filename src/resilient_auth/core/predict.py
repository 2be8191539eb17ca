"""
Does this cookie arrive? What an engine does with it, said before a user finds out.

The rules are RFC 6265bis §5.6 to §5.8 with the engines' own defaults on top, as they
were measured; a test asks the installed engines the same questions. Where a user has
allowed more than the default, more arrives than is said here, never less.

==========  =================================  ===========================  ==========
engine      a cookie of another site           http and https of one host   Secure on
                                                                            localhost
==========  =================================  ===========================  ==========
chromium    blocked, unless Partitioned        are two sites                kept
firefox     a jar for each top-level site      are one site                 kept
webkit      blocked, Partitioned or not        are one site                 dropped
==========  =================================  ===========================  ==========

Chromium is as Debian ships it, and as private windows are: third-party cookies blocked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from resilient_auth.core.cookies import CookiePolicy
from resilient_auth.core.origins import Origin
from resilient_auth.core.view import SAFE_METHODS
from resilient_auth.errors import ConfigError

Mode = Literal["fetch", "navigate"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Whether a browser stores a cookie and sends it back; *reason* is for people."""

    stored: bool
    sent: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What one engine does by default, where engines differ."""

    schemeful: bool  # http and https of one domain are two sites
    secure_on_localhost: bool  # keeps a Secure cookie from http://localhost
    third_party: bool  # keeps a cookie of another site, in a jar of its own
    partitioned: bool  # keeps it if it says Partitioned


ENGINES: Mapping[str, Engine] = MappingProxyType(
    {
        "chromium": Engine(
            schemeful=True,
            secure_on_localhost=True,
            third_party=False,
            partitioned=True,
        ),
        "firefox": Engine(
            schemeful=False,
            secure_on_localhost=True,
            third_party=True,
            partitioned=True,
        ),
        "webkit": Engine(
            schemeful=False,
            secure_on_localhost=False,
            third_party=False,
            partitioned=False,
        ),
    }
)


def predict(
    cookie: CookiePolicy,
    *,
    page: str,
    api: str,
    method: str = "GET",
    engine: str = "chromium",
    mode: Mode = "fetch",
) -> Delivery:
    """
    Say what *engine* does with a *cookie* of *api* that *page* has to do with.

    In the *mode* ``fetch`` a script of *page* calls *api* with credentials: is a cookie
    in the answer kept, and sent with the next such call? In the mode ``navigate`` a
    link or form on *page* leads to *api*. *page* and *api* are origins; the path is
    taken to be one below the cookie's own. Raises `ConfigError` for another engine
    or mode.

    >>> lax = CookiePolicy("__Host-id")
    >>> predict(lax, page="https://app.example.org", api="https://api.example.com")
    Delivery(stored=False, sent=False, reason='SameSite=Lax goes to no other site')
    """
    if engine not in ENGINES:
        raise ConfigError(f"engine is one of {', '.join(ENGINES)}.")
    if mode not in ("fetch", "navigate"):
        raise ConfigError("mode is fetch or navigate.")
    rules = ENGINES[engine]
    here, there = Origin.parse(page), Origin.parse(api)
    if mode == "navigate":
        lost = _dropped(cookie, there, rules)
        kept_back = _not_navigated(cookie, here, there, method=method, rules=rules)
    else:
        lost = (
            _unreachable(here, there, rules)
            or _dropped(cookie, there, rules)
            or _not_fetched(cookie, here, there, rules)
        )
        kept_back = ""
    return Delivery(
        stored=not lost,
        sent=not (lost or kept_back),
        reason=lost or kept_back or "sent",
    )


def _unreachable(here: Origin, there: Origin, rules: Engine) -> str:
    """Return why a page cannot call at all: it is mixed content."""
    if here.scheme == "http" or there.scheme == "https":
        return ""
    if rules.secure_on_localhost and _is_local(there):
        return ""
    return "a page on https may not call plain http"


def _dropped(cookie: CookiePolicy, there: Origin, rules: Engine) -> str:
    """Return why the cookie is not kept, whoever asked for it."""
    if cookie.secure and there.scheme == "http":
        if not _is_local(there):
            return "Secure is dropped on plain http"
        if not rules.secure_on_localhost:
            return "Secure is dropped on plain http, on localhost too"
    if cookie.domain and not f".{there.host}".endswith(f".{cookie.domain}"):
        return f"Domain={cookie.domain} is not above {there.host}"
    return ""


def _not_fetched(
    cookie: CookiePolicy, here: Origin, there: Origin, rules: Engine
) -> str:
    """Return why the cookie plays no part in a call from *here* to *there*."""
    if not _is_cross_site(here, there, rules):
        return ""
    # What a browser calls another site can be the same name on http.
    one_name = here.domain() == there.domain()
    also = "http and https are two sites, and " if one_name else ""
    if cookie.same_site != "None":
        return f"{also}SameSite={cookie.same_site} goes to no other site"
    if rules.third_party:
        return ""
    if not cookie.partitioned:
        return f"{also}cookies of another site are blocked, unless Partitioned"
    return "" if rules.partitioned else "cookies of another site are blocked"


def _not_navigated(
    cookie: CookiePolicy, here: Origin, there: Origin, *, method: str, rules: Engine
) -> str:
    """Return why the cookie stays behind when a link or form of *here* is followed."""
    if not _is_cross_site(here, there, rules):
        return ""
    if cookie.same_site == "Strict":
        return "SameSite=Strict does not follow a link from another site"
    if cookie.same_site == "Lax" and method not in SAFE_METHODS:
        return f"SameSite=Lax does not follow a {method} from another site"
    return ""


def _is_cross_site(here: Origin, there: Origin, rules: Engine) -> bool:
    if rules.schemeful and here.scheme != there.scheme:
        return True
    return here.domain() != there.domain()


def _is_local(origin: Origin) -> bool:
    """Say whether plain http there counts as trustworthy (Secure Contexts §3.1)."""
    return origin.is_loopback() or origin.host.endswith(".localhost")
