"""One strict reading of text and JSON, against everything that lenient readers take."""

import json
import unicodedata
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth.core.text import (
    MAX_DEPTH,
    freeze,
    is_date,
    is_identifier,
    read_object,
    write_object,
)

#: Every reason that `read_object` may give; a text outside could quote the input.
REASONS = {
    "not UTF-8",
    "not JSON",
    "not a JSON object",
    "nested too deeply",
    "duplicate member",
    "NaN or Infinity",
    "number too large",
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FLAT = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
OBJECTS = st.dictionaries(
    TEXT,
    st.recursive(
        FLAT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=9
    ),
    max_size=5,
)


def nested(depth: int) -> bytes:
    """Return an object that holds *depth* levels of arrays and objects, itself one."""
    return b'{"x":' + b"[" * (depth - 1) + b"1" + b"]" * (depth - 1) + b"}"


def reason(raw: bytes) -> str:
    """Return why *raw* is refused, or nothing."""
    try:
        read_object(raw)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(b"", "not JSON", id="nothing"),
        pytest.param(b" ", "not JSON", id="space"),
        pytest.param(b"[]", "not a JSON object", id="array"),
        pytest.param(b'"x"', "not a JSON object", id="string"),
        pytest.param(b"1", "not a JSON object", id="number"),
        pytest.param(b"null", "not a JSON object", id="null"),
        pytest.param(b"{}{}", "not JSON", id="two-values"),
        pytest.param(b"{}\x00", "not JSON", id="nul-behind"),
        pytest.param(b"{'a':1}", "not JSON", id="single-quotes"),
        pytest.param(b'{"a":1,}', "not JSON", id="trailing-comma"),
        pytest.param(b'{"a":01}', "not JSON", id="leading-zero"),
        pytest.param(b'{"a":+1}', "not JSON", id="plus"),
        pytest.param(b'{"a":1_0}', "not JSON", id="underscore"),
        pytest.param(b'{"a":.5}', "not JSON", id="no-integer-part"),
        pytest.param(b"{a:1}", "not JSON", id="bare-name"),
        pytest.param(b'{"a":1/**/}', "not JSON", id="comment"),
        pytest.param(b'{"a":"\n"}', "not JSON", id="raw-newline-in-text"),
        pytest.param(b"\xef\xbb\xbf{}", "not JSON", id="byte-order-mark"),
        pytest.param("{}".encode("utf-16"), "not UTF-8", id="utf-16"),
        pytest.param("{}".encode("utf-16-le"), "not JSON", id="utf-16-le"),
        pytest.param("{}".encode("utf-32"), "not UTF-8", id="utf-32"),
        pytest.param(b'{"a":"\xe9"}', "not UTF-8", id="latin-1"),
        pytest.param(b'{"a":"\xc0\xaf"}', "not UTF-8", id="overlong"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', "not UTF-8", id="encoded-surrogate"),
        pytest.param(rb'{"a":"\ud800"}', "not UTF-8", id="high-surrogate"),
        pytest.param(rb'{"a":"\uDfFf"}', "not UTF-8", id="low-surrogate"),
        pytest.param(rb'{"a":"\udc00\ud800"}', "not UTF-8", id="swapped-surrogates"),
        pytest.param(rb'{"\ud800":1}', "not UTF-8", id="surrogate-in-name"),
        pytest.param(rb'{"a":[{"b":"\udabc"}]}', "not UTF-8", id="surrogate-inside"),
        pytest.param(b'{"a":1,"a":1}', "duplicate member", id="duplicate"),
        pytest.param(rb'{"a":1,"\u0061":2}', "duplicate member", id="duplicate-escape"),
        pytest.param(b'{"x":[{"a":1,"a":2}]}', "duplicate member", id="duplicate-deep"),
        pytest.param(b'{"":1,"":2}', "duplicate member", id="duplicate-empty-name"),
        pytest.param(b'{"a":NaN}', "NaN or Infinity", id="nan"),
        pytest.param(b'{"a":Infinity}', "NaN or Infinity", id="infinity"),
        pytest.param(b'{"a":[-Infinity]}', "NaN or Infinity", id="minus-infinity"),
        pytest.param(b'{"a":1e400}', "number too large", id="1e400"),
        pytest.param(b'{"a":[-1e999]}', "number too large", id="minus-1e999"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", "not JSON", id="5000-digits"),
        pytest.param(nested(MAX_DEPTH + 1), "nested too deeply", id="one-too-deep"),
        pytest.param(nested(800), "nested too deeply", id="under-the-stack"),
        pytest.param(nested(100_000), "nested too deeply", id="over-the-stack"),
        pytest.param(
            b'{"a":' * 70 + b"1" + b"}" * 70, "nested too deeply", id="objects"
        ),
    ],
)
def test_what_is_not_one_plain_object_is_refused(raw: bytes, expected: str) -> None:
    """Each of these is read by some parser, and two parsers that differ are a hole."""
    assert expected == reason(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(b"{}", {}, id="empty"),
        pytest.param(b'\t\r\n {"a" : 1 } ', {"a": 1}, id="whitespace"),
        pytest.param(b"\n{}", {}, id="newline-before"),
        pytest.param(b"{}\n", {}, id="newline-behind"),
        pytest.param(rb'{"a":"\ud83d\ude00"}', {"a": "\U0001f600"}, id="pair"),
        pytest.param(rb'{"a":"\\ud800"}', {"a": r"\ud800"}, id="escaped-backslash"),
        pytest.param(b'{"a":1.5e308}', {"a": 1.5e308}, id="large-float"),
        pytest.param(b'{"a":1e-400}', {"a": 0.0}, id="tiny-float"),
        pytest.param(b'{"a":' + b"9" * 4000 + b"}", {"a": 10**4000 - 1}, id="long-int"),
        pytest.param(b'{"a":null,"A":true}', {"a": None, "A": True}, id="case-differs"),
    ],
)
def test_plain_objects_are_read(raw: bytes, expected: dict[str, Any]) -> None:
    """Strict is not deaf: whatever is JSON and unambiguous comes in unchanged."""
    assert expected == read_object(raw)


