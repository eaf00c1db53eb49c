"""Recorded telemetry is read in any packing, merged by time, admitted as the service would."""

import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard

from labeler.cli.recording import UNKNOWN_RELAY, Recording
from labeler.errors import BadInput, Misconfigured
from labeler.reputation.inputs import Batch

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def event(number: int, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    at = (NOON + timedelta(seconds=seconds)).isoformat()
    return {"id": f"e{number}", "kind": "accepted", "did": "did:plc:alice", "at": at, **fields}


def packed(lines: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


async def read(*files: Path) -> tuple[list[Batch], str]:
    recording = Recording(files)
    batches = [record async for record in recording.inputs() if isinstance(record, Batch)]
    return batches, str(recording)


async def read_lines(tmp_path: Path, *lines: dict[str, Any]) -> tuple[list[Batch], str]:
    path = tmp_path / "events.ndjson"
    path.write_bytes(packed(lines))
    return await read(path)


def ids(batches: list[Batch]) -> list[list[str]]:
    return [[event.id for event in batch.events] for batch in batches]


async def test_each_event_arrives_when_it_happened_unless_the_line_says_otherwise(tmp_path: Path) -> None:
    later = (NOON + timedelta(hours=2)).isoformat()
    batches, _ = await read_lines(tmp_path, event(1), event(2, 1), event(3, 2, received=later))
    assert [batch.received for batch in batches] == [NOON, NOON + timedelta(seconds=1), NOON + timedelta(hours=2)]
    assert batches[2].events[0].at == NOON + timedelta(seconds=2)


async def test_neighbours_with_one_relay_and_moment_are_one_batch(tmp_path: Path) -> None:
    batches, _ = await read_lines(
        tmp_path,
        event(1),
        event(2),
        event(3, relay="did:web:a.example.com"),
        event(4, relay="did:web:a.example.com"),
        event(5),
    )
    assert ids(batches) == [["e1", "e2"], ["e3", "e4"], ["e5"]]
    assert [batch.relay for batch in batches] == [UNKNOWN_RELAY, "did:web:a.example.com", UNKNOWN_RELAY]


async def test_moments_are_cut_to_the_clock_s_milliseconds(tmp_path: Path) -> None:
    batches, _ = await read_lines(tmp_path, event(1, 0.0015), event(2, 0.0019))
    assert ids(batches) == [["e1", "e2"]]
    assert batches[0].received == NOON + timedelta(milliseconds=1)


async def test_duplicates_late_and_future_events_are_left_out_and_counted(tmp_path: Path) -> None:
    batches, tally = await read_lines(
        tmp_path,
        event(1),
        event(1),
        event(2, -8 * 86_400, received=NOON.isoformat()),
        event(3, 600, received=NOON.isoformat()),
        event(4, did="nobody"),
        event(5, recipientDomain="alice@example.com"),
    )
    assert ids(batches) == [["e1"]]
    assert tally == "6 events, 1 duplicates, 4 refused (FutureEvent 1, InvalidEvent 2, TooOld 1)"


async def test_a_line_out_of_order_is_received_with_the_one_before(tmp_path: Path) -> None:
    batches, tally = await read_lines(tmp_path, event(1, 60), event(2, 0), event(3, 61))
    assert [batch.received for batch in batches] == [NOON + timedelta(seconds=60), NOON + timedelta(seconds=61)]
    assert ids(batches) == [["e1", "e2"], ["e3"]]
    assert batches[0].events[1].at == NOON
    assert tally.endswith("1 out of order, taken as received with the one before")


async def test_files_are_merged_by_time(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(packed([event(1, 1), event(3, 3)]))
    (tmp_path / "even").write_bytes(packed([event(2, 2), event(4, 4)]))
    batches, tally = await read(tmp_path / "odd", tmp_path / "even")
    assert ids(batches) == [["e1"], ["e2"], ["e3"], ["e4"]]
    assert tally == "4 events, 0 duplicates, 0 refused"


PLAIN = packed([event(number, number, note="ü" * number) for number in range(2_000)])
PACKINGS = {
    "plain": PLAIN,
    "no newline at the end": PLAIN.rstrip(b"\n"),
    "blank lines": PLAIN.replace(b"\n", b"\n\n \r\n"),
    "gzip": gzip.compress(PLAIN),
    "two gzip members": gzip.compress(PLAIN[: PLAIN.index(b"\n") + 1]) + gzip.compress(PLAIN[PLAIN.index(b"\n") + 1 :]),
    "zstd": zstandard.compress(PLAIN),
    "two zstd frames in the middle of a line": zstandard.compress(PLAIN[:1_000]) + zstandard.compress(PLAIN[1_000:]),
}


@pytest.mark.parametrize("packing", PACKINGS)
async def test_every_packing_gives_the_same_events(tmp_path: Path, packing: str) -> None:
    """The packing is told by the content; the name says nothing."""
    path = tmp_path / "events"
    path.write_bytes(PACKINGS[packing])
    batches, tally = await read(path)
    assert ids(batches) == [[f"e{number}"] for number in range(2_000)]
    assert tally == "2000 events, 0 duplicates, 0 refused"


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
@pytest.mark.parametrize("share", [0.3, 0.99])
async def test_a_file_that_ends_too_early_is_refused(tmp_path: Path, packing: str, share: float) -> None:
    path = tmp_path / "events"
    path.write_bytes(PACKINGS[packing][: int(len(PACKINGS[packing]) * share)])
    with pytest.raises(Misconfigured, match=r"events: broken after line \d+"):
        await read(path)


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
async def test_a_damaged_file_is_refused(tmp_path: Path, packing: str) -> None:
    damaged = bytearray(PACKINGS[packing])
    damaged[len(damaged) // 2] ^= 0xFF
    (tmp_path / "events").write_bytes(damaged)
    with pytest.raises((Misconfigured, BadInput), match="events"):
        await read(tmp_path / "events")


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b'{"id":"e2"}',
        b'{"id":2,"kind":"accepted","did":"did:plc:a","at":"2026-03-02T12:00:00Z"}',
        b'{"id":"e2","kind":"accepted","did":"did:plc:a","at":"2026-03-02T12:00:00"}',
        b'{"id":"e2","kind":"accepted","did":"did:plc:a","at":"yesterday"}',
        packed([event(2, recipient="alice@example.com")]),
        packed([event(2, received="2026-03-02")]),
        packed([event(2, relay=5)]),
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
async def test_a_malformed_line_is_named_by_file_and_number(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "events").write_bytes(packed([event(1)]) + b"\n" + line)
    with pytest.raises(BadInput, match=r"events, line 3: not a telemetry event: "):
        await read(tmp_path / "events")


@pytest.mark.parametrize("name", ["absent", "."])
async def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        await read(tmp_path / name)


async def test_an_empty_file_is_an_empty_recording(tmp_path: Path) -> None:
    (tmp_path / "events").touch()
    assert await read(tmp_path / "events") == ([], "0 events, 0 duplicates, 0 refused")
