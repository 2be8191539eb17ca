"""A ring rotates in steps that cannot come too early, and explains each key."""

import json
import pickle
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from resilient_auth import ConfigError, Key, KeyRing, SessionPolicy, TokenPolicy
from resilient_auth.core.entries import ANNOUNCED, SIGNING, VERIFY_ONLY, Entry
from resilient_auth.core.keyfile import write_ring
from resilient_auth.core.stays import JWKS_MAX_AGE, RELOAD, Stays

NOW = 1_800_000_000
STAYS = Stays()
KEYS = [Key.generate("EdDSA", kid=f"k{n}") for n in range(4)]
MASTER = Key.generate("HS256").secret_jwk()["k"]
RSA = Key.generate("RS256")
SECRETS = [Key.generate("HS256", kid=f"s{n}") for n in range(4)]


def ring(*states: str, since: int | None = NOW, keys: Any = KEYS) -> KeyRing:
    """Return a ring of keys in *states*."""
    return KeyRing([Entry(keys[n], state, since) for n, state in enumerate(states)])


def states(given: KeyRing) -> dict[str, str]:
    """Return what each key of a ring does."""
    return {each.key.kid: each.state for each in given.entries}


def macs(given: KeyRing) -> dict[str, bytes]:
    """Return what each master of a ring writes: equal for equal masters, in order."""
    masters = given.masters("p")
    return {kid: masters.mac(kid, b"x") for kid in masters.kids}


# ------------------------------------------------------------------ the steps


def test_a_new_key_is_announced_first() -> None:
    """Verifiers must know it before a token comes that it signed."""
    after = ring(SIGNING).rotate(KEYS[1], NOW)

    assert {"k0": SIGNING, "k1": ANNOUNCED} == states(after)
    assert KEYS[0] is after.signing
    assert KEYS[1] is after.find("k1")
    assert ["k0", "k1"] == [each["kid"] for each in after.jwks()["keys"]]


@pytest.mark.parametrize(("waited", "is_safe"), [(0, False), (599, False), (600, True)])
def test_an_announced_key_signs_after_its_stay(waited: int, is_safe: Any) -> None:
    """A second too early, and a verifier with an old set refuses its tokens."""
    announced = ring(SIGNING, ANNOUNCED)
    if is_safe:
        after = announced.rotate(KEYS[1], NOW + waited)
        assert {"k0": VERIFY_ONLY, "k1": SIGNING} == states(after)
        assert [NOW + waited] * 2 == [each.since for each in after.entries]
        return

    with pytest.raises(ConfigError, match=rf"\(in {600 - waited} s\)"):
        announced.rotate(KEYS[1], NOW + waited)


def test_a_key_signs_while_an_older_one_still_serves_out() -> None:
    """Two rotations within a day: the first key's tokens live on."""
    after = ring(VERIFY_ONLY, SIGNING, ANNOUNCED).rotate(KEYS[2], NOW + 600)

    assert {"k0": VERIFY_ONLY, "k1": VERIFY_ONLY, "k2": SIGNING} == states(after)
    assert [NOW, NOW + 600, NOW + 600] == [each.since for each in after.entries]


@pytest.mark.parametrize(("waited", "left"), [(86_729, True), (86_730, False)])
def test_an_old_key_goes_when_its_last_token_is_dead(waited: int, left: Any) -> None:
    """Not a second before: it would log somebody out."""
    after = ring(VERIFY_ONLY, SIGNING).rotate(KEYS[2], NOW + waited)

    assert left == (after.find("k0") is not None)


