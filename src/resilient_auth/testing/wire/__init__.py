"""
Does an adapter keep the wire's promises? One inherited suite for ours and yours.

::

    class TestMyFramework(WireContract):
        def build(self, setup: WireSetup) -> Transport:
            return MyTransport(...)

`build` makes an application from *setup*: an ``Auth`` or ``AsyncAuth`` over its ring,
policy, sessions, store and clock, with ``setup.told.append`` as listener; the endpoints
mounted at ``/api/auth`` with ``setup.authenticate`` and ``setup.messages``; and these
routes of its own:

==============  ==================================================================
GET /me         the principal's subject, as text
GET /maybe      the same for an optional principal, ``nobody`` for none
POST /change    ``changed by`` and the principal's subject
GET /write      the principal's subject, if the scope ``write`` is held
GET /recent     the principal's subject, if they logged in within `RECENT` seconds
GET /busy       raises ``Unavailable("overloaded", retry_after=7)``
GET /crash      raises ``RuntimeError("secret-of-the-crash")``
GET /own-500    a finished answer 500 with the body ``my own page``
GET /stream     ``one two three`` in several chunks, without a length
/ws             `SocketContract` alone: accepts, says ``hello`` and the subject, closes
==============  ==================================================================

A transport sends requests as raw bytes; `AsgiTransport` does it for ASGI applications.
It must run in this process: every request is also put to an application without a
framework, by the same clock and the same chance, and what both answer, store and tell
must be equal to the byte (`Mirror`). Where the answer is your framework's own, such as
its 404, only the status and the wrap's headers are compared.
"""

from resilient_auth.testing.wire.access import AccessContract
from resilient_auth.testing.wire.bearer import BearerContract
from resilient_auth.testing.wire.cors import CorsContract
from resilient_auth.testing.wire.credentials import CredentialsContract
from resilient_auth.testing.wire.csrf import CsrfContract
from resilient_auth.testing.wire.endpoints import EndpointsContract
from resilient_auth.testing.wire.faults import FaultsContract
from resilient_auth.testing.wire.languages import LanguagesContract
from resilient_auth.testing.wire.login import LoginContract
from resilient_auth.testing.wire.refresh import RefreshContract
from resilient_auth.testing.wire.requests import RequestsContract
from resilient_auth.testing.wire.sessions import SessionsContract
from resilient_auth.testing.wire.setup import RECENT as RECENT
from resilient_auth.testing.wire.setup import BreakableStore as BreakableStore
from resilient_auth.testing.wire.setup import WireSetup as WireSetup
from resilient_auth.testing.wire.sockets import SocketContract as SocketContract
from resilient_auth.testing.wire.tickets import TicketsContract
from resilient_auth.testing.wire.world import World as World


class WireContract(
    LoginContract,
    CredentialsContract,
    EndpointsContract,
    RefreshContract,
    SessionsContract,
    RequestsContract,
    CorsContract,
    CsrfContract,
    FaultsContract,
    BearerContract,
    TicketsContract,
    AccessContract,
    LanguagesContract,
):
    """All that an adapter promises over HTTP."""
