"""Keys of another server: fetched once, and kept through its outages."""

import asyncio
import base64
import datetime as dt
import gzip
import json
import queue
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from tests.auth.issuer import Behaviour, Issuer, answer, jwks
from tests.auth.test_cache import FORKS, in_child

from resilient_auth import (
    Claims,
    ConfigError,
    Key,
    KeyRing,
    Refused,
    RemoteKeys,
    TokenIssuer,
    TokenPolicy,
    TokenVerifier,
    Unavailable,
)
from resilient_auth.auth.fetch import Fetched, HttpFetch
from resilient_auth.core.freshness import KeySet
from resilient_auth.events import Event, KeysFetched, KeysFetchFailed
from resilient_auth.testing import FrozenClock

POLICY = TokenPolicy(issuer="https://issuer.example.com", audience="api")
KEY, NEW, SPARE = (Key.generate("EdDSA", kid=kid) for kid in ("k1", "k2", "k3"))
RSA = Key.generate("RS256", kid="r1")
PATIENCE = 10.0


def brisk(url: str, *, timeout: float, max_bytes: int) -> Fetched:
    """Fetch with less patience than a service has: a test is not kept waiting."""
    return HttpFetch()(url, timeout=min(timeout, 0.3), max_bytes=max_bytes)


class World:
    """An issuer, the keys that are fetched from it, and what was told of that."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.clock = FrozenClock()
        self.told: queue.Queue[Event] = queue.Queue()
        self.signing = TokenIssuer(KeyRing([KEY]), POLICY, clock=self.clock)

    def keys(self, **said: Any) -> RemoteKeys:
        """Return `RemoteKeys` at the issuer's address."""
        given: dict[str, Any] = {
            "clock": self.clock,
            "listeners": [self.told.put],
            "insecure_allow_http": True,
        }
        return RemoteKeys(self.issuer.url, **(given | said))

    def loaded(self, **said: Any) -> RemoteKeys:
        """Return keys that were fetched already."""
        self.issuer.behaviour = answer(jwks(KEY))
        keys = self.keys(**said)
        assert keys.find("k1") is not None
        assert isinstance(self.heard(), KeysFetched)
        return keys

    def heard(self) -> Event:
        """Return the next event; a fetch was over when it was told."""
        return self.told.get(timeout=PATIENCE)

    @property
    def fetches(self) -> int:
        """Return how often the issuer was asked."""
        return len(self.issuer.requests)

    def verifier(self, keys: RemoteKeys, **said: Any) -> TokenVerifier:
        """Return a verifier over *keys*."""
        return TokenVerifier(keys, POLICY, clock=self.clock, **said)


@pytest.fixture
def world() -> Iterator[World]:
    """Return a world whose issuer listens."""
    with Issuer() as issuer:
        yield World(issuer)


def outcome(work: Callable[[], Any]) -> str:
    """Return what *work* comes to: ok, or the code of its error."""
    try:
        return "ok" if work() is not None else "none"
    except (Refused, Unavailable) as error:
        return error.code


# ------------------------------------------------------------------ the happy path


def test_tokens_of_the_issuer_are_verified(world: World) -> None:
    """One fetch, when the first token comes, whatever comes after it."""
    world.issuer.behaviour = answer(jwks(KEY, NEW))
    keys = world.keys()
    verifier = world.verifier(keys)
    before = world.fetches
    for subject in ("ann", "ben", "ann"):
        assert subject == verifier.verify(world.signing.issue(subject)).subject

    assert (0, 1) == (before, world.fetches)
    event = world.heard()
    assert isinstance(event, KeysFetched)
    assert (world.issuer.url, ("k1", "k2"), 300) == (
        event.url,
        event.kids,
        event.fresh_for,
    )


def test_the_request_is_plain(world: World) -> None:
    """No cookie, no inflating, nothing of ours but the name."""
    keys = world.loaded()
    head, *lines = world.issuer.requests[0].decode().split("\r\n")

    assert "GET /jwks.json HTTP/1.1" == head
    assert "Accept-Encoding: identity" in lines
    assert keys.find("k1") is not None


