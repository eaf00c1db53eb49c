"""The walk: read the input log, judge, sign, append, wake.

Theory of operation. One task owns the judge. It reads records after its position, lets the judge step over them (what
comes out besides labels stays with the oversight), signs the labels and appends them together with the checkpoint,
conditional on the checkpoint it wrote last. What people said and which policy was activated goes into the audit chain
in the same append, labels or not: the checkpoint sees to it that it does so once. When the label log is unavailable
the labels wait in memory and the same append is tried again; nothing is judged meanwhile. Time is an input: at the head
of the log, a timer of the judge that has come due is written to the log as a `Tick` and comes back like everything
else. `Corrupt` is never caught here; it ends the process.
"""

import asyncio
import heapq
import itertools
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from labeler.errors import Unavailable
from labeler.moderation.audit import AuditEntry
from labeler.moderation.audit_words import word_entry
from labeler.ports import Clock, Entry, LabelLog, TelemetryLog
from labeler.reputation.subject import Emission
from labeler.service.observe import Metrics
from labeler.service.oversight import Oversight
from labeler.service.signing import Pen
from labeler.service.wake import Wake, wait

PAGE = 32  # records read at once
MAX_ENTRIES = 256  # labels in one append
SIGN_STRETCH = 64  # labels signed without letting others run
BREATH_SECONDS = 0.05  # how long records are gathered before their labels are written
CHECKPOINT_SECONDS = 1.0  # how often a checkpoint without labels may be written
RETRY_SECONDS = 1.0  # between two tries of a log that is unavailable
TICK_SECONDS = 0.1  # ticks are at least so far apart
IDLE_SECONDS = 30.0  # the longest sleep: a clock that was set forward is noticed by then

log = logging.getLogger(__name__)
issued = logging.getLogger("labeler.issued")


class _Draft(NamedTuple):
    """A label to be, and what people said since the one before it."""

    emission: Emission
    words: tuple[AuditEntry, ...]


