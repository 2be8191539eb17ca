"""Any history of rotations, outages and unknown ids, beside what must hold of each."""

import json
from concurrent import futures

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from tests.auth.issuer import jwks

from resilient_auth import Fetched, Key, RemoteKeys, Unavailable
from resilient_auth.testing import FrozenClock

KIDS = ("k1", "k2", "k3")
KEYS = {kid: Key.generate("EdDSA", kid=kid) for kid in KIDS}
FRESH, MAX_STALE = 60.0, 600.0
BROKEN = [b"", b"[]", b'{"keys":[]}', json.dumps({"keys": [{"kty": "oct"}]}).encode()]


class RemoteKeysMachine(RuleBasedStateMachine):
    """Each step moves the clock, changes the issuer, or looks a key up."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FrozenClock()
        self.body: bytes = b""
        self.offered: frozenset[str] = frozenset()
        self.fetches: list[float] = []
        self.good: frozenset[str] | None = None  # of the last answer that was usable
        self.good_at = 0.0
        self.failed = False  # since then
        self.keys = RemoteKeys(
            "https://issuer.example.com/jwks.json",
            fresh=FRESH,
            max_stale=MAX_STALE,
            fetch=self.fetch,
            clock=self.clock,
        )

    def fetch(self, url: str, *, timeout: float, max_bytes: int) -> Fetched:
        """Answer as the issuer would now, and note what a client may know of it."""
        now = self.clock.monotonic()
        self.fetches.append(now)
        if self.offered:
            self.good, self.good_at, self.failed = self.offered, now, False
        else:
            self.failed = True
        return Fetched(200, {}, self.body)

    @rule(kids=st.sets(st.sampled_from(KIDS), min_size=1))
    def offer(self, kids: set[str]) -> None:
        """Let the issuer have these keys."""
        self.offered = frozenset(kids)
        self.body = jwks(*(KEYS[kid] for kid in sorted(kids)))

    @rule(body=st.sampled_from(BROKEN))
    def break_down(self, body: bytes) -> None:
        """Let it answer nothing of use."""
        self.offered, self.body = frozenset(), body

    @rule(seconds=st.sampled_from([0.1, 1.0, 9.0, 30.0, 61.0, 120.0, 361.0, 2000.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    @rule(kid=st.sampled_from([*KIDS, "x1", "x2"]))
    def look_up(self, kid: str) -> None:
        """Whatever comes back is true of the last good answer, and not too old."""
        known, known_at, before = self.good, self.good_at, len(self.fetches)
        try:
            found = self.keys.find(kid)
        except Unavailable:
            self.land()
            assert self.good is None or kid not in self.good or self.is_too_old()
            assert self.good is None or self.failed or self.is_too_old()
        else:
            self.land()
            if found is None:
                assert self.good is not None
                assert kid not in self.good
                assert not self.failed
            else:
                assert kid == found.kid
                assert kid in (known or ()) or kid in (self.good or ())
                if len(self.fetches) == before:
                    assert self.clock.monotonic() - known_at < FRESH + MAX_STALE
        assert len(self.fetches) - before <= 1

    @precondition(lambda self: self.good is not None)
    @rule(count=st.integers(1, 50))
    def flood(self, count: int) -> None:
        """However many unknown ids come at once, they cost few fetches."""
        before = len(self.fetches)
        for n in range(count):
            try:
                assert self.keys.find(f"flood-{before}-{n}") is None
            except Unavailable:
                assert self.failed
        self.land()

        assert len(self.fetches) - before <= 4

    def land(self) -> None:
        """Wait for the fetch that may go on behind."""
        flight = self.keys._source._flight
        if flight is not None:
            assert futures.wait([flight], timeout=10).done

    def is_too_old(self) -> bool:
        """Say whether the last good answer may no longer be used."""
        return self.clock.monotonic() - self.good_at >= FRESH + MAX_STALE

    def teardown(self) -> None:
        """Leave no thread behind."""
        self.land()


TestRemoteKeys = RemoteKeysMachine.TestCase
