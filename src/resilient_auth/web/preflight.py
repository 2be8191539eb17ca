"""Who answers a preflight? The wrap, whatever application is inside (Fetch §4.8)."""

from resilient_auth.core.cors import CorsPolicy
from resilient_auth.core.view import Answer, RequestView
from resilient_auth.errors import Refused
from resilient_auth.web.refusals import Refusals

_ASKS = b"access-control-request-method"
_VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


def is_preflight(view: RequestView) -> bool:
    """Say whether a browser asks in *view* what its page may do."""
    return (
        view.method == "OPTIONS"
        and bool(view.value(_ASKS))
        and bool(view.values(b"origin"))
    )


def preflight(view: RequestView, cors: CorsPolicy, refusals: Refusals) -> Answer:
    """Answer the preflight *view*, which the application need not see."""
    headers = ",".join(view.values(b"access-control-request-headers"))
    verdict = cors.preflight(view.value(b"origin"), view.value(_ASKS), headers)
    if not verdict.headers:
        denied = Refused("origin_denied", reason=verdict.reason)
        return refusals.answer(view, denied)
    return Answer(204, (*verdict.headers, ("Vary", _VARY)))
