"""An issuer of keys on 127.0.0.1 that answers as the test says, well or badly."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from resilient_auth import Key, KeyRing

Behaviour = Callable[[socket.socket], None]


def jwks(*keys: Key) -> bytes:
    """Return the public set of *keys*."""
    published = [jwk for key in keys for jwk in KeyRing([key]).jwks()["keys"]]
    return json.dumps({"keys": published}).encode()


def answer(
    body: bytes, *, status: str = "200 OK", headers: Iterable[str] = (), cut: int = 0
) -> Behaviour:
    """Return a behaviour: one answer, *cut* bytes short."""
    head = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body)}",
        "Content-Type: application/json",
        *headers,
    ]
    raw = "\r\n".join(head).encode() + b"\r\n\r\n" + body
    return lambda sock: sock.sendall(raw[: len(raw) - cut])


class Issuer:
    """A server that counts requests; `behaviour` may be changed between them."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.behaviour: Behaviour = answer(b'{"keys":[]}')
        self.requests: list[bytes] = []
        self.closing = threading.Event()
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listening.getsockname()[1]}/jwks.json"

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every behaviour and wait for it."""
        self.closing.set()
        with contextlib.suppress(OSError):  # not on every system is it connected
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(10)

    def hold(self, then: Behaviour) -> threading.Event:
        """Let answers wait for the event that is returned, and then be *then*."""
        let_go = threading.Event()

        def held(sock: socket.socket) -> None:
            while not let_go.wait(0.01) and not self.closing.is_set():
                pass
            then(sock)

        self.behaviour = held
        return let_go

    def trickle(self, head: bytes, drop: bytes) -> None:
        """Send *head*, and then *drop* again and again, for ever."""

        def trickling(sock: socket.socket) -> None:
            sock.sendall(head)
            while not self.closing.wait(0.01):
                sock.sendall(drop)

        self.behaviour = trickling

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: Any) -> None:
        with contextlib.suppress(OSError), sock:
            sock.settimeout(10)
            served = (
                self._tls.wrap_socket(sock, server_side=True) if self._tls else sock
            )
            with served:
                self.requests.append(served.recv(65_536))
                self.behaviour(served)
