"""Who signs the links that are mailed? A `Signer`, for one purpose, with an end."""

import secrets as chance
from collections.abc import Sequence

from resilient_auth.clock import Clock, SystemClock
from resilient_auth.core.keys import derive
from resilient_auth.core.macs import Masters
from resilient_auth.core.seals import Seal, Sealed, refuse_seal
from resilient_auth.core.text import is_identifier
from resilient_auth.core.weakness import refuse_weak
from resilient_auth.errors import ConfigError


class Signer:
    """
    Signs texts for one *purpose*, such as a password reset; from any thread.

    *secrets* are random bytes (32 or more), the newest last: it signs, all open, so a
    rotation needs no flag day. They may be shared between purposes: each purpose signs
    with a key of its own (HKDF). For single use give the text to `Auth.redeem_signed`.

    >>> import secrets
    >>> reset = Signer([secrets.token_bytes(32)], purpose="reset")
    >>> reset.open(reset.sign("ann", max_age=600))
    'ann'
    """

    def __init__(
        self, secrets: Sequence[bytes], *, purpose: str, clock: Clock | None = None
    ) -> None:
        if not isinstance(secrets, list | tuple) or not secrets:
            raise ConfigError("secrets is a list of bytes, the newest last.")
        if not is_identifier(purpose):
            raise ConfigError("purpose is 1 to 256 plain characters.")
        for secret in secrets:
            if not isinstance(secret, bytes):
                raise ConfigError("A secret is bytes; encode or decode it first.")
            refuse_weak(secret, 32)
        derived = [derive(secret, f"signer {purpose}") for secret in secrets]
        masters = Masters({str(n): each for n, each in enumerate(derived)})
        self._seal = Seal(masters, purpose)
        self._clock = clock or SystemClock()

    def sign(self, value: str, *, max_age: int) -> str:
        """
        Return *value* signed for *max_age* seconds; the bearer can read it.

        Raises `TypeError` or `ValueError` for what cannot be signed.
        """
        if not isinstance(value, str):
            raise TypeError("A Signer signs text.")
        if type(max_age) is not int or max_age < 1:
            raise ValueError("max_age is a whole number of seconds, at least 1.")
        return self._seal.write(
            {"text": value},
            token_id=chance.token_urlsafe(16),
            expires_at=int(self._clock.time()) + max_age,
        )

    def open(self, text: str, *, now: float | None = None) -> str:
        """Return the value in *text*; `Refused` if it is not ours, or has expired."""
        return self.text_of(self.unseal(text, now=now))

    def unseal(self, text: str, *, now: float | None = None) -> Sealed:
        """Return all that *text* holds, its id and its end among it, else `Refused`."""
        return self._seal.read(text, now=self._clock.time() if now is None else now)

    @staticmethod
    def text_of(sealed: Sealed) -> str:
        """Return the value that `sign` was given."""
        value = sealed.value.get("text")
        if not isinstance(value, str):
            refuse_seal("seal: no text")
        return value
