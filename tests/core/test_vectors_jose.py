"""
What others published: Wycheproof, the RFCs' examples, joserfc's, at the signature.

The gate asks for a ``kid`` and three plain segments; a vector without them is asked of
`Key.verify`, the primitive alone. The vectors stand beside the project.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resilient_auth import ConfigError, Key, KeyRing, Refused
from resilient_auth.core import base64url
from resilient_auth.core.jws import open_jws

FOLDER = Path(__file__).parents[3] / "shared" / "vectors"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the public vectors (../shared/vectors) are not here"
)

#: Cases called valid, or invalid, that no strict verifier reads so.
UNSATISFIABLE = {
    346: "called valid, but its key is for PS256 and its header says RS256",
    347: "called valid, but its key is for ES521, which is no algorithm",
    367: 'called "invalid padding", but byte for byte the valid case 357',
    373: 'called valid, but with a "?" inside a base64url segment',
}


def load(name: str) -> Any:
    """Return the vectors in *name*, nothing where the folder is absent."""
    path = FOLDER / name
    return json.loads(path.read_text("utf-8")) if path.is_file() else []


def decoded(text: str) -> bytes:
    """Return the bytes of unpadded base64url *text*, read leniently."""
    return urlsafe_b64decode(text + "==")


def key_of(jwk: dict[str, str], alg: str | None = None, **weak: bool) -> Key:
    """Return the key of a published JWK, weak ones too where that is said."""
    if weak.get("insecure_allow_weak"):
        secret = decoded(jwk["k"])
        return Key.from_secret(secret, alg=jwk["alg"], kid=jwk["kid"], **weak)
    return Key.from_jwk(jwk, alg=alg)


# ------------------------------------------------------------------ Wycheproof


def wycheproof() -> Iterator[Any]:
    """Yield key and case of every group."""
    vectors = load("wycheproof_json_web_signature.json")
    for group in vectors["testGroups"] if vectors else ():
        for case in group["tests"]:
            name = f"{case['tcId']}-{case['comment']}"
            yield pytest.param(group["private"], case, id=name)


@pytest.mark.parametrize(("jwk", "case"), list(wycheproof()))
def test_wycheproof(jwk: dict[str, str], case: dict[str, Any]) -> None:
    """198 of 202 cases come out as published; four contradict themselves."""
    expected = (case["result"] == "valid") ^ (case["tcId"] in UNSATISFIABLE)

    assert expected == opens(case["jws"], jwk)


def opens(token: str, jwk: dict[str, str]) -> bool:
    """Say whether the gate lets *token* in under *jwk*."""
    if jwk["alg"] == "ES521":
        with pytest.raises(ConfigError, match="unknown"):
            key_of(jwk)
        return False
    key = key_of(jwk, insecure_allow_weak=jwk["kid"] == "hs256-key")
    try:
        open_jws(token, KeyRing([key]))
    except Refused:
        return False
    return True


def test_the_zero_key_of_a_group_is_refused() -> None:
    """Its cases run only because the unsafe has a loud name."""
    zeros = next(
        case.values[0]
        for case in wycheproof()
        if case.values[0]["kid"] == "hs256-key"  # type: ignore[index] - vectors
    )

    with pytest.raises(ConfigError):
        key_of(zeros)


def test_the_unsatisfiable_cases_are_what_is_said() -> None:
    """An exception is a claim about data; it is checked, so that it cannot spread."""
    cases = {case.values[1]["tcId"]: case.values for case in wycheproof()}
    said = {number: case["jws"] for number, (_, case) in cases.items()}

    assert said[357] == said[367]
    assert "?" in said[373].split(".")[1]
    for number, alg in ((346, "PS256"), (347, "ES521")):
        assert alg == cases[number][0]["alg"]
        assert alg != json.loads(decoded(said[number].split(".")[0]))["alg"]
    assert (202, 4) == (len(cases), len(UNSATISFIABLE))


# ------------------------------------------------------------------ examples of RFCs


def cookbook() -> Iterator[Any]:
    """Yield algorithm, key, payload and signature of each signed example."""
    for entry in load("rfc7520_8037_7797_cookbook.json"):
        asked = entry["vector"].get("input", {})
        algs, keys = listed(asked.get("alg")), listed(asked.get("key"))
        if "payload" in asked:
            signatures = entry["vector"]["output"]["json"]["signatures"]
            for alg, jwk, signed in zip(algs, keys, signatures, strict=True):
                yield pytest.param(
                    alg, jwk, asked["payload"], signed, id=f"{entry['file']}-{alg}"
                )


def listed(value: Any) -> list[Any]:
    """Return *value* as a list: several signatures have several keys."""
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize(("alg", "jwk", "payload", "signed"), list(cookbook()))
def test_rfc_examples(
    alg: str, jwk: dict[str, str], payload: str, signed: dict[str, Any]
) -> None:
    """RFC 7520 §4, RFC 8037 and RFC 7797: verified, and signed again to the byte."""
    key = key_of(jwk, alg)
    protected = signed.get("protected", "")
    unencoded = "b64" in json.loads(decoded(protected) or b"{}")
    body = payload.encode() if unencoded else base64url.encode(payload.encode())
    signing_input = protected.encode() + b"." + body
    again = base64url.encode(key.sign(signing_input))

    assert key.verify(signing_input, decoded(signed["signature"]))
    assert key.verify(signing_input, decoded(again.decode()))
    if alg not in ("PS384", "ES512"):  # these two draw a random number
        assert signed["signature"].encode() == again


def test_all_rfc_examples_are_here() -> None:
    """Thirteen signatures; a rule that found none would pass in silence."""
    assert 13 == len(list(cookbook()))


# ------------------------------------------------------------------ joserfc


def joserfc() -> Iterator[Any]:
    """Yield secret and compact form; other fixtures name key files of theirs."""
    for name in ("joserfc_jws_examples.json", "joserfc_jwt_use_jws.json"):
        for case in load(name)["tests"] if load(name) else ():
            if "secret" in case:
                compact = case.get("compact") or case["token"]
                yield pytest.param(
                    case["name"], case["secret"], compact, id=f"{name}-{case['name']}"
                )


@pytest.mark.parametrize(("alg", "secret", "compact"), list(joserfc()))
def test_joserfc_examples(alg: str, secret: str, compact: str) -> None:
    """Their secrets are as weak as their headers are short: the primitive alone."""
    key = Key.from_secret(secret.encode(), alg=alg, kid="a", insecure_allow_weak=True)
    signing_input, _, signature = compact.rpartition(".")

    assert key.verify(signing_input.encode(), decoded(signature))
    with pytest.raises(Refused, match="no usable kid"):
        open_jws(compact, KeyRing([key]))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case["name"])
        for case in (load("joserfc_jws_rfc7797.json") or {"tests": []})["tests"]
    ],
)
def test_joserfc_unencoded_payloads(case: dict[str, Any]) -> None:
    """The signatures are right; ``b64`` in a token's header is refused all the same."""
    jwk = next(each.values[1] for each in cookbook() if "rfc7797" in each.id)
    key, flat = key_of(jwk), case["flattened_json"]
    signing_input = f"{flat['protected']}.{flat['payload']}".encode()

    assert key.verify(signing_input, decoded(flat["signature"]))
    with pytest.raises(Refused) as caught:
        open_jws(case["compact"], KeyRing([key]))

    assert caught.value.reason in {
        "header: a member that we do not know",
        "header: no usable kid",
    }
