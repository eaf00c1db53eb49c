"""What every `LabelLog` does when it is pruned, and when the label key has changed; memory is the reference."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from labeler.atproto.keys import PrivateKey
from labeler.atproto.label import verify_label
from labeler.ports import Bounds, Entry, LabelLog, LabelQuery, Resigned
from tests.contract.conftest import MakeEntry, NewKey, OpenLog

SRC = "did:web:labeler.example.com"
OLD = PrivateKey.from_hex("11" * 32).public_key.did_key  # signs what the fixture makes
NOW = datetime(2026, 3, 1, tzinfo=UTC)


async def fill(log: LabelLog, entry: MakeEntry, count: int) -> None:
    await log.append([entry(f"did:plc:m{number}") for number in range(1, count + 1)], expected=0, checkpoint=1)


async def seqs(log: LabelLog) -> list[int]:
    return [row.seq for row in await log.read(0, 1000)]


@pytest.mark.row(135)
async def test_pruning_forgets_what_is_older_and_remembers_how_far(open_log: OpenLog, entry: MakeEntry) -> None:
    async with open_log() as log:
        await fill(log, entry, 5)
        await log.prune(3)
        assert await seqs(log) == [3, 4, 5]
        assert await log.bounds() == Bounds(floor=2, head=5, checkpoint=1)
        found = await log.find(LabelQuery((), ("",), 0, 10, NOW))
        assert [row.seq for row in found] == [3, 4, 5]
        assert await log.evidence(1) == b"did:plc:m1", "what was decided remains provable"
    async with open_log() as log:
        assert (await log.bounds()).floor == 2


@pytest.mark.row(132, 135, 137)
async def test_the_head_outlives_every_label(open_log: OpenLog, entry: MakeEntry) -> None:
    """A log pruned to nothing must not take an honest cursor for one from the future, nor give a seq again."""
    async with open_log() as log:
        await fill(log, entry, 4)
        await log.prune(2**80)
        assert await seqs(log) == []
        assert await log.bounds() == Bounds(floor=4, head=4, checkpoint=1)
    async with open_log() as log:
        assert await log.bounds() == Bounds(floor=4, head=4, checkpoint=1)
        assert await log.append([entry()], expected=1, checkpoint=2) == [5]


@pytest.mark.row(135)
async def test_the_floor_never_sinks(open_log: OpenLog, entry: MakeEntry) -> None:
    async with open_log() as log:
        await fill(log, entry, 4)
        await log.prune(4)
        for lower in (3, 1, 0, -5):
            await log.prune(lower)
        assert (await log.bounds()).floor == 3
        assert await seqs(log) == [4]


@pytest.mark.row(84)
async def test_the_log_knows_which_keys_signed_it(open_log: OpenLog, entry: MakeEntry) -> None:
    async with open_log() as log:
        assert await log.keys() == frozenset()
        await fill(log, entry, 2)
        assert await log.keys() == {OLD}
        await log.append([replace_key(entry("did:plc:new"))], expected=1, checkpoint=2)
    async with open_log() as log:
        assert await log.keys() == {OLD, NewKey.key_id}


def replace_key(given: Entry) -> Entry:
    return given._replace(key_id=NewKey.key_id)


@pytest.mark.row(84, 85, 86)
async def test_resigning_changes_the_signature_and_nothing_else(open_log: OpenLog, entry: MakeEntry) -> None:
    async with open_log() as log:
        await fill(log, entry, 3)
        await log.append([entry("did:plc:m2", neg=True)], expected=1, checkpoint=2)
        before, bounds = [(row.seq, row.label) for row in await log.read(0, 10)], await log.bounds()
        assert await log.resign(NewKey(), SRC, 0, 100) == Resigned(3, 4, done=True)
    async with open_log() as log:
        after = [(row.seq, row.label) for row in await log.read(0, 10)]
        assert [(seq, replace(label, sig=None)) for seq, label in after] == [
            (seq, replace(label, sig=None)) for seq, label in before
        ]
        assert all(verify_label(label, NewKey.key.public_key) for _, label in after)
        found = await log.find(LabelQuery(("did:plc:m2",), (), 0, 10, NOW))
        assert [row.label for row in found] == [after[-1][1]]
        assert await log.bounds() == bounds
        assert await log.keys() == {NewKey.key_id}
        assert await log.resign(NewKey(), SRC, 0, 100) == Resigned(0, 4, done=True)


@pytest.mark.row(86)
async def test_resigning_goes_in_batches(open_log: OpenLog, entry: MakeEntry) -> None:
    async with open_log() as log:
        await fill(log, entry, 5)
        assert await log.resign(NewKey(), SRC, 0, 2) == Resigned(2, 2, done=False)
        assert await log.keys() == {OLD, NewKey.key_id}
        assert await log.resign(NewKey(), SRC, 2, 2) == Resigned(2, 4, done=False)
        assert await log.resign(NewKey(), SRC, 4, 2) == Resigned(1, 5, done=True)
        assert await log.resign(NewKey(), SRC, 0, 2) == Resigned(0, 5, done=True)
        assert await log.keys() == {NewKey.key_id}


@pytest.mark.row(4)
async def test_labels_of_another_source_are_never_signed_anew(open_log: OpenLog, entry: MakeEntry) -> None:
    async with open_log() as log:
        foreign = entry("did:plc:x", src="did:web:other.example.com")
        await log.append([foreign, entry()], expected=0, checkpoint=1)
        assert (await log.resign(NewKey(), SRC, 0, 10)).labels == 1
        [first, second] = await log.read(0, 10)
        assert first.label == foreign.label
        assert verify_label(second.label, NewKey.key.public_key)


@pytest.mark.row(84, 86)
async def test_a_batch_that_cannot_be_signed_changes_nothing(open_log: OpenLog, entry: MakeEntry) -> None:
    class Tired(NewKey):
        left = 1

        def sign(self, data: bytes) -> bytes:
            if not self.left:
                raise RuntimeError("the key is out of reach")
            self.left -= 1
            return super().sign(data)

    async with open_log() as log:
        await fill(log, entry, 3)
        before = await log.read(0, 10)
        with pytest.raises(RuntimeError):
            await log.resign(Tired(), SRC, 0, 10)
        assert await log.read(0, 10) == before
        assert await log.keys() == {OLD}
