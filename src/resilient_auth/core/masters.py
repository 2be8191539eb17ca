"""Which secrets master refresh tokens? A ring's own, or some given beside it."""

from collections.abc import Iterable, Mapping

from resilient_auth.core.entries import SIGNING, Entry
from resilient_auth.core.keys import checked_kid
from resilient_auth.core.weakness import refuse_weak
from resilient_auth.errors import ConfigError


def own_masters(entries: Iterable[Entry]) -> dict[str, bytes]:
    """
    Return the secrets of the ring, the one that signs last.

    An announced one must not be the newest: others could not read what it seals.
    """
    ordered = sorted(entries, key=lambda entry: entry.state == SIGNING)
    return {e.key.kid: e.key._secret for e in ordered if e.key.is_symmetric}  # noqa: SLF001 - a ring may look into its keys


def checked_secrets(
    entries: Iterable[Entry], given: Mapping[str, bytes] | None
) -> dict[str, bytes]:
    """Return *given* masters, each strong and used for nothing else."""
    if not given:
        return {}
    if not isinstance(given, Mapping):
        raise ConfigError("refresh_secrets maps a kid to bytes.")
    own = set(own_masters(entries).values())
    for kid, secret in given.items():
        checked_kid(kid)
        if not isinstance(secret, bytes):
            raise ConfigError(f"refresh_secrets[{kid!r}] is not bytes.")
        refuse_weak(secret, 32)
        if secret in own:
            raise ConfigError(
                f"refresh_secrets[{kid!r}] is also a signing secret; use one for each."
            )
    if len(set(given.values())) != len(given):
        raise ConfigError("Two refresh_secrets are the same; give each its own.")
    return dict(given)
