"""
Whose circuits are open elsewhere? One Redis or Valkey tells all processes.

Theory of operation
-------------------
Every process decides alone, and tells the others only what changed: *open for so long*,
or *closed*. No call ever waits for Redis. A daemon thread talks to it, with one Lua
script that writes what changed here and returns every circuit that is open anywhere;
the thread runs it at once when a circuit opens or closes, and else about three times a
second.

::

    Resilience ── events ──► listener ──► pending ──┐          ┌───────────────────┐
        ▲                                           ├─ thread ─┤ {prefix}:circuits │
        └── open_elsewhere, end_wait ◄── entries ◄──┘          │ a hash by key     │
                                                               └───────────────────┘

* **Epoch.** Each opening in the hash has one, taken from the server's clock and always
  higher than the last. Who writes without having seen the newest is *stale*, and cannot
  replace an opening that lasts longer: a quota that ends in an hour outlives fifteen
  seconds, in whatever order the two arrive.
* **Time.** Only the server's own. Readers are told the milliseconds that are left, and
  wait up to a tenth longer, so that processes do not probe in step.
* **Newer epoch**: the circuit here opens, or stays open for longer. **Entry gone before
  its time**: somebody closed it; the wait here ends, and the next call is a probe that
  decides. **Entry ended**: nothing; each process probes when its own wait is over.
* **Redis gone**: each process goes on alone. What changes meanwhile is kept, and told
  later if it still holds.

Nothing here takes a lock that is held while Redis is spoken to: `pending` is filled
with single steps of a dict, and everything else belongs to the thread.
"""

import hashlib
import logging
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import ref

from resilient_auth.clock import SystemClock
from resilient_auth.core import arguments
from resilient_auth.errors import ConfigError
from resilient_auth.events import BreakerClosed, BreakerOpened, Event
from resilient_auth.resilience.forks import watch
from resilient_auth.resilience.lane import Lane, Lanes

_log = logging.getLogger("resilient_auth")

_JITTER = 0.1
_LONGEST_KIND = 64
_MOST_PENDING = 10_000  # while Redis is gone; as many keys as a `Resilience` keeps
_ANY = 2**53 - 1  # an epoch that no other is newer than, exact in Lua
_LONGEST_JOIN = 1.0  # seconds; a thread that waits for a dead server ends by itself

#: (field, epoch last seen, open for ms or 0 to close, kind, …) → the epochs given to
#: them, 0 where nothing was opened, and (field, epoch, ms left, kind, …) of all that is
#: open. The hash goes with its last circuit, and after a day in which nobody looks.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function read(row)
  local epoch, ends, kind = string.match(row or '', '^(%d+) (%d+) (.*)$')
  return tonumber(epoch or 0), tonumber(ends or 0), kind
end

