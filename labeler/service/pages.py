"""Stretches of the label log as bytes ready for a socket, shared by every subscriber standing at the same place.

A thousand subscribers woken by one label ask for the same page; it is read, framed and joined once. Pages live until
the next wake-up, so nobody is served a page that an append has overtaken, and no longer than a moment, so that a
wake-up which never comes is made up for by whoever asks next.
"""

import asyncio
from typing import NamedTuple

from labeler.atproto.frames import labels_frame
from labeler.ports import LabelLog
from labeler.service.wake import Wake

PAGE = 512  # labels read at once
PAGE_BYTES = 256 * 1024  # about as much is written to a socket at once
KEEP_SECONDS = 1.0  # how old a page may be, wake-up or not
MAX_PAGES = 64  # kept at a time; subscribers catching up stand at many places

_BINARY = 0x82  # FIN and opcode 2 (RFC 6455 §5.2)


class Page(NamedTuple):
    """Labels after a cursor: WebSocket messages back to back, how many they are, and the last seq among them."""

    data: bytes
    labels: int
    last: int


class Pages:
    """Reads pages after a cursor; one read at a time for each cursor."""

    def __init__(self, labels: LabelLog, published: Wake) -> None:
        self._labels = labels
        self._published = published
        self._flag = published.flag()
        self._since = 0.0  # when the oldest page was asked for, by the loop's clock
        self._reads: dict[int, asyncio.Task[Page]] = {}

    async def after(self, cursor: int) -> Page:
        """Read labels with seq > `cursor`; an empty page means the head. Raises `Unavailable`."""
        flag, now = self._published.flag(), asyncio.get_running_loop().time()
        if flag is not self._flag or now - self._since > KEEP_SECONDS:
            self._flag, self._since = flag, now
            self._reads = {}
        read = self._reads.get(cursor)
        if read is None:
            if len(self._reads) >= MAX_PAGES:
                del self._reads[next(iter(self._reads))]
            read = self._reads[cursor] = asyncio.create_task(self._read(cursor))
            read.add_done_callback(_mark_seen)
        try:
            return await asyncio.shield(read)  # one reader leaving must not take the page from the others
        except Exception:
            if self._reads.get(cursor) is read:
                del self._reads[cursor]  # the next one tries again
            raise

    async def _read(self, cursor: int) -> Page:
        pieces: list[bytes] = []
        last, size = cursor, 0
        for sequenced in await self._labels.read(cursor, PAGE):
            message = binary_message(labels_frame(sequenced.seq, sequenced.body))
            pieces.append(message)
            last = sequenced.seq
            size += len(message)
            if size >= PAGE_BYTES:
                break
        return Page(b"".join(pieces), len(pieces), last)


def binary_message(payload: bytes) -> bytes:
    """Wrap `payload` as one unmasked, uncompressed binary WebSocket message (RFC 6455 §5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((_BINARY, size)) + payload
    if size < 1 << 16:
        return bytes((_BINARY, 126)) + size.to_bytes(2) + payload
    return bytes((_BINARY, 127)) + size.to_bytes(8) + payload


def _mark_seen(read: asyncio.Task[Page]) -> None:
    """Take note of a failure even when every reader has left, so that the loop does not complain of it."""
    if not read.cancelled():
        read.exception()
