"""Last-known-good labels survive restarts, and a damaged file stops nobody."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from labeler.atproto.label import Label
from relay_hooks.cache import LabelCache
from relay_hooks.cache_file import CacheFile

SRC = "did:web:labeler.test"
MakeLabel = Callable[..., Label]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "labels"


@pytest.fixture
def saved(path: Path, label: MakeLabel) -> LabelCache:
    cache = LabelCache(SRC)
    cache.apply(label(), 3)
    cache.apply(label(uri="did:plc:bob", neg=True), 7)
    CacheFile(path).save(SRC, 7, cache.snapshot())
    return cache


def test_labels_and_cursor_come_back_together(path: Path, saved: LabelCache) -> None:
    cache = LabelCache(SRC)
    assert CacheFile(path).load(cache) == 7
    assert cache.snapshot() == saved.snapshot()


def test_no_file_is_a_start_from_the_beginning(path: Path) -> None:
    assert CacheFile(path).load(LabelCache(SRC)) == 0


@pytest.mark.usefixtures("saved")
def test_nobody_else_may_read_it_and_nothing_is_left_over(path: Path) -> None:
    assert path.stat().st_mode & 0o077 == 0
    assert [entry.name for entry in path.parent.iterdir()] == ["labels"]


@pytest.mark.parametrize("damage", [b"", b"\0\0\0", b"garbage, but longer than a checksum"])
@pytest.mark.usefixtures("saved")
def test_a_damaged_file_is_put_aside(path: Path, damage: bytes) -> None:
    path.write_bytes(damage)
    cache = LabelCache(SRC)
    assert CacheFile(path).load(cache) == 0
    assert len(cache) == 0
    assert path.with_name("labels.damaged").read_bytes() == damage


@pytest.mark.usefixtures("saved")
def test_one_flipped_bit_is_noticed(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"did:plc:alice", b"did:plc:alicf"))
    assert CacheFile(path).load(LabelCache(SRC)) == 0


@pytest.mark.usefixtures("saved")
def test_the_file_of_another_labeler_is_not_used(path: Path) -> None:
    cache = LabelCache("did:web:other.test")
    assert CacheFile(path).load(cache) == 0
    assert len(cache) == 0


def test_an_unreadable_file_is_a_warning(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        assert CacheFile(path).load(LabelCache(SRC)) == 0
    assert "cannot be read" in caplog.text


def test_an_older_snapshot_finishing_late_does_not_replace_a_newer_one(path: Path, saved: LabelCache) -> None:
    file = CacheFile(path)
    file.save(SRC, 9, saved.snapshot())
    file.save(SRC, 8, [])
    cache = LabelCache(SRC)
    assert file.load(cache) == 9
    assert len(cache) == 2
