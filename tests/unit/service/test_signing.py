"""Whose labels are signed, and that no reader ever gets a signature of an old key."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labeler.adapters.memory import MemoryLabelLog
from labeler.atproto.keys import PrivateKey
from labeler.atproto.label import Label, sign_label, verify_label
from labeler.errors import Corrupt, Unavailable
from labeler.ports import Entry, LabelQuery, Resigned, Sequenced, Signer
from labeler.reputation.subject import Emission
from labeler.service import signing
from labeler.service.observe import Metrics
from labeler.service.signing import BATCH, Pen, Rotation

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
VECTORS = json.loads(Path("tests/vectors/labels.json").read_text())
SRC = "did:web:labeler.example.com"
OLD = PrivateKey.from_hex("11" * 32)
NEW = PrivateKey.from_hex("44" * 32)


class Key:
    """A signer that counts."""

    def __init__(self, key: PrivateKey) -> None:
        self.key_id = key.public_key.did_key
        self.signed = 0
        self._key = key

    def sign(self, data: bytes) -> bytes:
        self.signed += 1
        return self._key.sign(data)


def label(number: int, src: str = SRC) -> Label:
    return Label(src, f"did:plc:m{number}", "mail-throttled", "2026-03-02T12:00:00.000Z")


async def log_of(count: int, key: PrivateKey = OLD, src: str = SRC) -> MemoryLabelLog:
    log = MemoryLabelLog()
    entries = [
        Entry(sign_label(label(number, src), key), key.public_key.did_key, b"", "bafy", "rule", "because")
        for number in range(1, count + 1)
    ]
    await log.append(entries, expected=0, checkpoint=1)
    return log


def query() -> LabelQuery:
    return LabelQuery((), ("",), 0, 1000, NOON)


@pytest.mark.row(4)
@pytest.mark.parametrize("src", ["did:web:labeler.example.net", "did:plc:somebody", SRC + ":x", SRC.upper()])
def test_nobody_else_is_ever_signed_for(src: str) -> None:
    key = Key(NEW)
    with pytest.raises(Corrupt, match="asked to sign"):
        Pen(key, SRC).sign(label(1, src))
    assert not key.signed


@pytest.mark.row(4)
async def test_a_judge_speaking_for_another_ends_the_pipeline_before_anything_is_written(
    service: "Service", monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await service.labels.bounds()
    foreign = Emission(label(1, "did:web:other.example.com"), b"", "bafy", "rule", "because", "rule", NOON)
    monkeypatch.setattr(service.judge, "step", lambda _: [foreign])
    await service.ingest.tick()
    with pytest.raises(Corrupt, match="asked to sign"):
        await asyncio.wait_for(service.tasks[1], 10)
    assert await service.labels.bounds() == before
    assert await service.labels.read(0, 10) == []


@pytest.mark.row(84, 85, 109)
async def test_whatever_is_read_is_signed_by_the_present_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the stream and in queries, before a single row of the log was rewritten."""
    log = await log_of(200)
    rotation = Rotation(log, Pen(Key(NEW), SRC), 200, Metrics())
    for rows in (await rotation.read(0, 1000), await rotation.find(query())):
        assert len(rows) == 200
        assert all(verify_label(row.label, NEW.public_key) for row in rows)
        assert [(row.seq, replace(row.label, sig=None)) for row in rows] == [
            (number, label(number)) for number in range(1, 201)
        ], "seq, cts and all the rest are as they were"


@pytest.mark.row(84)
async def test_the_log_itself_is_signed_anew_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "BREATH_SECONDS", 0)
    count = 3 * BATCH + 5
    log, key, metrics = await log_of(count), Key(NEW), Metrics()
    rotation = Rotation(log, Pen(key, SRC), count, metrics)
    await rotation.run()
    assert await log.keys() == {key.key_id}
    assert metrics.registry.get_sample_value("labeler_resigned_labels_total") == count
    signed = key.signed
    assert all(verify_label(row.label, NEW.public_key) for row in await rotation.read(0, 1000))
    assert key.signed == signed, "once the log is clean, reading costs no signature"


