"""How does a test meet every fault of a provider? By a server that plays them."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

from resilient_auth.clock import Clock, SystemClock
from resilient_auth.testing.faults.answers import turn_away
from resilient_auth.testing.faults.audience import Audience
from resilient_auth.testing.faults.bodies import Speaks
from resilient_auth.testing.faults.catalogue import Fault, named
from resilient_auth.testing.faults.link import Link
from resilient_auth.testing.faults.loop import LoopThread
from resilient_auth.testing.faults.performance import Performance
from resilient_auth.testing.faults.plays import perform
from resilient_auth.testing.faults.reading import Malformed, Seen
from resilient_auth.testing.faults.routes import (
    BASES,
    dialect_of,
    is_known,
    not_found,
)
from resilient_auth.testing.faults.script import Script


@dataclass(slots=True)
class _Running:
    """What a server that was started holds."""

    thread: LoopThread
    port: int
    deaf: socket.socket  # bound, so nobody else can take its port, and not listening
    tls_port: int = 0  # 0: nobody has asked for it


class FaultServer:
    """
    A provider on 127.0.0.1 that speaks as OpenAI and as Anthropic do, and misbehaves.

    ::

        with FaultServer() as server:
            server.play("retry_after", "ok")
            client = OpenAI(base_url=server.url("openai"), api_key="any", max_retries=0)

    *text* is what it answers, in two halves when streamed; it may be changed at any
    time. *clock* tells the dates that it sends. Every method may be called from any
    thread, and those that wait block it; it serves in a thread of its own.
    """

    def __init__(self, text: str = "Hello", *, clock: Clock | None = None) -> None:
        self.text = text
        self._clock: Clock = SystemClock() if clock is None else clock
        self._script = Script()
        self._audience = Audience()
        self._running: _Running | None = None
        self._lock = threading.Lock()  # held while it starts, closes or opens a port

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Listen, on ports that the kernel chooses; twice is once."""
        with self._lock:
            if self._running is not None:
                return
            deaf = socket.socket()
            deaf.bind(("127.0.0.1", 0))
            thread = LoopThread(self._audience)
            port = thread.listen(self._link(tls=False))
            self._running = _Running(thread, port, deaf)

    def close(self) -> None:
        """
        End all connections and the thread; twice is once.

        Raises: TimeoutError if the thread does not end within ten seconds.
        """
        with self._lock:
            running, self._running = self._running, None
            if running is not None:
                running.deaf.close()
                running.thread.close()

    def play(self, *faults: Fault | str) -> None:
        """
        Play *faults*, one for each request and the last for ever.

        Begins anew: `requests` is empty afterwards. Requests for what neither protocol
        has, and what is no request, do not move the script; nor do the faults that no
        request reaches (rows 22 to 24), which last until something else is played.

        Raises: ValueError, which lists the names, for one that does not exist.
        """
        self._script.set(faults)

    def url(self, protocol: Speaks) -> str:
        """Return `url_for` of the fault that is played to the next request."""
        return self.url_for(self._script.current, protocol)

    def url_for(self, fault: Fault | str, protocol: Speaks) -> str:
        """
        Return the base URL for the SDK of *protocol*, where *fault* can be met.

        All faults but those of the rows 22 to 24 share one address.

        Raises: ValueError for an unknown fault or protocol; RuntimeError before
        `start`.
        """
        if protocol not in BASES:
            raise ValueError(f"It speaks {' and '.join(BASES)}, not {protocol!r}.")
        return self._origin(named(fault)) + BASES[protocol]

    @property
    def requests(self) -> list[Seen]:
        """Return the requests that were read whole since `play`, the oldest first."""
        return self._script.seen

    @property
    def connections(self) -> int:
        """Return how many connections of clients are open."""
        return len(self._audience.links())

    def wait_requests(self, count: int = 1, *, timeout: float = 5.0) -> None:
        """
        Block until *count* `requests` were read since `play`.

        Raises: TimeoutError after *timeout* seconds.
        """
        self._script.wait(count, timeout)

    def wait_gone(self, timeout: float = 5.0) -> None:
        """
        Block until no client is connected: also those that are idle in a pool count.

        Raises: TimeoutError after *timeout* seconds.
        """
        self._audience.wait_gone(timeout)

    def _origin(self, fault: Fault) -> str:
        """Return scheme, host and port of *fault*."""
        with self._lock:
            if (running := self._running) is None:
                raise RuntimeError("The server does not run: start it first.")
            match fault.name:
                case "dns_failure":
                    return "http://nowhere.invalid"  # RFC 6761 §6.4: it never resolves
                case "connection_refused":
                    return f"http://127.0.0.1:{running.deaf.getsockname()[1]}"
                case "tls_plaintext":
                    return f"https://127.0.0.1:{running.port}"
                case "tls_self_signed":
                    return f"https://127.0.0.1:{self._tls_port(running)}"
                case _:
                    return f"http://127.0.0.1:{running.port}"

    def _tls_port(self, running: _Running) -> int:
        """Return the port that speaks TLS, which is opened when it is first needed."""
        if not running.tls_port:
            # Few tests want it, and cryptography is large.
            from resilient_auth.testing.faults.certificates import self_signed

            running.tls_port = running.thread.listen(
                self._link(tls=True), tls=self_signed(self._clock.time())
            )
        return running.tls_port

    def _link(self, *, tls: bool) -> Callable[[], Link]:
        decides = partial(self._decide, tls=tls)
        return lambda: Link(decides, met=self._audience.met, lost=self._audience.lost)

    def _decide(self, came: Seen | Malformed, *, tls: bool) -> Performance:
        """Say what answers *came*; called in the server's thread."""
        now = self._clock.time()
        if isinstance(came, Malformed):
            return turn_away(came, now=now)
        plays = is_known(came)
        fault, number = self._script.note(came, plays=plays)
        dialect = dialect_of(came, text=self.text, number=number, now=now)
        if not plays:
            return not_found(came, dialect)
        return perform(fault, dialect, tls=tls)