def test_a_query_is_sent_and_a_path_is_not_needed(world: World) -> None:
    """Some issuers have one set for each policy."""
    world.issuer.behaviour = answer(jwks(KEY))
    world.issuer.url = world.issuer.url.removesuffix("/jwks.json") + "?p=signin"

    assert world.keys().find("k1") is not None
    assert world.issuer.requests[0].startswith(b"GET /?p=signin HTTP/1.1\r\n")


async def test_tokens_are_verified_in_a_loop(world: World) -> None:
    """The twin: fifty tasks at once, one fetch."""
    world.issuer.behaviour = answer(jwks(KEY))
    verifier = world.verifier(world.keys())
    token = world.signing.issue("ann")
    claims = await asyncio.gather(*(verifier.averify(token) for _ in range(50)))

    assert {"ann"} == {each.subject for each in claims}
    assert 1 == world.fetches


def test_threads_share_one_fetch(world: World) -> None:
    """Eight first tokens are one question."""
    let_go = world.issuer.hold(answer(jwks(KEY)))
    keys = world.keys()
    found = run_at_once([lambda: keys.find("k1")] * 8, meanwhile=let_go.set)

    assert [True] * 8 == [isinstance(each, Key) for each in found]
    assert 1 == world.fetches


def run_at_once(
    works: list[Callable[[], Any]], *, meanwhile: Callable[[], object] = lambda: None
) -> list[Any]:
    """Return what *works* return, each run in a thread of its own."""
    results: list[Any] = [None] * len(works)
    start = threading.Barrier(len(works) + 1)

    def run(n: int) -> None:
        start.wait(PATIENCE)
        try:
            results[n] = works[n]()
        except Unavailable as error:
            results[n] = error.code

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(works))]
    for thread in threads:
        thread.start()
    start.wait(PATIENCE)
    meanwhile()
    for thread in threads:
        thread.join(PATIENCE)
    return results


def test_two_loops_and_a_thread_share_one_fetch(world: World) -> None:
    """A flight belongs to nobody's loop."""
    let_go = world.issuer.hold(answer(jwks(KEY)))
    keys = world.keys()

    def in_a_loop() -> Key | None:
        return asyncio.run(keys.afind("k1"))

    works: list[Callable[[], Any]] = [in_a_loop, in_a_loop, lambda: keys.find("k1")]
    found = run_at_once(works, meanwhile=let_go.set)

    assert ["k1"] * 3 == [each.kid for each in found]
    assert 1 == world.fetches


# ------------------------------------------------------------------ growing old


def test_a_known_key_waits_for_nobody(world: World) -> None:
    """Stale keys serve while one fetch hangs behind, and then the new ones do."""
    keys = world.loaded()
    let_go = world.issuer.hold(answer(jwks(KEY, NEW)))
    world.clock.advance(300)
    for _ in range(100):
        assert keys.find("k1") is not None
    let_go.set()
    event = world.heard()

    assert isinstance(event, KeysFetched)
    assert ("k1", "k2") == event.kids
    assert 2 == world.fetches
    assert keys.find("k2") is not None


async def test_a_task_waits_for_no_known_key_either(world: World) -> None:
    """The twin goes on with stale keys, and starts the same fetch behind."""
    keys = await asyncio.to_thread(world.loaded)
    world.clock.advance(300)

    assert await keys.afind("k1") is not None
    assert isinstance(await asyncio.to_thread(world.heard), KeysFetched)
    assert 2 == world.fetches


def test_the_issuer_says_how_long(world: World) -> None:
    """Its ``max-age`` counts, not our default."""
    world.issuer.behaviour = answer(jwks(KEY), headers=["Cache-Control: max-age=900"])
    keys = world.keys()
    keys.find("k1")
    event = world.heard()
    world.clock.advance(899)
    keys.find("k1")

    assert isinstance(event, KeysFetched)
    assert 900 == event.fresh_for
    assert 1 == world.fetches


