"""
The ten conditions of the verified-token cache (reference, section 6), each a test.

A hit may spare the signature and the parsing. It may spare nothing else.
"""

import asyncio
import gc
import os
import signal
import sys
import threading
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import (
    Auth,
    Claims,
    ConfigError,
    Key,
    KeyRing,
    MemoryStore,
    Refused,
    TokenIssuer,
    TokenPolicy,
    TokenVerifier,
    Unavailable,
)
from resilient_auth.auth import forks
from resilient_auth.auth.cache import CacheCounts, Verified, VerifiedTokens
from resilient_auth.auth.revocation import RevocationView
from resilient_auth.testing import FrozenClock

POLICY = TokenPolicy(issuer="https://api.example.com", audience="api")
KEY = Key.generate("EdDSA", kid="e1")
RING = KeyRing([KEY])
REFRESH = {"r1": os.urandom(32)}


class Counting:
    """Keys that count how often a signature was checked, and can be taken away."""

    def __init__(self, *keys: Key) -> None:
        self.keys = {key.kid: key for key in keys}
        self.asked = 0

    def find(self, kid: str) -> Key | None:
        """Return the key called *kid*, if it is still here."""
        self.asked += 1
        return self.keys.get(kid)


def issuer(clock: FrozenClock, ring: KeyRing = RING) -> TokenIssuer:
    """Return who issues the tokens of a test."""
    return TokenIssuer(ring, POLICY, clock=clock)


def counts(verifier: TokenVerifier) -> CacheCounts:
    """Return the counts of a verifier that has a cache."""
    found = verifier.cache_counts()
    assert found is not None
    return found


def code_of(verifier: TokenVerifier, token: str | bytes) -> str:
    """Return the code by which *token* is refused, or nothing."""
    try:
        verifier.verify(token)
    except Refused as error:
        return error.code
    return ""


# ------------------------------------------------------------------ the ten conditions


@given(st.data())
def test_1_an_entry_is_found_by_the_whole_token_alone(data: st.DataObject) -> None:
    """A key of less, such as the signature, would let another payload through."""
    clock = FrozenClock()
    verifier = TokenVerifier(RING, POLICY, clock=clock)
    token = issuer(clock).issue("ann")
    verifier.verify(token)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABab01-_.="))
    changed = token[:place] + other + token[place + 1 :]

    assert (changed == token) == (code_of(verifier, changed) == "")
    assert "" == code_of(verifier, token.encode())


def test_1_no_token_lies_in_memory() -> None:
    """A heap dump must not be a bag of bearer tokens; nor can digests be foreseen."""
    clock = FrozenClock()
    one = TokenVerifier(RING, POLICY, clock=clock)
    two = TokenVerifier(RING, POLICY, clock=clock)
    token = issuer(clock).issue("ann")
    one.verify(token)
    two.verify(token)
    (digest_one,), (digest_two,) = _digests(one), _digests(two)

    assert digest_one != digest_two
    assert 16 <= len(digest_one)
    assert token.encode() not in gc.get_referents(one._cache, one._cache._young)


def _digests(verifier: Any) -> list[bytes]:
    return list(verifier._cache._young)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda t: t[:-4] + "AAAA", id="signature"),
        pytest.param(lambda t: t + "=", id="padding"),
        pytest.param(lambda _: "a.b.c", id="garbage"),
        pytest.param(lambda _: "\ud800", id="surrogate"),
        pytest.param(lambda _: "A" * 9000, id="too-long"),
    ],
)
def test_2_what_is_refused_is_never_kept(damage: Any) -> None:
    """Else a flood of bad tokens would push out the good ones."""
    clock = FrozenClock()
    verifier = TokenVerifier(RING, POLICY, clock=clock)
    bad = damage(issuer(clock).issue("ann"))

    assert ["token_invalid"] * 2 == [code_of(verifier, bad) for _ in range(2)]
    assert (0, 0) == (counts(verifier).entries, counts(verifier).hits)


