"""How a ring is written down: each form is read, and each fault has its own words."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest

from resilient_auth import ConfigError, Key, KeyRing
from resilient_auth.core.entries import ANNOUNCED, SIGNING, VERIFY_ONLY, Entry
from resilient_auth.core.keyfile import read_stays, write_ring
from resilient_auth.core.stays import Stays

NOW = 1_800_000_000
ED = Key.generate("EdDSA", kid="ed")
HMAC = Key.generate("HS256", kid="hs")
#: Its base64 has both characters that the alphabets spell differently, and ends in X.
RAW = b"\xfb\xef\xff\xfb\xef\xff" + b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*0-Ui4+Ge7" + b"W"
SECRET = HMAC.secret_jwk()["k"]
OTHER = Key.generate("HS256").secret_jwk()["k"]


def document(*keys: Any, **more: Any) -> str:
    """Return the text of a key file."""
    return json.dumps({"keys": list(keys), **more})


def fault(text: Any, refresh: Any = "") -> str:
    """Return what reading *text* says against it, or nothing."""
    try:
        KeyRing.from_text(text, refresh)
    except ConfigError as error:
        return str(error)
    return ""


# ------------------------------------------------------------------ forms


@pytest.mark.parametrize("padding", ["=", ""], ids=["padded", "unpadded"])
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("raw", [RAW, RAW[1:]], ids=["whole", "part"])
def test_either_base64_is_read_padded_or_not(
    raw: bytes, encode: Callable[[bytes], bytes], padding: str
) -> None:
    """What a shell makes and what a JWK holds are the same secret."""
    spelled = encode(raw).decode().rstrip("=") + padding
    key = KeyRing.from_text(f"a:HS256:{spelled}").signing

    assert Key.from_secret(raw).fingerprint == key.fingerprint


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_a_listed_secret_has_the_algorithm_beside_it(alg: str) -> None:
    """It is not guessed from the length."""
    made = Key.generate(alg, kid="a")
    read = KeyRing.from_text(f"a:{alg}:{made.secret_jwk()['k']}").signing

    assert (alg, made.sign(b"x")) == (read.alg, read.sign(b"x"))


@pytest.mark.parametrize("framed", ["{}", "\n  {}", "{}\n\n"])
def test_white_space_around_a_file_is_no_matter(framed: str) -> None:
    """Heredocs and secret stores add lines, before and behind."""
    keys = framed.format(document(ED.secret_jwk()).replace("\n", " "))
    masters = framed.format(document(HMAC.secret_jwk()))
    ring = KeyRing.from_text(keys, masters)

    assert "ed" == ring.signing.kid
    assert ("hs",) == ring.masters("p").kids


def test_a_file_may_hold_as_many_keys_as_the_bound() -> None:
    """The error's number is the last that is good, in each of the forms."""
    keys = [Key.generate("HS256", kid=f"k{n}").secret_jwk() for n in range(100)]
    listed = " ".join(f"{each['kid']}:HS256:{each['k']}" for each in keys)

    assert 100 == len(KeyRing.from_text(document(*keys)).keys)
    assert 100 == len(KeyRing.from_text(listed).keys)


def test_a_file_is_written_for_readers() -> None:
    """A person compares two of them line by line; nothing is in it but what is so."""
    state = {"ra_state": SIGNING, "ra_since": NOW}
    written = write_ring(KeyRing([Entry(ED, SIGNING, NOW)]))
    plain = write_ring(KeyRing([Entry(ED, SIGNING)]))

    assert json.dumps({"keys": [ED.secret_jwk() | state]}, indent=2) + "\n" == written
    assert {"ra_state": SIGNING} == {
        name: value
        for name, value in json.loads(plain)["keys"][0].items()
        if name.startswith("ra_")
    }


@pytest.mark.parametrize(
    "stays",
    [
        Stays(announced=1),
        Stays(verify_only=2),
        Stays(announced=1, verify_only=2, master=3),
    ],
    ids=repr,
)
def test_stays_are_read_as_they_were_written(stays: Stays) -> None:
    """Whoever rotates next keeps the delays that this ring was made for."""
    written = write_ring(KeyRing([ED]), stays)

    assert stays == read_stays(written)
    assert {"announced", "verify_only", "master"} == {*json.loads(written)["ra_stays"]}


def test_default_stays_are_not_written() -> None:
    """A file says what is special; a later default is then its own too."""
    ring = KeyRing([ED])

    assert write_ring(ring) == write_ring(ring, Stays())
    assert Stays() == read_stays(write_ring(ring))
    assert Stays(master=9) == read_stays(
        document(ED.secret_jwk(), ra_stays={"master": 9})
    )


@pytest.mark.parametrize(
    "said", [7, [], ["master"], None, {"announce": 1}, {"master": 1, "x": 1}], ids=repr
)
def test_other_stays_are_refused(said: object) -> None:
    """Taken for the default ones, they would let a key go too early."""
    with pytest.raises(ConfigError) as caught:
        read_stays(document(ED.secret_jwk(), ra_stays=said))

    assert "ra_stays holds announced, verify_only and master." == str(caught.value)


# ------------------------------------------------------------------ faults

