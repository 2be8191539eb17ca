"""
What if the provider misbehaves? A server that plays forty faults on the wire.

`FaultServer` speaks the protocols of OpenAI and Anthropic on 127.0.0.1, over real
connections, so the real SDKs meet what they would meet in production::

    def test_the_user_sees_an_answer(fault_server: FaultServer) -> None:
        fault_server.play("unavailable_retry_after", "stream_reset_midway", "ok")
        ...

Every fault has a name in `CATALOGUE`. Needs no SDK, and nothing outside the standard
library but cryptography, for the certificate that nobody trusts.
"""

from resilient_auth.testing.faults.bodies import Speaks as Speaks
from resilient_auth.testing.faults.catalogue import CATALOGUE as CATALOGUE
from resilient_auth.testing.faults.catalogue import Fault as Fault
from resilient_auth.testing.faults.reading import Seen as Seen
from resilient_auth.testing.faults.server import FaultServer as FaultServer