def test_a_service_that_slept_asks_before_it_trusts(world: World) -> None:
    """A key withdrawn in the night is not good for the first request of the day."""
    keys = world.loaded()
    world.issuer.behaviour = answer(jwks(NEW))
    world.clock.advance(20_000)

    assert keys.find("k1") is None
    assert keys.find("k2") is not None


def test_an_outage_is_survived_with_the_last_good_keys(world: World) -> None:
    """Up to ``max_stale``; each failure is told, and few are made."""
    keys = world.loaded(max_stale=3600)
    world.issuer.behaviour = answer(b"", status="500 Oops")
    world.clock.advance(300)
    assert keys.find("k1") is not None
    event = world.heard()

    assert isinstance(event, KeysFetchFailed)
    assert ("HTTP 500", 1, 3600) == (event.reason, event.failures, event.usable_for)
    for _ in range(50):
        world.clock.advance(0.009)
        assert keys.find("k1") is not None
    assert 2 == world.fetches
    world.clock.advance(3599)
    assert keys.find("k1") is not None
    world.heard()
    assert 3 == world.fetches


def test_past_the_bound_nobody_is_let_in(world: World) -> None:
    """503 for all, cached tokens too: never a 401, and never a silent pass."""
    keys = world.loaded(max_stale=600)
    verifier = world.verifier(keys)
    token = world.signing.issue("ann", ttl=3600)
    verifier.verify(token)
    world.issuer.behaviour = answer(b"", status="500 Oops")
    world.clock.advance(899.9)
    assert "ok" == outcome(lambda: verifier.verify(token))
    world.heard()
    world.clock.advance(0.1)

    for _ in range(3):
        with pytest.raises(Unavailable) as caught:
            verifier.verify(token)
        assert "auth_unavailable" == caught.value.code
        assert 1 <= (caught.value.retry_after or 0) <= 60
    assert counted(verifier) >= 3


def counted(verifier: TokenVerifier) -> int:
    """Return the hits of *verifier*'s cache."""
    counts = verifier.cache_counts()
    return counts.hits if counts else 0


def test_the_issuer_comes_back(world: World) -> None:
    """The first fetch that succeeds ends the outage."""
    keys = world.keys()
    world.issuer.behaviour = answer(b"", status="503 Down")
    assert "auth_unavailable" == outcome(lambda: keys.find("k1"))
    world.issuer.behaviour = answer(jwks(KEY))
    world.clock.advance(1)

    assert "ok" == outcome(lambda: keys.find("k1"))
    assert 2 == world.fetches


def test_a_dead_issuer_is_not_hammered(world: World) -> None:
    """A failed first load is a pause, in which each request is told at once."""
    world.issuer.behaviour = answer(b"", status="500 Oops")
    keys = world.keys()
    codes = [outcome(lambda: keys.find("k1")) for _ in range(100)]

    assert ["auth_unavailable"] * 100 == codes
    assert 1 == world.fetches


async def test_a_dead_issuer_is_the_same_to_tasks(world: World) -> None:
    """All wait for one failure, and then for none."""
    world.issuer.behaviour = answer(b"", status="500 Oops")
    keys = world.keys()
    found = await asyncio.gather(
        *(keys.afind("k1") for _ in range(20)), return_exceptions=True
    )

    assert ["auth_unavailable"] * 20 == [getattr(each, "code", "") for each in found]
    assert 1 == world.fetches


# ------------------------------------------------------------------ rotation


def test_a_withdrawn_key_takes_its_tokens_with_it(world: World) -> None:
    """A new set replaces the old at once, whatever is cached."""
    keys = world.loaded()
    verifier = world.verifier(keys)
    token = world.signing.issue("ann", ttl=3600)
    verifier.verify(token)
    world.issuer.behaviour = answer(jwks(NEW))
    world.clock.advance(300)
    assert "ok" == outcome(lambda: verifier.verify(token))
    world.heard()

    assert "token_invalid" == outcome(lambda: verifier.verify(token))