class Pipeline:
    """Turns input records into published labels, in order, once."""

    def __init__(
        self,
        telemetry: TelemetryLog,
        labels: LabelLog,
        judge: Oversight,
        pen: Pen,
        clock: Clock,
        arrived: Wake,
        published: Wake,
        metrics: Metrics,
    ) -> None:
        self._telemetry = telemetry
        self._labels = labels
        self._judge = judge
        self._pen = pen
        self._clock = clock
        self._arrived = arrived
        self._published = published
        self._metrics = metrics
        self._checkpoint = 0  # as stored
        self._stored_at = 0.0
        self._ticked_at = 0.0
        self._closing = self._ended = False
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self.position = 0  # everything up to here is judged, and its labels are durable
        self.moved_at = 0.0  # when that last moved, by the loop's clock
        self.failed = False  # whether the newest append failed; readiness asks
        self.held: str | None = None  # why nothing is judged and signed now

    def start(self, checkpoint: int, seq: int) -> None:
        """Begin after `checkpoint`; the judge must have taken every record up to it."""
        self.position = self._checkpoint = checkpoint
        self._metrics.seq.set(seq)
        self._metrics.checkpoint.set(checkpoint)

    async def reached(self, position: int) -> None:
        """Wait until every label that the records up to `position` lead to is published.

        Raises `Unavailable` when the pipeline ends before.
        """
        if position <= self.position:
            return
        if self._ended:
            raise Unavailable("the labeler is shutting down")
        if self.held is not None:
            raise Unavailable(self.held)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (position, next(self._order), waiter))
        await waiter

    def hold(self, reason: str) -> None:
        """Judge and sign nothing until `release`; what comes in meanwhile waits in the input log."""
        self.held = reason

    def release(self) -> None:
        """Go on where `hold` stopped."""
        if self.held is not None:
            self.held = None
            self._arrived.wake()

    def close(self) -> None:
        """Take no more ticks; `run` finishes what the log holds and returns."""
        self._closing = True
        self._arrived.wake()

    async def run(self, tick: Callable[[], Awaitable[int]]) -> None:
        """Judge for ever, or until `close`; `tick` writes a `Tick` to the input log.

        Raises `Corrupt` when a log contradicts itself, and `Unavailable` when one cannot be reached at the end.
        """
        try:
            await self._walk(tick)
        finally:
            self._ended = True
            while self._waiters:
                _, _, waiter = heapq.heappop(self._waiters)
                if not waiter.done():
                    waiter.set_exception(Unavailable("the labeler is shutting down"))

    async def _walk(self, tick: Callable[[], Awaitable[int]]) -> None:
        while True:
            flag = self._arrived.flag()
            if self.held is None and await self._advance():
                continue
            if self._closing:
                await self._store_checkpoint()
                return
            if self.held is not None:
                await wait(flag, IDLE_SECONDS)
            elif self._timer_is_due():
                await self._tick(tick)
            else:
                await self._rest(flag)

    async def _advance(self) -> bool:
        """Judge the next stretch of the log and publish its labels; tell whether there was anything."""
        try:
            page = await self._telemetry.read(self.position, PAGE)
        except Unavailable as error:
            await self._pause("input", error)
            return True
        loop = asyncio.get_running_loop()
        drafts, words, began = list[_Draft](), list[AuditEntry](), loop.time()
        for position, record in page:
            word = word_entry(position, record)
            words += [word] if word is not None else []
            for emission in self._judge.step(position, record):
                drafts.append(_Draft(emission, tuple(words)))
                words = []
            await asyncio.sleep(0)  # readers and reporters come first between two batches
            if len(drafts) >= MAX_ENTRIES or loop.time() - began > BREATH_SECONDS or position == page[-1][0]:
                if drafts or words:
                    await self._append(drafts, position, words)
                self._settle(position)
                drafts, words, began = [], [], loop.time()
        return bool(page)

    async def _append(self, drafts: list[_Draft], position: int, words: Sequence[AuditEntry] = ()) -> None:
        """Sign and write; ends only when it is written, or with `Unavailable` when the process is about to end."""
        entries = []
        for draft in drafts:
            entries.append(self._entry(*draft))
            if len(entries) % SIGN_STRETCH == 0:
                await asyncio.sleep(0)
        seqs: list[int] | None = None
        while seqs is None:
            try:
                seqs = await self._labels.append(entries, expected=self._checkpoint, checkpoint=position, audit=words)
            except Unavailable as error:
                await self._pause("labels", error)
        self.failed = False
        self._checkpoint = position
        self._stored_at = asyncio.get_running_loop().time()
        self._metrics.checkpoint.set(position)
        if seqs:
            self._published.wake()
            self._metrics.seq.set(seqs[-1])
        for seq, draft in zip(seqs, drafts, strict=True):
            self._tell(seq, draft.emission)

    def _entry(self, emission: Emission, words: tuple[AuditEntry, ...]) -> Entry:
        return Entry(
            label=self._pen.sign(emission.label),
            key_id=self._pen.key_id,
            evidence=emission.evidence,
            evidence_cid=emission.evidence_cid,
            actor=emission.actor,
            reason=emission.reason,
            words=words,
        )

    def _settle(self, position: int) -> None:
        self.position = position
        self.moved_at = asyncio.get_running_loop().time()
        self._metrics.input_judged.set(position)
        while self._waiters and self._waiters[0][0] <= position:
            _, _, waiter = heapq.heappop(self._waiters)
            if not waiter.done():
                waiter.set_result(None)

    def _timer_is_due(self) -> bool:
        due = self._judge.due()
        return due is not None and due <= self._clock.now()

    async def _tick(self, tick: Callable[[], Awaitable[int]]) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._ticked_at + TICK_SECONDS - loop.time())
        self._ticked_at = loop.time()
        try:
            await tick()
        except Unavailable as error:
            await self._pause("input", error)

    async def _rest(self, flag: asyncio.Event) -> None:
        """Wait for a record, the next timer, or the moment an idle checkpoint may be written."""
        loop = asyncio.get_running_loop()
        seconds = IDLE_SECONDS
        due = self._judge.due()
        if due is not None:
            seconds = min(seconds, max(0.0, (due - self._clock.now()).total_seconds()))
        if self.position != self._checkpoint:
            seconds = min(seconds, max(0.0, self._stored_at + CHECKPOINT_SECONDS - loop.time()))
        if not await wait(flag, seconds):
            await self._store_checkpoint()

    async def _store_checkpoint(self) -> None:
        """Note how far was judged without a label: a later version of the rules must not judge it again."""
        if self.position != self._checkpoint:
            await self._append([], self.position)

    async def _pause(self, which: str, error: Unavailable) -> None:
        self.failed = True
        self._metrics.storage_failures.labels(which).inc()
        log.error("the %s log is unavailable: %s", which, error)
        if self._closing:
            raise error  # nothing is lost: the next start judges from the stored checkpoint
        await asyncio.sleep(RETRY_SECONDS)

    def _tell(self, seq: int, emission: Emission) -> None:
        label = emission.label
        negated = label.neg is True
        self._metrics.issued(label.val, negated)
        fields = {
            "seq": seq,
            "uri": label.uri,
            "val": label.val,
            "neg": negated,
            "exp": label.exp,
            "actor": emission.actor,
            "evidence": emission.evidence_cid,
        }
        issued.info("label %d: %s%s", seq, "-" if negated else "", label.val, extra={"fields": fields})
