"""Who signs, and with which key: labels of our own source only, and never a signature of a key we no longer have.

Theory of operation. After the label key was changed, the log still holds signatures of the old one, which nobody can
verify any more (label spec §Signature Lifecycle). `Rotation` stands before such a log: whatever is read through it is
signed anew on the way, and behind the readers' backs the log itself is signed anew, batch by batch, until there is
nothing left to do. Signing again changes `sig` and nothing else. Where every label is of the present key, which is
asked once at the start, readers have the bare log and pay nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from labeler.atproto.label import Label, sign_label
from labeler.errors import Corrupt, Unavailable
from labeler.moderation.audit import AuditEntry, Head, Kept, Link, Unchained
from labeler.ports import Bounds, Entry, LabelLog, LabelQuery, Resigned, Sequenced, Signer
from labeler.service.observe import Metrics

BATCH: Final = 64  # labels signed anew in one transaction, a few milliseconds
BREATH_SECONDS = 0.005  # between two batches: readers and the pipeline come first
RETRY_SECONDS = 1.0  # between two tries of a log that is unavailable

log = logging.getLogger(__name__)


class Pen:
    """Signs labels of one source, ours, and of no other."""

    def __init__(self, signer: Signer, src: str) -> None:
        self.signer = signer
        self.src = src

    @property
    def key_id(self) -> str:
        """The did:key of the label key."""
        return self.signer.key_id

    def sign(self, label: Label) -> Label:
        """Return `label` signed; raises `Corrupt` when it speaks for somebody else."""
        if label.src != self.src:
            raise Corrupt(f"asked to sign a label of {label.src}; this labeler is {self.src}")
        return sign_label(label, self.signer)

    def sign_head(self, head: Head) -> bytes:
        """Sign where the audit chain of our source ends: 64 bytes r‖s."""
        return self.signer.sign(head.to_bytes(self.src))


class Rotation:
    """A `LabelLog` seen through the present key, over one that holds labels of older keys."""

    def __init__(self, labels: LabelLog, pen: Pen, head: int, metrics: Metrics) -> None:
        """Stand before `labels`, whose newest seq is `head` now: what comes later is signed by `pen` already."""
        self._labels = labels
        self._pen = pen
        self._head = head
        self._metrics = metrics
        self._clean = 0  # up to this seq the log itself holds no other key's signature

    async def run(self, held: Callable[[], object] = lambda: None) -> None:
        """Sign the log anew, and return when no label of another key is left in it.

        While `held` tells a reason (the key published for us is not this one), nothing is signed.
        """
        log.info("the label key has changed; signing anew", extra={"fields": {"key": self._pen.key_id}})
        after, total = 0, 0
        while True:
            if held() is not None:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                batch = await self._labels.resign(self._pen.signer, self._pen.src, after, BATCH)
            except Unavailable as error:
                self._metrics.storage_failures.labels("labels").inc()
                log.error("the label log is unavailable: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            total += batch.labels
            self._metrics.resigned.inc(batch.labels)
            self._clean = max(self._clean, batch.last)
            if batch.done and not after:
                break
            after = 0 if batch.done else batch.last  # the last look goes over the whole log
            await asyncio.sleep(BREATH_SECONDS)
        log.info("every label is signed by the present key", extra={"fields": {"signed": total}})

    async def read(self, after: int, limit: int) -> Sequence[Sequenced]:
        """Read, signed by the present key."""
        clean = self._clean  # before the read: what is cleaned meanwhile may have been read dirty
        return await self._renewed(await self._labels.read(after, limit), clean)

    async def find(self, query: LabelQuery) -> Sequence[Sequenced]:
        """Find, signed by the present key."""
        clean = self._clean
        return await self._renewed(await self._labels.find(query), clean)

    async def append(
        self, entries: Sequence[Entry], *, expected: int, checkpoint: int, audit: Sequence[AuditEntry] = ()
    ) -> list[int]:
        """Append to the log."""
        return await self._labels.append(entries, expected=expected, checkpoint=checkpoint, audit=audit)

    async def bounds(self) -> Bounds:
        """Return the bounds of the log."""
        return await self._labels.bounds()

    async def evidence(self, seq: int) -> bytes | None:
        """Return the evidence behind `seq`."""
        return await self._labels.evidence(seq)

    async def prune(self, before: int) -> None:
        """Prune the log."""
        await self._labels.prune(before)

    async def keys(self) -> frozenset[str]:
        """Return the keys in the log."""
        return await self._labels.keys()

    async def resign(self, signer: Signer, src: str, after: int, limit: int) -> Resigned:
        """Sign the log anew."""
        return await self._labels.resign(signer, src, after, limit)

    async def audit(self, after: int, limit: int, about: str | None = None) -> Sequence[Link]:
        """Return the audit chain; it says nothing of signatures."""
        return await self._labels.audit(after, limit, about)

    async def audit_head(self) -> Head:
        """Return the head of the audit chain."""
        return await self._labels.audit_head()

    async def unchained(self) -> Unchained:
        """Return what was audited before there was a chain."""
        return await self._labels.unchained()

    async def kept(self, after: int, limit: int) -> Sequence[Kept]:
        """Return what is left of every label, as it lies in the log."""
        return await self._labels.kept(after, limit)

    async def _renewed(self, rows: Sequence[Sequenced], clean: int) -> Sequence[Sequenced]:
        # Nothing says which key signed a row, and nothing needs to: for the same key the same signature comes out.
        renewed: list[Sequenced] = []
        for row in rows:
            renewed.append(self._again(row) if clean < row.seq <= self._head else row)
            if len(renewed) % BATCH == 0:
                await asyncio.sleep(0)
        return renewed

    def _again(self, row: Sequenced) -> Sequenced:
        label = row.label
        if label.src != self._pen.src:
            return row  # not ours to sign
        return Sequenced(row.seq, self._pen.sign(replace(label, sig=None)).to_bytes())