def test_2_a_token_out_of_date_is_not_kept() -> None:
    """Its signature holds; it is no good all the same."""
    clock = FrozenClock()
    verifier = TokenVerifier(RING, POLICY, clock=clock)
    token = issuer(clock).issue("ann", ttl=60)
    clock.advance(90)

    assert "token_expired" == code_of(verifier, token)
    assert 0 == counts(verifier).entries


@given(
    ttl=st.integers(1, 100),
    at=st.floats(-200, 300, allow_nan=False),
    leeway=st.sampled_from([0, 1, 30]),
)
def test_3_a_hit_judges_the_dates_as_the_first_look_did(
    ttl: int, at: float, leeway: int
) -> None:
    """The same answer as uncached, at every instant around every boundary."""
    policy = TokenPolicy(issuer=POLICY.issuer, audience="api", leeway=leeway)
    clock = FrozenClock()
    token = TokenIssuer(RING, policy, clock=clock).issue("ann", ttl=ttl)
    cached = TokenVerifier(RING, policy, clock=clock)
    plain = TokenVerifier(RING, policy, clock=clock, cache=False)
    cached.verify(token)
    clock.jump(at)

    assert code_of(plain, token) == code_of(cached, token)
    assert 1 == counts(cached).hits


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (-31, "token_not_yet_valid"),
        (-30, ""),
        (629, ""),
        (629.999, ""),
        (630, "token_expired"),
    ],
)
def test_3_the_boundary_is_the_documented_second(seconds: float, code: str) -> None:
    """From ``iat - leeway`` and while ``now < exp + leeway``, on hits too."""
    clock = FrozenClock()
    token = issuer(clock).issue("ann")
    verifier = TokenVerifier(RING, POLICY, clock=clock)
    verifier.verify(token)
    clock.jump(seconds)

    assert code == code_of(verifier, token)


def test_4_a_key_that_is_gone_takes_its_tokens_with_it() -> None:
    """The hit asks for the key again, so a withdrawn one ends at once."""
    clock = FrozenClock()
    keys = Counting(KEY)
    verifier = TokenVerifier(keys, POLICY, clock=clock)
    token = issuer(clock).issue("ann")
    verifier.verify(token)
    keys.keys.clear()

    assert "token_invalid" == code_of(verifier, token)


def test_4_another_key_of_the_same_name_is_another_key() -> None:
    """A kid that is used again proves nothing about what the old key signed."""
    clock = FrozenClock()
    keys = Counting(KEY)
    verifier = TokenVerifier(keys, POLICY, clock=clock)
    token = issuer(clock).issue("ann")
    verifier.verify(token)
    keys.keys["e1"] = Key.generate("EdDSA", kid="e1")

    assert "token_invalid" == code_of(verifier, token)
    keys.keys["e1"] = KEY
    assert "" == code_of(verifier, token)


def test_4_the_key_is_read_before_the_signature() -> None:
    """A removal between the two must not leave an entry that outlives the key."""
    clock = FrozenClock()
    token = issuer(clock).issue("ann")

    class Vanishing(Counting):
        """A ring that is emptied while the signature is being checked."""

        def find(self, kid: str) -> Key | None:
            """Return the key, and take it away."""
            return self.keys.pop(kid, None)

    verifier = TokenVerifier(Vanishing(KEY), POLICY, clock=clock)
    verifier.verify(token)

    assert "token_invalid" == code_of(verifier, token)


def test_5_a_revoked_session_is_refused_on_a_hit() -> None:
    """Revocation is asked for each request, whatever the cache holds."""
    auth = Auth(KeyRing([KEY], REFRESH), POLICY, clock=FrozenClock())
    tokens = auth.login("ann")
    auth.verify(tokens.access_token)
    auth.logout(tokens.session.id)

    with pytest.raises(Refused, match="session_revoked"):
        auth.verify(tokens.access_token)


