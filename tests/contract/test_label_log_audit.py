"""What every `LabelLog` does with the audit chain; memory is the reference."""

import hashlib
from dataclasses import replace

import pytest

from labeler.errors import Corrupt
from labeler.moderation.audit import (
    GENESIS,
    AuditEntry,
    Head,
    Kept,
    Unchained,
    begin_entry,
    chained,
    head_of,
    label_entry,
)
from labeler.ports import Entry
from tests.contract.conftest import MakeEntry, NewKey, OpenLog

WORD = AuditEntry("decision", "2026-03-02T12:00:00.000Z", "did:plc:b", "did:plc:moderator", {"position": 1})
LATER = WORD._replace(kind="override", body={"position": 2})
NOTHING = Unchained(0, hashlib.sha256().digest())
EMPTY = Head(0, GENESIS, "")


def noted(seq: int, entry: Entry) -> AuditEntry:
    return label_entry(seq, entry.label, entry.actor, entry.reason, entry.evidence_cid)


async def test_a_new_log_has_no_chain(open_log: OpenLog) -> None:
    async with open_log() as log:
        assert await log.audit_head() == EMPTY
        assert await log.audit(0, 10) == []
        assert await log.kept(0, 10) == []
        assert await log.unchained() == NOTHING
        await log.append([], expected=0, checkpoint=5)
        assert await log.audit_head() == EMPTY


async def test_words_come_before_the_labels_they_led_to_and_a_begin_before_all(
    open_log: OpenLog, entry: MakeEntry
) -> None:
    first, second, third = entry("did:plc:a"), entry("did:plc:b", neg=True), entry("did:plc:c")
    begin = begin_entry(WORD.at, 0, 3, NOTHING)
    async with open_log() as log:
        await log.append([], expected=0, checkpoint=3)
        await log.append([first._replace(words=(WORD,)), second], expected=3, checkpoint=4, audit=[LATER])
    async with open_log() as log:
        await log.append([third], expected=4, checkpoint=5)
        links = await log.audit(0, 10)
        expected = [begin, WORD, noted(1, first), noted(2, second), LATER, noted(3, third)]
        assert list(links) == chained(EMPTY, expected)
        assert [link.entry for link in links] == expected
        assert await log.audit_head() == head_of(links[-1]) == Head(6, links[-1].hash, third.label.cts)


async def test_words_without_labels_lengthen_the_chain_too(open_log: OpenLog) -> None:
    async with open_log() as log:
        assert await log.append([], expected=0, checkpoint=1, audit=[WORD, WORD]) == []
        assert [link.entry.kind for link in await log.audit(0, 10)] == ["begin", "decision", "decision"]
        assert (await log.bounds()).checkpoint == 1


async def test_a_refused_append_leaves_the_chain_as_it_was(open_log: OpenLog, entry: MakeEntry) -> None:
    unsigned = entry()._replace(label=replace(entry().label, sig=None))
    async with open_log() as log:
        await log.append([entry()], expected=0, checkpoint=1, audit=[WORD])
        before = await log.audit_head()
        with pytest.raises(Corrupt):
            await log.append([entry()], expected=0, checkpoint=2, audit=[WORD])
        with pytest.raises(Corrupt):
            await log.append([entry(), unsigned], expected=1, checkpoint=2, audit=[WORD])
        assert await log.audit_head() == before


async def test_it_is_read_in_pages_and_by_whom_it_is_about(open_log: OpenLog, entry: MakeEntry) -> None:
    async with open_log() as log:
        heard = entry("did:plc:a")._replace(words=(WORD, LATER))
        await log.append([heard, entry("did:plc:b")], expected=0, checkpoint=1)
        assert [link.n for link in await log.audit(1, 3)] == [2, 3, 4]
        assert [link.n for link in await log.audit(-5, 2)] == [1, 2]
        assert await log.audit(5, 3) == await log.audit(2**80, 3) == []
        assert [link.n for link in await log.audit(0, 10, "did:plc:b")] == [2, 3, 5]
        assert [link.n for link in await log.audit(2, 1, "did:plc:b")] == [3]
        for nobody in ("did:plc:B", "did:plc:", "", "\ud800"):
            assert await log.audit(0, 10, nobody) == []


async def test_what_is_kept_of_a_label_outlives_it(open_log: OpenLog, entry: MakeEntry) -> None:
    first, second, third = entry("did:plc:a", evidence=b"1"), entry("did:plc:b"), entry("did:plc:a", neg=True)
    bodies = [each.label.to_bytes() for each in (first, second, third)]
    evidence = [each.evidence for each in (first, second, third)]
    async with open_log() as log:
        await log.append([first, second], expected=0, checkpoint=1)
        await log.append([third], expected=1, checkpoint=2)
        whole = [Kept(n, evidence[n - 1], bodies[n - 1], 3 if n == 1 else None) for n in (1, 2, 3)]
        assert await log.kept(0, 10) == whole
        assert await log.kept(1, 1) == whole[1:2]
        assert await log.kept(3, 10) == await log.kept(2**80, 10) == []
        await log.prune(3)
        assert await log.kept(-1, 10) == [Kept(1, b"1", None, None), Kept(2, evidence[1], None, None), whole[2]]


async def test_signing_anew_and_pruning_leave_the_chain_as_it_was(open_log: OpenLog, entry: MakeEntry) -> None:
    async with open_log() as log:
        await log.append([entry("did:plc:a"), entry("did:plc:b")], expected=0, checkpoint=1)
        before = await log.audit(0, 10)
        assert (await log.resign(NewKey(), "did:web:labeler.example.com", 0, 10)).labels == 2
        await log.prune(2)
        assert await log.audit(0, 10) == before
        [row] = await log.read(0, 10)
        assert noted(2, entry("did:plc:b")._replace(label=row.label)) == before[-1].entry
