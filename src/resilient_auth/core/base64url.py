"""How are bytes written in tokens and keys? Unpadded base64url, one spelling each."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

_FORM = re.compile(
    rb"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?"
)


def encode(raw: bytes) -> bytes:
    """Return *raw* as unpadded base64url (RFC 7515 §2)."""
    return urlsafe_b64encode(raw).rstrip(b"=")


def decode(text: bytes) -> bytes:
    """Return what *text* holds; `ValueError` unless it is spelt as `encode` would."""
    if not _FORM.fullmatch(text):
        raise ValueError("not canonical base64url")
    return urlsafe_b64decode(text + b"==")
