"""The whole label log replayed to one subscriber from cursor 0."""

import asyncio
import base64
import os
import sys
import time

from benchmarks.append import fill
from benchmarks.bare import frames
from benchmarks.report import Row, alternate
from benchmarks.service import folder, free_port, labeler, running

LABELS = 51_200


async def receive(port: int, expected: int) -> float:
    """Read `expected` bytes of frames off a raw socket; return the seconds from the upgrade on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    key = base64.b64encode(os.urandom(16)).decode()
    began = time.perf_counter()
    writer.write(
        f"GET /xrpc/com.atproto.label.subscribeLabels?cursor=0 HTTP/1.1\r\nHost: localhost:{port}\r\n"
        f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    received = 0
    while received < expected:
        piece = await reader.read(1 << 20)
        if not piece:
            raise RuntimeError(f"the stream ended after {received} of {expected} bytes")
        received += len(piece)
    spent = time.perf_counter() - began
    writer.close()
    return spent


def measure() -> Row:
    """`LABELS` labels, one a frame; the reference sends the same frames from memory."""
    expected = sum(map(len, frames(LABELS)))

    def ours() -> float:
        with folder() as server:
            asyncio.run(fill(server.folder / "data" / "labels.sqlite", LABELS))
            with labeler(server):
                return LABELS / asyncio.run(receive(server.port, expected))

    def reference() -> float:
        port = free_port()
        with running([sys.executable, "-m", "benchmarks.bare", "stream", str(port), str(LABELS)], port, "/ready"):
            return LABELS / asyncio.run(receive(port, expected))

    return Row("replay to one subscriber", "frames/s", *alternate(ours, reference), "bare aiohttp, frames in memory")
