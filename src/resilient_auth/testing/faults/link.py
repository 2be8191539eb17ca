"""
How is a performance given? One connection of a client, and all that can be done to it.

A link notices when its client leaves without reading what it sent: that is what every
silence waits for. It runs in the loop of the server's thread.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

from resilient_auth.testing.faults.performance import Ending, Performance
from resilient_auth.testing.faults.reading import (
    MAX_HEAD,
    Malformed,
    Seen,
    read_request,
)

_BEAT = 0.02  # seconds between two keep-alives
_AT_ONCE = struct.pack("ii", 1, 0)  # linger for no time: close by RST
_DISCARDED = 65_536  # bytes read at once of what nobody wants

#: Decides what answers a request, or what is none; called in the loop's thread.
Decides = Callable[[Seen | Malformed], Performance]


class Link(asyncio.StreamReaderProtocol):
    """
    One connection: it reads requests and performs what *decides* says.

    *met* and *lost* are called with it when it begins and when it is gone.
    """

    def __init__(
        self,
        decides: Decides,
        *,
        met: Callable[["Link"], None],
        lost: Callable[["Link"], None],
    ) -> None:
        super().__init__(asyncio.StreamReader(limit=MAX_HEAD), self._connected)
        self._decides = decides
        self._met = met
        self._lost = lost
        self._left = asyncio.Event()  # the client closed its side, or all is closed
        self._serving: asyncio.Task[None] | None = None

    def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Begin to serve."""
        # A drain then waits until the kernel has everything, so that we drop nothing
        # when we reset; what the kernel has not sent by then is lost, as in life.
        writer.transport.set_write_buffer_limits(high=0)
        self._reader, self._writer = reader, writer
        self._met(self)
        self._serving = asyncio.get_running_loop().create_task(self._serve())

    def eof_received(self) -> bool | None:
        """Note that the client closed its side."""
        self._left.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone."""
        self._left.set()
        super().connection_lost(exc)
        self._lost(self)

    def abort(self) -> None:
        """Close the connection at once, whatever it is doing."""
        self._writer.transport.abort()

    async def _serve(self) -> None:
        """Answer requests until one of the two sides has enough."""
        try:
            with contextlib.suppress(OSError):
                await self._converse()
        finally:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def _converse(self) -> None:
        try:
            while (seen := await read_request(self._reader)) is not None:
                again = await self._perform(self._decides(seen))
                if not again or "close" in seen.headers.get("connection", "").lower():
                    return
        except Malformed as bad:
            await self._perform(self._decides(bad))

    async def _perform(self, performance: Performance) -> bool:
        """Give *performance*; say whether the connection takes another request."""
        for piece in performance.pieces:
            await self._send(piece)
        match performance.ending:
            case Ending.RESET:
                self._reset()
            case Ending.SILENCE:
                await self._left.wait()
            case Ending.PULSE:
                await self._beat(performance.pulse)
            case Ending.LINGER:
                await self._linger()
        return performance.ending is Ending.NEXT

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def _beat(self, pulse: bytes) -> None:
        """Send *pulse* again and again, until the client leaves."""
        while not self._left.is_set():
            await self._send(pulse)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), _BEAT)

    def _reset(self) -> None:
        """Close so that the client's next read is a ConnectionResetError."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._writer.transport.abort()

    async def _linger(self) -> None:
        """
        Send no more, and wait until the client has read all of it and closes.

        Closed over bytes that were not read, the answer would be lost in an RST.
        """
        if self._writer.can_write_eof():
            self._writer.write_eof()
            while await self._reader.read(_DISCARDED):
                pass
