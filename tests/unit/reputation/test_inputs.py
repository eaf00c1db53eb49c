"""The input log's records travel through bytes unharmed."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from labeler.reputation.events import SendEvent
from labeler.reputation.inputs import Batch, Decision, Input, PolicyActivated, Tick, decode_input, encode_input

NOON = datetime(2026, 3, 6, 12, 0, 0, 123_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "record",
    [
        Tick(NOON),
        PolicyActivated(NOON, 'name = "ümläut"'),
        Decision(NOON, "did:plc:op", "did:plc:m"),
        Decision(NOON, "did:plc:op", "did:plc:m", "comment", ("mail-throttled",), ("clean-sender",), 24, "why", "x-1"),
        Batch(NOON, "did:web:r.example", ()),
        Batch(
            NOON, "did:web:r.example", (SendEvent(id="e", kind="new kind", did="did:plc:m", at=NOON, smtp_code=250),)
        ),
    ],
)
def test_what_was_written_is_read_again(record: Input) -> None:
    assert decode_input(encode_input(record)) == record


def test_a_moment_keeps_its_place_in_time_whatever_its_zone() -> None:
    at = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    (event,) = (SendEvent(id="e", kind="accepted", did="did:plc:m", at=at),)
    read = decode_input(encode_input(Batch(NOON, "did:web:r.example", (event,))))
    assert isinstance(read, Batch)
    assert read.events[0].at == NOON
    assert read.events[0].at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "raw", [b"", b"\xc1", msgspec.msgpack.encode({"type": "holiday"}), encode_input(Tick(NOON))[:-1]]
)
def test_anything_else_is_an_error(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_input(raw)