FORM = "A key is written kid:alg:base64, or as a JWK set."
ALG = (
    "A key is written kid:alg:base64 with alg HS256, HS384 or HS512; any other "
    "algorithm needs a key file (resilient-auth keys generate)."
)
MASTER_FORM = "A refresh secret is written kid:base64."
SIZE = "A key file is a JWK set: 1 to 100 keys."
MAPS = "ra_refresh maps the kid of a master to its base64url."
STATE = "The ra_state of 'ed' is not one of announced, signing, verify_only."
STATED = ED.secret_jwk() | {"ra_state": SIGNING}
LISTED = f"a:HS256:{SECRET}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(None, "Keys are read from text.", id="none"),
        pytest.param(LISTED.encode(), "Keys are read from text.", id="bytes"),
        pytest.param("a", FORM, id="word"),
        pytest.param("a:HS256", FORM, id="no-secret"),
        pytest.param("a:HS256:", FORM, id="empty-secret"),
        pytest.param(f":HS256:{SECRET}", FORM, id="empty-kid"),
        pytest.param(f"a:XX:{SECRET}", ALG, id="alg-unknown"),
        pytest.param(f"a:EdDSA:{SECRET}", ALG, id="alg-asymmetric"),
        pytest.param(f"a::{SECRET}", ALG, id="alg-empty"),
        pytest.param(
            f"a:HS256:x:{SECRET}",
            "The base64 of a secret cannot be read.",
            id="four-parts",
        ),
        pytest.param("a:HS256:ä", "The base64 of a secret is not text.", id="ä"),
        pytest.param("a " * 101, "There are more than 100 keys.", id="many-listed"),
        pytest.param("{", "The key file cannot be read: not JSON.", id="json"),
        pytest.param(
            '{"keys":[],"keys":[]}',
            "The key file cannot be read: duplicate member.",
            id="twice",
        ),
        pytest.param(
            '{"keys":["\ud800"]}',
            "The key file cannot be read: not UTF-8.",
            id="surrogate",
        ),
        pytest.param("{}", SIZE, id="no-keys"),
        pytest.param(document(), SIZE, id="empty"),
        pytest.param('{"keys":{"0":{}}}', SIZE, id="object"),
        pytest.param(document(*[{}] * 101), SIZE, id="many"),
        pytest.param(
            document(STATED, 7), "A key of the file is not an object.", id="number"
        ),
        pytest.param(
            document(STATED, {}),
            "Key 2 of the file: The JWK's alg is missing or unknown; say alg=.",
            id="second-key",
        ),
        pytest.param(document(STATED | {"ra_state": "x"}), STATE, id="state"),
        pytest.param(
            document(HMAC.secret_jwk() | {"ra_state": ANNOUNCED}, ED.secret_jwk()),
            STATE,
            id="state-of-one-alone",
        ),
        pytest.param(
            document(ED.public_jwk() | {"ra_state": SIGNING}),
            "'ed' is signing, but has no private part.",
            id="public-signs",
        ),
        pytest.param(document(STATED, ra_refresh=[]), MAPS, id="masters-list"),
        pytest.param(document(STATED, ra_refresh=None), MAPS, id="masters-null"),
        pytest.param(
            document(STATED, ra_refresh={"m": 7}),
            "The base64 of a master is not text.",
            id="master-number",
        ),
        pytest.param(
            document(STATED, ra_refresh={"m": "?"}),
            "The base64 of a master cannot be read.",
            id="master-alphabet",
        ),
    ],
)
def test_a_fault_in_the_keys_has_its_words(text: Any, expected: str) -> None:
    """Whoever edits the file by hand reads which part of it is wrong, and no secret."""
    assert expected == fault(text)


@pytest.mark.parametrize(
    ("refresh", "expected"),
    [
        pytest.param(None, "Keys are read from text.", id="none"),
        pytest.param("m", MASTER_FORM, id="word"),
        pytest.param(f":{OTHER}", MASTER_FORM, id="empty-kid"),
        pytest.param("m:", MASTER_FORM, id="empty"),
        pytest.param(
            f"m:HS256:{OTHER}",
            "The base64 of a refresh secret cannot be read.",
            id="as-a-key",
        ),
        pytest.param("m:ä", "The base64 of a refresh secret is not text.", id="ä"),
        pytest.param(
            f"m:{OTHER} m:{SECRET}",
            "Two refresh secrets share one kid; rename one.",
            id="kid-twice",
        ),
        pytest.param(
            "m " * 101, "There are more than 100 refresh secrets.", id="many-listed"
        ),
        pytest.param(
            document(STATED),
            "A key file of refresh secrets holds HMAC keys alone.",
            id="asymmetric",
        ),
    ],
)
def test_a_fault_in_the_masters_has_its_words(refresh: Any, expected: str) -> None:
    """The second variable has forms of its own."""
    assert expected == fault(document(ED.secret_jwk()), refresh)


def test_masters_are_said_once() -> None:
    """Two lists would have two newest."""
    text = document(ED.secret_jwk(), ra_refresh={"m": SECRET})

    assert "" == fault(text)
    assert "The masters stand in the key file and beside it; say once." == fault(
        text, f"n:{OTHER}"
    )


def test_a_verifiers_public_key_stands_beside_what_signs() -> None:
    """Only the state says which signs: without one the last would have to."""
    old = ED.public_jwk() | {"ra_state": VERIFY_ONLY}
    new = Key.generate("EdDSA", kid="new").secret_jwk() | {"ra_state": SIGNING}

    assert "new" == KeyRing.from_text(document(old, new)).signing.kid
    assert "new" == KeyRing.from_text(document(new, old)).signing.kid
