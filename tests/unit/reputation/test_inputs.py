"""The input log's records travel through bytes unharmed."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from labeler.reputation.events import SendEvent
from labeler.reputation.inputs import (
    Batch,
    Decision,
    Input,
    Override,
    PolicyActivated,
    Question,
    Tick,
    decode_input,
    encode_input,
)

NOON = datetime(2026, 3, 6, 12, 0, 0, 123_000, tzinfo=UTC)
RELAY, OPERATOR, MEMBER = "did:web:r.example", "did:plc:op", "did:plc:m"
EVENT = SendEvent(id="e\n€", kind="new kind", did=MEMBER, at=NOON, smtp_code=250)


@pytest.mark.parametrize(
    "record",
    [
        Tick(NOON),
        PolicyActivated(NOON, 'name = "ümläut"'),
        Decision(NOON, OPERATOR, MEMBER),
        Decision(NOON, OPERATOR, MEMBER, "comment", ("mail-throttled",), ("clean-sender",), 24, "why", "x-1"),
        Question(NOON, OPERATOR, MEMBER),
        Question(NOON, OPERATOR, MEMBER, "What was this?"),
        Override(NOON, OPERATOR, MEMBER),
        Override(NOON, OPERATOR, MEMBER, ("velocity", "domain-spray"), 500, 5_000, 48, "a launch"),
        Batch(NOON, RELAY, ()),
        Batch(NOON, RELAY, (EVENT,)),
    ],
    ids=lambda record: type(record).__name__,
)
def test_what_was_written_is_read_again(record: Input) -> None:
    read = decode_input(encode_input(record))
    assert read == record
    assert type(read) is type(record)


def test_what_is_not_said_takes_no_room() -> None:
    assert msgspec.msgpack.decode(encode_input(Override(NOON, OPERATOR, MEMBER))).keys() == {
        *("type", "received", "operator", "did")
    }


def test_a_moment_keeps_its_place_in_time_whatever_its_zone() -> None:
    at = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    (event,) = (SendEvent(id="e", kind="accepted", did="did:plc:m", at=at),)
    read = decode_input(encode_input(Batch(NOON, RELAY, (event,))))
    assert isinstance(read, Batch)
    assert read.events[0].at == NOON
    assert read.events[0].at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "raw", [b"", b"\xc1", msgspec.msgpack.encode({"type": "holiday"}), encode_input(Tick(NOON))[:-1]]
)
def test_anything_else_is_an_error(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_input(raw)