def test_what_was_proved_stays_proved_while_nothing_changes(world: World) -> None:
    """The same set again gives the same keys: no cache is emptied by it."""
    keys = world.loaded()
    before = keys.find("k1")
    world.clock.advance(300)
    keys.find("k1")
    world.heard()

    assert before is keys.find("k1")
    assert 2 == world.fetches


def test_a_key_that_was_not_announced_is_fetched(world: World) -> None:
    """An unknown kid is a reason to ask out of turn."""
    keys = world.loaded()
    world.issuer.behaviour = answer(jwks(KEY, NEW))

    assert keys.find("k2") is not None
    assert 2 == world.fetches


async def test_a_key_that_was_not_announced_is_fetched_for_tasks(world: World) -> None:
    """The same, awaited."""
    keys = await asyncio.to_thread(world.loaded)
    world.issuer.behaviour = answer(jwks(KEY, NEW))

    assert await keys.afind("k2") is not None
    assert 2 == world.fetches


# ------------------------------------------------------------------ unknown ids


def test_a_flood_of_unknown_ids_costs_few_fetches(world: World) -> None:
    """Three at once, then one in ten seconds; each is refused as any bad token."""
    keys = world.loaded()
    answers = [outcome(lambda n=n: keys.find(f"x{n}")) for n in range(1000)]

    assert {"none"} == set(answers)
    assert 1 + 3 == world.fetches
    world.clock.advance(10)
    answers = [outcome(lambda n=n: keys.find(f"y{n}")) for n in range(1000)]
    assert 1 + 3 + 1 == world.fetches


def test_an_id_that_was_looked_for_is_not_looked_for_again(world: World) -> None:
    """For a minute one bad token, sent again and again, costs one fetch."""
    keys = world.loaded()
    for _ in range(5):
        assert keys.find("x") is None
        world.clock.advance(10)
    before = world.fetches
    world.clock.advance(10)

    assert 2 == before
    assert keys.find("x") is None
    assert 3 == world.fetches


def test_what_is_remembered_of_unknown_ids_is_bounded(world: World) -> None:
    """A flood of days does not fill the memory."""
    keys: Any = world.loaded()
    keys._absent = {f"x{n}": 1e9 for n in range(1000)}

    assert keys.find("y") is None
    assert ["y"] == list(keys._absent)


def test_a_flood_does_not_slow_a_good_token(world: World) -> None:
    """While a fetch hangs: eight of the flood wait, the rest and the good go on."""
    keys = world.loaded()
    verifier = world.verifier(keys, cache=False)
    let_go = world.issuer.hold(answer(jwks(KEY)))
    token = world.signing.issue("ann")
    answered: list[Claims] = []

    def go_on() -> None:
        answered.extend(verifier.verify(token) for _ in range(100))
        let_go.set()

    flood = [lambda n=n: keys.find(f"x{n}") for n in range(30)]
    found = run_at_once(flood, meanwhile=go_on)

    assert 100 == len(answered)
    assert {None, "auth_unavailable"} >= set(found)
    assert world.fetches <= 1 + 3


async def test_a_flood_does_not_block_the_loop(world: World) -> None:
    """The same for tasks: at most eight wait for a fetch that hangs, for a second."""
    keys = await asyncio.to_thread(world.loaded)
    verifier = world.verifier(keys, cache=False)
    let_go = world.issuer.hold(answer(jwks(KEY)))
    flood = [asyncio.ensure_future(keys.afind(f"x{n}")) for n in range(30)]
    done, waiting = await asyncio.wait(flood, timeout=0.2)
    token = world.signing.issue("ann")
    claims = [await verifier.averify(token) for _ in range(100)]
    let_go.set()
    rest = await asyncio.gather(*waiting, return_exceptions=True)

    assert (22, 8, 100) == (len(done), len(waiting), len(claims))
    assert {"auth_unavailable"} == {getattr(t.exception(), "code", "") for t in done}
    assert [None] * 8 == rest
    assert 2 == world.fetches


