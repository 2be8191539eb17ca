"""
What may be handed out now and come back later? Small values, signed for one purpose.

Tickets and mailed links are sealed, not encrypted: their bearer can read them. A seal
carries its own end and an id, by which a store can let it be used once. itsdangerous
signs; its lenient reading (padding, foreign characters, four last characters) is
behind a strict form, so one seal has one spelling.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from resilient_auth.core import base64url
from resilient_auth.core.macs import Masters
from resilient_auth.core.text import is_date, is_identifier, read_object, write_object
from resilient_auth.errors import Refused

MAX_SEAL_BYTES = 4096
_FORM = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What a seal holds; *expires_at* is Unix seconds UTC."""

    value: Mapping[str, Any]
    token_id: str
    expires_at: int


class Seal:
    """
    Signs and opens for one *purpose*; the newest (last) master signs, all open.

    *masters* must belong to this purpose alone.
    """

    __slots__ = ("_signer",)

    def __init__(self, masters: Masters, purpose: str) -> None:
        self._signer = masters.signer(f"resilient-auth seal v1 {purpose}".encode())

    def write(
        self, value: Mapping[str, object], *, token_id: str, expires_at: int
    ) -> str:
        """
        Return *value* sealed until *expires_at*.

        Raises `TypeError` for what JSON has no form for, and `ValueError` if it is too
        long, cannot be written exactly, or would be refused by `read`.
        """
        if not is_identifier(token_id) or not is_date(expires_at):
            raise ValueError("A seal needs an id, and an end in whole Unix seconds.")
        said = {"value": value, "id": token_id, "exp": expires_at}
        text = self._signer.sign(base64url.encode(write_object(said))).decode("ascii")
        if len(text) > MAX_SEAL_BYTES:
            raise ValueError(f"Sealed, the value is longer than {MAX_SEAL_BYTES}.")
        return text

    def read(self, text: str, *, now: float) -> Sealed:
        """
        Return what *text* holds.

        Raises `Refused` ``token_invalid``, or ``token_expired`` from its end on. The
        action is ``give_up``: neither a refresh nor a login makes a good seal of it.
        """
        if not isinstance(text, str) or len(text) > MAX_SEAL_BYTES:
            refuse_seal("seal: not text, or too long")
        match = _FORM.fullmatch(text)
        if match is None:
            refuse_seal("seal: not of our form")
        if not self._signer.verify_signature(match[1], match[2]):
            refuse_seal("seal: signature does not match")
        sealed = _read(match[1].encode("ascii"))
        if now >= sealed.expires_at:
            raise Refused(
                "token_expired", "This has expired.", reason="seal", action="give_up"
            )
        return sealed

    def __reduce__(self) -> NoReturn:
        raise TypeError("A seal is not pickled or copied; build it where needed.")


def refuse_seal(reason: str) -> NoReturn:
    """Raise ``token_invalid`` with its private *reason*, and an action that is none."""
    raise Refused("token_invalid", reason=reason, action="give_up") from None


def _read(payload: bytes) -> Sealed:
    """Return what `Seal.write` wrote; checked, since a secret may be older than we."""
    try:
        said = read_object(base64url.decode(payload))
    except ValueError as error:
        refuse_seal(f"seal: {error}")
    value: Any = said.get("value")
    token_id: Any = said.get("id")
    expires_at: Any = said.get("exp")
    if (
        type(value) is not dict
        or not is_identifier(token_id)
        or not is_date(expires_at)
    ):
        refuse_seal("seal: not what we write")
    return Sealed(value=value, token_id=token_id, expires_at=expires_at)
