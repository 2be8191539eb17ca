"""Was a shell given what it needs? Asked once, before anything is derived from it."""

from resilient_auth.clock import Clock
from resilient_auth.core import arguments
from resilient_auth.core.claims import TokenPolicy
from resilient_auth.core.ring import KeyRing
from resilient_auth.core.sessions import SessionPolicy
from resilient_auth.errors import ConfigError

_LONGEST = 86_400


def check_arguments(
    ring: KeyRing,
    policy: TokenPolicy,
    sessions: SessionPolicy | None,
    clock: Clock | None,
) -> None:
    """Raise `ConfigError` for what `Auth` and `AsyncAuth` could not work with."""
    arguments.instance("ring", ring, KeyRing)
    arguments.instance("policy", policy, TokenPolicy)
    arguments.instance("sessions", sessions, SessionPolicy | None)
    if policy.access_ttl > _LONGEST:
        raise ConfigError(
            "A session's access tokens live at most a day: after that stores forget "
            "revocations. Refresh oftener; a TokenIssuer alone may issue longer ones."
        )
    if clock is not None:
        arguments.methods("clock", clock, "time", "monotonic")