def test_5_a_view_too_old_is_no_pass_on_a_hit() -> None:
    """The staleness of the feed binds hits too: 503, never a silent pass."""

    class Down(MemoryStore):
        """A store whose feed does not answer."""

        def ended_since(self, since: int) -> list[str]:
            """Fail."""
            raise Unavailable("store_unavailable")

    clock = FrozenClock()
    auth = Auth(KeyRing([KEY], REFRESH), POLICY, store=Down(), clock=clock)
    token = auth.login("ann").access_token

    for _ in range(2):
        with pytest.raises(Unavailable):
            auth.verify(token)


@pytest.mark.parametrize(
    "other",
    [
        TokenPolicy(issuer="https://api.example.com", audience="api2"),
        TokenPolicy(issuer="https://api.example.com/", audience="api"),
        TokenPolicy(issuer="https://api.example.com", audience="api", max_ttl=600),
    ],
    ids=["audience", "issuer", "max_ttl"],
)
def test_6_no_two_policies_share_a_cache(other: TokenPolicy) -> None:
    """What one audience verified is nothing to another, over the same ring."""
    clock = FrozenClock()
    token = issuer(clock).issue("ann", ttl=601)
    TokenVerifier(RING, POLICY, clock=clock).verify(token)

    assert "token_invalid" == code_of(TokenVerifier(RING, other, clock=clock), token)


def test_7_the_number_of_entries_is_bounded() -> None:
    """However many good tokens come."""
    clock = FrozenClock()
    verifier = TokenVerifier(RING, POLICY, cache=10, clock=clock)
    for n in range(50):
        verifier.verify(issuer(clock).issue(f"user-{n}"))
        assert counts(verifier).entries <= 10

    assert 50 == counts(verifier).entries + counts(verifier).evictions


def test_7_the_memory_is_bounded() -> None:
    """Ten entries stand for ten kilobytes of token, not for ten of the longest."""
    clock = FrozenClock()
    verifier = TokenVerifier(RING, POLICY, cache=10, clock=clock)
    for n in range(20):
        verifier.verify(issuer(clock).issue("ann", {"n": n, "x": "y" * 2500}))

    assert counts(verifier).entries <= 3


def test_7_what_is_used_stays() -> None:
    """A hit in the old generation makes its entry young, without a list of uses."""
    clock = FrozenClock()
    verifier = TokenVerifier(RING, POLICY, cache=10, clock=clock)
    used = issuer(clock).issue("used")
    verifier.verify(used)
    for n in range(100):
        verifier.verify(issuer(clock).issue(f"user-{n}"))
        verifier.verify(used)

    assert 100 == counts(verifier).hits
    assert 101 == counts(verifier).misses


def test_7_what_was_made_young_again_is_held_once() -> None:
    """Held in both generations it would be counted, and evicted, twice."""
    clock = FrozenClock()
    verifier = TokenVerifier(RING, POLICY, cache=4, clock=clock)
    first, *rest = (issuer(clock).issue(f"user-{n}") for n in range(3))
    for token in (first, *rest, first):
        verifier.verify(token)

    assert CacheCounts(entries=3, hits=1, misses=3, evictions=0) == counts(verifier)


def test_8_what_comes_back_cannot_be_changed() -> None:
    """One request must not write what another reads."""
    clock = FrozenClock()
    verifier = TokenVerifier(RING, POLICY, clock=clock)
    said = {"roles": ["a", {"b": ["c"]}], "team": {"id": 1, "tags": []}}
    token = issuer(clock).issue("ann", said)
    first, second = verifier.verify(token), verifier.verify(token)

    assert first is second
    for change in (
        lambda: setattr(first, "subject", "root"),
        lambda: first.extra.__setitem__("admin", 1),
        lambda: first.extra["team"].__setitem__("id", 2),
        lambda: first.extra["team"]["tags"].append("x"),
        lambda: first.extra["roles"].append("admin"),
        lambda: first.extra["roles"][1]["b"].append("d"),
    ):
        with pytest.raises((AttributeError, TypeError)):
            change()
    assert {"roles": ("a", {"b": ("c",)}), "team": {"id": 1, "tags": ()}} == first.extra


