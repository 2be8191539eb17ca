"""What may come in as text or JSON? One strict reading for tokens and bodies."""

import json
import math
import re
from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any, NoReturn

#: Control, bidirectional-override and surrogate characters: never part of a name.
_UNFIT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_WHITE_SPACE = " \t\r\n"  # RFC 8259 §2

MAX_IDENTIFIER = 256
MAX_NUMBER = 2**53  # the largest range in which JSON numbers are exact (RFC 8259 §6)
MAX_DEPTH = 64  # of objects and arrays in each other, wherever the stack stands


def is_identifier(value: object) -> bool:
    """Say whether *value* can name something: 1 to 256 plain characters."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_IDENTIFIER
        and ((value.isascii() and value.isprintable()) or not _UNFIT.search(value))
    )


def is_date(value: object) -> bool:
    """Say whether *value* is a NumericDate we accept: a whole number in range."""
    return type(value) is int and 0 <= value < MAX_NUMBER


def read_object(raw: bytes) -> dict[str, Any]:
    """
    Return the one JSON object that *raw* holds.

    Raises `ValueError` with a reason for everything else: other types, bytes that are
    not UTF-8, duplicate member names at any depth, NaN and Infinity, lone surrogates,
    more than `MAX_DEPTH` levels, numbers too large to read. Never quotes the input.
    """
    try:
        text = raw.decode("utf-8").strip(_WHITE_SPACE)
        value, end = _DECODER.raw_decode(text)
        if b"\\" in raw and _ESCAPED_SURROGATE.search(raw) is not None:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise ValueError("not UTF-8") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None
    except ValueError as error:
        raise ValueError(_OWN.get(str(error), "not JSON")) from None
    if end != len(text):
        raise ValueError("not JSON")
    if type(value) is not dict:
        raise ValueError("not a JSON object")
    # Counting is cheap, and what has few brackets cannot be deep.
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _is_deep(value):
        raise ValueError("nested too deeply")
    return value


def write_object(value: Mapping[str, object]) -> bytes:
    """
    Return *value* as compact UTF-8 JSON.

    Raises `TypeError` for what JSON has no form for, and `ValueError` for NaN,
    Infinity, lone surrogates, circles and nesting too deep to write.
    """
    try:
        text = _ENCODER.encode(value)
    except RecursionError:
        raise ValueError("nested too deeply") from None
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


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("number too large")
    return number


def _is_deep(value: Any) -> bool:
    """Say whether *value* has more than `MAX_DEPTH` levels; uses no recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inside = chain.from_iterable(
            each.values() if isinstance(each, dict) else each for each in level
        )
        level = [each for each in inside if isinstance(each, dict | list)]
    return bool(level)


_OWN = {
    text: text for text in ("duplicate member", "NaN or Infinity", "number too large")
}
_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
)
_ENCODER = json.JSONEncoder(
    separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_thaw
)