def test_a_master_stays_as_long_as_a_session() -> None:
    """An HMAC key masters refresh tokens too, unless they have masters of their own."""
    own = ring(VERIFY_ONLY, SIGNING, keys=SECRETS)
    later = NOW + STAYS.verify_only
    apart = KeyRing(own.entries, {"m": b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*"})

    assert own.rotate(SECRETS[2], later).find("s0") is not None
    assert own.rotate(SECRETS[2], NOW + STAYS.master).find("s0") is None
    assert apart.rotate(SECRETS[2], later).find("s0") is None
    assert ["m"] == [*apart.rotate(SECRETS[2], later).masters("p").kids]


def test_an_announced_secret_is_not_the_newest_master() -> None:
    """Other processes do not have it yet, and could not read what it seals."""
    announced = ring(SIGNING, ANNOUNCED, keys=SECRETS)

    assert ["s1", "s0"] == [*announced.masters("p").kids]


def test_masters_of_their_own_stay_over_every_step() -> None:
    """A rotation of the signing key is no rotation of the masters."""
    secret = b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*"
    before = KeyRing([Entry(KEYS[0], SIGNING, NOW)], {"m": secret})
    after = before.rotate(KEYS[1], NOW).rotate(KEYS[1], NOW + 600)

    assert macs(before) == macs(after)


@pytest.mark.parametrize(
    ("given", "key", "fault"),
    [
        pytest.param(ring(SIGNING), KEYS[0], "is signing", id="signs-already"),
        pytest.param(ring(VERIFY_ONLY, SIGNING), KEYS[0], "never goes back", id="back"),
        pytest.param(
            ring(SIGNING, ANNOUNCED), KEYS[2], "announced already", id="two-at-once"
        ),
        pytest.param(
            KeyRing(KEYS[:2]), KEYS[2], "since when 'k0' is verify_only", id="no-dates"
        ),
        pytest.param(
            ring(SIGNING, ANNOUNCED, since=None), KEYS[1], "ra_since", id="no-date"
        ),
        pytest.param(ring(SIGNING), SECRETS[0], "key confusion", id="a-secret"),
    ],
)
def test_an_unsafe_step_is_refused(given: KeyRing, key: Key, fault: str) -> None:
    """The error says what is missing, or which rule stands against it."""
    with pytest.raises(ConfigError, match=fault):
        given.rotate(key, NOW + 100_000)


def test_a_public_key_cannot_sign() -> None:
    """It may be announced, by whom has no private part, but not promoted."""
    public = Key.from_jwk(KEYS[1].public_jwk())
    announced = ring(SIGNING).rotate(public, NOW)

    with pytest.raises(ConfigError, match="private part"):
        announced.rotate(public, NOW + 600)
    assert KEYS[1] is announced.rotate(KEYS[1], NOW + 600).signing


def test_another_algorithm_can_follow() -> None:
    """From RS256 to EdDSA without a day on which nobody can log in."""
    old = Key.generate("RS256", kid="old")
    before = KeyRing([Entry(old, SIGNING, NOW)])
    after = before.rotate(KEYS[0], NOW).rotate(KEYS[0], NOW + 600)

    assert "EdDSA" == after.signing.alg
    assert old is after.find("old")


def test_another_key_does_not_slip_in_under_an_announced_id() -> None:
    """A script that makes its key anew each time would sign with an unknown one."""
    announced = ring(SIGNING, ANNOUNCED)
    stranger = Key.generate("EdDSA", kid="k1")

    with pytest.raises(ConfigError, match="another key called 'k1'"):
        announced.rotate(stranger, NOW + 600)


def test_an_id_keeps_its_algorithm() -> None:
    """Verifiers have bound the key to the algorithm that was announced."""
    pair = Key.generate("RS256", kid="r")
    other = Key.from_jwk({**pair.secret_jwk(), "alg": "PS256"})
    announced = KeyRing([Entry(KEYS[0], SIGNING, NOW), Entry(pair, ANNOUNCED, NOW)])

    with pytest.raises(ConfigError, match="another key called 'r'"):
        announced.rotate(other, NOW + 600)


@pytest.mark.parametrize("kid", ["m", "s0"])
def test_given_masters_stay_whatever_they_are_called(kid: str) -> None:
    """Losing them would end every session in the middle of a rotation."""
    secret = b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*"
    before = KeyRing([Entry(SECRETS[0], SIGNING, NOW)], {kid: secret})
    after = before.rotate(SECRETS[1], NOW)

    assert macs(before) == macs(after)
    assert macs(before) == macs(KeyRing.from_text(write_ring(after)))


@pytest.mark.parametrize(
    "now", [None, -1, 1.5, True, NOW * 1000, float("nan")], ids=repr
)
def test_now_is_in_unix_seconds(now: Any) -> None:
    """Milliseconds would be past every stay, and let each step through."""
    announced = ring(SIGNING, ANNOUNCED)

    with pytest.raises(ConfigError, match="now is a whole number of Unix seconds"):
        announced.rotate(KEYS[1], now)
    with pytest.raises(ConfigError, match="now is a whole number of Unix seconds"):
        announced.retire("k0", now)


def test_a_clock_that_was_set_back_only_waits() -> None:
    """It cannot promote a key early, nor let one go."""
    early = NOW - 1000

    with pytest.raises(ConfigError, match=r"\(in 1600 s\)"):
        ring(SIGNING, ANNOUNCED).rotate(KEYS[1], early)
    assert ring(VERIFY_ONLY, SIGNING).rotate(KEYS[2], early).find("k0") is not None


@pytest.mark.parametrize("key", ["k1", None, {"kid": "k1"}])
def test_only_a_key_is_rotated(key: Any) -> None:
    """A kid is easily given instead."""
    with pytest.raises(ConfigError, match="takes a Key"):
        ring(SIGNING, ANNOUNCED).rotate(key, NOW + 600)


# ------------------------------------------------------------------ emergencies


def test_a_leaked_key_goes_at_once() -> None:
    """Whatever its stay: it verifies for a thief."""
    after = ring(VERIFY_ONLY, SIGNING).retire("k0", NOW)

    assert {"k1": SIGNING} == states(after)


def test_a_leaked_signing_key_needs_a_successor() -> None:
    """The announced one, or another; a ring always signs."""
    with pytest.raises(ConfigError, match="give its successor"):
        ring(SIGNING).retire("k0", NOW)

    after = ring(SIGNING, ANNOUNCED).retire("k0", NOW + 1)
    assert {"k1": SIGNING} == states(after)
    assert NOW + 1 == after.entries[0].since
    assert {"k2": SIGNING} == states(ring(SIGNING).retire("k0", NOW, successor=KEYS[2]))
    assert {"k1": ANNOUNCED, "k2": SIGNING} == states(
        ring(SIGNING, ANNOUNCED).retire("k0", NOW, successor=KEYS[2])
    )


@pytest.mark.parametrize(
    ("successor", "fault"),
    [
        pytest.param(KEYS[0], "new key with a new kid", id="itself"),
        pytest.param(
            Key.from_jwk({**KEYS[0].secret_jwk(), "kid": "new"}),
            "new key with a new kid",
            id="renamed",
        ),
        pytest.param(
            Key.generate("EdDSA", kid="k0"), "new key with a new kid", id="same-kid"
        ),
        pytest.param(Key.from_jwk(KEYS[2].public_jwk()), "is public", id="public"),
        pytest.param(KEYS[1], "share one kid", id="one-that-signed-before"),
        pytest.param(Key.generate("HS256"), "key confusion", id="secret"),
    ],
)
def test_what_leaked_is_not_succeeded_by_itself(successor: Key, fault: str) -> None:
    """Verifiers that hold the old key under its id would go on trusting the thief."""
    with pytest.raises(ConfigError, match=fault):
        ring(SIGNING, VERIFY_ONLY).retire("k0", NOW, successor=successor)


def test_a_key_that_has_signed_is_no_successor_by_itself() -> None:
    """It is on its way out: only an announced one that can sign steps in."""
    public = Key.from_jwk(KEYS[1].public_jwk())

    with pytest.raises(ConfigError, match="give its successor"):
        ring(SIGNING, VERIFY_ONLY).retire("k0", NOW)
    with pytest.raises(ConfigError, match="give its successor"):
        ring(SIGNING).rotate(public, NOW).retire("k0", NOW)


def test_an_unknown_key_is_not_retired_in_silence() -> None:
    """A typing mistake must not read as done."""
    with pytest.raises(ConfigError, match="no key 'x'"):
        ring(SIGNING).retire("x", NOW)


# ------------------------------------------------------------------ words


def test_each_key_is_explained() -> None:
    """State, since when, and what may come next from when on."""
    given = ring(VERIFY_ONLY, SIGNING, ANNOUNCED)

    assert (
        "Verifies what it signed before, since 2027-01-15T08:00:00Z. "
        "It may go from 2027-01-16T08:05:30Z on."
    ) == given.explain("k0")
    assert (
        "Signs, since 2027-01-15T08:00:00Z. Announce its successor whenever you like."
    ) == given.explain("k1")
    assert (
        "Announced: published, verifies, does not sign, since 2027-01-15T08:00:00Z. "
        "It may sign from 2027-01-15T08:10:00Z on."
    ) == given.explain("k2")
    assert "Not in this ring: what it signed is refused." == given.explain("other")
    assert (
        "Verifies what it signed before, since a time that is not known."
    ) == KeyRing(KEYS[:2]).explain("k0")


@pytest.fixture
def _in_india(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "IST-5:30")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_india")
def test_dates_are_told_in_utc_wherever_the_machine_stands() -> None:
    """The Z says so, and logs of machines in two places are compared."""
    assert "since 2027-01-15T08:00:00Z" in ring(SIGNING).explain("k0")


@pytest.mark.parametrize(
    ("build", "told"),
    [
        pytest.param(
            lambda: KeyRing([KEYS[0], Key.generate("EdDSA", kid="k0")]),
            "Two keys of the ring share one kid; rename one.",
            id="kid",
        ),
        pytest.param(
            lambda: KeyRing([KEYS[0], SECRETS[0]]),
            "HMAC secrets and asymmetric keys in one ring invite key confusion "
            "(RFC 8725 §3.1); use a ring for each.",
            id="confusion",
        ),
        pytest.param(
            lambda: KeyRing(
                [KEYS[0], Key.from_jwk({**KEYS[0].public_jwk(), "kid": "x"})]
            ),
            "Two keys of the ring are one secret or one key pair; a new kid, or "
            "another algorithm, makes no new key.",
            id="twice",
        ),
        pytest.param(
            lambda: ring(SIGNING).masters("p"),
            "A ring of EdDSA keys needs refresh_secrets={kid: bytes} to master refresh "
            "and CSRF tokens.",
            id="masters",
        ),
        pytest.param(
            lambda: ring(SIGNING, keys=SECRETS).jwks(),
            "HMAC secrets are never published. For services that only verify, use "
            "asymmetric keys, such as Key.generate('EdDSA').",
            id="published",
        ),
        pytest.param(
            lambda: ring(SIGNING).rotate("k0", NOW),  # type: ignore[arg-type]
            "rotate takes a Key: a new one, or ring.find(kid).",
            id="no-key",
        ),
        pytest.param(
            lambda: ring(SIGNING).rotate(Key.generate("EdDSA", kid="k0"), NOW),
            "The ring has another key called 'k0': verifiers know that one. Give the "
            "key that was announced, or a new kid.",
            id="stranger",
        ),
        pytest.param(
            lambda: KeyRing(KEYS[:2]).rotate(KEYS[2], NOW),
            "Nobody knows since when 'k0' is verify_only: write its ra_since (Unix "
            "seconds) into the key file.",
            id="no-date",
        ),
        pytest.param(
            lambda: ring(SIGNING, ANNOUNCED).rotate(KEYS[1], NOW + 9),
            "'k1' was announced 9 s ago: verifiers may not know it yet. It may sign "
            "from 2027-01-15T08:10:00Z on (in 591 s).",
            id="too-early",
        ),
        pytest.param(
            lambda: ring(SIGNING).retire("k0", NOW, successor=KEYS[0]),
            "The successor of 'k0' is a new key with a new kid: verifiers that know "
            "the old one would go on trusting it.",
            id="itself",
        ),
        pytest.param(
            lambda: KeyRing.from_env(environ={}),
            "AUTH_KEYS is not set. Make a key file with: resilient-auth keys generate",
            id="no-variable",
        ),
    ],
)
def test_a_refusal_says_what_to_do(build: Any, told: str) -> None:
    """Word by word: somebody reads it in the middle of a rotation, and acts on it."""
    with pytest.raises(ConfigError) as caught:
        build()

    assert told == str(caught.value)


def test_a_ring_is_not_pickled() -> None:
    """A pickle is a file of secrets; a worker builds its ring from the same text."""
    with pytest.raises(TypeError) as caught:
        pickle.dumps(ring(SIGNING))

    assert "A key ring is not pickled or copied; build it where needed." == str(
        caught.value
    )


def test_stays_are_computed_from_the_policies() -> None:
    """The longest life of a token or session, the leeway, and a slow deployment."""
    policy = TokenPolicy(issuer="i", audience="a", max_ttl=7200, leeway=60)
    lives = SessionPolicy(idle=1000, absolute=100_000)

    assert Stays(announced=600, verify_only=7560, master=100_360) == (
        Stays.of(policy, lives)
    )
    assert Stays(announced=1200, verify_only=8160, master=100_960) == (
        Stays.of(policy, lives, reload=900)
    )
    assert Stays() == Stays.of(TokenPolicy(issuer="i", audience="a"))


@pytest.mark.parametrize(
    "wrong", [{"announced": -1}, {"master": 1.5}, {"master": True}, {"master": 10**12}]
)
def test_stays_cannot_be_built_wrong(wrong: dict[str, Any]) -> None:
    """A negative stay would let every step through, a huge one ends after time."""
    with pytest.raises(ConfigError) as caught:
        Stays(**wrong)

    (name,) = wrong
    assert f"{name} is a whole number of seconds." == str(caught.value)


@pytest.mark.parametrize("reload", [-1, 1.5, True, None])
def test_a_deployment_takes_some_seconds(reload: Any) -> None:
    """It is the term that a careless caller would make small."""
    with pytest.raises(ConfigError) as caught:
        Stays.of(TokenPolicy(issuer="i", audience="a"), reload=reload)

    assert "reload is a whole number of seconds." == str(caught.value)


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: KeyRing(KEYS[0]), id="one-key"),
        pytest.param(lambda: KeyRing(7), id="number"),
        pytest.param(lambda: KeyRing(["k"]), id="text"),
        pytest.param(lambda: KeyRing([KEYS[0], Entry(KEYS[1], SIGNING)]), id="both"),
        pytest.param(lambda: ring(ANNOUNCED), id="none-signs"),
        pytest.param(lambda: ring(SIGNING, SIGNING), id="two-sign"),
        pytest.param(lambda: Entry(KEYS[0], "retired"), id="state"),
        pytest.param(lambda: Entry(7, SIGNING), id="no-key"),
        pytest.param(lambda: Entry(KEYS[0], SIGNING, 1.5), id="float"),
        pytest.param(lambda: Entry(KEYS[0], SIGNING, -1), id="negative"),
        pytest.param(lambda: Entry(KEYS[0], SIGNING, NOW * 1000), id="milliseconds"),
        pytest.param(
            lambda: KeyRing(
                [KEYS[0], Key.from_jwk({**KEYS[0].public_jwk(), "kid": "x"})]
            ),
            id="one-pair-twice",
        ),
        pytest.param(
            lambda: KeyRing(
                [RSA, Key.from_jwk({**RSA.secret_jwk(), "kid": "p", "alg": "PS256"})]
            ),
            id="one-pair-for-two-algorithms",
        ),
        pytest.param(lambda: Entry(KEYS[0], SIGNING, since=True), id="bool"),
        pytest.param(lambda: KeyRing(KEYS[:1], ["m"]), id="masters-list"),
        pytest.param(lambda: ring(SIGNING, keys=SECRETS).jwks(), id="jwks-of-secrets"),
    ],
)
def test_a_ring_cannot_be_built_wrong(build: Any) -> None:
    """One signs, and every entry is a key with a state."""
    with pytest.raises(ConfigError):
        build()


