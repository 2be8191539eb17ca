"""A ring rotates in steps that cannot come too early, and explains each key."""

import json
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
from resilient_auth.core.keyfile import write_ring
from resilient_auth.core.ring import (
    ANNOUNCED,
    SIGNING,
    STATES,
    VERIFY_ONLY,
    Entry,
    Stays,
)

NOW = 1_800_000_000
STAYS = Stays(announced=600, verify_only=86_430, master=2_592_030)
KEYS = [Key.generate("EdDSA", kid=f"k{n}") for n in range(4)]
MASTER = Key.generate("HS256").secret_jwk()["k"]
SECRETS = [Key.generate("HS256", kid=f"s{n}") for n in range(4)]


def ring(*states: str, since: int | None = NOW, keys: Any = KEYS) -> KeyRing:
    """Return a ring of keys in *states*."""
    return KeyRing([Entry(keys[n], state, since) for n, state in enumerate(states)])


def states(given: KeyRing) -> dict[str, str]:
    """Return what each key of a ring does."""
    return {each.key.kid: each.state for each in given.entries}


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


@pytest.mark.parametrize(("waited", "left"), [(86_429, True), (86_430, False)])
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
    assert ["m"] == list(apart.rotate(SECRETS[2], later).masters("p"))


def test_an_announced_secret_is_not_the_newest_master() -> None:
    """Other processes do not have it yet, and could not read what it seals."""
    announced = ring(SIGNING, ANNOUNCED, keys=SECRETS)

    assert ["s1", "s0"] == list(announced.masters("p"))


def test_masters_of_their_own_stay_over_every_step() -> None:
    """A rotation of the signing key is no rotation of the masters."""
    secret = b"k7#Qw9!zLp2@Xv5$Rt8%Ny3^Mc6&Bd1*"
    before = KeyRing([Entry(KEYS[0], SIGNING, NOW)], {"m": secret})
    after = before.rotate(KEYS[1], NOW).rotate(KEYS[1], NOW + 600)

    assert before.masters("p") == after.masters("p")


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


# ------------------------------------------------------------------ emergencies


def test_a_leaked_key_goes_at_once() -> None:
    """Whatever its stay: it verifies for a thief."""
    after = ring(VERIFY_ONLY, SIGNING).retire("k0", NOW)

    assert {"k1": SIGNING} == states(after)


def test_a_leaked_signing_key_needs_a_successor() -> None:
    """The announced one, or another; a ring always signs."""
    with pytest.raises(ConfigError, match="give its successor"):
        ring(SIGNING).retire("k0", NOW)

    assert {"k1": SIGNING} == states(ring(SIGNING, ANNOUNCED).retire("k0", NOW))
    assert {"k2": SIGNING} == states(ring(SIGNING).retire("k0", NOW, successor=KEYS[2]))
    assert {"k1": ANNOUNCED, "k2": SIGNING} == states(
        ring(SIGNING, ANNOUNCED).retire("k0", NOW, successor=KEYS[2])
    )


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
        "It may go from 2027-01-16T08:00:30Z on."
    ) == given.explain("k0")
    assert (
        "Signs, since 2027-01-15T08:00:00Z. Announce its successor whenever you like."
    ) == given.explain("k1")
    assert (
        "Announced: published, verifies, does not sign, since 2027-01-15T08:00:00Z. "
        "It may sign from 2027-01-15T08:10:00Z on."
    ) == given.explain("k2")
    assert "Not in this ring" in given.explain("other")
    assert "not known" in KeyRing(KEYS[:2]).explain("k0")


def test_stays_are_computed_from_the_policies() -> None:
    """The longest life of a token and the leeway; for masters, that of a session."""
    policy = TokenPolicy(issuer="i", audience="a", max_ttl=7200, leeway=60)
    stays = Stays.of(policy, SessionPolicy(idle=1000, absolute=100_000))

    assert (600, 7260, 100_060) == (stays.announced, stays.verify_only, stays.master)
    assert Stays() == Stays.of(TokenPolicy(issuer="i", audience="a"))


@pytest.mark.parametrize(
    "wrong", [{"announced": -1}, {"master": 1.5}, {"master": True}]
)
def test_stays_cannot_be_built_wrong(wrong: dict[str, Any]) -> None:
    """A negative stay would let every step through."""
    with pytest.raises(ConfigError):
        Stays(**wrong)


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
    assert before.masters("p") == after.masters("p")
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
    assert ["m"] == list(given.masters("p"))


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
        pytest.param("a:XX:AAAA", "", "Unknown algorithm", id="alg"),
        pytest.param(f"a:HS256:{MASTER} " * 2, "", "share one kid", id="kid-twice"),
        pytest.param(
            f"a:HS256:{MASTER} b:HS256:{MASTER}", "", "one secret", id="secret-twice"
        ),
        pytest.param(
            f"a:HS256:{MASTER}", f"m:{MASTER}", "also a signing", id="two-uses"
        ),
        pytest.param(f"a:HS256:{MASTER}", "m", "kid:base64", id="master-form"),
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

    A verifier keeps our published set for at most 300 s, and a token lives at most
    a day; both clocks are ours.
    """

    @initialize()
    def start(self) -> None:
        """Begin with one key that signs, known to everybody."""
        self.now = NOW
        self.made = 0
        self.pool = {key.kid: key for key in KEYS}
        first = Key.generate("EdDSA", kid="first")
        self.ring = KeyRing([Entry(first, SIGNING, NOW)])
        self.tokens = [("first", NOW)]
        self.published = [(NOW - 1000, {"first"})]

    @rule(seconds=st.sampled_from([1, 299, 301, 600, 3600, 86_400, 86_431]))
    def wait(self, seconds: int) -> None:
        """Let time go by."""
        self.now += seconds

    @rule()
    def sign(self) -> None:
        """Issue a token with whatever key signs."""
        kid = self.ring.signing.kid
        self.tokens.append((kid, self.now))
        held = [known for at, known in self.published if at <= self.now]
        oldest = [known for at, known in self.published if at <= self.now - 300]

        assert kid in held[-1]
        assert all(kid in known for known in oldest[-1:])

    @rule()
    def rotate(self) -> None:
        """Take the next step, if it is safe."""
        waiting = [each.key for each in self.ring.entries if each.state == ANNOUNCED]
        self.made += not waiting
        key = waiting[0] if waiting else Key.generate("EdDSA", kid=f"n{self.made}")
        try:
            self.ring = self.ring.rotate(key, self.now)
        except ConfigError:
            return
        self.published.append((self.now, {each.kid for each in self.ring.keys}))

    @precondition(lambda self: hasattr(self, "ring"))
    @invariant()
    def no_living_token_is_refused(self) -> None:
        """A token that lives has a key that verifies it; exactly one key signs."""
        for kid, at in self.tokens:
            if self.now < at + 86_400 + 30:
                assert self.ring.find(kid) is not None
        assert 1 == sum(each.state == SIGNING for each in self.ring.entries)
        assert {each.state for each in self.ring.entries} <= set(STATES)


TestRotation = Rotation.TestCase