local given = {}
for n = 1, #ARGV, 4 do
  local seen, open_for = tonumber(ARGV[n + 1]), tonumber(ARGV[n + 2])
  local epoch, ends = read(redis.call('HGET', KEYS[1], ARGV[n]))
  local mine = 0
  if seen >= epoch or ends - now < open_for then
    if open_for > 0 then
      mine = math.max(now, epoch + 1)
      local row = string.format('%d %d %s', mine, now + open_for, ARGV[n + 3])
      redis.call('HSET', KEYS[1], ARGV[n], row)
    else
      redis.call('HDEL', KEYS[1], ARGV[n])
    end
  end
  given[#given + 1] = mine
end

local open, last = {}, 0
local rows = redis.call('HGETALL', KEYS[1])
for n = 1, #rows, 2 do
  local epoch, ends, kind = read(rows[n + 1])
  if ends > now then
    for _, each in ipairs({rows[n], epoch, ends - now, kind}) do
      open[#open + 1] = each
    end
    last = math.max(last, ends)
  else
    redis.call('HDEL', KEYS[1], rows[n])
  end
end
if last > 0 then
  local day = 86400000
  local kept_until = now + redis.call('PTTL', KEYS[1])
  if kept_until < math.min(last, now + day / 2) then
    local keep_until = string.format('%d', math.min(last, now + day))
    redis.call('PEXPIREAT', KEYS[1], keep_until)
  end
end
return {given, open}
"""
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class ScriptRunner(Protocol):
    """What `SharedState` needs of a client: a synchronous one of redis or valkey."""

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run the script that the server knows as *sha*."""
        ...

    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run *script*."""
        ...


class Elsewhere(str):
    """
    The kind of an opening that was decided elsewhere, and is not to be told again.

    An event may reach its listeners in any thread that uses the circuit, so that the
    thread cannot tell whose opening it was.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Change:
    """What happened here: open until *until* by our clock, or closed (None)."""

    seen: int
    until: float | None
    kind: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """
    A circuit that is open somewhere.

    Its end lies between *sure_until* and *ends_at*, by our clock: an answer is as old
    as its journey is long.
    """

    epoch: int
    sure_until: float
    ends_at: float
    kind: str


class SharedState:
    """
    Shares the circuits of one `Resilience` with all processes that give it the name.

    *redis_client* is a synchronous client of Redis or Valkey, in async services too: a
    thread of its own uses it, and calls never wait for it. Give it short timeouts and
    few retries; it stays yours to close. One hash per name is kept under *prefix*.
    Others hear of an opening at their next look, *every* so many seconds (0.7 to 1.4
    times that).

    While Redis is gone each process goes on alone; one line of the log says so, and one
    that it is back. A forked child shares by a thread of its own.

    Raises `ConfigError` for an asyncio client, and when a second `Resilience` takes it.
    """

    def __init__(
        self,
        redis_client: ScriptRunner,
        *,
        prefix: str = "resilient-auth",
        every: float = 0.35,
        roll: Callable[[], float] = random.random,
    ) -> None:
        arguments.methods("SharedState", redis_client, "evalsha", "eval")
        if arguments.is_awaited(getattr(redis_client, "execute_command", None)):
            raise ConfigError(
                "SharedState takes a synchronous client, such as redis.Redis, and not "
                "one of asyncio: a thread of its own talks to Redis, so that no call "
                "and no event loop ever waits for it."
            )
        arguments.text("prefix", prefix)
        arguments.seconds("every", every)
        self._client = redis_client
        self._prefix = prefix
        self._every = every
        self._roll = roll
        self._now = SystemClock().monotonic
        self._name = ""
        self._hash = b""
        self._lanes: Callable[[], Lanes | None] = _nobody
        self._pending: dict[str, _Change] = {}
        self._entries: dict[str, _Entry] = {}
        self._seen: dict[str, int] = {}  # the epoch that the circuit here knows
        self._reached = True
        self._closed = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def attach(self, name: str, lanes: Lanes) -> None:
        """
        Share the circuits of *lanes* under *name*, from now on.

        The lanes are not kept alive. Raises `ConfigError` the second time.
        """
        if self._name:
            raise ConfigError(
                f"This SharedState belongs to the Resilience {self._name!r}; give each "
                "its own, they may use one client."
            )
        self._name = name
        self._hash = f"{self._prefix}:circuits:".encode() + _to_field(name)
        self._lanes = ref(lanes)
        watch(self)
        self.start()

    def listener(self, event: Event, /) -> None:
        """Take note of a circuit that opened or closed here; never waits."""
        if isinstance(event, BreakerOpened):
            if not isinstance(event.kind, Elsewhere):
                self._tell(event.key, self._now() + event.retry_in, event.kind)
        elif isinstance(event, BreakerClosed):
            self._tell(event.key, None, "")

    def command(self, key: str, seconds: float | None) -> None:
        """
        Tell what an operator did by hand, whatever anybody else knows; never waits.

        The circuit of *key* is open for *seconds*, or closed (None).
        """
        until = None if seconds is None else self._now() + seconds
        self._tell(key, until, "operator", seen=_ANY)

    def welcome(self, lane: Lane) -> None:
        """Open the circuit of a new *lane* if it is open elsewhere; never waits."""
        entry = self._entries.get(lane.key)
        if entry is not None and not self._closed:
            self._open(lane, entry)

    def begin_in_child(self) -> None:
        """Share by a thread of its own, in a child that was forked."""
        self.start()

    def start(self) -> None:
        """Start the thread; called by `attach`, and in a child after a fork."""
        if self._closed:
            return
        self._pending.clear()  # after a fork these are the parent's to tell
        wake = self._wake = threading.Event()
        me = ref(self, lambda _: wake.set())
        self._thread = threading.Thread(
            target=_share, args=(me, wake), name="resilient-auth circuits", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """
        Stop sharing, for good; each circuit goes on alone.

        May be called again, and from any thread. Waits for the script under way, at
        most a second.
        """
        self._closed = True
        self._wake.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_LONGEST_JOIN)

    def _tell(
        self, key: str, until: float | None, kind: str, *, seen: int | None = None
    ) -> None:
        """Keep the latest change of *key* for the thread, and wake it."""
        pending = self._pending
        if self._closed or (len(pending) >= _MOST_PENDING and key not in pending):
            return
        seen = self._seen.get(key, 0) if seen is None else seen
        pending[key] = _Change(seen, until, kind)
        self._wake.set()

    # ------------------------------------------------------------ in the thread

    def share(self) -> float | None:
        """
        Tell and hear once; return the seconds to the next time, None for never.

        Called by the thread. Whatever fails is Redis being gone, and is logged once.
        """
        lanes = self._lanes()
        if self._closed or lanes is None:
            return None
        changes = self._take()
        sent_at = self._now()
        try:
            answer = self._run(_to_arguments(changes, now=sent_at))
            self._follow(lanes, changes, answer, sent_at=sent_at)
        except Exception as error:  # noqa: BLE001 - the thread must live on
            for key, change in changes.items():
                self._pending.setdefault(key, change)  # unless there is a newer one
            self._note(reached=False, why=type(error).__name__)
        else:
            self._note(reached=True)
        return self._every * (0.7 + 0.7 * self._roll())

    def _take(self) -> dict[str, _Change]:
        """Take what is to be told and still holds."""
        taken: dict[str, _Change] = {}
        while self._pending:
            key, change = self._pending.popitem()
            taken[key] = change
        now = self._now()
        return {
            key: change
            for key, change in taken.items()
            if change.until is None or change.until > now
        }

    def _run(self, said: list[bytes | int]) -> Any:
        """Run the script; it is sent whole to a server that does not know it."""
        try:
            return self._client.evalsha(_SHA, 1, self._hash, *said)
        except Exception as error:
            if type(error).__name__ != "NoScriptError":
                raise
        return self._client.eval(_SCRIPT, 1, self._hash, *said)

    def _follow(
        self, lanes: Lanes, changes: dict[str, _Change], answer: Any, *, sent_at: float
    ) -> None:
        """Do here what was done elsewhere."""
        given, rows = answer
        entries = _read_entries(rows, sent_at=sent_at, now=self._now())
        for key, epoch in zip(changes, given, strict=True):
            if epoch:
                self._seen[key] = int(epoch)
        before, self._entries = self._entries, entries
        for key, entry in entries.items():
            lane = lanes.find(key)
            if lane is not None and entry.epoch > self._seen.get(key, 0):
                self._open(lane, entry)
        for key in [key for key in list(self._seen) if key not in entries]:
            del self._seen[key]
            lane, gone = lanes.find(key), before.get(key)
            ours = key in changes or key in self._pending
            if lane is None or gone is None or ours:
                continue
            if self._now() < gone.sure_until:
                lane.breaker.end_wait()

    def _open(self, lane: Lane, entry: _Entry) -> None:
        """Open the circuit of *lane* for what is left of *entry*, and a little more."""
        left = entry.ends_at - self._now()
        if left > 0:
            seconds = left * (1.0 + _JITTER * self._roll())
            lane.breaker.open_elsewhere(Elsewhere(entry.kind), seconds)
            self._seen[lane.key] = entry.epoch

    def _note(self, *, reached: bool, why: str = "") -> None:
        """Log when Redis goes and when it returns; never what it said."""
        if reached == self._reached:
            return
        self._reached = reached
        if reached:
            _log.info("The circuits of %r are shared again", self._name)
        else:
            _log.warning(
                "The circuits of %r are not shared for now, each process goes on "
                "alone: Redis failed with %s",
                self._name,
                why,
            )


def _share(me: Callable[[], SharedState | None], wake: threading.Event) -> None:
    """Share for as long as somebody keeps what *me* refers to."""
    while True:
        wake.clear()
        shared = me()
        pause = None if shared is None else shared.share()
        del shared  # while we wait, nobody is kept alive by us
        if pause is None:
            return
        wake.wait(pause)


def _nobody() -> None:
    """Return what a dead reference does."""


# ------------------------------------------------------------ what Redis is told


def _to_arguments(changes: dict[str, _Change], *, now: float) -> list[bytes | int]:
    """Return the arguments of the script."""
    said: list[bytes | int] = []
    for key, change in changes.items():
        left = 0.0 if change.until is None else max(change.until - now, 0.001)
        kind = _to_field(change.kind)[:_LONGEST_KIND]
        said += [_to_field(key), change.seen, int(left * 1000), kind]
    return said


def _read_entries(rows: list[Any], *, sent_at: float, now: float) -> dict[str, _Entry]:
    """Return what is open somewhere, by key."""
    entries: dict[str, _Entry] = {}
    for n in range(0, len(rows), 4):
        field, epoch, left, kind = rows[n : n + 4]
        seconds = int(left) / 1000
        with suppress(UnicodeError):  # no field of ours: it has no key
            entries[_to_key(field)] = _Entry(
                epoch=int(epoch),
                sure_until=sent_at + seconds,
                ends_at=now + seconds,
                kind=_to_text(kind)[:_LONGEST_KIND],
            )
    return entries


def _to_field(text: str) -> bytes:
    r"""
    Return *text* in ASCII, which every client sends and decodes alike.

    >>> _to_field("gpt-4o"), _to_field("Zürich\n")
    (b'gpt-4o', b'Z\\xfcrich\\n')
    """
    return text.encode("unicode_escape")


def _to_key(field: bytes | str) -> str:
    """Return the text of which `_to_field` made *field*."""
    return _to_text(field).encode("ascii").decode("unicode_escape")


def _to_text(said: bytes | str) -> str:
    """Return text, whether the client decodes its answers or not."""
    return said if isinstance(said, str) else said.decode("ascii", "replace")
