"""
How long must a key stay in a state? Until nobody can be surprised by the next one.

Three delays decide. A process reads the key file again at most ``reload`` seconds after
it changed; until then it works with the old ring. A verifier elsewhere may keep a
published set for `JWKS_MAX_AGE`. And a token lives for as long as the policies let it.

A new key may sign once the slowest process has read it, and the set that this process
published just before has grown old everywhere. An old key may go once the last token is
dead that the slowest process signed with it.
"""

from dataclasses import dataclass

from resilient_auth.core.claims import TokenPolicy
from resilient_auth.core.sessions import SessionPolicy
from resilient_auth.errors import ConfigError

JWKS_MAX_AGE = 300  # seconds for which a verifier may keep our published set
RELOAD = 300  # seconds in which every process has read a changed key file
_LONGEST = 100 * 365 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """
    How long a key stays in a state at least, in seconds; `of` reckons it.

    *announced*: before it may sign. *verify_only*: before it may go. *master*: the same
    for an HMAC key from which refresh tokens are mastered. The defaults are those of
    the default policies.
    """

    announced: int = RELOAD + JWKS_MAX_AGE
    verify_only: int = RELOAD + 86_400 + 30
    master: int = RELOAD + 2_592_000 + 30

    def __post_init__(self) -> None:
        for name in ("announced", "verify_only", "master"):
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= _LONGEST:
                raise ConfigError(f"{name} is a whole number of seconds.")

    @classmethod
    def of(
        cls,
        policy: TokenPolicy,
        sessions: SessionPolicy | None = None,
        *,
        reload: int = RELOAD,
    ) -> "Stays":
        """
        Return the shortest safe stays under these policies.

        *reload* is the time in which every process has read the keys again after they
        changed: how long a rolling deployment takes, or the pause between two looks.
        """
        if type(reload) is not int or reload < 0:
            raise ConfigError("reload is a whole number of seconds.")
        lives = sessions or SessionPolicy()
        longest = max(lives.absolute, policy.max_ttl)
        return cls(
            announced=reload + JWKS_MAX_AGE,
            verify_only=reload + policy.max_ttl + policy.leeway,
            master=reload + longest + policy.leeway,
        )