def test_nobody_waits_long_for_an_unknown_id(world: World) -> None:
    """A hanging issuer costs the asker a second, and is no reason to say 401."""
    keys = world.loaded()
    let_go = world.issuer.hold(answer(jwks(KEY)))

    assert "auth_unavailable" == outcome(lambda: keys.find("x"))
    let_go.set()
    world.heard()


def test_an_unknown_id_in_an_outage_is_nobodys_fault(world: World) -> None:
    """Who cannot ask cannot say that the token is bad."""
    keys = world.loaded()
    world.issuer.behaviour = answer(b"", status="500 Oops")
    token = TokenIssuer(KeyRing([NEW]), POLICY, clock=world.clock).issue("ann")
    verifier = world.verifier(keys)
    codes = [outcome(lambda: verifier.verify(token)) for _ in range(5)]

    assert ["auth_unavailable"] * 5 == codes
    assert 2 == world.fetches
    assert "ok" == outcome(lambda: verifier.verify(world.signing.issue("ann")))


# ------------------------------------------------------------------ hostile issuers


def private_set() -> bytes:
    """Return a set in which a private key is published."""
    published = json.loads(jwks(KEY, NEW))
    published["keys"][1]["d"] = base64.urlsafe_b64encode(bytes(32)).decode()[:43]
    return json.dumps(published).encode()


def twice() -> bytes:
    """Return a set with one kid twice."""
    published = json.loads(jwks(KEY))
    published["keys"] *= 2
    return json.dumps(published).encode()


def many() -> bytes:
    """Return a set of a hundred and one keys."""
    published = json.loads(jwks(KEY))["keys"][0]
    return json.dumps(
        {"keys": [published | {"kid": f"k{n}"} for n in range(101)]}
    ).encode()


