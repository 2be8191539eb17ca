"""What may come in as text or JSON? One strict reading for tokens and bodies."""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn

#: Control, bidirectional-override and surrogate characters: never part of a name.
_UNFIT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

MAX_IDENTIFIER = 256
MAX_NUMBER = 2**53  # the largest range in which JSON numbers are exact (RFC 8259 §6)


def is_identifier(value: object) -> bool:
    """Say whether *value* can name something: 1 to 256 plain characters."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_IDENTIFIER
        and _UNFIT.search(value) is None
    )


def is_date(value: object) -> bool:
    """Say whether *value* is a NumericDate we accept: a whole number in range."""
    return type(value) is int and 0 <= value < MAX_NUMBER


def read_object(raw: bytes) -> dict[str, Any]:
    """
    Return the one JSON object that *raw* holds.

    Raises `ValueError` with a reason for everything else: other types, bytes that are
    not UTF-8, duplicate member names at any depth, NaN and Infinity, lone surrogates,
    nesting or numbers too large to read. Never quotes the input.
    """
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
        if _ESCAPED_SURROGATE.search(raw) is not None:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise ValueError("not UTF-8") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None
    except ValueError as error:
        raise ValueError(_OWN.get(str(error), "not JSON")) from None
    if type(value) is not dict:
        raise ValueError("not a JSON object")
    return value


def write_object(value: Mapping[str, object]) -> bytes:
    """Return *value* as compact UTF-8 JSON; `ValueError` for NaN and surrogates."""
    text = json.dumps(
        value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_thaw
    )
    return text.encode("utf-8")


def freeze(value: Any) -> Any:
    """Return *value* (as JSON reads it) with every object and array immutable."""
    if type(value) is dict:
        return MappingProxyType({name: freeze(each) for name, each in value.items()})
    if type(value) is list:
        return tuple(freeze(each) for each in value)
    return value


def _thaw(value: object) -> object:
    """Let `json` write what `freeze` made."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN or Infinity")


_OWN = {text: text for text in ("duplicate member", "NaN or Infinity")}
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
