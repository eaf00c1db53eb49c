"""What readers that never read cost the labeler: seen only on its own machine, by the process id."""

import asyncio
import socket
from pathlib import Path
from urllib.parse import urlsplit

from conformance.checks import NotApplicable, check, expect
from conformance.trial import SUBSCRIBE, Trial

LABELS = 1600  # with the length of their subjects, more than any kernel takes over from the labeler
SUBJECT_BYTES = 2000
STALLED = 20
ALLOWED_EACH = 1 << 20
AT_ONCE = 16  # labels being issued
WATCH_S = 2.0
PAGE_BYTES = 4096


def resident(pid: int) -> int:
    """Bytes of memory a process holds. Raises `NotApplicable` where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except (OSError, IndexError, ValueError):
        raise NotApplicable("the memory of that process cannot be seen from here") from None


async def stall(trial: Trial, cursor: int) -> socket.socket:
    """Open a stream with as little room as the system allows, and read no message from it."""
    address = urlsplit(trial.url)
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(opened, (address.hostname, address.port or 80))
    request = (
        f"GET /xrpc/{SUBSCRIBE}?cursor={cursor} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await loop.sock_sendall(opened, request.encode())
    answer = await loop.sock_recv(opened, 64)
    expect(answer.startswith(b"HTTP/1.1 101"), f"the stream was not opened: {answer!r}")
    return opened


@check(145, 146, seconds=120.0)
async def stalled_readers(trial: Trial) -> None:
    """Readers that do not read cost the labeler no more than a fixed buffer each."""
    if trial.pid is None:
        raise NotApplicable("the labeler's process id is not known (--pid)")
    specimens = await trial.specimens()
    gate = asyncio.Semaphore(AT_ONCE)

    async def issue(number: int) -> None:
        async with gate:
            await trial.issuer.apply(trial.subject(f"{number:05}.".ljust(SUBJECT_BYTES, "x")))

    await asyncio.gather(*(issue(number) for number in range(LABELS)))
    before = most = resident(trial.pid)
    stalled = [await stall(trial, specimens.before) for _ in range(STALLED)]
    try:
        for _ in range(int(WATCH_S / 0.25)):
            await asyncio.sleep(0.25)
            most = max(most, resident(trial.pid))
    finally:
        for each in stalled:
            each.close()
    grown = (most - before) // STALLED
    expect(grown <= ALLOWED_EACH, f"each of {STALLED} readers that read nothing costs {grown / 1e6:.1f} MB")