def chunks(size: bytes) -> Behaviour:
    """Return a chunked answer whose first chunk claims *size*."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return lambda sock: sock.sendall(head + size + b"\r\n" + b"{" * 100)


SECRET = {"kty": "oct", "kid": "s", "alg": "HS256", "k": "A" * 43}
HOSTILE: dict[str, Behaviour] = {
    "500": answer(b"{}", status="500 Oops"),
    "404": answer(jwks(KEY), status="404 Not Found"),
    "204": answer(b"", status="204 No Content"),
    "206": answer(jwks(KEY), status="206 Partial Content"),
    "html": answer(b"<!doctype html><title>Sign in</title>"),
    "empty": answer(b""),
    "array": answer(b"[]"),
    "no-keys": answer(b'{"keys":[]}'),
    "keys-no-list": answer(b'{"keys":{}}'),
    "key-no-object": answer(b'{"keys":["k1"]}'),
    "kty-a-list": answer(b'{"keys":[{"kid":"k1","kty":[]}]}'),
    "private": answer(private_set()),
    "oct": answer(json.dumps({"keys": [SECRET]}).encode()),
    "one-kid-twice": answer(twice()),
    "too-many": answer(many()),
    "members-twice": answer(jwks(KEY)[:-1] + b',"keys":[]}'),
    "not-utf8": answer(jwks(KEY) + b"\xff"),
    "utf-16": answer(jwks(KEY).decode().encode("utf-16")),
    "bom": answer(b"\xef\xbb\xbf" + jwks(KEY)),
    "deep": answer(b'{"keys":' + b"[" * 100_000),
    "gzip": answer(gzip.compress(jwks(KEY)), headers=["Content-Encoding: gzip"]),
    "gzip-bomb": answer(
        gzip.compress(bytes(10_000_000)), headers=["Content-Encoding: gzip"]
    ),
    "huge": answer(b'{"keys":[],"x":"' + b"y" * 300_000 + b'"}'),
    "cut": answer(jwks(KEY), cut=10),
    "closed": lambda _: None,
    "no-http": lambda sock: sock.sendall(b"SSH-2.0-OpenSSH\r\n"),
    "http-0.9": lambda sock: sock.sendall(jwks(KEY)),
    "many-headers": answer(jwks(KEY), headers=[f"X-{n}: y" for n in range(200)]),
    "long-header": answer(jwks(KEY), headers=["X: " + "y" * 100_000]),
    "bad-length": lambda sock: sock.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n[]"
    ),
    "bad-chunk": chunks(b"zz"),
    "endless-chunk": chunks(b"ffffffffff"),
}


@pytest.mark.parametrize("behaviour", HOSTILE.values(), ids=list(HOSTILE))
def test_a_broken_answer_changes_nothing(world: World, behaviour: Behaviour) -> None:
    """The last good keys stay; before there are any, it is 503 and told."""
    first = world.keys(fetch=brisk)
    world.issuer.behaviour = behaviour
    assert "auth_unavailable" == outcome(lambda: first.find("k1"))
    assert isinstance(world.heard(), KeysFetchFailed)
    later = world.loaded(fetch=brisk)
    world.issuer.behaviour = behaviour
    world.clock.advance(300)
    before = later.find("k1")
    event = world.heard()

    assert isinstance(event, KeysFetchFailed)
    assert before is later.find("k1") is not None
    assert 0 < len(event.reason) < 120
    assert "AAAA" not in event.reason


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(world: World, status: int) -> None:
    """Not even to the same host: whoever answers there was not named."""
    with Issuer() as other:
        other.behaviour = answer(jwks(KEY))
        world.issuer.behaviour = answer(
            b"", status=f"{status} Elsewhere", headers=[f"Location: {other.url}"]
        )
        keys = world.keys()

        assert "auth_unavailable" == outcome(lambda: keys.find("k1"))
        assert [] == other.requests
    assert f"HTTP {status}" in keys.explain()


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        pytest.param(b"", b"H", id="status-line"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", id="headers"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", b" ", id="body"
        ),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 \r\n\r\n", id="100"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1\r\n \r\n",
            id="chunks",
        ),
    ],
)
def test_a_trickle_is_cut_off(world: World, head: bytes, drop: bytes) -> None:
    """One deadline over all: a byte every 10 ms would pass any limit on pauses."""
    world.issuer.trickle(head, drop)
    with pytest.raises(Exception) as caught:
        brisk(world.issuer.url, timeout=5.0, max_bytes=262_144)

    assert "chunks" == caught.value.args or not isinstance(caught.value, AssertionError)


def test_a_port_without_a_server_is_a_failure(world: World) -> None:
    """Refused connections are the commonest outage."""
    with Issuer() as gone:
        world.issuer.url = gone.url
    keys = world.keys()

    assert "auth_unavailable" == outcome(lambda: keys.find("k1"))
    event = world.heard()
    assert isinstance(event, KeysFetchFailed)
    assert "ConnectionRefusedError: Connection refused" == event.reason


def test_the_time_may_be_spent_before_anything_is_sent() -> None:
    """A name server may take it all."""
    with pytest.raises(TimeoutError):
        HttpFetch()("http://127.0.0.1:9/", timeout=0.0, max_bytes=1)


def test_a_name_without_an_address_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`getaddrinfo` may return nothing at all."""
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [])
    with pytest.raises(OSError, match="no address"):
        HttpFetch()("http://issuer.example.com/", timeout=1.0, max_bytes=1)