def test_9_what_is_good_once_stays_outside() -> None:
    """A ticket is consumed in the store, however well its bearer is known."""
    auth = Auth(KeyRing([KEY], REFRESH), POLICY, clock=FrozenClock())
    token = auth.login("ann").access_token
    for _ in range(2):
        who = auth.verify(token)
    ticket = auth.ticket(who, "socket")
    auth.redeem(ticket, "socket")

    with pytest.raises(Refused, match="used before"):
        auth.redeem(ticket, "socket")


def test_9_a_step_up_is_judged_on_each_hit() -> None:
    """The age of a login grows while its token is cached."""
    clock = FrozenClock()
    auth = Auth(KeyRing([KEY], REFRESH), POLICY, clock=clock)
    token = auth.login("ann").access_token
    auth.require_recent(auth.verify(token), max_age=300)
    clock.advance(301)

    with pytest.raises(Refused, match="step_up_required"):
        auth.require_recent(auth.verify(token), max_age=300)


def test_10_threads_share_it_without_losing_an_answer() -> None:
    """Eight threads, a cache much too small, and a rotation at nearly each look."""
    clock = FrozenClock()
    verifier = TokenVerifier(RING, POLICY, cache=4, clock=clock)
    tokens = {f"user-{n}": issuer(clock).issue(f"user-{n}") for n in range(12)}
    wrong: list[str] = []
    start = threading.Barrier(8)

    def work(offset: int) -> None:
        start.wait()
        names = list(tokens)[offset:] + list(tokens)[:offset]
        wrong.extend(n for n in names * 5 if verifier.verify(tokens[n]).subject != n)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert [] == wrong
    assert counts(verifier).entries <= 4


def test_10_a_hit_waits_for_no_lock() -> None:
    """Held by a thread that was paused in the middle, it would stop every request."""
    clock = FrozenClock()
    verifier: Any = TokenVerifier(RING, POLICY, clock=clock)
    token = issuer(clock).issue("ann")
    verifier.verify(token)
    with verifier._cache._lock:
        assert "ann" == verifier.verify(token).subject


def in_child(work: Any) -> str:
    """Return what *work* says in a forked child, or how it died."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # a deadlock is a failure, not a hanging suite
        try:
            os.write(writing, str(work()).encode())
        except BaseException as error:  # noqa: BLE001 - the child must not return
            os.write(writing, repr(error).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return said if status == 0 else f"died: {status}"


FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")


@FORKS
def test_10_a_forked_child_starts_empty() -> None:
    """Its parent's revocations and rotations would never reach these entries."""
    clock = FrozenClock()
    verifier: Any = TokenVerifier(RING, POLICY, clock=clock)
    token = issuer(clock).issue("ann")
    verifier.verify(token)
    (before,) = _digests(verifier)

    def look() -> tuple[int, str, bool]:
        empty = counts(verifier).entries
        return empty, verifier.verify(token).subject, [before] == _digests(verifier)

    assert "(0, 'ann', False)" == in_child(look)
    assert 1 == counts(verifier).entries


@FORKS
def test_10_a_lock_held_at_the_fork_does_not_stop_the_child() -> None:
    """The thread that would let it go is not in the child."""
    clock = FrozenClock()
    verifier: Any = TokenVerifier(RING, POLICY, clock=clock)
    token = issuer(clock).issue("ann")
    with verifier._cache._lock:
        said = in_child(lambda: verifier.verify(token).subject)

    assert "ann" == said


