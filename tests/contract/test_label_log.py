"""What every `LabelLog` does when labels are written and read in order; memory is the reference."""

import asyncio
from dataclasses import replace

import pytest

from labeler.atproto.cbor import cid_of
from labeler.errors import Corrupt
from labeler.ports import Bounds, Entry, LabelLog
from tests.contract.conftest import MakeEntry, OpenLog


async def add(log: LabelLog, *entries: Entry) -> list[int]:
    """Append at whatever checkpoint the log stands, moving it by one."""
    at = (await log.bounds()).checkpoint
    return await log.append(entries, expected=at, checkpoint=at + 1)


async def seqs(log: LabelLog, after: int = 0) -> list[int]:
    return [row.seq for row in await log.read(after, 10_000)]


async def test_a_new_log_is_empty(open_log: OpenLog) -> None:
    async with open_log() as log:
        assert await log.bounds() == Bounds(floor=0, head=0, checkpoint=0)
        assert await log.read(0, 10) == []
        assert await log.evidence(1) is None


@pytest.mark.row(137, 138, 140)
async def test_seqs_count_up_from_one_in_the_order_of_append(open_log: OpenLog, entry: MakeEntry) -> None:
    """Row 137: positive and strictly increasing; row 140: in the order of commits."""
    async with open_log() as log:
        assert await log.append([entry("did:plc:a"), entry("did:plc:b")], expected=0, checkpoint=7) == [1, 2]
        assert await log.append([entry("did:plc:c")], expected=7, checkpoint=9) == [3]
        assert [(row.seq, row.label.uri) for row in await log.read(0, 10)] == [
            (1, "did:plc:a"), (2, "did:plc:b"), (3, "did:plc:c"),
        ]  # fmt: skip
        assert await log.bounds() == Bounds(floor=0, head=3, checkpoint=9)


@pytest.mark.row(18, 33, 56)
async def test_a_label_comes_back_as_it_was_signed(open_log: OpenLog, entry: MakeEntry) -> None:
    """Strings are kept letter for letter, and `body` is what goes into the frame."""
    written = [
        entry("did:plc:a", cts="2026-01-02T03:04:05Z", exp="2026-02-02T03:04:05.1+01:00"),
        entry("at://did:plc:a/app.bsky.feed.post/3k_%", cid=cid_of(b"\xa0")),
        entry("did:plc:b", neg=True),
    ]
    async with open_log() as log:
        await add(log, *written)
    async with open_log() as log:
        rows = await log.read(0, 10)
        assert [row.label for row in rows] == [each.label for each in written]
        assert [row.body for row in rows] == [each.label.to_bytes() for each in written]


@pytest.mark.row(134, 327)
async def test_read_is_exclusive_of_its_cursor_and_ends_at_the_limit(open_log: OpenLog, entry: MakeEntry) -> None:
    """Row 134: `seq > cursor`."""
    async with open_log() as log:
        await add(log, *(entry(f"did:plc:{number}") for number in range(5)))
        assert [row.seq for row in await log.read(2, 2)] == [3, 4]
        assert await seqs(log, after=5) == await seqs(log, after=6) == await seqs(log, after=2**80) == []


async def test_another_writer_is_noticed_and_nothing_is_written(open_log: OpenLog, entry: MakeEntry) -> None:
    async with open_log() as log:
        await log.append([entry("did:plc:a")], expected=0, checkpoint=5)
        for stale in (0, 4, 6):
            with pytest.raises(Corrupt, match=f"checkpoint is 5, expected {stale}"):
                await log.append([entry("did:plc:b")], expected=stale, checkpoint=9)
        assert await log.bounds() == Bounds(floor=0, head=1, checkpoint=5)
        assert await seqs(log) == [1]
        assert await log.evidence(2) is None
        assert await log.append([entry("did:plc:b")], expected=5, checkpoint=6) == [2]


async def test_of_many_concurrent_appends_from_one_checkpoint_exactly_one_wins(
    open_log: OpenLog, entry: MakeEntry
) -> None:
    async with open_log() as log:
        tries = [log.append([entry(f"did:plc:{n}")], expected=0, checkpoint=n + 1) for n in range(100)]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        [winner] = [number for number, outcome in enumerate(outcomes) if not isinstance(outcome, Corrupt)]
        assert outcomes[winner] == [1]
        assert [row.label.uri for row in await log.read(0, 10)] == [f"did:plc:{winner}"]
        assert await log.bounds() == Bounds(floor=0, head=1, checkpoint=winner + 1)


async def test_one_bad_entry_keeps_the_whole_append_out(open_log: OpenLog, entry: MakeEntry) -> None:
    """An unsigned label must never be published (row 109), and its neighbours wait for the repair."""
    unsigned = entry("did:plc:b")._replace(label=replace(entry("did:plc:b").label, sig=None))
    async with open_log() as log:
        await add(log, entry("did:plc:a"))
        with pytest.raises(Corrupt, match="unsigned"):
            await add(log, entry("did:plc:a", neg=True), unsigned, entry("did:plc:c"))
        assert await log.bounds() == Bounds(floor=0, head=1, checkpoint=1)
        assert await seqs(log) == [1]
        assert await log.evidence(2) is None
        assert await add(log, entry("did:plc:c")) == [2]


