"""Both logs in memory: the reference. Read it as the specification; the contract suite holds the others to it."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Self

from labeler.atproto.label import Label, sign_label
from labeler.errors import Corrupt
from labeler.moderation.audit import AuditEntry, Head, Kept, Link, Unchained, begin_entry, chained, head_of
from labeler.ports import Bounds, Entry, LabelQuery, Resigned, Sequenced, Signer
from labeler.reputation.inputs import Input


class MemoryTelemetryLog:
    """`TelemetryLog` that lasts as long as the object."""

    def __init__(self) -> None:
        self._records: dict[int, Input] = {}  # by position, ascending
        self._head = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def append(self, records: Sequence[Input]) -> int:
        """Append all; return the position of the last."""
        self._records.update(enumerate(records, self._head + 1))
        self._head += len(records)
        return self._head

    async def read(self, after: int, limit: int) -> Sequence[tuple[int, Input]]:
        """Return up to `limit` records with position > `after`."""
        return list(islice((each for each in self._records.items() if each[0] > after), limit))

    async def head(self) -> int:
        """Return the newest position ever given."""
        return self._head

    async def trim(self, before: int) -> None:
        """Forget records with position < `before`."""
        self._records = {position: record for position, record in self._records.items() if position >= before}


class MemoryLabelLog:
    """`LabelLog` that lasts as long as the object."""

    def __init__(self) -> None:
        self._current: dict[tuple[str, ...], tuple[int, Label]] = {}  # by identity; ascending by seq
        self._key_ids: dict[int, str] = {}  # of every label ever appended, by seq
        self._floor = 0
        self._evidence: list[bytes] = []  # of every label ever appended: that of `seq` is at seq - 1
        self._superseded: dict[int, tuple[Label, int]] = {}  # by seq, with the seq of the successor
        self._chain: list[Link] = []
        self._checkpoint = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def append(
        self, entries: Sequence[Entry], *, expected: int, checkpoint: int, audit: Sequence[AuditEntry] = ()
    ) -> list[int]:
        """Append all and move the checkpoint, or refuse everything."""
        if self._checkpoint != expected:
            raise Corrupt(f"checkpoint is {self._checkpoint}, expected {expected}: another writer was here")
        for entry in entries:
            if entry.label.sig is None:
                raise Corrupt(f"label {entry.label.val} on {entry.label.uri} reached the log unsigned")
        head = len(self._evidence)
        placed = list(enumerate(entries, head + 1))
        noted = [*chain.from_iterable(each.noted(seq) for seq, each in placed), *audit]
        if noted and not self._chain:
            noted.insert(0, begin_entry(noted[0].at, head, expected, await self.unchained()))
        self._chain += chained(await self.audit_head(), noted)
        for seq, entry in placed:
            replaced = self._current.pop(_identity(entry.label), None)
            if replaced is not None:
                self._superseded[replaced[0]] = (replaced[1], seq)
            self._current[_identity(entry.label)] = (seq, entry.label)
            self._key_ids[seq] = entry.key_id
            self._evidence.append(entry.evidence)
        self._checkpoint = checkpoint
        return [seq for seq, _ in placed]

    async def read(self, after: int, limit: int) -> Sequence[Sequenced]:
        """Return up to `limit` current labels with seq > `after`, ascending."""
        found = ((seq, label) for seq, label in self._current.values() if seq > after)
        return [Sequenced(seq, label.to_bytes()) for seq, label in islice(found, limit)]

    async def bounds(self) -> Bounds:
        """Return floor, head and checkpoint."""
        return Bounds(floor=self._floor, head=len(self._evidence), checkpoint=self._checkpoint)

    async def find(self, query: LabelQuery) -> Sequence[Sequenced]:
        """Return current labels matching `query`, ascending by seq."""
        found = ((seq, label) for seq, label in self._current.values() if seq > query.after and _matches(label, query))
        return [Sequenced(seq, label.to_bytes()) for seq, label in islice(found, query.limit)]

    async def evidence(self, seq: int) -> bytes | None:
        """Return the evidence record behind `seq`, or None."""
        return self._evidence[seq - 1] if 1 <= seq <= len(self._evidence) else None

    async def prune(self, before: int) -> None:
        """Forget labels with seq < `before`."""
        self._floor = max(self._floor, min(before - 1, len(self._evidence)))
        self._current = {identity: held for identity, held in self._current.items() if held[0] >= before}
        self._superseded = {seq: held for seq, held in self._superseded.items() if seq >= before}

    async def keys(self) -> frozenset[str]:
        """Return the key_ids of current labels."""
        return frozenset(self._key_ids[seq] for seq, _ in self._current.values())

    async def resign(self, signer: Signer, src: str, after: int, limit: int) -> Resigned:
        """Sign anew up to `limit` labels that another key signed."""
        stale = [
            (seq, label)
            for seq, label in self._current.values()
            if seq > after and label.src == src and self._key_ids[seq] != signer.key_id
        ]
        signed = [(seq, sign_label(replace(label, sig=None), signer)) for seq, label in stale[:limit]]
        for seq, label in signed:
            self._current[_identity(label)] = (seq, label)
            self._key_ids[seq] = signer.key_id
        last = stale[limit - 1][0] if len(stale) > limit else len(self._evidence)
        return Resigned(min(len(stale), limit), last, done=len(stale) <= limit)

    async def audit(self, after: int, limit: int, about: str | None = None) -> Sequence[Link]:
        """Return up to `limit` entries behind number `after`, all or those `about` one."""
        found = (link for link in self._chain[max(after, 0) :] if about is None or link.about == about)
        return list(islice(found, limit))

    async def audit_head(self) -> Head:
        """Return the head of the chain."""
        return head_of(self._chain[-1] if self._chain else None)

    async def unchained(self) -> Unchained:
        """Return nothing: here there always was a chain."""
        return Unchained(0, hashlib.sha256().digest())

    async def kept(self, after: int, limit: int) -> Sequence[Kept]:
        """Return what is left of up to `limit` labels behind `after`."""
        current = {seq: label.to_bytes() for seq, label in self._current.values()}
        replaced = {seq: (label.to_bytes(), successor) for seq, (label, successor) in self._superseded.items()}
        start = max(after, 0)
        found = []
        for seq, evidence in enumerate(self._evidence[start : start + limit], start + 1):
            body, successor = replaced.get(seq, (current.get(seq), None))
            found.append(Kept(seq, evidence, body, successor))
        return found


def _identity(label: Label) -> tuple[str, ...]:
    return label.src, label.uri, label.cid or "", label.val


def _matches(label: Label, query: LabelQuery) -> bool:
    asked = label.uri in query.exact or any(label.uri.startswith(prefix) for prefix in query.prefixes)
    return asked and (bool(label.neg) or label.expires is None or label.expires > query.now)