def test_the_next_address_is_tried(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An issuer with a broken address among its own is not down."""
    import socket

    with Issuer() as gone:
        dead = ("127.0.0.1", int(gone.url.split(":")[2].split("/")[0]))
    alive = ("127.0.0.1", int(world.issuer.url.split(":")[2].split("/")[0]))
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 0, "", each) for each in (dead, alive)
    ]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
    world.issuer.behaviour = answer(jwks(KEY))

    assert world.keys().find("k1") is not None


@pytest.mark.parametrize("error", [ValueError("eyJhbGciOi"), SystemExit(1), KeyError()])
def test_a_fetch_may_raise_anything(world: World, error: BaseException) -> None:
    """A user's own `Fetch` is somebody else's code; nobody waits for it for ever."""

    def broken(url: str, *, timeout: float, max_bytes: int) -> Fetched:
        raise error

    keys = world.keys(fetch=broken)

    assert "auth_unavailable" == outcome(lambda: keys.find("k1"))
    assert type(error).__name__ in keys.explain()
    assert "eyJ" not in keys.explain()


def test_no_thread_may_be_had(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process at its limit says 503, and not a traceback."""
    keys = world.keys()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _no_thread)
        assert "auth_unavailable" == outcome(lambda: keys.find("k1"))
    world.issuer.behaviour = answer(jwks(KEY))
    world.clock.advance(1)

    assert "ok" == outcome(lambda: keys.find("k1"))


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_only_a_trusted_certificate_is_believed(tmp_path: Path) -> None:
    """Https proves who publishes the keys; a stranger in between publishes none."""
    serving, trusting = certified(tmp_path)
    with Issuer(serving) as issuer:
        world = World(issuer)
        issuer.behaviour = answer(jwks(KEY))
        stranger = world.keys(insecure_allow_http=False)
        assert "auth_unavailable" == outcome(lambda: stranger.find("k1"))
        assert "SSLCertVerificationError" in stranger.explain()
        known = world.keys(fetch=HttpFetch(trusting), insecure_allow_http=False)
        assert "ok" == outcome(lambda: known.find("k1"))


def certified(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's context for 127.0.0.1, and that of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = folder / "issuer.pem"
    pem.write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem)
    return serving, ssl.create_default_context(cafile=str(pem))


def test_who_looked_before_the_answer_came_asks_nothing(world: World) -> None:
    """Between a look and the lock a fetch may land; it answers this one too."""
    keys: Any = world.loaded()

    assert keys._wait(KeySet()) is None
    assert keys._doubt("x", KeySet(), world.clock.monotonic()) is None
    assert 1 == world.fetches


# ------------------------------------------------------------------ loops and forks