@pytest.mark.row(84, 86)
async def test_nothing_is_signed_anew_while_another_key_is_the_published_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key file exchanged by mistake must not go through the log."""
    monkeypatch.setattr(signing, "RETRY_SECONDS", 0.001)
    log, key = await log_of(3), Key(NEW)
    reasons = iter(["another key is published"] * 20)
    before = await log.read(0, 10)

    def held() -> str | None:
        reason = next(reasons, None)
        if reason is not None:
            assert not key.signed
        return reason

    await Rotation(log, Pen(key, SRC), 3, Metrics()).run(held)
    assert key.signed == 3
    assert await log.read(0, 10) != before


@pytest.mark.row(84)
async def test_a_row_read_dirty_while_the_log_is_cleaned_is_not_served_dirty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "BREATH_SECONDS", 0)
    log = await log_of(10)
    rotation = Rotation(log, Pen(Key(NEW), SRC), 10, Metrics())
    read = log.read

    async def overtaken(after: int, limit: int) -> list[Sequenced]:
        rows = list(await read(after, limit))
        await rotation.run()  # the whole log is cleaned between the read and the serving
        return rows

    monkeypatch.setattr(log, "read", overtaken)
    assert all(verify_label(row.label, NEW.public_key) for row in await rotation.read(0, 100))


async def test_a_log_that_fails_for_a_moment_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "BREATH_SECONDS", 0)
    monkeypatch.setattr(signing, "RETRY_SECONDS", 0)
    log, metrics = await log_of(3), Metrics()
    resign, failures = log.resign, iter([True, True])

    async def flaky(signer: Signer, src: str, after: int, limit: int) -> Resigned:
        if next(failures, False):
            raise Unavailable("the disk is away")
        return await resign(signer, src, after, limit)

    monkeypatch.setattr(log, "resign", flaky)
    await Rotation(log, Pen(Key(NEW), SRC), 3, metrics).run()
    assert metrics.registry.get_sample_value("labeler_storage_failures_total", {"log": "labels"}) == 2
    assert await log.keys() == {NEW.public_key.did_key}


@pytest.mark.row(84)
async def test_the_vectors_of_a_rotation_come_out_byte_for_byte() -> None:
    """The reference's own example: the same bytes by the old key, then by the new one, then on another curve."""
    vectors = VECTORS
    keys = {key["id"]: key for key in vectors["keys"]}
    rotation = next(each for each in vectors["sequences"] if each["id"] == "rotation")
    cases = [next(case for case in vectors["labels"] if case["id"] == name) for name in rotation["labels"]]
    first, *later = [(Label.from_json(case["label"]), keys[case["key"]]) for case in cases]
    log = MemoryLabelLog()
    label, key = first
    await log.append([Entry(label, key["didKey"], b"", "bafy", "rule", "because")], expected=0, checkpoint=1)
    for signed, key in later:
        signer = Key(PrivateKey.from_multikey(key["privateKeyMultikey"]))
        (row,) = await Rotation(log, Pen(signer, label.src), 1, Metrics()).read(0, 10)
        assert (row.seq, row.label) == (1, signed)


@pytest.mark.row(4)
async def test_labels_of_an_earlier_did_are_served_as_they_are() -> None:
    log = await log_of(2, src="did:web:earlier.example.com")
    rotation = Rotation(log, Pen(Key(NEW), SRC), 2, Metrics())
    assert await rotation.read(0, 10) == await log.read(0, 10)
    await rotation.run()
    assert all(verify_label(row.label, OLD.public_key) for row in await log.read(0, 10))


async def test_the_rest_of_the_log_is_reached_through_it() -> None:
    log = await log_of(3)
    rotation = Rotation(log, Pen(Key(NEW), SRC), 3, Metrics())
    entry = Entry(sign_label(label(4), NEW), NEW.public_key.did_key, b"record", "bafy", "rule", "because")
    assert await rotation.append([entry], expected=1, checkpoint=2) == [4]
    assert await rotation.evidence(4) == b"record"
    assert await rotation.audit(0, 9) == await log.audit(0, 9)
    assert await rotation.audit_head() == await log.audit_head()
    assert await rotation.unchained() == await log.unchained()
    assert await rotation.kept(0, 9) == await log.kept(0, 9)
    assert await rotation.keys() == {OLD.public_key.did_key, NEW.public_key.did_key}
    await rotation.prune(2)
    assert await rotation.bounds() == await log.bounds()
    assert (await rotation.resign(Key(NEW), SRC, 0, 10)).labels == 2
