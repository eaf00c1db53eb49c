"""`labeler audit verify`: both logs read once, side by side, and held against the audit chain.

It may stand beside the process that writes them: what comes in while it reads is left for the next time.
"""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from labeler.errors import Corrupt
from labeler.moderation.audit import Head
from labeler.moderation.audit_verification import Extent, Verification
from labeler.ports import LabelLog, TelemetryLog

PAGE: Final = 1_000  # entries or labels read at once
RECORDS: Final = 64  # records of the input log read at once

_Row = TypeVar("_Row")


class Verdict(NamedTuple):
    """Where the chain ends, how many labels and words were compared with it, and the first place that is wrong."""

    head: Head
    labels: int
    words: int
    fault: str | None


async def verify(
    labels: LabelLog, telemetry: TelemetryLog, pins: Mapping[int, bytes], progress: Callable[[float], None]
) -> Verdict:
    """Verify the chain; `progress` is told the share done. What contradicts itself is a fault. Raises `Unavailable`."""
    extent = await _extent(labels)
    verification = Verification(extent, await labels.unchained(), pins)
    try:
        await _feed(verification, extent, labels, telemetry, progress)
    except Corrupt as error:
        verification.fault = verification.fault or str(error)
    return Verdict(extent.chain, verification.labels, verification.words, verification.fault)


async def _feed(
    verification: Verification,
    extent: Extent,
    labels: LabelLog,
    telemetry: TelemetryLog,
    progress: Callable[[float], None],
) -> None:
    kept = _Rows(lambda after: labels.kept(after, PAGE), lambda row: row.seq)
    words = _Rows(lambda after: telemetry.read(after, RECORDS), lambda row: row[0])

    n = 0

    async def catch_up(seq: int, position: int) -> None:
        async for row in kept.up_to(seq):
            verification.kept(row)
        async for place, record in words.up_to(position):
            verification.word(place, record)
            progress((n + place) / (extent.chain.n + extent.checkpoint))

    while n < extent.chain.n and verification.fault is None:
        page = [link for link in await labels.audit(n, PAGE) if link.n <= extent.chain.n]
        if not page:
            break
        for link in page:
            verification.link(link)
        n = page[-1].n
        if verification.fault is None:
            await catch_up(min(verification.last_seq, extent.seq), min(verification.last_position, extent.checkpoint))
            verification.settle()
    if verification.fault is None:
        await catch_up(extent.seq, extent.checkpoint)
    verification.end()


class _Rows(Generic[_Row]):
    """A log read page by page, each row once, up to where one is wanted."""

    def __init__(self, read: Callable[[int], Awaitable[Sequence[_Row]]], place: Callable[[_Row], int]) -> None:
        self._read = read
        self._place = place
        self._after = 0
        self._page = deque[_Row]()

    async def up_to(self, last: int) -> AsyncIterator[_Row]:
        """Give the next rows whose place is `last` or before."""
        while self._after < last or self._page:
            if not self._page:
                self._page.extend(await self._read(self._after))
                if not self._page:
                    return
                self._after = self._place(self._page[-1])
            if self._place(self._page[0]) > last:
                return
            yield self._page.popleft()


async def _extent(labels: LabelLog) -> Extent:
    """How far the logs go, all at one moment: every append that lengthens the chain for a log moves its bounds."""
    while True:
        before, chain, after = await labels.bounds(), await labels.audit_head(), await labels.bounds()
        if before == after:
            return Extent(chain, after.head, after.floor, after.checkpoint)
