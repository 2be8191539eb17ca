"""How does a purpose use its secrets? It signs with them, and never shows them."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import NoReturn

from itsdangerous import Signer


class Masters:
    """
    The secrets of one purpose by kid, newest last: opaque, and not even a mapping.

    What prints, serialises or reports the values of objects finds the kids here.
    """

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._secrets = dict(secrets)

    @property
    def kids(self) -> tuple[str, ...]:
        """Return the ids of the secrets; the last is the newest."""
        return tuple(self._secrets)

    def mac(self, kid: str, said: bytes) -> bytes:
        """Return the HMAC-SHA256 of *said* under *kid*; `KeyError` if there is none."""
        return hmac.digest(self._secrets[kid], said, "sha256")

    def signer(self, salt: bytes) -> Signer:
        """Return a signer for *salt* alone: the newest secret signs, all open."""
        # itsdangerous' own defaults are SHA-1 and a salt that other signers share.
        return Signer(
            list(self._secrets.values()),
            salt=salt,
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )

    def __contains__(self, kid: object) -> bool:
        return kid in self._secrets

    def __repr__(self) -> str:
        return f"Masters({list(self._secrets)!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("Masters are not pickled or copied; ask the ring again.")
