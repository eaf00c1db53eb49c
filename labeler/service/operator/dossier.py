"""Everything there is about one DID: where it stands and why, its labels over time, what was said and done."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from labeler.atproto import cbor
from labeler.moderation.audit import AuditEntry, Link
from labeler.moderation.cases import Case, CaseBook
from labeler.moderation.history import History
from labeler.moderation.label_spans import Span, spans
from labeler.ports import LabelLog
from labeler.reputation.inputs import Word
from labeler.reputation.judge import Judge
from labeler.reputation.standing import standing
from labeler.service.operator.set_override import standing_grant

PAGE: Final = 500  # entries read at once
STRETCH: Final = 50  # entries decoded without letting others run
KEPT: Final = 1_000  # the newest entries of one subject; those before are left to listAudit


class Told(NamedTuple):
    """One entry of the audit chain, with the word of people it notes, where that is remembered with its texts."""

    n: int
    entry: AuditEntry
    word: Word | None


class Dossier(NamedTuple):
    """One DID. `standing` is what getStanding answers operators, `evidence` the record behind each label in force;
    `told` the newest entries about it, ascending, without the first `left_out`.
    """

    did: str
    standing: Mapping[str, Any]
    evidence: Mapping[str, Mapping[str, Any]]
    spans: Sequence[Span]
    cases: Sequence[Case]
    told: Sequence[Told]
    left_out: int


class Dossiers:
    """Gathers them out of fold, label log, cases and history."""

    def __init__(self, judge: Judge, labels: LabelLog, cases: CaseBook, history: History) -> None:
        self._judge = judge
        self._labels = labels
        self._cases = cases
        self._history = history

    async def open(self, did: str, now: datetime) -> Dossier:
        """Everything about `did`. Raises `Unavailable`, `Corrupt`."""
        links, left_out = await self._links(did)
        told = [Told(n, entry, self._word(entry)) for n, entry in await _read(links)]
        subject = self._judge.subjects.get(did)
        granted = standing_grant(subject.member, now) if subject is not None else {}
        found = standing(self._judge, did, now).full() | granted
        seqs = {
            one.entry.body["val"]: int(one.entry.body["seq"])
            for one in told
            if one.entry.kind == "label" and not one.entry.body.get("neg")
        }
        evidence = {
            label["val"]: await self._evidence(seqs[label["val"]]) for label in found["labels"] if label["val"] in seqs
        }
        return Dossier(did, found, evidence, spans(one.entry for one in told), self._cases.about(did), told, left_out)

    async def spans(self, did: str) -> list[Span]:
        """Only when which label stood."""
        links, _ = await self._links(did)
        return spans(entry for _, entry in await _read(links))

    async def proofs(self, case: Case) -> list[Mapping[str, Any]]:
        """The evidence records behind the labels that opened a case or joined it, as far as they are found."""
        links, _ = await self._links(case.about)
        wanted = set(case.evidence)
        seqs = [int(entry.body["seq"]) for _, entry in await _read(links) if entry.body.get("evidence") in wanted]
        return [await self._evidence(seq) for seq in seqs]

    async def _links(self, about: str) -> tuple[Sequence[Link], int]:
        kept: deque[Link] = deque(maxlen=KEPT)
        count, n = 0, 0
        while page := await self._labels.audit(n, PAGE, about):
            kept.extend(page)
            count, n = count + len(page), page[-1].n
            if len(page) < PAGE:
                break
        return kept, count - len(kept)

    async def _evidence(self, seq: int) -> Mapping[str, Any]:
        raw = await self._labels.evidence(seq)
        record = cbor.decode(raw) if raw is not None else {}
        return record if isinstance(record, dict) else {}

    def _word(self, entry: AuditEntry) -> Word | None:
        position = entry.body.get("position")
        return self._history.words.get(position) if isinstance(position, int) else None


async def _read(links: Sequence[Link]) -> list[tuple[int, AuditEntry]]:
    """Decode entries, a few at a time."""
    read = []
    for count, link in enumerate(links):
        if count % STRETCH == 0:
            await asyncio.sleep(0)
        read.append((link.n, link.entry))
    return read