@pytest.mark.parametrize("depth", [1, 2, MAX_DEPTH])
def test_depth_is_bounded_by_itself_and_not_by_the_stack(depth: int) -> None:
    """What is accepted must not depend on how deep the caller already stands."""

    def deeper(frames: int) -> dict[str, Any]:
        return read_object(nested(depth)) if not frames else deeper(frames - 1)

    assert read_object(nested(depth)) == deeper(500)


def test_many_brackets_are_not_yet_deep() -> None:
    """The cheap count only asks for the exact look; wide is allowed."""
    raw = b'{"x":[' + b",".join([b"[{}]"] * 500) + b"]}"

    assert 500 == len(read_object(raw)["x"])


@given(st.binary() | TEXT.map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_fixed_reason(raw: bytes) -> None:
    """No other exception gets out, and no reason can carry the input to a log."""
    assert reason(raw) in REASONS | {""}


@given(OBJECTS, st.sampled_from([None, 0, 3]), st.booleans())
def test_reading_agrees_with_json(
    value: dict[str, Any],
    indent: int | None,
    escaped: bool,  # noqa: FBT001 - hypothesis
) -> None:
    """Whatever spelling an encoder chooses, the value is the same as json's."""
    raw = json.dumps(value, indent=indent, ensure_ascii=escaped).encode()

    assert json.loads(raw) == value == read_object(raw)


@given(OBJECTS, st.data())
def test_what_is_accepted_means_the_same_to_json(
    value: dict[str, Any], data: st.DataObject
) -> None:
    """A damaged text is refused or has one meaning, never two."""
    raw = bytearray(write_object(value))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.sampled_from(b'{}[]",:\\u0aeE9- \x00\xff'))
    try:
        read = read_object(bytes(raw))
    except ValueError:
        return

    assert json.loads(raw) == read


@given(OBJECTS)
def test_freezing_and_writing_lose_nothing(value: dict[str, Any]) -> None:
    """What is frozen, written and read again is the value that it was."""
    assert value == read_object(write_object(freeze(value)))
    assert write_object(value) == write_object(freeze(value))