# ------------------------------------------------------------------ written down


@pytest.mark.parametrize("keys", [KEYS, SECRETS], ids=["asymmetric", "secrets"])
def test_a_ring_is_read_as_it_was_written(keys: list[Key]) -> None:
    """States, dates, keys and masters, in their order."""
    before = ring(VERIFY_ONLY, SIGNING, ANNOUNCED, keys=keys)
    if keys is KEYS:
        before = KeyRing(before.entries, {"m": b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*"})
    after = KeyRing.from_text(write_ring(before))

    assert states(before) == states(after)
    assert [NOW] * 3 == [each.since for each in after.entries]
    assert macs(before) == macs(after)
    assert before.signing.verify(b"x", after.signing.sign(b"x"))


def test_a_verifiers_file_may_hold_public_keys() -> None:
    """Without states the last would sign, and cannot; with them it is said which."""
    public = Key.from_jwk(KEYS[0].public_jwk())
    given = KeyRing([Entry(public, VERIFY_ONLY, NOW), Entry(KEYS[1], SIGNING)])
    again = KeyRing.from_text(write_ring(given))

    assert [False, True] == [key.can_sign for key in again.keys]
    assert [NOW, None] == [each.since for each in again.entries]


def test_a_list_of_secrets_is_a_ring() -> None:
    """For an environment variable that is typed by hand: newest last."""
    old, new = (each.secret_jwk()["k"] for each in SECRETS[:2])
    given = KeyRing.from_text(f"old:HS256:{old}, new:HS256:{new}=\n")

    assert ["old", "new"] == [key.kid for key in given.keys]
    assert "new" == given.signing.kid


def test_the_environment_holds_keys_and_masters() -> None:
    """Two variables; the second only where the keys are not HMAC."""
    document = json.dumps({"keys": [KEYS[0].secret_jwk()]})
    environ = {"AUTH_KEYS": document, "AUTH_KEYS_REFRESH": f"m:{MASTER}"}
    given = KeyRing.from_env("AUTH_KEYS", environ)

    assert "k0" == given.signing.kid
    assert ["m"] == [*given.masters("p").kids]


def test_masters_rotate_in_a_file_of_their_own() -> None:
    """An announced one is known, an old one is read, and the signing one seals."""
    apart = ring(VERIFY_ONLY, SIGNING, ANNOUNCED, keys=SECRETS)
    given = KeyRing.from_text(write_ring(ring(SIGNING)), write_ring(apart))

    assert ["s0", "s2", "s1"] == [*given.masters("p").kids]
    assert macs(apart) == macs(given)


@pytest.mark.parametrize("value", [7, None, b"a:HS256:AAAA"])
@pytest.mark.parametrize("name", ["AUTH_KEYS", "AUTH_KEYS_REFRESH"])
def test_a_variable_is_text(name: str, value: Any) -> None:
    """A settings object is easily given for an environment."""
    environ = {"AUTH_KEYS": f"a:HS256:{MASTER}"} | {name: value}

    with pytest.raises(ConfigError, match="AUTH_KEYS"):
        KeyRing.from_env("AUTH_KEYS", environ)


def test_the_process_environment_is_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Read when asked, never at import."""
    monkeypatch.setenv("MY_KEYS", f"a:HS256:{MASTER}")

    assert "a" == KeyRing.from_env("MY_KEYS").signing.kid


STATED = dict(KEYS[0].secret_jwk())


@pytest.mark.parametrize(
    ("text", "refresh", "fault"),
    [
        pytest.param("", "", "not set", id="empty"),
        pytest.param("a:HS256", "", "kid:alg:base64", id="half"),
        pytest.param("a:HS256:!!!!", "", "cannot be read", id="alphabet"),
        pytest.param("a:HS256:ä", "", "not text", id="not-ascii"),
        pytest.param("a:XX:AAAA", "", "alg HS256, HS384 or HS512", id="alg"),
        pytest.param(f"a:HS256:{MASTER} " * 2, "", "share one kid", id="kid-twice"),
        pytest.param(
            f"a:HS256:{MASTER} b:HS256:{MASTER}", "", "one secret", id="secret-twice"
        ),
        pytest.param(
            f"a:HS256:{MASTER}", f"m:{MASTER}", "also a signing", id="two-uses"
        ),
        pytest.param(f"a:HS256:{MASTER}", "m", "kid:base64", id="master-form"),
        pytest.param(f"HS256:{MASTER}:AAAA", "", "kid:alg:base64", id="misplaced"),
        pytest.param(f"a:EdDSA:{MASTER}", "", "needs a key file", id="asymmetric"),
        pytest.param(
            f"a:HS256:{MASTER}",
            " ".join(f"m:{each.secret_jwk()['k']}" for each in SECRETS[:2]),
            "share one kid",
            id="master-kid-twice",
        ),
        pytest.param(
            f"a:HS256:{MASTER}",
            write_ring(ring(SIGNING)),
            "HMAC keys alone",
            id="masters-asymmetric",
        ),
        pytest.param("x " * 200, "", "more than", id="many"),
        pytest.param("{", "", "cannot be read", id="json"),
        pytest.param('{"keys":[]}', "", "1 to 100", id="no-keys"),
        pytest.param('{"keys":7}', "", "1 to 100", id="keys-number"),
        pytest.param('{"keys":[7]}', "", "not an object", id="key-number"),
        pytest.param('{"keys":[{}]}', "", "Key 1 of the file", id="key-empty"),
        pytest.param(
            json.dumps({"keys": [STATED | {"ra_state": "x"}]}),
            "",
            "ra_state",
            id="state",
        ),
        pytest.param(
            json.dumps({"keys": [STATED | {"ra_state": SIGNING, "ra_since": "1"}]}),
            "",
            "since",
            id="since",
        ),
        pytest.param(
            json.dumps({"keys": [KEYS[0].public_jwk() | {"ra_state": SIGNING}]}),
            "",
            "no private part",
            id="public-signs",
        ),
        pytest.param(
            json.dumps({"keys": [STATED], "ra_refresh": []}), "", "maps", id="masters"
        ),
        pytest.param(
            json.dumps({"keys": [STATED], "ra_refresh": {"m": 7}}),
            "",
            "not text",
            id="master-number",
        ),
        pytest.param(
            json.dumps({"keys": [STATED], "ra_refresh": {"m": MASTER}}),
            f"n:{MASTER}",
            "say once",
            id="masters-twice",
        ),
        pytest.param('{"keys":["\ud800"]}', "", "not UTF-8", id="surrogate"),
    ],
)
def test_unfit_text_is_named_after_its_variable(
    text: str, refresh: str, fault: str
) -> None:
    """The variable is named, and nothing in it is repeated."""
    environ = {"AUTH_KEYS": text, "AUTH_KEYS_REFRESH": refresh}

    with pytest.raises(ConfigError, match=fault) as caught:
        KeyRing.from_env("AUTH_KEYS", environ)

    assert "AUTH_KEYS" in str(caught.value)
    assert MASTER not in str(caught.value)
    assert STATED["d"] not in str(caught.value)


@pytest.mark.parametrize("text", [None, b"a", 7])
def test_only_text_is_read(text: Any) -> None:
    """A file opened in binary mode is a likely mistake."""
    with pytest.raises(ConfigError, match="text"):
        KeyRing.from_text(text)


# ------------------------------------------------------------------ any history


class Rotation(RuleBasedStateMachine):
    """
    Any order of rotations over any time: who follows the rules loses no token.

    Each process reads the key file at most `RELOAD` seconds late, so until then it
    signs, verifies and publishes by an older ring. A verifier elsewhere keeps a set of
    any process for up to `JWKS_MAX_AGE`. A token lives a day.
    """

    first = Key.generate("EdDSA", kid="first")

    @initialize()
    def start(self) -> None:
        """Begin with one key that signs, known to everybody."""
        self.now = NOW
        self.history = [(0, KeyRing([Entry(self.first, SIGNING, NOW)]))]
        self.tokens: list[tuple[str, int]] = []
        self.made = 0

    def held(self, late: int) -> list[KeyRing]:
        """Return the rings that somebody may hold who is up to *late* s behind."""
        ends = [at for at, _ in self.history[1:]] + [self.now + 1]
        pairs = zip(self.history, ends, strict=True)
        return [ring for (_, ring), end in pairs if end > self.now - late]

    @rule(seconds=st.sampled_from([1, 299, 600, 3600, 86_400, 86_430]))
    def wait(self, seconds: int) -> None:
        """Let time go by."""
        self.now += seconds

    @rule()
    def sign(self) -> None:
        """Issue a token in each process: everybody must know its key by now."""
        kids = {ring.signing.kid for ring in self.held(RELOAD)}
        self.tokens += [(kid, self.now) for kid in kids]

        for ring in self.held(RELOAD + JWKS_MAX_AGE):
            assert kids <= {key.kid for key in ring.keys}

    @rule(eagerly=st.booleans())
    def rotate(self, *, eagerly: bool) -> None:
        """Take the next step, if it is safe; *eagerly*: the moment it may be."""
        newest = self.history[-1][1]
        stays = {ANNOUNCED: STAYS.announced, VERIFY_ONLY: STAYS.verify_only}
        due = [
            (each.since or 0) + stays[each.state]
            for each in newest.entries
            if each.state in stays
        ]
        if eagerly and due:
            self.now = max(self.now, min(due))
        waiting = [each.key for each in newest.entries if each.state == ANNOUNCED]
        key = waiting[0] if waiting else Key.generate("EdDSA", kid=f"n{self.made}")
        self.made += not waiting
        with suppress(ConfigError):
            self.history.append((self.now, newest.rotate(key, self.now)))

    @precondition(lambda self: hasattr(self, "history"))
    @invariant()
    def no_living_token_is_refused(self) -> None:
        """A token that lives has its key in every process, and exactly one signs."""
        living = {kid for kid, at in self.tokens if self.now < at + 86_400 + 30}
        for ring in self.held(RELOAD):
            assert living <= {key.kid for key in ring.keys}
            assert 1 == [each.state for each in ring.entries].count(SIGNING)


TestRotation = Rotation.TestCase
