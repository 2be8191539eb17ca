"""The strict gate: one spelling of a token, and nothing but `Refused` for the rest."""

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import Key, KeyRing, Refused
from resilient_auth.core import base64url
from resilient_auth.core.jws import (
    MAX_TOKEN_BYTES,
    Headers,
    Opened,
    open_jws,
    open_presented,
    read_presented,
    sign_jws,
)

KEYS = {alg: Key.generate(alg, kid="k1") for alg in ("HS256", "EdDSA")}
RINGS = {alg: KeyRing([key]) for alg, key in KEYS.items()}
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
ALGS = pytest.mark.parametrize("alg", KEYS)
HEAD = base64url.encode(b'{"alg":"HS256","kid":"k1"}').decode()


def forge(header: object, payload: bytes = b"{}", *, alg: str = "HS256") -> str:
    """Return a token whose signature holds, with *header* as it is (bytes) or JSON."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    signing_input = base64url.encode(raw) + b"." + base64url.encode(payload)
    signature = base64url.encode(KEYS[alg].sign(signing_input))
    return (signing_input + b"." + signature).decode()


def reason(token: Any, *, alg: str = "HS256", **bound: int) -> str:
    """Return why the gate refuses *token*, or nothing."""
    try:
        open_jws(token, RINGS[alg], **bound)
    except Refused as error:
        return error.reason if error.code == "token_invalid" else error.code
    return ""


@ALGS
@given(
    payload=st.binary(max_size=300),
    typ=st.sampled_from(["at+jwt", "x", ""]),
)
def test_what_is_signed_is_opened(alg: str, payload: bytes, typ: str) -> None:
    """The payload comes back to the byte, empty or not JSON: it is not looked at."""
    token = sign_jws(payload, KEYS[alg], typ=typ)
    header = {"alg": alg, "typ": typ, "kid": "k1"}

    assert Opened(header, payload) == open_jws(token, RINGS[alg])
    assert Opened(header, payload) == open_jws(token.encode(), RINGS[alg])


@ALGS
def test_any_single_character_change_is_refused(alg: str) -> None:
    """All of them: replaced, inserted and taken away, at each place of a token."""
    token = sign_jws(b'{"sub":"ann"}', KEYS[alg], typ="at+jwt")
    foreign = "=.+/ \n\t\x00~é\ud800"
    accepted = []
    for place in range(len(token) + 1):
        before, after = token[:place], token[place:]
        for char in ALPHABET + foreign:
            changed = [before + char + after]
            if after and after[0] != char:
                changed.append(before + char + after[1:])
            accepted += [each for each in changed if not reason(each, alg=alg)]
        if after and not reason(before + after[1:], alg=alg):
            accepted.append(before + after[1:])

    assert [] == accepted


@ALGS
def test_every_beginning_and_every_end_is_refused(alg: str) -> None:
    """A token that a proxy cut off is no token."""
    token = sign_jws(b'{"sub":"ann"}', KEYS[alg], typ="at+jwt")
    parts = [token[:n] for n in range(len(token))] + [
        token[n:] for n in range(1, len(token))
    ]

    assert [] == [part for part in parts if not reason(part, alg=alg)]


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        pytest.param(None, "neither str nor bytes", id="none"),
        pytest.param(7, "neither str nor bytes", id="number"),
        pytest.param(bytearray(b"a.b.c"), "neither str nor bytes", id="bytearray"),
        pytest.param(memoryview(b"a.b.c"), "neither str nor bytes", id="memoryview"),
        pytest.param(["a", "b", "c"], "neither str nor bytes", id="list"),
        pytest.param("", "not three segments", id="empty"),
        pytest.param(".", "not three segments", id="dot"),
        pytest.param("..", "not three segments", id="dots"),
        pytest.param("e30", "not three segments", id="one-segment"),
        pytest.param("e30.e30", "not three segments", id="two-segments"),
        pytest.param(".e30.e30", "not three segments", id="no-header"),
        pytest.param("e30.e30.", "not three segments", id="no-signature"),
        pytest.param("\ud800", "not ASCII", id="surrogate"),
        pytest.param("é.é.é", "not ASCII", id="latin"),
        pytest.param("\u0661.\u0661.\u0661", "not ASCII", id="arabic-digits"),
        pytest.param(b"\xff.e30.e30", "not ASCII", id="bytes"),
        pytest.param("a" * 8193, "too long", id="8193"),
        pytest.param("é" * 1_000_000, "too long", id="a-million"),
        pytest.param("e3=0.e30.e30", "header: foreign character", id="padding-inside"),
        pytest.param("e30=.e30.e30", "header: foreign character", id="padding"),
        pytest.param(
            "e31.e30.e30", "header: not canonical base64url", id="unused-bits"
        ),
        pytest.param("e30a1.e30.e30", "header: not canonical base64url", id="length"),
        pytest.param(
            HEAD + ".e30=.e30", "foreign character", id="padding-of-the-payload"
        ),
        pytest.param(
            HEAD + ".e31.e30",
            "not canonical base64url",
            id="unused-bits-of-the-payload",
        ),
        pytest.param(HEAD + ".e30.e3=0", "foreign character", id="in-the-signature"),
        pytest.param(HEAD + ".e30.e30.e30", "foreign character", id="four-segments"),
    ],
)
def test_form_is_judged_before_anything_is_decoded(token: Any, expected: str) -> None:
    """The cheapest refusals come first, each with its exact reason for the log."""
    assert expected == reason(token)


GOOD = {"alg": "HS256", "typ": "at+jwt", "kid": "k1"}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(b"", "not three segments", id="empty"),
        pytest.param(b"{}", "header: no alg", id="nothing-in-it"),
        pytest.param(b"[]", "header: not a JSON object", id="array"),
        pytest.param(b'"HS256"', "header: not a JSON object", id="text"),
        pytest.param(b"{", "header: not JSON", id="broken"),
        pytest.param(
            b'{"alg":"HS256","kid":"k1","kid":"k1"}',
            "header: duplicate member",
            id="twice",
        ),
        pytest.param(GOOD | {"typ": 1}, "header: a value that is not text", id="typ-1"),
        pytest.param(GOOD | {"x": "y"}, "header: a member that we do not know", id="x"),
        pytest.param({"alg": "HS256"}, "header: no usable kid", id="no-kid"),
        pytest.param(GOOD | {"kid": ""}, "header: no usable kid", id="empty-kid"),
        pytest.param(GOOD | {"kid": "k1\n"}, "header: no usable kid", id="kid-newline"),
        pytest.param(GOOD | {"kid": "k" * 257}, "header: no usable kid", id="kid-long"),
        pytest.param(GOOD | {"kid": "k2"}, "unknown kid", id="unknown"),
        pytest.param(GOOD | {"kid": "K1"}, "unknown kid", id="other-case"),
        pytest.param(GOOD | {"alg": "EdDSA"}, "alg is not the key's", id="other-alg"),
        pytest.param(GOOD | {"alg": "none"}, "alg is not the key's", id="none"),
    ],
)
def test_the_header_is_judged_before_the_signature(
    header: object, expected: str
) -> None:
    """All of these are signed with the right key: only the header is wrong."""
    assert expected == reason(forge(header))


def test_a_header_without_typ_opens() -> None:
    """The type is the purpose's business: each reader asks for its own."""
    token = forge({"kid": "k1", "alg": "HS256"})

    assert {"kid": "k1", "alg": "HS256"} == open_jws(token, RINGS["HS256"]).header