@given(OBJECTS)
def test_what_is_frozen_is_frozen_all_the_way_down(value: dict[str, Any]) -> None:
    """One request must not change the claims that another one sees."""
    level: list[Any] = [freeze(value)]
    while level:
        assert not any(isinstance(each, dict | list) for each in level)
        level = [
            inner
            for outer in level
            if isinstance(outer, MappingProxyType | tuple)
            for inner in (outer if isinstance(outer, tuple) else outer.values())
        ]


def test_freezing_copies() -> None:
    """A change of the original afterwards does not show."""
    value = {"a": [1, {"b": 2}]}
    frozen = freeze(value)
    value["a"].append(3)

    assert {"a": (1, {"b": 2})} == frozen


@pytest.mark.parametrize(
    ("value", "error"),
    [
        pytest.param({"a": float("nan")}, ValueError, id="nan"),
        pytest.param({"a": [float("inf")]}, ValueError, id="infinity"),
        pytest.param({"a": "\ud800"}, ValueError, id="surrogate"),
        pytest.param({"\udfff": 1}, ValueError, id="surrogate-in-name"),
        pytest.param({"a": {1}}, TypeError, id="set"),
        pytest.param({"a": b"x"}, TypeError, id="bytes"),
        pytest.param({"a": object()}, TypeError, id="object"),
        pytest.param({(1, 2): 1}, TypeError, id="tuple-name"),
        pytest.param({"a": MappingProxyType({"b": {1}})}, TypeError, id="frozen-set"),
    ],
)
def test_what_cannot_be_read_again_is_not_written(
    value: dict[Any, Any], error: type[Exception]
) -> None:
    """A token that no verifier can read is a 401 that nobody can explain."""
    with pytest.raises(error):
        write_object(value)


def test_what_has_no_form_is_named_by_its_type() -> None:
    """The developer learns which of their values it was, and no log its content."""
    with pytest.raises(TypeError, match=r"^set has no JSON form\.$"):
        write_object({"a": [{"hunter2"}]})


def test_circles_are_not_written() -> None:
    """A frozen one too, though `json` sees a new dictionary at each turn."""
    circle: dict[str, Any] = {}
    circle["self"] = MappingProxyType(circle)

    with pytest.raises(ValueError, match=r"Circular|too deeply"):
        write_object(circle)


def test_wells_are_not_written() -> None:
    """It would end in a RecursionError, which is nobody's promise."""
    well: Any = 1
    for _ in range(20_000):
        well = [well]

    with pytest.raises(ValueError, match=r"^nested too deeply$"):
        write_object({"well": well})


def is_plain(char: str) -> bool:
    """Say from Unicode's own tables whether *char* neither controls nor reorders."""
    return unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"} and (
        char not in "\u061c\u200e\u200f"
        and unicodedata.bidirectional(char)
        not in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    )


def test_every_character_of_unicode_is_judged_by_its_class() -> None:
    """A list written by hand forgets one; all 1,114,112 are asked."""
    wrong = [
        hex(code)
        for code in range(0x110000)
        if is_identifier(chr(code)) != is_plain(chr(code))
    ]

    assert [] == wrong


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("a", True, id="one"),
        pytest.param("e\u0301" * 128, True, id="256"),
        pytest.param("a" * 257, False, id="257"),
        pytest.param("", False, id="empty"),
        pytest.param("ann\n", False, id="newline-behind"),
        pytest.param("ann\x00root", False, id="nul"),
        pytest.param("ann\u202etoor", False, id="bidi-override"),
        pytest.param(b"ann", False, id="bytes"),
        pytest.param(None, False, id="none"),
        pytest.param(1, False, id="number"),
        pytest.param(["a"], False, id="list"),
    ],
)
def test_names_are_plain_and_bounded(value: object, *, expected: bool) -> None:
    """An id goes to logs, headers and databases; none of them may misread it."""
    assert expected == is_identifier(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, True),
        (2**53 - 1, True),
        (2**53, False),
        (-1, False),
        (1.0, False),
        (True, False),
        (None, False),
        ("1", False),
        ([1], False),
        (float("nan"), False),
    ],
    ids=repr,
)
def test_dates_are_whole_numbers_in_range(value: object, *, expected: bool) -> None:
    """PyJWT takes text, floats and booleans; a date that rounds is two dates."""
    assert expected == is_date(value)
