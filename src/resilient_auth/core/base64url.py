"""How are bytes written in tokens and keys? Unpadded base64url, one spelling each."""

from base64 import urlsafe_b64encode
from binascii import Error, a2b_base64

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#: base64url to base64, and whatever is foreign to a character that is foreign to both.
_TO_STANDARD = bytes(
    b"+/"[b"-_".index(char)] if char in b"-_" else char if char in _ALPHABET else 0
    for char in range(256)
)
_PADDING = (b"", b"", b"==", b"=")
#: The last characters whose unused bits are zero, by the length of the rest modulo 4.
_CANONICAL_ENDS = {
    2: frozenset(b"AQgw"),
    3: frozenset(b"AEIMQUYcgkosw048"),
}


def encode(raw: bytes) -> bytes:
    """Return *raw* as unpadded base64url (RFC 7515 §2)."""
    return urlsafe_b64encode(raw).rstrip(b"=")


def decode(text: bytes) -> bytes:
    """Return what *text* holds; `ValueError` unless it is spelt as `encode` would."""
    rest = len(text) % 4
    if rest == 1 or (rest and text[-1] not in _CANONICAL_ENDS[rest]):
        raise ValueError("not canonical base64url")
    try:
        return a2b_base64(
            text.translate(_TO_STANDARD) + _PADDING[rest], strict_mode=True
        )
    except Error:
        raise ValueError("foreign character") from None
