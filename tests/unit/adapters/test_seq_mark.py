"""No seq is given out twice, not even by a label log that was wiped."""

from collections.abc import Callable
from pathlib import Path

import pytest

from labeler.adapters.seq_mark import BLOCK, SeqMark
from labeler.adapters.sqlite import SqliteLabelLog
from labeler.errors import Corrupt, Unavailable
from labeler.ports import Entry

MakeEntry = Callable[..., Entry]


def wiped(folder: Path) -> list[Path]:
    """The files of the database."""
    return list(folder.glob("labels.sqlite*"))


async def appended(path: Path, entries: list[Entry], expected: int = 0) -> list[int]:
    async with SqliteLabelLog(path) as log:
        return await log.append(entries, expected=expected, checkpoint=expected + 1)


@pytest.mark.row(142)
async def test_a_wiped_log_goes_on_above_everything_it_ever_gave(tmp_path: Path, entry: MakeEntry) -> None:
    path = tmp_path / "labels.sqlite"
    assert await appended(path, [entry(), entry()]) == [1, 2]
    for file in wiped(tmp_path):
        file.unlink()
    async with SqliteLabelLog(path) as log:
        head = (await log.bounds()).head
        assert head > 2, "a consumer that saw 2 is not from the future"
        (seq,) = await log.append([entry()], expected=0, checkpoint=1)
        assert seq == head + 1
    async with SqliteLabelLog(path) as log:
        assert (await log.bounds()).head == seq, "the jump is made once"


@pytest.mark.row(142)
async def test_an_old_copy_goes_on_above_the_mark(tmp_path: Path, entry: MakeEntry) -> None:
    path = tmp_path / "labels.sqlite"
    await appended(path, [entry()])
    (tmp_path / "labels.seq").write_text(str(5 * BLOCK))
    assert await appended(path, [entry()], expected=1) == [5 * BLOCK + 1]


async def test_a_restart_leaves_no_gap(tmp_path: Path, entry: MakeEntry) -> None:
    path = tmp_path / "labels.sqlite"
    assert await appended(path, [entry()]) == [1]
    assert await appended(path, [entry()], expected=1) == [2]


def test_the_mark_is_raised_a_block_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "labels.seq"
    mark = SeqMark(path)
    assert mark.load() == 0
    mark.cover(1)
    assert SeqMark(path).load() == 1 + BLOCK
    before = path.stat().st_mtime_ns
    mark.cover(1 + BLOCK)
    assert path.stat().st_mtime_ns == before
    mark.cover(2 + BLOCK)
    assert SeqMark(path).load() == 2 + 2 * BLOCK


def test_what_is_no_number_stops_us(tmp_path: Path) -> None:
    path = tmp_path / "labels.seq"
    path.write_text("many")
    with pytest.raises(Corrupt, match=r"labels\.seq: not a number"):
        SeqMark(path).load()


def test_a_disk_that_does_not_do_its_part_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be written"):
        SeqMark(tmp_path / "gone" / "labels.seq").cover(1)
    (tmp_path / "folder.seq").mkdir()
    with pytest.raises(Unavailable, match="cannot be read"):
        SeqMark(tmp_path / "folder.seq").load()


async def test_nothing_is_written_while_the_mark_cannot_be_raised(tmp_path: Path, entry: MakeEntry) -> None:
    (tmp_path / "labels.new").mkdir()
    async with SqliteLabelLog(tmp_path / "labels.sqlite") as log:
        with pytest.raises(Unavailable):
            await log.append([entry()], expected=0, checkpoint=1)
        assert (await log.bounds()).head == 0
        (tmp_path / "labels.new").rmdir()
        assert await log.append([entry()], expected=0, checkpoint=1) == [1]
