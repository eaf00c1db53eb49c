"""One subscriber's socket: written without unbounded buffers, watched for being stuck or gone.

Being slow is not being stuck. A consumer that follows a rate limit of its own may take a few labels a second for hours;
as long as bytes leave for it, it is served. Stuck is a socket into which nothing has moved for a while, gone is a peer
that has fallen silent although nothing is queued for it.
"""

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from typing import NamedTuple

from aiohttp import WSMsgType, web

from labeler.service.pages import binary_message

MISSED_PINGS = 1.5  # a pong is missed when the next ping is due; this tells at the second
CLOSE_SECONDS = 5.0  # how long a peer may take to answer our close frame
MAX_CLIENT_MESSAGE_BYTES = 64 * 1024  # clients have nothing to say on this stream


class Patience(NamedTuple):
    """Seconds between pings, until a socket without progress is stuck, until a silent peer with unread data is gone."""

    ping: float = 30.0
    stuck: float = 30.0
    silent: float = 600.0


class Peer:
    """The sending side of one subscription."""

    def __init__(self, request: web.Request, ws: web.WebSocketResponse, patience: Patience, buffer_bytes: int) -> None:
        """Wrap an upgraded connection; the kernel may hold about `buffer_bytes` for it."""
        self._request = request
        self._ws = ws
        self._patience = patience
        self._heard = self._wrote = self._pinged = asyncio.get_running_loop().time()
        self._asked: float | None = None  # when the oldest ping went out that nothing has come back after
        self._socket = request.get_extra_info("socket")
        if self._socket is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)

    async def listen(self) -> None:
        """Answer pings, ignore everything else a client may send, return when the connection ends."""
        async for message in self._ws:
            self._heard, self._asked = asyncio.get_running_loop().time(), None
            if message.type is WSMsgType.PING:
                try:
                    async with asyncio.timeout(self._patience.stuck):
                        await self._ws.pong(message.data)
                except TimeoutError:  # it asked for pongs and never read them
                    self.abort()
                    return

    async def write(self, data: bytes) -> bool:
        """Write whole WebSocket messages and wait for room for more; False when the socket is stuck.

        Raises `ConnectionError` when the connection is lost.
        """
        transport = self._transport()
        transport.write(data)
        if transport.get_write_buffer_size():
            # A task that is never cancelled: aiohttp waits on a future of the connection, which must outlive one try.
            draining = asyncio.create_task(self._drain())
            queued = self._queued(transport)
            while not (await asyncio.wait({draining}, timeout=self._patience.stuck))[0]:
                left = self._queued(transport)
                if left >= queued:
                    return False
                queued = left
            self._transport()
        self._wrote = asyncio.get_running_loop().time()
        return True

    def until_ping(self) -> float:
        """Seconds until the next ping is due, 0 when it is. A busy stream has pings, too: its peer may be gone."""
        return max(0.0, self._pinged + self._patience.ping - asyncio.get_running_loop().time())

    async def ping(self) -> bool:
        """Keep a connection alive; False when earlier pings went unanswered for too long.

        Pongs come in order, behind everything the peer has not read yet: one that was sent labels since we last heard
        of it may be working through them, and gets more time.
        """
        now = self._pinged = asyncio.get_running_loop().time()
        if self._asked is None:
            self._asked = now
        busy = self._wrote > self._heard
        if now - self._asked > (self._patience.silent if busy else MISSED_PINGS * self._patience.ping):
            return False
        try:
            async with asyncio.timeout(self._patience.stuck):
                await self._ws.ping()
        except TimeoutError:
            return False
        return True

    async def close(self, code: int, reason: str, last: bytes | None = None) -> None:
        """Send a last message, if any, and close; a peer that does not take part is cut off."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                if last is not None:
                    self._transport().write(binary_message(last))
                await self._ws.close(code=code, message=reason.encode())
        except (TimeoutError, ConnectionError):
            self.abort()

    def abort(self) -> None:
        """Cut the connection."""
        transport = self._request.transport
        if transport is not None:
            transport.abort()

    async def _drain(self) -> None:
        """Wait for room in the connection's buffer, or for its end."""
        with contextlib.suppress(ConnectionError):
            await self._request.writer.drain()

    def _transport(self) -> asyncio.Transport:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the peer is gone")
        return transport

    def _queued(self, transport: asyncio.Transport) -> int:
        """Bytes not yet acknowledged: in our buffer, and in the kernel's where it tells (Linux: SIOCOUTQ)."""
        queued = transport.get_write_buffer_size()
        if self._socket is not None:
            try:
                raw = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
                queued += struct.unpack("i", raw)[0]
            except OSError:
                pass
        return queued