async def test_who_stops_waiting_ends_only_the_wait(world: World) -> None:
    """A client that goes away does not take the fetch of the others with it."""
    let_go = world.issuer.hold(answer(jwks(KEY)))
    keys = world.keys()
    leaves, stays = (asyncio.ensure_future(keys.afind("k1")) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.wait([leaves])
    let_go.set()

    assert await stays is not None
    assert leaves.cancelled()
    assert 1 == world.fetches


def test_a_loop_may_end_before_the_fetch(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is left pending, and nothing is written to a log."""
    let_go = world.issuer.hold(answer(jwks(KEY)))
    keys = world.keys()

    async def impatient() -> None:
        async with asyncio.timeout(0.05):
            await keys.afind("k1")

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())
    let_go.set()
    world.heard()

    assert asyncio.run(keys.afind("k1")) is not None
    assert 1 == world.fetches
    assert [] == caplog.records


@FORKS
def test_a_forked_child_fetches_for_itself(world: World) -> None:
    """The thread that fetches, and its lock, are not in the child."""
    let_go = world.issuer.hold(answer(jwks(KEY)))
    keys: Any = world.keys()
    waiting = threading.Thread(target=keys.find, args=("k1",))
    waiting.start()
    while not world.issuer.requests:
        time.sleep(0.001)

    def look() -> str:
        found = keys.find("k1")
        return str(found.kid)

    world.issuer.behaviour = answer(jwks(KEY))
    with keys._source._lock:
        said = in_child(look)
    let_go.set()
    waiting.join(PATIENCE)

    assert "k1" == said


# ------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example.com/jwks.json",
        "ftp://issuer.example.com/jwks.json",
        "file:///etc/passwd",
        "data:application/json,{}",
        "issuer.example.com/jwks.json",
        "//issuer.example.com/jwks.json",
        "https://",
        "https:///jwks.json",
        "https://ann:secret@issuer.example.com/jwks.json",
        "https://ann@issuer.example.com/jwks.json",
        "https://issuer.example.com/jwks.json#keys",
        "https://issuer.example.com/jwks.json#",
        "https://issuer.example.com:0/",
        "https://issuer.example.com:65536/",
        "https://issuer.example.com:x/",
        "https://[::1/",
        "https://issuer.example.com/a b",
        "https://issuer.example.com/a\r\nHost: evil",
        "https://issuer.example.com/a\n",
        "https://issüer.example.com/",
        "https://issuer.example.com/" + "a" * 2048,
        "",
        None,
        b"https://issuer.example.com/jwks.json",
    ],
)
def test_only_a_plain_https_address_is_taken(url: Any) -> None:
    """Found when it is built; a password in it does not come back in the error."""
    with pytest.raises(ConfigError) as caught:
        RemoteKeys(url)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        {"fresh": 29},
        {"fresh": 3601},
        {"fresh": float("nan")},
        {"max_stale": -1},
        {"max_stale": 604_801},
        {"max_stale": float("inf")},
        {"algorithms": []},
        {"algorithms": "ES256"},
        {"algorithms": ["HS256"]},
        {"algorithms": ["ES256", "none"]},
    ],
    ids=repr,
)
def test_settings_that_mean_nothing_are_refused(said: dict[str, Any]) -> None:
    """An HMAC key cannot be public, and a text is no list of names."""
    with pytest.raises(ConfigError):
        RemoteKeys("https://issuer.example.com/jwks.json", **said)


def test_nothing_is_asked_when_it_is_built(world: World) -> None:
    """An import must not depend on another server."""
    keys = world.keys()

    assert f"RemoteKeys({world.issuer.url!r})" == repr(keys)
    assert 0 == world.fetches


def test_algorithms_narrow_what_is_taken(world: World) -> None:
    """What the set holds besides is as good as not there."""
    world.issuer.behaviour = answer(jwks(KEY, RSA))
    keys = world.keys(algorithms=["RS256", "ES256"])

    assert keys.find("r1") is not None
    assert keys.find("k1") is None


def test_an_algorithm_may_be_said_for_keys_that_name_none(world: World) -> None:
    """Large issuers publish RSA keys without ``alg``; guessing is refused."""
    published = json.loads(jwks(RSA))
    del published["keys"][0]["alg"]
    world.issuer.behaviour = answer(json.dumps(published).encode())

    assert world.keys(algorithms=["RS256"]).find("r1") is not None
    assert "auth_unavailable" == outcome(lambda: world.keys().find("r1"))


def test_it_explains_itself(world: World) -> None:
    """In a sentence, at any time, and without asking anybody."""
    keys = world.keys()
    nothing = keys.explain()
    world.issuer.behaviour = answer(jwks(KEY, NEW))
    keys.find("k1")
    world.clock.advance(300)
    good = keys.explain("k2")
    world.issuer.behaviour = answer(b"", status="500 Oops")
    keys.find("k1")
    while "failures" not in (bad := keys.explain("x")):
        time.sleep(0.001)
    where = world.issuer.url

    assert f"{where}: no keys yet." == nothing
    assert (
        f"{where}: kid 'k2' is known; 2 keys (k1, k2), asked for 300 s ago, "
        "usable for 21600 s more." == good
    )
    assert bad.startswith(f"{where}: kid 'x' is not known; 2 keys (k1, k2), ")
    assert "; failures since: 1, the last: HTTP 500; asked again in " in bad


def test_an_address_is_shown_escaped() -> None:
    """A kid comes from a stranger's token."""
    keys = RemoteKeys("https://issuer.example.com/jwks.json")

    assert r"kid 'a\nb' is not known" in keys.explain("a\nb")
    assert "SPARE" not in keys.explain(SPARE.kid)


def test_a_listener_that_fails_changes_nothing(world: World) -> None:
    """It is logged and passed over, as everywhere."""

    def failing(_: Event) -> None:
        raise RuntimeError("mine")

    world.issuer.behaviour = answer(jwks(KEY))
    keys = world.keys(listeners=[failing, world.told.put])

    assert keys.find("k1") is not None
    assert isinstance(world.heard(), KeysFetched)
