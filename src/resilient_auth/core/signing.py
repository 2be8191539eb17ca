"""How is a page tied to its session? CSRF tokens: a MAC over the session id alone."""

import re
from typing import NoReturn

from resilient_auth.core.macs import Masters
from resilient_auth.core.text import is_identifier

PURPOSE = "csrf"
#: 32 bytes in canonical base64url; itsdangerous alone takes four last characters.
_FORM = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")


class CsrfTokens:
    """
    Issues and checks CSRF tokens; the newest secret signs, all check.

    A token survives rotation and a reload after expiry, since it names the session
    and nothing else. *masters* are those of ``KeyRing.masters("csrf")``.
    """

    __slots__ = ("_signer",)

    def __init__(self, masters: Masters) -> None:
        self._signer = masters.signer(b"resilient-auth csrf v1")

    def issue(self, session_id: str) -> str:
        """Return the token of *session_id*; the same as long as the secret is."""
        return self._signer.get_signature(session_id).decode("ascii")

    def matches(self, session_id: str, token: str) -> bool:
        """Say whether *token* was issued for *session_id*; never raises."""
        if not is_identifier(session_id) or not _FORM.fullmatch(token):
            return False
        return self._signer.verify_signature(session_id.encode(), token.encode("ascii"))

    def __reduce__(self) -> NoReturn:
        raise TypeError("CsrfTokens are not pickled or copied; build them anew.")