async def test_an_empty_append_moves_only_the_checkpoint(open_log: OpenLog, entry: MakeEntry) -> None:
    async with open_log() as log:
        await add(log, entry())
        assert await log.append([], expected=1, checkpoint=40) == []
    async with open_log() as log:
        assert await log.bounds() == Bounds(floor=0, head=1, checkpoint=40)
        with pytest.raises(Corrupt):
            await log.append([], expected=1, checkpoint=41)
        assert await log.append([entry("did:plc:b")], expected=40, checkpoint=41) == [2]


@pytest.mark.row(64, 67, 68, 139)
async def test_a_new_label_supersedes_the_old_and_leaves_a_gap(open_log: OpenLog, entry: MakeEntry) -> None:
    """Rows 67 and 139: the replaced label leaves the stream, its successor has a new seq."""
    async with open_log() as log:
        await add(log, entry("did:plc:a"), entry("did:plc:b"))
        await add(log, entry("did:plc:a", cts="2026-01-03T00:00:00.000Z", exp="2027-01-01T00:00:00.000Z"))
        assert await seqs(log) == [2, 3]
        await add(log, entry("did:plc:a", cts="2026-01-04T00:00:00.000Z", neg=True))
        assert [(row.seq, row.label.neg) for row in await log.read(0, 10)] == [(2, None), (4, True)]
        assert (await log.bounds()).head == 4


async def test_within_one_append_the_last_of_the_same_label_stays(open_log: OpenLog, entry: MakeEntry) -> None:
    async with open_log() as log:
        assert await add(log, entry(), entry("did:plc:b"), entry(neg=True), entry()) == [1, 2, 3, 4]
        assert [(row.seq, row.label.neg) for row in await log.read(0, 10)] == [(2, None), (4, None)]


@pytest.mark.parametrize(
    "other",
    [
        {"uri": "did:plc:Alice"},
        {"val": "mail-suspended"},
        {"src": "did:web:other.example.com"},
        {"cid": cid_of(b"\xa0")},
    ],
)
async def test_only_the_same_src_uri_cid_val_is_superseded(
    open_log: OpenLog, entry: MakeEntry, other: dict[str, str]
) -> None:
    """Rows 68–70: the cid, or its absence, is part of which label it is."""
    async with open_log() as log:
        await add(log, entry(), entry(**other))
        assert await seqs(log) == [1, 2]
        await add(log, entry(**other, neg=True))
        assert await seqs(log) == [1, 3]
        await add(log, entry(neg=True))
        assert await seqs(log) == [3, 4]


async def test_evidence_outlives_its_label(open_log: OpenLog, entry: MakeEntry) -> None:
    async with open_log() as log:
        await add(log, entry(evidence=b"first"), entry("did:plc:b", evidence=b"second"))
        await add(log, entry(evidence=b"third", neg=True))
    async with open_log() as log:
        assert [await log.evidence(seq) for seq in (1, 2, 3)] == [b"first", b"second", b"third"]
        for nowhere in (-1, 0, 4, 2**80):
            assert await log.evidence(nowhere) is None


@pytest.mark.row(137)
async def test_seqs_are_never_reused(open_log: OpenLog, entry: MakeEntry) -> None:
    """Row 137: not even when no earlier label survives and the log is opened anew."""
    given: list[int] = []
    for number in range(5):
        async with open_log() as log:
            given += await add(log, entry(neg=True if number % 2 else None))
            assert await seqs(log) == [given[-1]]
    assert given == [1, 2, 3, 4, 5]


async def test_everything_is_there_after_reopening(open_log: OpenLog, entry: MakeEntry) -> None:
    async with open_log() as log:
        await add(log, *(entry(f"did:plc:{number}") for number in range(10)))
        await add(log, entry("did:plc:3"))
        before = await log.read(0, 100), await log.bounds()
    async with open_log() as log:
        assert (await log.read(0, 100), await log.bounds()) == before


@pytest.mark.row(140)
async def test_a_reader_sees_whole_appends_only(open_log: OpenLog, entry: MakeEntry) -> None:
    """Labels and checkpoint move together, and no seq appears below one already seen (row 140)."""
    async with open_log() as log:
        batches = [[entry(f"did:plc:x{number}x{each}") for each in range(5)] for number in range(40)]

        async def write() -> None:
            for number, batch in enumerate(batches):
                await log.append(batch, expected=number, checkpoint=number + 1)

        writing = asyncio.create_task(write())
        seen: list[int] = []
        while not writing.done():
            now = await seqs(log)
            assert now[: len(seen)] == seen
            assert len(now) % 5 == 0
            bounds = await log.bounds()
            assert bounds.head == bounds.checkpoint * 5
            seen = now
            await asyncio.sleep(0)
        await writing
        assert await seqs(log) == list(range(1, 201))
