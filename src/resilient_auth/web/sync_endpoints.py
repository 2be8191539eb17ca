"""What do the endpoints do in a server that does not await? The same, at once."""

from collections.abc import Collection

from resilient_auth.auth.immediate import ImmediateAuth, run
from resilient_auth.auth.sessions import Auth
from resilient_auth.auth.shell import Principal
from resilient_auth.auth.throttle import LoginThrottle
from resilient_auth.core.deployment import Deployment
from resilient_auth.core.messages import Messages
from resilient_auth.core.view import Answer, RequestView
from resilient_auth.errors import ConfigError
from resilient_auth.web.credentials import PlainAuthenticate, at_once
from resilient_auth.web.endpoints import Endpoints
from resilient_auth.web.refusals import Refusals


class SyncEndpoints:
    """
    The endpoints over an `Auth`; may be asked from any thread.

    *authenticate* is given the login's body and returns an `Identity`, a subject, or
    None for credentials that are wrong; see `AsyncEndpoints`.
    """

    def __init__(
        self,
        auth: Auth,
        site: Deployment,
        authenticate: PlainAuthenticate,
        throttle: LoginThrottle | None = None,
        messages: Messages | None = None,
    ) -> None:
        if not isinstance(auth, Auth):
            raise ConfigError("This adapter is synchronous: give it an Auth.")
        ask = at_once(authenticate)
        sessions = ImmediateAuth(auth)
        self._awaited = Endpoints(auth, sessions, site, ask, throttle, messages)
        self.refusals: Refusals = self._awaited.refusals

    def handle(self, view: RequestView) -> Answer:
        """Answer *view*, whose path is relative to the mount; refusals included."""
        return run(self._awaited.handle(view))

    def principal(
        self,
        view: RequestView,
        recent: int | None = None,
        scopes: Collection[str] = (),
    ) -> Principal:
        """
        Return who calls, if *scopes* are held and the login is *recent* enough.

        Raises `Refused` for nobody, for a forged call, and for who may not.
        """
        return run(self._awaited.principal(view, recent, scopes))

    def optional(self, view: RequestView) -> Principal | None:
        """Return who calls, None if no credential came; a bad one raises `Refused`."""
        return run(self._awaited.optional(view))