def test_the_payload_is_unread_until_the_signature_holds() -> None:
    """ASVS 9.1.1: a reason about the payload would show that it was parsed first."""
    head, _, tail = forge(GOOD).split(".")
    swapped = f"{head}.{base64url.encode(b'{not json').decode()}.{tail}"

    assert "signature does not match" == reason(swapped)
    assert b"{not json" == open_jws(forge(GOOD, b"{not json"), RINGS["HS256"]).payload


class CountingKeys:
    """A ring that notes for whom it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find(self, kid: str) -> Key | None:
        """Note *kid*, and know nobody."""
        self.asked.append(kid)
        return None


@given(st.text(ALPHABET + ".", max_size=60) | st.text(max_size=30))
def test_keys_are_asked_for_plain_ids_alone(token: str) -> None:
    """A lookup may cost a query: no path, no SQL and no flood of garbage gets there."""
    keys = CountingKeys()
    with pytest.raises(Refused):
        open_jws(token, keys)

    assert all(kid.isascii() and kid.isprintable() for kid in keys.asked)


def test_the_bound_itself_is_in() -> None:
    """``max_bytes`` counts characters of the whole token."""
    token = forge(GOOD, b"x" * 100)

    assert reason(token, max_bytes=len(token)) == ""
    assert "too long" == reason(token, max_bytes=len(token) - 1)
    assert reason("a" * MAX_TOKEN_BYTES) == "not three segments"


# ------------------------------------------------------------------ headers seen before


def opened_with(headers: Headers, token: str) -> str:
    """Open *token* with the *headers* known so far; return why it is refused."""
    try:
        presented = read_presented(token.encode(), headers)
        open_presented(presented, RINGS["HS256"].find(presented.header["kid"]), headers)
    except Refused as error:
        return error.reason
    return ""


def test_a_header_is_known_once_its_signature_held() -> None:
    """A forger can neither fill what is known nor push a good header out of it."""
    headers: Headers = {}
    good, bad = forge(GOOD), forge(GOOD | {"typ": "x"})[:-4] + "AAAA"

    assert "signature does not match" == opened_with(headers, bad)
    assert "unknown kid" == opened_with(headers, forge(GOOD | {"kid": "k2"}))
    assert {} == headers
    assert ["", ""] == [opened_with(headers, good) for _ in range(2)]
    assert [GOOD] == list(headers.values())


def test_a_known_header_opens_no_other_token() -> None:
    """It spares the reading of JSON; the key, its alg and the signature stay."""
    headers: Headers = {}
    opened_with(headers, forge(GOOD))
    head, body, _ = forge(GOOD).split(".")

    assert "signature does not match" == opened_with(headers, f"{head}.{body}.AAAA")
    assert "not three segments" == opened_with(headers, f"{head}.{body}.")
    with pytest.raises(Refused, match="unknown kid"):
        open_presented(read_presented(forge(GOOD).encode(), headers), None, headers)
    with pytest.raises(TypeError):
        headers[head.encode()]["kid"] = "k2"  # type: ignore[index] - the point


def test_a_known_header_is_not_read_again() -> None:
    """A refresh of a page brings the same one with each of its requests."""
    headers: Headers = {}
    raw = forge(GOOD).encode()
    opened_with(headers, raw.decode())

    assert headers[raw.split(b".")[0]] is read_presented(raw, headers).header


def test_the_number_of_known_headers_is_bounded() -> None:
    """Whoever may sign can choose any ``typ``."""
    headers: Headers = {}
    for n in range(200):
        assert "" == opened_with(headers, forge(GOOD | {"typ": f"t{n}"}))
        assert len(headers) <= 64


# ------------------------------------------------------------------ nothing but Refused

SEGMENT = st.text(ALPHABET, max_size=30) | st.binary(max_size=30).map(
    lambda raw: base64url.encode(raw).decode()
)
HEADER_VALUE = st.sampled_from(
    ["HS256", "EdDSA", "none", "k1", "at+jwt", "", None, 1, True, [], {}, ["HS256"]]
)
HEADER = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "zip"]), HEADER_VALUE
)


@given(
    st.text()
    | st.binary()
    | st.lists(SEGMENT, min_size=1, max_size=5).map(".".join)
    | st.none()
    | st.integers()
    | st.binary().map(bytearray)
)
def test_any_input_is_refused_and_raises_nothing_else(token: Any) -> None:
    """In other libraries a broken token is a 500 or a 422."""
    assert reason(token)


@given(HEADER, st.binary(max_size=40), st.sampled_from(sorted(KEYS)))
def test_any_signed_header_is_opened_or_refused(
    header: dict[str, Any], payload: bytes, alg: str
) -> None:
    """With a good signature only the three members we know, as text, get through."""
    token = forge(header, payload, alg=alg)
    sound = (
        {"alg", "kid"} <= header.keys() <= {"alg", "kid", "typ"}
        and (alg, "k1") == (header["alg"], header["kid"])
        and isinstance(header.get("typ", ""), str)
    )

    assert sound != bool(reason(token, alg=alg))


@ALGS
@given(segments=st.tuples(SEGMENT, SEGMENT, SEGMENT), data=st.data())
def test_no_signature_of_other_content_is_taken(
    alg: str, segments: tuple[str, str, str], data: st.DataObject
) -> None:
    """Parts of a good token do not make foreign parts good."""
    good = sign_jws(b'{"sub":"ann"}', KEYS[alg], typ="at+jwt").split(".")
    mixed = [
        data.draw(st.sampled_from([mine, theirs]))
        for mine, theirs in zip(good, segments, strict=True)
    ]

    assert (good == mixed) != bool(reason(".".join(mixed), alg=alg))