@FORKS
def test_10_a_forked_child_asks_for_revocations_first() -> None:
    """The view was true of the parent's moment, and its lock may be held for ever."""
    store = MemoryStore()
    auth: Any = Auth(KeyRing([KEY], REFRESH), POLICY, store=store, clock=FrozenClock())
    tokens = auth.login("ann")
    auth.verify(tokens.access_token)
    view: RevocationView = auth._view

    def look() -> str:
        store.end(tokens.session.id, now=auth.now(), reason="revoked")
        try:
            return str(auth.verify(tokens.access_token).subject)
        except Refused as error:
            return error.code

    with view._asking:
        assert "session_revoked" == in_child(look)


def test_10_a_child_forgets_through_one_hook() -> None:
    """The hook itself, called here as a forked child calls it."""
    clock = FrozenClock()
    verifier = TokenVerifier(RING, POLICY, clock=clock)
    verifier.verify(issuer(clock).issue("ann"))
    forks._forget_all()

    assert CacheCounts(0, 0, 0, 0) == verifier.cache_counts()


def test_10_a_verifier_that_is_dropped_is_freed() -> None:
    """The hook for forks must not keep every verifier there ever was."""
    verifier: Any = TokenVerifier(RING, POLICY)
    cache = weakref.ref(verifier._cache)
    del verifier
    gc.collect()

    assert cache() is None


def test_10_hits_misses_and_evictions_are_counted() -> None:
    """Whoever sizes a cache must see what it does."""
    clock = FrozenClock()
    verifier = TokenVerifier(RING, POLICY, cache=2, clock=clock)
    tokens = [issuer(clock).issue(f"user-{n}") for n in range(3)]
    for token in (tokens[0], tokens[0], *tokens):
        verifier.verify(token)

    assert CacheCounts(entries=2, hits=2, misses=3, evictions=1) == counts(verifier)


# ------------------------------------------------------------------ on and off


@pytest.mark.parametrize(
    ("alg", "cache", "on"),
    [
        ("EdDSA", None, True),
        ("HS256", None, False),
        ("EdDSA", False, False),
        ("HS256", 100, True),
    ],
)
def test_it_is_on_where_a_signature_costs_much(
    alg: str,
    cache: Any,
    on: bool,  # noqa: FBT001 - a table
) -> None:
    """By default; a number turns it on for HMAC too, and False is always off."""
    ring = KeyRing([Key.generate(alg)])
    clock = FrozenClock()
    verifier = TokenVerifier(ring, POLICY, cache=cache, clock=clock)
    token = TokenIssuer(ring, POLICY, clock=clock).issue("ann")

    assert verifier.verify(token) == verifier.verify(token)
    assert on == (verifier.cache_counts() is not None)


@pytest.mark.parametrize(
    "cache", [0, 1, -1, True, 1_000_001, 2.0, "10", float("nan")], ids=repr
)
def test_a_size_that_means_nothing_is_refused(cache: Any) -> None:
    """``cache=True`` would be a cache of one entry."""
    with pytest.raises(ConfigError, match="cache"):
        TokenVerifier(RING, POLICY, cache=cache)


def test_an_entry_is_replaced_by_a_newer_one() -> None:
    """Two threads that verify one token at once leave one entry."""
    cache = VerifiedTokens(2)
    claims = Claims("i", "s", "a", 0, 0, 1, "t")
    for until in (1, 2):
        cache.keep(b"token", Verified(claims, claims, KEY, 0, until))
    found = cache.find(b"token")

    assert found is not None
    assert 2 == found.until
    assert 1 == cache.counts().entries


def test_awaiting_is_verifying() -> None:
    """The twin for `RemoteKeys` takes every other kind of keys too."""
    clock = FrozenClock()
    verifier = TokenVerifier(RING, POLICY, clock=clock)
    token = issuer(clock).issue("ann")

    async def twice() -> list[Claims]:
        return [await verifier.averify(token) for _ in range(2)]

    assert [verifier.verify(token)] * 2 == asyncio.run(twice())
    with pytest.raises(Refused, match="token_invalid"):
        asyncio.run(verifier.averify(token + "A"))
    clock.advance(630)
    with pytest.raises(Refused, match="token_expired"):
        asyncio.run(verifier.averify(token))
