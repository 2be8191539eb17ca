"""
What a test of resilient-auth, or of an app built on it, needs.

A clock that stands still, the contract that every session store passes, the wire
contract that every adapter passes, and the enumeration of all schedules of a race.
Needs pytest; ``pytest.register_assert_rewrite("resilient_auth.testing")`` in your
``conftest.py`` makes a broken promise say what it expected.
"""

from resilient_auth.testing.asgi import AsgiTransport as AsgiTransport
from resilient_auth.testing.browser import Browser as Browser
from resilient_auth.testing.clock import FrozenClock as FrozenClock
from resilient_auth.testing.exchange import Transport as Transport
from resilient_auth.testing.exchange import WireRequest as WireRequest
from resilient_auth.testing.exchange import WireResponse as WireResponse
from resilient_auth.testing.interleavings import Fate as Fate
from resilient_auth.testing.interleavings import Outcome as Outcome
from resilient_auth.testing.interleavings import Step as Step
from resilient_auth.testing.interleavings import SteppingStore as SteppingStore
from resilient_auth.testing.interleavings import explore as explore
from resilient_auth.testing.stores import BlockingStore as BlockingStore
from resilient_auth.testing.stores import StoreContract as StoreContract
from resilient_auth.testing.wire import SocketContract as SocketContract
from resilient_auth.testing.wire import WireContract as WireContract
from resilient_auth.testing.wire import WireSetup as WireSetup
from resilient_auth.testing.wsgi import WsgiTransport as WsgiTransport
