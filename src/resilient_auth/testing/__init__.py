"""
What a test of resilient-auth, or of an app built on it, needs.

A clock that stands still, the contract that every session store passes, the wire
contract that every adapter passes, and the enumeration of all schedules of a race.
"""

from resilient_auth.testing.clock import FrozenClock as FrozenClock
from resilient_auth.testing.interleavings import Outcome as Outcome
from resilient_auth.testing.interleavings import SteppingStore as SteppingStore
from resilient_auth.testing.interleavings import explore as explore
from resilient_auth.testing.stores import BlockingStore as BlockingStore
from resilient_auth.testing.stores import StoreContract as StoreContract
