"""
What a test of resilient-auth, or of an app built on it, needs.

A clock that stands still, a provider that misbehaves on the wire, the contract that
every session store passes, the wire contract that every adapter passes, and the
enumeration of all schedules of a race. Names are imported on first use, because every
pytest loads the plugin beside this file (fixtures ``fault_server`` and
``frozen_clock``). Needs pytest; its assertions say what they expected.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resilient_auth.testing.asgi import AsgiTransport as AsgiTransport
    from resilient_auth.testing.browser import Browser as Browser
    from resilient_auth.testing.clock import FrozenClock as FrozenClock
    from resilient_auth.testing.exchange import Transport as Transport
    from resilient_auth.testing.exchange import WireRequest as WireRequest
    from resilient_auth.testing.exchange import WireResponse as WireResponse
    from resilient_auth.testing.faults.catalogue import CATALOGUE as CATALOGUE
    from resilient_auth.testing.faults.catalogue import Fault as Fault
    from resilient_auth.testing.faults.reading import Seen as Seen
    from resilient_auth.testing.faults.server import FaultServer as FaultServer
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

#: Public name → the module that is its home.
_HOMES = {
    "AsgiTransport": "asgi",
    "BlockingStore": "stores",
    "Browser": "browser",
    "CATALOGUE": "faults.catalogue",
    "Fate": "interleavings",
    "Fault": "faults.catalogue",
    "FaultServer": "faults.server",
    "FrozenClock": "clock",
    "Outcome": "interleavings",
    "Seen": "faults.reading",
    "SocketContract": "wire",
    "Step": "interleavings",
    "SteppingStore": "interleavings",
    "StoreContract": "stores",
    "Transport": "exchange",
    "WireContract": "wire",
    "WireRequest": "exchange",
    "WireResponse": "exchange",
    "WireSetup": "wire",
    "WsgiTransport": "wsgi",
    "explore": "interleavings",
}

__all__ = [
    "CATALOGUE",
    "AsgiTransport",
    "BlockingStore",
    "Browser",
    "Fate",
    "Fault",
    "FaultServer",
    "FrozenClock",
    "Outcome",
    "Seen",
    "SocketContract",
    "Step",
    "SteppingStore",
    "StoreContract",
    "Transport",
    "WireContract",
    "WireRequest",
    "WireResponse",
    "WireSetup",
    "WsgiTransport",
    "explore",
]


def __getattr__(name: str) -> object:
    """Import *name* from its home and keep it, so that the next access is plain."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *_HOMES})
