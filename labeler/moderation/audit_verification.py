"""Whether the audit chain is whole, and agrees with the labels and with the input log.

Whoever holds the logs feeds a `Verification` page by page: links in the order of the chain; then what the label log
keeps, up to `last_seq`; then the input log, up to `last_position`; then `settle`. Behind the chain's end the rest of
both logs, up to where they stood, and `end`. `fault` names the first place that is wrong; from then on nothing changes.
"""

import hashlib
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from labeler.atproto import cbor
from labeler.atproto.label import Label
from labeler.errors import BadInput
from labeler.moderation.audit import GENESIS, AuditEntry, Head, Kept, Link, Unchained, label_entry, next_hash
from labeler.moderation.audit_words import word_entry
from labeler.reputation.inputs import Input


class Extent(NamedTuple):
    """How far the logs went when they were looked at: the chain's head, and of the label log head, floor and
    checkpoint."""

    chain: Head
    seq: int
    floor: int
    checkpoint: int


class _Noted(NamedTuple):
    """An entry waiting for what it is about; `at` is a seq or an input position."""

    at: int
    link: Link
    entry: AuditEntry


class Verification:
    """Takes everything in order and remembers the first fault."""

    def __init__(self, extent: Extent, before: Unchained, pins: Mapping[int, bytes]) -> None:
        """`before`: the rows older than the chain. `pins`: hashes somebody noted elsewhere, by number."""
        self._extent = extent
        self._before = before
        self._pins = pins
        self._n, self._hash = 0, GENESIS
        self._begin_seq = self._begin_checkpoint = 0
        self._labels, self._words = deque[_Noted](), deque[_Noted]()
        self._newest: dict[bytes, tuple[int, int | None]] = {}  # which label it is → seq, seq of the successor
        self._older = 0
        self._first_position: int | None = None
        self.last_seq = self.last_position = 0  # of what the chain has told so far
        self.labels = self.words = 0  # that were compared
        self.fault: str | None = None

    def link(self, link: Link) -> None:
        """Take the next entry of the chain."""
        if self.fault is not None:
            return
        self.fault = self._link_fault(link)
        self._n, self._hash = link.n, link.hash
        if self.fault is None:
            self.fault = self._note(link, AuditEntry.from_bytes(link.raw))

    def kept(self, row: Kept) -> None:
        """Take what the label log keeps of the next seq."""
        if self.fault is not None or row.seq > self._extent.seq:
            return
        if row.seq <= self._begin_seq:
            self._older += 1
            return
        noted = self._labels[0] if self._labels else None
        if noted is None or noted.at > row.seq:
            self.fault = f"label {row.seq}: it has no audit entry"
        elif noted.at < row.seq:
            self.fault = _gone(noted)
        else:
            self._labels.popleft()
            self.labels += 1
            self.fault = self._label_fault(noted, row)

    def word(self, position: int, record: Input) -> None:
        """Take the next record of the input log."""
        self._first_position = position if self._first_position is None else self._first_position
        if self.fault is not None or not self._begin_checkpoint < position <= self._extent.checkpoint:
            return
        self._forget_trimmed()
        noted = self._words[0] if self._words else None
        expected = word_entry(position, record)
        if noted is not None and (noted.at < position or (noted.at == position and expected is None)):
            self.fault = f"entry {noted.link.n}: the input log has no {noted.entry.kind} at position {noted.at}"
        elif expected is not None and (noted is None or noted.at > position):
            self.fault = f"input position {position}: this {expected.kind} has no audit entry"
        elif noted is not None and expected is not None:
            self._words.popleft()
            self.words += 1
            if expected.to_bytes() != noted.link.raw:
                self.fault = f"entry {noted.link.n}: the input log says otherwise at position {position}"

    def settle(self) -> None:
        """Everything was fed that the chain has told of: whatever still waits is gone."""
        if self.fault is not None:
            return
        self._forget_trimmed()
        if self._labels:
            self.fault = _gone(self._labels[0])
        elif self._words:
            noted = self._words[0]
            self.fault = f"entry {noted.link.n}: the input log has no {noted.entry.kind} at position {noted.at}"

    def end(self) -> None:
        """Everything was fed."""
        if self.fault is None:
            self.fault = self._end_fault()

    def _link_fault(self, link: Link) -> str | None:
        if link.n != self._n + 1:
            return f"entry {self._n + 1}: it is missing"
        hash_ = next_hash(self._hash, link.raw)
        if hash_ != link.hash:
            return f"entry {link.n}: its hash is not that of its bytes behind entry {self._n}"
        if self._pins.get(link.n, hash_) != hash_:
            return f"entry {link.n}: its hash is not the pinned one"
        try:
            entry = AuditEntry.from_bytes(link.raw)
        except BadInput as error:
            return f"entry {link.n}: it cannot be read: {error}"
        if entry.about != link.about:
            return f"entry {link.n}: it is filed under {link.about} and about {entry.about}"
        return None

    def _note(self, link: Link, entry: AuditEntry) -> str | None:
        """Remember what the entry claims, to be compared."""
        if (link.n == 1) != (entry.kind == "begin"):
            return f"entry {link.n}: a chain begins with one begin, and this is a {entry.kind}"
        if entry.kind == "begin":
            return self._begin(entry.body)
        if entry.kind == "label":
            seq = entry.body.get("seq")
            if type(seq) is not int or seq <= max(self.last_seq, self._begin_seq):
                return f"entry {link.n}: seq {seq} does not follow {max(self.last_seq, self._begin_seq)}"
            self._labels.append(_Noted(seq, link, entry))
            self.last_seq = seq
        elif "position" in entry.body:
            position, last = entry.body["position"], max(self.last_position, self._begin_checkpoint)
            if type(position) is not int or position <= last:
                return f"entry {link.n}: input position {position} does not follow {last}"
            self._words.append(_Noted(position, link, entry))
            self.last_position = position
        return None

    def _begin(self, body: Mapping[str, Any]) -> str | None:
        if (body.get("rows"), body.get("rowsSha256")) != (self._before.rows, self._before.digest.hex()):
            return "entry 1: the audit rows older than the chain are not those it begins with"
        seq, checkpoint = body.get("seq"), body.get("checkpoint")
        if type(seq) is not int or type(checkpoint) is not int:
            return "entry 1: it does not say where the chain begins"
        self._begin_seq, self._begin_checkpoint = seq, checkpoint
        return None

    def _label_fault(self, noted: _Noted, row: Kept) -> str | None:
        place, body = f"label {row.seq} (entry {noted.link.n})", noted.entry.body
        if row.evidence is None or cbor.cid_of(row.evidence) != body.get("evidence"):
            return f"{place}: the evidence behind it is not the one noted"
        if row.body is None:
            return None if row.seq <= self._extent.floor else _gone(noted)
        try:
            label = Label.from_map(cbor.decode(row.body))
        except BadInput as error:
            return f"{place}: it cannot be read: {error}"
        reason, evidence = str(body.get("reason")), str(body.get("evidence"))
        if label_entry(row.seq, label, noted.entry.actor, reason, evidence) != noted.entry:
            return f"{place}: it is not the label noted"
        which = hashlib.sha256(repr((label.src, label.uri, label.cid, label.val)).encode()).digest()[:16]
        before, successor = self._newest.get(which), row.successor
        if before is not None and before[1] != row.seq:
            return f"label {before[0]}: label {row.seq} took its place, and the log does not say so"
        self._newest[which] = (row.seq, None if successor is None or successor > self._extent.seq else successor)
        return None

    def _forget_trimmed(self) -> None:
        """Words of before the input log's first record were trimmed with it."""
        while self._words and self._first_position is not None and self._words[0].at < self._first_position:
            self._words.popleft()

    def _end_fault(self) -> str | None:
        beyond = min((n for n in self._pins if n > self._n), default=None)
        if self._n != self._extent.chain.n:
            return f"entry {self._n + 1}: the chain ends before it, and went up to {self._extent.chain.n}"
        if beyond is not None:
            return f"entry {beyond}: it was pinned, and the chain ends at {self._n}"
        if self._n == 0 and self._before.rows:
            return "entry 1: there are labels, and no chain"
        if self._older != self._before.rows:
            return f"entry 1: {self._older} labels are older than the chain, and {self._before.rows} audit rows"
        stray = next((pair for pair in self._newest.values() if pair[1] is not None), None)
        if stray is not None:
            return f"label {stray[0]}: it was put aside for label {stray[1]}, which is another"
        return None


def _gone(noted: _Noted) -> str:
    return f"label {noted.at} (entry {noted.link.n}): it is gone from the log"
