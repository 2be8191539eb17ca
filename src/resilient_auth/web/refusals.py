"""How is a refusal told? To the client coarsely, to the listeners exactly."""

from collections.abc import Iterable

from resilient_auth import events
from resilient_auth.auth.shell import Shell
from resilient_auth.core.deployment import Deployment
from resilient_auth.core.messages import Messages
from resilient_auth.core.view import Answer, RequestView
from resilient_auth.errors import AnswerError, InternalError, answer_for
from resilient_auth.events import RequestFailed, RequestRefused
from resilient_auth.web.wire import json_answer

#: Only these say that the cookies are of no use any more. Never a lost race, a store
#: that is down, a CSRF error or an unreadable token: those would log out the innocent.
WIPING = frozenset(
    {"session_expired", "session_idle", "session_revoked", "refresh_reused"}
)
_MAX_PATH = 200


class Refusals:
    """Turns errors into problem answers (RFC 9457) and tells the listeners."""

    def __init__(
        self, auth: Shell, site: Deployment, messages: Messages | None
    ) -> None:
        self._auth = auth
        self._site = site
        self._messages = messages

    def answer(
        self, view: RequestView, error: AnswerError, *, allow: Iterable[str] = ()
    ) -> Answer:
        """
        Return the problem answer to *view*, clearing cookies that are spent.

        *allow* names the methods of a path that was asked with another one.
        """
        self.tell(view, error)
        problem = error.problem(server_time=self._auth.clock.time())
        return json_answer(
            error.status,
            problem,
            language=self._translate(view, problem),
            headers=error.headers() | _allow(error, allow),
            set_cookies=self._wiped(view, error),
            media_type="application/problem+json",
        )

    def tell(self, view: RequestView, error: AnswerError) -> None:
        """Give *error* the id of its request, and the listeners its exact reason."""
        error.request_id = events.request_id.get()
        self._auth.tell(
            RequestRefused(
                at=self._auth.clock.time(),
                method=_short(view.method),
                path=_short(view.path),
                status=error.status,
                code=error.code,
                action=error.action,
                reason=error.reason,
            )
        )

    def failure(self, view: RequestView, error: Exception) -> Answer:
        """
        Return the answer to a request whose handler raised a bug.

        An error that `Resilience` gave up on is no bug of ours, and a provider's 401 is
        no 401 of our user: it is answered as ``llm_unavailable``.
        """
        self._auth.tell(
            RequestFailed(
                at=self._auth.clock.time(),
                method=_short(view.method),
                path=_short(view.path),
                error=type(error).__name__,
            )
        )
        return self.answer(view, answer_for(error) or InternalError())

    def _translate(self, view: RequestView, problem: dict[str, object]) -> str:
        """Put *problem* into the reader's words; return their language."""
        if self._messages is None:
            return ""
        accepted = ", ".join(view.values(b"accept-language"))
        said = self._messages.find(str(problem["code"]), accepted)
        if problem["detail"] == problem["title"]:
            problem["detail"] = said.text
        problem["title"] = said.text
        return said.language

    def _wiped(self, view: RequestView, error: AnswerError) -> list[str]:
        if error.code not in WIPING or not self._site.uses_cookies:
            return []
        names = self._site.cookies.names()
        header = "; ".join(view.values(b"cookie"))
        came = any(f"{name}=" in header for name in names)
        return self._site.cookies.clear() if came else []


def _allow(error: AnswerError, methods: Iterable[str]) -> dict[str, str]:
    """Return ``Allow``, which a 405 must carry (RFC 9110 §15.5.6)."""
    return {"Allow": ", ".join(methods)} if error.status == 405 else {}


def _short(text: str) -> str:
    """Return client-made *text* fit for a log line."""
    return "".join(c if c.isprintable() else "�" for c in text[:_MAX_PATH])
