"""A seal has one spelling, one purpose and one end."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer as Itsdangerous
from itsdangerous import URLSafeSerializer

from resilient_auth import Refused
from resilient_auth.core import base64url
from resilient_auth.core.macs import Masters
from resilient_auth.core.seals import MAX_SEAL_BYTES, Seal, Sealed
from resilient_auth.core.text import write_object

SECRET = b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*"
OTHER = b"Zx0-Ui4+Ge7=Hs2~Jf5|Va8:Ob1;Yk3,"
NOW = 1_800_000_000
SEAL = Seal(Masters({"a": SECRET}), "test")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=9,
)


def seal(value: Any = None, **said: Any) -> str:
    """Return *value* sealed."""
    given = {"token_id": "t1", "expires_at": NOW + 60} | said
    return SEAL.write({"a": 1} if value is None else value, **given)


def signed(payload: bytes, *, by: Seal = SEAL) -> str:
    """Return *payload* as it is, with a signature that holds."""
    return by._signer.sign(base64url.encode(payload)).decode("ascii")


def reason(text: Any, *, at: float = NOW) -> str:
    """Return the exact reason for which *text* is refused."""
    with pytest.raises(Refused) as caught:
        SEAL.read(text, now=at)
    assert "give_up" == caught.value.action
    return caught.value.reason


@given(st.dictionaries(st.text(max_size=9), JSON, max_size=4))
def test_what_is_sealed_comes_back(value: dict[str, Any]) -> None:
    """With the id and the end it was given."""
    sealed = SEAL.read(seal(value), now=NOW)

    assert Sealed(value=value, token_id="t1", expires_at=NOW + 60) == sealed


@pytest.mark.parametrize(
    ("at", "expected"),
    [(NOW + 59.999, ""), (NOW + 60, "token_expired"), (NOW + 61, "token_expired")],
)
def test_the_end_is_the_first_second_that_is_refused(at: float, expected: str) -> None:
    """No leeway: what is used once has no clock of somebody else in it."""
    text = seal()
    if not expected:
        assert NOW + 60 == SEAL.read(text, now=at).expires_at
        return
    with pytest.raises(Refused) as caught:
        SEAL.read(text, now=at)

    error = caught.value
    assert (expected, "give_up") == (error.code, error.action)
    assert ("This has expired.", "seal") == (error.detail, error.reason)


def test_a_seal_of_the_last_release_is_good() -> None:
    """A link that was mailed before a deployment is opened after it."""
    said = (
        "eyJ2YWx1ZSI6eyJhIjoxfSwiaWQiOiJ0MSIsImV4cCI6MTgwMDAwMDA2MH0"
        ".EmzgQ45dG2zI480M45esKRXvbVGJq8jHbYpagWpqT3Q"
    )

    assert said == Seal(Masters({"a": SECRET}), "test").write(
        {"a": 1}, token_id="t1", expires_at=NOW + 60
    )
    assert {"a": 1} == Seal(Masters({"a": SECRET}), "test").read(said, now=NOW).value


def test_the_holder_of_secrets_does_not_travel() -> None:
    """A pickle of it would carry them."""
    with pytest.raises(TypeError) as caught:
        SEAL.__reduce__()

    assert "A seal is not pickled or copied; build it where needed." == str(
        caught.value
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "seal: not text, or too long"),
        (b"a.b", "seal: not text, or too long"),
        ("a" * (MAX_SEAL_BYTES + 1), "seal: not text, or too long"),
        ("a" * MAX_SEAL_BYTES, "seal: not of our form"),
        ("", "seal: not of our form"),
        ("e30." + "A" * 42, "seal: not of our form"),
        ("e30." + "A" * 42 + "B", "seal: not of our form"),
        ("e30." + "A" * 43 + "\n", "seal: not of our form"),
        ("." + "A" * 43, "seal: not of our form"),
        ("e30." + "A" * 43, "seal: signature does not match"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_no_seal_is_refused(text: Any, expected: str) -> None:
    """Length and form first, then the signature, and only then the content."""
    assert expected == reason(text)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", "seal: not of our form"),
        (b"[]", "seal: not a JSON object"),
        (b"{}", "seal: not what we write"),
        (b"\xff", "seal: not UTF-8"),
        (b'{"value":{},"id":"t","exp":1,"exp":2}', "seal: duplicate member"),
        (b'{"value":{},"id":"t","exp":NaN}', "seal: NaN or Infinity"),
        (b'{"value":[],"id":"t","exp":2000000000}', "seal: not what we write"),
        (b'{"value":{},"id":"","exp":2000000000}', "seal: not what we write"),
        (b'{"value":{},"id":7,"exp":2000000000}', "seal: not what we write"),
        (b'{"value":{},"id":"t","exp":2e9}', "seal: not what we write"),
        (b'{"value":{},"id":"t","exp":true}', "seal: not what we write"),
        (b'{"value":{},"id":"t","exp":"2000000000"}', "seal: not what we write"),
        (b'{"value":{},"id":"t"}', "seal: not what we write"),
    ],
    ids=repr,
)
def test_a_good_signature_over_something_else(payload: bytes, expected: str) -> None:
    """A secret may have signed before this code was written."""
    assert expected == reason(signed(payload))


@pytest.mark.parametrize(
    "said",
    [
        {"token_id": ""},
        {"token_id": None},
        {"token_id": "a\nb"},
        {"token_id": "a" * 257},
        {"expires_at": -1},
        {"expires_at": 2**53},
        {"expires_at": 1.5},
        {"expires_at": True},
        {"expires_at": None},
        {"value": {"a": float("nan")}},
        {"value": {"a": "\ud800"}},
        {"value": {"a": "x" * MAX_SEAL_BYTES}},
    ],
    ids=lambda said: repr(said)[:30],
)
def test_what_would_be_refused_is_not_written(said: dict[str, Any]) -> None:
    """Who writes it can still do something about it."""
    with pytest.raises(ValueError) as caught:
        seal(**said)

    if "value" not in said:
        assert "A seal needs an id, and an end in whole Unix seconds." == str(
            caught.value
        )


def test_what_json_has_no_form_for() -> None:
    """As everywhere: a `TypeError`."""
    with pytest.raises(TypeError):
        seal({"a": object()})


def test_the_longest_seal_is_read() -> None:
    """What is written at the limit passes it too."""
    size = max(
        size for size in range(2_900, 3_100) if len(signed(raw(size))) <= MAX_SEAL_BYTES
    )
    text = seal({"a": "x" * size})

    assert MAX_SEAL_BYTES - 2 <= len(text) <= MAX_SEAL_BYTES
    assert {"a": "x" * size} == SEAL.read(text, now=NOW).value
    with pytest.raises(ValueError, match="longer than 4096"):
        seal({"a": "x" * (size + 1)})


def raw(size: int) -> bytes:
    """Return what a seal of *size* letters holds."""
    return write_object({"value": {"a": "x" * size}, "id": "t1", "exp": NOW + 60})


def test_the_newest_secret_signs_and_all_open() -> None:
    """A rotation needs no flag day."""
    both = Seal(Masters({"a": SECRET, "b": OTHER}), "test")
    new = Seal(Masters({"b": OTHER}), "test")

    assert {"a": 1} == both.read(seal(), now=NOW).value
    text = both.write({"a": 2}, token_id="t", expires_at=NOW + 1)
    assert {"a": 2} == new.read(text, now=NOW).value
    assert "seal: signature does not match" == reason(text)


@pytest.mark.parametrize(
    "signer",
    [
        pytest.param(Seal(Masters({"a": SECRET}), "tes")._signer, id="another-purpose"),
        pytest.param(Seal(Masters({"a": SECRET}), "test ")._signer, id="space"),
        pytest.param(Itsdangerous(SECRET), id="defaults"),
        pytest.param(URLSafeSerializer(SECRET).make_signer(), id="serializer"),
        pytest.param(
            Itsdangerous(SECRET, salt=b"resilient-auth seal v1 test"), id="sha-1"
        ),
    ],
)
def test_no_other_signer_of_the_same_secret_makes_one(signer: Itsdangerous) -> None:
    """The default salt is shared by every signer that names none."""
    text = signer.sign(base64url.encode(raw(1))).decode()

    assert reason(text) in {"seal: signature does not match", "seal: not of our form"}
