"""Batches that parsers could read differently, and packed ones that are cut off."""

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from labeler.errors import BadInput
from labeler.service import submit
from labeler.service.body import MAX_MEMBERS
from labeler.service.submit import decode

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

PATH = "/xrpc/email.atmos.telemetry.submitEvents"
GOOD = b'{"id":"a","kind":"accepted","did":"did:plc:a","at":"2026-03-02T11:59:00Z"%s}'


@pytest.mark.row(181, 190)
@pytest.mark.parametrize(
    ("more", "why"),
    [
        (b',"id":"b"', "twice"),
        (b',"id" :"b"', "twice"),
        (b',"id"\n:"b"', "twice"),
        (b',"id"\r\t:"b"', "twice"),
        (b',"messageId":"\\u0022:","id":"b"', "twice"),
        (b',"messageId":"\\":","id":"b"', "twice"),
        (b',"category":null,"id":"b"', ""),
        (b',"x":{"y":1,"y":2}', "twice"),
        (b',"x":1.5', "fraction"),
        (b',"x":[[1e2]]', "fraction"),
        (b',"x":-0.0', "fraction"),
        (b',"smtpCode":250.0', ""),
        (b',"smtpCode":1e400', ""),
    ],
)
def test_what_parsers_could_read_differently_is_refused_by_place(more: bytes, why: str) -> None:
    """The fast path counts keys, and looks closely only where there are more than the events have."""
    events, places, rejected = decode(b'{"events":[' + GOOD % b"" + b"," + GOOD % more + b"]}")
    assert ([event.id for event in events], places) == (["a"], [0])
    assert [(item.index, item.error) for item in rejected] == [(1, "InvalidEvent")]
    assert why in rejected[0].message


@pytest.mark.row(181, 190)
@pytest.mark.parametrize(
    "around", [b'"events":[],"events":[%s]', b'"x":1.5,"events":[%s]', b'"x":{"a":1,"a":1},"events":[%s]']
)
def test_what_stands_around_the_events_is_held_to_the_same(around: bytes) -> None:
    with pytest.raises(BadInput):
        decode(b"{" + around % (GOOD % b"") + b"}")


@pytest.mark.row(183)
@pytest.mark.parametrize(
    "more", [b"", b',"messageId":"a\\":b"', b',"messageId":"\\u0022:"', b' , "smtpCode" : 250', b',"domain":null']
)
def test_another_style_of_writing_is_no_fault(more: bytes) -> None:
    events, places, rejected = decode(b'{"events":[' + GOOD % more + b"]}")
    assert (len(events), places, rejected) == (1, None, [])


def test_what_reporters_send_takes_the_fast_path(monkeypatch: pytest.MonkeyPatch, event: Any) -> None:
    """As our reporter writes it, and as Python's own encoder does."""
    monkeypatch.setattr(submit, "_take_apart", None)
    events = [event(number, smtpCode=550, messageId=f"<{number}@x>") for number in range(3)]
    for separators in ((",", ":"), (", ", ": ")):
        assert len(decode(json.dumps({"events": events}, separators=separators).encode())[0]) == 3


def zstd_frame(raw: bytes) -> bytes:
    """A frame that does not say how much comes out of it, as a stream writer makes it."""
    packer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return packer.compress(raw) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) + packer.flush()


def batch(event: Any, *numbers: int) -> bytes:
    return json.dumps({"events": [event(number) for number in numbers]}).encode()


async def post(service: "Service", data: bytes, encoding: str) -> tuple[int, Any]:
    headers = {"Content-Encoding": encoding}
    status, body, _ = await service.call("POST", PATH, data=data, token="relay", headers=headers)
    return status, body


async def test_a_frame_cut_off_behind_its_data_is_cut_off_nevertheless(service: "Service", event: Any) -> None:
    """All of the JSON comes out; only the mark that nothing follows is missing."""
    whole = zstd_frame(batch(event, 1))
    assert (await post(service, whole[:-3], "zstd"))[1]["message"] == "The zstd body ends too early."
    assert await service.telemetry.head() == 1, "nothing but the policy was written"
    assert (await post(service, whole, "zstd"))[0] == 200


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_a_body_may_come_in_parts_but_not_in_endlessly_many(
    service: "Service", event: Any, encoding: str
) -> None:
    pack = gzip.compress if encoding == "gzip" else zstd_frame
    raw = batch(event, 1)
    parts = [pack(raw[:40]), pack(raw[40:])]
    assert (await post(service, b"".join(parts), encoding))[0] == 200
    status, body = await post(service, b"".join([*parts, pack(b" ") * (MAX_MEMBERS - 1)]), encoding)
    assert (status, body["message"]) == (400, f"The packed body has more than {MAX_MEMBERS} parts.")
