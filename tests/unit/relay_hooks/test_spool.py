"""The queue on disk: first in first out, over restarts and crashes, within its bounds."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from labeler.errors import Misconfigured, Unavailable
from relay_hooks.spool import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool", segment_bytes=200)
    spool.open()
    yield spool
    spool.close()


def reopened(spool: Spool) -> Spool:
    """Do what a restart does."""
    spool.close()
    again = Spool(spool._directory, segment_bytes=200)
    again.open()
    return again


def drain(spool: Spool) -> list[object]:
    """Read and commit everything."""
    values: list[object] = []
    while (portion := spool.peek(3)).values:
        values += portion.values
        spool.commit(portion, len(portion.values))
    return values


def segments(spool: Spool) -> list[Path]:
    return sorted(spool._directory.glob("*.spool"))


def test_records_come_out_in_the_order_they_went_in_over_many_segments(spool: Spool) -> None:
    values = [{"id": f"e{n}", "at": "x" * 20} for n in range(50)]
    for value in values:
        assert spool.append([value]) == 1
    assert len(segments(spool)) > 5
    assert spool.pending == 50
    assert drain(spool) == values
    assert (spool.pending, spool.bytes_on_disk, segments(spool)) == (0, 0, [])


def test_peek_takes_nothing_away_and_commit_only_as_many_as_it_says(spool: Spool) -> None:
    spool.append([1, 2, 3])
    assert spool.peek(10).values == spool.peek(10).values == (1, 2, 3)
    spool.commit(spool.peek(10), 0)
    spool.commit(spool.peek(10), 2)
    assert spool.peek(10).values == (3,)
    assert spool.pending == 1


def test_a_restart_goes_on_where_the_last_commit_stood(spool: Spool) -> None:
    spool.append(list(range(10)))
    spool.commit(spool.peek(4), 4)
    again = reopened(spool)
    again.append([10])
    assert again.pending == 7
    assert drain(again) == [4, 5, 6, 7, 8, 9, 10]
    again.close()


def test_after_everything_was_read_new_records_are_not_taken_for_old_ones(spool: Spool) -> None:
    """A segment number is never used twice, or the stored position would skip what is new."""
    spool.append([{"long": "x" * 100}])
    drain(spool)
    again = reopened(spool)
    again.append([1, 2])
    once_more = reopened(again)
    assert drain(once_more) == [1, 2]
    once_more.close()


@pytest.mark.parametrize("cut", [1, 5, 9, 12])
def test_a_record_half_written_by_a_crash_is_dropped_and_counted(spool: Spool, cut: int) -> None:
    """Whatever part of the last record is missing, the ones before it are whole."""
    spool.append([{"id": "whole"}, {"id": "torn"}])
    (segment,) = segments(spool)
    spool.close()
    os.truncate(segment, segment.stat().st_size - cut)
    again = reopened(spool)
    again.append([{"id": "new"}])
    assert (again.pending, again.damaged) == (2, 1)
    assert drain(again) == [{"id": "whole"}, {"id": "new"}]
    assert again.damaged == 1
    again.close()


def test_a_record_with_a_flipped_bit_is_stepped_over_and_counted(spool: Spool) -> None:
    spool.append(["first", "second", "third"])
    (segment,) = segments(spool)
    spool.close()
    segment.write_bytes(segment.read_bytes().replace(b"second", b"sekond"))
    again = reopened(spool)
    assert (again.pending, again.damaged) == (2, 1)
    assert drain(again) == ["first", "third"]
    again.close()


def test_a_length_that_makes_no_sense_ends_its_segment_only(spool: Spool) -> None:
    spool.append(["first", "x" * 200])
    spool.append(["last"])
    first, _ = segments(spool)
    spool.close()
    raw = first.read_bytes()
    first.write_bytes(raw[:14] + b"\xff\xff\xff\xff" + raw[18:])
    again = reopened(spool)
    assert drain(again) == ["first", "last"]
    assert again.damaged == 1
    again.close()


def test_a_record_that_is_sound_but_no_cbor_is_damage_too(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("relay_hooks.spool.cbor2.dumps", lambda _: b"\xff\xff")
        spool.append(["whatever"])
    again = reopened(spool)
    assert (again.pending, again.damaged, drain(again)) == (0, 1, [])
    again.close()


def test_segments_deleted_behind_our_back_are_counted_as_damage(spool: Spool) -> None:
    spool.append([1, 2, 3])
    segments(spool)[0].unlink()
    assert drain(spool) == []
    assert (spool.pending, spool.damaged) == (0, 3)
    spool.append([4])
    assert drain(spool) == [4]


def test_a_full_spool_takes_what_fits_and_says_how_many(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=100)
    spool.open()
    assert (spool.append(["x" * 30] * 5), spool.full) == (2, True)
    assert spool.append(["x" * 30]) == 0
    drain(spool)
    assert not spool.full
    assert spool.append(["x" * 30]) == 1
    assert spool.bytes_on_disk <= 100
    spool.close()


def test_a_disk_that_fails_loses_nothing_that_was_written_before(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    spool.append([1])
    with monkeypatch.context() as patch:
        patch.setattr("relay_hooks.spool.os.fsync", fail)
        with pytest.raises(Unavailable, match="No space left"):
            spool.append([2])
    spool.append([3])
    assert spool.pending == 2
    again = reopened(spool)
    assert drain(again) == [1, 3]
    assert again.damaged == 0
    again.close()


def test_a_record_too_long_to_be_an_event_is_refused(spool: Spool) -> None:
    with pytest.raises(ValueError, match="1 MiB"):
        spool.append(["x" * (1 << 20)])


def test_two_processes_cannot_share_a_directory(spool: Spool) -> None:
    with pytest.raises(Misconfigured, match="another process uses it"):
        Spool(spool._directory).open()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="choose one the relay may write to"):
        Spool(tmp_path / "file" / "spool").open()


def test_others_may_not_read_what_waits(spool: Spool) -> None:
    spool.append([1])
    assert spool._directory.stat().st_mode & 0o077 == 0
    assert segments(spool)[0].stat().st_mode & 0o077 == 0


def test_a_broken_position_file_means_sending_again_not_losing(spool: Spool) -> None:
    spool.append([1, 2])
    spool.commit(spool.peek(1), 1)
    (spool._directory / "position").write_text("nonsense")
    again = reopened(spool)
    assert drain(again) == [1, 2]
    again.close()


def test_a_segment_read_to_its_end_but_not_yet_deleted_is_not_read_again(spool: Spool) -> None:
    """A crash can fall between storing the position and deleting the file."""
    spool.append(["x" * 300])
    spool.append(["second"])
    first, _ = segments(spool)
    raw = first.read_bytes()
    spool.commit(spool.peek(1), 1)
    first.write_bytes(raw)
    spool.commit(spool.peek(1), 0)
    (spool._directory / "position").write_text("2 0\n")
    again = reopened(spool)
    assert drain(again) == ["second"]
    again.close()
